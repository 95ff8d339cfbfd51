//! The hub is killed hard, again and again, while files, a database, objects and a table are in motion. Nothing is lost, nothing comes twice.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use sluice_harness::{Feed, Hub, HubOptions, Pipeline, Random, Scratch, until};

/// Cycles of `cargo xtask test`, and of `--full`.
const CYCLES: u64 = 12;
const CYCLES_FULL: u64 = 100;
/// A life of the hub is at most this long; the shortest ends before it is ready.
const LIFE_MS_MAX: u64 = 2_500;
const DELIVERY_LIMIT: Duration = Duration::from_secs(120);
/// Longer than the wall-clock rotation: what would come twice has come by then.
const SETTLE: Duration = Duration::from_millis(1_500);
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
    let cycles = if std::env::var_os("SLUICE_TEST_FULL").is_some() { CYCLES_FULL } else { CYCLES };
    let seed = seed();
    eprintln!("seed {seed}: SLUICE_TEST_SEED={seed} repeats the moments");
    let mut random = Random::new(seed);
    let mut job = Job::start(seed, |options| options).await?;
    for _ in 0..cycles {
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
    let mut job = Job::start(7, |options| options).await?;
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

/// The pipeline with its feed; the hub is dead between the steps.
struct Job {
    scratch: Scratch,
    pipeline: Pipeline,
    feed: Feed,
    options: HubOptions,
}

impl Job {
    /// Deploys the connectors, waits until something has arrived everywhere, and kills the hub.
    async fn start(seed: u64, with: impl FnOnce(HubOptions) -> HubOptions) -> Result<Job> {
        let scratch = Scratch::new()?;
        let pipeline = Pipeline::in_folder(scratch.root());
        let mut feed = Feed::create(&pipeline, seed).await?;
        feed.append(1_013, 211).await?;
        let hub = with(Hub::at(scratch.path("hub"))).start().await?;
        pipeline.deploy(&hub).await?;
        until("the first rows at every destination", DELIVERY_LIMIT, || async {
            pipeline.refuse_failures(&hub).await?;
            let arrived = pipeline.arrived().await?;
            if arrived.something_everywhere() { Ok(()) } else { bail!("{arrived:?}") }
        })
        .await?;
        let options = hub.kill()?;
        Ok(Job { scratch, pipeline, feed, options })
    }

    /// Starts the hub for good, lets it deliver everything, counts.
    async fn finish(mut self) -> Result<()> {
        let hub = self.options.clone().start().await?;
        self.feed.append(101, 19).await?;
        let arrived = until("all rows at every destination", DELIVERY_LIMIT, || async {
            self.pipeline.refuse_failures(&hub).await?;
            let arrived = self.pipeline.arrived().await?;
            if arrived.as_much_as(&self.feed) { Ok(()) } else { bail!("{arrived:?}") }
        })
        .await;
        tokio::time::sleep(SETTLE).await;
        let delivered = self.pipeline.delivered(&self.feed).await?;
        eprintln!("{delivered}");
        assert!(
            arrived.is_ok() && delivered.is_exact(),
            "{arrived:?}\n{delivered}\nin {}",
            self.scratch.root().display()
        );
        Ok(())
    }
}

fn seed() -> u64 {
    let given = std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    given.unwrap_or(now)
}
