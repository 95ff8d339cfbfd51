//! Reading batches in place.

use super::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, BASE_TIMESTAMP_AT, BATCH_OVERHEAD_BYTES, COUNT_AT, CRC_AT, LAST_OFFSET_DELTA_AT,
    LEADER_EPOCH_AT, LENGTH_AT, LOG_OVERHEAD_BYTES, MAGIC_AT, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT,
    RECORD_BYTES_MIN, varint,
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("a record batch of {needed_bytes} bytes is cut off after {available_bytes}")]
    Truncated { needed_bytes: usize, available_bytes: usize },
    #[error("a record batch claims a length of {length} bytes")]
    BadLength { length: i32 },
    #[error("record format version {magic} is not supported; only magic 2 (Kafka 0.11 and newer) is")]
    UnsupportedMagic { magic: i8 },
    #[error("the record batch's CRC-32C is {computed:08x}, but {stored:08x} is stored")]
    CrcMismatch { stored: u32, computed: u32 },
    #[error("a record batch claims {count} records and last offset delta {last_offset_delta} in {records_bytes} bytes")]
    BadCount { count: i32, last_offset_delta: i32, records_bytes: usize },
    #[error("record {index} of a batch is malformed: {what}")]
    BadRecord { index: i32, what: &'static str },
    /// A caller forgot to inflate first.
    #[error("a record batch is compressed with {0} and was not inflated before its records were read")]
    Compressed(Compression),
    #[error("a record batch cannot be decompressed with {codec}: {reason}")]
    Inflate { codec: Compression, reason: String },
    #[error("a record batch decompresses with {codec} to more than {limit_bytes} bytes; produce smaller batches")]
    TooLarge { codec: Compression, limit_bytes: usize },
    #[error("a record batch names compression codec {codec}, which does not exist")]
    UnknownCompression { codec: u8 },
}

/// Kafka's codecs, by their number in a batch's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// One whole batch, borrowed. Its header fields were compared with the bytes that are there; its CRC was not.
#[derive(Debug, Clone, Copy)]
pub struct RecordBatchRef<'a> {
    bytes: &'a [u8],
}

impl<'a> RecordBatchRef<'a> {
    /// Takes the first batch of `input`; what follows it is left alone.
    ///
    /// # Errors
    /// Every [`BatchError`] that the header alone can show.
    pub fn parse(input: &'a [u8]) -> Result<Self, BatchError> {
        let available_bytes = input.len();
        if available_bytes < BATCH_OVERHEAD_BYTES {
            return Err(BatchError::Truncated { needed_bytes: BATCH_OVERHEAD_BYTES, available_bytes });
        }
        let magic = input[MAGIC_AT] as i8;
        if magic != 2 {
            return Err(BatchError::UnsupportedMagic { magic });
        }
        let length = i32::from_be_bytes(field(input, LENGTH_AT));
        let needed_bytes = match usize::try_from(length) {
            Ok(length) if length >= BATCH_OVERHEAD_BYTES - LOG_OVERHEAD_BYTES => length + LOG_OVERHEAD_BYTES,
            _ => return Err(BatchError::BadLength { length }),
        };
        let bytes = input.get(..needed_bytes).ok_or(BatchError::Truncated { needed_bytes, available_bytes })?;
        let batch = Self { bytes };
        let (count, last_offset_delta) = (batch.count(), batch.last_offset_delta());
        let records_bytes = needed_bytes - BATCH_OVERHEAD_BYTES;
        let fits = batch.codec() != 0 || count as usize <= records_bytes / RECORD_BYTES_MIN;
        // Compaction leaves fewer records than offsets, never more.
        if count < 0 || last_offset_delta < 0 || i64::from(count) > i64::from(last_offset_delta) + 1 || !fits {
            return Err(BatchError::BadCount { count, last_offset_delta, records_bytes });
        }
        Ok(batch)
    }

    /// # Errors
    /// [`BatchError::CrcMismatch`].
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let stored = u32::from_be_bytes(field(self.bytes, CRC_AT));
        let computed = crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..]);
        if stored == computed { Ok(()) } else { Err(BatchError::CrcMismatch { stored, computed }) }
    }

    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    #[must_use]
    pub fn base_offset(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, 0))
    }

    /// The offset of the last record, also when compaction has removed it.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, LAST_OFFSET_DELTA_AT))
    }

    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, LEADER_EPOCH_AT))
    }

    /// Records in the batch.
    #[must_use]
    pub fn count(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, COUNT_AT))
    }

    #[must_use]
    pub fn base_timestamp(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, BASE_TIMESTAMP_AT))
    }

    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, MAX_TIMESTAMP_AT))
    }

    #[must_use]
    pub fn producer_id(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, PRODUCER_ID_AT))
    }

    #[must_use]
    pub fn producer_epoch(&self) -> i16 {
        i16::from_be_bytes(field(self.bytes, PRODUCER_EPOCH_AT))
    }

    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, BASE_SEQUENCE_AT))
    }

    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & super::transaction::TRANSACTIONAL != 0
    }

    /// A transaction marker: it holds no records for a consumer.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & super::transaction::CONTROL != 0
    }

    /// # Errors
    /// [`BatchError::UnknownCompression`].
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Ok(match self.codec() {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            codec => return Err(BatchError::UnknownCompression { codec }),
        })
    }

    /// The records, borrowed, also those of a control batch.
    ///
    /// # Errors
    /// [`BatchError::Compressed`], [`BatchError::UnknownCompression`].
    pub fn records(&self) -> Result<Records<'a>, BatchError> {
        match self.compression()? {
            Compression::None => {}
            codec => return Err(BatchError::Compressed(codec)),
        }
        Ok(Records {
            rest: &self.bytes[BATCH_OVERHEAD_BYTES..],
            index: 0,
            count: self.count(),
            base_offset: self.base_offset(),
            base_timestamp: self.base_timestamp(),
            append_time: (self.attributes() & 0x08 != 0).then(|| self.max_timestamp()),
        })
    }

    pub(super) fn attributes(&self) -> i16 {
        i16::from_be_bytes(field(self.bytes, ATTRIBUTES_AT))
    }

    fn codec(&self) -> u8 {
        (self.attributes() & 0x07) as u8
    }
}

