//! Transactions: the coordinator of all of them, and what carries out what it decides.
//!
//! `__transaction_state` is the truth. A transaction's end is one atomic append: its markers in every partition, also in
//! that of the group offsets, and the record that says so. Batches of a transaction are handed to the log under the
//! coordinator's lock, as its end is, so none comes to stand behind its markers (KIP-890 calls that a hanging one).
//!
//! Locks: whoever holds the groups' state may take the transactions', never the other way round.

mod coordinator;
mod metadata;
mod records;

use crate::Random;
use crate::groups::{Groups, OFFSETS_TOPIC, create_compacted, each_batch};
pub(crate) use coordinator::Coordinator;
use coordinator::{Init, Transition};
pub use metadata::{
    Partitions, ProducerIdAndEpoch, TransactionConfig, TransactionError, TransactionMetadata, TransactionStatus,
};
use parking_lot::Mutex;
use sluice_log::{Clock, Done, Log, LogAppendError, LogPart, OpenError, TopicId};
use sluice_protocol::{RecordBatchBuilder, end_transaction_marker};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

const STATE_TOPIC: &str = "__transaction_state";
const RECORD_BYTES_MAX: usize = sluice_log::MAX_MESSAGE_BYTES_DEFAULT;

pub(crate) struct Transactions {
    topic: TopicId,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    state: Mutex<Coordinator>,
    groups: OnceLock<Weak<Groups>>,
    /// Rung when the next deadline may have come nearer.
    deadline_moved: Notify,
    me: Weak<Transactions>,
}

type Outcome = Result<(), TransactionError>;
type Answer = Option<oneshot::Sender<Outcome>>;

impl Transactions {
    /// Creates the topic when it is missing, and loads what it holds.
    pub(crate) fn open(
        log: &Arc<Log>,
        random: &Random,
        clock: &Arc<dyn Clock>,
        config: TransactionConfig,
    ) -> Result<Arc<Self>, OpenError> {
        let topic = match log.topic_id(STATE_TOPIC) {
            Some(id) => id,
            None => create_compacted(log, STATE_TOPIC, TopicId(random()))?,
        };
        let mut coordinator = Coordinator::new(config);
        load(log, topic, &mut coordinator)?;
        Ok(Arc::new_cyclic(|me| Self {
            topic,
            log: log.clone(),
            clock: clock.clone(),
            state: Mutex::new(coordinator),
            groups: OnceLock::new(),
            deadline_moved: Notify::new(),
            me: me.clone(),
        }))
    }

    /// Who is told when a transaction ends.
    pub(crate) fn set_groups(&self, groups: &Arc<Groups>) {
        let _ = self.groups.set(Arc::downgrade(groups));
    }

    // ---- requests

    /// `Ok(None)`: a producer id is needed.
    pub(crate) async fn init(
        &self,
        transactional_id: &str,
        timeout_ms: i32,
        expected: Option<ProducerIdAndEpoch>,
        fresh: Option<i64>,
    ) -> Result<Option<ProducerIdAndEpoch>, TransactionError> {
        let (made, answered) = {
            let mut state = self.state.lock();
            match state.init(self.clock.now_ms(), transactional_id, timeout_ms, expected, fresh)? {
                Init::Answer(producer) => return Ok(Some(producer)),
                Init::NeedsProducerId => return Ok(None),
                Init::Append(transition) => {
                    let made = transition.next.as_ref().map(|next| (next.producer_id, next.producer_epoch));
                    (made, self.hand_over(&mut state, transition))
                }
            }
        };
        wait(answered).await?;
        Ok(made)
    }

    pub(crate) async fn add_partitions(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &Partitions,
    ) -> Outcome {
        self.change(|state, now_ms| state.add_partitions(now_ms, transactional_id, producer, partitions)).await
    }

    /// The partition that holds the offsets of every group.
    pub(crate) async fn add_offsets(&self, transactional_id: &str, producer: ProducerIdAndEpoch) -> Outcome {
        let partitions = Partitions::from([(OFFSETS_TOPIC.to_owned(), [0].into())]);
        self.add_partitions(transactional_id, producer, &partitions).await
    }

    pub(crate) async fn end(&self, transactional_id: &str, producer: ProducerIdAndEpoch, commit: bool) -> Outcome {
        self.change(|state, now_ms| state.end(now_ms, transactional_id, producer, commit)).await
    }

    async fn change(
        &self,
        decide: impl FnOnce(&mut Coordinator, i64) -> Result<Option<Transition>, TransactionError>,
    ) -> Outcome {
        let answered = {
            let mut state = self.state.lock();
            match decide(&mut state, self.clock.now_ms())? {
                Some(transition) => self.hand_over(&mut state, transition),
                None => return Ok(()),
            }
        };
        wait(answered).await
    }

    /// Hands a batch of a transaction to the log, if its producer may write it now.
    pub(crate) fn append(
        &self,
        transactional_id: Option<&str>,
        producer: ProducerIdAndEpoch,
        topic: &str,
        part: LogPart,
        done: Done,
    ) -> Result<Result<(), LogAppendError>, TransactionError> {
        let state = self.state.lock();
        state.check_write(transactional_id, producer, topic, part.partition)?;
        Ok(self.log.append(&[part], None, done))
    }

    pub(crate) fn describe(&self, transactional_id: &str) -> Option<TransactionMetadata> {
        self.state.lock().describe(transactional_id).cloned()
    }

    pub(crate) fn list(&self) -> Vec<(String, TransactionMetadata)> {
        self.state.lock().list().map(|(id, metadata)| (id.to_owned(), metadata.clone())).collect()
    }

