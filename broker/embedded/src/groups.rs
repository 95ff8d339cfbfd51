//! Groups: the coordinator of all of them, and what carries out what it decides.
//!
//! `__consumer_offsets` is the truth: the coordinator's offsets are what its records add up to, in the log's order,
//! whoever wrote them. The runtime's commits ride in atomic appends beside its records and are taken in when those are
//! durable; a wire client's commits are records that the coordinator asked for. Both kinds arrive on the log's writer
//! thread, one after the other. The format of the records stands in `sluice-group`.

use crate::Random;
use crate::metrics::GroupMetrics;
use crate::transactions::{TransactionError, Transactions};
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_client::{GroupOffset, TopicPartition};
use sluice_group::records::{OffsetAndMetadata, offset_key, offset_value};
use sluice_group::{
    AppendRecord, Config, Coordinator, Effect, ErrorCode, ProducerIdAndEpoch, Request, Response, Token,
};
use sluice_log::{Clock, Log, LogAppendError, LogPart, LogReadError, OpenError, TopicId, TopicInfo};
use sluice_protocol::{RecordBatchBuilder, RecordBatchRef, batches, in_transaction};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak, mpsc};
use tokio::sync::{Notify, oneshot};

pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// One group's records of one append, in one batch: Kafka's `offsets.topic` has the default `max.message.bytes`.
const BATCH_BYTES_MAX: usize = sluice_log::MAX_MESSAGE_BYTES_DEFAULT;

/// The coordinator, who waits for it, and the log that it writes to.
pub(crate) struct Groups {
    pub topic: TopicId,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    transactions: Arc<Transactions>,
    state: Mutex<State>,
    /// Rung when the next deadline may have come nearer.
    deadline_moved: Notify,
    me: Weak<Groups>,
}

struct State {
    coordinator: Coordinator,
    waiting: HashMap<Token, oneshot::Sender<Response>>,
    last_token: u64,
}

/// One change of the runtime's: an offset, or its removal.
pub(crate) enum GroupChange {
    Commit(GroupOffset),
    Delete(String, TopicPartition),
}

impl Groups {
    /// Creates the topic when it is missing, and loads what it holds.
    pub(crate) fn open(
        log: &Arc<Log>,
        random: &Random,
        clock: &Arc<dyn Clock>,
        config: Config,
        transactions: &Arc<Transactions>,
    ) -> Result<Arc<Self>, OpenError> {
        let topic = match log.topic_id(OFFSETS_TOPIC) {
            Some(id) => id,
            None => create_compacted(log, OFFSETS_TOPIC, TopicId(random()))?,
        };
        let mut coordinator = Coordinator::new(config);
        let now_ms = clock.now_ms();
        load(log, topic, &mut coordinator, now_ms)?;
        let effects = coordinator.loaded(now_ms);
        let state = Mutex::new(State { coordinator, waiting: HashMap::new(), last_token: 0 });
        let groups = Arc::new_cyclic(|me| Self {
            topic,
            log: log.clone(),
            clock: clock.clone(),
            transactions: transactions.clone(),
            state,
            deadline_moved: Notify::new(),
            me: me.clone(),
        });
        groups.carry_out(&mut groups.state.lock(), effects);
        Ok(groups)
    }

    // ---- requests

    /// Hands a request to the coordinator. The answer comes when it is decided; who drops the waiter is not waited for.
    pub(crate) fn handle(&self, request: Request) -> GroupAnswer {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state.lock();
        state.last_token += 1;
        let token = Token(state.last_token);
        state.waiting.insert(token, answer);
        let effects = state.coordinator.handle(self.clock.now_ms(), token, request);
        self.carry_out(&mut state, effects);
        drop(state);
        self.deadline_moved.notify_one();
        GroupAnswer { groups: self.me.clone(), token, answered }
    }

    fn forget(&self, token: Token) {
        let mut state = self.state.lock();
        if state.waiting.remove(&token).is_some() {
            let effects = state.coordinator.drop_token(self.clock.now_ms(), token);
            self.carry_out(&mut state, effects);
        }
    }

    /// The deleted topic's offsets go too.
    pub(crate) fn topic_deleted(&self, topic: &str) {
        let mut state = self.state.lock();
        let effects = state.coordinator.topics_deleted(self.clock.now_ms(), &[topic.to_owned()]);
        self.carry_out(&mut state, effects);
    }

    // ---- time

    /// Does what is due, again and again; ends when it is dropped. One task drives it.
    pub(crate) async fn keep_time(&self) {
        loop {
            let moved = self.deadline_moved.notified();
            let deadline = self.next_deadline();
            let Some(deadline) = deadline else {
                moved.await;
                continue;
            };
            let rest = u64::try_from(deadline - self.clock.now_ms()).unwrap_or(0);
            if rest > 0 {
                let rest = std::time::Duration::from_millis(rest);
                let _ = tokio::time::timeout(rest, moved).await;
                continue;
            }
            self.tick();
            tokio::task::yield_now().await;
        }
    }

    fn next_deadline(&self) -> Option<i64> {
        self.state.lock().coordinator.next_deadline()
    }

