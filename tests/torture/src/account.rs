//! What clients were told, kept apart from the broker: the truth that the log is compared with.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::Record;

/// A topic of the load and a partition of it.
pub type Place = (&'static str, i32);

/// Topics of the idempotent producers, with their partitions.
pub const PLAIN: [(&str, i32); 2] = [("orders", 3), ("events", 2)];
/// Topics of the transactions.
pub const TRANSFERS: [(&str, i32); 2] = [("debits", 2), ("credits", 2)];

/// A compacted topic of one partition. Only the first producer writes it: what is compressed is compacted as a whole.
pub const STATE: Place = ("state", 0);
/// Its keys: a record's number, modulo this.
pub const STATE_KEYS: u64 = 20;

/// Violations that are kept; one is enough to fail, and the first ones say most.
const VIOLATIONS_MAX: usize = 50;

pub fn places(topics: &'static [(&'static str, i32)]) -> impl Iterator<Item = Place> {
    topics.iter().flat_map(|(name, partitions)| (0..*partitions).map(|partition| (*name, partition)))
}

/// The place that a client names; `None`: not one of ours.
pub fn place_of(topic: &str, partition: i32) -> Option<Place> {
    let mut names = PLAIN.iter().chain(&TRANSFERS).map(|(name, _)| *name).chain([STATE.0]);
    let name = names.find(|name| *name == topic)?;
    Some((name, partition))
}

/// How a transaction ended, as its client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Committed,
    Aborted,
    /// The client cannot know: all of it or nothing.
    InDoubt(String),
}

/// A transaction: where each of its records went, by part.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub places: Vec<Place>,
    pub ended: Ended,
}

