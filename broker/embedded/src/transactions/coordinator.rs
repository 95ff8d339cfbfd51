//! Who may do what in which transaction, as a state machine without clock, locks or files.
//!
//! A request is answered at once, refused, or asks for a [`Transition`]: the record that says it, with the markers that
//! it takes, as one append. Until [`Coordinator::applied`] says what became of it, the id takes no other request. Since
//! markers and state are one append, there is no state between a decision and its markers (Kafka's PrepareCommit and
//! PrepareAbort). Source: KIP-98, KIP-360, KIP-588, Kafka's `TransactionCoordinator` and `TransactionMetadata`.

use super::metadata::{
    Partitions, ProducerIdAndEpoch, TransactionConfig, TransactionError, TransactionMetadata, TransactionStatus,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An epoch is handed out up to here; the one above is left to fence with.
const EPOCH_MAX: i16 = i16::MAX - 1;
/// An abort that the log refused is tried again after this time.
const RETRY_MS: i64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Markers {
    pub producer_id: i64,
    pub epoch: i16,
    pub commit: bool,
    pub partitions: Partitions,
}

/// What is to be appended, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    pub transactional_id: String,
    /// `None`: the id is forgotten.
    pub next: Option<TransactionMetadata>,
    pub markers: Option<Markers>,
}

/// What becomes of InitProducerId.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Init {
    Answer(ProducerIdAndEpoch),
    /// Ask again with a producer id that was never used.
    NeedsProducerId,
    /// The answer is what it makes current.
    Append(Transition),
}

#[derive(Debug, Default)]
struct Entry {
    /// `None` until the first append is durable.
    current: Option<TransactionMetadata>,
    /// The epoch that an append under way makes current, and whether it ends the transaction.
    pending: Option<(i16, bool)>,
    not_before_ms: i64,
    deadline_ms: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Coordinator {
    config: TransactionConfig,
    entries: BTreeMap<String, Entry>,
    by_producer: HashMap<i64, String>,
    /// When each id times out or expires, soonest first.
    deadlines: BTreeSet<(i64, String)>,
}

impl Coordinator {
    pub(crate) fn new(config: TransactionConfig) -> Self {
        Self { config, entries: BTreeMap::new(), by_producer: HashMap::new(), deadlines: BTreeSet::new() }
    }

    /// Takes one record of the log, oldest first.
    pub(crate) fn load(&mut self, transactional_id: &str, metadata: Option<TransactionMetadata>) {
        self.put(transactional_id, metadata);
    }

    // ---- requests

    /// InitProducerId. `expected`: what the producer believes to be (KIP-360). `fresh`: a producer id to be used when
    /// one is needed.
    pub(crate) fn init(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        timeout_ms: i32,
        expected: Option<ProducerIdAndEpoch>,
        fresh: Option<i64>,
    ) -> Result<Init, TransactionError> {
        if transactional_id.is_empty() || i16::try_from(transactional_id.len()).is_err() {
            return Err(TransactionError::InvalidRequest);
        }
        if !(1..=self.config.max_timeout_ms).contains(&timeout_ms) {
            return Err(TransactionError::InvalidTimeout);
        }
        let entry = self.entries.get(transactional_id);
        if entry.is_some_and(|entry| entry.pending.is_some()) {
            return Err(TransactionError::ConcurrentTransactions);
        }
        let Some(current) = entry.and_then(|entry| entry.current.as_ref()) else {
            let Some(producer_id) = fresh else { return Ok(Init::NeedsProducerId) };
            let next = TransactionMetadata {
                producer_id,
                producer_epoch: 0,
                last_producer_epoch: -1,
                previous_producer_id: -1,
                timeout_ms,
                status: TransactionStatus::Empty,
                partitions: Partitions::new(),
                last_update_ms: now_ms,
                start_ms: -1,
            };
            return Ok(Init::Append(self.begin(transactional_id, Some(next), None)));
        };
        let ongoing = current.status == TransactionStatus::Ongoing;
        if let Some((producer_id, epoch)) = expected {
            let exhausted = producer_id == current.previous_producer_id && epoch >= EPOCH_MAX;
            let repeated = producer_id == current.producer_id || exhausted;
            if repeated && epoch == current.last_producer_epoch && !ongoing {
                // The answer to this was lost: nobody else has asked since.
                return Ok(Init::Answer((current.producer_id, current.producer_epoch)));
            }
            if (producer_id, epoch) != (current.producer_id, current.producer_epoch) {
                return Err(TransactionError::ProducerFenced);
            }
        }
        let mut next = TransactionMetadata {
            last_producer_epoch: expected.map_or(-1, |_| current.producer_epoch),
            timeout_ms,
            status: TransactionStatus::Empty,
            partitions: Partitions::new(),
            last_update_ms: now_ms,
            start_ms: -1,
            ..current.clone()
        };
        if current.producer_epoch < EPOCH_MAX {
            next.producer_epoch += 1;
            next.previous_producer_id = -1;
        } else {
            let Some(producer_id) = fresh else { return Ok(Init::NeedsProducerId) };
            (next.producer_id, next.producer_epoch) = (producer_id, 0);
            next.previous_producer_id = current.producer_id;
        }
        // The new epoch fences the old producer in each partition of its transaction.
        let markers = ongoing.then(|| Markers {
            producer_id: current.producer_id,
            epoch: current.producer_epoch + 1,
            commit: false,
            partitions: current.partitions.clone(),
        });
        Ok(Init::Append(self.begin(transactional_id, Some(next), markers)))
    }

