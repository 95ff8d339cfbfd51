//! Forgetting producers whose time is over, saving what is known of the others, and which files there are.

use super::partitions;
use crate::files::FileInfo;
use crate::listing::{self, LISTING_NAME, LISTING_TEMPORARY_NAME};
use crate::log::Shared;
use crate::producers::{PartitionProducers, SNAPSHOT_NAME, SNAPSHOT_TEMPORARY_NAME, encode_snapshot};
use crate::topics::Partition;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) fn expire_producers(shared: &Shared) {
    let now_ms = shared.clock.now_ms();
    for (.., partition) in partitions(shared) {
        let any = partition.state.read().producers.values().any(|producer| producer.expired(now_ms));
        if any {
            partition.state.write().producers.retain(|_, producer| !producer.expired(now_ms));
        }
    }
}

/// Saves what is known of producers, unless nothing was appended since. `false`: it could not be saved.
pub(crate) fn write_producers(shared: &Shared) -> bool {
    let mut saved = shared.housekeeping.producers_saved.lock();
    let durable = shared.durable.load(Ordering::Acquire);
    if *saved == Some(durable) {
        return true;
    }
    let each = |(.., partition): (bool, f64, i64, Arc<Partition>)| {
        let state = partition.state.read();
        let (end_offset, producers) = (state.high_watermark, state.producers.clone());
        let transactions = state.transactions.clone();
        ((partition.topic, partition.index), PartitionProducers { end_offset, producers, transactions })
    };
    let all: Vec<_> = partitions(shared).into_iter().map(each).filter(|(_, entry)| entry.end_offset > 0).collect();
    let bytes = encode_snapshot(&all);
    if let Err(error) = replace_file(shared, SNAPSHOT_TEMPORARY_NAME, SNAPSHOT_NAME, &bytes) {
        tracing::warn!(%error, "the producers' state could not be saved; no space is given back until it can");
        return false;
    }
    *saved = Some(durable);
    true
}

/// Saves which sealed files there must be, unless that is as it was. `false`: it could not be saved.
pub(crate) fn write_listing(shared: &Shared, files: &BTreeMap<u64, FileInfo>) -> bool {
    let mut saved = shared.housekeeping.listing_saved.lock();
    let mut listing = listing::listing_of(files);
    listing.extend(shared.files.lost());
    let bytes = listing::encode(&listing);
    if *saved == bytes || (saved.is_empty() && listing.is_empty()) {
        return true;
    }
    if let Err(error) = replace_file(shared, LISTING_TEMPORARY_NAME, LISTING_NAME, &bytes) {
        tracing::warn!(%error, "the list of log files could not be saved; no space is given back until it can");
        return false;
    }
    *saved = bytes;
    true
}

fn replace_file(shared: &Shared, temporary: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    match shared.storage.remove(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = shared.storage.create(temporary)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    shared.storage.rename(temporary, name)?;
    shared.storage.sync_dir()
}
