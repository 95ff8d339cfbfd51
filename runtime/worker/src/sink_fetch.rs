//! Sink side: Kafka record batches → columns of bytes.

use arrow_array::{BinaryArray, Int64Array, ListArray};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use sluice_data::headers::{Header, HeadersBuilder};
use sluice_protocol::{BatchError, RecordRef, batches, inflated};

/// Records of one partition, as they lie in the log.
pub(crate) struct FetchedRows {
    pub offsets: Int64Array,
    /// Milliseconds since the epoch.
    pub timestamps: Int64Array,
    pub keys: BinaryArray,
    pub values: BinaryArray,
    /// `None`: no record has any.
    pub headers: Option<ListArray>,
    /// The offset behind the last one covered, also where compaction or a marker left no record.
    pub next_offset: i64,
}

/// Reads the records at offsets `first..=last` out of whole batches.
///
/// # Errors
/// The bytes are no record batches, or do not decompress.
pub(crate) fn decode(bytes: &[u8], first: i64, last: i64) -> Result<FetchedRows, BatchError> {
    let mut rows = Rows { next_offset: first, ..Rows::default() };
    let bytes = inflated(bytes)?;
    rows.values.data.reserve(bytes.len());
    for batch in batches(&bytes) {
        let batch = batch?;
        if batch.base_offset() > last {
            // What is left of the range holds nothing: transactions' markers, or what compaction removed.
            rows.next_offset = last.saturating_add(1);
            break;
        }
        rows.next_offset = rows.next_offset.max(batch.last_offset().min(last).saturating_add(1));
        if batch.is_control() {
            continue;
        }
        for record in batch.records()? {
            let record = record?;
            if (first..=last).contains(&record.offset) {
                rows.push(&record);
            }
        }
    }
    Ok(rows.finish())
}

#[derive(Default)]
struct Rows {
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: BytesColumn,
    values: BytesColumn,
    headers: Option<HeadersBuilder>,
    next_offset: i64,
}

impl Rows {
    #[inline]
    fn push(&mut self, record: &RecordRef<'_>) {
        if self.headers.is_none() && record.headers.len() > 0 {
            let mut headers = HeadersBuilder::default();
            self.offsets.iter().for_each(|_| headers.end_row());
            self.headers = Some(headers);
        }
        if let Some(headers) = &mut self.headers {
            for header in record.headers.clone() {
                let name = String::from_utf8_lossy(header.key);
                headers.push(Header { name: &name, value: header.value, schema: None });
            }
            headers.end_row();
        }
        self.offsets.push(record.offset);
        self.timestamps.push(record.timestamp);
        self.keys.push(record.key);
        self.values.push(record.value);
    }

    fn finish(self) -> FetchedRows {
        FetchedRows {
            offsets: self.offsets.into(),
            timestamps: self.timestamps.into(),
            keys: self.keys.finish(),
            values: self.values.finish(),
            headers: self.headers.map(HeadersBuilder::finish),
            next_offset: self.next_offset,
        }
    }
}

/// A `BinaryArray` in the making, without a branch per null bit.
struct BytesColumn {
    ends: Vec<i32>,
    data: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl Default for BytesColumn {
    fn default() -> Self {
        Self { ends: vec![0], data: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }
}

impl BytesColumn {
    #[inline]
    fn push(&mut self, bytes: Option<&[u8]>) {
        if let Some(bytes) = bytes {
            self.data.extend_from_slice(bytes);
        }
        self.nulls.append(bytes.is_some());
        // A fetch is far below 2 GiB: the log's limit for one batch is below it too.
        self.ends.push(self.data.len() as i32);
    }

    fn finish(mut self) -> BinaryArray {
        let nulls: Option<NullBuffer> = self.nulls.finish();
        let ends = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        BinaryArray::new(ends, Buffer::from_vec(self.data), nulls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use sluice_data::headers::row_headers;
    use sluice_protocol::{RecordBatchBuilder, set_base_offset};

    #[test]
    fn a_range_that_ends_in_offsets_without_records_is_covered_by_the_batch_behind_it() {
        let mut builder = RecordBatchBuilder::new(1 << 20);
        builder.push(10, None, Some(b"one")).unwrap();
        let mut bytes = builder.finish().to_vec();
        set_base_offset(&mut bytes, 7);
        let rows = decode(&bytes, 5, 6).unwrap();
        assert_eq!((rows.offsets.len(), rows.next_offset), (0, 7));
    }

    #[test]
    fn records_outside_the_range_are_left_out_and_nulls_are_kept() {
        let mut builder = RecordBatchBuilder::new(1 << 20);
        builder.push(10, Some(b"a"), Some(b"one")).unwrap();
        builder.push(11, None, None).unwrap();
        builder.push_with_headers(12, Some(b"c"), Some(b""), [("h", None::<&[u8]>)].into_iter()).unwrap();
        builder.push(13, None, Some(b"four")).unwrap();
        let rows = decode(&builder.finish(), 1, 2).unwrap();
        assert_eq!(rows.offsets.values(), &[1, 2]);
        assert_eq!(rows.timestamps.values(), &[11, 12]);
        assert_eq!(rows.keys.iter().collect::<Vec<_>>(), [None, Some(&b"c"[..])]);
        assert_eq!(rows.values.iter().collect::<Vec<_>>(), [None, Some(&b""[..])]);
        assert_eq!(rows.next_offset, 3);
        let headers = rows.headers.unwrap();
        assert_eq!((headers.len(), row_headers(&headers, 0).count(), row_headers(&headers, 1).count()), (2, 0, 1));
    }
}
