//! What a partition knows of itself in memory: where its blocks lie, where it begins and ends.

use crate::producers::Producers;
use crate::transactions::Transactions;
use std::collections::VecDeque;

/// Neighbouring blocks of one partition share an entry up to this size: the index is sparse where that saves anything.
const RUN_BYTES_TARGET: u32 = 64 << 10;

/// Adjacent blocks of one partition in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub base_offset: i64,
    pub position: u32,
    pub size_bytes: u32,
    pub max_timestamp: i64,
}

/// All that one file holds of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub file: u64,
    pub base_offset: i64,
    pub end_offset: i64,
    pub max_timestamp: i64,
    pub size_bytes: u64,
    /// What lies below was checked by this process, as it was written or read.
    pub checked_to: i64,
    pub runs: Vec<Run>,
}

impl Chunk {
    pub(crate) fn new(file: u64, base_offset: i64) -> Self {
        let end_offset = base_offset;
        let (max_timestamp, checked_to) = (i64::MIN, base_offset);
        Self { file, base_offset, end_offset, max_timestamp, size_bytes: 0, checked_to, runs: Vec::new() }
    }

    fn is(&self, other: &Self) -> bool {
        (self.file, self.base_offset, self.end_offset) == (other.file, other.base_offset, other.end_offset)
    }

    /// A block that was just written, or read and checked.
    pub(crate) fn push(&mut self, run: Run, end_offset: i64) {
        if self.checked_to == self.end_offset {
            self.checked_to = end_offset;
        }
        self.end_offset = self.end_offset.max(end_offset);
        self.max_timestamp = self.max_timestamp.max(run.max_timestamp);
        self.size_bytes += u64::from(run.size_bytes);
        if let Some(last) = self.runs.last_mut()
            && last.position + last.size_bytes == run.position
            && last.size_bytes + run.size_bytes <= RUN_BYTES_TARGET
        {
            last.size_bytes += run.size_bytes;
            last.max_timestamp = last.max_timestamp.max(run.max_timestamp);
        } else {
            self.runs.push(run);
        }
    }
}

/// Offsets that were acknowledged and can no longer be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub base_offset: i64,
    /// One past the last.
    pub end_offset: i64,
    pub reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct PartitionState {
    pub log_start_offset: i64,
    /// One past the last record that may be read.
    pub high_watermark: i64,
    /// In offset order; their offsets never overlap.
    pub chunks: VecDeque<Chunk>,
    pub damage: Vec<Damage>,
    /// Offsets below were compacted.
    pub cleaned_to: i64,
    /// What the batches below the high watermark say of their producers.
    pub producers: Producers,
    /// What they say of transactions.
    pub transactions: Transactions,
}

/// A place to read from, copied out of the index so that no lock is held while reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    pub file: u64,
    pub run: Run,
}

