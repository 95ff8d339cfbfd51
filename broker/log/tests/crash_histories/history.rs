//! A random history: appends of idempotent and transactional producers, ends of transactions, topics that come and go,
//! deleted records, with rolls and housekeeping in between. Every acknowledgement is noted in the disk's trace.

use super::model::Model;
use super::{AGAIN, COMPACTED, DELETED_FROM, PLAIN, Place, RETAINED};
use crate::common::{Random, batch, open, topic};
use bytes::Bytes;
use sluice_log::sim::SimDisk;
use sluice_log::{Log, LogPart, TopicInfo};
use sluice_protocol::{Compression, compressed, end_transaction_marker};
use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};

/// Appends that may share a write and a sync.
pub const TOGETHER_MAX: u64 = 3;
/// Producers from here on are transactional.
const TRANSACTIONAL_FROM: i64 = 10;

#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub producer: i64,
    pub sequence: i32,
    pub transactional: bool,
}

#[derive(Debug, Clone)]
pub struct Part {
    pub place: Place,
    pub sent: Option<Sent>,
    pub records: Vec<(String, Option<String>)>,
    pub codec: Compression,
}

#[derive(Debug, Clone)]
pub enum Op {
    Create(u8, i32),
    Delete(u8),
    DeleteRecords(Place, i64),
    Append(Vec<Part>),
    End { producer: i64, commit: bool, places: Vec<Place> },
}

/// What was done, and what the log must hold after each step.
pub struct History {
    /// `states[n]`: after n steps.
    pub states: Vec<Model>,
    /// The log start offset of the retained topic after each housekeeping, with the trace's length then.
    pub starts: Vec<(usize, i64)>,
    pub disk: SimDisk,
}

