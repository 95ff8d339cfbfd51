//! Appending under a transactional id.

use crate::Inner;
use crate::groups::{self, GroupChange};
use parking_lot::Mutex;
use sluice_client::{Acknowledgement, Append, AppendError, Appended, Producer, TopicPartition};
use sluice_log::{AppendChain, LogAppendError, LogPart};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Kafka's `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4096;
/// Kafka's strings carry their length in 15 bits.
const GROUP_BYTES_MAX: usize = i16::MAX as usize;

/// Whether a producer may still append. The lock is held while an append enters the queue.
#[derive(Default)]
pub(crate) struct Fence(Mutex<bool>);

pub(crate) struct EmbeddedProducer {
    inner: Arc<Inner>,
    transactional_id: String,
    fence: Arc<Fence>,
    chain: AppendChain,
}

impl EmbeddedProducer {
    /// Fences every earlier producer of this id.
    pub(crate) fn new(inner: Arc<Inner>, transactional_id: &str) -> Self {
        let fence = Arc::new(Fence::default());
        let earlier = inner.fences.lock().insert(transactional_id.to_owned(), fence.clone());
        if let Some(earlier) = earlier {
            *earlier.0.lock() = true;
        }
        Self { inner, transactional_id: transactional_id.to_owned(), fence, chain: AppendChain::default() }
    }

    fn fenced(&self) -> AppendError {
        AppendError::ProducerFenced { transactional_id: self.transactional_id.clone() }
    }
}

impl Drop for EmbeddedProducer {
    fn drop(&mut self) {
        let mut fences = self.inner.fences.lock();
        if fences.get(&self.transactional_id).is_some_and(|fence| Arc::ptr_eq(fence, &self.fence)) {
            fences.remove(&self.transactional_id);
        }
    }
}

#[async_trait::async_trait]
impl Producer for EmbeddedProducer {
    async fn send(&self, append: Append) -> Result<Acknowledgement, AppendError> {
        if *self.fence.0.lock() {
            return Err(self.fenced());
        }
        let size = (append.size_bytes() + 512 * append.group_offsets.len() + 128).min(self.inner.queue_bytes_max);
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let room = self.inner.room.clone().acquire_many_owned(permits).await;
        let room = room.map_err(|_| AppendError::Unavailable { reason: "the log is closed".into() })?;
        let names: Vec<TopicPartition> = append
            .records
            .iter()
            .map(|part| TopicPartition { topic: part.topic.clone(), partition: part.partition })
            .collect();
        let mut parts = resolve(&self.inner, &append)?;
        let changes: Vec<GroupChange> = append.group_offsets.into_iter().map(GroupChange::Commit).collect();
        let now_ms = self.inner.clock.now_ms();
        if !changes.is_empty() {
            let records = groups::encode(&changes, now_ms);
            parts.push(LogPart { topic: self.inner.groups.topic, partition: 0, records });
        }
        let (answer, answered) = oneshot::channel();
        let groups = self.inner.groups.clone();
        let count = names.len();
        for part in &parts[..count] {
            self.inner.traffic.arrived(part.topic, part.partition, part.records.len());
        }
        let timed = self.inner.timed_append();
        let done = Box::new(move |outcome: Result<Vec<i64>, LogAppendError>| {
            let outcome = outcome.map(|mut base_offsets| {
                if !changes.is_empty() {
                    groups.apply(&changes, now_ms);
                }
                base_offsets.truncate(count);
                Appended { base_offsets }
            });
            drop(room);
            timed();
            // Nobody may be waiting any more: the append stands all the same.
            let _ = answer.send(outcome);
        });
        let fenced = self.fence.0.lock();
        if *fenced {
            return Err(self.fenced());
        }
        let unseen = self.chain.enter();
        self.inner.log.append(&parts, Some(&self.chain), done).map_err(|error| append_error(error, &names))?;
        drop(fenced);
        Ok(Acknowledgement::new(async move {
            let outcome = answered.await;
            // Until here, whatever was sent behind a failed append fails too.
            drop(unseen);
            match outcome {
                Ok(outcome) => outcome.map_err(|error| append_error(error, &names)),
                Err(_) => Err(AppendError::Poisoned { reason: "the log's writer has stopped".into() }),
            }
        }))
    }
}

fn resolve(inner: &Inner, append: &Append) -> Result<Vec<LogPart>, AppendError> {
    for offset in &append.group_offsets {
        let topic_bytes = offset.partition.topic.len();
        if offset.metadata.len() > METADATA_BYTES_MAX || offset.group.len().max(topic_bytes) > GROUP_BYTES_MAX {
            return Err(AppendError::RecordTooLarge {
                partition: offset.partition.clone(),
                size_bytes: offset.metadata.len().max(offset.group.len()),
                limit_bytes: METADATA_BYTES_MAX,
            });
        }
    }
    append
        .records
        .iter()
        .map(|part| {
            let partition = || TopicPartition { topic: part.topic.clone(), partition: part.partition };
            let topic = inner.log.topic_id(&part.topic);
            let topic = topic.ok_or_else(|| AppendError::UnknownTopicOrPartition { partition: partition() })?;
            let (records, _) = inner.stamp(topic, part.records.clone());
            Ok(LogPart { topic, partition: part.partition, records })
        })
        .collect()
}

/// The log's error with the partition's name instead of its number in the append.
pub(crate) fn append_error(error: LogAppendError, names: &[TopicPartition]) -> AppendError {
    let name = |part: usize| names.get(part).cloned().unwrap_or_else(|| TopicPartition::new(groups::OFFSETS_TOPIC, 0));
    match error {
        LogAppendError::UnknownPartition { part } => AppendError::UnknownTopicOrPartition { partition: name(part) },
        LogAppendError::TooLarge { part, size_bytes, limit_bytes } => {
            AppendError::RecordTooLarge { partition: name(part), size_bytes, limit_bytes }
        }
        LogAppendError::Corrupt { part, source } => {
            AppendError::CorruptRecord { partition: name(part), reason: source.to_string() }
        }
        LogAppendError::MissingKey { part } => {
            let reason = "a record without a key cannot be kept in a compacted topic".into();
            AppendError::CorruptRecord { partition: name(part), reason }
        }
        error @ (LogAppendError::OutOfOrderSequence { .. }
        | LogAppendError::OutsideTransaction { .. }
        | LogAppendError::ProducerEpochOver { .. }) => {
            AppendError::CorruptRecord { partition: name(0), reason: error.to_string() }
        }
        LogAppendError::AppendTooLarge { size_bytes, limit_bytes } => {
            AppendError::RecordTooLarge { partition: name(0), size_bytes, limit_bytes }
        }
        LogAppendError::Unavailable { reason } => AppendError::Unavailable { reason },
        LogAppendError::Poisoned { reason } => AppendError::Poisoned { reason },
        LogAppendError::Closed => AppendError::Unavailable { reason: "the log is closed".into() },
    }
}
