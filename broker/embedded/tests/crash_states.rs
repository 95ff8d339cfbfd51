//! Every state that a crash may leave behind, for what the broker adds to the log: offset commits of clients, of the
//! runtime and within transactions; transactions of two producers, their ends and their fencing; topics and deleted
//! records beside them.

use bytes::Bytes;
use sluice_client::{
    Append, Broker, FetchPartition, GroupOffset, NewTopic, PartitionRecords, Producer, TopicPartition,
};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig, Partitions, ProducerIdAndEpoch, TransactionStatus};
use sluice_group::{CommitOffset, OffsetCommitRequest, Request, Response, Topic, TxnOffsetCommitRequest};
use sluice_log::sim::SimDisk;
use sluice_protocol::{RecordBatchBuilder, batches, in_transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const GROUPS: [&str; 2] = ["readers", "others"];
const TRANSACTIONAL_IDS: [&str; 2] = ["t1", "t2"];

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn open(disk: &SimDisk) -> Arc<EmbeddedBroker> {
    EmbeddedBroker::open_simulated(Arc::new(disk.clone()), EmbeddedConfig::new("nowhere")).expect("it opens")
}

fn record(value: &str) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    builder.push(1_000, None, Some(value.as_bytes())).expect("small");
    builder.finish()
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new("orders", index)
}

/// What readers of committed records, groups and producers see.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    topics: Vec<String>,
    /// Log start offset and committed values of each partition.
    values: Vec<(i64, Vec<String>)>,
    offsets: BTreeMap<(&'static str, i32), i64>,
    transactions: BTreeMap<String, (ProducerIdAndEpoch, TransactionStatus)>,
}

async fn values(broker: &EmbeddedBroker, index: i32) -> (i64, Vec<String>) {
    let id = broker.topic_id("orders").expect("it is there");
    let (start, mut offset) = (broker.offsets(id, index).expect("known").0, 0);
    let mut values = Vec::new();
    offset = start.max(offset);
    loop {
        let wanted = FetchPartition { partition: partition(index), offset, max_bytes: 1 << 20 };
        let fetched = broker.consumer().fetch(&[wanted], Duration::ZERO).await.remove(0).expect("in range");
        let mut next = offset;
        for batch in batches(&fetched.records).map(|batch| batch.expect("whole")) {
            next = batch.last_offset() + 1;
            let records = batch.records().expect("plain").map(|record| record.expect("whole"));
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            values.extend(records.filter(|record| record.offset >= start).map(|record| text(record.value)));
        }
        if next == offset {
            return (start, values);
        }
        offset = next;
    }
}

async fn seen(broker: &EmbeddedBroker) -> Seen {
    let topics = broker.topics().into_iter().map(|topic| topic.name.to_string());
    let mut seen = Seen {
        topics: topics.filter(|name| !name.starts_with("__")).collect(),
        values: Vec::new(),
        offsets: BTreeMap::new(),
        transactions: BTreeMap::new(),
    };
    for index in 0..2 {
        seen.values.push(values(broker, index).await);
        for group in GROUPS {
            let offsets = broker.admin().group_offsets(group).await.expect("it answers");
            if let Some(committed) = offsets.get(&partition(index)) {
                seen.offsets.insert((group, index), committed.offset);
            }
        }
    }
    seen.transactions = broker
        .transactions()
        .into_iter()
        .map(|(id, known)| (id, ((known.producer_id, known.producer_epoch), known.status)))
        .collect();
    seen
}

/// A producer and its open transaction: whether partitions, and whether group offsets, belong to it.
struct Client {
    id: &'static str,
    producer: ProducerIdAndEpoch,
    /// The step that it began with.
    transaction: Option<u64>,
    with_offsets: bool,
}

struct Run {
    broker: Arc<EmbeddedBroker>,
    runtime: Box<dyn Producer>,
    clients: Vec<Client>,
    random: Random,
    steps: u64,
    /// Of each partition.
    records: [Vec<Written>; 2],
    committed: BTreeSet<u64>,
}

/// A record, and the transaction that it belongs to.
struct Written {
    offset: i64,
    value: String,
    transaction: Option<u64>,
}

/// A state that was seen, and the values of each partition once every open transaction is aborted.
struct State {
    seen: Seen,
    decided: Vec<Vec<String>>,
}

