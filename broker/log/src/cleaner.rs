//! Writing cleaned files: what is still wanted of sealed files, in a new file that replaces it range by range.
//!
//! A cleaned file is written under a temporary name, synced, renamed, and its name synced, before the index points to
//! it; only then may what it replaces be removed. Each stretch of a partition in it begins with a cover block that says
//! which offsets it stands for, also those that compaction has taken. At a start a cover outranks every older file, so
//! a crash between any two of these steps leaves either the old blocks or the new.

use crate::block::{ALIGNMENT, Block, COVER_COMPACTED, HEADER_BYTES, Kind, PAYLOAD_BYTES_TARGET};
use crate::error::LogReadError;
use crate::files::FileTable;
use crate::index::{Chunk, Location, Run};
use crate::inflate;
use crate::read::read_run;
use crate::storage::StorageFile;
use crate::topics::Partition;
use crate::transactions::AbortedIndex;
use crate::wal::FileHeader;
use sluice_protocol::{BatchError, RecordBatchRef, RecordRef, batches};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

/// Keys that one pass keeps track of; the chunk that goes past it is still finished.
const KEYS_MAX: usize = 500_000;
/// Written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Neighbouring chunks of one partition that become one stretch of a cleaned file.
pub(crate) struct Job {
    pub partition: Arc<Partition>,
    pub chunks: Vec<Chunk>,
    /// What compaction keeps; `None`: everything is only moved.
    pub latest: Option<Arc<Latest>>,
    /// They begin with the partition's first chunk, so that no transaction begins before them.
    pub from_first: bool,
}

