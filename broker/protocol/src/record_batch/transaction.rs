//! Transactional batches and the markers that end transactions. Source: KIP-98, Kafka's `ControlRecordType` and
//! `EndTransactionMarker`.
//!
//! ```text
//! marker key    i16 version 0 | i16 type: 0 abort, 1 commit
//! marker value  i16 version 0 | i32 coordinator epoch
//! ```

use super::builder::put;
use super::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, CRC_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, RecordBatchBuilder, RecordBatchRef,
    batches,
};
use bytes::Bytes;

pub(super) const TRANSACTIONAL: i16 = 0x10;
pub(super) const CONTROL: i16 = 0x20;
/// A marker is far below this.
const MARKER_BYTES_MAX: usize = 1 << 10;

/// The same batches as part of a producer's transaction, without sequences, as a coordinator writes them.
#[must_use]
pub fn in_transaction(records: &[u8], producer_id: i64, producer_epoch: i16) -> Bytes {
    with_producer(records, producer_id, producer_epoch, TRANSACTIONAL)
}

/// The batch that ends a producer's transaction in one partition.
#[must_use]
pub fn end_transaction_marker(timestamp_ms: i64, producer_id: i64, producer_epoch: i16, commit: bool) -> Bytes {
    let kind = i16::from(commit);
    let key = [0i16.to_be_bytes(), kind.to_be_bytes()].concat();
    // Version 0, and a coordinator epoch that never changes: there is one coordinator.
    let value = [0; 6];
    let mut builder = RecordBatchBuilder::new(MARKER_BYTES_MAX);
    builder.push(timestamp_ms, Some(&key), Some(&value)).expect("ten bytes fit");
    with_producer(&builder.finish(), producer_id, producer_epoch, TRANSACTIONAL | CONTROL)
}

impl RecordBatchRef<'_> {
    /// Whether this marker commits or aborts its transaction; `None`: it is no such marker.
    #[must_use]
    pub fn ends_transaction(&self) -> Option<bool> {
        if !self.is_control() {
            return None;
        }
        let key = self.records().ok()?.next()?.ok()?.key?;
        match key.get(2..4)? {
            [0, 0] => Some(false),
            [0, 1] => Some(true),
            _ => None,
        }
    }
}

fn with_producer(records: &[u8], producer_id: i64, producer_epoch: i16, attributes: i16) -> Bytes {
    let mut out = Vec::with_capacity(records.len());
    for batch in batches(records).flatten() {
        let at = out.len();
        out.extend_from_slice(batch.bytes());
        let copy = &mut out[at..];
        put(copy, ATTRIBUTES_AT, (batch.attributes() | attributes).to_be_bytes());
        put(copy, PRODUCER_ID_AT, producer_id.to_be_bytes());
        put(copy, PRODUCER_EPOCH_AT, producer_epoch.to_be_bytes());
        put(copy, BASE_SEQUENCE_AT, (-1i32).to_be_bytes());
        let crc = crc32c::crc32c(&copy[ATTRIBUTES_AT..]);
        put(copy, CRC_AT, crc.to_be_bytes());
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_says_whose_transaction_it_ends_and_how() {
        for commit in [true, false] {
            let bytes = end_transaction_marker(5, 7, 3, commit);
            let batch = RecordBatchRef::parse(&bytes).expect("whole");
            batch.verify_crc().expect("its checksum holds");
            assert!(batch.is_control() && batch.is_transactional());
            assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (7, 3, -1));
            assert_eq!(batch.ends_transaction(), Some(commit));
        }
    }

    #[test]
    fn batches_that_join_a_transaction_keep_their_records() {
        let mut builder = RecordBatchBuilder::new(110);
        for _ in 0..3 {
            builder.push(1, Some(b"key"), Some(&[0; 30])).expect("it fits");
        }
        let plain = builder.finish();
        let joined = in_transaction(&plain, 7, 3);
        assert_eq!(joined.len(), plain.len());
        for batch in batches(&joined).map(|batch| batch.expect("whole")) {
            batch.verify_crc().expect("its checksum holds");
            assert!(batch.is_transactional() && !batch.is_control());
            assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.ends_transaction()), (7, 3, None));
            assert_eq!(batch.records().expect("plain").count(), 1);
        }
    }
}