impl Run {
    /// One request, answered.
    async fn step(&mut self) {
        self.steps += 1;
        let number = self.steps;
        let index = self.random.below(2) as i32;
        match self.random.below(12) {
            0 => self.commit_offset(index).await,
            1 => self.append_with_offset(index).await,
            2 => {
                let id = self.broker.topic_id("orders").expect("there");
                let value = format!("{number} plain");
                let appended = self.broker.append(id, index, record(&value)).await;
                let offset = appended.expect("handed over").done().await.expect("durable").base_offset;
                self.records[index as usize].push(Written { offset, value, transaction: None });
            }
            3 if self.broker.topic_id("more").is_some() => {
                self.broker.admin().delete_topic("more").await.expect("it is there");
            }
            3 => {
                let topic = NewTopic { name: "more".into(), partitions: 1, config: BTreeMap::new() };
                drop(self.broker.admin().create_topic(topic).await.expect("it is new"));
            }
            4 => {
                let id = self.broker.topic_id("orders").expect("there");
                let (start, end) = self.broker.offsets(id, index).expect("known");
                let before = start + self.random.below((end - start) as u64 / 2 + 1) as i64;
                let deleted = self.broker.delete_records(id, index, before).await.expect("in range");
                assert_eq!(deleted.expect("durable"), before);
            }
            _ => self.transaction_step(index).await,
        }
    }

    async fn state(&self) -> State {
        let seen = seen(&self.broker).await;
        let mut decided = Vec::new();
        for (records, (start, _)) in self.records.iter().zip(&seen.values) {
            let counts = |one: &&Written| one.transaction.is_none_or(|number| self.committed.contains(&number));
            let stays = records.iter().filter(|one| one.offset >= *start).filter(counts);
            decided.push(stays.map(|one| one.value.clone()).collect::<Vec<_>>());
        }
        for ((_, values), decided) in seen.values.iter().zip(&decided) {
            assert!(decided.starts_with(values), "{values:?} is seen, decided is {decided:?}");
        }
        State { seen, decided }
    }

    async fn commit_offset(&mut self, index: i32) {
        let group = GROUPS[self.random.below(2) as usize];
        let offset = CommitOffset { partition: index, offset: self.steps as i64, leader_epoch: -1, metadata: None };
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: -1,
            topics: vec![Topic { name: "orders".into(), partitions: vec![offset] }],
            ..OffsetCommitRequest::default()
        };
        let answer = self.broker.group_request(Request::OffsetCommit(request)).answer().await;
        let Some(Response::OffsetCommit(answer)) = answer else { panic!("{answer:?}") };
        assert!(answer.topics[0].partitions[0].error.is_none(), "{answer:?}");
    }

    /// As a source of the runtime: records and offset at once.
    async fn append_with_offset(&mut self, index: i32) {
        let group = GROUPS[self.random.below(2) as usize].to_owned();
        let offset =
            GroupOffset { group, partition: partition(index), offset: self.steps as i64, metadata: String::new() };
        let value = format!("{} atomic", self.steps);
        let part = |partition| PartitionRecords { topic: "orders".into(), partition, records: record(&value) };
        let append = Append { records: vec![part(0), part(1)], group_offsets: vec![offset] };
        let appended = self.runtime.send(append).await.expect("handed over").await.expect("durable");
        for (records, offset) in self.records.iter_mut().zip(appended.base_offsets) {
            records.push(Written { offset, value: value.clone(), transaction: None });
        }
    }

    async fn transaction_step(&mut self, index: i32) {
        let client = &mut self.clients[self.random.below(2) as usize];
        let (id, producer) = (client.id, client.producer);
        let topic = self.broker.topic_id("orders").expect("there");
        let Some(transaction) = client.transaction else {
            let partitions = Partitions::from([("orders".to_owned(), [0, 1].into())]);
            self.broker.add_partitions_to_transaction(id, producer, &partitions).await.expect("begun");
            client.transaction = Some(self.steps);
            return;
        };
        match self.random.below(6) {
            0 => {
                // A successor: it fences the producer, and its transaction is aborted.
                client.producer = self.broker.init_transactions(id, 600_000, None).await.expect("it fences");
                (client.transaction, client.with_offsets) = (None, false);
            }
            1 if !client.with_offsets => {
                self.broker.add_offsets_to_transaction(id, producer).await.expect("open");
                client.with_offsets = true;
            }
            1 => {
                let offset =
                    CommitOffset { partition: index, offset: self.steps as i64, leader_epoch: -1, metadata: None };
                let request = TxnOffsetCommitRequest {
                    group_id: "readers".into(),
                    producer: sluice_group::ProducerIdAndEpoch { producer_id: producer.0, producer_epoch: producer.1 },
                    generation_id: -1,
                    member_id: String::new(),
                    group_instance_id: None,
                    topics: vec![Topic { name: "orders".into(), partitions: vec![offset] }],
                };
                let answer = self.broker.group_request(Request::TxnOffsetCommit(request)).answer().await;
                let Some(Response::TxnOffsetCommit(answer)) = answer else { panic!("{answer:?}") };
                assert!(answer.topics[0].partitions[0].error.is_none(), "{answer:?}");
            }
            2 => {
                let commit = self.random.below(3) > 0;
                self.broker.end_transaction(id, producer, commit).await.expect("open");
                self.committed.extend(commit.then_some(transaction));
                (client.transaction, client.with_offsets) = (None, false);
            }
            _ => {
                let value = format!("{} of {id}", self.steps);
                let records = in_transaction(&record(&value), producer.0, producer.1);
                let appended = self.broker.append_in_transaction(None, producer, topic, index, records).await;
                let offset = appended.expect("handed over").done().await.expect("durable").base_offset;
                self.records[index as usize].push(Written { offset, value, transaction: Some(transaction) });
            }
        }
    }
}

