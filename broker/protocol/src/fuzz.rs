//! Entry points for a fuzzer: each takes any bytes and must neither panic nor allocate by a length it read; and a source
//! of inputs that are worth trying: well-formed requests ([`requests::request`]) and damaged ones ([`mutate`]).

mod random;
pub mod requests;

use crate::{batches, inflated, retain_records};
pub use random::{Random, mutate};

/// Walks everything that reads a record batch; returns the number of records seen.
pub fn record_batches(input: &[u8]) -> usize {
    let mut seen = 0;
    for batch in batches(input).flatten() {
        let _ = (batch.verify_crc(), batch.compression(), batch.ends_transaction(), batch.last_offset());
        let mut out = Vec::new();
        let _ = retain_records(&batch, &mut out, |record| record.offset % 2 == 0);
        let Ok(plain) = inflated(batch.bytes()) else { continue };
        for records in batches(&plain).flatten().filter_map(|batch| batch.records().ok()) {
            for record in records.flatten() {
                seen += 1 + record.headers.map(|header| header.key.len()).sum::<usize>().min(1);
            }
        }
    }
    seen
}
