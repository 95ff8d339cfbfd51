//! [`ConnectBatch`]: rows of one topic and one schema, as Arrow columns.
//!
//! | column | type | null means | when absent |
//! | --- | --- | --- | --- |
//! | `key` | any, by Connect schema | no key | never absent (type Null: no key, no schema) |
//! | `value` | any, by Connect schema | null value, see `tombstone` | never absent |
//! | `timestamp` | Int64, ms since the epoch | not set | never absent |
//! | `row_id` | Int64 | – | never absent: the log offset, or the row's number within its poll |
//! | `headers` | see [`crate::headers`] | – | no row has headers |
//! | `partition` | Int32 | the partitioner chooses | the partitioner chooses for all |
//! | `offset` | Int64 | – | not read from the log |
//! | `tombstone` | Boolean | – | a null value is a tombstone only when it has no schema: type Null, schemaless JSON, or `connect.required` |
//!
//! Invariants: columns have one length; `row_id` and `timestamp` keep their type; rows keep their order and their
//! `row_id` through slice, filter and transformation.

use crate::headers::headers_type;
use crate::schema::{holds_tombstones, is_schemaless};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, Int64Array, ListArray, NullArray, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use std::sync::Arc;

pub const KEY: &str = "key";
pub const VALUE: &str = "value";
pub const TIMESTAMP: &str = "timestamp";
pub const ROW_ID: &str = "row_id";
pub const HEADERS: &str = "headers";
pub const PARTITION: &str = "partition";
pub const OFFSET: &str = "offset";
pub const TOMBSTONE: &str = "tombstone";

/// Rows of one topic and one schema. Cloning copies no data.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectBatch {
    topic: Arc<str>,
    records: RecordBatch,
}

