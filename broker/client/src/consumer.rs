//! Reading: whole record batches from an offset, and offsets by time.

use crate::{FetchError, TopicPartition};
use bytes::Bytes;
use std::time::Duration;

/// From where, and how much at most, to read of one partition.
#[derive(Debug, Clone)]
pub struct FetchPartition {
    pub partition: TopicPartition,
    pub offset: i64,
    /// A first batch larger than this is returned whole, as in Kafka (KIP-74).
    pub max_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct FetchedPartition {
    pub partition: TopicPartition,
    /// Whole record batches v2, in offset order; the first may begin below the offset asked for. Empty: nothing yet.
    pub records: Bytes,
    /// One past the last durable offset.
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

/// The answer to one fetch: one entry per partition asked for, in that order.
pub type Fetched = Vec<Result<FetchedPartition, FetchError>>;

#[async_trait::async_trait]
pub trait Consumer: Send + Sync {
    /// Reads from each partition; when none has anything, waits until one has or `max_wait` has passed.
    /// Only durable records are returned.
    async fn fetch(&self, partitions: &[FetchPartition], max_wait: Duration) -> Fetched;

    /// The first offset still there.
    ///
    /// # Errors
    /// [`FetchError::UnknownTopicOrPartition`], [`FetchError::Unavailable`].
    async fn beginning_offset(&self, partition: &TopicPartition) -> Result<i64, FetchError>;

    /// One past the last durable offset.
    ///
    /// # Errors
    /// As [`Consumer::beginning_offset`].
    async fn end_offset(&self, partition: &TopicPartition) -> Result<i64, FetchError>;

    /// The first offset whose record timestamp is at or after `timestamp_ms`; `None` when there is none.
    ///
    /// # Errors
    /// As [`Consumer::beginning_offset`].
    async fn offset_for_time(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<Option<i64>, FetchError>;
}
