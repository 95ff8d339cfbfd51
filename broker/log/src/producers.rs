//! What a partition remembers of its idempotent producers: the last five batches of each, by sequence number.
//!
//! The writer checks each batch against it before it gives out offsets, so that a batch sent twice stands in the log
//! once, and a batch whose predecessor is missing does not. Source: KIP-98, Kafka's `ProducerStateManager` and
//! `ProducerAppendInfo`.
//!
//! It is derived from the batches, and saved (snapshot.rs).

mod snapshot;

use crate::transactions::{AbortedTransaction, Step, Transactions};
use sluice_protocol::RecordBatchRef;
pub(crate) use snapshot::{SNAPSHOT_NAME, SNAPSHOT_TEMPORARY_NAME, Snapshot, decode_snapshot, encode_snapshot};
use std::collections::HashMap;

/// As many batches as a producer may have in flight. Source: Kafka's `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`.
const BATCHES_KEPT: usize = 5;
/// Kafka's `producer.id.expiration.ms`.
pub(crate) const EXPIRATION_MS: i64 = 86_400_000;

/// A batch as its producer numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerBatch {
    pub producer_id: i64,
    pub epoch: i16,
    pub first_sequence: i32,
    pub last_sequence: i32,
    /// From the part's base offset to the batch's last offset.
    pub last_offset_in_part: i64,
    pub offset_delta: i32,
    pub transactional: bool,
    /// A transaction's marker: it carries an epoch, but no sequence.
    pub control: bool,
    /// Of a marker: what it decides. `None`: it ends nothing.
    pub commit: Option<bool>,
}

impl ProducerBatch {
    /// `None`: its producer is not idempotent. `part_offset`: offsets of the part before this batch.
    pub(crate) fn of(batch: &RecordBatchRef<'_>, part_offset: i64) -> Option<Self> {
        if batch.producer_id() < 0 {
            return None;
        }
        let offset_delta = batch.last_offset_delta();
        Some(Self {
            producer_id: batch.producer_id(),
            epoch: batch.producer_epoch(),
            first_sequence: batch.base_sequence(),
            last_sequence: sequence_after(batch.base_sequence(), offset_delta),
            last_offset_in_part: part_offset + i64::from(offset_delta),
            offset_delta,
            transactional: batch.is_transactional(),
            control: batch.is_control(),
            commit: batch.ends_transaction(),
        })
    }

    /// What a coordinator writes for a producer carries no sequence. Source: Kafka's `AppendOrigin.COORDINATOR`.
    fn has_sequence(&self) -> bool {
        !self.control && self.first_sequence >= 0
    }
}

/// Sequences are 31 bits wide and wrap to 0. Source: Kafka's `DefaultRecordBatch.incrementSequence`.
fn sequence_after(sequence: i32, increment: i32) -> i32 {
    ((i64::from(sequence) + i64::from(increment)) & i64::from(i32::MAX)) as i32
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    first_sequence: i32,
    last_sequence: i32,
    last_offset: i64,
    offset_delta: i32,
}

/// One producer in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProducerState {
    epoch: i16,
    /// When it last appended, by the log's clock.
    seen_ms: i64,
    /// Oldest first.
    batches: Vec<Kept>,
    /// Where its open transaction begins in this partition.
    transaction: Option<i64>,
}

/// All producers of one partition, by id.
pub(crate) type Producers = HashMap<i64, ProducerState>;

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It stands in the log already, from this offset on.
    Duplicate {
        base_offset: i64,
    },
    /// Its producer's epoch is over.
    Fenced {
        current_epoch: i16,
    },
    OutOfOrder {
        expected: i32,
    },
    /// A transaction of its producer is open, and it does not belong to it.
    OutsideTransaction,
}

impl ProducerState {
    pub(crate) fn new(epoch: i16) -> Self {
        Self { epoch, seen_ms: 0, batches: Vec::new(), transaction: None }
    }

    /// `known`: what is remembered of the batch's producer. Of an unknown one any sequence is taken, since its state may
    /// have expired. Source: Kafka's `ProducerAppendInfo.checkSequence`.
    pub(crate) fn judge(known: Option<&Self>, batch: &ProducerBatch) -> Verdict {
        let Some(known) = known else { return Verdict::Append };
        // Markers are the coordinator's, which knows better. Refusing one would leave its transaction open for ever.
        if batch.control {
            return Verdict::Append;
        }
        let same = |kept: &&Kept| {
            (kept.first_sequence, kept.last_sequence) == (batch.first_sequence, batch.last_sequence)
                && known.epoch == batch.epoch
                && batch.has_sequence()
        };
        if let Some(kept) = known.batches.iter().find(same) {
            return Verdict::Duplicate { base_offset: kept.last_offset - i64::from(kept.offset_delta) };
        }
        if batch.epoch < known.epoch {
            return Verdict::Fenced { current_epoch: known.epoch };
        }
        if known.transaction.is_some() && !batch.transactional {
            return Verdict::OutsideTransaction;
        }
        let expected = match known.batches.last() {
            Some(last) if batch.epoch == known.epoch => sequence_after(last.last_sequence, 1),
            _ => 0,
        };
        if !batch.has_sequence() || batch.first_sequence == expected {
            Verdict::Append
        } else {
            Verdict::OutOfOrder { expected }
        }
    }

