//! Sink side: key, value and header bytes → Connect columns, one batch per schema, bad rows found by halves.

use crate::error_report::{RecordError, Stage};
use crate::sink_fetch::FetchedRows;
use crate::source_convert::Converters;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, NullArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field};
use arrow_select::take::take;
use sluice_connect_api::{ConvertError, Converted, Converter};
use sluice_data::{BatchError, ConnectBatch};
use std::sync::Arc;

impl Converters {
    /// Every row is in one of the batches or in the errors. In each batch the offsets ascend.
    pub fn to_connect_data(
        &self,
        topic: &Arc<str>,
        rows: &FetchedRows,
    ) -> Result<(Vec<ConnectBatch>, Vec<RecordError>), BatchError> {
        let (mut batches, mut errors) = (Vec::new(), Vec::new());
        let mut todo = vec![(0, rows.offsets.len())];
        while let Some((from, length)) = todo.pop() {
            match self.convert_rows(topic, rows, from, length) {
                Ok(columns) => batches.extend(assemble(topic, rows, (from, length), &columns)?),
                Err((stage, error)) if length == 1 => {
                    errors.push(self.record_error(stage, rows.offsets.value(from), error));
                }
                Err(_) => {
                    let half = length / 2;
                    todo.push((from + half, length - half));
                    todo.push((from, half));
                }
            }
        }
        Ok((batches, errors))
    }

    fn convert_rows(
        &self,
        topic: &str,
        rows: &FetchedRows,
        from: usize,
        length: usize,
    ) -> Result<Columns, (Stage, ConvertError)> {
        let keys = convert_column(&*self.key, topic, &rows.keys.slice(from, length));
        let keys = keys.map_err(|error| (Stage::KeyConverter, error))?;
        let values = convert_column(&*self.value, topic, &rows.values.slice(from, length));
        let values = values.map_err(|error| (Stage::ValueConverter, error))?;
        let headers = rows.headers.as_ref().map(|headers| headers.slice(from, length));
        let converted = self.headers.to_connect_headers(topic, headers.as_ref());
        let converted = converted.map_err(|error| (Stage::HeaderConverter, error))?;
        Ok(Columns { keys, values, headers: converted.or(headers) })
    }
}

/// Some rows, converted.
struct Columns {
    keys: Vec<Converted>,
    values: Vec<Converted>,
    /// `None`: no record has any.
    headers: Option<ListArray>,
}

/// No bytes are nothing under no schema, in every format.
fn convert_column(converter: &dyn Converter, topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
    if bytes.null_count() < bytes.len() {
        return converter.to_connect_data(topic, bytes);
    }
    let values: ArrayRef = Arc::new(NullArray::new(bytes.len()));
    let field = Arc::new(Field::new("value", DataType::Null, true));
    Ok(vec![Converted { rows: None, field, values, tombstones: None }])
}

/// One batch for each pair of key schema and value schema that has rows.
fn assemble(
    topic: &Arc<str>,
    rows: &FetchedRows,
    (from, length): (usize, usize),
    Columns { keys, values, headers }: &Columns,
) -> Result<Vec<ConnectBatch>, BatchError> {
    let mut batches = Vec::new();
    for value in values {
        for key in keys {
            let Some(common) = Common::of(key, value, length) else { continue };
            let key_column = pick(&key.values, common.key_rows.as_ref())?;
            let value_column = pick(&value.values, common.value_rows.as_ref())?;
            let pick_raw = |column: &dyn Array| pick(&column.slice(from, length), common.rows.as_ref());
            let mut builder = ConnectBatch::builder(Arc::clone(topic), &value.field, Arc::clone(&value_column))
                .key(&key.field, key_column)
                .timestamps(pick_raw(&rows.timestamps)?.as_primitive().clone())
                .offsets(pick_raw(&rows.offsets)?.as_primitive().clone());
            if let Some(headers) = headers {
                builder = builder.headers(pick(headers, common.rows.as_ref())?.as_list().clone());
            }
            if let Some(tombstones) = tombstones(value, common.value_rows.as_ref(), &value_column)? {
                builder = builder.tombstones(tombstones);
            }
            batches.push(builder.build()?);
        }
    }
    // So that the first rows come first.
    batches.sort_by_key(|batch| batch.row_ids().values().first().copied());
    Ok(batches)
}

/// The rows that a key group and a value group share; `None` in a member: all of that column, in order.
struct Common {
    rows: Option<UInt32Array>,
    key_rows: Option<UInt32Array>,
    value_rows: Option<UInt32Array>,
}

impl Common {
    fn of(key: &Converted, value: &Converted, length: usize) -> Option<Self> {
        let all = |group: &Converted| group.rows.as_ref().is_none_or(|rows| rows.len() == length);
        match (all(key), all(value)) {
            (true, true) => (length > 0).then_some(Self { rows: None, key_rows: None, value_rows: None }),
            (true, false) => {
                let rows = UInt32Array::from(value.rows.clone()?);
                (!rows.is_empty()).then(|| Self { rows: Some(rows.clone()), key_rows: Some(rows), value_rows: None })
            }
            (false, true) => {
                let rows = UInt32Array::from(key.rows.clone()?);
                (!rows.is_empty()).then(|| Self { rows: Some(rows.clone()), key_rows: None, value_rows: Some(rows) })
            }
            (false, false) => Self::intersection(key.rows.as_ref()?, value.rows.as_ref()?),
        }
    }

    fn intersection(key: &[u32], value: &[u32]) -> Option<Self> {
        let (mut rows, mut key_rows, mut value_rows) = (Vec::new(), Vec::new(), Vec::new());
        let (mut k, mut v) = (0, 0);
        while k < key.len() && v < value.len() {
            if key[k] == value[v] {
                rows.push(key[k]);
                key_rows.push(k as u32);
                value_rows.push(v as u32);
            }
            let (next_key, next_value) = (key[k] <= value[v], value[v] <= key[k]);
            k += usize::from(next_key);
            v += usize::from(next_value);
        }
        let filled = !rows.is_empty();
        let some = |rows: Vec<u32>| Some(UInt32Array::from(rows));
        filled.then(|| Self { rows: some(rows), key_rows: some(key_rows), value_rows: some(value_rows) })
    }
}

fn pick(column: &dyn Array, rows: Option<&UInt32Array>) -> Result<ArrayRef, ArrowError> {
    match rows {
        None => Ok(column.slice(0, column.len())),
        Some(rows) => take(column, rows, None),
    }
}

/// `None` where a null alone says it: nothing is null, or there is no schema.
fn tombstones(
    value: &Converted,
    rows: Option<&UInt32Array>,
    column: &ArrayRef,
) -> Result<Option<BooleanArray>, ArrowError> {
    match &value.tombstones {
        Some(tombstones) => Ok(Some(pick(tombstones, rows)?.as_boolean().clone())),
        None if column.data_type() == &DataType::Null || column.null_count() == 0 => Ok(None),
        None => {
            let nulls = column.nulls().map(|nulls| !nulls.inner());
            Ok(nulls.map(|nulls| BooleanArray::new(nulls, None)))
        }
    }
}
