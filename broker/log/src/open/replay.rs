//! Putting the producers' state together again: the snapshot, and the batches behind it.

use crate::files::FileTable;
use crate::index::Location;
use crate::producers::{self, PartitionProducers, Producers, SNAPSHOT_NAME, Snapshot};
use crate::read;
use crate::storage::Storage;
use crate::topics::{Partition, TopicTable};
use sluice_protocol::batches;
use std::sync::Arc;

/// Empty when there is none that can be believed: then every batch is read.
pub(super) fn read_snapshot(storage: &Arc<dyn Storage>) -> Snapshot {
    let read = || {
        let file = storage.open(SNAPSHOT_NAME).ok()?;
        let mut bytes = vec![0; usize::try_from(file.size().ok()?).ok()?];
        let read = file.read_at(&mut bytes, 0).ok()?;
        let snapshot = producers::decode_snapshot(&bytes[..read]);
        if snapshot.is_none() {
            tracing::warn!(
                file = SNAPSHOT_NAME,
                "the saved state of producers is damaged; every batch is read instead"
            );
        }
        snapshot
    };
    read().unwrap_or_default()
}

/// Before next offsets are moved past what was lost: a snapshot may know of batches that the log lost.
pub(super) fn producers(files: &FileTable, topics: &TopicTable, mut snapshot: Snapshot, now_ms: i64) {
    for partition in topics.iter().flat_map(|topic| &topic.partitions) {
        let end_offset = partition.state.read().high_watermark;
        let found = snapshot.remove(&(partition.topic, partition.index)).unwrap_or_default();
        let (mut entry, kept) = if found.end_offset > end_offset {
            (PartitionProducers::default(), found.cut(end_offset))
        } else {
            (found, Producers::new())
        };
        for location in locations_from(partition, entry.end_offset) {
            replay_run(files, partition, &location, &mut entry, now_ms);
        }
        for (producer_id, state) in kept {
            entry.producers.entry(producer_id).or_insert(state);
        }
        entry.producers.retain(|_, state| !state.expired(now_ms));
        let mut state = partition.state.write();
        entry.transactions.forget_below(state.log_start_offset);
        (state.producers, state.transactions) = (entry.producers, entry.transactions);
    }
}

fn locations_from(partition: &Partition, offset: i64) -> Vec<Location> {
    partition.state.read().locate(offset, usize::MAX).0
}

/// What cannot be read says nothing of its producers: they may then go on anywhere, as after their time is over.
fn replay_run(
    files: &FileTable,
    partition: &Partition,
    location: &Location,
    entry: &mut PartitionProducers,
    now_ms: i64,
) {
    let mut scratch = Vec::new();
    let Ok(blocks) = read::read_run(files, partition, location, &mut scratch) else { return };
    for batch in blocks.iter().flat_map(|(_, payload)| batches(payload)).flatten() {
        if batch.base_offset() >= entry.end_offset {
            entry.replay(&batch, now_ms);
        }
    }
}
