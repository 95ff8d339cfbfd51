//! One value of a schema in the JSON form of a payload, as defaults are kept, to one row of its column and back.

use super::{ConnectSchema, decimal_scale, is_json};
use crate::number;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int64Array, ListArray, MapArray, StringArray, StructArray, new_empty_array, new_null_array,
};
use arrow_buffer::{OffsetBuffer, i256};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use arrow_select::concat::concat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use serde_json::{Map, Value};
use std::sync::Arc;

/// One row of the column of `field`; `None` when the value does not fit it.
#[must_use]
pub fn payload_to_row(field: &Field, payload: &Value) -> Option<ArrayRef> {
    if payload.is_null() {
        return field.is_nullable().then(|| new_null_array(field.data_type(), 1));
    }
    Some(match field.data_type() {
        DataType::Utf8 if is_json(field) => Arc::new(StringArray::from(vec![payload.to_string()])),
        DataType::Utf8 => Arc::new(StringArray::from(vec![payload.as_str()?])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![payload.as_bool()?])),
        DataType::Float32 => Arc::new(Float32Array::from(vec![float(payload)? as f32])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![float(payload)?])),
        DataType::Binary => {
            let bytes = match decimal_scale(field) {
                Some(scale) => unscaled(payload, scale)?.to_signed_bytes_be(),
                None => STANDARD.decode(payload.as_str()?).ok()?,
            };
            Arc::new(BinaryArray::from(vec![bytes.as_slice()]))
        }
        DataType::Decimal128(precision, scale) => {
            let value = i128::try_from(unscaled(payload, (*scale).into())?).ok()?;
            let array = Decimal128Array::from(vec![value]).with_precision_and_scale(*precision, *scale).ok()?;
            Decimal128Type::is_valid_decimal_precision(value, *precision).then_some(Arc::new(array) as ArrayRef)?
        }
        DataType::Decimal256(precision, scale) => {
            let bytes = unscaled(payload, (*scale).into())?.to_signed_bytes_be();
            let value = i256::from_be_bytes(number::widen::<32>(&bytes)?);
            Arc::new(Decimal256Array::from(vec![value]).with_precision_and_scale(*precision, *scale).ok()?)
        }
        DataType::Struct(fields) => {
            let members = payload.as_object()?;
            let member = |field: &FieldRef| payload_to_row(field, members.get(field.name()).unwrap_or(&Value::Null));
            let columns: Option<Vec<_>> = fields.iter().map(member).collect();
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns?, None, 1).ok()?)
        }
        DataType::List(item) => {
            let items = rows(item, payload.as_array()?.iter())?;
            Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::from_lengths([items.len()]), items, None).ok()?)
        }
        DataType::Map(entries, sorted) => map(entries, *sorted, payload)?,
        _ => integer_to_row(payload.as_i64()?, field.data_type())?,
    })
}

/// Row `row` in the form of a payload; decimals are Base64.
#[must_use]
pub fn row_to_payload(field: &Field, column: &ArrayRef, row: usize) -> Option<Value> {
    if column.is_null(row) || column.data_type().is_null() {
        return Some(Value::Null);
    }
    let base64 = |bytes: &[u8]| Value::from(STANDARD.encode(bytes));
    Some(match column.data_type() {
        DataType::Utf8 if is_json(field) => serde_json::from_str(column.as_string::<i32>().value(row)).ok()?,
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            finite(value.into(), &value.to_string())
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            finite(value, &value.to_string())
        }
        DataType::Binary => base64(column.as_binary::<i32>().value(row)),
        DataType::Decimal128(..) => {
            base64(number::minimal(&column.as_primitive::<Decimal128Type>().value(row).to_be_bytes()))
        }
        DataType::Decimal256(..) => {
            base64(number::minimal(&column.as_primitive::<Decimal256Type>().value(row).to_be_bytes()))
        }
        DataType::Struct(fields) => {
            let structure = column.as_struct();
            let member = |(field, column): (&FieldRef, &ArrayRef)| {
                Some((field.name().clone(), row_to_payload(field, column, row)?))
            };
            fields.iter().zip(structure.columns()).map(member).collect::<Option<Map<String, Value>>>()?.into()
        }
        DataType::List(item) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|index| row_to_payload(item, &items, index)).collect::<Option<Vec<_>>>()?.into()
        }
        DataType::Map(..) => map_to_payload(column, row)?,
        _ => row_to_integer(column, row)?.into(),
    })
}

/// One row of an integer type, or of a logical type over one (milliseconds, days).
#[must_use]
pub fn integer_to_row(value: i64, data_type: &DataType) -> Option<ArrayRef> {
    let integer: ArrayRef = Arc::new(Int64Array::from(vec![value]));
    let ms = match data_type {
        DataType::Date32 | DataType::Time32(TimeUnit::Millisecond) => cast(&integer, &DataType::Int32).ok()?,
        DataType::Time32(_) | DataType::Time64(_) => {
            cast(&cast(&integer, &DataType::Int32).ok()?, &DataType::Time32(TimeUnit::Millisecond)).ok()?
        }
        DataType::Timestamp(_, zone) => {
            cast(&integer, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone())).ok()?
        }
        _ => integer,
    };
    cast(&ms, data_type).ok().filter(|array| array.is_valid(0))
}

