//! Kafka's wire formats, without sockets or a clock.
//!
//! Today: the record batch of magic 2 (KIP-98), which is also what the log stores, Kafka's default partitioner, and the
//! shapes of requests, whose lengths are checked before anything is decoded.
//! [`RecordBatchBuilder`] writes batches, [`RecordBatchRef`] reads them in place.
//!
//! What it is not: it compresses only what compaction took apart, it keeps no state, and it trusts no length it reads.
//!
//! ```
//! use sluice_protocol::{RecordBatchBuilder, batches};
//!
//! let mut builder = RecordBatchBuilder::new(1 << 20);
//! builder.push(1_700_000_000_000, Some(b"key"), Some(b"value")).unwrap();
//! let bytes = builder.finish();
//! let batch = batches(&bytes).next().unwrap().unwrap();
//! batch.verify_crc().unwrap();
//! let record = batch.records().unwrap().next().unwrap().unwrap();
//! assert_eq!((record.offset, record.value), (0, Some(&b"value"[..])));
//! ```

pub mod fuzz;
mod partitioner;
mod record_batch;
mod request;

pub use partitioner::{murmur2, partition_for_key};
pub use record_batch::{
    BATCH_OVERHEAD_BYTES, BatchError, Batches, Compression, EncodeError, HeaderRef, Headers, INFLATED_BYTES_MAX,
    NoHeaders, RecordBatchBuilder, RecordBatchRef, RecordColumns, RecordRef, Records, batches, compressed, empty_batch,
    encode, end_transaction_marker, in_transaction, inflated, retain_records, set_base_offset, set_leader_epoch,
    with_append_time,
};
pub use request::{ELEMENTS_MAX, ShapeError, check_request, is_flexible};
