//! What one write and one sync cover. Everything in it is one append to the disk: all of it is there after a crash, or nothing.
//!
//! Batches of one partition lie together, in one block up to [`PAYLOAD_BYTES_TARGET`], whoever appended them: readers take
//! them in long stretches.

use super::numbered::StagedProducers;
use super::{Answer, number_batches};
use crate::TopicId;
use crate::block::{ALIGNMENT, Block, HEADER_BYTES, Kind, PAYLOAD_BYTES_TARGET};
use crate::index::Run;
use crate::queue::{PreparedBlock, PreparedPart};
use crate::topics::Partition;
use crate::transactions::Step;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The buffer is given back when one large append has grown it past this.
const BUFFER_BYTES_KEPT: usize = 8 << 20;

#[derive(Default)]
pub(crate) struct Group {
    blocks: Vec<GroupBlock>,
    /// Each partition's last block.
    last: HashMap<(TopicId, i32), usize>,
    buffer: Vec<u8>,
    /// At most so much of the file.
    size_bytes: usize,
    pub(super) compacted_bytes: u64,
    /// One of its appends is acknowledged once it is on the disk.
    pub(super) must_sync: bool,
    pub(super) answers: Vec<Answer>,
    pub(super) changed_topics: HashSet<String>,
    pub(super) producers: StagedProducers,
}

/// Batches of one partition that become one block.
pub(super) struct GroupBlock {
    pub partition: Arc<Partition>,
    pub base_offset: i64,
    pub span: u32,
    pub max_timestamp: i64,
    /// What its batches do to transactions.
    pub steps: Vec<Step>,
    records: Vec<Bytes>,
    payload_bytes: usize,
    /// Where it was written, once it was.
    pub run: Run,
}

/// What the blocks of a group have in common, and where the first goes.
pub(super) struct Place {
    pub sequence: u64,
    pub durable: u64,
    pub leader_epoch: i32,
    pub file: u64,
    pub position: u64,
}

impl GroupBlock {
    pub(super) fn end_offset(&self) -> i64 {
        self.base_offset + i64::from(self.span)
    }

    fn has_room_for(&self, block: &PreparedBlock) -> bool {
        self.payload_bytes + (block.to - block.from) <= PAYLOAD_BYTES_TARGET
            && self.span.checked_add(block.span).is_some()
    }
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(super) fn blocks(&self) -> &[GroupBlock] {
        &self.blocks
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Gives a part its offsets; `steps` are what its batches do to transactions. Returns its base offset.
    pub(super) fn add(&mut self, part: &PreparedPart, mut steps: Vec<Step>) -> i64 {
        let base_offset = part.partition.next_offset.load(Ordering::Relaxed);
        let mut next = base_offset;
        for block in &part.blocks {
            let size_bytes = self.add_block(part, block, next);
            next += i64::from(block.span);
            if part.compacted {
                self.compacted_bytes += size_bytes as u64;
            }
            // With the part's first block: a transaction is known before a record of it can be read.
            if !steps.is_empty() {
                let at = self.last[&(part.partition.topic, part.partition.index)];
                self.blocks[at].steps.append(&mut steps);
            }
        }
        part.partition.next_offset.store(next, Ordering::Relaxed);
        base_offset
    }

    fn add_block(&mut self, part: &PreparedPart, block: &PreparedBlock, base_offset: i64) -> usize {
        let records = part.records.slice(block.from..block.to);
        let mut size_bytes = records.len().next_multiple_of(ALIGNMENT);
        let key = (part.partition.topic, part.partition.index);
        let last = self.last.get(&key).copied().filter(|last| self.blocks[*last].has_room_for(block));
        if let Some(last) = last {
            let open = &mut self.blocks[last];
            open.span += block.span;
            open.max_timestamp = open.max_timestamp.max(block.max_timestamp);
            open.payload_bytes += records.len();
            open.records.push(records);
        } else {
            size_bytes += HEADER_BYTES;
            self.last.insert(key, self.blocks.len());
            self.blocks.push(GroupBlock {
                partition: part.partition.clone(),
                base_offset,
                span: block.span,
                max_timestamp: block.max_timestamp,
                steps: Vec::new(),
                payload_bytes: records.len(),
                records: vec![records],
                run: Run { base_offset, position: 0, size_bytes: 0, max_timestamp: block.max_timestamp },
            });
        }
        self.size_bytes += size_bytes;
        size_bytes
    }

    /// Puts the bytes together: offsets and epoch are set in each batch, then the checksums are computed.
    pub(super) fn encode(&mut self, place: &Place) {
        let parts = self.blocks.len() as u32;
        for (part, block) in self.blocks.iter_mut().enumerate() {
            let start = self.buffer.len();
            let mut header = Block {
                kind: Kind::Records,
                payload_len: block.payload_bytes as u32,
                payload_crc: 0,
                sequence: place.sequence,
                durable: place.durable,
                file: place.file,
                position: (place.position + start as u64) as u32,
                topic: block.partition.topic,
                partition: block.partition.index,
                leader_epoch: place.leader_epoch,
                base_offset: block.base_offset,
                span: block.span,
                part: part as u32,
                parts,
                max_timestamp: block.max_timestamp,
            };
            self.buffer.resize(start + HEADER_BYTES, 0);
            block.records.drain(..).for_each(|records| self.buffer.extend_from_slice(&records));
            self.buffer.resize(self.buffer.len().next_multiple_of(ALIGNMENT), 0);
            let payload = &mut self.buffer[start + HEADER_BYTES..];
            number_batches(&mut payload[..block.payload_bytes], header.base_offset, header.leader_epoch);
            header.payload_crc = crc32c::crc32c(payload);
            block.run = Run {
                base_offset: block.base_offset,
                position: header.position,
                size_bytes: (self.buffer.len() - start) as u32,
                max_timestamp: block.max_timestamp,
            };
            self.buffer[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
        }
    }

    /// Everything but the answers, which are taken out first.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.last.clear();
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        (self.size_bytes, self.compacted_bytes, self.must_sync) = (0, 0, false);
        self.changed_topics.clear();
        self.producers.clear();
    }
}