    fn tick(&self) {
        let mut state = self.state.lock();
        let effects = state.coordinator.tick(self.clock.now_ms());
        self.carry_out(&mut state, effects);
    }

    // ---- effects

    /// In their order. Appends enter the log's queue while the state is held, so their order is the coordinator's.
    fn carry_out(&self, state: &mut State, effects: Vec<Effect>) {
        let mut due = VecDeque::from(effects);
        while let Some(effect) = due.pop_front() {
            match effect {
                Effect::Answer(token, response) => {
                    if let Some(waiter) = state.waiting.remove(&token) {
                        // The client may be gone.
                        let _ = waiter.send(response);
                    }
                }
                Effect::Append { id, records, transaction } => {
                    if let Err(error) = self.append(id, &records, transaction) {
                        due.extend(state.coordinator.appended(self.clock.now_ms(), id, Err(error)));
                    }
                }
            }
        }
    }

    /// Hands the records to the log; the coordinator learns the outcome on the writer's thread.
    fn append(
        &self,
        id: sluice_group::AppendId,
        records: &[AppendRecord],
        transaction: Option<ProducerIdAndEpoch>,
    ) -> Result<(), ErrorCode> {
        let now_ms = self.clock.now_ms();
        let mut builder = RecordBatchBuilder::new(BATCH_BYTES_MAX);
        for record in records {
            let pushed = builder.push(now_ms, Some(&record.key), record.value.as_deref());
            pushed.map_err(|_| ErrorCode::MessageTooLarge)?;
        }
        let part = |records| LogPart { topic: self.topic, partition: 0, records };
        let records = builder.finish();
        let me = self.me.clone();
        let done = Box::new(move |outcome: Result<Vec<i64>, LogAppendError>| {
            if let Some(groups) = me.upgrade() {
                let outcome = outcome.map(drop).map_err(|error| error_code(&error));
                let mut state = groups.state.lock();
                let effects = state.coordinator.appended(groups.clock.now_ms(), id, outcome);
                groups.carry_out(&mut state, effects);
                drop(state);
                groups.deadline_moved.notify_one();
            }
        });
        let taken = match transaction {
            None => self.log.append(&[part(records)], None, done),
            Some(ProducerIdAndEpoch { producer_id, producer_epoch }) => {
                let part = part(in_transaction(&records, producer_id, producer_epoch));
                let producer = (producer_id, producer_epoch);
                let taken = self.transactions.append(None, producer, OFFSETS_TOPIC, part, done);
                taken.map_err(transaction_error_code)?
            }
        };
        taken.map_err(|error| error_code(&error))
    }

    /// The marker is in the log, on the writer's thread: the transaction's offsets count, or are gone.
    pub(crate) fn transaction_ended(&self, producer_id: i64, commit: bool) {
        let mut state = self.state.lock();
        let effects = state.coordinator.complete_transaction(self.clock.now_ms(), producer_id, commit);
        self.carry_out(&mut state, effects);
        drop(state);
        self.deadline_moved.notify_one();
    }

    // ---- the runtime's commits

    /// Takes in changes of the runtime's that are durable, on the writer's thread.
    pub(crate) fn apply(&self, changes: &[GroupChange], now_ms: i64) {
        let mut state = self.state.lock();
        for change in changes {
            let (key, value) = encode_change(change, now_ms);
            state
                .coordinator
                .load(&key, value.as_deref(), None)
                .expect("a record that was encoded a moment ago can be read");
        }
    }

    /// Every group with its members and committed offsets, at most `offsets_max` of these. The second: how many were left
    /// out.
    pub(crate) fn metrics(&self, offsets_max: usize) -> (Vec<GroupMetrics>, usize) {
        let state = self.state.lock();
        let (mut room, mut left_out) = (offsets_max, 0);
        let describe = |(group, group_state, members): (&str, sluice_group::GroupState, usize)| {
            let mut offsets = Vec::new();
            for (topic, partition, committed) in state.coordinator.committed(group) {
                if room == 0 {
                    left_out += 1;
                } else {
                    room -= 1;
                    offsets.push((TopicPartition::new(topic, partition), committed.offset));
                }
            }
            GroupMetrics { group: group.to_owned(), state: group_state.name(), members, offsets }
        };
        (state.coordinator.groups().map(describe).collect(), left_out)
    }

    pub(crate) fn offsets(&self, group: &str) -> BTreeMap<TopicPartition, GroupOffset> {
        let state = self.state.lock();
        let committed = state.coordinator.committed(group).map(|(topic, partition, committed)| {
            let partition = TopicPartition::new(topic, partition);
            let (offset, metadata) = (committed.offset, committed.metadata.clone());
            (partition.clone(), GroupOffset { group: group.to_owned(), partition, offset, metadata })
        });
        committed.collect()
    }
}

