//! Committed offsets, whatever the group's protocol: `commit` takes them, `fetch` shows them, `remove` forgets them.

mod commit;
mod fetch;
mod remove;

use crate::pending::CommittedOffset;
use crate::records::OffsetAndMetadata;
use std::collections::{BTreeMap, BTreeSet};

/// An offset in memory.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub value: OffsetAndMetadata,
    /// The append it came with: newer ones have greater numbers.
    pub append: u64,
}

/// Partitions by topic.
type ByPartition<T> = BTreeMap<String, BTreeMap<i32, T>>;

/// The offsets of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    committed: ByPartition<Committed>,
    /// Commits that are on their way into the log, by the number of them.
    in_flight: ByPartition<usize>,
    /// Offsets of open transactions, by producer id.
    transactional: BTreeMap<i64, ByPartition<Committed>>,
}

impl GroupOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.in_flight.is_empty() && self.transactional.is_empty()
    }

    pub(crate) fn committed(&self) -> impl Iterator<Item = (&str, i32, &OffsetAndMetadata)> {
        self.committed.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, one)| (topic.as_str(), *partition, &one.value))
        })
    }

    pub(crate) fn has_commits_under_way(&self) -> bool {
        !self.in_flight.is_empty() || !self.transactional.is_empty()
    }

    /// Whether what is committed may be about to change.
    pub(crate) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        get(&self.in_flight, topic, partition).is_some() || self.has_transactional(topic, partition)
    }

    fn has_transactional(&self, topic: &str, partition: i32) -> bool {
        self.transactional.values().any(|offsets| get(offsets, topic, partition).is_some())
    }

    fn begin(&mut self, offset: &CommittedOffset) {
        let partitions = self.in_flight.entry(offset.topic.clone()).or_default();
        *partitions.entry(offset.partition).or_default() += 1;
    }

    fn end(&mut self, offset: &CommittedOffset) {
        let Some(partitions) = self.in_flight.get_mut(&offset.topic) else { return };
        if let Some(count) = partitions.get_mut(&offset.partition) {
            *count -= 1;
            if *count == 0 {
                remove(&mut self.in_flight, &offset.topic, offset.partition);
            }
        }
    }

    pub(crate) fn put(&mut self, producer_id: Option<i64>, offset: CommittedOffset) {
        let offsets = match producer_id {
            None => &mut self.committed,
            Some(producer_id) => self.transactional.entry(producer_id).or_default(),
        };
        let committed = Committed { value: offset.value, append: offset.append };
        offsets.entry(offset.topic).or_default().insert(offset.partition, committed);
    }

    /// Ends a transaction. A plain commit that came after the transactional one stands.
    pub(crate) fn complete(&mut self, producer_id: i64, commit: bool) {
        let offsets = self.transactional.remove(&producer_id).unwrap_or_default();
        if !commit {
            return;
        }
        for (topic, partitions) in offsets {
            let committed = self.committed.entry(topic).or_default();
            for (partition, offset) in partitions {
                if committed.get(&partition).is_none_or(|before| before.append < offset.append) {
                    committed.insert(partition, offset);
                }
            }
        }
        self.committed.retain(|_, partitions| !partitions.is_empty());
    }

    /// Every partition of which anything is known.
    pub(crate) fn partitions(&self) -> BTreeSet<(String, i32)> {
        let transactional = self.transactional.values().flat_map(keys);
        keys(&self.committed).chain(keys(&self.in_flight)).chain(transactional).collect()
    }

    pub(crate) fn forget(&mut self, topic: &str, partition: i32) {
        remove(&mut self.committed, topic, partition);
        self.transactional.retain(|_, offsets| {
            remove(offsets, topic, partition);
            !offsets.is_empty()
        });
    }
}

fn keys<T>(offsets: &ByPartition<T>) -> impl Iterator<Item = (String, i32)> {
    offsets.iter().flat_map(|(topic, partitions)| partitions.keys().map(move |partition| (topic.clone(), *partition)))
}

fn get<'a, T>(offsets: &'a ByPartition<T>, topic: &str, partition: i32) -> Option<&'a T> {
    offsets.get(topic)?.get(&partition)
}

fn remove<T>(offsets: &mut ByPartition<T>, topic: &str, partition: i32) {
    if let Some(partitions) = offsets.get_mut(topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            offsets.remove(topic);
        }
    }
}