impl Part {
    /// As its producer numbers it.
    pub fn encode(&self) -> LogPart {
        let mut records = compressed(&batch(1_000, &self.records), self.codec).expect("whole batches");
        if let Some(sent) = self.sent {
            records[22] |= if sent.transactional { 0x10 } else { 0 };
            records[43..51].copy_from_slice(&sent.producer.to_be_bytes());
            records[51..53].copy_from_slice(&0i16.to_be_bytes());
            records[53..57].copy_from_slice(&sent.sequence.to_be_bytes());
            let crc = crc32c::crc32c(&records[21..]);
            records[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        LogPart { topic: topic(self.place.0), partition: self.place.1, records: records.into() }
    }
}

pub fn markers(producer: i64, commit: bool, places: &[Place]) -> Vec<LogPart> {
    let records: Bytes = end_transaction_marker(1_000, producer, 0, commit);
    places
        .iter()
        .map(|(t, partition)| LogPart { topic: topic(*t), partition: *partition, records: records.clone() })
        .collect()
}

impl History {
    pub fn run(disk: SimDisk, seed: u64, groups: u64) -> Self {
        let mut history = Self { states: vec![Model::default()], starts: Vec::new(), disk: disk.clone() };
        let mut random = Random(seed);
        let (log, _) = open(&disk);
        for (number, partitions) in [(PLAIN, 2), (COMPACTED, 1), (RETAINED, 1), (DELETED_FROM, 1)] {
            history.step(&log, vec![Op::Create(number, partitions)]);
        }
        for group in 0..groups {
            let ops = history.next_ops(&mut random);
            history.step(&log, ops);
            if group % 6 == 5 {
                if random.below(2) == 0 {
                    log.roll().expect("a new file");
                }
                log.housekeep();
                history.starts.push((disk.events(), log.offsets(topic(RETAINED), 0).expect("known").0));
            }
        }
        log.close();
        history
    }

    /// Hands the steps over one behind the other and waits for all.
    fn step(&mut self, log: &Log, ops: Vec<Op>) {
        let (done, answers) = mpsc::channel();
        let count = ops.len();
        for op in ops {
            let mut state = self.states.last().expect("never empty").clone();
            state.apply(&op);
            let number = self.states.len() as u64;
            self.states.push(state);
            let (disk, done): (SimDisk, Sender<()>) = (self.disk.clone(), done.clone());
            let acknowledged = move || {
                disk.note(number);
                done.send(()).expect("it is waited for");
            };
            submit(log, op, acknowledged);
        }
        (0..count).for_each(|_| answers.recv().expect("answered"));
    }

    fn next_ops(&self, random: &mut Random) -> Vec<Op> {
        let mut state = self.states.last().expect("never empty").clone();
        let again = state.topics.keys().find(|number| **number >= AGAIN).copied();
        match (random.below(12), again) {
            (0, Some(number)) => return vec![Op::Delete(number)],
            (0, None) => return vec![Op::Create(AGAIN + (self.states.len() % 100) as u8, 1)],
            (1, _) => {
                let partition = state.partition((DELETED_FROM, 0));
                let before = partition.start + random.below((partition.next - partition.start) as u64 + 1) as i64;
                return vec![Op::DeleteRecords((DELETED_FROM, 0), before)];
            }
            _ => {}
        }
        let mut ops = Vec::new();
        for _ in 0..1 + random.below(TOGETHER_MAX) {
            let op = next_op(&mut state, random, self.states.len() + ops.len());
            state.apply(&op);
            ops.push(op);
        }
        ops
    }
}

fn next_op(state: &mut Model, random: &mut Random, number: usize) -> Op {
    let producer = random.below(4) as i64;
    let transactional = producer >= 2;
    let producer = if transactional { TRANSACTIONAL_FROM + producer } else { producer };
    let places = state.open_at(producer);
    if transactional && !places.is_empty() && random.below(3) == 0 {
        return Op::End { producer, commit: random.below(3) > 0, places };
    }
    let all: Vec<Place> =
        state.topics.iter().flat_map(|(number, all)| (0..all.len() as i32).map(|at| (*number, at))).collect();
    let mut parts = Vec::new();
    while parts.is_empty() {
        for place in all.iter().filter(|place| !transactional || place.0 <= COMPACTED) {
            if random.below(2) == 0 {
                parts.push(next_part(state, random, *place, (producer, transactional), number));
            }
        }
    }
    Op::Append(parts)
}

fn next_part(
    state: &mut Model,
    random: &mut Random,
    place: Place,
    (producer, transactional): (i64, bool),
    number: usize,
) -> Part {
    let filler = "x".repeat(random.below(200) as usize);
    let mut record = |at| {
        let value = format!("{number}/{}-{}/{at} {filler}", place.0, place.1);
        (format!("key-{}", random.below(4)), (random.below(7) != 0).then_some(value))
    };
    let records: Vec<_> = (0..1 + number % 3).map(&mut record).collect();
    // Producer 0 numbers nothing.
    let last = state.partition(place).sequences.get(&producer).map_or(-1, |(last, ..)| *last);
    let sent = (producer > 0).then_some(Sent { producer, sequence: last + 1, transactional });
    let codec = [Compression::None, Compression::Lz4, Compression::Zstd][random.below(3) as usize];
    Part { place, sent, records, codec }
}

fn submit(log: &Log, op: Op, acknowledged: impl FnOnce() + Send + 'static) {
    let parts = match op {
        Op::Create(number, partitions) => {
            let info = TopicInfo { name: name(number).into(), id: topic(number), partitions, config: config(number) };
            return log.create_topic(info, move |outcome| acknowledged_topic(outcome, acknowledged));
        }
        Op::Delete(number) => {
            return log.delete_topic(&name(number), move |outcome| acknowledged_topic(outcome, acknowledged));
        }
        Op::DeleteRecords((number, partition), before) => {
            let done = move |outcome: Result<i64, _>| {
                assert_eq!(outcome, Ok(before));
                acknowledged();
            };
            return log.delete_records(topic(number), partition, before, done).expect("in range");
        }
        Op::Append(parts) => parts.iter().map(Part::encode).collect(),
        Op::End { producer, commit, places } => markers(producer, commit, &places),
    };
    let done = move |outcome: Result<_, _>| {
        outcome.expect("nothing fails here");
        acknowledged();
    };
    log.append(&parts, None, Box::new(done)).expect("valid");
}

fn acknowledged_topic<E: std::fmt::Debug>(outcome: Result<TopicInfo, E>, acknowledged: impl FnOnce()) {
    outcome.expect("nothing fails here");
    acknowledged();
}

fn name(number: u8) -> String {
    if number >= AGAIN { "again".into() } else { format!("t{number}") }
}

fn config(number: u8) -> BTreeMap<String, String> {
    let pairs: &[(&str, &str)] = match number {
        COMPACTED => &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")],
        RETAINED => &[("retention.bytes", "1500"), ("retention.ms", "-1")],
        _ => &[("retention.ms", "-1")],
    };
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
