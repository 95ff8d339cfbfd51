//! A value to its text. Source: Kafka `Values.convertToString`.

use super::Parsed;
use crate::date_format::DateFormat;
use crate::number;
use crate::schema::{DEFAULT, decimal_scale, is_json, payload_to_row};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;

const MS_PER_DAY: i64 = 86_400_000;

/// Of a time, a date and a timestamp.
pub(super) static FORMATS: LazyLock<[DateFormat; 3]> = LazyLock::new(|| {
    ["HH:mm:ss.SSS'Z'", "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"]
        .map(|pattern| DateFormat::new(pattern).expect("the pattern is right"))
});

/// A date, time or timestamp, told apart by its value alone: before 2 January 1970 it is a time, at midnight a date.
/// Source: Kafka `Values.dateFormatFor`.
#[must_use]
pub fn temporal_text(ms: i64) -> String {
    let [time, date, timestamp] = &*FORMATS;
    match ms {
        ms if ms < MS_PER_DAY => time.format(ms),
        ms if ms % MS_PER_DAY == 0 => date.format(ms),
        _ => timestamp.format(ms),
    }
}

pub fn write_parsed(value: &Parsed, embedded: bool, out: &mut String) {
    let written = match value {
        Parsed::Null => out.write_str("null"),
        Parsed::Boolean(value) => write!(out, "{value}"),
        Parsed::Int8(value) => write!(out, "{value}"),
        Parsed::Int16(value) => write!(out, "{value}"),
        Parsed::Int32(value) => write!(out, "{value}"),
        Parsed::Int64(value) => write!(out, "{value}"),
        Parsed::Float32(value) => out.write_str(&number::float_text(&format!("{value:e}"))),
        Parsed::Float64(value) => out.write_str(&number::float_text(&format!("{value:e}"))),
        Parsed::Decimal(unscaled, scale) => out.write_str(&number::to_text(&unscaled.to_string(), *scale)),
        Parsed::Date(ms) | Parsed::Time(ms) | Parsed::Timestamp(ms) => out.write_str(&temporal_text(*ms)),
        Parsed::String(text) => {
            write_string(text, embedded, out);
            Ok(())
        }
        Parsed::List(items, _) => {
            write_list(items.len(), out, |index, out| write_parsed(&items[index], true, out));
            Ok(())
        }
        Parsed::Map(entries, _) => {
            write_entries(entries.len(), out, |index, out| {
                write_parsed(&entries[index].0, true, out);
                out.push(':');
                write_parsed(&entries[index].1, true, out);
            });
            Ok(())
        }
    };
    written.expect("writing into memory does not fail");
}

/// The text of a schemaless value; `None` for null.
///
/// # Errors
/// When the text is not JSON.
pub fn json_text(json: &str) -> Result<Option<String>, serde_json::Error> {
    let value: Value = serde_json::from_str(json)?;
    if value.is_null() {
        return Ok(None);
    }
    let mut out = String::new();
    write_json(&value, false, &mut out);
    Ok(Some(out))
}

fn write_json(value: &Value, embedded: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(value) => match value.as_i64() {
            Some(value) => write!(out, "{value}").expect("writing into memory does not fail"),
            None => out.push_str(&number::float_text(&format!("{:e}", value.as_f64().unwrap_or(f64::NAN)))),
        },
        Value::String(text) => write_string(text, embedded, out),
        Value::Array(items) => write_list(items.len(), out, |index, out| write_json(&items[index], true, out)),
        Value::Object(members) => {
            let members: Vec<_> = members.iter().collect();
            write_entries(members.len(), out, |index, out| {
                write_string(members[index].0, true, out);
                out.push(':');
                write_json(members[index].1, true, out);
            });
        }
    }
}

/// Appends row `row` of a column; `false`, and nothing appended, when it is null.
///
/// # Errors
/// A type outside the table of [`crate::schema`].
pub fn write_row(field: &Field, column: &ArrayRef, row: usize, out: &mut String) -> Result<bool, ArrowError> {
    if column.is_null(row) || column.data_type().is_null() {
        return Ok(false);
    }
    write_column(field, column, row, false, out)?;
    Ok(true)
}

