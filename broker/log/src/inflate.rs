//! Looking into compressed batches, one at a time: what a batch inflates to (up to `INFLATED_BYTES_MAX`) is memory that
//! nobody was charged for, so it is never there twice.

use parking_lot::Mutex;
use sluice_protocol::{BatchError, Compression, RecordBatchRef, RecordRef, Records, inflated, retain_records};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Calls `look` with the records of a batch, compressed or not.
///
/// # Errors
/// As `inflated` and `RecordBatchRef::records`, and what `look` answers.
pub(crate) fn with_records<T>(
    batch: &RecordBatchRef<'_>,
    look: impl FnOnce(Records<'_>) -> Result<T, BatchError>,
) -> Result<T, BatchError> {
    if batch.compression()? == Compression::None {
        return look(batch.records()?);
    }
    let _one = ONE_AT_A_TIME.lock();
    let plain = inflated(batch.bytes())?;
    look(RecordBatchRef::parse(&plain)?.records()?)
}

/// As `retain_records`.
///
/// # Errors
/// As `retain_records`.
pub(crate) fn retain(
    batch: &RecordBatchRef<'_>,
    out: &mut Vec<u8>,
    keep: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<i32, BatchError> {
    let is_plain = batch.compression()? == Compression::None;
    let _one = (!is_plain).then(|| ONE_AT_A_TIME.lock());
    retain_records(batch, out, keep)
}
