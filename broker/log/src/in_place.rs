//! Reading without copying: whole blocks are handed out as places in their files, for a socket to take them from there.
//!
//! A block is handed out in place when its bytes were checked by this process, as they were written or read before, and
//! are still in the page cache (`preadv2` with `RWF_NOWAIT` says so). Everything else is read and checked first: what
//! comes from the disk is never sent unseen. What this gives away: a page that goes bad in memory is seen by the reader's
//! own checksum only.

use crate::block::{Block, HEADER_BYTES};
use crate::error::LogReadError;
use crate::files::FileTable;
use crate::index::Location;
use crate::read::{self, CommittedRead, LogRead};
use crate::storage::StorageFile;
use crate::topics::Partition;
use crate::transactions::AbortedTransaction;
use bytes::Bytes;
use sluice_protocol::batches;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Below this a copy costs less than the system calls of a file's pieces.
const IN_PLACE_BYTES_MIN: usize = 16 << 10;
/// Read at once while a stretch is brought into memory.
const SWEEP_BYTES: usize = 128 << 10;
/// A stretch is at most so many times as long as the runs in it that are wanted.
const ALONG_MAX: u64 = 16;

/// Record batches, in memory or in their file.
pub enum Piece {
    Bytes(Bytes),
    File(FileRange),
}

impl Piece {
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(range) => range.size_bytes,
        }
    }

    /// What of it is held in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        if let Self::Bytes(bytes) = self { bytes.len() } else { 0 }
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if matches!(self, Self::Bytes(_)) { "memory" } else { "file" };
        write!(f, "{} bytes in {place}", self.size_bytes())
    }
}

/// Bytes of a log file. They stay readable when the file is removed.
pub struct FileRange {
    file: Arc<dyn StorageFile>,
    position: u64,
    size_bytes: usize,
}

impl FileRange {
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Sends what follows the first `done` bytes to a socket that does not block (sendfile); returns how much it took.
    ///
    /// # Errors
    /// The socket's, `WouldBlock` among them, and the file's.
    pub fn send(&self, socket: BorrowedFd<'_>, done: usize) -> io::Result<usize> {
        self.file.send(socket, self.position + done as u64, self.size_bytes - done)
    }

    /// The bytes themselves.
    ///
    /// # Errors
    /// The file's.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.size_bytes];
        let read = self.file.read_at(&mut bytes, self.position)?;
        if read < bytes.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes.into()) }
    }
}

/// What a read found, wherever its bytes are.
#[derive(Debug)]
pub struct PiecesRead {
    /// Whole record batches, one after the other.
    pub pieces: Vec<Piece>,
    pub size_bytes: usize,
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    /// Of a committed read: aborted transactions that these records may belong to.
    pub aborted: Vec<AbortedTransaction>,
}

impl PiecesRead {
    /// Nothing was read.
    #[must_use]
    pub fn empty(log_start_offset: i64, high_watermark: i64, last_stable_offset: i64) -> Self {
        let (pieces, aborted) = (Vec::new(), Vec::new());
        Self { pieces, size_bytes: 0, log_start_offset, high_watermark, last_stable_offset, aborted }
    }

    /// Of these, how many are held in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.pieces.iter().map(Piece::memory_bytes).sum()
    }
}

impl From<CommittedRead> for PiecesRead {
    fn from(CommittedRead { read, last_stable_offset, aborted }: CommittedRead) -> Self {
        let LogRead { records, high_watermark, log_start_offset } = read;
        let size_bytes = records.len();
        let pieces = if records.is_empty() { Vec::new() } else { vec![Piece::Bytes(records)] };
        Self { pieces, size_bytes, log_start_offset, high_watermark, last_stable_offset, aborted }
    }
}