    /// AddPartitionsToTxn, and AddOffsetsToTxn with the partition of the group's offsets. `None`: they are in it.
    pub(crate) fn add_partitions(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &Partitions,
    ) -> Result<Option<Transition>, TransactionError> {
        let current = self.current(transactional_id, producer)?;
        let mut next = current.clone();
        if current.status != TransactionStatus::Ongoing {
            (next.status, next.start_ms) = (TransactionStatus::Ongoing, now_ms);
            next.partitions.clear();
        }
        for (topic, some) in partitions {
            next.partitions.entry(topic.clone()).or_default().extend(some);
        }
        if next == *current {
            return Ok(None);
        }
        next.last_update_ms = now_ms;
        Ok(Some(self.begin(transactional_id, Some(next), None)))
    }

    /// EndTxn. `None`: it has ended so.
    pub(crate) fn end(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        commit: bool,
    ) -> Result<Option<Transition>, TransactionError> {
        let current = self.current(transactional_id, producer)?;
        let ended = if commit { TransactionStatus::CompleteCommit } else { TransactionStatus::CompleteAbort };
        match current.status {
            TransactionStatus::Ongoing => {}
            status if status == ended => return Ok(None),
            _ => return Err(TransactionError::InvalidTxnState),
        }
        let mut next = TransactionMetadata { status: ended, last_update_ms: now_ms, ..current.clone() };
        let partitions = std::mem::take(&mut next.partitions);
        let markers = Markers { producer_id: next.producer_id, epoch: next.producer_epoch, commit, partitions };
        Ok(Some(self.begin(transactional_id, Some(next), Some(markers))))
    }

    /// Whether a batch of this producer may enter the log now. `transactional_id`: whose it claims to be.
    pub(crate) fn check_write(
        &self,
        transactional_id: Option<&str>,
        (producer_id, epoch): ProducerIdAndEpoch,
        topic: &str,
        partition: i32,
    ) -> Result<(), TransactionError> {
        let owner = self.by_producer.get(&producer_id).ok_or(TransactionError::InvalidProducerIdMapping)?;
        if transactional_id.is_some_and(|claimed| claimed != owner) {
            return Err(TransactionError::InvalidProducerIdMapping);
        }
        let entry = self.entries.get(owner).ok_or(TransactionError::InvalidProducerIdMapping)?;
        let current = entry.current.as_ref().ok_or(TransactionError::InvalidProducerIdMapping)?;
        let fenced = entry.pending.is_some_and(|(next_epoch, _)| next_epoch != epoch);
        if current.producer_epoch != epoch || fenced {
            return Err(TransactionError::InvalidProducerEpoch);
        }
        let ending = entry.pending.is_some_and(|(_, ends)| ends);
        let added = current.partitions.get(topic).is_some_and(|some| some.contains(&partition));
        if current.status == TransactionStatus::Ongoing && added && !ending {
            Ok(())
        } else {
            Err(TransactionError::InvalidTxnState)
        }
    }

    pub(crate) fn describe(&self, transactional_id: &str) -> Option<&TransactionMetadata> {
        self.entries.get(transactional_id)?.current.as_ref()
    }

    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, &TransactionMetadata)> {
        self.entries.iter().filter_map(|(id, entry)| Some((id.as_str(), entry.current.as_ref()?)))
    }

