//! Flipped bits, full disks and failing syncs.

mod common;

use common::*;
use sluice_log::sim::{SimDisk, SimFaults};
use sluice_log::{AppendChain, Log, LogAppendError, LogPart, LogReadError, Storage};
use sluice_protocol::batches;
use std::sync::mpsc;

fn part(number: u8, partition: i32, value: &str) -> LogPart {
    let records = batch(1, &[("k".into(), Some(value.to_owned()))]);
    LogPart { topic: topic(number), partition, records }
}

/// 60 appends to two partitions of topic 1 and one of topic 2, over several files.
fn filled() -> SimDisk {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[]);
    create(&log, 2, 1, &[]);
    for i in 0..60 {
        let parts = [part(1, 0, &value(1, 0, i)), part(1, 1, &value(1, 1, i)), part(2, 0, &value(2, 0, i))];
        append(&log, &parts).expect("there is room");
    }
    log.close();
    disk
}

fn value(topic: u8, partition: i32, number: i64) -> String {
    format!("{topic}-{partition}-{number}-{}", "y".repeat((number % 7) as usize * 20))
}

/// For each record whether it can still be read. Anything that is delivered must be what was written.
fn readable(log: &Log, number: u8, partition: i32) -> Vec<bool> {
    let look = |offset| match log.read(topic(number), partition, offset, 1) {
        Ok(read) => batches(&read.records).flatten().any(|batch| {
            batch.verify_crc().expect("only whole batches are delivered");
            batch.records().expect("plain").flatten().any(|record| {
                let right = record.value == Some(value(number, partition, record.offset).as_bytes());
                assert!(right, "wrong bytes were delivered at {offset}");
                record.offset == offset
            })
        }),
        Err(LogReadError::Corrupt { offset: at, .. }) => {
            assert_eq!(at, offset);
            false
        }
        // Cut off with a torn tail.
        Err(LogReadError::OutOfRange { .. }) => false,
        Err(error) => panic!("{error:?}"),
    };
    (0..60).map(look).collect()
}

fn lost(log: &Log) -> usize {
    let lost = |number, partition| readable(log, number, partition).iter().filter(|there| !**there).count();
    lost(1, 0) + lost(1, 1) + lost(2, 0)
}

/// Can be put together again from the log files.
fn derived(name: &str) -> bool {
    name.ends_with(".index") || ["producers.snapshot", "files.list"].contains(&name)
}

fn random_flip(random: &mut Random, files: &[(String, usize)]) -> (String, usize, u8) {
    let (name, size) = &files[random.below(files.len() as u64) as usize];
    (name.clone(), random.below(*size as u64) as usize, 1 << random.below(8))
}

#[test]
fn every_flipped_bit_is_reported_at_a_start_that_reads_the_files_and_costs_at_most_one_block() {
    let disk = filled();
    for name in disk.files().keys().filter(|name| derived(name)) {
        disk.remove(name).expect("it is there");
    }
    let files: Vec<(String, usize)> = disk.files().into_iter().collect();
    let last_mark = files.last().map(|(name, size)| (name.clone(), size - 104)).expect("a tail");
    let mut random = Random(99);
    for _ in 0..1000 {
        let (name, position, mask) = random_flip(&mut random, &files);
        let case = format!("{name} byte {position} mask {mask}");
        let flipped = disk.copy();
        flipped.flip(&name, position, mask);
        let (log, report) = open(&flipped);
        // Only the last mark lies above what is known durable: it is cut.
        let torn = (&name, position) >= (&last_mark.0, last_mark.1);
        assert_eq!((report.torn.is_empty(), report.damaged.is_empty()), (!torn, torn), "{case}: {report:?}");
        // One block holds one record here.
        assert!(lost(&log) <= 1, "{case}");
        append(&log, &[part(1, 0, "goes on")]).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
}

#[test]
fn every_bit_of_the_last_mark_is_reported_as_torn() {
    let disk = filled();
    for name in disk.files().keys().filter(|name| derived(name)) {
        disk.remove(name).expect("it is there");
    }
    let (name, size) = disk.files().into_iter().next_back().expect("a tail");
    for position in size - 104..size {
        let flipped = disk.copy();
        flipped.flip(&name, position, 1);
        let (log, report) = open(&flipped);
        assert!(report.torn.len() == 1 && report.damaged.is_empty(), "byte {position}: {report:?}");
        assert_eq!(lost(&log), 0);
    }
}

#[test]
fn every_flipped_bit_is_noticed_when_files_are_not_read_at_the_start() {
    let disk = filled();
    let files: Vec<(String, usize)> = disk.files().into_iter().collect();
    assert!(files.iter().filter(|(name, _)| name.ends_with(".index")).count() > 3, "{files:?}");
    let mut random = Random(4);
    for _ in 0..1000 {
        let (name, position, mask) = random_flip(&mut random, &files);
        let case = format!("{name} byte {position} mask {mask}");
        let flipped = disk.copy();
        flipped.flip(&name, position, mask);
        let (log, report) = open(&flipped);
        assert!(lost(&log) <= 1, "{case}");
        // A damaged index is put aside and the file read instead; everything else is found by reading it all.
        let verified = log.verify().expect("the disk reads");
        assert!(derived(&name) || !report.clean || !verified.is_empty(), "{case} went unnoticed");
        if derived(&name) {
            assert!(lost(&log) == 0 && report.clean && verified.is_empty(), "{case}");
        }
    }
}

#[test]
fn a_flip_while_the_log_runs_stops_that_partition_and_no_other() {
    let disk = filled();
    let (log, report) = open(&disk);
    assert!(report.clean);
    let first = disk.files().into_keys().find(|name| name.ends_with(".log")).expect("a file");
    let hit = (0..disk.files()[&first]).step_by(8).find(|position| {
        disk.flip(&first, *position, 4);
        let hit = !readable(&log, 1, 1).iter().all(|there| *there);
        if !hit {
            disk.flip(&first, *position, 4);
        }
        hit
    });
    assert!(hit.is_some());
    assert_eq!(readable(&log, 1, 1).iter().filter(|there| !**there).count(), 1);
    assert!(readable(&log, 1, 0).iter().chain(&readable(&log, 2, 0)).all(|there| *there));
}

#[test]
fn a_full_disk_refuses_appends_and_takes_them_again_when_there_is_room() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[]);
    let used: usize = disk.files().values().sum();
    for room in 0..1000 {
        disk.set_faults(SimFaults { capacity_bytes: Some((used + room) as u64), ..SimFaults::default() });
        let outcome = append(&log, &[part(1, 0, "both or"), part(1, 1, "none")]);
        if let Err(error) = &outcome {
            assert!(matches!(error, LogAppendError::Unavailable { .. }), "{error}");
            continue;
        }
        break;
    }
    let (before, _) = read(&log, topic(1), 0);
    assert_eq!(before.len(), 1, "every refused append left nothing");
    disk.set_faults(SimFaults::default());
    append(&log, &[part(1, 0, "room again"), part(1, 1, "x")]).expect("there is room");
    drop(log);
    let (log, report) = open(&disk);
    assert!(report.clean, "{report:?}");
    assert_eq!(read(&log, topic(1), 0).0.len(), 2);
    assert_eq!(read(&log, topic(1), 1).0.len(), 2);
}

