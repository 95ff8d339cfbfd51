//! Reading a partition: the index says where, every block is checked against its identity and its checksums.

use crate::block::{Block, HEADER_BYTES, Kind};
use crate::error::LogReadError;
use crate::files::FileTable;
use crate::index::Location;
use crate::topics::Partition;
use bytes::Bytes;
use sluice_protocol::batches;

/// What a read found.
#[derive(Debug, Clone)]
pub struct LogRead {
    /// Whole record batches; the first may begin below the offset asked for.
    pub records: Bytes,
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

/// Reads from `offset` until `bytes_max` are together, at least one batch when there is one.
pub(crate) fn read(
    files: &FileTable,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
) -> Result<LogRead, LogReadError> {
    loop {
        let (locations, log_start_offset, high_watermark) = {
            let state = partition.state.read();
            let (start, end) = (state.log_start_offset, state.high_watermark);
            if !(start..=end).contains(&offset) {
                return Err(LogReadError::OutOfRange { offset, log_start_offset: start, high_watermark: end });
            }
            if let Some(damage) = state.damage_at(offset) {
                return Err(LogReadError::Corrupt { offset, reason: damage.reason.clone() });
            }
            (state.locate(offset, bytes_max), start, end)
        };
        match collect(files, partition, &locations, offset, bytes_max) {
            // The cleaner has moved the records meanwhile; the index knows where to.
            Err(LogReadError::Io(error)) if moved(&error, partition, &locations, offset) => {}
            Err(error) => return Err(error),
            Ok(records) => return Ok(LogRead { records: records.into(), high_watermark, log_start_offset }),
        }
    }
}

fn moved(error: &std::io::Error, partition: &Partition, locations: &[Location], offset: i64) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
        && partition.state.read().locate(offset, 1).first().map(|at| at.file) != locations.first().map(|at| at.file)
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
            Ok(end) => next = end,
            // What stands before the damage is good; the next read begins at it and fails.
            Err(_) if !out.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// Adds the batches of one run, from the one that holds `offset`. Returns the end offset of the last block taken.
fn take_run(
    partition: &Partition,
    location: &Location,
    mut run: &[u8],
    offset: i64,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<i64, LogReadError> {
    let mut position = u64::from(location.run.position);
    let mut expected = location.run.base_offset;
    let mut missing = location.run.size_bytes as usize;
    while missing > 0 && (out.len() < bytes_max || out.is_empty()) {
        let corrupt = |reason: &str| {
            let reason = format!("{reason} in log file {} at byte {position}", location.file);
            LogReadError::Corrupt { offset: expected.max(offset), reason }
        };
        let block = Block::parse(run).ok_or_else(|| corrupt("no block header where the index says that one is"))?;
        let ours = block.kind == Kind::Records
            && (block.topic, block.partition) == (partition.topic, partition.index)
            && block.base_offset == expected
            && block.lies_at(location.file, position);
        if !ours {
            return Err(corrupt("a block of another place"));
        }
        let payload = run.get(HEADER_BYTES..block.size_bytes()).ok_or_else(|| corrupt("a block cut short"))?;
        if block.end_offset() > offset {
            if !block.payload_is_whole(payload) {
                return Err(corrupt("a block whose checksum does not match"));
            }
            take_batches(&payload[..block.payload_len as usize], offset, bytes_max, out);
        }
        expected = block.end_offset();
        position += block.size_bytes() as u64;
        missing -= block.size_bytes();
        run = &run[block.size_bytes()..];
    }
    Ok(expected)
}

fn take_batches(payload: &[u8], offset: i64, bytes_max: usize, out: &mut Vec<u8>) {
    // The checksum held, so these are the batches that were checked when they came in.
    for batch in batches(payload).flatten().filter(|batch| batch.last_offset() >= offset) {
        if !out.is_empty() && out.len() + batch.size_bytes() > bytes_max {
            return;
        }
        out.extend_from_slice(batch.bytes());
    }
}
