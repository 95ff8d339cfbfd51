//! Reading a partition: the index says where, every block is checked against its identity and its checksums.

use crate::block::{Block, HEADER_BYTES, Kind};
use crate::error::LogReadError;
use crate::files::FileTable;
use crate::index::Location;
use crate::topics::Partition;
use crate::transactions::AbortedTransaction;
use bytes::Bytes;
use sluice_protocol::{batches, empty_batch};

/// What a read found.
#[derive(Debug, Clone)]
pub struct LogRead {
    /// Whole record batches; the first may begin below the offset asked for.
    pub records: Bytes,
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

/// What a read found of decided records.
#[derive(Debug, Clone)]
pub struct CommittedRead {
    /// Only batches below the last stable offset, those of aborted transactions and markers among them.
    pub read: LogRead,
    pub last_stable_offset: i64,
    /// Aborted transactions that these records may belong to, in the order of their markers.
    pub aborted: Vec<AbortedTransaction>,
}

/// As [`read`], up to the last stable offset. Source: Kafka's `UnifiedLog.read` with `FetchIsolation.TXN_COMMITTED`.
pub(crate) fn read_committed(
    files: &FileTable,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
) -> Result<CommittedRead, LogReadError> {
    // Before reading: all below is decided now, and compaction may forget what was aborted as soon as it is gone.
    let (last_stable_offset, mut aborted, log_start_offset, high_watermark) = {
        let state = partition.state.read();
        let stable = state.last_stable_offset();
        (stable, state.transactions.aborted_in(offset, stable), state.log_start_offset, state.high_watermark)
    };
    if (last_stable_offset..=high_watermark).contains(&offset) {
        let read = LogRead { records: Bytes::new(), high_watermark, log_start_offset };
        return Ok(CommittedRead { read, last_stable_offset, aborted: Vec::new() });
    }
    let mut read = read(files, partition, offset, bytes_max)?;
    let stable_bytes = |records: &Bytes| {
        let stable = batches(records).flatten().take_while(|batch| batch.base_offset() < last_stable_offset);
        stable.fold((0, offset), |(bytes, _), batch| (bytes + batch.size_bytes(), batch.last_offset() + 1))
    };
    let (bytes, end_offset) = stable_bytes(&read.records);
    read.records.truncate(bytes);
    if bytes == 0 {
        // Compaction has taken everything between here and the open transaction.
        read.records = empty_batch(offset, last_stable_offset);
    }
    aborted.retain(|one| one.first_offset < end_offset);
    Ok(CommittedRead { read, last_stable_offset, aborted })
}

/// Reads from `offset` until `bytes_max` are together, at least one batch when there is one.
pub(crate) fn read(
    files: &FileTable,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
) -> Result<LogRead, LogReadError> {
    let mut from = offset;
    loop {
        let (locations, covered_to, log_start_offset, high_watermark) = {
            let state = partition.state.read();
            let (start, end) = (state.log_start_offset, state.high_watermark);
            if !(start..=end).contains(&offset) {
                return Err(LogReadError::OutOfRange { offset, log_start_offset: start, high_watermark: end });
            }
            if let Some(damage) = state.damage_at(offset) {
                return Err(LogReadError::Corrupt { offset, reason: damage.reason.clone() });
            }
            let (locations, covered_to) = state.locate(from, bytes_max);
            (locations, covered_to, start, end)
        };
        match collect(files, partition, &locations, offset, bytes_max) {
            // The cleaner has moved the records meanwhile; the index knows where to.
            Err(LogReadError::Io(error)) if moved(&error, partition, &locations, from) => {}
            Err(error) => return Err(error),
            // Compaction has taken everything here: go on behind it.
            Ok(records) if records.is_empty() && covered_to.is_some_and(|to| to > from) => {
                from = covered_to.unwrap_or(from);
            }
            Ok(records) => {
                let records = if records.is_empty() && offset < high_watermark {
                    // Offsets without records, up to the end: an empty batch lets the reader get past them.
                    empty_batch(offset, high_watermark)
                } else {
                    records.into()
                };
                return Ok(LogRead { records, high_watermark, log_start_offset });
            }
        }
    }
}

fn moved(error: &std::io::Error, partition: &Partition, locations: &[Location], offset: i64) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
        && partition.state.read().locate(offset, 1).0.first().map(|at| at.file) != locations.first().map(|at| at.file)
}

