//! What the coordinator wants done.

use super::Response;
use bytes::Bytes;

/// A request that waits for its answer. The caller chooses the number; it must not reuse it while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// An append that the coordinator asked for. The coordinator chooses the number, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// The producer of a transactional append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerIdAndEpoch {
    pub producer_id: i64,
    pub producer_epoch: i16,
}

/// One record for `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendRecord {
    /// Which group it belongs to: all records of a group belong into one partition of the topic.
    pub group_id: String,
    pub key: Bytes,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// What the caller does for the coordinator, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this answer to the request that waits under the token. Each token is answered once, unless it was dropped.
    Answer(Token, Response),
    /// Append these records atomically, then call `Coordinator::appended` with the id and the outcome.
    ///
    /// Appends are applied when they are reported, so report them in the order in which the log took them, and hand
    /// them to the log in the order of the effects.
    Append {
        id: AppendId,
        records: Vec<AppendRecord>,
        /// `Some`: append as a transactional batch of this producer (without sequence check); the records take effect
        /// with `Coordinator::complete_transaction`.
        transaction: Option<ProducerIdAndEpoch>,
    },
}