fn error_code(error: &LogAppendError) -> ErrorCode {
    match error {
        LogAppendError::TooLarge { .. } | LogAppendError::AppendTooLarge { .. } => ErrorCode::MessageTooLarge,
        LogAppendError::UnknownPartition { .. } => ErrorCode::UnknownTopicOrPartition,
        LogAppendError::ProducerEpochOver { .. } => ErrorCode::InvalidProducerEpoch,
        LogAppendError::Corrupt { .. }
        | LogAppendError::MissingKey { .. }
        | LogAppendError::OutOfOrderSequence { .. }
        | LogAppendError::OutsideTransaction { .. }
        | LogAppendError::Unavailable { .. }
        | LogAppendError::Poisoned { .. }
        | LogAppendError::Closed => ErrorCode::KafkaStorageError,
    }
}

fn transaction_error_code(error: TransactionError) -> ErrorCode {
    match error {
        TransactionError::InvalidProducerIdMapping => ErrorCode::InvalidProducerIdMapping,
        TransactionError::InvalidProducerEpoch | TransactionError::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        TransactionError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        _ => ErrorCode::InvalidTxnState,
    }
}

/// A request that waits for the coordinator's answer.
pub struct GroupAnswer {
    groups: Weak<Groups>,
    token: Token,
    answered: oneshot::Receiver<Response>,
}

impl GroupAnswer {
    /// `None`: the broker was closed meanwhile.
    pub async fn answer(mut self) -> Option<Response> {
        (&mut self.answered).await.ok()
    }
}

impl Drop for GroupAnswer {
    fn drop(&mut self) {
        if let Some(groups) = self.groups.upgrade() {
            groups.forget(self.token);
        }
    }
}

// ---- loading

fn load(log: &Log, topic: TopicId, coordinator: &mut Coordinator, now_ms: i64) -> Result<(), OpenError> {
    each_batch(log, OFFSETS_TOPIC, topic, |batch| {
        if batch.is_control() {
            if let Some(commit) = batch.ends_transaction() {
                // Nothing is to be done before everything is loaded.
                drop(coordinator.complete_transaction(now_ms, batch.producer_id(), commit));
            }
            return Ok(());
        }
        let transaction = batch.is_transactional().then(|| batch.producer_id());
        for record in batch.records().into_iter().flatten().flatten() {
            let Some(key) = record.key else { continue };
            coordinator.load(key, record.value, transaction).map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}

/// Every batch of partition 0 of one of the hub's own topics, from its start to where it ends now. `Err` of `each`: what
/// is wrong with it.
///
/// # Errors
/// [`OpenError::Damaged`], which names the topic.
pub(crate) fn each_batch(
    log: &Log,
    name: &str,
    topic: TopicId,
    mut each: impl FnMut(&RecordBatchRef<'_>) -> Result<(), String>,
) -> Result<(), OpenError> {
    let damaged = |reason: String| OpenError::Damaged { name: name.into(), reason };
    let failed = |error: LogReadError| match std::error::Error::source(&error) {
        Some(source) => damaged(format!("{error}: {source}")),
        None => damaged(error.to_string()),
    };
    let (mut offset, end) = log.offsets(topic, 0).map_err(failed)?;
    while offset < end {
        let read = log.read(topic, 0, offset, 1 << 20).map_err(failed)?;
        let mut next = end;
        for batch in batches(&read.records).flatten() {
            next = batch.last_offset() + 1;
            each(&batch).map_err(damaged)?;
        }
        offset = next;
    }
    Ok(())
}

/// A topic of the hub's own, with one partition that keeps the last value of each key.
pub(crate) fn create_compacted(log: &Log, name: &str, id: TopicId) -> Result<TopicId, OpenError> {
    let config = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let (answer, outcome) = mpsc::channel();
    let info = TopicInfo { name: name.into(), id, partitions: 1, config };
    log.create_topic(info, move |outcome| drop(answer.send(outcome)));
    let failed = |reason: String| OpenError::Io {
        action: "create",
        name: name.to_owned(),
        source: std::io::Error::other(reason),
    };
    match outcome.recv() {
        Ok(Ok(info)) => Ok(info.id),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("the log's writer has stopped".into())),
    }
}

// ---- encoding

/// One batch with every change.
pub(crate) fn encode(changes: &[GroupChange], now_ms: i64) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for change in changes {
        let (key, value) = encode_change(change, now_ms);
        builder.push(now_ms, Some(&key), value.as_deref()).expect("strings are at most 32 KiB each, far below 1 MiB");
    }
    builder.finish()
}

/// The runtime's offsets never expire: a connector that was stopped for a month goes on where it was.
fn encode_change(change: &GroupChange, now_ms: i64) -> (Bytes, Option<Bytes>) {
    match change {
        GroupChange::Commit(offset) => {
            let value = OffsetAndMetadata {
                offset: offset.offset,
                leader_epoch: -1,
                metadata: offset.metadata.clone(),
                commit_timestamp_ms: now_ms,
                expire_timestamp_ms: Some(i64::MAX),
            };
            let TopicPartition { topic, partition } = &offset.partition;
            (offset_key(&offset.group, topic, *partition), Some(offset_value(&value)))
        }
        GroupChange::Delete(group, TopicPartition { topic, partition }) => (offset_key(group, topic, *partition), None),
    }
}