fn collect(
    files: &FileTable,
    partition: &Partition,
    locations: &[Location],
    offset: i64,
    bytes_max: usize,
) -> Result<Vec<u8>, LogReadError> {
    let mut out = Vec::new();
    let mut scratch = Vec::new();
    // The end of what was delivered: damage that begins there ends the answer, not before.
    let mut next = offset;
    for location in locations {
        if out.len() >= bytes_max {
            break;
        }
        if partition.state.read().damage_at(next).is_some() && !out.is_empty() {
            break;
        }
        let file = files.open(location.file)?;
        scratch.resize(location.run.size_bytes as usize, 0);
        let read = file.read_at(&mut scratch, u64::from(location.run.position))?;
        scratch.truncate(read);
        match take_run(partition, location, &scratch, offset, bytes_max, &mut out) {
            Ok(Some(end)) => next = end,
            Ok(None) => break,
            // What stands before the damage is good; the next read begins at it and fails.
            Err(_) if !out.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// Adds the batches of one run, from the one that holds `offset`. Returns the end offset of the last block taken;
/// `None`: the answer is full.
fn take_run(
    partition: &Partition,
    location: &Location,
    run: &[u8],
    offset: i64,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<Option<i64>, LogReadError> {
    let mut blocks = RunBlocks { partition, location, run, done: 0, expected: location.run.base_offset };
    while out.len() < bytes_max || out.is_empty() {
        let Some((block, payload)) = blocks.next_block(offset)? else { break };
        let payload = &payload[..block.payload_len as usize];
        if block.end_offset() > offset && !take_batches(payload, offset, bytes_max, out) {
            return Ok(None);
        }
    }
    Ok(Some(blocks.expected))
}

/// All blocks of a run with their payloads, checked.
pub(crate) fn read_run<'s>(
    files: &FileTable,
    partition: &'s Partition,
    location: &'s Location,
    scratch: &'s mut Vec<u8>,
) -> Result<Vec<(Block, &'s [u8])>, LogReadError> {
    scratch.resize(location.run.size_bytes as usize, 0);
    let read = files.open(location.file)?.read_at(scratch, u64::from(location.run.position))?;
    let base_offset = location.run.base_offset;
    let run: &'s [u8] = &scratch[..read];
    let mut blocks = RunBlocks { partition, location, run, done: 0, expected: base_offset };
    let mut found = Vec::new();
    while let Some((block, payload)) = blocks.next_block(base_offset)? {
        found.push((block, &payload[..block.payload_len as usize]));
    }
    Ok(found)
}

/// The blocks of a run, one after the other.
struct RunBlocks<'a> {
    partition: &'a Partition,
    location: &'a Location,
    run: &'a [u8],
    /// Bytes of the run behind us.
    done: usize,
    /// The base offset that the next block must have.
    expected: i64,
}

impl<'a> RunBlocks<'a> {
    /// The next block with its padded payload. The payload's checksum is computed when it reaches past `offset`.
    fn next_block(&mut self, offset: i64) -> Result<Option<(Block, &'a [u8])>, LogReadError> {
        if self.done >= self.location.run.size_bytes as usize {
            return Ok(None);
        }
        let position = u64::from(self.location.run.position) + self.done as u64;
        let corrupt = |reason: &str| {
            let reason = format!("{reason} in log file {} at byte {position}", self.location.file);
            LogReadError::Corrupt { offset: self.expected.max(offset), reason }
        };
        let rest = self.run.get(self.done..).unwrap_or_default();
        let block = Block::parse(rest).ok_or_else(|| corrupt("no block header where the index says that one is"))?;
        if !is_next(&block, self.partition, self.expected, self.location.file, position) {
            return Err(corrupt("a block of another place"));
        }
        let payload = rest.get(HEADER_BYTES..block.size_bytes()).ok_or_else(|| corrupt("a block cut short"))?;
        if block.end_offset() > offset && !block.payload_is_whole(payload) {
            return Err(corrupt("a block whose checksum does not match"));
        }
        self.expected = block.end_offset();
        self.done += block.size_bytes();
        Ok(Some((block, payload)))
    }
}

/// Whether a block holds the partition's records from offset `expected` on, and belongs where it was found.
pub(crate) fn is_next(block: &Block, partition: &Partition, expected: i64, file: u64, position: u64) -> bool {
    block.kind == Kind::Records
        && (block.topic, block.partition) == (partition.topic, partition.index)
        && block.base_offset == expected
        && block.lies_at(file, position)
}

/// `false`: the next batch does not fit any more, so nothing behind it may be taken either.
fn take_batches(payload: &[u8], offset: i64, bytes_max: usize, out: &mut Vec<u8>) -> bool {
    // The checksum held, so these are the batches that were checked when they came in.
    for batch in batches(payload).flatten().filter(|batch| batch.last_offset() >= offset) {
        if !out.is_empty() && out.len() + batch.size_bytes() > bytes_max {
            return false;
        }
        out.extend_from_slice(batch.bytes());
    }
    true
}
