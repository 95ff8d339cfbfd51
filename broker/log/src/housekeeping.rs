//! Retention, compaction, and giving space back: one thread, beside the writer, in small rounds.
//!
//! A round, in this order (before it, the producers' state is saved, since batches that say it may go):
//! 1. retention: chunks of sealed files that are too old or too many are let go of. The new log start offset is durable
//!    (a metadata record) before the index forgets them;
//! 2. compaction of partitions of which enough is dirty, and rewriting of files that are mostly dead, into one cleaned
//!    file (cleaner.rs);
//! 3. files that no partition refers to are removed, and the directory synced.
//!
//! Only sealed files are touched. A partition with damage is left as it is.

mod saving;

use crate::cleaner::{CleanError, CleanFile, Job, Latest};
use crate::error::{LogAppendError, LogReadError};
use crate::fail::FailPoints;
use crate::files::FileInfo;
use crate::index::Chunk;
use crate::log::Shared;
use crate::queue::{Command, Done};
use crate::sidecar::{self, sidecar_name};
use crate::topics::{MetadataRecord, Partition, Topic};
use crate::wal::{FileHeader, FileKind, Unsynced, file_name, temporary_name};
use parking_lot::{Condvar, Mutex};
use saving::expire_producers;
pub(crate) use saving::{write_listing, write_producers};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

/// A sealed file is rewritten when less than this share of it is wanted.
const LIVE_SHARE_MIN: f64 = 0.5;
/// Files below this are put together, once there are this many of them.
const SMALL_FILES: (u64, usize) = (4 << 20, 8);
/// A cleaned file is finished and the next begun at this size.
const CLEAN_FILE_BYTES: u64 = 256 << 20;

#[derive(Default)]
pub(crate) struct Housekeeping {
    state: Mutex<State>,
    changed: Condvar,
    /// One round at a time.
    round: Mutex<()>,
    /// The last append that the saved state of the producers covers.
    producers_saved: Mutex<Option<u64>>,
    /// The list of files as it was last written.
    listing_saved: Mutex<Vec<u8>>,
}

#[derive(Default)]
struct State {
    due: bool,
    stopped: bool,
}

impl Housekeeping {
    pub(crate) fn wake(&self) {
        self.state.lock().due = true;
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    fn stopped(&self) -> bool {
        self.state.lock().stopped
    }

    /// Waits for work; `false`: stopped.
    fn wait(&self, interval: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.due && !state.stopped {
            self.changed.wait_for(&mut state, interval);
        }
        state.due = false;
        !state.stopped
    }
}

pub(crate) fn run(shared: &Shared, interval: Duration) {
    while shared.housekeeping.wait(interval) {
        round(shared);
    }
}

pub(crate) fn round(shared: &Shared) {
    let _one = shared.housekeeping.round.lock();
    expire_producers(shared);
    // Before the batches that say so are gone.
    if write_producers(shared) {
        retain(shared);
        clean(shared);
    }
    remove_dead_files(shared);
    sidecar::write_missing(shared);
}

// ---- retention

fn retain(shared: &Shared) {
    let now_ms = shared.clock.now_ms();
    let topics: Vec<Arc<Topic>> = shared.topics.read().iter().cloned().collect();
    let files = shared.files.list();
    let mut expired_unsealed = false;
    let mut records = Vec::new();
    let mut starts: Vec<(Arc<Partition>, i64)> = Vec::new();
    let held = shared.starts.lock();
    for topic in topics.iter().filter(|topic| topic.settings.delete) {
        for partition in &topic.partitions {
            let (start, next_offset_min, unsealed) = retained_from(topic, partition, &files, now_ms);
            expired_unsealed |= unsealed;
            if let Some(start) = start {
                let log_start_offset = partition.ask_start(start);
                records.push(MetadataRecord::Partition {
                    topic: partition.topic,
                    partition: partition.index,
                    log_start_offset,
                    next_offset_min,
                });
                starts.push((partition.clone(), log_start_offset));
            }
        }
    }
    let moved = (!records.is_empty()).then(|| hand_over(shared, |done| Command::Metadata { records, done }));
    drop(held);
    if expired_unsealed {
        let _ = ask(shared, |done| Command::Roll { done });
    }
    if let Some(Ok(outcome)) = moved
        && let Ok(Ok(_)) = outcome.recv()
    {
        starts.into_iter().for_each(|(partition, start)| partition.forget_below(start));
    }
}

impl Partition {
    /// The log start offset to record: never below one that was asked for before. [`Shared::starts`] is held until it
    /// was handed over.
    pub(crate) fn ask_start(&self, start: i64) -> i64 {
        self.start_asked.fetch_max(start, Ordering::Relaxed).max(start)
    }

