//! Entry points for a fuzzer: each takes any bytes and must neither panic nor allocate by a length it read.

use crate::{batches, retain_records};

/// Walks everything that reads a record batch; returns the number of records seen.
pub fn record_batches(input: &[u8]) -> usize {
    let mut seen = 0;
    for batch in batches(input).flatten() {
        let _ = (batch.verify_crc(), batch.compression(), batch.is_control(), batch.last_offset());
        let Ok(records) = batch.records() else { continue };
        for record in records.flatten() {
            seen += 1 + record.headers.map(|header| header.key.len()).sum::<usize>().min(1);
        }
        let mut out = Vec::new();
        let _ = retain_records(&batch, &mut out, |record| record.offset % 2 == 0);
    }
    seen
}
