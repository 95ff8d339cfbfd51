//! Structured fuzzing of record batches and of the log's own files. `SLUICE_FUZZ_SECONDS` sets how long each test goes
//! on (1 s without), `SLUICE_FUZZ_SEED` where it begins.
#![allow(unsafe_code)]

mod common;

use bytes::Bytes;
use common::{append, batch, create, open, open_with, options, topic};
use sluice_log::sim::SimDisk;
use sluice_log::{Log, LogPart};
use sluice_protocol::fuzz::{Random, mutate, record_batches};
use sluice_protocol::{
    Compression, INFLATED_BYTES_MAX, batches, compressed, empty_batch, end_transaction_marker, in_transaction,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Counts what each thread allocates, and gives back, while it measures.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = HELD.try_with(|held| {
            held.set(held.get() + layout.size() as isize);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|held| held.set(held.get() - layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that this thread held at once during `work`, beyond what it held before.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).max(0) as usize
}

fn budget() -> Duration {
    let seconds = std::env::var("SLUICE_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

fn seed() -> u64 {
    std::env::var("SLUICE_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Batches of every kind that a client or a coordinator writes.
fn good_batches() -> Vec<Vec<u8>> {
    let records: Vec<_> = (0..5).map(|i| (format!("key-{i}"), (i % 2 == 0).then(|| "value".repeat(i + 1)))).collect();
    let plain = batch(1_000, &records);
    let mut good = vec![plain.to_vec(), batch(0, &[("k".into(), None)]).to_vec(), empty_batch(0, 10).to_vec()];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        good.push(compressed(&plain, codec).expect("whole"));
    }
    good.push(in_transaction(&plain, 7, 0).to_vec());
    good.push(end_transaction_marker(5, 7, 0, true).to_vec());
    good.push([&plain[..], &plain[..]].concat());
    good
}

/// Header and body damaged; half of them with a checksum that holds, so that what follows it is reached.
fn damaged(good: &[Vec<u8>], random: &mut Random) -> Bytes {
    let mut bytes = random.one_of(good).clone();
    if random.below(3) == 0 {
        // Fields of the header, which are the first 61 bytes.
        let mut header: Vec<u8> = bytes.drain(..61).collect();
        mutate(&mut header, random);
        bytes.splice(0..0, header);
    } else {
        mutate(&mut bytes, random);
    }
    if random.below(2) == 0 && bytes.len() > 61 {
        if random.below(2) == 0 {
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
        }
        let claimed = i32::from_be_bytes(bytes[8..12].try_into().expect("four bytes"));
        let end = usize::try_from(claimed).map_or(bytes.len(), |length| (length + 12).min(bytes.len()));
        if end > 21 {
            let crc = crc32c::crc32c(&bytes[21..end]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
    }
    bytes.into()
}

#[test]
fn no_record_batch_makes_its_reader_panic_or_allocate_above_the_limit() {
    let good = good_batches();
    let mut random = Random::new(seed());
    let (mut tried, mut seen, mut most) = (0u64, 0u64, 0);
    let end = Instant::now() + budget();
    while Instant::now() < end {
        for _ in 0..100 {
            let bytes = damaged(&good, &mut random);
            let peak = peak_of(|| seen += record_batches(&bytes) as u64);
            most = most.max(peak);
            // A batch is inflated, what is retained of it is compressed again: three copies at most, and a codec's own.
            assert!(peak <= 4 * INFLATED_BYTES_MAX, "{peak} bytes for {bytes:?}");
            tried += 1;
        }
    }
    println!("{tried} batches from seed {}, {seen} records read, {} KiB at most", seed(), most >> 10);
    assert!(seen > 0);
}

fn with_topics() -> (SimDisk, Log) {
    let disk = SimDisk::new();
    let log = open(&disk).0;
    create(&log, 1, 1, &[("retention.ms", "-1")]);
    create(&log, 2, 1, &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]);
    (disk, log)
}

#[test]
fn whatever_the_log_takes_it_gives_back_unchanged_and_compacts_and_opens_again() {
    let good = good_batches();
    let mut random = Random::new(seed().wrapping_add(2_000_000));
    let (mut tried, mut taken) = (0u64, 0u64);
    let end = Instant::now() + budget();
    while Instant::now() < end {
        let (disk, log) = with_topics();
        let mut written: Vec<Bytes> = Vec::new();
        for _ in 0..100 {
            let records = damaged(&good, &mut random);
            tried += 1;
            let part = |number| LogPart { topic: topic(number), partition: 0, records: records.clone() };
            let _ = append(&log, &[part(2)]);
            let (_, before) = log.offsets(topic(1), 0).expect("known");
            if let Ok(offsets) = append(&log, &[part(1)]) {
                // A batch that was sent before stands there already.
                if offsets[0] == before && log.offsets(topic(1), 0).expect("known").1 > before {
                    written
                        .extend(batches(&records).map(|batch| Bytes::copy_from_slice(batch.expect("taken").bytes())));
                    taken += 1;
                }
            }
            let _ = log.offset_and_time(topic(1), 0, random.number() as i64).expect("it reads");
        }
        log.roll().expect("a new file");
        log.housekeep();
        drop(log);
        let (log, report) = open(&disk);
        assert!(report.clean, "{report:?}");
        let (mut offset, end) = log.offsets(topic(1), 0).expect("known");
        let mut found = Vec::new();
        while offset < end {
            let read = log.read(topic(1), 0, offset, 1 << 20).expect("undamaged");
            for batch in batches(&read.records).map(|batch| batch.expect("whole")) {
                batch.verify_crc().expect("its checksum holds");
                assert!(batch.last_offset() >= offset, "offsets grow");
                offset = batch.last_offset() + 1;
                found.push(Bytes::copy_from_slice(&batch.bytes()[16..]));
            }
        }
        let written: Vec<Bytes> = written.iter().map(|batch| batch.slice(16..)).collect();
        assert!(found == written, "other batches came back than went in");
    }
    println!("{tried} batches from seed {}, {taken} taken", seed());
    assert!(taken > 0);
}

#[test]
fn no_bytes_in_the_logs_own_files_make_a_start_panic_or_allocate_by_what_they_claim() {
    let (disk, log) = with_topics();
    for number in 0..20 {
        let records = in_transaction(&batch(1_000, &[(format!("{}", number % 3), Some("v".repeat(90)))]), 7, 0);
        for place in [1, 2] {
            append(&log, &[LogPart { topic: topic(place), partition: 0, records: records.clone() }]).expect("valid");
        }
        if number == 10 {
            let marker = end_transaction_marker(5, 7, 0, false);
            append(&log, &[LogPart { topic: topic(1), partition: 0, records: marker }]).expect("valid");
            log.housekeep();
        }
    }
    drop(log);
    let names: Vec<String> = disk.files().into_keys().collect();
    let mut random = Random::new(seed().wrapping_add(3_000_000));
    let (mut tried, mut opened, mut most) = (0u64, 0u64, 0);
    let end = Instant::now() + budget();
    while Instant::now() < end {
        let copy = disk.copy();
        let name = random.one_of(&names);
        let mut bytes = copy.content(name);
        mutate(&mut bytes, &mut random);
        copy.put(name, bytes);
        let peak = peak_of(|| {
            if let Ok((log, _)) = open_with(&copy, options(), common::TestClock::default()) {
                opened += 1;
                for place in [1, 2] {
                    let _ = common::read(&log, topic(place), 0);
                }
            }
        });
        most = most.max(peak);
        assert!(peak < 8 << 20, "{peak} bytes, {name} damaged");
        tried += 1;
    }
    println!("{tried} damaged files from seed {}, {opened} opened, {} KiB at most", seed(), most >> 10);
}
