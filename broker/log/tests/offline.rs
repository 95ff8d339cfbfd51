//! Looking at a log that nobody runs: what it says of real damage, and that it changes nothing.

mod common;

use common::*;
use sluice_log::offline::{
    BatchInfo, BlockInfo, Change, DumpFilter, FileInfo, RecordInfo, Severity, VerifyReport, Visitor, dump, plan_repair,
    repair, verify,
};
use sluice_log::sim::SimDisk;
use sluice_log::{LogPart, Storage};
use std::sync::Arc;

const RECORDS: i64 = 60;

fn part(number: u8, partition: i32, value: &str) -> LogPart {
    LogPart { topic: topic(number), partition, records: batch(1, &[("k".into(), Some(value.to_owned()))]) }
}

fn value(topic: u8, partition: i32, number: i64) -> String {
    format!("{topic}-{partition}-{number}-{}", "y".repeat((number % 7) as usize * 20))
}

/// Two partitions of t1 and one of t2, over several files.
fn filled() -> SimDisk {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 2, &[]);
    create(&log, 2, 1, &[]);
    for i in 0..RECORDS {
        let parts = [part(1, 0, &value(1, 0, i)), part(1, 1, &value(1, 1, i)), part(2, 0, &value(2, 0, i))];
        append(&log, &parts).expect("there is room");
    }
    log.close();
    disk
}

