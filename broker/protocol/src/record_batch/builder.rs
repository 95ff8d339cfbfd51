//! Writing batches: row by row into one buffer, cut at a size limit.

use super::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, BATCH_OVERHEAD_BYTES, COUNT_AT, CRC_AT, LAST_OFFSET_DELTA_AT,
    LENGTH_AT, LOG_OVERHEAD_BYTES, MAGIC_AT, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, varint,
};
use bytes::Bytes;

/// Rows to encode, column by column. Each accessor is called once or twice per row, in row order.
pub trait RecordColumns {
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn key(&self, row: usize) -> Option<&[u8]>;
    fn value(&self, row: usize) -> Option<&[u8]>;
    /// Milliseconds since the epoch.
    fn timestamp(&self, row: usize) -> i64;
    /// Ordered; names may repeat. [`NoHeaders`] where there are none.
    fn headers(&self, row: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> + Clone;
}

/// For rows without headers.
pub type NoHeaders = std::iter::Empty<(&'static str, Option<&'static [u8]>)>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("a record takes a batch of {size_bytes} bytes, above the limit of {limit_bytes}")]
    RecordTooLarge { size_bytes: usize, limit_bytes: usize },
}

/// Encodes `rows`, all of them for one partition, into whole batches of at most `batch_bytes_max` each.
///
/// # Errors
/// [`EncodeError::RecordTooLarge`] with the number of the row that does not fit a batch of its own.
pub fn encode(rows: &impl RecordColumns, batch_bytes_max: usize) -> Result<Bytes, (usize, EncodeError)> {
    let mut builder = RecordBatchBuilder::new(batch_bytes_max);
    for row in 0..rows.len() {
        builder
            .push_with_headers(rows.timestamp(row), rows.key(row), rows.value(row), rows.headers(row))
            .map_err(|error| (row, error))?;
    }
    Ok(builder.finish())
}

/// A batch without records that stands for the offsets from `base_offset` to below `end_offset` (as many as one batch
/// can), as Kafka's compaction leaves them: a reader gets past offsets that hold nothing.
#[must_use]
pub fn empty_batch(base_offset: i64, end_offset: i64) -> Bytes {
    let mut batch = vec![0; BATCH_OVERHEAD_BYTES];
    fill_header(&mut batch, 0, i32::try_from(end_offset - base_offset - 1).unwrap_or(i32::MAX), -1, -1);
    super::set_base_offset(&mut batch, base_offset);
    batch.into()
}

