//! Finding offsets: by size, by time, by epoch.

use super::Log;
use crate::TopicId;
use crate::error::LogReadError;
use crate::in_place::{self, PiecesRead};
use crate::inflate;
use crate::producers::ProducerInfo;
use crate::read::{self, CommittedRead};
use sluice_protocol::{BatchError, RecordBatchRef, RecordRef, batches};

impl Log {
    /// As [`Log::read`], up to the last stable offset, and which of it was aborted.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn read_committed(
        &self,
        topic: TopicId,
        partition: i32,
        offset: i64,
        bytes_max: usize,
    ) -> Result<CommittedRead, LogReadError> {
        read::read_committed(&self.shared.files, &*self.partition(topic, partition)?, offset, bytes_max)
    }

    /// As [`Log::read`], or with `committed` as [`Log::read_committed`], without copying what needs no copy. `None`: only
    /// [`Log::read_from_disk`] can tell.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn read_in_place(
        &self,
        topic: TopicId,
        partition: i32,
        offset: i64,
        bytes_max: usize,
        committed: bool,
    ) -> Result<Option<PiecesRead>, LogReadError> {
        let partition = self.partition(topic, partition)?;
        Ok(in_place::read_in_place(&self.shared.files, &partition, offset, bytes_max, committed))
    }

    /// As [`Log::read_in_place`], whatever it takes: it may wait for the disk.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn read_from_disk(
        &self,
        topic: TopicId,
        partition: i32,
        offset: i64,
        bytes_max: usize,
        committed: bool,
    ) -> Result<PiecesRead, LogReadError> {
        let partition = self.partition(topic, partition)?;
        in_place::read_from_disk(&self.shared.files, &partition, offset, bytes_max, committed)
    }

    /// One past the last record that no open transaction can take back. Source: KIP-98.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn last_stable_offset(&self, topic: TopicId, partition: i32) -> Result<i64, LogReadError> {
        Ok(self.partition(topic, partition)?.state.read().last_stable_offset())
    }

    /// The producers that a partition knows, by id.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn producers(&self, topic: TopicId, partition: i32) -> Result<Vec<ProducerInfo>, LogReadError> {
        let handle = self.partition(topic, partition)?;
        let state = handle.state.read();
        let mut producers: Vec<_> = state.producers.iter().map(|(id, producer)| producer.describe(*id)).collect();
        producers.sort_unstable_by_key(|producer| producer.producer_id);
        Ok(producers)
    }

    /// The first offset whose record has this timestamp or a later one.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn offset_for_time(
        &self,
        topic: TopicId,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogReadError> {
        Ok(self.offset_and_time(topic, partition, timestamp_ms)?.map(|(offset, _)| offset))
    }

    /// As [`Log::offset_for_time`], with that record's timestamp.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn offset_and_time(
        &self,
        topic: TopicId,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<(i64, i64)>, LogReadError> {
        let handle = self.partition(topic, partition)?;
        let located = {
            let state = handle.state.read();
            state.locate_time(timestamp_ms).map(|offset| (offset, state.log_start_offset))
        };
        let Some((mut offset, start)) = located else { return Ok(None) };
        loop {
            let read = read::read(&self.shared.files, &handle, offset, 1 << 20)?;
            if read.records.is_empty() {
                return Ok(None);
            }
            for batch in batches(&read.records).flatten() {
                offset = batch.last_offset() + 1;
                if batch.max_timestamp() < timestamp_ms {
                    continue;
                }
                match find_record(&batch, |record| record.offset >= start && record.timestamp >= timestamp_ms) {
                    Ok(None) => {}
                    Ok(found) => return Ok(found),
                    // What cannot be looked into is answered as a whole.
                    Err(_) => return Ok(Some((batch.base_offset().max(start), batch.base_timestamp()))),
                }
            }
        }
    }

    /// Bytes that can be read from `offset` on, counted up to about `bytes_max`.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn bytes_from(
        &self,
        topic: TopicId,
        partition: i32,
        offset: i64,
        bytes_max: usize,
    ) -> Result<usize, LogReadError> {
        Ok(self.partition(topic, partition)?.state.read().bytes_from(offset, bytes_max))
    }

    /// The newest timestamp and the offset of its record; `None`: there are no records.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn max_timestamp(&self, topic: TopicId, partition: i32) -> Result<Option<(i64, i64)>, LogReadError> {
        let handle = self.partition(topic, partition)?;
        let (newest, start) = {
            let state = handle.state.read();
            (state.locate_max_time(), state.log_start_offset)
        };
        let Some((timestamp_ms, location)) = newest else { return Ok(None) };
        let from = location.run.base_offset.max(start);
        let read = read::read(&self.shared.files, &handle, from, location.run.size_bytes as usize)?;
        let mut found = batches(&read.records).flatten();
        Ok(found.find(|batch| batch.max_timestamp() == timestamp_ms).map(|batch| {
            let found = find_record(&batch, |record| record.timestamp == timestamp_ms).ok().flatten();
            (timestamp_ms, found.map_or(batch.last_offset(), |(offset, _)| offset))
        }))
    }

    /// The largest leader epoch up to `leader_epoch` that records were written under, and the offset at which it ends.
    /// Source: KIP-101.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn end_offset_for_epoch(
        &self,
        topic: TopicId,
        partition: i32,
        leader_epoch: i32,
    ) -> Result<(i32, i64), LogReadError> {
        let (start, end) = self.offsets(topic, partition)?;
        let epoch_at = |offset| {
            let read = self.read(topic, partition, offset, 1)?;
            Ok::<_, LogReadError>(
                batches(&read.records).flatten().next().map_or(self.leader_epoch(), |b| b.leader_epoch()),
            )
        };
        if leader_epoch >= self.leader_epoch() {
            return Ok((self.leader_epoch(), end));
        }
        // Epochs only grow with the offsets.
        let (mut low, mut high, mut found) = (start, end, -1);
        while low < high {
            let middle = low + (high - low) / 2;
            let epoch = epoch_at(middle)?;
            if epoch <= leader_epoch {
                (low, found) = (middle + 1, epoch.max(found));
            } else {
                high = middle;
            }
        }
        // Nothing of an epoch that is gone: it ends where the log begins. Source: `LeaderEpochFileCache.endOffsetFor`.
        Ok(if found < 0 { (leader_epoch, start) } else { (found, low) })
    }
}

/// Offset and timestamp of a batch's first record that `wanted` accepts, compressed or not.
fn find_record(
    batch: &RecordBatchRef<'_>,
    wanted: impl Fn(&RecordRef<'_>) -> bool,
) -> Result<Option<(i64, i64)>, BatchError> {
    inflate::with_records(batch, |records| {
        for record in records {
            let record = record?;
            if wanted(&record) {
                return Ok(Some((record.offset, record.timestamp)));
            }
        }
        Ok(None)
    })
}