fn storage(disk: &SimDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

fn verified(disk: &SimDisk) -> VerifyReport {
    verify(&storage(disk)).expect("the disk reads")
}

fn bytes_of(disk: &SimDisk, name: &str) -> Vec<u8> {
    let file = disk.open(name).expect("there");
    let mut bytes = vec![0; file.size().expect("sized") as usize];
    file.read_at(&mut bytes, 0).expect("reads");
    bytes
}

fn contents(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    disk.files().into_keys().map(|name| (name.clone(), bytes_of(disk, &name))).collect()
}

#[test]
fn a_sound_log_has_no_problems_and_is_as_it_was_after_a_look() {
    let disk = filled();
    let before = contents(&disk);
    let report = verified(&disk);
    assert_eq!(report.problems, []);
    assert!(!report.is_damaged());
    assert!(report.files > 3 && report.blocks >= 180 && report.batches >= 180, "{report:?}");
    let plan = plan_repair(&storage(&disk)).expect("it opens");
    assert!(plan.report.clean && plan.set_aside.is_empty(), "{plan:?}");
    dump(&storage(&disk), &DumpFilter { records: true, ..DumpFilter::default() }, &mut Seen::default()).expect("reads");
    assert!(contents(&disk) == before, "looking changed something");
}

#[test]
fn every_flipped_bit_is_found_wherever_it_is() {
    let disk = filled();
    // The list of files is only looked at by a start.
    let files: Vec<(String, usize)> = disk.files().into_iter().filter(|(name, _)| name != "files.list").collect();
    assert!(files.iter().any(|(name, _)| name.ends_with(".index")), "{files:?}");
    assert!(files.iter().any(|(name, _)| name == "producers.snapshot"), "{files:?}");
    let (tail, tail_bytes) = files.iter().rfind(|(name, _)| name.ends_with(".log")).expect("a log file").clone();
    let mut random = Random(7);
    for _ in 0..600 {
        let (name, size) = &files[random.below(files.len() as u64) as usize];
        let (position, mask) = (random.below(*size as u64) as usize, 1 << random.below(8));
        let flipped = disk.copy();
        flipped.flip(name, position, mask);
        let report = verified(&flipped);
        let case = format!("{name} byte {position} mask {mask}: {report:?}");
        let derived = name.ends_with(".index") || name == "producers.snapshot";
        let worst = report.problems.iter().map(|problem| problem.severity).max();
        // The last mark is above what is known durable, unless an index says that the file is sealed.
        let last_mark = *name == tail && position >= tail_bytes - 104;
        match worst {
            Some(Severity::Damage) => assert!(!derived, "{case}"),
            Some(Severity::Derived) => assert!(derived, "{case}"),
            Some(Severity::Torn) => assert!(last_mark, "{case}"),
            None => panic!("{case}"),
        }
        assert!(report.problems.iter().any(|problem| problem.place.contains(name.as_str())), "{case}");
    }
}

#[test]
fn a_damaged_block_is_named_with_the_offsets_that_it_takes_away() {
    let disk = filled();
    let first = disk.files().into_keys().find(|name| name.ends_with(".log")).expect("a file");
    let mut blocks = Seen::default();
    let filter = DumpFilter { topic: Some("t1".into()), partition: Some(1), ..DumpFilter::default() };
    dump(&storage(&disk), &filter, &mut blocks).expect("reads");
    let hit = blocks.blocks.iter().find(|block| block.file == first).expect("one in the first file").clone();
    disk.flip(&first, hit.position as usize + 110, 1);
    let report = verified(&disk);
    let [problem] = &report.problems[..] else { panic!("{report:?}") };
    assert_eq!((problem.severity, &*problem.place), (Severity::Damage, &*format!("{first} at byte {}", hit.position)));
    let [lost] = &problem.affected[..] else { panic!("{report:?}") };
    assert_eq!((&*lost.topic, lost.partition), ("t1", 1));
    assert_eq!((lost.base_offset, lost.end_offset), (hit.base_offset, hit.end_offset));
}

#[test]
fn a_file_that_is_gone_is_noticed_by_the_offsets_that_nobody_has() {
    let disk = filled();
    let logs: Vec<String> = disk.files().into_keys().filter(|name| name.ends_with(".log")).collect();
    let mut blocks = Seen::default();
    let filter = DumpFilter { topic: Some("t2".into()), ..DumpFilter::default() };
    dump(&storage(&disk), &filter, &mut blocks).expect("reads");
    let doomed = &logs[logs.len() / 2];
    let gone: Vec<&BlockInfo> = blocks.blocks.iter().filter(|block| block.file == *doomed).collect();
    let (base, end) = (gone[0].base_offset, gone[gone.len() - 1].end_offset);
    disk.remove(doomed).expect("it is there");
    let _ = disk.remove(&doomed.replace(".log", ".index"));
    let report = verified(&disk);
    let of_t2 = report.problems.iter().find(|problem| problem.place == "t2-0").unwrap_or_else(|| panic!("{report:?}"));
    assert_eq!((of_t2.affected[0].base_offset, of_t2.affected[0].end_offset), (base, end));
    assert!(report.is_damaged());
}

#[test]
fn retention_compaction_and_recovery_leave_no_gap_that_is_reported() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[("retention.bytes", "600")]);
    create(&log, 2, 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
    for i in 0..RECORDS {
        append(&log, &[part(1, 0, &value(1, 0, i)), part(2, 0, &value(2, 0, i))]).expect("there is room");
        if i % 20 == 19 {
            log.housekeep();
        }
    }
    assert!(log.offsets(topic(1), 0).expect("known").0 > 0, "retention took something");
    log.close();
    // The last write is cut short: the next start moves past it.
    let tail = disk.files().into_keys().rfind(|name| name.ends_with(".log")).expect("a tail");
    let size = disk.files()[&tail] as u64;
    disk.open(&tail).expect("there").truncate(size - 150).expect("cut");
    let _ = disk.remove(&tail.replace(".log", ".index"));
    // As before an orderly close: nothing says that the file was sealed.
    disk.remove("files.list").expect("an orderly close wrote it");
    let (log, report) = open(&disk);
    assert!(!report.clean);
    append(&log, &[part(1, 0, "after"), part(2, 0, "after")]).expect("goes on");
    log.close();
    let report = verified(&disk);
    assert_eq!(report.problems, []);
}

