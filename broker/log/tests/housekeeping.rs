//! Retention, compaction, rewriting, and many topics.

mod common;

use common::*;
use sluice_log::sim::SimDisk;
use sluice_log::{Log, LogOptions, LogPart};
use std::sync::atomic::Ordering;

fn put(log: &Log, number: u8, partition: i32, at: i64, key: &str, value: Option<String>) {
    let records = batch(at, &[(key.to_owned(), value)]);
    append(log, &[LogPart { topic: topic(number), partition, records }]).expect("appended");
}

#[test]
fn retention_by_size_and_by_time_survives_a_restart() {
    let (disk, clock) = (SimDisk::new(), TestClock::default());
    let (log, _) = open_with(&disk, options(), clock.clone()).expect("it opens");
    create(&log, 1, 1, &[("retention.ms", "1000")]);
    create(&log, 2, 1, &[("retention.bytes", "2000"), ("retention.ms", "-1")]);
    create(&log, 3, 1, &[("retention.ms", "-1")]);
    for at in 0..100 {
        for number in 1..=3 {
            put(&log, number, 0, at * 100, "k", Some(format!("{at} {}", "x".repeat(50))));
        }
    }
    clock.0.store(10_000, Ordering::Relaxed);
    log.housekeep();
    log.housekeep();
    let (kept, _) = read(&log, topic(1), 0);
    // Whole stretches go, never a record that is young enough.
    assert!(kept.len() >= 10 && kept.len() < 60, "{}", kept.len());
    let sized = log.partitions("t2").expect("there")[0].clone();
    // Rewriting puts blocks together, which saves headers.
    assert!(sized.size_bytes >= 1000 && sized.size_bytes < 4000, "{sized:?}");
    assert_eq!(read(&log, topic(3), 0).0.len(), 100);
    clock.0.store(1_000_000, Ordering::Relaxed);
    log.housekeep();
    log.housekeep();
    assert_eq!(log.offsets(topic(1), 0).expect("known"), (100, 100), "all of it has expired, and offsets go on");
    drop(log);
    let (log, report) = open(&disk);
    assert!(report.clean);
    assert_eq!(log.offsets(topic(1), 0).expect("known"), (100, 100));
    assert_eq!(log.offsets(topic(2), 0).expect("known").0, sized.log_start_offset);
    assert_eq!(read(&log, topic(3), 0).0.len(), 100);
    put(&log, 1, 0, 0, "k", None);
    assert_eq!(read(&log, topic(1), 0).0[0].0, 100);
}

#[test]
fn compaction_keeps_the_last_of_every_key_and_tombstones_for_their_time() {
    let (disk, clock) = (SimDisk::new(), TestClock::default());
    let (log, _) = open_with(&disk, options(), clock.clone()).expect("it opens");
    create(
        &log,
        1,
        1,
        &[("cleanup.policy", "compact"), ("delete.retention.ms", "1000"), ("min.cleanable.dirty.ratio", "0")],
    );
    for round in 0..200 {
        put(&log, 1, 0, 0, &format!("key-{}", round % 5), Some(format!("{round}")));
    }
    put(&log, 1, 0, 500, "key-0", None);
    log.roll().expect("a new file");
    log.housekeep();
    let keys = |log: &Log| read(log, topic(1), 0).0.into_iter().map(|r| (r.0, r.1, r.2)).collect::<Vec<_>>();
    let expected: Vec<_> = (196..200).map(|i| (i, format!("key-{}", i % 5), Some(format!("{i}")))).collect();
    let tombstone = (200, "key-0".to_owned(), None);
    assert_eq!(keys(&log), [expected.clone(), vec![tombstone]].concat());
    clock.0.store(2000, Ordering::Relaxed);
    put(&log, 1, 0, 2000, "key-9", Some("new".into()));
    log.roll().expect("a new file");
    log.housekeep();
    let expected = [expected, vec![(201, "key-9".into(), Some("new".into()))]].concat();
    assert_eq!(keys(&log), expected);
    drop(log);
    let (log, report) = open(&disk);
    assert!(report.clean);
    assert_eq!(keys(&log), expected);
    assert_eq!(log.offsets(topic(1), 0).expect("known"), (0, 202), "offsets stay for ever");
}

