//! The index of a sealed file, beside it, so that a start need not read the file.
//!
//! ```text
//! 00000000000000000007.index (little-endian)
//!   0  8  magic "SLIDX001"
//!   8  4  CRC-32C of what follows
//!  12  8  size of the file      20  8  its last append      28  1  whether it ends with a full mark
//!  29 32  the file's header: number (8), epoch (4), unsynced (4), creation time (8), append before it (8)
//!  61  4  chunks; per chunk:
//!         16 topic id, 4 partition, 1 cover (0: none, 1: moved, 2: compacted),
//!         8 base offset, 8 end offset, 8 max timestamp, 8 size, 4 runs; per run:
//!             8 base offset, 4 position, 4 size, 8 max timestamp
//! ```
//!
//! It is derived: written without a sync once the file is sealed and undamaged, and believed only when its checksum and
//! the file's size and first block agree. Otherwise the file is read.

use crate::TopicId;
use crate::files::FileInfo;
use crate::housekeeping::partitions;
use crate::index::{Chunk, Run};
use crate::log::Shared;
use crate::wal::{FileHeader, FileKind, Unsynced};
use std::collections::{BTreeMap, HashMap};
use std::io;

const MAGIC: &[u8; 8] = b"SLIDX001";

/// Whether a chunk replaces older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    None,
    Moved,
    Compacted,
}

#[derive(Debug, Clone)]
pub(crate) struct IndexedChunk {
    pub topic: TopicId,
    pub partition: i32,
    pub cover: Cover,
    pub chunk: Chunk,
}

/// What a start needs to know of a file.
#[derive(Debug, Clone)]
pub(crate) struct Sidecar {
    pub size_bytes: u64,
    pub sequence: u64,
    pub ends_with_mark: bool,
    pub header: FileHeader,
    pub chunks: Vec<IndexedChunk>,
}

pub(crate) fn sidecar_name(file: u64) -> String {
    format!("{file:020}.index")
}