/// The state after each step; the disk's trace has a note for each.
async fn history(disk: &SimDisk, seed: u64, steps: u64) -> Vec<State> {
    let broker = open(disk);
    // Its records are from 1970: nobody is to delete them for their age.
    let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let topic = NewTopic { name: "orders".into(), partitions: 2, config };
    broker.admin().create_topic(topic).await.expect("it is new");
    let mut clients = Vec::new();
    for id in TRANSACTIONAL_IDS {
        let producer = broker.init_transactions(id, 600_000, None).await.expect("it is new");
        clients.push(Client { id, producer, transaction: None, with_offsets: false });
    }
    let runtime = broker.producer("source").await.expect("it opens");
    disk.note(0);
    let (random, records, committed) = (Random(seed), Default::default(), BTreeSet::new());
    let mut run = Run { broker: broker.clone(), runtime, clients, random, steps: 0, records, committed };
    let mut states = vec![run.state().await];
    for step in 1..=steps {
        run.step().await;
        disk.note(step);
        states.push(run.state().await);
    }
    drop(run);
    broker.close();
    states
}

async fn check(states: &[State], acknowledged: usize, crashed: &SimDisk) {
    let broker = open(crashed);
    let now = seen(&broker).await;
    // One step was on its way at most.
    let candidates = &states[acknowledged..states.len().min(acknowledged + 2)];
    let fitting: Vec<&State> = candidates.iter().filter(|state| state.seen == now).collect();
    if fitting.is_empty() {
        let candidates: Vec<_> = candidates.iter().map(|state| &state.seen).collect();
        panic!("after {acknowledged} steps: {now:?} is none of {candidates:?}");
    }
    // Everyone goes on: successors fence and abort what was open.
    for id in TRANSACTIONAL_IDS {
        broker.init_transactions(id, 600_000, None).await.expect("it fences");
    }
    let id = broker.topic_id("orders").expect("there");
    let mut decided = Vec::new();
    for index in 0..2 {
        let appended = broker.append(id, index, record("after")).await.expect("handed over").done().await;
        appended.expect("durable");
        let mut values = values(&broker, index).await.1;
        assert_eq!(values.pop().as_deref(), Some("after"), "nothing holds it back");
        decided.push(values);
    }
    let wanted: Vec<_> = fitting.iter().map(|state| &state.decided).collect();
    assert!(wanted.contains(&&decided), "{decided:?} is left, and none of {wanted:?}");
    assert_eq!(seen(&broker).await.offsets, now.offsets, "an abort commits no offsets");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_crash_the_broker_is_where_one_of_its_requests_left_it_from_the_last_answered_on() {
    let full = std::env::var_os("SLUICE_TEST_FULL").is_some();
    let (seeds, steps, states) = if full { (6, 120, 2000) } else { (2, 60, 200) };
    let mut total = 0;
    for seed in 1..=seeds {
        let disk = SimDisk::new();
        let states_seen = history(&disk, u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15), steps).await;
        let opened = (0..=disk.events()).find(|at| !disk.notes_before(*at).is_empty()).expect("it was noted");
        for number in 0..states {
            let at = opened + number * (disk.events() - opened) / states.max(2).saturating_sub(1);
            let at = at.min(disk.events());
            let acknowledged = disk.notes_before(at).last().copied().unwrap_or(0) as usize;
            let mut random = Random((number as u64 + 1).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
            let odds = random.below(9);
            check(&states_seen, acknowledged, &disk.after_crash(at, || random.below(8) >= odds)).await;
        }
        total += states;
    }
    println!("{total} crash states of {seeds} histories");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_finds_what_a_disk_loses_that_does_not_sync() {
    let disk = SimDisk::new();
    let states = history(&disk, 5, 12).await;
    let (before, at) = (states.len() - 3, disk.events());
    // As if the last steps had been answered without a sync.
    let early =
        (0..=at).rev().find(|at| disk.notes_before(*at).last() < Some(&(before as u64))).expect("there were steps");
    let crashed = disk.after_crash(early, || false);
    let lost = tokio::spawn(async move { check(&states, states.len() - 1, &crashed).await }).await;
    assert!(lost.is_err(), "answered steps are gone, and the check must see it");
}