    // ---- time

    /// Does what is due, again and again; ends when it is dropped. One task drives it.
    pub(crate) async fn keep_time(&self) {
        loop {
            let moved = self.deadline_moved.notified();
            match self.tick() {
                Some(rest) => drop(tokio::time::timeout(rest, moved).await),
                None => moved.await,
            }
            tokio::task::yield_now().await;
        }
    }

    /// Does what is due; returns the time until there is more. Also called by those who read, so that no open
    /// transaction holds them up where no server keeps the time.
    pub(crate) fn tick(&self) -> Option<Duration> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        if state.next_deadline().is_some_and(|at| at <= now_ms) {
            for transition in state.tick(now_ms) {
                tracing::info!(
                    transactional_id = transition.transactional_id,
                    aborted = transition.markers.is_some(),
                    "a transaction timed out, or its id was not used for long"
                );
                self.submit(&mut state, Arc::new(transition), None);
            }
        }
        let rest_ms = state.next_deadline()?.saturating_sub(now_ms);
        Some(Duration::from_millis(u64::try_from(rest_ms).unwrap_or(0)))
    }

    // ---- appends

    fn hand_over(&self, state: &mut Coordinator, transition: Transition) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        self.submit(state, Arc::new(transition), Some(answer));
        answered
    }

    /// While the state is held, so that appends enter the log in the coordinator's order.
    fn submit(&self, state: &mut Coordinator, transition: Arc<Transition>, answer: Answer) {
        // Where the answer goes, whether the log takes the append or not.
        let answer = Arc::new(Mutex::new(answer));
        loop {
            let refused = match self.parts(&transition) {
                Some(parts) => {
                    let (me, moved, answer) = (self.me.clone(), transition.clone(), answer.clone());
                    let done = Box::new(move |outcome: Result<Vec<i64>, LogAppendError>| {
                        if let Some(me) = me.upgrade() {
                            let answer = answer.lock().take();
                            me.appended(moved, answer, outcome.map(drop));
                        }
                    });
                    match self.log.append(&parts, None, done) {
                        Ok(()) => return,
                        // A topic was deleted meanwhile: what is left of it needs no marker.
                        Err(LogAppendError::UnknownPartition { part }) if part > 0 => continue,
                        Err(error) => {
                            tracing::warn!(%error, "the log does not take a transaction's state");
                            TransactionError::CoordinatorNotAvailable
                        }
                    }
                }
                None => TransactionError::InvalidRequest,
            };
            state.applied(self.clock.now_ms(), &transition, false);
            self.deadline_moved.notify_one();
            if let Some(answer) = answer.lock().take() {
                let _ = answer.send(Err(refused));
            }
            return;
        }
    }

    /// On the writer's thread.
    fn appended(&self, transition: Arc<Transition>, answer: Answer, outcome: Result<(), LogAppendError>) {
        let now_ms = self.clock.now_ms();
        {
            let mut state = self.state.lock();
            if matches!(outcome, Err(LogAppendError::UnknownPartition { part }) if part > 0) {
                return self.submit(&mut state, transition, answer);
            }
            state.applied(now_ms, &transition, outcome.is_ok());
        }
        if let (Ok(()), Some(markers)) = (&outcome, &transition.markers)
            && let Some(groups) = self.groups.get().and_then(Weak::upgrade)
        {
            groups.transaction_ended(markers.producer_id, markers.commit);
        }
        self.deadline_moved.notify_one();
        if let Some(answer) = answer {
            // The client may be gone.
            let _ = answer.send(outcome.map_err(|error| {
                tracing::warn!(%error, "the log does not take a transaction's state");
                TransactionError::CoordinatorNotAvailable
            }));
        }
    }

    /// The state's record, then a marker for each partition that still exists. `None`: the record is too large.
    fn parts(&self, transition: &Transition) -> Option<Vec<LogPart>> {
        let now_ms = self.clock.now_ms();
        let mut builder = RecordBatchBuilder::new(RECORD_BYTES_MAX);
        let value = transition.next.as_ref().map(records::value);
        builder.push(now_ms, Some(&records::key(&transition.transactional_id)), value.as_deref()).ok()?;
        let mut parts = vec![LogPart { topic: self.topic, partition: 0, records: builder.finish() }];
        let Some(markers) = &transition.markers else { return Some(parts) };
        let marker = end_transaction_marker(now_ms, markers.producer_id, markers.epoch, markers.commit);
        for (name, partitions) in &markers.partitions {
            let Some(topic) = self.log.topic_id(name) else { continue };
            let known = self.log.facts(topic).map_or(0, |facts| facts.partitions);
            let there = partitions.iter().filter(|partition| (0..known).contains(*partition));
            parts.extend(there.map(|partition| LogPart { topic, partition: *partition, records: marker.clone() }));
        }
        Some(parts)
    }
}

async fn wait(answered: oneshot::Receiver<Outcome>) -> Outcome {
    answered.await.unwrap_or(Err(TransactionError::CoordinatorNotAvailable))
}

fn load(log: &Log, topic: TopicId, coordinator: &mut Coordinator) -> Result<(), OpenError> {
    each_batch(log, STATE_TOPIC, topic, |batch| {
        for record in batch.records().into_iter().flatten().flatten() {
            let Some(key) = record.key else { continue };
            let unknown = || format!("the record at offset {} was written by another version", record.offset);
            let (transactional_id, metadata) = records::decode(key, record.value).ok_or_else(unknown)?;
            coordinator.load(&transactional_id, metadata);
        }
        Ok(())
    })
}
