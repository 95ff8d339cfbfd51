//! The hub is killed hard, again and again, while files, a database, objects and a table are in motion. Nothing is lost, nothing comes twice.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sluice_integration::{Job, cycles, random, seed};

/// Cycles of `cargo xtask test`, and of `--full`.
const CYCLES: u64 = 12;
const CYCLES_FULL: u64 = 100;
/// A life of the hub is at most this long; the shortest ends before it is ready.
const LIFE_MS_MAX: u64 = 2_500;
const DELIVERY_LIMIT: Duration = Duration::from_secs(120);
const FAIL_POINTS: [&str; 7] = [
    "source.before_append",
    "source.after_append",
    "sink.before_plan",
    "sink.after_plan",
    "sink.after_put",
    "sink.before_commit",
    "sink.after_commit",
];

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_hub_is_killed_at_random_moments() -> Result<()> {
    let seed = seed();
    let mut random = random(seed);
    let mut job = Job::start(seed, |options, _| Ok(options)).await?;
    for _ in 0..cycles(CYCLES, CYCLES_FULL) {
        let life = Duration::from_millis(random.below(LIFE_MS_MAX));
        let begin = Instant::now();
        let hub = job.options.clone().start_without_waiting()?;
        while begin.elapsed() < life {
            job.feed.append(random.below(300), random.below(60)).await?;
            tokio::time::sleep(Duration::from_millis(random.below(50))).await;
        }
        hub.kill()?;
    }
    job.finish().await
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_at_any_fail_point() -> Result<()> {
    for point in FAIL_POINTS {
        // The third time: something has been delivered before, and something is under way.
        crash_at(&format!("{point}:3")).await.with_context(|| format!("fail point {point}"))?;
    }
    Ok(())
}

async fn crash_at(point: &str) -> Result<()> {
    let mut job = Job::start(7, |options, _| Ok(options)).await?;
    let mut hub = job.options.clone().fail_point(point).start_without_waiting()?;
    let begin = Instant::now();
    let status = loop {
        job.feed.append(53, 17).await?;
        if let Some(status) = hub.ended()? {
            break status;
        }
        if begin.elapsed() > DELIVERY_LIMIT {
            bail!("the hub never came to {point}");
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    };
    assert!(!status.success(), "a fail point aborts the process, but it ended with {status}");
    job.finish().await
}