impl Job {
    /// Jobs of which each stands for no more offsets than a block can say. Nothing is done from a chunk on that stands for
    /// more by itself, as no client can write one.
    pub(crate) fn split(self) -> Vec<Self> {
        let Self { partition, chunks, latest, from_first } = self;
        let fits = |first: &Chunk, last: &Chunk| last.end_offset - first.base_offset <= i64::from(u32::MAX);
        let mut jobs: Vec<Self> = Vec::new();
        for chunk in chunks {
            if !fits(&chunk, &chunk) {
                break;
            }
            match jobs.last_mut() {
                Some(job) if fits(&job.chunks[0], &chunk) => job.chunks.push(chunk),
                _ => {
                    let (partition, latest) = (partition.clone(), latest.clone());
                    jobs.push(Self {
                        partition,
                        chunks: vec![chunk],
                        latest,
                        from_first: from_first && jobs.is_empty(),
                    });
                }
            }
        }
        jobs
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CleanError {
    #[error("cannot write the cleaned file")]
    Io(#[from] io::Error),
    #[error("cannot read log file {file}")]
    Read { file: u64, source: LogReadError },
    #[error("cannot compact a batch")]
    Batch(#[from] BatchError),
}

/// The newest offset of every key in a stretch of a partition. Keys are kept as 128 bits of hash.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    offsets: HashMap<(u64, u64), i64>,
    /// Tombstones with an older timestamp go too.
    tombstones_before_ms: i64,
    /// What these transactions wrote counts for nothing, and goes.
    aborted: AbortedIndex,
    /// Producers that the partition knows.
    producers: HashSet<i64>,
    /// Their last markers in the stretch.
    last_markers: HashMap<i64, i64>,
}

/// Producers of whose transactions something is kept, while a partition is cleaned from its first record on.
#[derive(Debug, Default)]
struct KeptTransactions(HashSet<i64>);

impl Latest {
    /// Reads the dirty `chunks`, oldest first, until enough keys are known. Returns how many chunks it covers.
    pub(crate) fn build(
        files: &FileTable,
        partition: &Partition,
        chunks: &[Chunk],
        tombstones_before_ms: i64,
    ) -> Result<(Self, usize), CleanError> {
        let mut latest = {
            let state = partition.state.read();
            let aborted = AbortedIndex::new(state.transactions.aborted());
            let producers = state.producers.keys().copied().collect();
            Self { tombstones_before_ms, aborted, producers, ..Self::default() }
        };
        for (done, chunk) in chunks.iter().enumerate() {
            if latest.offsets.len() > KEYS_MAX {
                return Ok((latest, done));
            }
            each_block(files, partition, chunk, |_, payload| latest.add(payload))?;
        }
        Ok((latest, chunks.len()))
    }

    fn add(&mut self, payload: &[u8]) -> Result<(), CleanError> {
        for batch in batches(payload) {
            let batch = batch?;
            if batch.is_control() {
                self.last_markers.insert(batch.producer_id(), batch.base_offset());
                continue;
            }
            if self.aborted.holds(&batch) {
                continue;
            }
            // Records that cannot be read have no keys.
            let _ = inflate::with_records(&batch, |records| {
                for record in records {
                    let record = record?;
                    if let Some(key) = record.key {
                        self.offsets.insert(hash(key), record.offset);
                    }
                }
                Ok(())
            });
        }
        Ok(())
    }

    fn keeps(&self, record: &RecordRef<'_>) -> bool {
        let Some(key) = record.key else { return true };
        let superseded = self.offsets.get(&hash(key)).is_some_and(|latest| *latest > record.offset);
        let expired = record.value.is_none() && record.timestamp < self.tombstones_before_ms;
        !superseded && !expired
    }

    /// A marker stays while a record that it decides does, for as long as a tombstone, and as the last of its producer,
    /// whose epoch it says. Source: Kafka's `Cleaner.cleanInto`, `CleanedTransactionMetadata`.
    fn keeps_marker(&self, marker: &RecordBatchRef<'_>, kept: &mut KeptTransactions) -> bool {
        let producer = marker.producer_id();
        let decides = kept.0.remove(&producer);
        let is_last = self.last_markers.get(&producer).is_none_or(|last| *last <= marker.base_offset());
        let speaks_for_producer = is_last && self.producers.contains(&producer);
        let undecidable = marker.ends_transaction().is_none();
        decides || speaks_for_producer || undecidable || marker.max_timestamp() >= self.tombstones_before_ms
    }

    /// The batches of `payload` with what is kept.
    fn filter(&self, payload: &[u8], kept: &mut Option<KeptTransactions>, out: &mut Vec<u8>) -> Result<(), CleanError> {
        for batch in batches(payload) {
            let batch = batch?;
            if batch.is_control() {
                // What stands before the stretch may need its marker.
                if kept.as_mut().is_none_or(|kept| self.keeps_marker(&batch, kept)) {
                    out.extend_from_slice(batch.bytes());
                }
                continue;
            }
            if self.aborted.holds(&batch) {
                continue;
            }
            let from = out.len();
            // What cannot be looked into is kept whole: its producer wrote it so, it is no damage.
            if inflate::retain(&batch, out, |record| self.keeps(record)).is_err() {
                out.extend_from_slice(batch.bytes());
            }
            if let Some(kept) = kept
                && out.len() > from
                && batch.is_transactional()
            {
                kept.0.insert(batch.producer_id());
            }
        }
        Ok(())
    }
}

fn hash(key: &[u8]) -> (u64, u64) {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, key).hash(&mut hasher);
        hasher.finish()
    };
    (half(1), half(2))
}

/// Calls `each` with every block of a chunk, checked.
fn each_block(
    files: &FileTable,
    partition: &Partition,
    chunk: &Chunk,
    mut each: impl FnMut(&Block, &[u8]) -> Result<(), CleanError>,
) -> Result<(), CleanError> {
    let mut scratch = Vec::new();
    for run in &chunk.runs {
        let location = Location { file: chunk.file, run: *run };
        let failed = |source| CleanError::Read { file: chunk.file, source };
        for (block, payload) in read_run(files, partition, &location, &mut scratch).map_err(failed)? {
            each(&block, payload)?;
        }
    }
    Ok(())
}

/// A cleaned file that is being written.
pub(crate) struct CleanFile<'a> {
    files: &'a FileTable,
    file: Arc<dyn StorageFile>,
    number: u64,
    sequence: u64,
    epoch: u32,
    buffer: Vec<u8>,
    /// Bytes written before the buffer.
    written: u64,
}

