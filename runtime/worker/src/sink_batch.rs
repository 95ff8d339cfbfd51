//! Where a sink's batches end: what was collected of one partition, and the rules that close it.

use crate::budget::Reservation;
use crate::error_report::RecordError;
use sluice_connect_api::ConnectorCapabilities;
use sluice_data::{BatchError, ConnectBatch};
use std::cmp::Ordering;
use std::num::NonZeroUsize;
use std::time::Duration;

/// A batch never grows beyond this unless the connector says so.
const BATCH_BYTES_DEFAULT: usize = 64 << 20;
/// A batch ends with so many rows that failed: each becomes a dead letter, and all of them are in memory until one append has them.
const REFUSED_MAX: usize = 10_000;

/// When a batch is closed; whichever comes first. From [`ConnectorCapabilities`] and `consumer.override.max.poll.records`, which
/// bounds what a connector is given at once and not what it makes one object or transaction of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// `batch.records`: exactly so many rows.
    pub records: Option<usize>,
    /// `batch.bytes`: at least so many, at most one fetch more.
    pub bytes: usize,
    /// `batch.interval-ms`: so long after the first record.
    pub interval: Option<Duration>,
    /// `batch.schedule-ms`: when the wall clock passes a multiple of it.
    pub schedule_ms: Option<i64>,
    /// `batch.partial`: whether what there is may be delivered at any time.
    pub immediate: bool,
}

impl Rotation {
    #[must_use]
    pub fn new(capabilities: &ConnectorCapabilities, max_poll_records: Option<NonZeroUsize>) -> Self {
        let number = |name: &str| capabilities.get(name)?.parse::<u64>().ok().filter(|number| *number > 0);
        let immediate = capabilities.get("batch.partial") != Some("wait");
        let records = number("batch.records").map(|records| records as usize);
        let at_once = max_poll_records.map(NonZeroUsize::get).filter(|_| immediate);
        Self {
            records: records.into_iter().chain(at_once).min(),
            bytes: number("batch.bytes").map_or(BATCH_BYTES_DEFAULT, |bytes| bytes as usize),
            interval: number("batch.interval-ms").map(Duration::from_millis),
            schedule_ms: number("batch.schedule-ms").map(|ms| ms as i64),
            immediate,
        }
    }
}

/// Now, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub monotonic: Duration,
    pub wall_ms: i64,
}

/// Rows of consecutive offsets; where an offset has no row, it was filtered, rejected, or never there.
#[derive(Default)]
pub(crate) struct Chunk {
    /// Each its own schema; offsets ascend in each.
    pub batches: Vec<ConnectBatch>,
    pub errors: Vec<RecordError>,
    /// First and last offset covered, both included.
    pub first: i64,
    pub last: i64,
}

impl Chunk {
    #[must_use]
    pub fn records(&self) -> usize {
        self.batches.iter().map(ConnectBatch::len).sum()
    }

    /// Rows, and what becomes of those that failed.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let rows: usize = self.batches.iter().map(ConnectBatch::size_bytes).sum();
        rows + self.errors.iter().map(RecordError::letter_bytes).sum::<usize>()
    }

    #[must_use]
    fn refused(&self) -> usize {
        self.errors.len()
    }

    /// The offset of the failed row number `number` (from 0) in the order of the log.
    fn offset_of_refused(&self, number: usize) -> i64 {
        let mut offsets: Vec<i64> = self.errors.iter().map(|error| error.row_id).collect();
        *offsets.select_nth_unstable(number).1
    }

    /// The offset of the row number `number` (from 0) in the order of the log.
    fn offset_of_row(&self, number: usize) -> i64 {
        if let [batch] = self.batches.as_slice() {
            return batch.row_ids().value(number);
        }
        let mut offsets: Vec<i64> =
            self.batches.iter().flat_map(|batch| batch.row_ids().values().iter().copied()).collect();
        *offsets.select_nth_unstable(number).1
    }

    /// Cuts behind `last`; the rest is returned.
    #[must_use]
    pub fn split_behind(&mut self, last: i64) -> Self {
        let mut rest = Self { first: last + 1, last: self.last, ..Self::default() };
        self.last = last;
        for batch in std::mem::take(&mut self.batches) {
            let kept = batch.row_ids().values().partition_point(|offset| *offset <= last);
            rest.batches.extend((kept < batch.len()).then(|| batch.slice(kept, batch.len() - kept)));
            self.batches.extend((kept > 0).then(|| batch.slice(0, kept)));
        }
        (self.errors, rest.errors) =
            std::mem::take(&mut self.errors).into_iter().partition(|error| error.row_id <= last);
        rest
    }
}