/// A batch's records in order. After an error it ends.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    index: i32,
    count: i32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> Records<'a> {
    #[inline]
    fn take(&mut self) -> Result<RecordRef<'a>, &'static str> {
        let length = varint::take(&mut self.rest).ok_or("its length does not end")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        let (mut body, rest) = self.rest.split_at_checked(length).ok_or("it is longer than its batch")?;
        let raw = body;
        self.rest = rest;
        let (_attributes, after) = body.split_first().ok_or("it has no attributes")?;
        body = after;
        let timestamp_delta = varint::take(&mut body).ok_or("its timestamp does not end")?;
        let offset_delta = varint::take(&mut body).ok_or("its offset does not end")?;
        let key = take_nullable(&mut body).ok_or("its key is longer than the record")?;
        let value = take_nullable(&mut body).ok_or("its value is longer than the record")?;
        let headers = Headers::parse(&mut body).ok_or("its headers are longer than the record")?;
        if !body.is_empty() {
            return Err("bytes follow its headers");
        }
        Ok(RecordRef {
            offset: self.base_offset.wrapping_add(offset_delta),
            timestamp: self.append_time.unwrap_or_else(|| self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers,
            raw,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err(BatchError::BadRecord { index: self.count, what: "bytes follow the last record" }));
        }
        let index = self.index;
        self.index += 1;
        Some(self.take().map_err(|what| {
            (self.index, self.rest) = (self.count, &[]);
            BatchError::BadRecord { index, what }
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some((self.count - self.index) as usize + 1))
    }
}

#[derive(Debug, Clone)]
pub struct RecordRef<'a> {
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    /// `None`: a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// The record's body as it lies in the batch, without its length.
    pub(super) raw: &'a [u8],
}

/// A record's headers in order, checked when the record was.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Headers<'a> {
    #[inline]
    fn parse(body: &mut &'a [u8]) -> Option<Self> {
        let count = usize::try_from(varint::take(body)?).ok()?;
        let rest = *body;
        for _ in 0..count {
            take_nullable(body)??;
            take_nullable(body)?;
        }
        Some(Self { rest, count })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<HeaderRef<'a>> {
        self.count = self.count.checked_sub(1)?;
        let key = take_nullable(&mut self.rest)??;
        let value = take_nullable(&mut self.rest)?;
        Some(HeaderRef { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// UTF-8 by Kafka's rules; a foreign client may have broken them.
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// Walks the whole batches of `input`. After an error it ends.
#[must_use]
pub fn batches(input: &[u8]) -> Batches<'_> {
    Batches { rest: input }
}

#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<RecordBatchRef<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = RecordBatchRef::parse(self.rest);
        self.rest = batch.as_ref().map_or(&[], |batch| &self.rest[batch.size_bytes()..]);
        Some(batch)
    }
}

/// Sets the base offset of the batch that begins at `batch`. It is not part of the CRC.
///
/// # Panics
/// When `batch` is shorter than a batch's header.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    super::builder::put(batch, 0, base_offset.to_be_bytes());
}

/// Sets the leader epoch of the batch that begins at `batch`. It is not part of the CRC.
///
/// # Panics
/// When `batch` is shorter than a batch's header.
pub fn set_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    super::builder::put(batch, LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
}

/// A copy whose batches carry `now_ms` as the time of their append, with their new checksums; `None` when they are not
/// whole batches. Source: KIP-32.
#[must_use]
pub fn with_append_time(records: &[u8], now_ms: i64) -> Option<bytes::Bytes> {
    let mut stamped = records.to_vec();
    let mut at = 0;
    for batch in batches(records) {
        let (batch, end) = batch.ok().map(|batch| (batch, at + batch.size_bytes()))?;
        batch.verify_crc().ok()?;
        let copy = &mut stamped[at..end];
        super::builder::put(copy, ATTRIBUTES_AT, (batch.attributes() | 0x08).to_be_bytes());
        super::builder::put(copy, MAX_TIMESTAMP_AT, now_ms.to_be_bytes());
        let crc = crc32c::crc32c(&copy[ATTRIBUTES_AT..]);
        super::builder::put(copy, CRC_AT, crc.to_be_bytes());
        at = end;
    }
    Some(stamped.into())
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the header's length was checked when the batch was parsed")
}

/// Outer `None`: malformed. Inner `None`: null.
#[inline]
fn take_nullable<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::take(body)?;
    if length == -1 {
        return Some(None);
    }
    let (bytes, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
    *body = rest;
    Some(Some(bytes))
}
