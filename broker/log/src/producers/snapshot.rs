//! The saved state of producers and transactions.
//!
//! It is derived from the batches. So that a start need not read all of them, and so that retention takes no state
//! away, it is also kept in a file of its own:
//!
//! ```text
//! producers.snapshot (little-endian)
//!   0  8  magic "SLPRD002"
//!   8  4  CRC-32C of what follows
//!  12  4  partitions; per partition:
//!         16 topic id, 4 partition, 8 end offset, 4 producers; per producer:
//!             8 producer id, 2 epoch, 8 last seen (ms), 8 first offset of its open transaction (-1: none),
//!             1 batches; per batch:
//!                 4 first sequence, 4 last sequence, 8 last offset, 4 offset delta
//!         4 aborted transactions; per transaction:
//!             8 producer id, 8 first offset, 8 offset of the marker
//! ```
//!
//! Each partition's entry holds what its batches below the end offset add up to; a start replays those from there on.
//! Written synced under a temporary name and renamed, before files that retention emptied are removed and at an orderly
//! close. Without it, or when its checksum does not match, everything is replayed.

use super::{Kept, PartitionProducers, ProducerState, Producers};
use crate::TopicId;
use crate::transactions::{AbortedTransaction, Transactions};
use std::collections::HashMap;

pub(crate) const SNAPSHOT_NAME: &str = "producers.snapshot";
pub(crate) const SNAPSHOT_TEMPORARY_NAME: &str = "producers.tmp";
const MAGIC: &[u8; 8] = b"SLPRD002";

pub(crate) type Snapshot = HashMap<(TopicId, i32), PartitionProducers>;

pub(crate) fn encode_snapshot(partitions: &[((TopicId, i32), PartitionProducers)]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(partitions.len() as u32).to_le_bytes());
    for ((topic, partition), entry) in partitions {
        out.extend_from_slice(&topic.0);
        out.extend_from_slice(&partition.to_le_bytes());
        out.extend_from_slice(&entry.end_offset.to_le_bytes());
        out.extend_from_slice(&(entry.producers.len() as u32).to_le_bytes());
        for (producer_id, state) in &entry.producers {
            out.extend_from_slice(&producer_id.to_le_bytes());
            out.extend_from_slice(&state.epoch.to_le_bytes());
            out.extend_from_slice(&state.seen_ms.to_le_bytes());
            out.extend_from_slice(&state.transaction.unwrap_or(-1).to_le_bytes());
            out.push(state.batches.len() as u8);
            for kept in &state.batches {
                out.extend_from_slice(&kept.first_sequence.to_le_bytes());
                out.extend_from_slice(&kept.last_sequence.to_le_bytes());
                out.extend_from_slice(&kept.last_offset.to_le_bytes());
                out.extend_from_slice(&kept.offset_delta.to_le_bytes());
            }
        }
        let aborted = entry.transactions.aborted();
        out.extend_from_slice(&(aborted.len() as u32).to_le_bytes());
        for AbortedTransaction { producer_id, first_offset, last_offset } in aborted {
            for number in [producer_id, first_offset, last_offset] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }
    let crc = crc32c::crc32c(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out
}

/// `None`: it is not what was written.
pub(crate) fn decode_snapshot(bytes: &[u8]) -> Option<Snapshot> {
    let (crc, mut rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(rest) {
        return None;
    }
    let input = &mut rest;
    let mut snapshot = Snapshot::new();
    for _ in 0..u32::from_le_bytes(take(input)?) {
        let key = (TopicId(take(input)?), i32::from_le_bytes(take(input)?));
        let end_offset = i64::from_le_bytes(take(input)?);
        let mut producers = Producers::new();
        for _ in 0..u32::from_le_bytes(take(input)?) {
            let producer_id = i64::from_le_bytes(take(input)?);
            producers.insert(producer_id, take_state(input)?);
        }
        let mut aborted = Vec::new();
        for _ in 0..u32::from_le_bytes(take(input)?) {
            let [producer_id, first_offset, last_offset] =
                [take(input)?, take(input)?, take(input)?].map(i64::from_le_bytes);
            aborted.push(AbortedTransaction { producer_id, first_offset, last_offset });
        }
        let open = producers.iter().filter_map(|(id, state)| Some((state.transaction?, *id)));
        let transactions = Transactions::new(open.collect(), aborted);
        snapshot.insert(key, PartitionProducers { end_offset, producers, transactions });
    }
    rest.is_empty().then_some(snapshot)
}

fn take_state(input: &mut &[u8]) -> Option<ProducerState> {
    let epoch = i16::from_le_bytes(take(input)?);
    let seen_ms = i64::from_le_bytes(take(input)?);
    let transaction = Some(i64::from_le_bytes(take(input)?)).filter(|offset| *offset >= 0);
    let mut batches = Vec::new();
    for _ in 0..take::<1>(input)?[0] {
        batches.push(Kept {
            first_sequence: i32::from_le_bytes(take(input)?),
            last_sequence: i32::from_le_bytes(take(input)?),
            last_offset: i64::from_le_bytes(take(input)?),
            offset_delta: i32::from_le_bytes(take(input)?),
        });
    }
    Some(ProducerState { epoch, seen_ms, batches, transaction })
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*bytes)
}
