//! What a server needs of the broker beyond the runtime's traits: topics by id, appends of one partition with their
//! producers' sequences, reads without waiting, news of partitions, producer ids.

use crate::groups::GroupAnswer;
use crate::waiters::Waiting;
use crate::{EmbeddedBroker, Inner};
use bytes::Bytes;
use sluice_log::{
    Done, Durability, LogAppendError, LogPart, LogRead, LogReadError, PiecesRead, TopicFacts, TopicId, TopicInfo,
};
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::RuntimeFlavor;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Producer ids reserved at once, as in Kafka (`ProducerIdsBlock`).
const PRODUCER_IDS_BLOCK: i64 = 1000;

/// Where a client's batch landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    pub base_offset: i64,
    /// Set when the topic stamps records with the time of their append.
    pub log_append_time_ms: Option<i64>,
    pub log_start_offset: i64,
}

/// An append that the log has taken over; it is done when this resolves, and is not taken back by dropping it.
#[must_use = "an append counts only once it has resolved"]
pub struct PendingAppend {
    inner: Arc<Inner>,
    place: (TopicId, i32),
    log_append_time_ms: Option<i64>,
    answered: oneshot::Receiver<Result<Vec<i64>, LogAppendError>>,
}

impl PendingAppend {
    /// # Errors
    /// [`LogAppendError`], those of the producer's sequence too.
    pub async fn done(self) -> Result<Produced, LogAppendError> {
        let stopped = || LogAppendError::Poisoned { reason: "the log's writer has stopped".into() };
        let base_offsets = self.answered.await.unwrap_or_else(|_| Err(stopped()))?;
        let base_offset = base_offsets.first().copied().ok_or_else(stopped)?;
        let log_start_offset = self.inner.log.offsets(self.place.0, self.place.1).map_or(0, |(start, _)| start);
        Ok(Produced { base_offset, log_append_time_ms: self.log_append_time_ms, log_start_offset })
    }
}

/// News of partitions, from the moment that it was asked for until it is dropped.
pub struct News(Waiting);

impl News {
    /// Returns when one of the partitions got records since this was created or last returned.
    pub async fn arrived(&self) {
        self.0.news().await;
    }
}

