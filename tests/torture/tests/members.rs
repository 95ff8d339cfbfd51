//! A hundred members of a group that join and leave at random.

use std::time::SystemTime;

use anyhow::Result;
use sluice_harness::Scratch;
use sluice_torture::{Broker, Storm, storm};

#[test]
fn a_hundred_members_come_and_go_and_no_commit_is_lost_and_no_partition_has_two_owners() -> Result<()> {
    let given = std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let seed = given.unwrap_or(now);
    let scratch = Scratch::new()?;
    let mut broker = Broker::in_folder(&scratch)?;
    broker.start()?;
    broker.until_listening()?;
    let plan = Storm { members: 100, partitions: 120, visits: 2, seed };
    let report = storm(broker.address(), plan).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    eprintln!(
        "seed {seed}: {} rounds, {} cut short, {} joins, {} commits",
        report.rounds, report.cut_short, report.joins, report.commits
    );
    assert!(report.rounds > 2 && report.commits > 1_000, "{report:?}");
    Ok(())
}