impl Sidecar {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.size_bytes.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.push(u8::from(self.ends_with_mark));
        out.extend_from_slice(&self.header.file.to_le_bytes());
        out.extend_from_slice(&self.header.epoch.to_le_bytes());
        out.extend_from_slice(&(self.header.unsynced as u32).to_le_bytes());
        out.extend_from_slice(&self.header.created_ms.to_le_bytes());
        out.extend_from_slice(&self.header.sequence.to_le_bytes());
        out.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        for IndexedChunk { topic, partition, cover, chunk } in &self.chunks {
            out.extend_from_slice(&topic.0);
            out.extend_from_slice(&partition.to_le_bytes());
            out.push(*cover as u8);
            for number in [chunk.base_offset, chunk.end_offset, chunk.max_timestamp, chunk.size_bytes as i64] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&(chunk.runs.len() as u32).to_le_bytes());
            for run in &chunk.runs {
                out.extend_from_slice(&run.base_offset.to_le_bytes());
                out.extend_from_slice(&run.position.to_le_bytes());
                out.extend_from_slice(&run.size_bytes.to_le_bytes());
                out.extend_from_slice(&run.max_timestamp.to_le_bytes());
            }
        }
        let crc = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None`: it is not what was written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (crc, mut rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32c::crc32c(rest) {
            return None;
        }
        let input = &mut rest;
        let (size_bytes, sequence) = (take_u64(input)?, take_u64(input)?);
        let ends_with_mark = take::<1>(input)?[0] == 1;
        let file = take_u64(input)?;
        let epoch = take_u32(input)?;
        let unsynced = Unsynced::from_word(take_u32(input)?);
        let header =
            FileHeader { file, epoch, unsynced, created_ms: take_u64(input)? as i64, sequence: take_u64(input)? };
        let mut chunks = Vec::new();
        for _ in 0..take_u32(input)? {
            chunks.push(take_chunk(input, file)?);
        }
        rest.is_empty().then_some(Self { size_bytes, sequence, ends_with_mark, header, chunks })
    }
}

fn take_chunk(input: &mut &[u8], file: u64) -> Option<IndexedChunk> {
    let topic = TopicId(take(input)?);
    let partition = take_u32(input)? as i32;
    let cover = match take::<1>(input)?[0] {
        0 => Cover::None,
        1 => Cover::Moved,
        2 => Cover::Compacted,
        _ => return None,
    };
    let mut chunk = Chunk::new(file, take_u64(input)? as i64);
    chunk.end_offset = take_u64(input)? as i64;
    chunk.max_timestamp = take_u64(input)? as i64;
    chunk.size_bytes = take_u64(input)?;
    for _ in 0..take_u32(input)? {
        chunk.runs.push(Run {
            base_offset: take_u64(input)? as i64,
            position: take_u32(input)?,
            size_bytes: take_u32(input)?,
            max_timestamp: take_u64(input)? as i64,
        });
    }
    Some(IndexedChunk { topic, partition, cover, chunk })
}

fn take_u64(input: &mut &[u8]) -> Option<u64> {
    take(input).map(u64::from_le_bytes)
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    take(input).map(u32::from_le_bytes)
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*bytes)
}

/// Writes the index of every sealed file that has none. What fails is only slower at the next start.
pub(crate) fn write_missing(shared: &Shared) {
    let due: BTreeMap<u64, FileInfo> =
        shared.files.list().into_iter().filter(|(_, file)| file.sealed && !file.damaged && !file.indexed).collect();
    if due.is_empty() {
        return;
    }
    let mut chunks: HashMap<u64, Vec<IndexedChunk>> = HashMap::new();
    for (.., partition) in partitions(shared) {
        let state = partition.state.read();
        for chunk in state.chunks.iter() {
            let Some(file) = due.get(&chunk.file) else { continue };
            let cover = match file.kind {
                FileKind::Log => Cover::None,
                FileKind::Cleaned if chunk.end_offset <= state.cleaned_to => Cover::Compacted,
                FileKind::Cleaned => Cover::Moved,
            };
            let (topic, partition, chunk) = (partition.topic, partition.index, chunk.clone());
            chunks.entry(chunk.file).or_default().push(IndexedChunk { topic, partition, cover, chunk });
        }
    }
    for (number, file) in due {
        let sidecar = Sidecar {
            size_bytes: file.size_bytes,
            sequence: file.sequence,
            ends_with_mark: file.ends_with_mark,
            header: file.header,
            chunks: chunks.remove(&number).unwrap_or_default(),
        };
        if let Err(error) = write_sidecar(shared, number, &sidecar.encode()) {
            tracing::warn!(%error, file = number, "the index of a log file could not be written");
            return;
        }
        shared.files.change(number, |info| info.indexed = true);
    }
}

fn write_sidecar(shared: &Shared, number: u64, bytes: &[u8]) -> io::Result<()> {
    let name = sidecar_name(number);
    match shared.storage.remove(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    shared.storage.create(&name)?.write_at(bytes, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back_and_no_flipped_bit_passes() {
        let header = FileHeader { file: 7, epoch: 2, unsynced: Unsynced::OsTopics, created_ms: 5, sequence: 99 };
        let mut chunk = Chunk::new(7, 10);
        chunk.push(Run { base_offset: 10, position: 128, size_bytes: 512, max_timestamp: 3 }, 20);
        // Whoever reads an index has seen none of the blocks.
        chunk.checked_to = chunk.base_offset;
        let chunks = vec![IndexedChunk { topic: TopicId([4; 16]), partition: 1, cover: Cover::Moved, chunk }];
        let sidecar = Sidecar { size_bytes: 640, sequence: 120, ends_with_mark: true, header, chunks };
        let good = sidecar.encode();
        assert_eq!(format!("{:?}", Sidecar::decode(&good)), format!("{:?}", Some(sidecar)));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Sidecar::decode(&bad).is_none(), "bit {bit}");
        }
        assert!((0..good.len()).all(|len| Sidecar::decode(&good[..len]).is_none()));
    }
}