    /// Once the new log start offset is durable.
    pub(crate) fn forget_below(&self, start: i64) {
        let mut state = self.state.write();
        let start = start.max(state.log_start_offset);
        state.log_start_offset = start;
        state.chunks.retain(|chunk| chunk.end_offset > start);
        state.damage.retain(|damage| damage.end_offset > start);
        state.transactions.forget_below(start);
    }
}

/// The new log start offset, if it moves; the high watermark; whether more has expired in the file being written.
fn retained_from(
    topic: &Topic,
    partition: &Partition,
    files: &BTreeMap<u64, FileInfo>,
    now_ms: i64,
) -> (Option<i64>, i64, bool) {
    let state = partition.state.read();
    let mut size_bytes = state.size_bytes();
    let mut start = None;
    for chunk in &state.chunks {
        let old = topic.settings.retention_ms.is_some_and(|ms| chunk.max_timestamp < now_ms.saturating_sub(ms));
        let rest = size_bytes - chunk.size_bytes;
        let too_many = topic.settings.retention_bytes.is_some_and(|bytes| rest >= bytes);
        if !old && !too_many {
            break;
        }
        if !files.get(&chunk.file).is_some_and(|file| file.sealed) {
            return (start, state.high_watermark, true);
        }
        size_bytes = rest;
        start = Some(chunk.end_offset);
    }
    (start, state.high_watermark, false)
}

/// Hands the writer a command and waits for its answer.
fn ask(shared: &Shared, command: impl FnOnce(Done) -> Command) -> Result<(), LogAppendError> {
    hand_over(shared, command)?.recv().unwrap_or(Err(LogAppendError::Closed)).map(drop)
}

type Outcome = mpsc::Receiver<Result<Vec<i64>, LogAppendError>>;

fn hand_over(shared: &Shared, command: impl FnOnce(Done) -> Command) -> Result<Outcome, LogAppendError> {
    let (answer, outcome) = mpsc::channel();
    shared.queue.push(command(Box::new(move |outcome| drop(answer.send(outcome)))))?;
    Ok(outcome)
}

// ---- cleaning

fn clean(shared: &Shared) {
    let mut jobs = compaction_jobs(shared);
    add_rewrites(shared, &mut jobs);
    // Oldest first: a tombstone may go only when what it deletes has gone for good.
    let mut jobs = jobs.into_iter().peekable();
    while jobs.peek().is_some() && !shared.housekeeping.stopped() {
        if let Err(error) = clean_file(shared, &mut jobs) {
            tracing::warn!(%error, "cleaning stopped; it is tried again in the next round");
            return;
        }
    }
}

/// Every partition, those of the metadata too, with its topic.
pub(crate) fn partitions(shared: &Shared) -> Vec<(bool, f64, i64, Arc<Partition>)> {
    let topics: Vec<Arc<Topic>> = shared.topics.read().iter().cloned().collect();
    let settings = |topic: &Topic| {
        let settings = &topic.settings;
        (settings.compact, settings.min_cleanable_dirty_ratio, settings.delete_retention_ms)
    };
    let each = |topic: &Topic| {
        let (compact, ratio, tombstones_ms) = settings(topic);
        let with = topic.partitions.iter().map(move |partition| (compact, ratio, tombstones_ms, partition.clone()));
        with.collect::<Vec<_>>()
    };
    topics.iter().flat_map(|topic| each(topic)).chain(each(&shared.metadata)).collect()
}

fn compaction_jobs(shared: &Shared) -> Vec<Job> {
    let files = shared.files.list();
    let now_ms = shared.clock.now_ms();
    let mut jobs = Vec::new();
    for (_, ratio, tombstones_ms, partition) in partitions(shared).into_iter().filter(|(compact, ..)| *compact) {
        let (chunks, clean_count) = {
            let state = partition.state.read();
            let mut chunks: Vec<Chunk> =
                if state.damage.is_empty() { sealed_prefix(&state.chunks, &files) } else { vec![] };
            // What is not decided yet neither goes nor takes the place of what is.
            let stable = state.last_stable_offset();
            chunks.truncate(chunks.partition_point(|chunk| chunk.end_offset <= stable));
            let clean_count = chunks.iter().filter(|chunk| chunk.end_offset <= state.cleaned_to).count();
            (chunks, clean_count)
        };
        let size = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.size_bytes).sum::<u64>();
        let (dirty, all) = (size(&chunks[clean_count..]), size(&chunks));
        if dirty < shared.options.dirty_bytes_min.max(1) || (dirty as f64) < ratio * all as f64 {
            continue;
        }
        match Latest::build(&shared.files, &partition, &chunks[clean_count..], now_ms - tombstones_ms) {
            Ok((latest, covered)) => {
                let latest = Some(Arc::new(latest));
                let mut chunks = chunks;
                chunks.truncate(clean_count + covered);
                jobs.extend(Job { partition, chunks, latest, from_first: true }.split());
            }
            Err(error) => report(shared, &partition, &error),
        }
    }
    jobs
}