/// Row `row` of any integer or logical type over one: days of a date, milliseconds of a time and a timestamp.
#[must_use]
pub fn row_to_integer(column: &ArrayRef, row: usize) -> Option<i64> {
    let value = column.slice(row, 1);
    let plain = match column.data_type() {
        DataType::Date32 => cast(&value, &DataType::Int32).ok()?,
        DataType::Time32(_) | DataType::Time64(_) => {
            cast(&cast(&value, &DataType::Time32(TimeUnit::Millisecond)).ok()?, &DataType::Int32).ok()?
        }
        DataType::Timestamp(_, zone) => cast(&value, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone())).ok()?,
        _ => value,
    };
    match plain.data_type() {
        DataType::Int32 => Some(plain.as_primitive::<Int32Type>().value(0).into()),
        _ => {
            let long = cast(&plain, &DataType::Int64).ok()?;
            long.is_valid(0).then(|| long.as_primitive::<Int64Type>().value(0))
        }
    }
}

fn float(payload: &Value) -> Option<f64> {
    match payload {
        Value::String(text) => ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()).then(|| text.parse().ok())?,
        number => number.as_f64(),
    }
}

fn finite(value: f64, text: &str) -> Value {
    let name = |text: &str| Value::from(text);
    match value {
        value if value.is_nan() => name("NaN"),
        f64::INFINITY => name("Infinity"),
        f64::NEG_INFINITY => name("-Infinity"),
        // The shortest text of a float32 is not that of the same float64.
        value => text.parse::<f64>().map_or(value, |shortest| shortest).into(),
    }
}

fn unscaled(payload: &Value, scale: i32) -> Option<BigInt> {
    match payload {
        Value::String(text) => Some(BigInt::from_signed_bytes_be(&STANDARD.decode(text).ok()?)),
        number => number::parse(&number.to_string(), scale),
    }
}

fn rows<'a>(field: &FieldRef, payloads: impl Iterator<Item = &'a Value>) -> Option<ArrayRef> {
    let rows: Option<Vec<ArrayRef>> = payloads.map(|payload| payload_to_row(field, payload)).collect();
    let rows = rows?;
    if rows.is_empty() {
        return Some(new_empty_array(field.data_type()));
    }
    concat(&rows.iter().map(AsRef::as_ref).collect::<Vec<_>>()).ok()
}

fn map(entries: &FieldRef, sorted: bool, payload: &Value) -> Option<ArrayRef> {
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let pairs: Vec<(Value, Value)> = match payload {
        Value::Object(members) => members.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect(),
        Value::Array(pairs) => {
            let pair = |pair: &Value| Some((pair.get(0)?.clone(), pair.get(1)?.clone()));
            pairs.iter().map(pair).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let keys = rows(&fields[0], pairs.iter().map(|(key, _)| key))?;
    let values = rows(&fields[1], pairs.iter().map(|(_, value)| value))?;
    let columns = StructArray::try_new(fields.clone(), vec![keys, values], None).ok()?;
    let offsets = OffsetBuffer::from_lengths([pairs.len()]);
    Some(Arc::new(MapArray::try_new(entries.clone(), offsets, columns, None, sorted).ok()?))
}

fn map_to_payload(column: &ArrayRef, row: usize) -> Option<Value> {
    let map = column.as_map();
    let (key, value) = map.entries_fields();
    let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
    let entry = |index| Some((row_to_payload(key, map.keys(), index)?, row_to_payload(value, map.values(), index)?));
    let entries: Vec<(Value, Value)> = range.map(entry).collect::<Option<_>>()?;
    let has_text_keys = ConnectSchema::from_field(key).ok()??.type_name() == "string";
    if has_text_keys {
        let member = |(key, value): (Value, Value)| Some((key.as_str()?.to_owned(), value));
        return entries.into_iter().map(member).collect::<Option<Map<String, Value>>>().map(Value::from);
    }
    Some(entries.into_iter().map(|(key, value)| Value::from(vec![key, value])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_default_of_every_type_becomes_a_row_and_comes_back() {
        for (schema, payload) in [
            (json!({"type": "int8"}), json!(-7)),
            (json!({"type": "float"}), json!(1.1)),
            (json!({"type": "double"}), json!("NaN")),
            (json!({"type": "boolean"}), json!(true)),
            (json!({"type": "string"}), json!("x")),
            (json!({"type": "bytes"}), json!("AQI=")),
            (json!({"type": "bytes", "name": super::super::DECIMAL, "parameters": {"scale": "2"}}), json!("AQI=")),
            (
                json!({"type": "bytes", "name": super::super::DECIMAL,
                    "parameters": {"scale": "2", "connect.decimal.precision": "10"}}),
                json!("AQI="),
            ),
            (json!({"type": "int32", "name": super::super::DATE}), json!(18_000)),
            (json!({"type": "int32", "name": super::super::TIME}), json!(86_399_999)),
            (json!({"type": "int64", "name": super::super::TIMESTAMP}), json!(-1)),
            (json!({"type": "array", "items": {"type": "int32", "optional": true}}), json!([1, null])),
            (json!({"type": "array", "items": {"type": "int32"}}), json!([])),
            (json!({"type": "map", "keys": {"type": "string"}, "values": {"type": "int8"}}), json!({"a": 1})),
            (json!({"type": "map", "keys": {"type": "int8"}, "values": {"type": "int8"}}), json!([[1, 2]])),
            (
                json!({"type": "struct", "fields": [{"type": "int8", "field": "a", "optional": true}]}),
                json!({"a": null}),
            ),
        ] {
            let field = ConnectSchema::from_json(&schema).unwrap().to_field("f").unwrap();
            let row = payload_to_row(&field, &payload).unwrap_or_else(|| panic!("{schema}"));
            assert_eq!(row.data_type(), field.data_type());
            assert_eq!(row_to_payload(&field, &row, 0), Some(payload), "{schema}");
        }
        let number = ConnectSchema::from_json(&json!({"type": "int8"})).unwrap().to_field("f").unwrap();
        for wrong in [json!(300), json!("1"), json!(null)] {
            assert!(payload_to_row(&number, &wrong).is_none(), "{wrong}");
        }
    }
}