fn write_column(
    field: &Field,
    column: &ArrayRef,
    row: usize,
    embedded: bool,
    out: &mut String,
) -> Result<(), ArrowError> {
    if column.is_null(row) || column.data_type().is_null() {
        out.push_str("null");
        return Ok(());
    }
    match column.data_type() {
        DataType::Float32 => {
            out.push_str(&number::float_text(&format!("{:e}", column.as_primitive::<Float32Type>().value(row))));
        }
        DataType::Float64 => {
            out.push_str(&number::float_text(&format!("{:e}", column.as_primitive::<Float64Type>().value(row))));
        }
        DataType::Boolean => out.push_str(if column.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Utf8 if is_json(field) => {
            let json = serde_json::from_str(column.as_string::<i32>().value(row));
            write_json(&json.map_err(|error| ArrowError::from_external_error(Box::new(error)))?, embedded, out);
        }
        DataType::Utf8 => write_string(column.as_string::<i32>().value(row), embedded, out),
        DataType::LargeUtf8 => write_string(column.as_string::<i64>().value(row), embedded, out),
        DataType::Utf8View => write_string(column.as_string_view().value(row), embedded, out),
        DataType::Binary => match decimal_scale(field) {
            Some(scale) => {
                let unscaled = BigInt::from_signed_bytes_be(column.as_binary::<i32>().value(row));
                out.push_str(&number::to_text(&unscaled.to_string(), scale));
            }
            None => write_string(&STANDARD.encode(column.as_binary::<i32>().value(row)), embedded, out),
        },
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = cast(&column.slice(row, 1), &DataType::Binary)?;
            write_string(&STANDARD.encode(bytes.as_binary::<i32>().value(0)), embedded, out);
        }
        DataType::Decimal128(_, scale) => {
            let unscaled = column.as_primitive::<Decimal128Type>().value(row);
            out.push_str(&number::to_text(&unscaled.to_string(), (*scale).into()));
        }
        DataType::Decimal256(_, scale) => {
            let unscaled = column.as_primitive::<Decimal256Type>().value(row);
            out.push_str(&number::to_text(&unscaled.to_string(), (*scale).into()));
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::Map(..) | DataType::Struct(_) => {
            write_nested(column, row, out)?;
        }
        _ => write_integer(column, row, out)?,
    }
    Ok(())
}

fn write_nested(column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let mut result = Ok(());
    match column.data_type() {
        DataType::Struct(fields) => {
            let structure = column.as_struct();
            write_entries(fields.len(), out, |index, out| {
                write_string(fields[index].name(), true, out);
                out.push(':');
                let written = write_member(&fields[index], structure.column(index), row, out);
                result = std::mem::replace(&mut result, Ok(())).and(written);
            });
        }
        DataType::Map(..) => {
            let map = column.as_map();
            let (key, value) = map.entries_fields();
            let (start, end) = (map.value_offsets()[row] as usize, map.value_offsets()[row + 1] as usize);
            write_entries(end - start, out, |index, out| {
                let key = write_column(key, map.keys(), start + index, true, out);
                out.push(':');
                let value = write_column(value, map.values(), start + index, true, out);
                result = std::mem::replace(&mut result, Ok(())).and(key).and(value);
            });
        }
        DataType::LargeList(item) => {
            let list = cast(&column.slice(row, 1), &DataType::List(item.clone()))?;
            return write_nested(&list, 0, out);
        }
        _ => {
            let DataType::List(item) = column.data_type() else { unreachable!("the caller has nested types only") };
            let items = column.as_list::<i32>().value(row);
            write_list(items.len(), out, |index, out| {
                let written = write_column(item, &items, index, true, out);
                result = std::mem::replace(&mut result, Ok(())).and(written);
            });
        }
    }
    result
}

/// A null member that has a default is written as the default.
fn write_member(field: &Field, column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let default = || payload_to_row(field, &serde_json::from_str(field.metadata().get(DEFAULT)?).ok()?);
    match column.is_null(row).then(default).flatten() {
        Some(default) => write_column(field, &default, 0, true, out),
        None => write_column(field, column, row, true, out),
    }
}

fn write_integer(column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let value = column.slice(row, 1);
    let long =
        |array: &ArrayRef| Ok::<_, ArrowError>(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().value(0));
    let text = match column.data_type() {
        DataType::Date32 => {
            let days = cast(&value, &DataType::Int32)?.as_primitive::<Int32Type>().value(0);
            temporal_text(i64::from(days) * MS_PER_DAY)
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let time = cast(&value, &DataType::Time32(TimeUnit::Millisecond))?;
            temporal_text(cast(&time, &DataType::Int32)?.as_primitive::<Int32Type>().value(0).into())
        }
        DataType::Timestamp(..) => {
            temporal_text(long(&cast(&value, &DataType::Timestamp(TimeUnit::Millisecond, None))?)?)
        }
        _ => long(&value)?.to_string(),
    };
    out.push_str(&text);
    Ok(())
}

fn write_string(text: &str, embedded: bool, out: &mut String) {
    if !embedded {
        return out.push_str(text);
    }
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

fn write_list(length: usize, out: &mut String, mut write: impl FnMut(usize, &mut String)) {
    out.push('[');
    for index in 0..length {
        out.push_str(if index > 0 { "," } else { "" });
        write(index, out);
    }
    out.push(']');
}

fn write_entries(length: usize, out: &mut String, mut write: impl FnMut(usize, &mut String)) {
    out.push('{');
    for index in 0..length {
        out.push_str(if index > 0 { "," } else { "" });
        write(index, out);
    }
    out.push('}');
}
