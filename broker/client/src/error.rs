//! One error enum per operation: what can this call do to me?

use crate::{TopicName, TopicPartition};

#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    #[error("topic or partition {partition} does not exist")]
    UnknownTopicOrPartition { partition: TopicPartition },
    #[error("a record batch of {size_bytes} bytes for {partition} is above max.message.bytes={limit_bytes}")]
    RecordTooLarge { partition: TopicPartition, size_bytes: usize, limit_bytes: usize },
    #[error("record bytes for {partition} are not a valid record batch: {reason}")]
    CorruptRecord { partition: TopicPartition, reason: String },
    #[error("producer {transactional_id} was fenced by a newer one")]
    ProducerFenced { transactional_id: String },
    /// Nothing of this append landed, and it may be tried again (for instance a full disk).
    #[error("the log cannot take records now: {reason}")]
    Unavailable { reason: String },
    /// A sync failed: nothing more is accepted until the log was opened again through recovery.
    #[error("the log is poisoned after a failed write and must be reopened: {reason}")]
    Poisoned { reason: String },
}

impl AppendError {
    /// Whether the same append may succeed later without anybody changing it.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    #[error("topic or partition {partition} does not exist")]
    UnknownTopicOrPartition { partition: TopicPartition },
    #[error("offset {offset} of {partition} is outside {log_start_offset}..{high_watermark}")]
    OffsetOutOfRange { partition: TopicPartition, offset: i64, log_start_offset: i64, high_watermark: i64 },
    /// Acknowledged data that can no longer be read as it was written. Reading stops here rather than skip it.
    #[error("{partition} is damaged at offset {offset}: {reason}")]
    Corrupt { partition: TopicPartition, offset: i64, reason: String },
    #[error("the log cannot be read now: {reason}")]
    Unavailable { reason: String },
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    #[error("topic {topic} already exists")]
    TopicExists { topic: TopicName },
    #[error("topic {topic} does not exist")]
    UnknownTopic { topic: TopicName },
    #[error("topic {topic} cannot be as asked: {reason}")]
    InvalidTopic { topic: TopicName, reason: String },
    #[error("the broker cannot be reached: {reason}")]
    Unavailable { reason: String },
}
