//! Idempotent producers: what the log takes once, refuses, and still knows after a restart.

mod common;

use bytes::{BufMut, Bytes, BytesMut};
use common::{create, open, topic};
use sluice_log::sim::SimDisk;
use sluice_log::{Log, LogAppendError, LogPart};
use sluice_protocol::RecordBatchBuilder;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// A batch of `count` records as producer 7 would number it.
fn numbered(epoch: i16, sequence: i32, count: i32) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for i in 0..count {
        builder.push(1_000, Some(b"k"), Some(format!("{}", sequence + i).as_bytes())).expect("small");
    }
    let mut batch = BytesMut::from(&builder.finish()[..]);
    (&mut batch[43..57]).put_slice(&[&7i64.to_be_bytes()[..], &epoch.to_be_bytes(), &sequence.to_be_bytes()].concat());
    let crc = crc32c::crc32c(&batch[21..]);
    (&mut batch[17..21]).put_u32(crc);
    batch.freeze()
}

fn send(log: &Log, records: Bytes) -> Result<i64, LogAppendError> {
    let (done, outcome) = channel();
    let part = LogPart { topic: topic(1), partition: 0, records };
    log.append(&[part], None, Box::new(move |answer| done.send(answer).expect("somebody waits")))?;
    outcome.recv().expect("it is answered").map(|offsets| offsets[0])
}

fn with_topic() -> (Arc<SimDisk>, Log) {
    let disk = Arc::new(SimDisk::new());
    let log = open(&disk).0;
    create(&log, 1, 1, &[]);
    (disk, log)
}

fn end(log: &Log) -> i64 {
    log.offsets(topic(1), 0).expect("it exists").1
}

#[test]
fn a_batch_that_is_sent_again_is_answered_with_its_first_offset_and_stands_there_once() {
    let (_disk, log) = with_topic();
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    assert_eq!(send(&log, numbered(0, 3, 2)), Ok(3));
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    assert_eq!(send(&log, numbered(0, 3, 2)), Ok(3));
    assert_eq!(end(&log), 5);
}

#[test]
fn a_batch_whose_predecessor_is_missing_is_refused() {
    let (_disk, log) = with_topic();
    assert_eq!(send(&log, numbered(0, 0, 1)), Ok(0));
    let refused = send(&log, numbered(0, 2, 1)).expect_err("1 is missing");
    assert_eq!(refused, LogAppendError::OutOfOrderSequence { part: 0, producer_id: 7, expected: 1, found: 2 });
    assert_eq!(send(&log, numbered(0, 1, 1)), Ok(1));
    assert_eq!(send(&log, numbered(1, 0, 1)), Ok(2));
    let fenced = LogAppendError::ProducerEpochOver { part: 0, producer_id: 7, epoch: 0, current_epoch: 1 };
    assert_eq!(send(&log, numbered(0, 2, 1)), Err(fenced));
}

#[test]
fn a_duplicate_is_known_after_a_restart_with_and_without_the_saved_state() {
    for kept in [true, false] {
        let (disk, log) = with_topic();
        assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
        assert_eq!(send(&log, numbered(0, 3, 2)), Ok(3));
        drop(log);
        if !kept {
            use sluice_log::Storage;
            disk.remove("producers.snapshot").expect("an orderly close wrote it");
        }
        let log = open(&disk).0;
        assert_eq!(send(&log, numbered(0, 3, 2)), Ok(3), "saved state kept: {kept}");
        assert_eq!(send(&log, numbered(0, 5, 1)), Ok(5));
        assert!(send(&log, numbered(0, 9, 1)).is_err());
    }
}

#[test]
fn a_duplicate_is_known_after_a_kill_in_the_middle() {
    let (disk, log) = with_topic();
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    log.housekeep();
    assert_eq!(send(&log, numbered(0, 3, 2)), Ok(3));
    // As the disk is at this moment: the saved state knows the first batch, only the log the second.
    let killed = Arc::new(disk.copy());
    let log = open(&killed).0;
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    assert_eq!(send(&log, numbered(0, 3, 2)), Ok(3));
    assert_eq!(end(&log), 5);
}

#[test]
fn a_duplicate_is_known_when_retention_took_its_batch_and_the_log_was_opened_again() {
    let (disk, log) = with_topic();
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    log.roll().expect("it closes the file");
    let (done, outcome) = channel();
    log.delete_records(topic(1), 0, -1, move |answer| done.send(answer).expect("waits")).expect("in range");
    assert_eq!(outcome.recv().expect("answered"), Ok(3));
    log.housekeep();
    drop(log);
    let log = open(&disk).0;
    assert_eq!(log.offsets(topic(1), 0).expect("it exists"), (3, 3));
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    assert_eq!(end(&log), 3);
}

#[test]
fn producer_ids_that_were_reserved_stay_reserved() {
    let (disk, log) = with_topic();
    let (done, outcome) = channel();
    log.reserve_producer_ids(1000, move |answer| done.send(answer).expect("waits"));
    assert_eq!(outcome.recv().expect("answered"), Ok(()));
    drop(log);
    assert_eq!(open(&disk).0.producer_ids_reserved(), 1000);
}

#[test]
fn deleted_records_are_gone_and_the_rest_is_served() {
    let (disk, log) = with_topic();
    for i in 0..5 {
        assert_eq!(send(&log, numbered(0, i, 1)), Ok(i64::from(i)));
    }
    let (done, outcome) = channel();
    log.delete_records(topic(1), 0, 2, move |answer| done.send(answer).expect("waits")).expect("in range");
    assert_eq!(outcome.recv().expect("answered"), Ok(2));
    assert!(log.delete_records(topic(1), 0, 6, |_| panic!("it is out of range")).is_err());
    assert!(log.read(topic(1), 0, 1, 1 << 20).is_err());
    drop(log);
    let log = open(&disk).0;
    assert_eq!(log.offsets(topic(1), 0).expect("it exists"), (2, 5));
    assert!(!log.read(topic(1), 0, 2, 1 << 20).expect("it is there").records.is_empty());
}

#[test]
fn the_end_of_an_epoch_is_where_the_next_one_begins() {
    let (_disk, log) = with_topic();
    assert_eq!(send(&log, numbered(0, 0, 3)), Ok(0));
    let epoch = log.leader_epoch();
    assert_eq!(log.end_offset_for_epoch(topic(1), 0, epoch).expect("it exists"), (epoch, 3));
    assert_eq!(log.max_timestamp(topic(1), 0).expect("it exists"), Some((1_000, 0)));
}
