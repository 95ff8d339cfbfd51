//! Columns that cross to a guest and back.

use crate::bindings::batches::{BytesColumn, Column, ColumnValues};
use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::json::{DecimalFormat, write_value};
use crate::view::View;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, GenericByteArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field};
use std::sync::Arc;

/// A guest's column as Arrow.
///
/// # Errors
/// Rejected `batch.column` when lengths, offsets or UTF-8 are wrong.
pub fn from_guest(name: &str, column: Column) -> Result<ArrayRef, Error> {
    let wrong = |problem: String| CapabilityError::rejected("batch.column", format!("column {name:?} {problem}"));
    let rows = rows(&column.values);
    let nulls = match column.validity {
        None => None,
        Some(validity) if validity.len() == rows => {
            Some(NullBuffer::new(BooleanBuffer::collect_bool(rows, |row| validity[row] != 0)))
        }
        Some(validity) => {
            return Err(wrong(format!("has {rows} values but {} bytes of validity", validity.len())));
        }
    };
    Ok(match column.values {
        ColumnValues::Boolean(values) => {
            Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(rows, |row| values[row] != 0), nulls))
        }
        ColumnValues::Int32(values) => Arc::new(PrimitiveArray::<Int32Type>::new(values.into(), nulls)),
        ColumnValues::Int64(values) => Arc::new(PrimitiveArray::<Int64Type>::new(values.into(), nulls)),
        ColumnValues::Float64(values) => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
        ColumnValues::Utf8(BytesColumn { offsets, data }) => {
            let offsets = checked_offsets(offsets, data.len()).map_err(wrong)?;
            let strings = StringArray::try_new(offsets, Buffer::from_vec(data), nulls);
            Arc::new(strings.map_err(|error| wrong(format!("is not UTF-8 text: {error}")))?)
        }
        ColumnValues::Binary(BytesColumn { offsets, data }) => {
            let offsets = checked_offsets(offsets, data.len()).map_err(wrong)?;
            let values = BinaryArray::try_new(offsets, Buffer::from_vec(data), nulls);
            Arc::new(values.map_err(|error| wrong(error.to_string()))?)
        }
    })
}

fn rows(values: &ColumnValues) -> usize {
    match values {
        ColumnValues::Boolean(values) => values.len(),
        ColumnValues::Int32(values) => values.len(),
        ColumnValues::Int64(values) => values.len(),
        ColumnValues::Float64(values) => values.len(),
        ColumnValues::Utf8(column) | ColumnValues::Binary(column) => column.offsets.len().saturating_sub(1),
    }
}

fn checked_offsets(offsets: Vec<u32>, data_len: usize) -> Result<OffsetBuffer<i32>, String> {
    let last = *offsets.last().ok_or("has no offsets: there must be one more than rows")?;
    if offsets.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err("has offsets that go back".into());
    }
    if last as usize > data_len || i32::try_from(last).is_err() {
        return Err(format!("has the offset {last} behind the end of its {data_len} bytes of data"));
    }
    let offsets: Vec<i32> = offsets.into_iter().map(|offset| offset as i32).collect();
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

/// An Arrow column for a guest: dates are days, times and timestamps milliseconds; what has no native form is text
/// (decimals plain, nested values JSON).
///
/// # Errors
/// Rejected `batch.column` for a type that the record model does not have.
pub fn to_guest(field: &Field, array: &ArrayRef) -> Result<Column, Error> {
    let view = View::new(field, array).map_err(|error| refused(&error))?;
    let validity = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let validity = validity.map(|nulls| nulls.iter().map(u8::from).collect());
    let narrow = matches!(
        array.data_type(),
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::Date32
            | DataType::Time32(_)
    );
    let values = match view {
        View::Boolean(values) => ColumnValues::Boolean(
            (0..values.len()).map(|row| u8::from(values.is_valid(row) && values.value(row))).collect(),
        ),
        View::Integer(values) | View::Date(values) | View::Time(values) | View::Timestamp(values) if narrow => {
            let values = cast(&values, &DataType::Int32).map_err(|error| refused(&error))?;
            ColumnValues::Int32(dense(values.as_primitive::<Int32Type>()))
        }
        View::Integer(values) | View::Date(values) | View::Time(values) | View::Timestamp(values) => {
            ColumnValues::Int64(dense(&values))
        }
        View::Float64(values) => ColumnValues::Float64(dense(&values)),
        View::Float32(values) => {
            let values = cast(&values, &DataType::Float64).map_err(|error| refused(&error))?;
            ColumnValues::Float64(dense(values.as_primitive::<Float64Type>()))
        }
        View::Text(values) | View::Json(values) => ColumnValues::Utf8(dense_bytes(&values)),
        View::Bytes(values) => ColumnValues::Binary(dense_bytes(&values)),
        nested => ColumnValues::Utf8(dense_bytes(&rendered(&nested, array.len()))),
    };
    Ok(Column { values, validity })
}

/// Decimals as plain text, anything nested as JSON.
#[must_use]
pub fn rendered(view: &View, rows: usize) -> StringArray {
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    let mut scratch = Vec::new();
    for row in 0..rows {
        if view.is_null(row) {
            builder.append_null();
            continue;
        }
        scratch.clear();
        write_value(&mut scratch, view, row, DecimalFormat::Numeric);
        builder.append_value(std::str::from_utf8(&scratch).expect("JSON is UTF-8"));
    }
    builder.finish()
}

fn dense<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Vec<T::Native> {
    let mut values = array.values().to_vec();
    for (row, value) in values.iter_mut().enumerate().filter(|(row, _)| array.is_null(*row)) {
        debug_assert!(array.is_null(row));
        *value = T::Native::default();
    }
    values
}

fn dense_bytes<T>(array: &GenericByteArray<T>) -> BytesColumn
where
    T: arrow_array::types::ByteArrayType<Offset = i32>,
{
    let all = array.value_offsets();
    if array.null_count() == 0 {
        let (first, last) = (all[0], all[array.len()]);
        let offsets = all.iter().map(|offset| (offset - first) as u32).collect();
        return BytesColumn { offsets, data: array.value_data()[first as usize..last as usize].to_vec() };
    }
    let mut column = BytesColumn { offsets: Vec::with_capacity(array.len() + 1), data: Vec::new() };
    column.offsets.push(0);
    for row in 0..array.len() {
        if array.is_valid(row) {
            column.data.extend_from_slice(&array.value_data()[all[row] as usize..all[row + 1] as usize]);
        }
        column.offsets.push(column.data.len() as u32);
    }
    column
}

fn refused(error: &ArrowError) -> Error {
    CapabilityError::rejected("batch.column", error.to_string())
}
