//! Every n-th call to the disk fails, with EIO or ENOSPC, once or from then on: nothing is acknowledged that is not
//! there, nothing that was refused comes back, and the log goes on where it may.

mod common;

use common::*;
use sluice_log::sim::{Calls, FailingCall, SimDisk, SimFaults};
use sluice_log::{Log, LogAppendError, LogPart};
use std::collections::BTreeMap;

/// Keeps everything; the second keeps the last of each key, the third 1,500 bytes.
const PLACES: [(u8, i32); 4] = [(1, 0), (1, 1), (2, 0), (3, 0)];
const APPENDS: usize = 24;

fn parts(number: usize) -> Vec<LogPart> {
    let there = PLACES.iter().enumerate().filter(|(at, _)| number.is_multiple_of(at + 1));
    let record = |place: (u8, i32)| {
        let value = format!("{number} {place:?} {}", "x".repeat(number % 5 * 60));
        LogPart {
            topic: topic(place.0),
            partition: place.1,
            records: batch(1_000, &[(format!("key-{}", number % 3), Some(value))]),
        }
    };
    there.map(|(_, place)| record(*place)).collect()
}

/// What became of each append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Acknowledged,
    Refused,
    /// The log was poisoned: it may be there or not.
    Unknown,
}

struct Ran {
    outcomes: Vec<Outcome>,
    poisoned: bool,
}

fn run(log: &Log) -> Ran {
    let outcome = |outcome: Result<Vec<i64>, LogAppendError>| match outcome {
        Ok(_) => Outcome::Acknowledged,
        Err(LogAppendError::Unavailable { .. }) => Outcome::Refused,
        Err(LogAppendError::Poisoned { .. }) => Outcome::Unknown,
        Err(error) => panic!("{error:?}"),
    };
    let mut outcomes = Vec::new();
    for number in 0..APPENDS {
        outcomes.push(outcome(append(log, &parts(number))));
        if number % 6 == 5 {
            // May fail as well; what was acknowledged stays.
            let _ = log.roll();
            log.housekeep();
        }
    }
    Ran { outcomes, poisoned: log.failure().is_some() }
}

fn values(log: &Log, place: (u8, i32)) -> Vec<(i64, String)> {
    let (found, error) = read(log, topic(place.0), place.1);
    assert!(error.is_none(), "{error:?}");
    found.into_iter().map(|(offset, _, value)| (offset, value.expect("no tombstones"))).collect()
}

fn wanted(appends: &[usize], place: (u8, i32)) -> Vec<(i64, String)> {
    let parts = appends
        .iter()
        .flat_map(|number| parts(*number))
        .filter(|p| (p.topic, p.partition) == (topic(place.0), place.1));
    let value = |part: LogPart| {
        let batch = sluice_protocol::batches(&part.records).next().expect("one").expect("whole");
        let record = batch.records().expect("plain").next().expect("one").expect("whole");
        String::from_utf8_lossy(record.value.expect("a value")).into_owned()
    };
    (0..).zip(parts.map(value)).collect()
}

fn key(value: &str) -> usize {
    value.split(' ').next().and_then(|number| number.parse::<usize>().ok()).expect("a number") % 3
}

/// Whether these appends, and no other, explain what is there.
fn explains(log: &Log, appends: &[usize]) -> bool {
    PLACES.iter().all(|place| {
        let (found, all) = (values(log, *place), wanted(appends, *place));
        match place.0 {
            1 => found == all,
            // Offsets go on, also where recovery moved them: only the order and the last of each key are compared.
            2 => {
                let last: BTreeMap<usize, &String> = all.iter().map(|(_, value)| (key(value), value)).collect();
                found.iter().all(|record| all.contains(record))
                    && last.values().all(|value| found.iter().any(|(_, there)| there == *value))
            }
            _ => {
                found.len() <= all.len()
                    && all.ends_with(&found)
                    && (found.len() >= 2 || all.len() < 2 || all.len() < 6)
            }
        }
    })
}

fn acknowledged(outcomes: &[Outcome]) -> Vec<usize> {
    (0..outcomes.len()).filter(|number| outcomes[*number] == Outcome::Acknowledged).collect()
}

