//! The log's traits: what the Connect runtime asks of a broker, and nothing else.
//!
//! Two implementations stand behind them: `sluice-embedded` (in this process, over the write-ahead log) and an
//! external Apache Kafka. The runtime cannot tell them apart. Names are Kafka's: [`Admin`], [`Producer`],
//! [`Consumer`]; a [`Broker`] hands them out.
//!
//! What it is not: it has never heard of Connect, it holds no state, and it opens nothing.
//!
//! Invariants every implementation keeps:
//! - A [`Producer`]'s appends enter the log in the order in which [`Producer::send`] returned.
//! - An [`Append`] is atomic: after any crash either all of its records and group offsets are there, or none.
//! - An [`Acknowledgement`] that resolves to `Ok` means durable by the broker's durability setting (default: fsynced).
//! - Record bytes are Kafka record batches v2 and pass through unchanged but for base offset and leader epoch.

mod admin;
mod consumer;
mod error;
mod producer;

pub use admin::{Admin, NewTopic, TopicConfig, TopicDescription, TopicId};
pub use consumer::{Consumer, FetchPartition, Fetched, FetchedPartition};
pub use error::{AdminError, AppendError, FetchError};
pub use producer::{Acknowledgement, Append, Appended, GroupOffset, PartitionRecords, Producer};

use std::sync::Arc;

/// A topic's name. Cheap to clone.
pub type TopicName = Arc<str>;

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: TopicName,
    pub partition: i32,
}

impl TopicPartition {
    #[must_use]
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A broker: hands out its admin, consumers, and producers that fence their predecessors.
#[async_trait::async_trait]
pub trait Broker: Send + Sync {
    fn admin(&self) -> Arc<dyn Admin>;

    fn consumer(&self) -> Arc<dyn Consumer>;

    /// A producer under `transactional_id`. Every earlier producer of that id is fenced from now on: its next append
    /// fails with [`AppendError::ProducerFenced`], in `send` or (one of another process) in its acknowledgement, and
    /// nothing of it lands. Source: KIP-98, KIP-618.
    ///
    /// # Errors
    /// [`AppendError::Unavailable`] when the broker cannot be reached or is closed.
    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, AppendError>;

    /// Kafka's `cluster.id`, stable for the life of the data.
    fn cluster_id(&self) -> String;
}
