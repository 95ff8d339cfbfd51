//! What is known of a transactional id, and why requests about it are refused.

use std::collections::{BTreeMap, BTreeSet};

/// The coordinator's settings.
#[derive(Debug, Clone)]
pub struct TransactionConfig {
    /// Kafka's `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// Kafka's `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self { max_timeout_ms: 900_000, id_expiration_ms: 7 * 86_400_000 }
    }
}

/// Why a request about a transaction is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    #[error("the transactional id is empty, or the transaction has too many partitions")]
    InvalidRequest,
    #[error("the transaction's timeout is not above 0 and up to transaction.max.timeout.ms")]
    InvalidTimeout,
    #[error("the producer id is not that of this transactional id; call InitProducerId again")]
    InvalidProducerIdMapping,
    #[error("a newer producer uses this transactional id, or its transaction timed out")]
    ProducerFenced,
    #[error("the producer's epoch is over")]
    InvalidProducerEpoch,
    #[error("another request of this transactional id is under way; try again")]
    ConcurrentTransactions,
    #[error("the transaction is not in a state for this; begin one and add the partition first")]
    InvalidTxnState,
    #[error("the transactional id is not known")]
    TransactionalIdNotFound,
    #[error("the log does not take the transaction's state now; try again")]
    CoordinatorNotAvailable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    Empty,
    Ongoing,
    CompleteCommit,
    CompleteAbort,
}

impl TransactionStatus {
    pub const ALL: [Self; 4] = [Self::Empty, Self::Ongoing, Self::CompleteCommit, Self::CompleteAbort];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

/// Partitions by topic.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// All that is known of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionMetadata {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// The epoch and producer id before, when their owner asked for the current ones; else -1. Not in the log, so a
    /// request that is repeated across a restart is fenced.
    pub last_producer_epoch: i16,
    pub previous_producer_id: i64,
    pub timeout_ms: i32,
    pub status: TransactionStatus,
    /// Empty unless it is ongoing.
    pub partitions: Partitions,
    pub last_update_ms: i64,
    /// -1: no transaction was begun.
    pub start_ms: i64,
}

/// A producer id with its epoch.
pub type ProducerIdAndEpoch = (i64, i16);
