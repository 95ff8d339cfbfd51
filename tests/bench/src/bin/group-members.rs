//! Claim: of a hundred members that join and leave at random, with a heartbeat of 100 ms, a rebalance takes at most a second (p99)
//! from the last join of its round until every member has its partitions.

use anyhow::Result;
use sluice_bench::{Bar, Options, Report};
use sluice_harness::Scratch;
use sluice_torture::{Broker, Storm, storm};

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let (mut p50, mut p99, mut max, mut rounds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..options.runs {
        let scratch = Scratch::new()?;
        let mut broker = Broker::in_folder(&scratch)?;
        broker.start()?;
        broker.until_listening()?;
        let visits = options.sized(10) as u32;
        let mut report = storm(broker.address(), Storm { members: 100, partitions: 120, visits, seed: run as u64 })?;
        report.took.sort();
        let at = |share: f64| {
            let index = ((report.took.len() - 1) as f64 * share).ceil() as usize;
            report.took[index].as_secs_f64() * 1e3
        };
        p50.push(at(0.5));
        p99.push(at(0.99));
        max.push(at(1.0));
        rounds.push(report.took.len() as f64);
    }
    let mut report = Report::new("group-members", options);
    report.row("rebalance of 100 members, p99", "ms", &p99, Bar::AtMost(1_000.0));
    report.row("p50", "ms", &p50, Bar::None);
    report.row("longest", "ms", &max, Bar::None);
    report.row("whole rounds", "", &rounds, Bar::None);
    report.finish()
}
