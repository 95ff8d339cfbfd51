//! What a log must hold after each step of a history.

use super::Place;
use super::history::{Op, Part};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub offset: i64,
    /// Empty in a marker.
    pub key: String,
    pub value: Option<String>,
    pub producer: i64,
    pub transactional: bool,
    /// Whether it commits, when it is a marker.
    pub marker: Option<bool>,
}

#[derive(Debug, Clone, Default)]
pub struct Partition {
    pub items: Vec<Item>,
    /// Below, records were deleted on request.
    pub start: i64,
    pub next: i64,
    /// Per producer its last sequence, and the batch that it stood in.
    pub sequences: BTreeMap<i64, (i32, Part, i64)>,
    /// Per producer with an open transaction its first offset.
    pub open: BTreeMap<i64, i64>,
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    pub topics: BTreeMap<u8, Vec<Partition>>,
}

impl Model {
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(number, partitions) => {
                self.topics.insert(*number, vec![Partition::default(); *partitions as usize]);
            }
            Op::Delete(number) => drop(self.topics.remove(number)),
            Op::DeleteRecords(place, before) => self.partition(*place).start = *before,
            Op::Append(parts) => parts.iter().for_each(|part| self.partition(part.place).append(part)),
            Op::End { producer, commit, places } => {
                for place in places {
                    self.partition(*place).end(*producer, *commit);
                }
            }
        }
    }

    pub fn partition(&mut self, (topic, partition): Place) -> &mut Partition {
        &mut self.topics.get_mut(&topic).expect("the history knows what exists")[partition as usize]
    }

    /// Where a producer has an open transaction.
    pub fn open_at(&self, producer: i64) -> Vec<Place> {
        let places = self.topics.iter().flat_map(|(number, partitions)| (0..).map(|at| (*number, at)).zip(partitions));
        places.filter(|(_, partition)| partition.open.contains_key(&producer)).map(|(place, _)| place).collect()
    }
}

impl Partition {
    fn append(&mut self, part: &Part) {
        let base_offset = self.next;
        let sent = part.sent;
        for (key, value) in &part.records {
            self.items.push(Item {
                offset: self.next,
                key: key.clone(),
                value: value.clone(),
                producer: sent.map_or(-1, |sent| sent.producer),
                transactional: sent.is_some_and(|sent| sent.transactional),
                marker: None,
            });
            self.next += 1;
        }
        if let Some(sent) = sent {
            let last = sent.sequence + part.records.len() as i32 - 1;
            self.sequences.insert(sent.producer, (last, part.clone(), base_offset));
            if sent.transactional {
                self.open.entry(sent.producer).or_insert(base_offset);
            }
        }
    }

    fn end(&mut self, producer: i64, commit: bool) {
        let (key, value, transactional, marker) = (String::new(), None, true, Some(commit));
        self.items.push(Item { offset: self.next, key, value, producer, transactional, marker });
        self.next += 1;
        self.open.remove(&producer);
    }

    pub fn stable(&self) -> Option<i64> {
        self.open.values().min().copied()
    }

    /// What one who reads committed records sees.
    pub fn committed(&self) -> Vec<&Item> {
        let stable = self.stable().unwrap_or(i64::MAX);
        let mut aborted: BTreeSet<i64> = BTreeSet::new();
        let mut seen = Vec::new();
        // Backwards: a marker stands behind what it decides, also where another transaction is open before it.
        for item in self.items.iter().rev() {
            match item.marker {
                Some(true) => drop(aborted.remove(&item.producer)),
                Some(false) => drop(aborted.insert(item.producer)),
                None if item.transactional && aborted.contains(&item.producer) => {}
                None if item.offset >= stable => {}
                None => seen.push(item),
            }
        }
        seen.reverse();
        seen
    }
}

/// Short enough for a failing case to be read.
impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { offset, key, producer, .. } = self;
        match self.marker {
            Some(commit) => write!(f, "{offset}: producer {producer} {}", if commit { "commits" } else { "aborts" }),
            None => {
                let value = self.value.as_deref().map_or("nothing", |value| value.split(' ').next().unwrap_or(value));
                let how = if self.transactional { "within" } else { "without" };
                write!(f, "{offset}: {key}={value} of {producer} {how} a transaction")
            }
        }
    }
}
