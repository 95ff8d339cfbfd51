//! Every state that a crash may leave behind, for idempotent and transactional producers, topics that come and go,
//! deleted records, retention and compaction at once.

#[path = "../common/mod.rs"]
mod common;
mod found;
mod history;
mod model;

use common::{append, budget, each_crash, open};
use found::Found;
use history::{History, Part, TOGETHER_MAX, markers};
use model::Model;
use sluice_log::Log;
use sluice_log::sim::{SimDisk, SimFaults};
use std::panic::AssertUnwindSafe;

/// Topic and partition.
pub type Place = (u8, i32);

/// Keeps everything, two partitions.
pub const PLAIN: u8 = 1;
pub const COMPACTED: u8 = 2;
/// Keeps 1,500 bytes.
pub const RETAINED: u8 = 3;
/// Its first records are deleted on request.
pub const DELETED_FROM: u8 = 4;
/// Topics from here on have the same name, one after the other.
pub const AGAIN: u8 = 100;

/// What must hold after a crash before event `at`.
fn check(history: &History, at: usize, crashed: &SimDisk) {
    let acknowledged = history.disk.notes_before(at).last().copied().unwrap_or(0) as usize;
    let (log, report) = open(crashed);
    assert!(report.damaged.is_empty(), "a crash is no damage: {report:?}");
    let found = Found::of(&log, &history.states[acknowledged..]);
    let allowed = history.starts.iter().find(|(events, _)| *events >= at).or(history.starts.last());
    let allowed = allowed.map_or(0, |(_, start)| *start);
    let candidates = &history.states[acknowledged..history.states.len().min(acknowledged + TOGETHER_MAX as usize + 1)];
    let judged: Vec<Result<(), String>> =
        candidates.iter().map(|state| found.explained_by(state, &report, allowed)).collect();
    let Some(steps) = judged.iter().position(Result::is_ok) else {
        panic!("event {at}, {acknowledged} steps acknowledged: nothing explains what was found: {judged:#?}");
    };
    go_on(&log, &candidates[steps], crashed);
}

/// Producers know where they were, open transactions can be ended, and a start later finds the same.
fn go_on(log: &Log, state: &Model, crashed: &SimDisk) {
    for (number, partitions) in &state.topics {
        for (index, partition) in partitions.iter().enumerate() {
            let place: Place = (*number, index as i32);
            for (last, part, base_offset) in partition.sequences.values() {
                let again = append(log, &[part.encode()]);
                assert_eq!(again, Ok(vec![*base_offset]), "{place:?}: what was sent before is known");
                let sent = part.sent.expect("it is numbered");
                if !sent.transactional {
                    let sent = history::Sent { sequence: last + 1, ..sent };
                    let next = Part { sent: Some(sent), ..part.clone() };
                    append(log, &[next.encode()]).expect("the next one comes next");
                }
            }
            for producer in partition.open.keys() {
                append(log, &markers(*producer, false, &[place])).expect("it ends");
            }
            let (_, end) = log.offsets(common::topic(*number), index as i32).expect("known");
            assert_eq!(log.last_stable_offset(common::topic(*number), index as i32).expect("known"), end);
        }
    }
    let before = Found::of(log, std::slice::from_ref(state));
    log.housekeep();
    log.close();
    let (log, report) = open(crashed);
    assert!(report.clean, "{report:?}");
    assert!(before.survives_as(&Found::of(&log, std::slice::from_ref(state))));
}

#[test]
fn after_any_crash_a_history_stands_there_up_to_one_of_its_steps_from_the_last_acknowledged_on() {
    let full = budget(0, 1) == 1;
    let (seeds, states): (u64, _) = if full { (8, 1500) } else { (2, 300) };
    let (mut total, mut retained, mut cleaned) = (0, 0, 0);
    for seed in 1..=seeds {
        let history = History::run(SimDisk::new(), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 40);
        retained += usize::from(history.starts.last().is_some_and(|start| start.1 > 0));
        cleaned += usize::from(history.disk.files().keys().any(|name| name.ends_with(".clean")));
        total += each_crash(&history.disk, 0, states, |at, crashed| check(&history, at, crashed));
    }
    assert!(retained > 0 && cleaned > 0, "retention and the cleaner were at work");
    println!("{total} crash states of {seeds} histories");
}

#[test]
fn the_check_finds_what_a_disk_loses_that_does_not_sync() {
    let disk = SimDisk::new();
    disk.set_faults(SimFaults { ignore_syncs: true, ..SimFaults::default() });
    let history = History::run(disk.clone(), 7, 6);
    let at = disk.events();
    let lost = AssertUnwindSafe(|| check(&history, at, &disk.after_crash(at, || false)));
    assert!(std::panic::catch_unwind(lost).is_err(), "acknowledged steps are gone, and the check must see it");
}
