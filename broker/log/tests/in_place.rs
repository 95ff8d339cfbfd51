//! Reads that copy nothing but what they must.

mod common;

use common::*;
use sluice_log::{DirStorage, FailPoints, FileRange, Log, LogOptions, LogPart, LogParts, Piece, PiecesRead};
use sluice_protocol::batches;
use std::path::Path;
use std::sync::Arc;

const VALUE_BYTES: usize = 20_000;

fn open_dir(dir: &Path) -> Log {
    let parts = LogParts {
        storage: Arc::new(DirStorage::open(dir).expect("a folder")),
        clock: Arc::new(TestClock::default()),
        fail_points: FailPoints::default(),
        observer: Arc::new(()),
        options: LogOptions { housekeeping_interval: None, ..LogOptions::default() },
    };
    Log::open(parts).expect("it opens").0
}

/// Three blocks of six batches of two records.
fn filled(dir: &Path) -> Log {
    let log = open_dir(dir);
    create(&log, 1, 1, &[]);
    for block in 0..3 {
        let batch_of = |at: usize| {
            let record = |number: usize| (format!("{number:05}"), Some("x".repeat(VALUE_BYTES)));
            batch(1, &[record(at), record(at + 1)])
        };
        let records = (0..6).map(|number| batch_of(block * 12 + number * 2)).collect::<Vec<_>>().concat();
        append(&log, &[LogPart { topic: topic(1), partition: 0, records: records.into() }]).expect("there is room");
    }
    log
}

fn read(log: &Log, offset: i64, bytes_max: usize) -> PiecesRead {
    log.read_from_disk(topic(1), 0, offset, bytes_max, false).expect("it can be read")
}

/// The offsets of whole batches, as they were written.
fn offsets(read: &PiecesRead) -> Vec<i64> {
    let bytes = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => bytes.clone(),
        Piece::File(range) => FileRange::read(range).expect("it is there"),
    };
    let all = read.pieces.iter().map(bytes).collect::<Vec<_>>().concat();
    assert_eq!(all.len(), read.size_bytes);
    let whole = batches(&all).map(|batch| batch.expect("a whole batch"));
    whole.inspect(|batch| batch.verify_crc().expect("unchanged")).map(|batch| batch.base_offset()).collect()
}

fn each_second(from: i64, to: i64) -> Vec<i64> {
    (from..to).step_by(2).collect()
}

#[test]
fn a_reader_that_begins_in_the_middle_of_a_block_copies_no_more_than_that_block() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = filled(dir.path());
    let found = read(&log, 6, 1 << 20);
    assert_eq!(offsets(&found), each_second(6, 36));
    let copied = found.memory_bytes();
    assert!((3 * 2 * VALUE_BYTES..4 * 2 * VALUE_BYTES).contains(&copied), "{copied} bytes were copied");
    let whole = read(&log, 12, 1 << 20);
    assert_eq!((offsets(&whole), whole.memory_bytes()), (each_second(12, 36), 0));
}

#[test]
fn a_limit_within_a_block_is_kept_batch_by_batch() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = filled(dir.path());
    assert_eq!(offsets(&read(&log, 0, 5 * VALUE_BYTES)), each_second(0, 4));
    assert_eq!(offsets(&read(&log, 6, 5 * VALUE_BYTES)), each_second(6, 10));
    assert_eq!(offsets(&read(&log, 9, 1)), vec![8], "the batch that holds the offset, whatever its size");
}

#[test]
fn what_a_new_process_reads_it_checks_and_then_hands_out_in_place() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(filled(dir.path()));
    let log = open_dir(dir.path());
    let unseen = log.read_in_place(topic(1), 0, 0, 1 << 20, false).expect("the partition is there");
    assert!(unseen.is_none(), "handed out, although nobody has looked at it");
    let found = read(&log, 0, 1 << 20);
    assert_eq!((offsets(&found), found.memory_bytes()), (each_second(0, 36), 0));
    assert!(log.read_in_place(topic(1), 0, 12, 1 << 20, false).expect("the partition is there").is_some());
}
