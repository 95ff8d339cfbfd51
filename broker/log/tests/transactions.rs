//! What the log knows of transactions: the last stable offset, what was aborted, and that both outlive what says so.

mod common;

use bytes::Bytes;
use common::{TestClock, append, batch, create, open, open_with, options, topic};
use sluice_log::sim::SimDisk;
use sluice_log::{AbortedTransaction, Log, LogPart, Storage};
use sluice_protocol::{end_transaction_marker, in_transaction};
use std::sync::Arc;

fn put(log: &Log, records: Bytes) -> i64 {
    append(log, &[LogPart { topic: topic(1), partition: 0, records }]).expect("appended")[0]
}

fn record(key: &str, value: &str) -> Bytes {
    batch(1_000, &[(key.to_owned(), Some(value.to_owned()))])
}

fn written_by(producer_id: i64, key: &str, value: &str) -> Bytes {
    in_transaction(&record(key, value), producer_id, 0)
}

fn end(log: &Log, producer_id: i64, commit: bool) -> i64 {
    put(log, end_transaction_marker(1_000, producer_id, 0, commit))
}

fn stable(log: &Log) -> i64 {
    log.last_stable_offset(topic(1), 0).expect("it exists")
}

fn aborted(log: &Log, from: i64) -> Vec<AbortedTransaction> {
    log.read_committed(topic(1), 0, from, 1 << 20).expect("in range").aborted
}

fn with_topic(config: &[(&str, &str)]) -> (Arc<SimDisk>, Log) {
    let disk = Arc::new(SimDisk::new());
    let log = open(&disk).0;
    create(&log, 1, 1, config);
    (disk, log)
}

#[test]
fn what_follows_an_open_transaction_is_not_stable_until_it_ends() {
    let (_disk, log) = with_topic(&[]);
    put(&log, record("a", "0"));
    put(&log, written_by(7, "a", "1"));
    put(&log, written_by(8, "b", "2"));
    put(&log, record("a", "3"));
    assert_eq!(stable(&log), 1);
    let read = log.read_committed(topic(1), 0, 0, 1 << 20).expect("in range");
    assert_eq!(read.read.records.len(), record("a", "0").len(), "the open transactions are held back");
    assert!(log.read_committed(topic(1), 0, 2, 1 << 20).expect("in range").read.records.is_empty());
    end(&log, 7, false);
    assert_eq!(stable(&log), 2);
    let first = AbortedTransaction { producer_id: 7, first_offset: 1, last_offset: 4 };
    assert_eq!(aborted(&log, 0), [first]);
    end(&log, 8, true);
    assert_eq!(stable(&log), 6);
    assert_eq!(aborted(&log, 4), [first], "its marker is still to come");
    assert_eq!(aborted(&log, 5), []);
}

#[test]
fn open_and_aborted_transactions_are_known_after_a_restart_a_kill_and_without_the_saved_state() {
    let (disk, log) = with_topic(&[]);
    put(&log, written_by(7, "a", "0"));
    end(&log, 7, false);
    log.housekeep();
    put(&log, record("a", "2"));
    put(&log, written_by(8, "a", "3"));
    let killed = Arc::new(disk.copy());
    drop(log);
    let without = Arc::new(disk.copy());
    without.remove("producers.snapshot").expect("an orderly close wrote it");
    for disk in [disk, killed, without] {
        let log = open(&disk).0;
        assert_eq!(stable(&log), 3);
        assert_eq!(aborted(&log, 0), [AbortedTransaction { producer_id: 7, first_offset: 0, last_offset: 1 }]);
        end(&log, 8, false);
        assert_eq!(stable(&log), 5);
        assert_eq!(aborted(&log, 2), [AbortedTransaction { producer_id: 8, first_offset: 3, last_offset: 4 }]);
    }
}

#[test]
fn a_saved_state_that_is_ahead_of_the_log_does_not_end_what_the_log_leaves_open() {
    let (disk, log) = with_topic(&[]);
    put(&log, written_by(7, "a", "0"));
    let before = Arc::new(disk.copy());
    end(&log, 7, false);
    drop(log);
    let file = disk.open("producers.snapshot").expect("an orderly close wrote it");
    let mut bytes = vec![0; file.size().expect("a size") as usize];
    file.read_at(&mut bytes, 0).expect("readable");
    before.create("producers.snapshot").expect("none is there").write_at(&bytes, 0).expect("room");
    let log = open(&before).0;
    assert_eq!(stable(&log), 0);
    end(&log, 7, false);
    assert_eq!(aborted(&log, 0), [AbortedTransaction { producer_id: 7, first_offset: 0, last_offset: 1 }]);
}

#[test]
fn an_open_transaction_stays_open_when_retention_takes_its_first_records() {
    let (disk, log) = with_topic(&[]);
    put(&log, written_by(7, "a", "0"));
    log.roll().expect("it closes the file");
    let (done, outcome) = std::sync::mpsc::channel();
    log.delete_records(topic(1), 0, 1, move |answer| done.send(answer).expect("waits")).expect("in range");
    assert_eq!(outcome.recv().expect("answered"), Ok(1));
    log.housekeep();
    put(&log, record("a", "1"));
    assert_eq!(stable(&log), 1, "not below the log's start");
    drop(log);
    let log = open(&disk).0;
    put(&log, record("a", "2"));
    assert_eq!(stable(&log), 1);
    end(&log, 7, false);
    assert_eq!(stable(&log), 4);
    assert_eq!(aborted(&log, 1), [AbortedTransaction { producer_id: 7, first_offset: 0, last_offset: 3 }]);
}