    /// After the batch got its offsets. Returns what it does to its producer's transaction.
    pub(crate) fn add(&mut self, batch: &ProducerBatch, part_base_offset: i64, now_ms: i64) -> Option<Step> {
        if batch.epoch > self.epoch || (batch.epoch < self.epoch && !batch.control) {
            self.batches.clear();
            self.epoch = batch.epoch;
        }
        self.seen_ms = now_ms;
        let (producer_id, last_offset) = (batch.producer_id, part_base_offset + batch.last_offset_in_part);
        if batch.control {
            let commit = batch.commit?;
            let first_offset = self.transaction.take()?;
            return Some(Step::Ended {
                commit,
                transaction: AbortedTransaction { producer_id, first_offset, last_offset },
            });
        }
        let mut step = None;
        if batch.transactional && self.transaction.is_none() {
            let first_offset = last_offset - i64::from(batch.offset_delta);
            self.transaction = Some(first_offset);
            step = Some(Step::Begun { producer_id, first_offset });
        }
        if !batch.has_sequence() {
            return step;
        }
        if self.batches.len() == BATCHES_KEPT {
            self.batches.remove(0);
        }
        self.batches.push(Kept {
            first_sequence: batch.first_sequence,
            last_sequence: batch.last_sequence,
            last_offset,
            offset_delta: batch.offset_delta,
        });
        step
    }

    /// A producer with an open transaction is known until that ends.
    pub(crate) fn expired(&self, now_ms: i64) -> bool {
        self.transaction.is_none() && self.seen_ms < now_ms.saturating_sub(EXPIRATION_MS)
    }

    /// Forgets batches that the log does not hold. `false`: nothing is left.
    fn cut(&mut self, end_offset: i64) -> bool {
        self.batches.retain(|kept| kept.last_offset < end_offset);
        // What the log says of transactions is read again.
        self.transaction = None;
        !self.batches.is_empty()
    }

    pub(crate) fn describe(&self, producer_id: i64) -> ProducerInfo {
        ProducerInfo {
            producer_id,
            producer_epoch: self.epoch,
            last_sequence: self.batches.last().map_or(-1, |kept| kept.last_sequence),
            last_seen_ms: self.seen_ms,
            transaction_first_offset: self.transaction,
        }
    }
}

/// What a partition knows of a producer, for those who look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerInfo {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// -1: none is known.
    pub last_sequence: i32,
    /// When it last appended, by the log's clock.
    pub last_seen_ms: i64,
    /// Where its open transaction begins in this partition.
    pub transaction_first_offset: Option<i64>,
}

/// One partition's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionProducers {
    pub end_offset: i64,
    pub producers: Producers,
    pub transactions: Transactions,
}

impl PartitionProducers {
    /// Adds one batch that stands in the log, as a start does.
    pub(crate) fn replay(&mut self, batch: &RecordBatchRef<'_>, now_ms: i64) {
        if let Some(sent) = ProducerBatch::of(batch, 0) {
            let state = self.producers.entry(sent.producer_id).or_insert_with(|| ProducerState::new(sent.epoch));
            if let Some(step) = state.add(&sent, batch.base_offset(), now_ms) {
                self.transactions.apply(step);
            }
        }
    }