#[test]
fn what_was_refused_on_a_full_disk_does_not_come_back_after_a_crash() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[]);
    append(&log, &[part(1, 0, "kept")]).expect("there is room");
    let used: usize = disk.files().values().sum();
    // Room for the first of two appends of one group, so that it reaches the disk whole and is refused all the same.
    disk.set_faults(SimFaults { capacity_bytes: Some(used as u64 + 500), ..SimFaults::default() });
    let (done, answers) = mpsc::channel();
    let big = part(1, 1, &"z".repeat(1000));
    for parts in [[part(1, 0, "refused")], [big]] {
        let done = done.clone();
        log.append(&parts, None, Box::new(move |outcome| drop(done.send(outcome)))).expect("valid");
    }
    let outcomes = [answers.recv().expect("answered"), answers.recv().expect("answered")];
    let kept = 1 + outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let at = disk.events();
    drop(log);
    for keep in [true, false] {
        let (log, _) = open(&disk.after_crash(at, || keep));
        assert_eq!(read(&log, topic(1), 0).0.len() + read(&log, topic(1), 1).0.len(), kept);
    }
}

#[test]
fn a_failed_sync_poisons_the_log_until_it_is_opened_again() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[]);
    append(&log, &[part(1, 0, "durable")]).expect("it syncs");
    disk.set_faults(SimFaults { fail_sync: true, ..SimFaults::default() });
    let failed = append(&log, &[part(1, 0, "unknown")]);
    assert!(matches!(failed, Err(LogAppendError::Poisoned { .. })), "{failed:?}");
    let refused = append(&log, &[part(1, 0, "refused")]);
    assert!(matches!(refused, Err(LogAppendError::Poisoned { .. })), "{refused:?}");
    assert_eq!(read(&log, topic(1), 0).0.len(), 1, "what may not be durable is not read");
    drop(log);
    let (log, _) = open(&disk);
    append(&log, &[part(1, 0, "again")]).expect("reopened through recovery");
}

#[test]
fn what_stands_behind_a_failed_append_of_its_chain_fails_too() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[]);
    let used: usize = disk.files().values().sum();
    disk.set_faults(SimFaults { capacity_bytes: Some(used as u64 + 1000), ..SimFaults::default() });
    let chain = AppendChain::default();
    let (done, answers) = mpsc::channel();
    let mut unseen = Vec::new();
    // The large one does not fit; the small one would, but must not overtake it.
    for value in ["z".repeat(2000), "small".into()] {
        let done = done.clone();
        let answer = Box::new(move |outcome| drop(done.send(outcome)));
        unseen.push(chain.enter());
        log.append(&[part(1, 0, &value)], Some(&chain), answer).expect("valid");
    }
    for _ in 0..2 {
        let outcome = answers.recv().expect("answered");
        assert!(matches!(outcome, Err(LogAppendError::Unavailable { .. })), "{outcome:?}");
    }
    drop(unseen);
    let answer = Box::new(move |outcome| drop(done.send(outcome)));
    let _unseen = chain.enter();
    log.append(&[part(1, 0, "again")], Some(&chain), answer).expect("valid");
    assert_eq!(answers.recv().expect("answered"), Ok(vec![0]), "once all were seen the chain goes on");
}