#[test]
fn a_log_of_commits_stays_as_small_as_what_it_says() {
    let disk = SimDisk::new();
    let options = LogOptions { compacted_file_bytes: 100_000, ..options() };
    let (log, _) =
        open_with(&disk, LogOptions { file_bytes: 100_000, ..options }, TestClock::default()).expect("opens");
    create(&log, 1, 1, &[("cleanup.policy", "compact")]);
    for round in 0..20_000u32 {
        put(&log, 1, 0, 0, &format!("key-{}", round % 10), Some(format!("{round}")));
        if round % 1000 == 999 {
            log.housekeep();
        }
    }
    assert!(log.size_bytes() < 400_000, "{} bytes for ten keys", log.size_bytes());
}

#[test]
fn deleted_topics_give_their_space_back_and_their_neighbours_stay() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[]);
    create(&log, 2, 1, &[]);
    for i in 0..200 {
        put(&log, 1, 0, i, "k", Some("x".repeat(500)));
        put(&log, 2, 0, i, "k", Some(format!("{i}")));
    }
    let before = log.size_bytes();
    let (done, answer) = std::sync::mpsc::channel();
    log.delete_topic("t1", move |outcome| drop(done.send(outcome)));
    answer.recv().expect("answered").expect("deleted");
    log.roll().expect("a new file");
    log.housekeep();
    assert!(log.size_bytes() < before / 2, "{} of {before}", log.size_bytes());
    assert_eq!(read(&log, topic(2), 0).0.len(), 200);
    drop(log);
    let (log, report) = open(&disk);
    assert!(report.clean);
    assert_eq!(read(&log, topic(2), 0).0.len(), 200);
    assert!(log.topic("t1").is_none());
}

#[test]
fn a_thousand_topics_are_a_handful_of_files() {
    let disk = SimDisk::new();
    let (log, _) =
        open_with(&disk, LogOptions { housekeeping_interval: None, ..LogOptions::default() }, TestClock::default())
            .expect("it opens");
    for number in 0..1000u32 {
        let mut id = [0xee; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        let info = sluice_log::TopicInfo {
            name: format!("topic-{number}").into(),
            id: sluice_log::TopicId(id),
            partitions: 1,
            config: Default::default(),
        };
        log.create_topic(info, |outcome| drop(outcome.expect("created")));
    }
    log.roll().expect("everything before is done");
    assert_eq!(log.topics().len(), 1000);
    assert!(disk.files().len() <= 2, "{:?}", disk.files());
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!(log.topics().len(), 1000);
}

#[test]
fn a_compacted_partition_of_more_offsets_than_a_block_can_say_is_cleaned_and_opened_again() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk);
    create(&log, 1, 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
    // As compaction leaves them elsewhere: one record that stands for two thousand million offsets.
    for round in 0..6 {
        let mut records = batch(0, &[(format!("key-{}", round % 4), Some(round.to_string()))]).to_vec();
        records[23..27].copy_from_slice(&2_000_000_000i32.to_be_bytes());
        let crc = crc32c::crc32c(&records[21..]);
        records[17..21].copy_from_slice(&crc.to_be_bytes());
        append(&log, &[LogPart { topic: topic(1), partition: 0, records: records.into() }]).expect("appended");
        log.roll().expect("a new file");
        if round % 2 == 1 {
            log.housekeep();
        }
    }
    let values = |log: &Log| read(log, topic(1), 0).0.into_iter().map(|r| r.2.expect("a value")).collect::<Vec<_>>();
    assert_eq!(values(&log), ["2", "3", "4", "5"]);
    drop(log);
    let (log, report) = open(&disk);
    assert!(report.clean, "{report:?}");
    assert_eq!(values(&log), ["2", "3", "4", "5"]);
    assert_eq!(log.offsets(topic(1), 0).expect("known").1, 6 * 2_000_000_001);
}
