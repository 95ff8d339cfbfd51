//! The one thing that a log file consists of: a block with its identity and two checksums.
//!
//! ```text
//!  at  bytes  field (little-endian)
//!   0      4  magic "SLB1"
//!   4      4  CRC-32C of bytes 8..104
//!   8      4  CRC-32C of the payload with its padding
//!  12      4  payload length without padding; the payload is padded with zeros to a multiple of 8
//!  16      8  sequence: the number of the append that this block is a part of
//!  24      8  durable: the highest sequence known durable when this block was written
//!  32      8  file number  } where this block lies, so that a misdirected
//!  40      4  position     } write or read is noticed
//!  44      1  kind: 1 file, 2 records, 3 mark, 4 cover
//!  45      3  zero
//!  48     16  topic id
//!  64      4  partition
//!  68      4  leader epoch
//!  72      8  base offset
//!  80      4  span: offsets that the block covers (last offset - base offset + 1)
//!  84      4  part: this block's number within its append
//!  88      4  parts: blocks in the append
//!  92      4  zero
//!  96      8  max timestamp, ms
//! 104         payload
//! ```
//!
//! The payload's CRC lies under the header's, so identity and payload are bound together. An append is whole when all
//! its parts are: that is what makes it atomic.

use crate::TopicId;

pub(crate) const HEADER_BYTES: usize = 104;
/// A payload is cut at batch borders when it grows past this, so that a fetch need not read and check much more than
/// it was asked for.
pub(crate) const PAYLOAD_BYTES_TARGET: usize = 256 << 10;
/// No block is larger: a corrupt length must not allocate more than this.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;
pub(crate) const ALIGNMENT: usize = 8;
/// In a cover's `part`: the range was compacted, not only moved.
pub(crate) const COVER_COMPACTED: u32 = 1;
const MAGIC: u32 = u32::from_le_bytes(*b"SLB1");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// First in every file; the payload says which format, see [`crate::wal`].
    File = 1,
    Records = 2,
    /// Nothing but a newer durable mark.
    Mark = 3,
    /// In a cleaned file: this file replaces every older block of the partition from base offset for span offsets.
    Cover = 4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub kind: Kind,
    pub payload_len: u32,
    pub payload_crc: u32,
    pub sequence: u64,
    pub durable: u64,
    pub file: u64,
    pub position: u32,
    pub topic: TopicId,
    pub partition: i32,
    pub leader_epoch: i32,
    pub base_offset: i64,
    pub span: u32,
    pub part: u32,
    pub parts: u32,
    pub max_timestamp: i64,
}

impl Block {
    /// Bytes on disk, padding included.
    pub(crate) fn size_bytes(&self) -> usize {
        HEADER_BYTES + padded(self.payload_len as usize)
    }

    /// One past the last offset.
    pub(crate) fn end_offset(&self) -> i64 {
        self.base_offset + i64::from(self.span)
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0u8; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC.to_le_bytes());
        put(8, &self.payload_crc.to_le_bytes());
        put(12, &self.payload_len.to_le_bytes());
        put(16, &self.sequence.to_le_bytes());
        put(24, &self.durable.to_le_bytes());
        put(32, &self.file.to_le_bytes());
        put(40, &self.position.to_le_bytes());
        put(44, &[self.kind as u8]);
        put(48, &self.topic.0);
        put(64, &self.partition.to_le_bytes());
        put(68, &self.leader_epoch.to_le_bytes());
        put(72, &self.base_offset.to_le_bytes());
        put(80, &self.span.to_le_bytes());
        put(84, &self.part.to_le_bytes());
        put(88, &self.parts.to_le_bytes());
        put(96, &self.max_timestamp.to_le_bytes());
        let crc = crc32c::crc32c(&out[8..]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header at the front of `bytes`; `None` when it is none, or not whole.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        if header[..4] != MAGIC.to_le_bytes() || u32_at(header, 4) != crc32c::crc32c(&header[8..]) {
            return None;
        }
        let kind = match header[44] {
            1 => Kind::File,
            2 => Kind::Records,
            3 => Kind::Mark,
            4 => Kind::Cover,
            _ => return None,
        };
        let payload_len = u32_at(header, 12);
        if payload_len as usize > PAYLOAD_BYTES_MAX {
            return None;
        }
        Some(Self {
            kind,
            payload_len,
            payload_crc: u32_at(header, 8),
            sequence: u64_at(header, 16),
            durable: u64_at(header, 24),
            file: u64_at(header, 32),
            position: u32_at(header, 40),
            topic: TopicId(header[48..64].try_into().expect("16 bytes")),
            partition: u32_at(header, 64) as i32,
            leader_epoch: u32_at(header, 68) as i32,
            base_offset: u64_at(header, 72) as i64,
            span: u32_at(header, 80),
            part: u32_at(header, 84),
            parts: u32_at(header, 88),
            max_timestamp: u64_at(header, 96) as i64,
        })
    }

    /// What the header was before one of its bits flipped, when that explains it: a CRC-32C finds the bit.
    pub(crate) fn parse_with_one_bit_flipped(bytes: &[u8]) -> Option<Self> {
        let mut header: [u8; HEADER_BYTES] = *bytes.first_chunk()?;
        if header.iter().all(|byte| *byte == 0) {
            return None;
        }
        for bit in 0..HEADER_BYTES * 8 {
            header[bit / 8] ^= 1 << (bit % 8);
            if let Some(block) = Self::parse(&header) {
                return Some(block);
            }
            header[bit / 8] ^= 1 << (bit % 8);
        }
        None
    }

    /// Whether this block belongs where it was found.
    pub(crate) fn lies_at(&self, file: u64, position: u64) -> bool {
        self.file == file && u64::from(self.position) == position
    }

    /// Whether `padded_payload`, as long as the block says, is what was written.
    pub(crate) fn payload_is_whole(&self, padded_payload: &[u8]) -> bool {
        padded_payload.len() == padded(self.payload_len as usize) && crc32c::crc32c(padded_payload) == self.payload_crc
    }
}

pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGNMENT)
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> Block {
        Block {
            kind: Kind::Records,
            payload_len: 13,
            payload_crc: crc32c::crc32c(&[9; 16]),
            sequence: 77,
            durable: 76,
            file: 3,
            position: 4096,
            topic: TopicId([5; 16]),
            partition: 2,
            leader_epoch: 1,
            base_offset: 1 << 40,
            span: 10,
            part: 1,
            parts: 2,
            max_timestamp: -1,
        }
    }

    #[test]
    fn a_block_comes_back_as_it_was_written() {
        assert_eq!(Block::parse(&sample().encode()), Some(sample()));
        assert_eq!(sample().size_bytes(), 104 + 16);
        assert!(sample().payload_is_whole(&[9; 16]) && !sample().payload_is_whole(&[9; 13]));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let good = sample().encode();
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Block::parse(&bad), None, "bit {bit}");
            assert_eq!(Block::parse_with_one_bit_flipped(&bad), Some(sample()), "bit {bit}");
        }
    }
}