/// Builds one or more batches, base offset 0 in each, no compression, producer id -1.
#[derive(Debug)]
pub struct RecordBatchBuilder {
    out: Vec<u8>,
    batch_bytes_max: usize,
    /// Where the open batch begins in `out`.
    batch_at: usize,
    /// Records in the open batch; 0: none is open.
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl RecordBatchBuilder {
    /// `batch_bytes_max`: the topic's `max.message.bytes`.
    #[must_use]
    pub fn new(batch_bytes_max: usize) -> Self {
        let batch_bytes_max = batch_bytes_max.min(i32::MAX as usize);
        Self { out: Vec::new(), batch_bytes_max, batch_at: 0, count: 0, base_timestamp: 0, max_timestamp: 0 }
    }

    /// Makes room once for `additional` bytes.
    pub fn reserve(&mut self, additional: usize) {
        self.out.reserve(additional);
    }

    /// Bytes so far.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.out.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Adds a record without headers.
    ///
    /// # Errors
    /// [`EncodeError::RecordTooLarge`]; the builder is as it was before.
    #[inline]
    pub fn push(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), EncodeError> {
        self.push_with_headers(timestamp, key, value, NoHeaders::default())
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`EncodeError::RecordTooLarge`]; the builder is as it was before.
    #[inline]
    pub fn push_with_headers<'h>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
    ) -> Result<(), EncodeError> {
        let payload = nullable_len(key) + nullable_len(value);
        let (header_count, header_bytes) = headers.clone().fold((0i64, 0), |(count, bytes), (name, value)| {
            (count + 1, bytes + nullable_len(Some(name.as_bytes())) + nullable_len(value))
        });
        let tail = payload + varint::len(header_count) + header_bytes;
        let mut body = self.body_len(timestamp, tail);
        let room_bytes = self.batch_bytes_max.saturating_sub(self.out.len() - self.batch_at);
        if self.count > 0 && (varint::len(body as i64) + body > room_bytes || self.count == i32::MAX) {
            self.finish_batch();
            body = self.body_len(timestamp, tail);
        }
        if self.count == 0 {
            let size_bytes = BATCH_OVERHEAD_BYTES + varint::len(body as i64) + body;
            if size_bytes > self.batch_bytes_max {
                return Err(EncodeError::RecordTooLarge { size_bytes, limit_bytes: self.batch_bytes_max });
            }
            self.begin_batch(timestamp);
        }
        self.write_record(timestamp, key, value, body);
        if header_count == 0 {
            self.out.push(0);
        } else {
            self.write_headers(header_count, headers);
        }
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// The finished batches; the builder is empty again.
    #[must_use]
    pub fn finish(&mut self) -> Bytes {
        if self.count > 0 {
            self.finish_batch();
        }
        self.batch_at = 0;
        Bytes::from(std::mem::take(&mut self.out))
    }

    fn delta(&self, timestamp: i64) -> i64 {
        if self.count == 0 { 0 } else { timestamp.wrapping_sub(self.base_timestamp) }
    }

    /// Bytes of the record as the next one of the open batch, behind its length.
    #[inline]
    fn body_len(&self, timestamp: i64, tail: usize) -> usize {
        1 + varint::len(self.delta(timestamp)) + varint::len(i64::from(self.count)) + tail
    }

    fn begin_batch(&mut self, timestamp: i64) {
        self.batch_at = self.out.len();
        self.out.resize(self.batch_at + BATCH_OVERHEAD_BYTES, 0);
        self.base_timestamp = timestamp;
        self.max_timestamp = timestamp;
    }

    #[inline]
    fn write_record(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, body: usize) {
        let mut fixed = [0u8; 4 * varint::VARINT_BYTES_MAX + 1];
        let mut at = varint::put(&mut fixed, 0, body as i64);
        // The record's attributes: none are defined.
        fixed[at] = 0;
        at = varint::put(&mut fixed, at + 1, self.delta(timestamp));
        at = varint::put(&mut fixed, at, i64::from(self.count));
        at = varint::put(&mut fixed, at, key.map_or(-1, |key| key.len() as i64));
        self.out.reserve(body + varint::VARINT_BYTES_MAX);
        if let Some(key) = key {
            self.out.extend_from_slice(&fixed[..at]);
            self.out.extend_from_slice(key);
            at = 0;
        }
        at = varint::put(&mut fixed, at, value.map_or(-1, |value| value.len() as i64));
        self.out.extend_from_slice(&fixed[..at]);
        if let Some(value) = value {
            self.out.extend_from_slice(value);
        }
    }

    fn write_headers<'h>(&mut self, count: i64, headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>) {
        self.write_varint(count);
        for (name, value) in headers {
            self.write_varint(name.len() as i64);
            self.out.extend_from_slice(name.as_bytes());
            self.write_varint(value.map_or(-1, |value| value.len() as i64));
            self.out.extend_from_slice(value.unwrap_or_default());
        }
    }

    fn write_varint(&mut self, value: i64) {
        let mut bytes = [0u8; varint::VARINT_BYTES_MAX];
        let end = varint::put(&mut bytes, 0, value);
        self.out.extend_from_slice(&bytes[..end]);
    }

    fn finish_batch(&mut self) {
        let batch = &mut self.out[self.batch_at..];
        fill_header(batch, self.count, self.count - 1, self.base_timestamp, self.max_timestamp);
        self.count = 0;
    }
}

/// Everything but the base offset, and the CRC over the records that stand behind it already.
fn fill_header(batch: &mut [u8], count: i32, last_offset_delta: i32, base_timestamp: i64, max_timestamp: i64) {
    let length = (batch.len() - LOG_OVERHEAD_BYTES) as i32;
    put(batch, LENGTH_AT, length.to_be_bytes());
    put(batch, super::LEADER_EPOCH_AT, (-1i32).to_be_bytes());
    batch[MAGIC_AT] = 2;
    put(batch, LAST_OFFSET_DELTA_AT, last_offset_delta.to_be_bytes());
    put(batch, BASE_TIMESTAMP_AT, base_timestamp.to_be_bytes());
    put(batch, MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
    put(batch, PRODUCER_ID_AT, (-1i64).to_be_bytes());
    put(batch, PRODUCER_EPOCH_AT, (-1i16).to_be_bytes());
    put(batch, BASE_SEQUENCE_AT, (-1i32).to_be_bytes());
    put(batch, COUNT_AT, count.to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    put(batch, CRC_AT, crc.to_be_bytes());
}

#[inline]
fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::len(bytes.len() as i64) + bytes.len())
}

pub(super) fn put<const N: usize>(batch: &mut [u8], at: usize, bytes: [u8; N]) {
    batch[at..at + N].copy_from_slice(&bytes);
}