#[test]
fn a_producer_with_an_open_transaction_does_not_expire() {
    let (disk, clock) = (SimDisk::new(), TestClock::default());
    let (log, _) = open_with(&disk, options(), clock.clone()).expect("it opens");
    create(&log, 1, 1, &[]);
    put(&log, written_by(7, "a", "0"));
    put(&log, written_by(8, "a", "1"));
    end(&log, 8, true);
    clock.0.store(3 * 86_400_000, std::sync::atomic::Ordering::Relaxed);
    log.housekeep();
    let known: Vec<_> = log.producers(topic(1), 0).expect("it exists").iter().map(|one| one.producer_id).collect();
    assert_eq!(known, [7]);
    assert_eq!(stable(&log), 0);
}

/// Every value that is there, decided or not.
fn values(log: &Log) -> Vec<String> {
    let read = log.read(topic(1), 0, 0, 1 << 20).expect("in range");
    let batches = sluice_protocol::batches(&read.records).flatten().filter(|batch| !batch.is_control());
    let records = batches.flat_map(|batch| batch.records().expect("plain").flatten().collect::<Vec<_>>());
    records.map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned()).collect()
}

#[test]
fn compaction_drops_what_was_aborted_and_leaves_what_an_open_transaction_may_still_need() {
    let (disk, log) = with_topic(&[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
    put(&log, record("a", "old"));
    put(&log, record("b", "kept"));
    put(&log, written_by(7, "a", "committed"));
    put(&log, written_by(8, "b", "aborted"));
    end(&log, 7, true);
    end(&log, 8, false);
    log.roll().expect("it closes the file");
    put(&log, written_by(9, "a", "open"));
    put(&log, record("a", "behind"));
    log.roll().expect("it closes the file");
    put(&log, record("c", "last"));
    log.housekeep();
    assert_eq!(values(&log), ["kept", "committed", "open", "behind", "last"]);
    assert_eq!(stable(&log), 6);
    assert_eq!(aborted(&log, 0), [], "nothing of it is left");
    drop(log);
    let log = open(&disk).0;
    assert_eq!(values(&log), ["kept", "committed", "open", "behind", "last"]);
    end(&log, 9, false);
    log.roll().expect("it closes the file");
    log.housekeep();
    assert_eq!(values(&log), ["kept", "behind", "last"]);
}

#[test]
fn a_marker_goes_into_a_topic_whose_message_limit_is_below_it() {
    let (_disk, log) = with_topic(&[("max.message.bytes", "75")]);
    put(&log, written_by(7, "a", "0"));
    end(&log, 7, true);
    assert_eq!(stable(&log), 2);
}

/// Offsets of the markers that are there.
fn markers(log: &Log) -> Vec<i64> {
    let read = log.read(topic(1), 0, 0, 1 << 20).expect("in range");
    let markers = sluice_protocol::batches(&read.records).flatten().filter(|batch| batch.is_control());
    markers.map(|batch| batch.base_offset()).collect()
}

#[test]
fn compaction_takes_a_marker_once_its_records_are_gone_and_its_time_is_over_but_not_a_producers_last() {
    let (disk, clock) = (SimDisk::new(), TestClock::default());
    let (log, _) = open_with(&disk, options(), clock.clone()).expect("it opens");
    let config = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("delete.retention.ms", "1000")];
    create(&log, 1, 1, &config);
    let clean = |now_ms| {
        clock.0.store(now_ms, std::sync::atomic::Ordering::Relaxed);
        put(&log, record("z", "dirty"));
        log.roll().expect("it closes the file");
        log.housekeep();
        markers(&log)
    };
    put(&log, written_by(7, "a", "0"));
    assert_eq!(end(&log, 7, true), 1);
    put(&log, written_by(7, "b", "2"));
    assert_eq!(end(&log, 7, false), 3);
    assert_eq!(clean(1_500), [1, 3], "a slow reader may still need the aborted one's");
    put(&log, written_by(7, "b", "5"));
    assert_eq!(end(&log, 7, true), 6);
    assert_eq!(clean(2_500), [1, 6], "1 decides a record that is there, 6 is the last");
    put(&log, record("a", "over"));
    put(&log, record("b", "over"));
    put(&log, written_by(7, "a", "10"));
    assert_eq!(end(&log, 7, false), 11);
    assert_eq!(clean(2_600), [11]);
    assert_eq!((values(&log).len(), stable(&log)), (3, log.offsets(topic(1), 0).expect("known").1));
    // A day later nobody knows the producer any more.
    assert_eq!(clean(2 * 86_400_000 + 2_600), []);
    drop(log);
    disk.remove("producers.snapshot").expect("an orderly close wrote it");
    let log = open(&disk).0;
    assert_eq!(stable(&log), log.offsets(topic(1), 0).expect("known").1, "nothing is open that had ended");
}