impl<'a> CleanFile<'a> {
    pub(crate) fn begin(files: &'a FileTable, file: Arc<dyn StorageFile>, header: FileHeader) -> Self {
        let (number, sequence, epoch) = (header.file, header.sequence, header.epoch);
        Self { files, file, number, sequence, epoch, buffer: header.encode(), written: 0 }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes one stretch and returns the chunk that it is in the index.
    pub(crate) fn add(&mut self, job: &Job) -> Result<Chunk, CleanError> {
        let partition = &job.partition;
        let first = job.chunks.first().map_or(0, |chunk| chunk.base_offset);
        let end = job.chunks.last().map_or(first, |chunk| chunk.end_offset);
        let mut cover = self.block(Kind::Cover, partition, first);
        cover.span = u32::try_from(end - first).unwrap_or(u32::MAX);
        cover.part = if job.latest.is_some() { COVER_COMPACTED } else { 0 };
        self.write_block(cover, &[])?;
        let mut chunk = Chunk::new(self.number, first);
        let mut kept = job.from_first.then(KeptTransactions::default);
        let mut pending =
            Pending { base_offset: first, end_offset: first, max_timestamp: i64::MIN, payload: Vec::new() };
        for old in &job.chunks {
            let files = self.files;
            each_block(files, partition, old, |block, payload| {
                match &job.latest {
                    Some(latest) => latest.filter(payload, &mut kept, &mut pending.payload)?,
                    None => pending.payload.extend_from_slice(payload),
                }
                pending.end_offset = block.end_offset();
                pending.max_timestamp = pending.max_timestamp.max(block.max_timestamp);
                if pending.payload.len() >= PAYLOAD_BYTES_TARGET {
                    self.write_pending(partition, &mut pending, &mut chunk)?;
                }
                Ok(())
            })?;
        }
        self.write_pending(partition, &mut pending, &mut chunk)?;
        chunk.end_offset = end;
        Ok(chunk)
    }

    fn write_pending(&mut self, partition: &Partition, pending: &mut Pending, chunk: &mut Chunk) -> io::Result<()> {
        if pending.payload.is_empty() {
            return Ok(());
        }
        let mut block = self.block(Kind::Records, partition, pending.base_offset);
        block.span = (pending.end_offset - pending.base_offset) as u32;
        block.max_timestamp = pending.max_timestamp;
        let (position, size_bytes) = self.write_block(block, &pending.payload)?;
        let (base_offset, max_timestamp) = (pending.base_offset, pending.max_timestamp);
        chunk.push(Run { base_offset, position, size_bytes, max_timestamp }, pending.end_offset);
        pending.payload.clear();
        (pending.base_offset, pending.max_timestamp) = (pending.end_offset, i64::MIN);
        Ok(())
    }

    fn block(&self, kind: Kind, partition: &Partition, base_offset: i64) -> Block {
        Block {
            kind,
            payload_len: 0,
            payload_crc: 0,
            sequence: self.sequence,
            durable: self.sequence,
            file: self.number,
            position: 0,
            topic: partition.topic,
            partition: partition.index,
            leader_epoch: self.epoch as i32,
            base_offset,
            span: 0,
            part: 0,
            parts: 1,
            max_timestamp: 0,
        }
    }

    fn write_block(&mut self, mut block: Block, payload: &[u8]) -> io::Result<(u32, u32)> {
        block.position =
            u32::try_from(self.size_bytes()).map_err(|_| io::Error::other("a cleaned file grew too large"))?;
        block.payload_len = payload.len() as u32;
        let start = self.buffer.len();
        self.buffer.resize(start + HEADER_BYTES, 0);
        self.buffer.extend_from_slice(payload);
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGNMENT), 0);
        block.payload_crc = crc32c::crc32c(&self.buffer[start + HEADER_BYTES..]);
        self.buffer[start..start + HEADER_BYTES].copy_from_slice(&block.encode());
        let size_bytes = (self.buffer.len() - start) as u32;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok((block.position, size_bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Everything durable; the file may get its name.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.file.sync()?;
        Ok(self.written)
    }
}

struct Pending {
    base_offset: i64,
    end_offset: i64,
    max_timestamp: i64,
    payload: Vec<u8>,
}
