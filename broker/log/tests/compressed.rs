//! Compressed batches: looked into where a record's own offset, time or key counts.

mod common;

use bytes::Bytes;
use common::{append, batch, create, open, topic};
use sluice_log::sim::SimDisk;
use sluice_log::{Log, LogAppendError, LogPart};
use sluice_protocol::{Compression, RecordBatchBuilder, RecordBatchRef, batches, compressed, inflated};
use std::collections::BTreeMap;
use std::sync::mpsc;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn put(log: &Log, records: impl Into<Bytes>) -> Result<i64, LogAppendError> {
    let parts = [LogPart { topic: topic(1), partition: 0, records: records.into() }];
    append(log, &parts).map(|offsets| offsets[0])
}

fn keyed(codec: Compression, records: &[(&str, &str)]) -> Vec<u8> {
    let records: Vec<_> = records.iter().map(|(key, value)| ((*key).into(), Some((*value).into()))).collect();
    compressed(&batch(1_000, &records), codec).expect("whole batches")
}

fn with_topic(config: &[(&str, &str)]) -> (SimDisk, Log) {
    let disk = SimDisk::new();
    let log = open(&disk).0;
    create(&log, 1, 1, config);
    (disk, log)
}

const COMPACTED: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")];

/// Every record as offset, value and codec.
fn found(log: &Log) -> Vec<(i64, String, Compression)> {
    let (start, _) = log.offsets(topic(1), 0).expect("known");
    let read = log.read(topic(1), 0, start, 1 << 20).expect("in range");
    let mut found = Vec::new();
    for batch in batches(&read.records).map(|batch| batch.expect("whole")) {
        batch.verify_crc().expect("unharmed");
        let plain = inflated(batch.bytes()).expect("it inflates");
        for record in RecordBatchRef::parse(&plain).expect("whole").records().expect("plain") {
            let record = record.expect("whole");
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            found.push((record.offset, value, batch.compression().expect("known")));
        }
    }
    found
}

#[test]
fn the_offset_for_a_time_inside_a_batch_is_that_of_the_record_also_when_it_is_compressed() {
    for codec in CODECS {
        let (_disk, log) = with_topic(&[]);
        let mut builder = RecordBatchBuilder::new(1 << 20);
        for at in 0..10 {
            builder.push(1_000 + 10 * at, Some(b"k"), Some(b"v")).expect("small");
        }
        let records = compressed(&builder.finish(), codec).expect("whole");
        put(&log, records.clone()).expect("appended");
        put(&log, records).expect("appended");
        let at = |time| log.offset_and_time(topic(1), 0, time).expect("it reads");
        assert_eq!(at(0), Some((0, 1_000)), "{codec}");
        assert_eq!(at(1_041), Some((5, 1_050)), "{codec}");
        assert_eq!(at(1_090), Some((9, 1_090)), "{codec}");
        assert_eq!(at(1_091), None, "{codec}");
        assert_eq!(log.max_timestamp(topic(1), 0).expect("it reads"), Some((1_090, 9)), "{codec}");
        let (done, answer) = mpsc::channel();
        log.delete_records(topic(1), 0, 7, move |outcome| drop(done.send(outcome))).expect("in range");
        assert_eq!(answer.recv().expect("answered"), Ok(7));
        assert_eq!(at(1_041), Some((7, 1_070)), "{codec}: what was deleted is not answered");
    }
}

#[test]
fn compaction_keeps_the_last_of_every_key_inside_compressed_batches_under_their_codec() {
    for codec in CODECS {
        let (disk, log) = with_topic(&COMPACTED);
        put(&log, keyed(codec, &[("a", "0"), ("b", "1"), ("c", "2")])).expect("appended");
        put(&log, keyed(codec, &[("x", "3"), ("y", "4")])).expect("appended");
        put(&log, keyed(Compression::None, &[("a", "5")])).expect("appended");
        put(&log, keyed(codec, &[("c", "6"), ("c", "7")])).expect("appended");
        log.roll().expect("a new file");
        log.housekeep();
        let none = Compression::None;
        let wanted = [(1, "1", codec), (3, "3", codec), (4, "4", codec), (5, "5", none), (7, "7", codec)];
        let wanted: Vec<_> = wanted.iter().map(|(at, value, codec)| (*at, (*value).to_owned(), *codec)).collect();
        assert_eq!(found(&log), wanted);
        drop(log);
        assert_eq!(found(&open(&disk).0), wanted, "and after a start");
    }
}

#[test]
fn a_compressed_record_without_a_key_is_refused_by_a_compacted_topic() {
    for codec in CODECS {
        let (_disk, log) = with_topic(&COMPACTED);
        let mut builder = RecordBatchBuilder::new(1 << 20);
        builder.push(0, Some(b"k"), Some(b"v")).expect("small");
        builder.push(0, None, Some(b"v")).expect("small");
        let records = compressed(&builder.finish(), codec).expect("whole");
        assert_eq!(put(&log, records), Err(LogAppendError::MissingKey { part: 0 }), "{codec}");
    }
}

/// A valid batch as far as its header and its checksum go.
fn not_what_it_says(codec: u8) -> Vec<u8> {
    let mut bytes = keyed(Compression::None, &[("a", "never seen")]);
    bytes[22] |= codec;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn what_does_not_inflate_is_refused_by_a_compacted_topic_and_kept_whole_when_the_topic_becomes_one_later() {
    for codec in 1..=4 {
        let (_disk, log) = with_topic(&[]);
        put(&log, keyed(Compression::Zstd, &[("a", "0"), ("b", "1")])).expect("appended");
        put(&log, not_what_it_says(codec)).expect("nobody looks into it");
        put(&log, keyed(Compression::Zstd, &[("b", "3")])).expect("appended");
        let (done, answer) = mpsc::channel();
        let changes = COMPACTED.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())));
        log.alter_config("t1", changes.collect::<BTreeMap<_, _>>(), move |outcome| drop(done.send(outcome)));
        answer.recv().expect("answered").expect("altered");
        let refused = put(&log, not_what_it_says(codec));
        assert!(matches!(refused, Err(LogAppendError::Corrupt { part: 0, .. })), "{refused:?}");
        log.roll().expect("a new file");
        log.housekeep();
        let read = log.read(topic(1), 0, 0, 1 << 20).expect("in range");
        let kept: Vec<_> = batches(&read.records).flatten().map(|b| (b.base_offset(), b.count())).collect();
        assert_eq!(kept, [(0, 1), (2, 1), (3, 1)]);
    }
}
