//! Which sealed files there must be, so that one that is missing or was cut short is noticed.
//!
//! ```text
//! files.list (little-endian)
//!   0  8  magic "SLFIL001"
//!   8  4  CRC-32C of what follows
//!  12  4  files; per file: 8 number, 1 kind (0: .log, 1: .clean), 8 size
//! ```
//!
//! Written synced under a temporary name and renamed, before files that hold nothing any more are removed and at an
//! orderly close; so every file in it was durable, name and all, when it was written. Without it, or when its checksum
//! does not match, nothing is compared. A file that is missing stays in it: whoever accepts the loss removes the list.

use crate::TopicId;
use crate::block::{HEADER_BYTES, PAYLOAD_BYTES_TARGET};
use crate::files::FileInfo;
use crate::index::{Chunk, PartitionState, Run};
use crate::recovery::{DamagedBlock, LostOffsets, MissingBytes};
use crate::sidecar::{Sidecar, sidecar_name};
use crate::storage::Storage;
use crate::wal::{FileKind, file_name};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const LISTING_NAME: &str = "files.list";
pub(crate) const LISTING_TEMPORARY_NAME: &str = "files.tmp";
const MAGIC: &[u8; 8] = b"SLFIL001";
const ENTRY_BYTES: usize = 17;

/// Kind and size of each file, by number.
pub(crate) type Listing = BTreeMap<u64, (FileKind, u64)>;

pub(crate) fn listing_of(files: &BTreeMap<u64, FileInfo>) -> Listing {
    files.iter().filter(|(_, file)| file.sealed).map(|(number, file)| (*number, (file.kind, file.size_bytes))).collect()
}

pub(crate) fn encode(listing: &Listing) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(listing.len() as u32).to_le_bytes());
    for (number, (kind, size_bytes)) in listing {
        out.extend_from_slice(&number.to_le_bytes());
        out.push(u8::from(*kind == FileKind::Cleaned));
        out.extend_from_slice(&size_bytes.to_le_bytes());
    }
    let crc = crc32c::crc32c(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
    out
}

