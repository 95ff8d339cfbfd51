//! What a partition knows of transactions: those that are open, and those that were aborted.
//!
//! Records from the first open transaction on are not stable: whether they count is not decided yet. Records of aborted
//! transactions stay in the log until compaction or retention takes them; who reads committed records only is told
//! which they are. Source: KIP-98, Kafka's `TransactionIndex` and `ProducerStateManager`.
//!
//! It is derived from the batches, and saved beside the producers (producers.rs).

use std::collections::{BTreeMap, HashMap};

/// A transaction of one producer in one partition, from its first record to its marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
    /// That of the marker.
    pub last_offset: i64,
}

/// What a batch does to its producer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Begun { producer_id: i64, first_offset: i64 },
    Ended { commit: bool, transaction: AbortedTransaction },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    /// Producer ids by the first offset of their open transaction.
    open: BTreeMap<i64, i64>,
    /// By their markers' offsets.
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    pub(crate) fn new(open: BTreeMap<i64, i64>, aborted: Vec<AbortedTransaction>) -> Self {
        Self { open, aborted }
    }

    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::Begun { producer_id, first_offset } => {
                self.open.insert(first_offset, producer_id);
            }
            Step::Ended { commit, transaction } => {
                self.open.remove(&transaction.first_offset);
                if !commit {
                    self.aborted.push(transaction);
                }
            }
        }
    }

    /// The first offset whose record is not decided; `None`: every one is.
    pub(crate) fn first_unstable(&self) -> Option<i64> {
        self.open.first_key_value().map(|(offset, _)| *offset)
    }

    /// Every aborted transaction, in the order of the markers.
    pub(crate) fn aborted(&self) -> &[AbortedTransaction] {
        &self.aborted
    }

    /// Aborted transactions that have records or their marker in this range.
    pub(crate) fn aborted_in(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        let first = self.aborted.partition_point(|one| one.last_offset < from);
        self.aborted[first..].iter().filter(|one| one.first_offset < to).copied().collect()
    }

    /// The log does not hold records of aborted transactions below this offset any more.
    pub(crate) fn forget_below(&mut self, offset: i64) {
        let gone = self.aborted.partition_point(|one| one.last_offset < offset);
        self.aborted.drain(..gone);
    }
}

/// To look up whether a batch belongs to an aborted transaction.
#[derive(Debug, Default)]
pub struct AbortedIndex(HashMap<i64, Vec<(i64, i64)>>);

impl AbortedIndex {
    #[must_use]
    pub fn new(aborted: &[AbortedTransaction]) -> Self {
        let mut by_producer: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        for one in aborted {
            by_producer.entry(one.producer_id).or_default().push((one.first_offset, one.last_offset));
        }
        Self(by_producer)
    }

    /// Markers are not records of a transaction.
    #[must_use]
    pub fn holds(&self, batch: &sluice_protocol::RecordBatchRef<'_>) -> bool {
        let at = batch.base_offset();
        let inside = |transactions: &Vec<(i64, i64)>| {
            let next = transactions.partition_point(|(_, last)| *last < at);
            transactions.get(next).is_some_and(|(first, _)| *first <= at)
        };
        batch.is_transactional() && !batch.is_control() && self.0.get(&batch.producer_id()).is_some_and(inside)
    }
}