impl EmbeddedBroker {
    /// Of topics that have none of their own.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.inner.log.durability()
    }

    #[must_use]
    pub fn topic_id(&self, name: &str) -> Option<TopicId> {
        self.inner.log.topic_id(name)
    }

    #[must_use]
    pub fn topic_facts(&self, topic: TopicId) -> Option<TopicFacts> {
        self.inner.log.facts(topic)
    }

    #[must_use]
    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.inner.log.topic(name)
    }

    #[must_use]
    pub fn topic_by_id(&self, topic: TopicId) -> Option<TopicInfo> {
        self.inner.log.topic_by_id(topic)
    }

    /// All topics, by name.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicInfo> {
        self.inner.log.topics()
    }

    /// The epoch of every partition's leader.
    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        self.inner.log.leader_epoch()
    }

    /// Milliseconds since the epoch, by the broker's clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// Sixteen random bytes.
    #[must_use]
    pub fn random(&self) -> [u8; 16] {
        (self.inner.random)()
    }

    /// Hands the log a client's record batches for one partition; waits only for room in its queue. Appends enter the log in the order in
    /// which this returned.
    ///
    /// # Errors
    /// Nothing of it will land: [`LogAppendError`].
    pub async fn append(
        &self,
        topic: TopicId,
        partition: i32,
        records: Bytes,
    ) -> Result<PendingAppend, LogAppendError> {
        let (part, done, pending) = self.prepare_append(topic, partition, records).await?;
        self.inner.log.append(&[part], None, done)?;
        Ok(pending)
    }

    /// What an append needs, once there is room for it.
    pub(crate) async fn prepare_append(
        &self,
        topic: TopicId,
        partition: i32,
        records: Bytes,
    ) -> Result<(LogPart, Done, PendingAppend), LogAppendError> {
        let room = self.inner.room_for(records.len()).await?;
        let (records, log_append_time_ms) = self.inner.stamp(topic, records);
        let (answer, answered) = oneshot::channel();
        let timed = self.inner.timed_append();
        self.inner.traffic.arrived(topic, partition, records.len());
        let done = Box::new(move |outcome| {
            drop(room);
            timed();
            // Nobody may be waiting any more: the append stands all the same.
            let _ = answer.send(outcome);
        });
        let inner = self.inner.clone();
        let pending = PendingAppend { inner, place: (topic, partition), log_append_time_ms, answered };
        Ok((LogPart { topic, partition, records }, done, pending))
    }

    /// Reads whole batches without waiting for more, in place where that is possible. The disk may have to be waited for.
    /// `committed`: up to the last stable offset, with what of it was aborted.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn read(
        &self,
        topic: TopicId,
        partition: i32,
        offset: i64,
        bytes_max: usize,
        committed: bool,
    ) -> Result<PiecesRead, LogReadError> {
        let log = &self.inner.log;
        let read = match log.read_in_place(topic, partition, offset, bytes_max, committed)? {
            Some(read) => read,
            None => off_the_worker(|| log.read_from_disk(topic, partition, offset, bytes_max, committed))?,
        };
        self.inner.traffic.left(topic, partition, read.size_bytes);
        Ok(read)
    }

    /// As [`Self::read`], copied, and outside of any runtime.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn read_now(
        &self,
        topic: TopicId,
        partition: i32,
        offset: i64,
        bytes_max: usize,
    ) -> Result<LogRead, LogReadError> {
        self.inner.log.read(topic, partition, offset, bytes_max)
    }

    /// One past the last record that no open transaction can take back.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn last_stable_offset(&self, topic: TopicId, partition: i32) -> Result<i64, LogReadError> {
        self.inner.log.last_stable_offset(topic, partition)
    }

    /// The log start offset and the high watermark.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn offsets(&self, topic: TopicId, partition: i32) -> Result<(i64, i64), LogReadError> {
        self.inner.log.offsets(topic, partition)
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
        self.inner.log.bytes_from(topic, partition, offset, bytes_max)
    }

    /// The first offset whose record has this timestamp or a later one, with that record's timestamp.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn offset_for_time(
        &self,
        topic: TopicId,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<(i64, i64)>, LogReadError> {
        off_the_worker(|| self.inner.log.offset_and_time(topic, partition, timestamp_ms))
    }

    /// The newest timestamp and its record's offset.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn max_timestamp(&self, topic: TopicId, partition: i32) -> Result<Option<(i64, i64)>, LogReadError> {
        off_the_worker(|| self.inner.log.max_timestamp(topic, partition))
    }

    /// The largest leader epoch up to the one given, and where it ends.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn end_offset_for_epoch(
        &self,
        topic: TopicId,
        partition: i32,
        leader_epoch: i32,
    ) -> Result<(i32, i64), LogReadError> {
        off_the_worker(|| self.inner.log.end_offset_for_epoch(topic, partition, leader_epoch))
    }

    /// Told of records that these partitions get from now on.
    #[must_use]
    pub fn news(&self, partitions: Vec<(TopicId, i32)>) -> News {
        News(self.inner.waiters.register(partitions))
    }

    /// Hands a request to the group coordinator.
    #[must_use]
    pub fn group_request(&self, request: sluice_group::Request) -> GroupAnswer {
        self.inner.groups.handle(request)
    }

    /// Lets sessions, rebalances, offsets of groups and transactions time out; never returns. Exactly one task drives it.
    pub async fn keep_time(&self) {
        tokio::join!(self.inner.groups.keep_time(), self.inner.transactions.keep_time());
    }

    /// Moves the log start offset; returns the new one once it is durable.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`], [`LogReadError::OutOfRange`]; what the log answers stands inside.
    pub async fn delete_records(
        &self,
        topic: TopicId,
        partition: i32,
        before: i64,
    ) -> Result<Result<i64, LogAppendError>, LogReadError> {
        let (answer, answered) = oneshot::channel();
        self.inner.log.delete_records(topic, partition, before, move |outcome| drop(answer.send(outcome)))?;
        Ok(answered.await.unwrap_or(Err(LogAppendError::Closed)))
    }

    /// A producer id that was never given out before and never will be again.
    ///
    /// # Errors
    /// [`LogAppendError`] when a new block of ids cannot be reserved.
    pub async fn next_producer_id(&self) -> Result<i64, LogAppendError> {
        let mut ids = self.inner.producer_ids.lock().await;
        if let Some(id) = ids.next() {
            return Ok(id);
        }
        let from = self.inner.log.producer_ids_reserved();
        let (answer, answered) = oneshot::channel();
        let to = from + PRODUCER_IDS_BLOCK;
        self.inner.log.reserve_producer_ids(to, move |outcome| drop(answer.send(outcome)));
        answered.await.unwrap_or(Err(LogAppendError::Closed))?;
        *ids = from + 1..to;
        Ok(from)
    }
}

/// Ids that are reserved and not yet given out.
pub(crate) type ProducerIds = Range<i64>;

impl Inner {
    /// Room in the log's queue for an append of this size.
    pub(crate) async fn room_for(&self, size_bytes: usize) -> Result<OwnedSemaphorePermit, LogAppendError> {
        let size = (size_bytes + 128).min(self.queue_bytes_max);
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(permits).await.map_err(|_| LogAppendError::Closed)
    }

    /// The records with the time of their append where the topic wants it, and that time.
    pub(crate) fn stamp(&self, topic: TopicId, records: Bytes) -> (Bytes, Option<i64>) {
        if !self.log.facts(topic).is_some_and(|facts| facts.append_time) {
            return (records, None);
        }
        let now_ms = self.clock.now_ms();
        match sluice_protocol::with_append_time(&records, now_ms) {
            Some(stamped) => (stamped, Some(now_ms)),
            // Not valid batches: the log will say so.
            None => (records, None),
        }
    }
}

/// A read may have to wait for the disk: the worker's other tasks go on elsewhere meanwhile.
pub(crate) fn off_the_worker<T>(read: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(read),
        _ => read(),
    }
}