/// Everything that a dump tells.
#[derive(Default)]
struct Seen {
    files: Vec<String>,
    blocks: Vec<BlockInfo>,
    batches: Vec<BatchInfo>,
    records: Vec<RecordInfo>,
    records_max: Option<usize>,
}

impl Visitor for Seen {
    fn file(&mut self, file: &FileInfo) -> bool {
        self.files.push(file.name.clone());
        true
    }

    fn block(&mut self, block: &BlockInfo) -> bool {
        self.blocks.push(block.clone());
        true
    }

    fn batch(&mut self, batch: &BatchInfo) -> bool {
        self.batches.push(batch.clone());
        true
    }

    fn record(&mut self, record: &RecordInfo) -> bool {
        self.records.push(record.clone());
        self.records_max.is_none_or(|max| self.records.len() < max)
    }
}

#[test]
fn a_dump_shows_every_record_of_a_partition_from_an_offset_on() {
    let disk = filled();
    let mut seen = Seen::default();
    let filter = DumpFilter { topic: Some("t1".into()), partition: Some(1), offset: Some(17), records: true };
    dump(&storage(&disk), &filter, &mut seen).expect("reads");
    let offsets: Vec<i64> = seen.records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (17..RECORDS).collect::<Vec<_>>());
    for record in &seen.records {
        assert_eq!(record.value.as_deref(), Some(value(1, 1, record.offset).as_bytes()));
    }
    assert!(seen.batches.iter().all(|batch| batch.problem.is_none() && batch.count == 1));
    let mut few = Seen { records_max: Some(3), ..Seen::default() };
    dump(&storage(&disk), &filter, &mut few).expect("reads");
    assert_eq!(few.records.len(), 3, "the visitor ends it");
}

#[test]
fn a_repair_cuts_what_a_crash_tore_and_keeps_a_copy_of_everything_it_changes() {
    let disk = filled();
    let folder = tempfile::tempdir().expect("a folder");
    let log_dir = folder.path().join("log");
    std::fs::create_dir(&log_dir).expect("new");
    for (name, bytes) in contents(&disk) {
        std::fs::write(log_dir.join(name), bytes).expect("room");
    }
    let tail = disk.files().into_keys().rfind(|name| name.ends_with(".log")).expect("a tail");
    let _ = std::fs::remove_file(log_dir.join(tail.replace(".log", ".index")));
    // As before an orderly close: nothing says that the file was sealed.
    std::fs::remove_file(log_dir.join("files.list")).expect("an orderly close wrote it");
    let torn = [&bytes_of(&disk, &tail)[..], b"half of a block"].concat();
    std::fs::write(log_dir.join(&tail), &torn).expect("room");
    let snapshot = b"SLPRD002 and nothing that belongs there";
    std::fs::write(log_dir.join("producers.snapshot"), snapshot).expect("room");
    let real: Arc<dyn Storage> = Arc::new(sluice_log::offline::ReadOnlyDir::new(&log_dir));

    let plan = plan_repair(&real).expect("it opens");
    let cut = Change::Cut { from_bytes: torn.len() as u64, to_bytes: torn.len() as u64 - 15 };
    assert_eq!(plan.changes.get(&tail), Some(&cut), "{plan:?}");
    assert_eq!(plan.set_aside, ["producers.snapshot"]);
    assert_eq!(std::fs::read(log_dir.join(&tail)).expect("there"), torn, "a plan changes nothing");

    let copies = folder.path().join("copies");
    let done = repair(&log_dir, &copies).expect("it can be written");
    assert_eq!(done.changes.get(&tail), Some(&cut));
    assert_eq!(std::fs::read(copies.join(&tail)).expect("a copy"), torn);
    assert_eq!(std::fs::read(copies.join("producers.snapshot")).expect("a copy"), snapshot);
    let report = verify(&real).expect("reads");
    assert_eq!(report.problems, []);
    let again = repair(&log_dir, &copies);
    assert!(again.is_err(), "copies are never written over");
}
