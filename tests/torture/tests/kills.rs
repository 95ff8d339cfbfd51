//! The broker dies again and again under producers, transactions and groups; what was acknowledged is there, once and in order.

use std::time::SystemTime;

use anyhow::Result;
use sluice_harness::Scratch;
use sluice_torture::{Ending, Plan, torture};

/// Of `cargo xtask test`, and of `--full`; `cargo xtask torture` kills a thousand times.
const KILLS: u64 = 50;
const KILLS_FULL: u64 = 200;

#[test]
fn what_was_acknowledged_is_there_once_and_in_order_after_fifty_kills() -> Result<()> {
    let kills = if std::env::var_os("SLUICE_TEST_FULL").is_some() { KILLS_FULL } else { KILLS };
    let seed = seed();
    eprintln!("seed {seed}: SLUICE_TEST_SEED={seed} repeats the choices");
    let scratch = Scratch::new()?;
    let plan = Plan { seed, ending: Ending::Killed(kills), value_bytes_max: 200 };
    let report = torture(&plan, &scratch).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    eprintln!("{report}");
    Ok(())
}

#[test]
fn what_was_acknowledged_is_there_once_and_in_order_after_a_death_at_each_fail_point_of_the_log() -> Result<()> {
    const APPEND: [&str; 3] = ["log.append.before_write", "log.append.after_write", "log.append.after_sync"];
    let seed = seed();
    let mut points: Vec<String> =
        [1, 7, 60].iter().flat_map(|nth| APPEND.iter().map(move |point| format!("{point}:{nth}"))).collect();
    // Every life begins a file of its own, and many small ones are cleaned up when a topic is deleted.
    points.extend(["log.roll.after_create", "log.clean.after_write", "log.clean.after_rename"].map(str::to_owned));
    let scratch = Scratch::new()?;
    let plan = Plan { seed, ending: Ending::AtFailPoints(points), value_bytes_max: 200 };
    let report = torture(&plan, &scratch).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    eprintln!("{report}");
    Ok(())
}

fn seed() -> u64 {
    let given = std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    given.unwrap_or(now)
}