/// The chunks before the first that is still being written or that lies in a damaged file.
fn sealed_prefix<'c>(chunks: impl IntoIterator<Item = &'c Chunk>, files: &BTreeMap<u64, FileInfo>) -> Vec<Chunk> {
    let movable = |chunk: &&Chunk| files.get(&chunk.file).is_some_and(|file| file.sealed && !file.damaged);
    chunks.into_iter().take_while(movable).cloned().collect()
}

/// Adds what is still wanted of files that are mostly dead, or small and many.
fn add_rewrites(shared: &Shared, jobs: &mut Vec<Job>) {
    let files = shared.files.list();
    let mut live: HashMap<u64, u64> = HashMap::new();
    let planned: BTreeSet<(crate::TopicId, i32, i64)> = jobs
        .iter()
        .flat_map(|job| job.chunks.iter().map(|c| (job.partition.topic, job.partition.index, c.base_offset)))
        .collect();
    let all = partitions(shared);
    let planned_chunk = |p: &Partition, chunk: &Chunk| planned.contains(&(p.topic, p.index, chunk.base_offset));
    for (.., partition) in &all {
        for chunk in partition.state.read().chunks.iter().filter(|chunk| !planned_chunk(partition, chunk)) {
            *live.entry(chunk.file).or_default() += chunk.size_bytes;
        }
    }
    let wanted = |number: &u64| live.get(number).copied().unwrap_or(0);
    let movable = files.iter().filter(|(_, file)| file.sealed && !file.damaged);
    let small: Vec<u64> =
        movable.clone().filter(|(_, file)| file.size_bytes < SMALL_FILES.0).map(|(number, _)| *number).collect();
    let mut rewrite: BTreeSet<u64> = movable
        .filter(|(number, file)| {
            let live = wanted(number);
            live > 0 && (live as f64) < LIVE_SHARE_MIN * file.size_bytes as f64 && file.size_bytes >= SMALL_FILES.0
        })
        .map(|(number, _)| *number)
        .collect();
    if small.len() >= SMALL_FILES.1 {
        rewrite.extend(small);
    }
    if rewrite.is_empty() {
        return;
    }
    for (.., partition) in all {
        let state = partition.state.read();
        if !state.damage.is_empty() {
            continue;
        }
        let mut stretch: Vec<Chunk> = Vec::new();
        for chunk in &state.chunks {
            if rewrite.contains(&chunk.file) && !planned_chunk(&partition, chunk) {
                stretch.push(chunk.clone());
            } else if !stretch.is_empty() {
                let chunks = std::mem::take(&mut stretch);
                jobs.extend(Job { partition: partition.clone(), chunks, latest: None, from_first: false }.split());
            }
        }
        if !stretch.is_empty() {
            jobs.extend(Job { partition: partition.clone(), chunks: stretch, latest: None, from_first: false }.split());
        }
    }
}

