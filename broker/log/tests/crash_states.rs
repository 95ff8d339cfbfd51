//! Every state that a crash may leave behind, for append, roll, retention, compaction and recovery.

mod common;

use common::*;
use sluice_log::sim::{SimDisk, SimFaults};
use sluice_log::{Log, LogPart};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc;

/// Topic 1 keeps everything, topic 2 is compacted, topic 3 keeps 1,500 bytes.
const TOPICS: [(u8, i32); 4] = [(1, 0), (1, 1), (2, 0), (3, 0)];

/// What was handed over, append by append.
#[derive(Default)]
struct Model {
    /// Per append, per part: topic, partition and records.
    appends: Vec<Vec<(u8, i32, Vec<Record>)>>,
    next: BTreeMap<(u8, i32), i64>,
    /// Log start offsets of topic 3 seen after each housekeeping, with the trace's length then.
    starts: Vec<(usize, i64)>,
}

impl Model {
    fn parts(&mut self, random: &mut Random) -> Vec<LogPart> {
        let number = self.appends.len();
        let mut parts = Vec::new();
        let mut modelled = Vec::new();
        for (topic_number, partition) in TOPICS {
            if random.below(3) == 0 {
                continue;
            }
            let count = 1 + random.below(3);
            let filler = "x".repeat(random.below(300) as usize);
            let next = self.next.entry((topic_number, partition)).or_default();
            let mut records = Vec::new();
            for i in 0..count {
                let key = format!("key-{}", random.below(4));
                let value = (random.below(6) != 0).then(|| format!("{number}/{topic_number}-{partition}/{i} {filler}"));
                records.push((*next, key, value));
                *next += 1;
            }
            let pairs: Vec<_> = records.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect();
            parts.push(LogPart { topic: topic(topic_number), partition, records: batch(number as i64, &pairs) });
            modelled.push((topic_number, partition, records));
        }
        self.appends.push(modelled);
        parts
    }

    fn records(&self, topic: u8, partition: i32, appends: usize) -> Vec<Record> {
        let parts = self.appends[..appends].iter().flatten().filter(|(t, p, _)| (*t, *p) == (topic, partition));
        parts.flat_map(|(.., records)| records.clone()).collect()
    }
}

