//! Sink tasks.

use crate::error::{ConnectError, ErrorDetails};
use sluice_data::ConnectBatch;
use std::collections::BTreeMap;

/// One planned delivery: what identifies it stays the same after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub topic: String,
    /// Kafka's topic id, as a UUID in text.
    pub topic_id: String,
    pub partition: i32,
    /// First and last offset covered, both included.
    pub first: i64,
    pub last: i64,
    /// Unique for this content: connector, topic id, partition, first, last, generation.
    pub token: String,
    pub target: Option<String>,
    /// Raised when offsets are altered or reset.
    pub generation: u64,
    /// Whether an earlier session may have delivered it already.
    pub is_replay: bool,
    /// When the plan was made, ms since the epoch; the same in every replay.
    pub planned_ms: i64,
    pub attributes: BTreeMap<String, String>,
}

/// A record that the target refused, by its row id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFailure {
    pub row_id: i64,
    pub details: ErrorDetails,
}

/// A topic and partition with the next offset to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// Writes to a system. Kafka: `SinkTask`.
///
/// The worker calls `open` once with the assignment, then `put` with whole deliveries, `pre_commit` before offsets are
/// committed, `close` at the end. After any error but a retriable one the task is dropped; after a retriable `put` the same
/// delivery is put again (as a replay). Calls never overlap; dropping the task at any moment is safe.
#[async_trait::async_trait]
pub trait SinkTask: Send {
    /// # Errors
    /// Retriable: called again later. Otherwise the task fails.
    async fn open(&mut self, assignment: &[(String, i32)]) -> Result<(), ConnectError>;

    /// Delivers one closed delivery: batches of one topic partition, one per schema. The answer names refused records.
    ///
    /// # Errors
    /// Retriable: the whole delivery is put again after a backoff. Rejected: it can be halved to find the bad record.
    /// Fatal: the task fails.
    async fn put(&mut self, delivery: &Delivery, batches: &[ConnectBatch]) -> Result<Vec<RecordFailure>, ConnectError>;

    /// Up to where everything put so far is durable at the target, given where the worker would like to commit.
    ///
    /// # Errors
    /// As `put`.
    async fn pre_commit(&mut self, offsets: &[PartitionOffset]) -> Result<Vec<PartitionOffset>, ConnectError>;

    async fn close(&mut self);
}