    // ---- time

    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Transactions that timed out are aborted under a new epoch, so that their producers notice; ids that were not used
    /// for long are forgotten.
    pub(crate) fn tick(&mut self, now_ms: i64) -> Vec<Transition> {
        let due: Vec<String> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now_ms).map(|(_, id)| id.clone()).collect();
        due.iter().filter_map(|id| self.time_out(now_ms, id)).collect()
    }

    fn time_out(&mut self, now_ms: i64, transactional_id: &str) -> Option<Transition> {
        let current = self.entries.get(transactional_id)?.current.as_ref()?;
        if current.status != TransactionStatus::Ongoing {
            return Some(self.begin(transactional_id, None, None));
        }
        let mut next = TransactionMetadata {
            producer_epoch: current.producer_epoch + 1,
            last_producer_epoch: -1,
            status: TransactionStatus::CompleteAbort,
            last_update_ms: now_ms,
            ..current.clone()
        };
        let partitions = std::mem::take(&mut next.partitions);
        let markers = Markers { producer_id: next.producer_id, epoch: next.producer_epoch, commit: false, partitions };
        Some(self.begin(transactional_id, Some(next), Some(markers)))
    }

    // ---- outcomes

    /// What became of a transition: it is durable, or nothing of it is.
    pub(crate) fn applied(&mut self, now_ms: i64, transition: &Transition, durable: bool) {
        let id = &transition.transactional_id;
        if durable {
            return self.put(id, transition.next.clone());
        }
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.pending = None;
        entry.not_before_ms = now_ms.saturating_add(RETRY_MS);
        if entry.current.is_none() {
            self.put(id, None);
        } else {
            self.refile(id);
        }
    }

    fn current(
        &self,
        transactional_id: &str,
        (producer_id, epoch): ProducerIdAndEpoch,
    ) -> Result<&TransactionMetadata, TransactionError> {
        if transactional_id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let unknown = TransactionError::InvalidProducerIdMapping;
        let entry = self.entries.get(transactional_id).ok_or(unknown)?;
        let current = entry.current.as_ref().filter(|current| current.producer_id == producer_id).ok_or(unknown)?;
        if current.producer_epoch != epoch {
            return Err(TransactionError::ProducerFenced);
        }
        if entry.pending.is_some() { Err(TransactionError::ConcurrentTransactions) } else { Ok(current) }
    }

    fn begin(
        &mut self,
        transactional_id: &str,
        next: Option<TransactionMetadata>,
        markers: Option<Markers>,
    ) -> Transition {
        let entry = self.entries.entry(transactional_id.to_owned()).or_default();
        let epoch = next.as_ref().map_or(-1, |next| next.producer_epoch);
        entry.pending = Some((epoch, markers.is_some()));
        self.refile(transactional_id);
        Transition { transactional_id: transactional_id.to_owned(), next, markers }
    }

    fn put(&mut self, transactional_id: &str, metadata: Option<TransactionMetadata>) {
        let entry = self.entries.entry(transactional_id.to_owned()).or_default();
        if let Some(before) = &entry.current {
            self.by_producer.remove(&before.producer_id);
        }
        entry.pending = None;
        entry.current = metadata;
        if let Some(current) = &entry.current {
            self.by_producer.insert(current.producer_id, transactional_id.to_owned());
        }
        self.refile(transactional_id);
        if self.entries.get(transactional_id).is_some_and(|entry| entry.current.is_none()) {
            self.entries.remove(transactional_id);
        }
    }

    /// Under its deadline; an id with an append under way has none.
    fn refile(&mut self, transactional_id: &str) {
        let Some(entry) = self.entries.get_mut(transactional_id) else { return };
        let deadline = entry.current.as_ref().filter(|_| entry.pending.is_none()).map(|current| {
            let due = match current.status {
                TransactionStatus::Ongoing => current.start_ms.saturating_add(i64::from(current.timeout_ms)),
                _ => current.last_update_ms.saturating_add(self.config.id_expiration_ms),
            };
            due.max(entry.not_before_ms)
        });
        let before = std::mem::replace(&mut entry.deadline_ms, deadline);
        if let Some(at) = before {
            self.deadlines.remove(&(at, transactional_id.to_owned()));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, transactional_id.to_owned()));
        }
    }
}

#[cfg(test)]
#[path = "coordinator_tests.rs"]
mod tests;