/// Writes as many jobs as one cleaned file takes, and puts it in the place of what they were made of.
fn clean_file(shared: &Shared, jobs: &mut impl Iterator<Item = Job>) -> Result<(), CleanError> {
    let number = shared.files.next_number();
    let (temporary, name) = (temporary_name(number), file_name(number, FileKind::Cleaned));
    let header = FileHeader {
        file: number,
        epoch: shared.epoch,
        unsynced: Unsynced::Nothing,
        created_ms: shared.clock.now_ms(),
        sequence: shared.durable.load(Ordering::Acquire),
    };
    let file = shared.storage.create(&temporary)?;
    let mut cleaned = CleanFile::begin(&shared.files, file, header);
    let mut done = Vec::new();
    let written = loop {
        if cleaned.size_bytes() >= CLEAN_FILE_BYTES {
            break cleaned.finish();
        }
        let Some(job) = jobs.next() else { break cleaned.finish() };
        match cleaned.add(&job) {
            Ok(chunk) => done.push((job, chunk)),
            // What cannot be read stays where it is; the half-written file is thrown away with the rest of the round.
            Err(error) => {
                report(shared, &job.partition, &error);
                let _ = shared.storage.remove(&temporary);
                return Err(error);
            }
        }
    };
    let size_bytes = written.inspect_err(|_| drop(shared.storage.remove(&temporary)))?;
    shared.fail_points.pass(FailPoints::CLEAN_AFTER_WRITE);
    shared.storage.rename(&temporary, &name)?;
    shared.storage.sync_dir()?;
    shared.fail_points.pass(FailPoints::CLEAN_AFTER_RENAME);
    let info = FileInfo {
        kind: FileKind::Cleaned,
        size_bytes,
        sealed: true,
        damaged: false,
        header,
        sequence: header.sequence,
        ends_with_mark: false,
        indexed: false,
    };
    shared.files.add(number, info);
    for (job, chunk) in done {
        let end_offset = chunk.end_offset;
        let mut state = job.partition.state.write();
        let compacted = job.latest.is_some();
        if state.replace(&job.chunks, chunk) && compacted {
            state.cleaned_to = state.cleaned_to.max(end_offset);
            // Compaction went on from the partition's first chunk to here, so nothing of them is left.
            state.transactions.forget_below(end_offset);
        }
    }
    Ok(())
}

fn report(shared: &Shared, partition: &Partition, error: &CleanError) {
    if let CleanError::Read { file, source: LogReadError::Corrupt { .. } } = error {
        // It is left as it is from now on, so that what is damaged stays there to be looked at.
        shared.files.change(*file, |info| info.damaged = true);
        shared.housekeeping.wake();
    }
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(topic = ?partition.topic, partition = partition.index, %error, source, "a partition cannot be cleaned");
}

// ---- removal

fn remove_dead_files(shared: &Shared) {
    let files = shared.files.list();
    let mut wanted = BTreeSet::new();
    for (.., partition) in partitions(shared) {
        wanted.extend(partition.state.read().chunks.iter().map(|chunk| chunk.file));
    }
    // Where files are lost, so may be the records that say whose the others are: none of them goes.
    let all_there = shared.files.lost().is_empty();
    let is_dead = |number: &u64, file: &FileInfo| all_there && file.sealed && !file.damaged && !wanted.contains(number);
    let (dead, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
        files.into_iter().partition(|(number, file)| is_dead(number, file));
    if !write_listing(shared, &kept) || dead.is_empty() {
        return;
    }
    let removed: io::Result<()> = dead.iter().try_for_each(|(number, file)| {
        shared.storage.remove(&file_name(*number, file.kind))?;
        shared.files.remove(*number);
        match shared.storage.remove(&sidecar_name(*number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    });
    if let Err(error) = removed.and_then(|()| shared.storage.sync_dir()) {
        tracing::warn!(%error, "files that hold nothing any more could not be removed");
    }
}