/// Shared by all threads of a run.
#[derive(Default)]
pub struct Account {
    violations: Mutex<Vec<String>>,
    /// Of each writer and place, by number: the offset that the acknowledgement named.
    written: Mutex<BTreeMap<(u32, Place), Vec<i64>>>,
    transactions: Mutex<BTreeMap<(u32, u64), Transaction>>,
    /// The highest offset whose commit was acknowledged.
    commits: Mutex<HashMap<(&'static str, Place), i64>>,
    /// Of each group, place and writer: the first number that was not seen yet.
    seen: Mutex<HashMap<(&'static str, Place, u32), u64>>,
    /// Records of transactions that a group saw.
    seen_parts: Mutex<HashMap<&'static str, HashSet<Record>>>,
    /// Records that each group received.
    received: Mutex<HashMap<&'static str, u64>>,
    pub counted: Counted,
}

#[derive(Default)]
pub struct Counted {
    pub acknowledged: AtomicU64,
    pub committed: AtomicU64,
    pub aborted: AtomicU64,
    pub in_doubt: AtomicU64,
    pub abandoned: AtomicU64,
    pub with_offsets: AtomicU64,
    pub group_commits: AtomicU64,
    pub consumed: AtomicU64,
    pub assignments: AtomicU64,
    /// By the client, in a cooperative rebalance.
    pub repeated: AtomicU64,
    pub audits: AtomicU64,
    pub topics: AtomicU64,
}

impl Account {
    /// Something that must never be.
    pub fn violation(&self, what: String) {
        let mut violations = self.violations.lock().expect("no holder panics");
        if violations.len() < VIOLATIONS_MAX {
            violations.push(what);
        }
    }

    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().expect("no holder panics").clone()
    }

    // ---- what was written

    /// An idempotent producer's acknowledgement.
    pub fn acknowledged(&self, writer: u32, place: Place, number: u64, offset: i64) {
        count(&self.counted.acknowledged);
        let mut written = self.written.lock().expect("no holder panics");
        let offsets = written.entry((writer, place)).or_default();
        let at = number as usize;
        if offsets.len() <= at {
            offsets.resize(at + 1, -1);
        }
        if std::mem::replace(&mut offsets[at], offset) != -1 {
            drop(written);
            self.violation(format!("record {number} of producer {writer} in {place:?} was acknowledged twice"));
        }
    }

    pub fn written(&self) -> BTreeMap<(u32, Place), Vec<i64>> {
        self.written.lock().expect("no holder panics").clone()
    }

    pub fn transaction_ended(&self, writer: u32, number: u64, transaction: Transaction) {
        count(match transaction.ended {
            Ended::Committed => &self.counted.committed,
            Ended::Aborted => &self.counted.aborted,
            Ended::InDoubt(_) => &self.counted.in_doubt,
        });
        self.transactions.lock().expect("no holder panics").insert((writer, number), transaction);
    }

    pub fn transactions(&self) -> BTreeMap<(u32, u64), Transaction> {
        self.transactions.lock().expect("no holder panics").clone()
    }

    // ---- what groups did

    pub fn commit_acknowledged(&self, group: &'static str, place: Place, offset: i64) {
        count(&self.counted.group_commits);
        let mut commits = self.commits.lock().expect("no holder panics");
        let highest = commits.entry((group, place)).or_insert(offset);
        *highest = offset.max(*highest);
    }

    /// 0: nothing was committed yet.
    pub fn committed_at_least(&self, group: &'static str, place: Place) -> i64 {
        self.commits.lock().expect("no holder panics").get(&(group, place)).copied().unwrap_or(0)
    }

    /// A member received a record of a producer: those before it were received by somebody, this one maybe again.
    pub fn seen(&self, group: &'static str, place: Place, record: Record) {
        self.received(group);
        let mut seen = self.seen.lock().expect("no holder panics");
        let next = seen.entry((group, place, record.writer)).or_default();
        let expected = *next;
        *next = expected.max(record.number + 1);
        drop(seen);
        if record.number > expected {
            self.violation(format!(
                "group {group} never saw {expected}..{} of producer {} in {place:?}",
                record.number, record.writer
            ));
        }
    }

    /// How many records of the writer in this place the group has seen.
    pub fn seen_up_to(&self, group: &'static str, place: Place, writer: u32) -> u64 {
        self.seen.lock().expect("no holder panics").get(&(group, place, writer)).copied().unwrap_or(0)
    }

    /// A member that reads committed received a transaction's record.
    pub fn seen_part(&self, group: &'static str, place: Place, record: Record) {
        self.received(group);
        let known = self
            .transactions
            .lock()
            .expect("no holder panics")
            .get(&(record.writer, record.number))
            .map(|it| it.ended.clone());
        if known == Some(Ended::Aborted) {
            self.violation(format!("group {group} read {record:?} in {place:?}, which was aborted"));
        }
        self.seen_parts.lock().expect("no holder panics").entry(group).or_default().insert(record);
    }

    pub fn seen_parts(&self, group: &'static str) -> HashSet<Record> {
        self.seen_parts.lock().expect("no holder panics").get(group).cloned().unwrap_or_default()
    }

    fn received(&self, group: &'static str) {
        count(&self.counted.consumed);
        *self.received.lock().expect("no holder panics").entry(group).or_default() += 1;
    }

    pub fn received_by(&self, group: &'static str) -> u64 {
        self.received.lock().expect("no holder panics").get(group).copied().unwrap_or(0)
    }

    pub fn figures(&self) -> Figures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counted = &self.counted;
        Figures {
            acknowledged: of(&counted.acknowledged),
            committed: of(&counted.committed),
            aborted: of(&counted.aborted),
            in_doubt: of(&counted.in_doubt),
            abandoned: of(&counted.abandoned),
            with_offsets: of(&counted.with_offsets),
            group_commits: of(&counted.group_commits),
            consumed: of(&counted.consumed),
            assignments: of(&counted.assignments),
            repeated: of(&counted.repeated),
            audits: of(&counted.audits),
            topics: of(&counted.topics),
        }
    }
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How much a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub acknowledged: u64,
    pub committed: u64,
    pub aborted: u64,
    /// The producer was told nothing of their end.
    pub in_doubt: u64,
    /// Of the aborted: left open by a producer that went, and taken back by the next.
    pub abandoned: u64,
    /// Of the committed: with offsets of a group.
    pub with_offsets: u64,
    pub group_commits: u64,
    /// Records that groups received, repetitions after a rebalance counted.
    pub consumed: u64,
    pub assignments: u64,
    pub repeated: u64,
    /// Comparisons of a group's offsets with what it was told, while the run went on.
    pub audits: u64,
    /// Created and most of them deleted, each deletion followed by a round of cleaning.
    pub topics: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records acknowledged; {} transactions committed ({} with offsets), {} aborted ({} left open), {} in doubt; \
             3 groups consumed {} records, {} commits acknowledged, {} assignments ({} records repeated by the client in them), {} audits of offsets; {} topics made and deleted",
            self.acknowledged,
            self.committed,
            self.with_offsets,
            self.aborted,
            self.abandoned,
            self.in_doubt,
            self.consumed,
            self.group_commits,
            self.assignments,
            self.repeated,
            self.audits,
            self.topics
        )
    }
}