/// As [`read::read`], in place: `None` when any of the conditions above does not hold for the first block, or it is not
/// wanted whole. `committed`: up to the last stable offset.
pub(crate) fn read_in_place(
    files: &FileTable,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
    committed: bool,
) -> Option<PiecesRead> {
    let (locations, mut found) = {
        let state = partition.state.read();
        let (start, end) = (state.log_start_offset, state.high_watermark);
        if !(start..end).contains(&offset) || state.damage_at(offset).is_some() {
            return None;
        }
        let stable = state.last_stable_offset();
        let mut found = PiecesRead::empty(start, end, stable);
        if committed {
            found.aborted = state.transactions.aborted_in(offset, stable);
        }
        (state.locate_checked(offset, bytes_max), found)
    };
    if is_small(&locations) {
        return None;
    }
    let end_offset = if committed { found.last_stable_offset } else { found.high_watermark };
    let mut taking = Taking { partition, from: offset, end_offset, bytes_max, next: offset, found: &mut found };
    for location in &locations {
        // A file that the cleaner removed meanwhile: the other way to read knows what to do.
        let Ok(file) = files.open(location.file) else { break };
        if !taking.take_run(location, &file) {
            break;
        }
    }
    let next = taking.next;
    found.aborted.retain(|one| one.first_offset < next);
    (found.size_bytes > 0).then_some(found)
}

/// As [`read_in_place`], waiting for the disk and checking what comes from it; what cannot be handed out in place is copied.
pub(crate) fn read_from_disk(
    files: &FileTable,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
    committed: bool,
) -> Result<PiecesRead, LogReadError> {
    check(files, partition, offset, bytes_max);
    match read_in_place(files, partition, offset, bytes_max, committed) {
        Some(read) => Ok(read),
        None => read_copied(files, partition, offset, bytes_max, committed),
    }
}

/// Reads what is wanted and was not checked yet, or is not in memory. What cannot be read stays unchecked: whoever copies
/// it says why.
fn check(files: &FileTable, partition: &Partition, offset: i64, bytes_max: usize) {
    let (locations, checked) = {
        let state = partition.state.read();
        (state.locate(offset, bytes_max).0, state.locate_checked(offset, bytes_max).len())
    };
    if is_small(&locations) {
        return;
    }
    let is_there = |(number, location): (usize, &Location)| {
        let place = u64::from(location.run.position);
        number < checked && files.open(location.file).is_ok_and(|file| file.read_resident(&mut [0], place))
    };
    let there = locations.iter().enumerate().take_while(|each| is_there(*each)).count();
    let missing = &locations[there..];
    sweep(files, missing);
    let mut scratch = Vec::new();
    let Some(mut from) = missing.first().map(|location| location.run.base_offset) else { return };
    for location in missing {
        let Ok(blocks) = read::read_run(files, partition, location, &mut scratch) else { return };
        let Some(end_offset) = blocks.last().map(|(block, _)| block.end_offset()) else { return };
        partition.state.write().mark_checked(from, end_offset);
        from = end_offset;
    }
}

/// A part of a file that holds wanted runs, and what lies between them.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    file: u64,
    from: u64,
    to: u64,
    wanted: u64,
}

/// Runs that lie so near to each other that what is between them is read along.
fn stretches(runs: &[Location]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for Location { file, run } in runs {
        let (from, size) = (u64::from(run.position), u64::from(run.size_bytes));
        let to = from + size;
        match stretches.last_mut() {
            Some(last)
                if last.file == *file
                    && from >= last.to
                    && to - last.from <= (last.wanted + size).saturating_mul(ALONG_MAX) =>
            {
                (last.to, last.wanted) = (to, last.wanted + size);
            }
            _ => stretches.push(Stretch { file: *file, from, to, wanted: size }),
        }
    }
    stretches
}

/// Brings runs into memory by reading their file from front to back: the kernel then reads ahead in large pieces, at a
/// third of what the same pages cost when it is asked for each run (ADR 0009). Neighbours' records come along; a reader of
/// one partition mostly reads the others of its topic too. What cannot be read is found out by whoever looks at it.
fn sweep(files: &FileTable, wanted: &[Location]) {
    let mut scratch = Vec::new();
    for Stretch { file, mut from, to, .. } in stretches(wanted) {
        let Ok(file) = files.open(file) else { return };
        let is_there = |at| file.read_resident(&mut [0], at);
        if is_there(from) && is_there(to - 1) {
            continue;
        }
        scratch.resize(SWEEP_BYTES, 0);
        while from < to {
            let size = SWEEP_BYTES.min((to - from) as usize);
            match file.read_at(&mut scratch[..size], from) {
                Ok(read) if read > 0 => from += read as u64,
                _ => break,
            }
        }
    }
}

