//! What a log holds, as its readers see it, and whether a state of the history explains it.

use super::model::{Item, Model, Partition};
use super::{COMPACTED, Place, RETAINED};
use crate::common::topic;
use sluice_log::{AbortedIndex, Log, RecoveryReport};
use sluice_protocol::{RecordBatchRef, batches, inflated};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, PartialEq)]
pub struct FoundPartition {
    start: i64,
    high_watermark: i64,
    stable: i64,
    /// Decided or not, markers too.
    items: Vec<Item>,
    committed: Vec<Item>,
    /// Producer, first offset, marker.
    aborted: BTreeSet<(i64, i64, i64)>,
    /// Last sequence and first offset of the open transaction.
    producers: BTreeMap<i64, (i32, Option<i64>)>,
}

#[derive(Debug)]
pub struct Found {
    partitions: BTreeMap<Place, FoundPartition>,
    topics: BTreeSet<u8>,
}

fn items_of(batch: &RecordBatchRef<'_>, out: &mut Vec<Item>) {
    batch.verify_crc().expect("only what was written is delivered");
    let (producer, transactional) = (batch.producer_id(), batch.is_transactional());
    let plain = inflated(batch.bytes()).expect("it inflates");
    let batch = RecordBatchRef::parse(&plain).expect("whole");
    for record in batch.records().expect("plain").map(|record| record.expect("whole")) {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"));
        let marker = batch.ends_transaction();
        let (key, value) = match marker {
            Some(_) => (String::new(), None),
            None => (text(record.key).expect("a key"), text(record.value)),
        };
        out.push(Item { offset: record.offset, key, value, producer, transactional, marker });
    }
}

impl FoundPartition {
    fn of(log: &Log, place: Place) -> Self {
        let (id, index) = (topic(place.0), place.1);
        let (start, high_watermark) = log.offsets(id, index).expect("known");
        let stable = log.last_stable_offset(id, index).expect("known");
        let mut found = Self { start, high_watermark, stable, ..Self::default() };
        let mut offset = start;
        while offset < high_watermark {
            let read = log.read(id, index, offset, 700).expect("undamaged");
            assert!(!read.records.is_empty(), "a read below the high watermark makes progress");
            for batch in batches(&read.records).map(|batch| batch.expect("whole")) {
                items_of(&batch, &mut found.items);
                offset = batch.last_offset() + 1;
            }
        }
        let mut offset = start;
        while offset < stable {
            let read = log.read_committed(id, index, offset, 700).expect("undamaged");
            let aborted = AbortedIndex::new(&read.aborted);
            found.aborted.extend(read.aborted.iter().map(|one| (one.producer_id, one.first_offset, one.last_offset)));
            for batch in batches(&read.read.records).map(|batch| batch.expect("whole")) {
                offset = batch.last_offset() + 1;
                if !batch.is_control() && !aborted.holds(&batch) {
                    items_of(&batch, &mut found.committed);
                }
            }
        }
        // The first batch may begin below the start.
        found.items.retain(|item| item.offset >= start);
        found.committed.retain(|item| item.offset >= start);
        let known = log.producers(id, index).expect("known").into_iter();
        found.producers =
            known.map(|one| (one.producer_id, (one.last_sequence, one.transaction_first_offset))).collect();
        found
    }

