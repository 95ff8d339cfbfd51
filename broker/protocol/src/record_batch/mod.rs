//! The record batch of magic 2. Source: Kafka's `DefaultRecordBatch`, KIP-98.
//!
//! ```text
//!  at  bytes  field                    who sets it
//!   0      8  base offset              the log (not in the CRC)
//!   8      4  length of what follows   the builder
//!  12      4  partition leader epoch   the log (not in the CRC)
//!  16      1  magic = 2
//!  17      4  CRC-32C of 21..end
//!  21      2  attributes: bits 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
//!  23      4  last offset delta
//!  27      8  base timestamp, ms
//!  35      8  max timestamp, ms
//!  43      8  producer id, 2 producer epoch, 4 base sequence; -1 without idempotence
//!  57      4  record count
//!  61         records: varint length, attributes, varlong timestamp delta, varint offset delta,
//!             varint key length (-1: null), key, varint value length (-1: null), value,
//!             varint header count, per header varint name length, name, varint value length (-1: null), value
//! ```
//!
//! Fixed fields are big-endian, varints are zigzag. A batch breaks by a wrong length, magic, count or CRC; each is a
//! [`BatchError`], and no count or length is believed before it was compared with the bytes that are there.

mod builder;
mod compression;
mod read;
mod retain;
#[cfg(test)]
mod tests;
mod transaction;
mod varint;

pub use builder::{EncodeError, NoHeaders, RecordBatchBuilder, RecordColumns, empty_batch, encode};
#[cfg(test)]
use compression::INFLATED_TOGETHER_BYTES;
pub use compression::{INFLATED_BYTES_MAX, compressed, inflated};
pub use read::{
    BatchError, Batches, Compression, HeaderRef, Headers, RecordBatchRef, RecordRef, Records, batches, set_base_offset,
    set_leader_epoch, with_append_time,
};
pub use retain::retain_records;
pub use transaction::{end_transaction_marker, in_transaction};

/// A batch's header, before its first record.
pub const BATCH_OVERHEAD_BYTES: usize = 61;

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const COUNT_AT: usize = 57;
/// Base offset and length: what the length field does not count.
const LOG_OVERHEAD_BYTES: usize = 12;
/// The smallest record: length, attributes, two deltas, two null lengths, header count.
const RECORD_BYTES_MIN: usize = 7;