fn check(log: &Log, ran: &Ran, case: &str) {
    let mut appends = acknowledged(&ran.outcomes);
    if explains(log, &appends) {
        return;
    }
    // The one append that a failed sync left undecided.
    let unknown = ran.outcomes.iter().position(|outcome| *outcome == Outcome::Unknown);
    assert!(
        unknown.is_some(),
        "{case}: {appends:?} do not explain what is there: {:#?}",
        PLACES.map(|place| values(log, place))
    );
    appends.extend(unknown);
    assert!(explains(log, &appends), "{case}: {:#?}", PLACES.map(|place| values(log, place)));
}

/// A disk with topics on which the `after`-th call fails; `None`: it was never reached.
fn one_case(calls: Calls, full: bool, lasting: bool, after: u64) -> Option<bool> {
    let case = format!("call {after} of {calls:?}, full {full}, lasting {lasting}");
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[("retention.ms", "-1")]);
    create(&log, 2, 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
    create(&log, 3, 1, &[("retention.bytes", "1500"), ("retention.ms", "-1")]);
    disk.set_faults(SimFaults { failing: Some(FailingCall { after, calls, full, lasting }), ..SimFaults::default() });
    let ran = run(&log);
    let reached = disk.faults().failing.is_none_or(|failing| failing.after == 0);
    disk.set_faults(SimFaults::default());
    if ran.poisoned {
        let refused = append(&log, &parts(0));
        assert!(matches!(refused, Err(LogAppendError::Poisoned { .. })), "{case}: {refused:?}");
    } else {
        assert!(!ran.outcomes.contains(&Outcome::Unknown), "{case}");
        assert!(explains(&log, &acknowledged(&ran.outcomes)), "{case}: while it runs");
        let crashed = disk.after_crash(disk.events(), || false);
        check(&open(&crashed).0, &ran, &case);
        let again = append(&log, &parts(0)).unwrap_or_else(|error| panic!("{case}: there is room again: {error}"));
        assert_eq!(again.len(), PLACES.len());
        log.housekeep();
    }
    drop(log);
    let (log, report) = open(&disk);
    assert!(report.damaged.is_empty(), "{case}: {report:?}");
    if ran.poisoned {
        check(&log, &ran, &case);
    }
    append(&log, &parts(0)).unwrap_or_else(|error| panic!("{case}: {error}"));
    reached.then_some(ran.poisoned)
}

#[test]
fn whichever_call_fails_nothing_is_acknowledged_that_is_not_there_and_nothing_refused_comes_back() {
    let (mut cases, mut poisoned) = (0, 0);
    let every = budget(5, 1) as u64;
    for calls in [Calls::Growing, Calls::Syncs, Calls::All] {
        for (full, lasting) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut after = 0;
            while let Some(was_poisoned) = one_case(calls, full, lasting, after) {
                assert!(!was_poisoned || calls != Calls::Growing, "a write that fails is taken back");
                poisoned += usize::from(was_poisoned);
                cases += 1;
                after += every;
            }
        }
    }
    println!("{cases} failing calls, {poisoned} of them poisoned the log");
    assert!(cases > 50 && poisoned > 0, "{cases}, {poisoned}");
}

#[test]
fn a_start_on_a_failing_disk_is_refused_or_right() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    for (number, partitions) in [(1, 2), (2, 1), (3, 1)] {
        create(&log, number, partitions, &[("retention.ms", "-1")]);
    }
    let ran = run(&log);
    drop(log);
    let full_trace = disk.events();
    let mut refused = 0;
    for after in 0..40 {
        let crashed = disk.after_crash(full_trace - 1 - after as usize, || true);
        crashed.set_faults(SimFaults {
            failing: Some(FailingCall { after: after % 5, calls: Calls::All, full: after % 2 == 0, lasting: true }),
            ..SimFaults::default()
        });
        match open_with(&crashed, options(), TestClock::default()) {
            Ok((log, _)) => drop(log),
            Err(_) => refused += 1,
        }
        crashed.set_faults(SimFaults::default());
        let (log, report) = open(&crashed);
        assert!(report.damaged.is_empty(), "{report:?}");
        let all: Vec<usize> = (0..ran.outcomes.len()).collect();
        assert!((0..=all.len()).any(|appends| {
            PLACES[..2].iter().all(|place| values(&log, *place) == wanted(&all[..appends], *place))
        }));
    }
    assert!(refused > 0);
}
