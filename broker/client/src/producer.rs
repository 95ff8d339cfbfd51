//! Appending: one atomic append over several partitions, acknowledged when durable.

use crate::{AppendError, TopicName, TopicPartition};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Record batches for one partition.
#[derive(Debug, Clone)]
pub struct PartitionRecords {
    pub topic: TopicName,
    pub partition: i32,
    /// One or more whole Kafka record batches v2, base offset 0 in each; the broker assigns offsets.
    pub records: Bytes,
}

/// A consumer group's position in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    pub group: String,
    pub partition: TopicPartition,
    /// The next offset to read, as in Kafka.
    pub offset: i64,
    /// Free text, empty when there is none. At most 4,096 bytes (Kafka's `offset.metadata.max.bytes`).
    pub metadata: String,
}

/// One atomic append: all of it or none of it.
#[derive(Debug, Clone, Default)]
pub struct Append {
    pub records: Vec<PartitionRecords>,
    pub group_offsets: Vec<GroupOffset>,
}

impl Append {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.group_offsets.is_empty()
    }

    /// Payload bytes, for budgets.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.records.iter().map(|part| part.records.len()).sum()
    }
}

/// Where an append landed: the base offset of each of its `records`, in their order.
#[derive(Debug, Clone, Default)]
pub struct Appended {
    pub base_offsets: Vec<i64>,
}

/// Resolves once the append is durable, or has failed. Dropping it does not take the append back.
#[must_use = "an append counts only once its acknowledgement has resolved"]
pub struct Acknowledgement(Pin<Box<dyn Future<Output = Result<Appended, AppendError>> + Send>>);

impl Acknowledgement {
    pub fn new(future: impl Future<Output = Result<Appended, AppendError>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Acknowledgement {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// Appends in order under one transactional id.
#[async_trait::async_trait]
pub trait Producer: Send + Sync {
    /// Hands one append over. Waits only for room in the log's queue, so the next batch can be prepared while this
    /// one syncs. After an acknowledgement failed with [`AppendError::Poisoned`], every later send fails too.
    ///
    /// # Errors
    /// Before anything was written: [`AppendError::UnknownTopicOrPartition`], [`AppendError::RecordTooLarge`],
    /// [`AppendError::CorruptRecord`], [`AppendError::ProducerFenced`], [`AppendError::Poisoned`].
    async fn send(&self, append: Append) -> Result<Acknowledgement, AppendError>;
}
