//! What is acknowledged without a sync is synced beside the writer.

mod common;

use common::*;
use sluice_log::sim::{SimDisk, SimFaults};
use sluice_log::{Durability, FailPoints, Log, LogAppendError, LogOptions, LogPart, LogParts, Storage, StorageFile};
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// Appends of half a MiB after which a sync beside the writer has begun.
const ENOUGH: usize = 12;
/// How long a disk that syncs when nothing else happens waits for something.
const QUIET: Duration = Duration::from_millis(300);

/// Whoever waits for a release in vain goes on after this time, and the test fails.
const LIMIT: Duration = Duration::from_secs(10);

/// When a sync ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Slow {
    #[default]
    No,
    /// When another has ended, or nobody has written for a while.
    UntilQuiet,
    UntilReleased,
}

/// A disk whose syncs take until something has happened elsewhere.
#[derive(Clone, Default)]
struct SlowDisk {
    disk: SimDisk,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    slow: Slow,
    syncs_ended: u64,
    written: usize,
    synced: usize,
    /// The most that was written and not synced.
    behind_max: usize,
}

struct SlowFile {
    file: Arc<dyn StorageFile>,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl SlowDisk {
    fn file(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(SlowFile { file, state: self.state.clone() })
    }

    fn set(&self, slow: Slow) {
        self.state.0.lock().expect("no panic").slow = slow;
        self.state.1.notify_all();
    }
}

impl Storage for SlowDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl StorageFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_at(bytes, position)?;
        let mut state = self.state.0.lock().expect("no panic");
        state.written += bytes.len();
        state.behind_max = state.behind_max.max(state.written - state.synced);
        self.state.1.notify_all();
        Ok(())
    }
    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.truncate(size)
    }

    fn sync(&self) -> io::Result<()> {
        let covered = self.until_over();
        let outcome = self.file.sync();
        let mut state = self.state.0.lock().expect("no panic");
        state.syncs_ended += 1;
        state.synced = state.synced.max(covered);
        self.state.1.notify_all();
        outcome
    }
}

impl SlowFile {
    /// Returns what was written when the sync began.
    fn until_over(&self) -> usize {
        let (lock, changed) = &*self.state;
        let mut state = lock.lock().expect("no panic");
        let (covered, others) = (state.written, state.syncs_ended);
        loop {
            state = match state.slow {
                Slow::No => return covered,
                Slow::UntilReleased => match changed.wait_timeout(state, LIMIT).expect("no panic") {
                    (_, waited) if waited.timed_out() => return covered,
                    (state, _) => state,
                },
                Slow::UntilQuiet if state.syncs_ended != others => return covered,
                Slow::UntilQuiet => match changed.wait_timeout(state, QUIET).expect("no panic") {
                    (_, waited) if waited.timed_out() => return covered,
                    (state, _) => state,
                },
            }
        }
    }
}

fn open_slow(disk: &SlowDisk, durability: Durability) -> Log {
    let options = LogOptions { durability, file_bytes: 1 << 30, queue_bytes_max: 256 * MIB, ..options() };
    let parts = LogParts {
        storage: Arc::new(disk.clone()),
        clock: Arc::new(TestClock::default()),
        fail_points: FailPoints::default(),
        observer: Arc::new(()),
        options,
    };
    Log::open(parts).expect("it opens").0
}

fn large(number: u8) -> Vec<LogPart> {
    vec![LogPart { topic: topic(number), partition: 0, records: batch(1, &[("k".into(), Some("x".repeat(MIB / 2)))]) }]
}

#[test]
fn an_append_does_not_wait_for_the_sync_of_those_before_it() {
    let disk = SlowDisk::default();
    let log = open_slow(&disk, Durability::Os);
    create(&log, 1, 1, &[]);
    disk.set(Slow::UntilReleased);
    let before = disk.state.0.lock().expect("no panic").syncs_ended;
    for _ in 0..ENOUGH {
        append(&log, &large(1)).expect("there is room");
    }
    assert_eq!(disk.state.0.lock().expect("no panic").syncs_ended, before, "a sync ended before the appends did");
    disk.set(Slow::No);
}

#[test]
fn no_more_than_the_limit_is_acknowledged_and_not_synced() {
    let disk = SlowDisk::default();
    let log = open_slow(&disk, Durability::Os);
    create(&log, 1, 1, &[]);
    disk.set(Slow::UntilQuiet);
    for _ in 0..160 {
        append(&log, &large(1)).expect("there is room");
    }
    let behind_max = disk.state.0.lock().expect("no panic").behind_max;
    assert!(behind_max <= 65 * MIB, "{behind_max} bytes were written and not synced");
}

#[test]
fn a_sync_that_fails_beside_the_writer_is_known_at_once_and_refuses_every_later_append() {
    let disk = SimDisk::new();
    let unsynced = LogOptions { durability: Durability::Os, file_bytes: 1 << 30, ..options() };
    let (log, _) = open_with(&disk, unsynced, TestClock::default()).expect("it opens");
    create(&log, 1, 1, &[]);
    disk.set_faults(SimFaults { fail_sync: true, ..SimFaults::default() });
    // The append that begins the sync does not wait for it; one behind it may learn of it.
    let refused = (0..ENOUGH).find_map(|_| append(&log, &large(1)).err());
    assert!(refused.is_none_or(|error| matches!(error, LogAppendError::Poisoned { .. })));
    let begin = Instant::now();
    while log.failure().is_none() && begin.elapsed() < LIMIT {
        std::thread::yield_now();
    }
    assert!(matches!(log.failure(), Some(LogAppendError::Poisoned { .. })), "{:?}", log.failure());
    assert!(append(&log, &large(1)).is_err());
}

#[test]
fn a_synced_append_is_not_acknowledged_behind_a_sync_that_failed_beside_it() {
    let disk = SlowDisk::default();
    let log = open_slow(&disk, Durability::Fsync);
    create(&log, 1, 1, &[("durability", "os")]);
    create(&log, 2, 1, &[]);
    append(&log, &large(1)).expect("there is room");
    disk.set(Slow::UntilQuiet);
    disk.disk.set_faults(SimFaults { fail_sync: true, ..SimFaults::default() });
    for _ in 0..ENOUGH {
        append(&log, &large(1)).expect("it does not wait");
    }
    let synced = append(&log, &large(2));
    assert!(synced.is_err(), "acknowledged, although the kernel said that writing failed");
}