fn is_small(locations: &[Location]) -> bool {
    locations.iter().map(|location| location.run.size_bytes as usize).sum::<usize>() < IN_PLACE_BYTES_MIN
}

struct Taking<'a> {
    partition: &'a Partition,
    from: i64,
    end_offset: i64,
    bytes_max: usize,
    /// One past what was taken.
    next: i64,
    found: &'a mut PiecesRead,
}

impl Taking<'_> {
    /// `false`: the next block cannot be taken in place.
    fn take_run(&mut self, location: &Location, file: &Arc<dyn StorageFile>) -> bool {
        let end = u64::from(location.run.position) + u64::from(location.run.size_bytes);
        let (mut at, mut expected) = (u64::from(location.run.position), location.run.base_offset);
        while at < end {
            let mut header = [0; HEADER_BYTES];
            if !file.read_resident(&mut header, at) {
                return false;
            }
            let Some(block) = Block::parse(&header) else { return false };
            let ours = read::is_next(&block, self.partition, expected, location.file, at);
            if !ours || (block.end_offset() > self.from && !self.take_block(&block, file, at)) {
                return false;
            }
            expected = block.end_offset();
            at += block.size_bytes() as u64;
        }
        true
    }

    fn take_block(&mut self, block: &Block, file: &Arc<dyn StorageFile>, at: u64) -> bool {
        let size_bytes = block.payload_len as usize;
        let position = at + HEADER_BYTES as u64;
        if block.end_offset() > self.end_offset || !file.read_resident(&mut [0], position + size_bytes as u64 - 1) {
            return false;
        }
        if block.base_offset < self.from {
            return self.take_end(block, file, position);
        }
        if self.found.size_bytes + size_bytes > self.bytes_max {
            return false;
        }
        let range = FileRange { file: file.clone(), position, size_bytes };
        self.found.pieces.push(Piece::File(range));
        self.found.size_bytes += size_bytes;
        self.next = block.end_offset();
        true
    }

    /// Of the block that holds the first offset wanted, what is wanted: copied, so that the next block is taken whole.
    fn take_end(&mut self, block: &Block, file: &Arc<dyn StorageFile>, position: u64) -> bool {
        let mut payload = vec![0; block.payload_len as usize];
        if !file.read_resident(&mut payload, position) {
            return false;
        }
        let payload = Bytes::from(payload);
        let before = batches(&payload).flatten().take_while(|batch| batch.last_offset() < self.from);
        let records = payload.slice(before.map(|batch| batch.size_bytes()).sum::<usize>()..);
        if records.is_empty() || records.len() > self.bytes_max {
            return false;
        }
        self.found.size_bytes += records.len();
        self.found.pieces.push(Piece::Bytes(records));
        self.next = block.end_offset();
        true
    }
}

/// By copying.
fn read_copied(
    files: &FileTable,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
    committed: bool,
) -> Result<PiecesRead, LogReadError> {
    let read = if committed {
        read::read_committed(files, partition, offset, bytes_max)?
    } else {
        let last_stable_offset = partition.state.read().last_stable_offset();
        let read = read::read(files, partition, offset, bytes_max)?;
        CommittedRead { read, last_stable_offset, aborted: Vec::new() }
    };
    Ok(read.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Run;

    #[test]
    fn what_lies_between_near_runs_is_read_along_and_what_lies_between_far_ones_is_not() {
        let at = |file, position, size_bytes| Location {
            file,
            run: Run { base_offset: 0, position, size_bytes, max_timestamp: 0 },
        };
        let found = |runs: &[Location]| -> Vec<(u64, u64, u64)> {
            stretches(runs).iter().map(|stretch| (stretch.file, stretch.from, stretch.to)).collect()
        };
        assert_eq!(found(&[at(1, 0, 10), at(1, 80, 10), at(1, 160, 10)]), [(1, 0, 170)]);
        assert_eq!(found(&[at(1, 0, 10), at(1, 310, 10)]), [(1, 0, 320)]);
        assert_eq!(found(&[at(1, 0, 10), at(1, 311, 10)]), [(1, 0, 10), (1, 311, 321)]);
        assert_eq!(found(&[at(1, 0, 10), at(2, 20, 10), at(2, 0, 10)]), [(1, 0, 10), (2, 20, 30), (2, 0, 10)]);
    }
}