#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("column {column:?} is missing")]
    MissingColumn { column: &'static str },
    #[error("column {column:?} must be {expected}, not {found}")]
    WrongType { column: String, expected: DataType, found: DataType },
    #[error("column {column:?} is not one that a batch has")]
    UnknownColumn { column: String },
    #[error("the columns do not make a batch")]
    Arrow(#[from] arrow_schema::ArrowError),
}

impl ConnectBatch {
    /// A batch of `values`; `field` carries their Connect schema (its name is replaced by `value`).
    pub fn builder(topic: impl Into<Arc<str>>, field: &Field, values: ArrayRef) -> ConnectBatchBuilder {
        ConnectBatchBuilder::new(topic.into(), field, values)
    }

    /// Takes a `RecordBatch` that already has the columns of the table above, in any order.
    ///
    /// # Errors
    /// [`BatchError::MissingColumn`], [`BatchError::WrongType`], [`BatchError::UnknownColumn`].
    pub fn try_new(topic: impl Into<Arc<str>>, records: RecordBatch) -> Result<Self, BatchError> {
        for field in records.schema_ref().fields() {
            let expected = match field.name().as_str() {
                KEY | VALUE => continue,
                TIMESTAMP | ROW_ID | OFFSET => DataType::Int64,
                PARTITION => DataType::Int32,
                TOMBSTONE => DataType::Boolean,
                HEADERS => headers_type(),
                _ => return Err(BatchError::UnknownColumn { column: field.name().clone() }),
            };
            if field.data_type() != &expected {
                let (column, found) = (field.name().clone(), field.data_type().clone());
                return Err(BatchError::WrongType { column, expected, found });
            }
        }
        for column in [KEY, VALUE, TIMESTAMP, ROW_ID] {
            if records.schema_ref().column_with_name(column).is_none() {
                return Err(BatchError::MissingColumn { column });
            }
        }
        Ok(Self { topic: topic.into(), records })
    }

    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    #[must_use]
    pub fn with_topic(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.topic = topic.into();
        self
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.records.num_rows()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the rows of this batch occupy (a slice counts its own rows, not the buffers it shares).
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.records
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()))
            .sum()
    }

    #[must_use]
    pub fn records(&self) -> &RecordBatch {
        &self.records
    }

    #[must_use]
    pub fn key(&self) -> &ArrayRef {
        self.required(KEY).1
    }

    #[must_use]
    pub fn key_field(&self) -> &FieldRef {
        self.required(KEY).0
    }

    #[must_use]
    pub fn value(&self) -> &ArrayRef {
        self.required(VALUE).1
    }

    #[must_use]
    pub fn value_field(&self) -> &FieldRef {
        self.required(VALUE).0
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn timestamps(&self) -> &Int64Array {
        self.required(TIMESTAMP).1.as_primitive::<Int64Type>()
    }

    #[must_use]
    pub fn row_ids(&self) -> &Int64Array {
        self.required(ROW_ID).1.as_primitive::<Int64Type>()
    }

    #[must_use]
    pub fn headers(&self) -> Option<&ListArray> {
        self.records.column_by_name(HEADERS).map(|column| column.as_list::<i32>())
    }

    #[must_use]
    pub fn partitions(&self) -> Option<&Int32Array> {
        self.records.column_by_name(PARTITION).map(|column| column.as_primitive::<Int32Type>())
    }

    #[must_use]
    pub fn offsets(&self) -> Option<&Int64Array> {
        self.records.column_by_name(OFFSET).map(|column| column.as_primitive::<Int64Type>())
    }

    #[must_use]
    pub fn tombstones(&self) -> Option<&BooleanArray> {
        self.records.column_by_name(TOMBSTONE).map(|column| column.as_boolean())
    }

    /// Whether row `row` deletes its key: marked so, or null under no schema at all.
    #[must_use]
    pub fn is_tombstone(&self, row: usize) -> bool {
        match self.tombstones() {
            Some(tombstones) => tombstones.value(row),
            None => {
                let field = self.value_field();
                let is_untyped = is_schemaless(field) || holds_tombstones(field);
                is_untyped && (self.value().is_null(row) || field.data_type() == &DataType::Null)
            }
        }
    }

    /// Rows `offset..offset + length`, sharing the buffers.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self { topic: self.topic.clone(), records: self.records.slice(offset, length) }
    }

    /// The rows where `keep` is true.
    ///
    /// # Errors
    /// When `keep` has another length.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self, BatchError> {
        let records = arrow_select::filter::filter_record_batch(&self.records, keep)?;
        Ok(Self { topic: self.topic.clone(), records })
    }

    /// The rows at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is out of bounds.
    pub fn take(&self, indices: &arrow_array::UInt32Array) -> Result<Self, BatchError> {
        let records = arrow_select::take::take_record_batch(&self.records, indices)?;
        Ok(Self { topic: self.topic.clone(), records })
    }

    /// All rows of `batches`, which share a topic and a schema, in order.
    ///
    /// # Errors
    /// When `batches` is empty or their schemas differ.
    pub fn concat(batches: &[Self]) -> Result<Self, BatchError> {
        let first = batches.first().ok_or(BatchError::MissingColumn { column: VALUE })?;
        let records = arrow_select::concat::concat_batches(
            first.records.schema_ref(),
            batches.iter().map(|batch| &batch.records),
        )?;
        Ok(Self { topic: first.topic.clone(), records })
    }

    /// Replaces or adds one of the columns of the table above.
    ///
    /// # Errors
    /// As [`ConnectBatch::try_new`], and when the lengths differ.
    pub fn with_column(&self, name: &str, field: &Field, column: ArrayRef) -> Result<Self, BatchError> {
        let field = Arc::new(field.clone().with_name(name));
        let mut fields: Vec<FieldRef> = self.records.schema_ref().fields().iter().cloned().collect();
        let mut columns = self.records.columns().to_vec();
        match fields.iter().position(|existing| existing.name() == name) {
            Some(index) => {
                fields[index] = field;
                columns[index] = column;
            }
            None => {
                fields.push(field);
                columns.push(column);
            }
        }
        Self::try_new(self.topic.clone(), RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    fn required(&self, name: &str) -> (&FieldRef, &ArrayRef) {
        let (index, _) = self.records.schema_ref().column_with_name(name).expect("checked when the batch was made");
        (&self.records.schema_ref().fields()[index], self.records.column(index))
    }
}

/// Collects the columns of a [`ConnectBatch`]; what is not given takes the default of the table above.
#[must_use]
pub struct ConnectBatchBuilder {
    topic: Arc<str>,
    length: usize,
    fields: Vec<FieldRef>,
    columns: Vec<ArrayRef>,
    has_key: bool,
    has_timestamp: bool,
    first_row_id: i64,
    has_row_ids: bool,
}

impl ConnectBatchBuilder {
    fn new(topic: Arc<str>, field: &Field, values: ArrayRef) -> Self {
        Self {
            topic,
            length: values.len(),
            fields: vec![Arc::new(field.clone().with_name(VALUE))],
            columns: vec![values],
            has_key: false,
            has_timestamp: false,
            first_row_id: 0,
            has_row_ids: false,
        }
    }

    pub fn key(mut self, field: &Field, keys: ArrayRef) -> Self {
        self.has_key = true;
        self.push(field.clone().with_name(KEY), keys)
    }

    /// Milliseconds since the epoch.
    pub fn timestamps(mut self, timestamps: Int64Array) -> Self {
        self.has_timestamp = true;
        self.push(Field::new(TIMESTAMP, DataType::Int64, true), Arc::new(timestamps))
    }

    /// The same timestamp for every row.
    pub fn timestamp_ms(self, timestamp_ms: i64) -> Self {
        let length = self.length;
        self.timestamps(Int64Array::from_value(timestamp_ms, length))
    }

    pub fn headers(self, headers: ListArray) -> Self {
        self.push(Field::new(HEADERS, headers_type(), false), Arc::new(headers))
    }

    pub fn partitions(self, partitions: Int32Array) -> Self {
        self.push(Field::new(PARTITION, DataType::Int32, true), Arc::new(partitions))
    }

    /// Log offsets; they become the row ids too.
    pub fn offsets(mut self, offsets: Int64Array) -> Self {
        self.has_row_ids = true;
        let offsets: ArrayRef = Arc::new(offsets);
        self.push(Field::new(OFFSET, DataType::Int64, false), offsets.clone())
            .push(Field::new(ROW_ID, DataType::Int64, false), offsets)
    }

    pub fn tombstones(self, tombstones: BooleanArray) -> Self {
        self.push(Field::new(TOMBSTONE, DataType::Boolean, false), Arc::new(tombstones))
    }

    /// Numbers the rows from `first` (default 0), for batches that were not read from the log.
    pub fn row_ids_from(mut self, first: i64) -> Self {
        self.first_row_id = first;
        self
    }

    /// # Errors
    /// When lengths or types do not fit.
    pub fn build(mut self) -> Result<ConnectBatch, BatchError> {
        if !self.has_key {
            let keys = Arc::new(NullArray::new(self.length));
            self = self.push(Field::new(KEY, DataType::Null, true), keys);
        }
        if !self.has_timestamp {
            let unset = Arc::new(Int64Array::new_null(self.length));
            self = self.push(Field::new(TIMESTAMP, DataType::Int64, true), unset);
        }
        if !self.has_row_ids {
            let end = self.first_row_id + self.length as i64;
            let ids = Arc::new(Int64Array::from_iter_values(self.first_row_id..end));
            self = self.push(Field::new(ROW_ID, DataType::Int64, false), ids);
        }
        let records = RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.columns)?;
        ConnectBatch::try_new(self.topic, records)
    }

    fn push(mut self, field: Field, column: ArrayRef) -> Self {
        self.fields.push(Arc::new(field));
        self.columns.push(column);
        self
    }
}