/// `None`: it is not what was written.
pub(crate) fn decode(bytes: &[u8]) -> Option<Listing> {
    let (crc, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(rest) {
        return None;
    }
    let (_count, entries) = rest.split_first_chunk::<4>()?;
    let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
    let entry = |entry: &[u8]| {
        let kind = if *entry.get(8)? == 1 { FileKind::Cleaned } else { FileKind::Log };
        Some((number(entry.get(..8)?)?, (kind, number(entry.get(9..)?)?)))
    };
    entries.chunks(ENTRY_BYTES).map(entry).collect()
}

/// Empty when there is none that can be believed.
pub(crate) fn read(storage: &Arc<dyn Storage>) -> Listing {
    let Ok(file) = storage.open(LISTING_NAME) else { return Listing::new() };
    let listing = || {
        let mut bytes = vec![0; usize::try_from(file.size().ok()?).ok()?];
        let read = file.read_at(&mut bytes, 0).ok()?;
        decode(&bytes[..read])
    };
    listing().unwrap_or_else(|| {
        tracing::error!(
            file = LISTING_NAME,
            "the list of log files is damaged; missing files are not noticed this time"
        );
        Listing::new()
    })
}

/// A file of the list that is not there, or is shorter than it was.
#[derive(Debug)]
pub(crate) struct LostFile {
    pub missing: MissingBytes,
    kind: FileKind,
    /// What it held, when its index is still there.
    pub index: Option<Sidecar>,
}

impl LostFile {
    pub(crate) fn new(storage: &Arc<dyn Storage>, number: u64, kind: FileKind, size: u64, found: u64) -> Self {
        let name = file_name(number, kind);
        tracing::error!(
            file = name,
            size_bytes = size,
            found_bytes = found,
            "a log file is missing, cut short or cannot be read"
        );
        let index = || {
            let file = storage.open(&sidecar_name(number)).ok()?;
            let mut bytes = vec![0; usize::try_from(file.size().ok()?).ok()?];
            let read = file.read_at(&mut bytes, 0).ok()?;
            Sidecar::decode(&bytes[..read]).filter(|index| index.header.file == number)
        };
        Self { kind, missing: MissingBytes { file: number, size_bytes: size, found_bytes: found }, index: index() }
    }

    /// The end of what it held of a partition, as far as that is known.
    fn end_of(&self, key: (TopicId, i32)) -> i64 {
        let chunks = self.index.iter().flat_map(|index| &index.chunks);
        chunks.filter(|one| (one.topic, one.partition) == key).map(|one| one.chunk.end_offset).max().unwrap_or(0)
    }
}

impl LostFile {
    /// What a cleaned file held behind where it was cut: its covers, which come first, still stand for these offsets.
    fn cut_off(&self, key: (TopicId, i32), state: &PartitionState) -> Vec<(i64, i64)> {
        let MissingBytes { file, found_bytes, .. } = self.missing;
        if self.kind != FileKind::Cleaned {
            return Vec::new();
        }
        let end = |run: &Run| u64::from(run.position) + u64::from(run.size_bytes);
        let held = state.chunks.iter().filter(|chunk| chunk.file == file);
        if let Some(index) = &self.index {
            let ours = index.chunks.iter().filter(|one| (one.topic, one.partition) == key);
            let first_lost = |chunk: &Chunk| {
                let run = chunk.runs.iter().find(|run| end(run) > found_bytes)?;
                Some((run.base_offset, chunk.end_offset))
            };
            let covered =
                |cut: &(i64, i64)| held.clone().any(|chunk| (chunk.base_offset..chunk.end_offset).contains(&cut.0));
            return ours.filter_map(|one| first_lost(&one.chunk)).filter(covered).collect();
        }
        // Only the last stretch of the file can be cut; which that is, nothing says.
        let near_the_cut = |run: &&Run| end(run) + (PAYLOAD_BYTES_TARGET + 2 * HEADER_BYTES) as u64 >= found_bytes;
        let last =
            |chunk: &Chunk| chunk.runs.last().filter(near_the_cut).map(|run| (run.base_offset, chunk.end_offset));
        held.filter_map(last).filter(|_| found_bytes > 0).collect()
    }
}

/// Fences the offsets of a partition that nothing stands for any more, now that files are lost.
pub(crate) fn fence_gaps(lost: &[LostFile], key: (TopicId, i32), state: &mut PartitionState) -> Vec<DamagedBlock> {
    let mut gaps = Vec::new();
    let mut next = state.log_start_offset;
    for chunk in &state.chunks {
        if chunk.base_offset > next {
            gaps.push((next, chunk.base_offset));
        }
        next = next.max(chunk.end_offset);
    }
    let end = lost.iter().map(|file| file.end_of(key)).max().unwrap_or(0);
    if end > next {
        gaps.push((next, end));
        state.high_watermark = state.high_watermark.max(end);
    }
    gaps.extend(lost.iter().flat_map(|file| file.cut_off(key, state)));
    let mut fenced = Vec::new();
    for (base_offset, end_offset) in gaps {
        let holder = lost.iter().find(|file| file.end_of(key) > base_offset).or(lost.first());
        let Some(missing) = holder.map(|file| file.missing) else { continue };
        state.add_damage(
            base_offset,
            end_offset,
            format!("log file {} is missing, cut short or cannot be read", missing.file),
        );
        let offsets = Some(LostOffsets { topic: key.0, partition: key.1, base_offset, end_offset });
        let (position, size_bytes) = (missing.found_bytes, missing.size_bytes - missing.found_bytes);
        fenced.push(DamagedBlock { file: missing.file, position, size_bytes, offsets });
    }
    fenced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_and_no_flipped_bit_passes() {
        let listing = Listing::from([(3, (FileKind::Log, 500)), (9, (FileKind::Cleaned, 1 << 40))]);
        let good = encode(&listing);
        assert_eq!(decode(&good), Some(listing));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_none(), "bit {bit}");
        }
        assert!((0..good.len()).all(|len| decode(&good[..len]).is_none()));
    }
}