    /// What still holds when the log ends before the snapshot, as behind a power cut: batches that are there. Every
    /// batch must be replayed, since a marker may be among those that are not.
    pub(crate) fn cut(mut self, end_offset: i64) -> Producers {
        self.producers.retain(|_, state| state.cut(end_offset));
        self.producers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicId;

    fn batch(epoch: i16, first: i32, count: i32) -> ProducerBatch {
        ProducerBatch {
            producer_id: 7,
            epoch,
            first_sequence: first,
            last_sequence: sequence_after(first, count - 1),
            last_offset_in_part: i64::from(count) - 1,
            offset_delta: count - 1,
            transactional: false,
            control: false,
            commit: None,
        }
    }

    fn marker(epoch: i16, commit: bool) -> ProducerBatch {
        let batch = batch(epoch, -1, 1);
        ProducerBatch { transactional: true, control: true, commit: Some(commit), ..batch }
    }

    fn transactional(epoch: i16, first: i32, count: i32) -> ProducerBatch {
        ProducerBatch { transactional: true, ..batch(epoch, first, count) }
    }

    fn after(sent: &[ProducerBatch]) -> ProducerState {
        let mut state = ProducerState::new(sent[0].epoch);
        let mut offset = 100;
        for batch in sent {
            state.add(batch, offset, 0);
            offset += i64::from(batch.offset_delta) + 1;
        }
        state
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere_and_a_known_one_only_where_it_stopped() {
        assert_eq!(ProducerState::judge(None, &batch(0, 17, 1)), Verdict::Append);
        let state = after(&[batch(0, 0, 3)]);
        assert_eq!(ProducerState::judge(Some(&state), &batch(0, 3, 1)), Verdict::Append);
        assert_eq!(ProducerState::judge(Some(&state), &batch(0, 4, 1)), Verdict::OutOfOrder { expected: 3 });
    }

    #[test]
    fn each_of_the_last_five_batches_is_known_again_and_the_sixth_is_not() {
        let sent: Vec<_> = (0..6).map(|i| batch(0, 2 * i, 2)).collect();
        let state = after(&sent);
        for (i, again) in sent.iter().enumerate().skip(1) {
            let base_offset = 100 + 2 * i as i64;
            assert_eq!(ProducerState::judge(Some(&state), again), Verdict::Duplicate { base_offset });
        }
        assert_eq!(ProducerState::judge(Some(&state), &sent[0]), Verdict::OutOfOrder { expected: 12 });
    }

    #[test]
    fn a_new_epoch_begins_at_sequence_zero_and_fences_the_old_one() {
        let state = after(&[batch(3, 0, 3)]);
        assert_eq!(ProducerState::judge(Some(&state), &batch(4, 0, 1)), Verdict::Append);
        assert_eq!(ProducerState::judge(Some(&state), &batch(4, 3, 1)), Verdict::OutOfOrder { expected: 0 });
        assert_eq!(ProducerState::judge(Some(&state), &batch(2, 3, 1)), Verdict::Fenced { current_epoch: 3 });
    }

    #[test]
    fn a_transaction_begins_at_its_first_batch_and_ends_at_its_marker_which_fences_older_epochs() {
        let mut state = ProducerState::new(0);
        let begun = Step::Begun { producer_id: 7, first_offset: 100 };
        assert_eq!(state.add(&transactional(0, 0, 2), 100, 0), Some(begun));
        assert_eq!(state.add(&transactional(0, 2, 1), 102, 0), None);
        assert_eq!(ProducerState::judge(Some(&state), &batch(0, 3, 1)), Verdict::OutsideTransaction);
        assert!(!state.expired(i64::MAX), "its transaction is open");
        let transaction = AbortedTransaction { producer_id: 7, first_offset: 100, last_offset: 103 };
        assert_eq!(state.add(&marker(1, false), 103, 0), Some(Step::Ended { commit: false, transaction }));
        assert_eq!(ProducerState::judge(Some(&state), &transactional(0, 3, 1)), Verdict::Fenced { current_epoch: 1 });
        assert_eq!(ProducerState::judge(Some(&state), &transactional(1, 0, 1)), Verdict::Append);
        assert_eq!(state.add(&marker(1, true), 104, 0), None, "nothing was open");
    }

    #[test]
    fn what_a_coordinator_writes_without_a_sequence_disturbs_none() {
        let mut state = after(&[transactional(0, 0, 3)]);
        assert_eq!(ProducerState::judge(Some(&state), &transactional(0, -1, 4)), Verdict::Append);
        assert_eq!(state.add(&transactional(0, -1, 4), 103, 0), None);
        assert_eq!(ProducerState::judge(Some(&state), &transactional(0, -1, 4)), Verdict::Append);
        assert_eq!(ProducerState::judge(Some(&state), &transactional(0, 3, 1)), Verdict::Append);
    }

    #[test]
    fn sequences_wrap_to_zero_behind_the_largest() {
        let last = batch(0, i32::MAX - 1, 3);
        assert_eq!(last.last_sequence, 0);
        let state = after(&[last]);
        assert_eq!(ProducerState::judge(Some(&state), &batch(0, 1, 1)), Verdict::Append);
    }

    #[test]
    fn a_snapshot_comes_back_and_no_flipped_bit_passes() {
        let producers = Producers::from([(7, after(&[batch(0, 0, 3), transactional(0, 3, 1)]))]);
        let aborted = vec![AbortedTransaction { producer_id: 9, first_offset: 3, last_offset: 50 }];
        let transactions = Transactions::new([(103, 7)].into(), aborted);
        let entry = PartitionProducers { end_offset: 104, producers, transactions };
        let key = (TopicId([5; 16]), 2);
        let good = encode_snapshot(&[(key, entry.clone())]);
        assert_eq!(decode_snapshot(&good), Some(Snapshot::from([(key, entry)])));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_snapshot(&bad).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_snapshot_ahead_of_the_log_forgets_what_the_log_lost() {
        let producers = Producers::from([(7, after(&[batch(0, 0, 3), batch(0, 3, 1)])), (8, after(&[batch(0, 3, 4)]))]);
        let cut = PartitionProducers { end_offset: 104, producers, transactions: Transactions::default() }.cut(103);
        assert_eq!(cut.keys().collect::<Vec<_>>(), [&7]);
        assert_eq!(ProducerState::judge(cut.get(&7), &batch(0, 3, 1)), Verdict::Append);
    }
}
