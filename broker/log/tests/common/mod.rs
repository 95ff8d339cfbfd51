//! A log on a simulated disk, and a model of what it must hold.
#![allow(dead_code)]

use bytes::Bytes;
use sluice_log::sim::SimDisk;
use sluice_log::{
    Clock, FailPoints, Log, LogAppendError, LogOptions, LogPart, LogParts, LogReadError, OpenError, RecoveryReport,
    TopicId, TopicInfo,
};
use sluice_protocol::{RecordBatchBuilder, batches};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};

#[derive(Clone, Default)]
pub struct TestClock(pub Arc<AtomicI64>);

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Small files, no housekeeping of its own.
pub fn options() -> LogOptions {
    LogOptions {
        file_bytes: 3000,
        compacted_file_bytes: 2000,
        dirty_bytes_min: 1,
        housekeeping_interval: None,
        ..LogOptions::default()
    }
}

pub fn open_with(disk: &SimDisk, options: LogOptions, clock: TestClock) -> Result<(Log, RecoveryReport), OpenError> {
    Log::open(LogParts {
        storage: Arc::new(disk.clone()),
        clock: Arc::new(clock),
        fail_points: FailPoints::default(),
        observer: Arc::new(()),
        options,
    })
}

pub fn open(disk: &SimDisk) -> (Log, RecoveryReport) {
    open_with(disk, options(), TestClock::default()).expect("it opens")
}

pub fn topic(number: u8) -> TopicId {
    TopicId([number; 16])
}

pub fn create(log: &Log, number: u8, partitions: i32, config: &[(&str, &str)]) {
    let config: BTreeMap<_, _> = config.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let info = TopicInfo { name: format!("t{number}").into(), id: topic(number), partitions, config };
    let (done, answer) = mpsc::channel();
    log.create_topic(info, move |outcome| drop(done.send(outcome)));
    answer.recv().expect("answered").expect("created");
}

/// One batch; each record is (key, value) at timestamp `at`.
pub fn batch(at: i64, records: &[(String, Option<String>)]) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for (key, value) in records {
        builder.push(at, Some(key.as_bytes()), value.as_deref().map(str::as_bytes)).expect("small");
    }
    builder.finish()
}

pub fn append(log: &Log, parts: &[LogPart]) -> Result<Vec<i64>, LogAppendError> {
    let (done, answer) = mpsc::channel();
    log.append(parts, None, Box::new(move |outcome| drop(done.send(outcome))))?;
    answer.recv().expect("answered")
}

pub type Record = (i64, String, Option<String>);

/// Every record from the log start on, or where reading stopped and why.
pub fn read(log: &Log, topic: TopicId, partition: i32) -> (Vec<Record>, Option<LogReadError>) {
    let Ok((mut offset, end)) = log.offsets(topic, partition) else { return (Vec::new(), None) };
    let mut found = Vec::new();
    while offset < end {
        let read = match log.read(topic, partition, offset, 700) {
            Ok(read) => read,
            Err(error) => return (found, Some(error)),
        };
        assert!(!read.records.is_empty(), "a read below the high watermark makes progress");
        for batch in batches(&read.records) {
            let batch = batch.expect("whole batches");
            batch.verify_crc().expect("only what was written is delivered");
            for record in batch.records().expect("plain") {
                let record = record.expect("whole");
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                if record.offset >= offset {
                    found.push((record.offset, text(record.key.expect("a key")), record.value.map(text)));
                }
            }
            assert!(batch.last_offset() >= offset);
            offset = batch.last_offset() + 1;
        }
    }
    (found, None)
}

/// A small generator of numbers, so that a failing case can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// How much a test does: `small` as a rule, `full` when `cargo xtask test --full` asks for it (`SLUICE_TEST_FULL`).
pub fn budget(small: usize, full: usize) -> usize {
    if std::env::var_os("SLUICE_TEST_FULL").is_some() { full } else { small }
}

/// Crashes at the events of the disk's trace from `from` on, about `states` times in all, evenly: nothing unsynced kept,
/// all of it, and random parts, torn at borders of 16, 512 or 4,096 bytes. Returns the number of states.
pub fn each_crash(disk: &SimDisk, from: usize, states: usize, mut visit: impl FnMut(usize, &SimDisk)) -> usize {
    let places = disk.events() + 1 - from;
    for number in 0..states {
        // Each event in turn; with fewer states than events every n-th of them.
        let at = from + if states >= places { number % places } else { number * places / states };
        let round = number / places.min(states);
        let seed = number as u64;
        let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.next();
        // A little of it random also where there is one round only.
        let kind = if states >= places { round } else { number % 9 };
        let crashed = match kind {
            0 => disk.after_crash(at, || false),
            1 => disk.after_crash(at, || true),
            _ => {
                let odds = 1 + random.below(7);
                let sector = [16, 512, 512, 4096][random.below(4) as usize];
                disk.after_crash_torn_at(at, sector, || random.below(8) >= odds)
            }
        };
        visit(at, &crashed);
    }
    states
}
