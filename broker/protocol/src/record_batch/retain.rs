//! Dropping records from a batch, as compaction does.

use super::builder::put;
use super::{ATTRIBUTES_AT, BATCH_OVERHEAD_BYTES, BatchError, COUNT_AT, CRC_AT, LENGTH_AT, LOG_OVERHEAD_BYTES};
use super::{Compression, RecordBatchRef, RecordRef, compressed, inflated, varint};

/// Appends `batch` to `out` with only the records that `keep` wants. Base offset, last offset delta, timestamps and
/// producer fields stay, so offsets and sequences keep their meaning. What was compressed is compressed again with the
/// same codec, unless all of it stays. Returns the number of records kept; nothing is written when that is 0. Source:
/// Kafka's `MemoryRecords.filterTo`.
///
/// # Errors
/// As [`inflated`] and [`RecordBatchRef::records`]; `out` is then as it was.
pub fn retain_records(
    batch: &RecordBatchRef<'_>,
    out: &mut Vec<u8>,
    keep: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<i32, BatchError> {
    let codec = batch.compression()?;
    if codec == Compression::None {
        return retain_plain(batch, out, keep);
    }
    let plain = inflated(batch.bytes())?;
    let mut kept = Vec::new();
    let count = retain_plain(&RecordBatchRef::parse(&plain)?, &mut kept, keep)?;
    if count == batch.count() {
        out.extend_from_slice(batch.bytes());
    } else {
        out.extend_from_slice(&compressed(&kept, codec)?);
    }
    Ok(count)
}

fn retain_plain(
    batch: &RecordBatchRef<'_>,
    out: &mut Vec<u8>,
    mut keep: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<i32, BatchError> {
    let records = batch.records()?;
    let start = out.len();
    out.extend_from_slice(&batch.bytes()[..BATCH_OVERHEAD_BYTES]);
    let mut count = 0i32;
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                out.truncate(start);
                return Err(error);
            }
        };
        if keep(&record) {
            let mut length = [0; varint::VARINT_BYTES_MAX];
            let end = varint::put(&mut length, 0, record.raw.len() as i64);
            out.extend_from_slice(&length[..end]);
            out.extend_from_slice(record.raw);
            count += 1;
        }
    }
    if count == 0 {
        out.truncate(start);
        return Ok(0);
    }
    let kept = &mut out[start..];
    put(kept, LENGTH_AT, ((kept.len() - LOG_OVERHEAD_BYTES) as i32).to_be_bytes());
    put(kept, COUNT_AT, count.to_be_bytes());
    let crc = crc32c::crc32c(&kept[ATTRIBUTES_AT..]);
    put(kept, CRC_AT, crc.to_be_bytes());
    Ok(count)
}