fn create_topics(log: &Log) {
    create(log, 1, 2, &[]);
    create(log, 2, 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
    create(log, 3, 1, &[("retention.bytes", "1500"), ("retention.ms", "-1")]);
}

/// Groups of appends, with housekeeping and rolls in between. Acknowledgements are noted in the disk's trace.
fn run(disk: &SimDisk, seed: u64, groups: u64) -> Model {
    let mut random = Random(seed);
    let mut model = Model::default();
    let (log, _) = open(disk);
    create_topics(&log);
    disk.note(u64::MAX);
    for group in 0..groups {
        let (done, answers) = mpsc::channel();
        let together = 1 + random.below(3);
        for _ in 0..together {
            let number = model.appends.len() as u64;
            let parts = model.parts(&mut random);
            let (disk, done) = (disk.clone(), done.clone());
            let acknowledged = move |outcome: Result<_, _>| {
                outcome.expect("nothing fails here");
                disk.note(number);
                done.send(()).expect("it is waited for");
            };
            log.append(&parts, None, Box::new(acknowledged)).expect("valid");
        }
        (0..together).for_each(|_| answers.recv().expect("answered"));
        if group % 5 == 4 {
            if group % 2 == 0 {
                log.roll().expect("a new file");
            }
            log.housekeep();
            model.starts.push((disk.events(), log.offsets(topic(3), 0).expect("known").0));
        }
    }
    log.close();
    model
}

/// What must hold after a crash before event `at`. Returns how many appends were found.
fn check(model: &Model, crashed: &SimDisk, at: usize, notes: &[u64]) -> usize {
    let (log, report) = open(crashed);
    assert!(report.damaged.is_empty(), "a crash is no damage: {report:?}");
    if !notes.contains(&u64::MAX) {
        return 0;
    }
    let acknowledged = notes.iter().filter(|note| **note != u64::MAX).count();
    let found: BTreeMap<_, _> = TOPICS
        .iter()
        .map(|(number, partition)| {
            let (records, error) = read(&log, topic(*number), *partition);
            assert!(error.is_none(), "{error:?}");
            ((*number, *partition), records)
        })
        .collect();
    // Topic 1 shows how far the log goes: all of an append or nothing.
    let appends = (acknowledged..=model.appends.len())
        .rev()
        .find(|appends| (0..2).all(|partition| found[&(1, partition)] == model.records(1, partition, *appends)));
    let appends = appends.unwrap_or_else(|| panic!("acknowledged {acknowledged}, found {:?}", found));
    let candidates = acknowledged..=appends;
    let fits = candidates.clone().rev().find(|appends| {
        let same = (0..2).all(|partition| found[&(1, partition)] == model.records(1, partition, *appends));
        same && compacted_fits(&found[&(2, 0)], &model.records(2, 0, *appends))
            && retained_fits(model, at, &log, &found[&(3, 0)], &model.records(3, 0, *appends))
    });
    let Some(appends) = fits else {
        panic!("no number of whole appends in {candidates:?} explains what was found: {found:#?}");
    };
    // The log goes on, and what was there stays.
    let parts = [LogPart { topic: topic(1), partition: 0, records: batch(0, &[("after".into(), None)]) }];
    append(&log, &parts).expect("it takes records again");
    log.housekeep();
    drop(log);
    let (log, report) = open(crashed);
    assert!(report.clean, "{report:?}");
    let (again, _) = read(&log, topic(1), 0);
    let before = &found[&(1, 0)];
    assert_eq!((&again[..before.len()], again.len()), (&before[..], before.len() + 1));
    appends
}

/// Each record found was written, and the last of every key is there (a tombstone may have gone).
fn compacted_fits(found: &[Record], written: &[Record]) -> bool {
    let mut last = BTreeMap::new();
    for record in written {
        last.insert(record.1.clone(), record.clone());
    }
    found.iter().all(|record| written.contains(record))
        && last.values().all(|record| found.contains(record) || record.2.is_none())
        && found.is_sorted_by_key(|record| record.0)
}

fn retained_fits(model: &Model, at: usize, log: &Log, found: &[Record], written: &[Record]) -> bool {
    let start = log.offsets(topic(3), 0).expect("known").0;
    let allowed = model.starts.iter().find(|(events, _)| *events >= at).or(model.starts.last()).map_or(0, |s| s.1);
    let expected: Vec<_> = written.iter().filter(|record| record.0 >= start).cloned().collect();
    start <= allowed && found == expected
}

/// Crashes at every event in `events`: nothing unsynced kept, all of it, and random parts.
fn each_crash(disk: &SimDisk, random_states: u64, mut visit: impl FnMut(usize, SimDisk)) -> usize {
    let mut states = 0;
    for at in 0..=disk.events() {
        visit(at, disk.after_crash(at, || false));
        visit(at, disk.after_crash(at, || true));
        for seed in 0..random_states {
            let mut random = Random((at as u64 + 1) * 1_000_003 + seed * 7_919 + 1);
            // From almost everything kept to almost everything lost.
            let odds = 1 + seed % 7;
            visit(at, disk.after_crash(at, || random.below(8) >= odds));
        }
        states += 2 + random_states as usize;
    }
    states
}

#[test]
fn no_crash_loses_an_acknowledged_append_or_leaves_half_of_one() {
    let mut states = 0;
    for seed in [11, 4242] {
        let disk = SimDisk::new();
        let model = run(&disk, seed, 30);
        assert!(model.starts.last().is_some_and(|start| start.1 > 0), "retention was at work: {:?}", model.starts);
        let cleaned = disk.files().keys().filter(|name| name.ends_with(".clean")).count();
        assert!(cleaned > 0, "so was the cleaner: {:?}", disk.files());
        states += each_crash(&disk, 7, |at, crashed| {
            check(&model, &crashed, at, &disk.notes_before(at));
        });
    }
    println!("{states} crash states");
    assert!(states >= 2000, "{states}");
}

#[test]
fn a_crash_during_recovery_is_recovered_from() {
    let disk = SimDisk::new();
    let model = run(&disk, 77, 12);
    let mut states = 0;
    for at in (0..disk.events()).step_by(4) {
        let mut random = Random(at as u64 + 5);
        let crashed = disk.after_crash(at, || random.below(2) == 0);
        let notes = disk.notes_before(at);
        drop(open(&crashed));
        states += each_crash(&crashed, 3, |_, again| {
            check(&model, &again, at, &notes);
        });
    }
    println!("{states} crash states of recovery");
    assert!(states >= 200, "{states}");
}

#[test]
fn what_a_start_made_readable_survives_the_next_crash() {
    let disk = SimDisk::new();
    run(&disk, 5, 8);
    let mut states = 0;
    for at in (40..disk.events()).step_by(11) {
        // The process was killed, and the operating system kept everything that it had written.
        let killed = disk.after_crash(at, || true);
        let (log, _) = open(&killed);
        let (served, _) = read(&log, topic(1), 0);
        killed.note(0);
        let acknowledged = served.len() + 1;
        let parts = [LogPart { topic: topic(1), partition: 0, records: batch(0, &[("more".into(), None)]) }];
        if append(&log, &parts).is_ok() {
            killed.note(1);
        }
        drop(log);
        states += each_crash(&killed, 2, |then, crashed| {
            let notes = killed.notes_before(then);
            if notes.is_empty() {
                return;
            }
            let (log, report) = open(&crashed);
            assert!(report.damaged.is_empty(), "{report:?}");
            let (found, error) = read(&log, topic(1), 0);
            assert!(error.is_none() && found.starts_with(&served), "{served:?} became {found:?}");
            assert!(notes.len() < 2 || found.len() == acknowledged);
        });
    }
    println!("{states} crash states after a restart");
}

#[test]
fn without_fsync_the_same_check_finds_losses() {
    let disk = SimDisk::new();
    disk.set_faults(SimFaults { ignore_syncs: true, ..SimFaults::default() });
    let model = run(&disk, 11, 6);
    let at = disk.events();
    let lost = std::panic::catch_unwind(AssertUnwindSafe(|| {
        check(&model, &disk.after_crash(at, || false), at, &disk.notes_before(at));
    }));
    assert!(lost.is_err(), "a disk that does not sync loses acknowledged appends, and the check must see it");
}