    fn explained_by(&self, place: Place, state: &Partition, torn: bool, start_allowed: i64) -> Result<(), String> {
        let fail = |what: &str| {
            let Self { start, high_watermark, stable, producers, aborted, .. } = self;
            let here =
                format!("start {start}, end {high_watermark}, stable {stable}, {producers:?}, aborted {aborted:?}");
            let there = (state.start, state.next, state.stable(), &state.open);
            Err(format!("{place:?}: {what}: {here} for {there:?}"))
        };
        let start_fits = if place.0 == RETAINED { self.start <= start_allowed } else { self.start == state.start };
        if !start_fits {
            return fail("the log start offset");
        }
        // A recovery that lost bytes goes on behind every offset that they may have had.
        if self.high_watermark < state.next || (!torn && self.high_watermark != state.next) {
            return fail("the high watermark");
        }
        if self.stable != state.stable().map_or(self.high_watermark, |stable| stable.max(self.start)) {
            return fail("the last stable offset");
        }
        let kept = |items: Vec<&Item>| -> Vec<Item> {
            items.into_iter().filter(|item| item.offset >= self.start).cloned().collect()
        };
        let (items, committed) = (kept(state.items.iter().collect()), kept(state.committed()));
        let same = if place.0 == COMPACTED {
            is_compaction(&self.items, &items, self.stable) && is_compacted(&self.committed, &committed)
        } else {
            self.items == items && self.committed == committed
        };
        if !same {
            let differ = |found: &[Item], wanted: &[Item]| {
                let at = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
                let rest = |items: &[Item]| items[at.min(items.len())..].iter().take(3).cloned().collect::<Vec<_>>();
                format!("{:?} and not {:?}", rest(found), rest(wanted))
            };
            let all = differ(&self.items, &items);
            return fail(&format!("the records: {all}; committed: {}", differ(&self.committed, &committed)));
        }
        for (producer, (last, ..)) in &state.sequences {
            let wanted = (*last, state.open.get(producer).copied());
            if self.producers.get(producer) != Some(&wanted) {
                return fail("the producers");
            }
        }
        Ok(())
    }
}

/// Nothing that was not written, everything that is not decided.
fn is_compaction(found: &[Item], written: &[Item], stable: i64) -> bool {
    let all: BTreeSet<&Item> = written.iter().collect();
    let undecided = |items: &[Item]| items.iter().filter(|item| item.offset >= stable).cloned().collect::<Vec<_>>();
    found.is_sorted_by_key(|item| item.offset)
        && found.iter().all(|item| all.contains(item))
        && undecided(found) == undecided(written)
}

/// Nothing that was not committed, and the last of every key; a tombstone may have gone.
fn is_compacted(found: &[Item], committed: &[Item]) -> bool {
    let all: BTreeSet<&Item> = committed.iter().collect();
    let found_all: BTreeSet<&Item> = found.iter().collect();
    let last: BTreeMap<&str, &Item> = committed.iter().map(|item| (item.key.as_str(), item)).collect();
    found.len() == found_all.len()
        && found_all.is_subset(&all)
        && last.values().all(|item| item.value.is_none() || found_all.contains(*item))
}

impl Found {
    /// Looks at every topic that one of `states` has.
    pub fn of(log: &Log, states: &[Model]) -> Self {
        let mut found = Self { partitions: BTreeMap::new(), topics: BTreeSet::new() };
        let known: BTreeSet<u8> = states.iter().flat_map(|state| state.topics.keys().copied()).collect();
        for info in log.topics() {
            let number = info.id.0[0];
            assert!(known.contains(&number), "a topic that was never there, or was deleted: {info:?}");
            found.topics.insert(number);
            for partition in 0..info.partitions {
                found.partitions.insert((number, partition), FoundPartition::of(log, (number, partition)));
            }
        }
        found
    }

    pub fn explained_by(&self, state: &Model, report: &RecoveryReport, start_allowed: i64) -> Result<(), String> {
        if !self.topics.iter().eq(state.topics.keys()) {
            return Err(format!("topics {:?} for {:?}", self.topics, state.topics.keys()));
        }
        for (place, found) in &self.partitions {
            let partition = &state.topics[&place.0][place.1 as usize];
            found.explained_by(*place, partition, !report.torn.is_empty(), start_allowed)?;
        }
        Ok(())
    }

    /// Whether `later`, behind housekeeping and a start, is the same.
    pub fn survives_as(&self, later: &Self) -> bool {
        self.partitions.iter().all(|(place, before)| {
            let after = &later.partitions[place];
            match place.0 {
                COMPACTED => is_compacted(&after.committed, &before.committed),
                RETAINED => after.start >= before.start && before.committed.ends_with(&after.committed),
                _ => before == after,
            }
        })
    }
}
