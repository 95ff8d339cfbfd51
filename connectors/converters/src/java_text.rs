//! Any column as the text that Java's `toString` gives, which is what Kafka's `StringConverter` writes.
//!
//! Dates are in UTC, where Kafka uses the zone of its process; bytes are refused, where Kafka writes an object's address.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use num_bigint::BigInt;
use sluice_connect_api::ConvertError;
use sluice_data::date_format::DateFormat;
use sluice_data::number;
use sluice_data::schema::decimal_scale;
use std::fmt::Write;
use std::sync::LazyLock;

static DATE: LazyLock<DateFormat> =
    LazyLock::new(|| DateFormat::new("EEE MMM dd HH:mm:ss zzz yyyy").expect("the pattern is right"));

/// # Errors
/// For bytes, and types without a text.
pub fn to_text(field: &Field, column: &ArrayRef) -> Result<StringArray, ConvertError> {
    let mut texts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        let mut text = String::new();
        texts.push(if write(field, column, row, &mut text)? { Some(text) } else { None });
    }
    Ok(StringArray::from(texts))
}

/// Appends row `row`; `false` when it is null.
fn write(field: &Field, column: &ArrayRef, row: usize, out: &mut String) -> Result<bool, ConvertError> {
    if column.is_null(row) || column.data_type() == &DataType::Null {
        return Ok(false);
    }
    match column.data_type() {
        DataType::Float32 => {
            out.push_str(&number::float_text(&format!("{:e}", column.as_primitive::<Float32Type>().value(row))))
        }
        DataType::Float64 => {
            out.push_str(&number::float_text(&format!("{:e}", column.as_primitive::<Float64Type>().value(row))))
        }
        DataType::Boolean => out.push_str(if column.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Utf8 => out.push_str(column.as_string::<i32>().value(row)),
        DataType::Utf8View => out.push_str(column.as_string_view().value(row)),
        DataType::LargeUtf8 => out.push_str(column.as_string::<i64>().value(row)),
        DataType::Decimal128(_, scale) => {
            let unscaled = column.as_primitive::<Decimal128Type>().value(row).to_string();
            out.push_str(&number::to_text(&unscaled, (*scale).into()));
        }
        DataType::Decimal256(_, scale) => {
            let unscaled = column.as_primitive::<Decimal256Type>().value(row).to_string();
            out.push_str(&number::to_text(&unscaled, (*scale).into()));
        }
        DataType::Binary if decimal_scale(field).is_some() => {
            let unscaled = BigInt::from_signed_bytes_be(column.as_binary::<i32>().value(row)).to_string();
            out.push_str(&number::to_text(&unscaled, decimal_scale(field).unwrap_or_default()));
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            return Err(ConvertError::new(format!(
                "{:?} is bytes, which have no text; use org.apache.kafka.connect.converters.ByteArrayConverter",
                field.name()
            )));
        }
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => write_nested(column, row, out)?,
        _ => write_number_or_date(column, row, out)?,
    }
    Ok(true)
}

fn write_nested(column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ConvertError> {
    match column.data_type() {
        DataType::List(item) => {
            let items = column.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..items.len() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_or_null(item, &items, index, out)?;
            }
            out.push(']');
        }
        DataType::Map(..) => {
            let map = column.as_map();
            let (key_field, value_field) = map.entries_fields();
            let (start, end) = (map.value_offsets()[row] as usize, map.value_offsets()[row + 1] as usize);
            out.push('{');
            for index in start..end {
                out.push_str(if index > start { ", " } else { "" });
                write_or_null(key_field, map.keys(), index, out)?;
                out.push('=');
                write_or_null(value_field, map.values(), index, out)?;
            }
            out.push('}');
        }
        _ => {
            let structure = column.as_struct();
            out.push_str("Struct{");
            let mut separator = "";
            for (field, member) in structure.fields().iter().zip(structure.columns()) {
                if member.is_valid(row) {
                    let _ = write!(out, "{separator}{}=", field.name());
                    write_or_null(field, member, row, out)?;
                    separator = ",";
                }
            }
            out.push('}');
        }
    }
    Ok(())
}

fn write_or_null(field: &Field, column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ConvertError> {
    if !write(field, column, row, out)? {
        out.push_str("null");
    }
    Ok(())
}

/// Source: Java `java.util.Date.toString`.
fn write_number_or_date(column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ConvertError> {
    let refuse = |error: arrow_schema::ArrowError| ConvertError::new(format!("the value has no text: {error}"));
    let ms = DataType::Timestamp(TimeUnit::Millisecond, None);
    let value = column.slice(row, 1);
    let widened = |array: &ArrayRef| cast(array, &DataType::Int64).map_err(refuse);
    let integer = match column.data_type() {
        DataType::Date32 | DataType::Timestamp(..) => widened(&cast(&value, &ms).map_err(refuse)?)?,
        DataType::Time32(_) | DataType::Time64(_) => {
            let as_ms = cast(&value, &DataType::Time32(TimeUnit::Millisecond)).map_err(refuse)?;
            widened(&cast(&as_ms, &DataType::Int32).map_err(refuse)?)?
        }
        _ => widened(&value)?,
    };
    let number = integer.as_primitive::<Int64Type>().value(0);
    let written = match column.data_type().is_temporal() {
        true => out.write_str(&DATE.format(number)),
        false => write!(out, "{number}"),
    };
    written.expect("writing into memory does not fail");
    Ok(())
}