/// What was collected of one partition and is not planned yet.
#[derive(Default)]
pub(crate) struct OpenBatch {
    chunks: Vec<Chunk>,
    records: usize,
    refused: usize,
    bytes: usize,
    /// When the first row came, and the schedule's next mark after it.
    opened: Option<Now>,
    held: Option<Reservation>,
}

/// A batch that ended: everything from `first` to `last`.
pub(crate) struct ClosedBatch {
    pub first: i64,
    pub last: i64,
    pub records: usize,
    /// One per topic and schema.
    pub batches: Vec<ConnectBatch>,
    pub errors: Vec<RecordError>,
    /// Given back when it is settled.
    pub _held: Option<Reservation>,
}

impl OpenBatch {
    pub fn collect(&mut self, chunk: Chunk, held: Option<Reservation>, now: Now) {
        let records = chunk.records();
        if records > 0 {
            self.opened.get_or_insert(now);
        }
        self.records += records;
        self.refused += chunk.refused();
        self.bytes += chunk.size_bytes();
        self.chunks.push(chunk);
        match (&mut self.held, held) {
            (Some(have), Some(more)) => have.merge(more),
            (have @ None, more) => *have = more,
            (Some(_), None) => {}
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Closes the batch where `rotation` ends it now; what lies behind stays open.
    ///
    /// # Errors
    /// Batches of equal schema that cannot be joined.
    pub fn close_due(&mut self, rotation: &Rotation, now: Now) -> Result<Option<ClosedBatch>, BatchError> {
        let full = rotation.records.and_then(|limit| self.end_of(limit, Chunk::records, Chunk::offset_of_row));
        let refused = self.end_of(REFUSED_MAX, Chunk::refused, Chunk::offset_of_refused);
        if let Some(last) = full.into_iter().chain(refused).min() {
            return self.close_behind(last, now).map(Some);
        }
        if self.is_due(rotation, now) { self.close(now).map(Some) } else { Ok(None) }
    }

    /// Where the `limit`-th of what `count` counts lies: at the end of its chunk when that holds no more of them.
    fn end_of(&self, limit: usize, count: fn(&Chunk) -> usize, offset_of: fn(&Chunk, usize) -> i64) -> Option<i64> {
        let mut wanted = limit;
        for chunk in &self.chunks {
            match count(chunk).cmp(&wanted) {
                Ordering::Less => wanted -= count(chunk),
                Ordering::Equal => return Some(chunk.last),
                Ordering::Greater => return Some(offset_of(chunk, wanted - 1)),
            }
        }
        None
    }

    /// Whether `rotation` ends it now, or a part of it.
    #[must_use]
    pub fn is_due(&self, rotation: &Rotation, now: Now) -> bool {
        let full = rotation.records.is_some_and(|limit| self.records >= limit)
            || self.refused >= REFUSED_MAX
            || self.bytes >= rotation.bytes;
        let timed = self.wait(rotation, now).is_some_and(|wait| wait.is_zero());
        // Rows that were all filtered or rejected need no delivery, only a commit.
        let nothing_to_deliver = self.records == 0 && !self.chunks.is_empty();
        full || timed || nothing_to_deliver || (rotation.immediate && self.records > 0)
    }

    /// Everything that was collected.
    ///
    /// # Errors
    /// As [`OpenBatch::close_due`].
    pub fn close(&mut self, now: Now) -> Result<ClosedBatch, BatchError> {
        self.close_behind(i64::MAX, now)
    }

    /// How long until a timed rule closes it; `None`: no such rule, or no rows yet.
    #[must_use]
    pub fn wait(&self, rotation: &Rotation, now: Now) -> Option<Duration> {
        let opened = self.opened?;
        let interval = rotation.interval.map(|interval| (opened.monotonic + interval).saturating_sub(now.monotonic));
        let schedule = rotation.schedule_ms.map(|ms| {
            let mark = (opened.wall_ms.div_euclid(ms) + 1) * ms;
            let until_mark = Duration::from_millis(u64::try_from(mark - now.wall_ms).unwrap_or(0));
            // The wall clock may have been set back since.
            let at_most = opened.monotonic + Duration::from_millis(ms.unsigned_abs());
            until_mark.min(at_most.saturating_sub(now.monotonic))
        });
        interval.into_iter().chain(schedule).min()
    }

    fn close_behind(&mut self, last: i64, now: Now) -> Result<ClosedBatch, BatchError> {
        let mut taken: Vec<Chunk> = Vec::new();
        for mut chunk in std::mem::take(&mut self.chunks) {
            if chunk.first > last {
                self.chunks.push(chunk);
                continue;
            }
            if chunk.last > last {
                let behind = chunk.split_behind(last);
                self.chunks.push(behind);
            }
            taken.push(chunk);
        }
        let records = taken.iter().map(Chunk::records).sum();
        self.records -= records;
        self.refused = self.chunks.iter().map(Chunk::refused).sum();
        self.bytes = self.chunks.iter().map(Chunk::size_bytes).sum();
        self.opened = (self.records > 0).then_some(now);
        let held = self.held.as_mut().map(|held| held.split(held.bytes().saturating_sub(self.bytes)));
        let (first, last) = (taken.first().map_or(0, |chunk| chunk.first), taken.last().map_or(-1, |chunk| chunk.last));
        let errors = taken.iter_mut().flat_map(|chunk| std::mem::take(&mut chunk.errors)).collect();
        let batches = group_by_schema(taken.into_iter().flat_map(|chunk| chunk.batches))?;
        Ok(ClosedBatch { first, last, records, batches, errors, _held: held })
    }
}

impl ClosedBatch {
    /// The part that covers `first..=last`.
    #[must_use]
    pub fn part(&self, first: i64, last: i64) -> Vec<ConnectBatch> {
        let slice = |batch: &ConnectBatch| {
            let offsets = batch.row_ids().values();
            let from = offsets.partition_point(|offset| *offset < first);
            let to = offsets.partition_point(|offset| *offset <= last);
            (to > from).then(|| batch.slice(from, to - from))
        };
        self.batches.iter().filter_map(slice).collect()
    }
}

/// Joins batches of one topic and schema, in order of their first rows.
fn group_by_schema(batches: impl Iterator<Item = ConnectBatch>) -> Result<Vec<ConnectBatch>, BatchError> {
    let mut groups: Vec<Vec<ConnectBatch>> = Vec::new();
    for batch in batches {
        let same = |group: &&mut Vec<ConnectBatch>| {
            let schema = group[0].records().schema_ref();
            group[0].topic() == batch.topic()
                && (std::sync::Arc::ptr_eq(schema, batch.records().schema_ref())
                    || schema == batch.records().schema_ref())
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(batch),
            None => groups.push(vec![batch]),
        }
    }
    let join = |mut group: Vec<ConnectBatch>| match group.len() {
        1 => Ok(group.remove(0)),
        _ => ConnectBatch::concat(&group),
    };
    groups.into_iter().map(join).collect()
}