impl PartitionState {
    /// One past the last record that is decided: it is there for good, and no transaction that it belongs to is open.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let first_unstable = self.transactions.first_unstable().unwrap_or(self.high_watermark);
        first_unstable.clamp(self.log_start_offset, self.high_watermark.max(self.log_start_offset))
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.size_bytes).sum()
    }

    /// The chunk for blocks that were written to `file` just now.
    pub(crate) fn tail_chunk(&mut self, file: u64, base_offset: i64) -> &mut Chunk {
        if self.chunks.back().is_none_or(|chunk| chunk.file != file) {
            self.chunks.push_back(Chunk::new(file, base_offset));
        }
        self.chunks.back_mut().expect("pushed above")
    }

    /// Where the records from `offset` on lie, enough for `bytes_max`, and one past the last offset that these runs
    /// stand for; `None` when there are none from `offset` on.
    pub(crate) fn locate(&self, offset: i64, bytes_max: usize) -> (Vec<Location>, Option<i64>) {
        self.locate_while(offset, bytes_max, |_, _| true)
    }

    /// As [`Self::locate`], as far as the blocks were checked.
    pub(crate) fn locate_checked(&self, offset: i64, bytes_max: usize) -> Vec<Location> {
        self.locate_while(offset, bytes_max, |chunk, end_offset| end_offset <= chunk.checked_to).0
    }

    /// `takes` is asked about each run, by its chunk and one past the last offset that it stands for.
    fn locate_while(
        &self,
        offset: i64,
        bytes_max: usize,
        takes: impl Fn(&Chunk, i64) -> bool,
    ) -> (Vec<Location>, Option<i64>) {
        let first = self.chunks.partition_point(|chunk| chunk.end_offset <= offset);
        let mut found = Vec::new();
        let mut covered_to = None;
        let mut bytes = 0usize;
        for chunk in self.chunks.iter().skip(first) {
            let from = chunk.runs.partition_point(|run| run.base_offset <= offset).saturating_sub(1);
            let ends = chunk.runs[from..].iter().skip(1).map(|run| run.base_offset).chain([chunk.end_offset]);
            for (run, end_offset) in chunk.runs[from..].iter().zip(ends) {
                if bytes >= bytes_max || !takes(chunk, end_offset) {
                    return (found, Some(run.base_offset));
                }
                found.push(Location { file: chunk.file, run: *run });
                bytes += run.size_bytes as usize;
            }
            covered_to = Some(chunk.end_offset);
        }
        (found, covered_to)
    }

    /// Everything from `offset` to `end_offset` was read and checked.
    pub(crate) fn mark_checked(&mut self, offset: i64, end_offset: i64) {
        let first = self.chunks.partition_point(|chunk| chunk.end_offset <= offset);
        for chunk in self.chunks.iter_mut().skip(first).take_while(|chunk| chunk.base_offset < end_offset) {
            if offset <= chunk.checked_to {
                chunk.checked_to = chunk.checked_to.max(end_offset.min(chunk.end_offset));
            }
        }
    }

    /// Bytes from `offset` to the end, counted up to about `bytes_max`.
    pub(crate) fn bytes_from(&self, offset: i64, bytes_max: usize) -> usize {
        let (locations, _) = self.locate(offset, bytes_max);
        locations.iter().map(|location| location.run.size_bytes as usize).sum()
    }

    /// The run that holds the newest timestamp, if there are records.
    pub(crate) fn locate_max_time(&self) -> Option<(i64, Location)> {
        let runs = self.chunks.iter().flat_map(|chunk| chunk.runs.iter().map(|run| (chunk.file, *run)));
        let mut newest: Option<(i64, Location)> = None;
        for (file, run) in runs {
            if newest.is_none_or(|(timestamp, _)| run.max_timestamp > timestamp) {
                newest = Some((run.max_timestamp, Location { file, run }));
            }
        }
        newest
    }

    /// Where to begin to look for a timestamp at or after `timestamp_ms`.
    pub(crate) fn locate_time(&self, timestamp_ms: i64) -> Option<i64> {
        let chunk = self.chunks.iter().find(|chunk| chunk.max_timestamp >= timestamp_ms)?;
        let run = chunk.runs.iter().find(|run| run.max_timestamp >= timestamp_ms)?;
        Some(run.base_offset.max(self.log_start_offset))
    }

    /// Puts `new` where the chunks stood that it was made of. `false`: they are not there any more.
    pub(crate) fn replace(&mut self, old: &[Chunk], new: Chunk) -> bool {
        let Some(first) = old.first() else { return false };
        let Some(at) = self.chunks.iter().position(|chunk| chunk.is(first)) else { return false };
        let unchanged = old.iter().enumerate().all(|(i, chunk)| self.chunks.get(at + i).is_some_and(|c| c.is(chunk)));
        if unchanged {
            self.chunks.drain(at..at + old.len());
            self.chunks.insert(at, new);
        }
        unchanged
    }

    pub(crate) fn damage_at(&self, offset: i64) -> Option<&Damage> {
        self.damage.iter().find(|damage| (damage.base_offset..damage.end_offset).contains(&offset))
    }
}
