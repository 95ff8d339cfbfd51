//! Values without a schema, in the record that says what JSON can say. Source: Confluent `AvroData.ANYTHING_SCHEMA`.

use super::encode::{write_bytes, write_long};
use super::input::{DecodeError, DecodeResult, Input};
use crate::format::{Messages, RowEncoder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};
use sluice_connect_api::ConvertError;
use sluice_data::column::to_type;
use std::sync::Arc;

/// Nesting of a value that no schema bounds; each level costs one call.
const DEPTH_MAX: usize = 100;
/// The members of the record, in its order.
const FIELDS: usize = 9;
const BOOLEAN: usize = 0;
const BYTES: usize = 1;
const DOUBLE: usize = 2;
const FLOAT: usize = 3;
const INT: usize = 4;
const LONG: usize = 5;
const STRING: usize = 6;
const ARRAY: usize = 7;
const MAP: usize = 8;

pub struct AnythingEncoder {
    texts: StringArray,
}

impl AnythingEncoder {
    /// # Errors
    /// The column is no text.
    pub fn new(values: &ArrayRef) -> Result<Self, ConvertError> {
        let texts = to_type(values, &DataType::Utf8).map_err(|error| ConvertError::new(error.to_string()))?;
        Ok(Self { texts: texts.as_string::<i32>().clone() })
    }
}

impl RowEncoder for AnythingEncoder {
    fn is_null(&self, row: usize) -> bool {
        self.texts.is_null(row)
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        let value: Value = serde_json::from_str(self.texts.value(row))
            .map_err(|error| ConvertError::new(format!("the schemaless value is not JSON: {error}")))?;
        write(&value, out);
        Ok(())
    }
}

fn write(value: &Value, out: &mut Vec<u8>) {
    let set = match value {
        Value::Null => None,
        Value::Bool(_) => Some(BOOLEAN),
        Value::Number(number) if number.is_i64() => Some(LONG),
        Value::Number(_) => Some(DOUBLE),
        Value::String(_) => Some(STRING),
        Value::Array(_) => Some(ARRAY),
        Value::Object(_) => Some(MAP),
    };
    for field in 0..FIELDS {
        // Each is a union of null and its type.
        out.push(if set == Some(field) { 2 } else { 0 });
        if set != Some(field) {
            continue;
        }
        match value {
            Value::Null => {}
            Value::Bool(value) => out.push(u8::from(*value)),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => write_long(integer, out),
                None => out.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_le_bytes()),
            },
            Value::String(text) => write_bytes(text.as_bytes(), out),
            Value::Array(items) => {
                if !items.is_empty() {
                    write_long(items.len() as i64, out);
                    items.iter().for_each(|item| write(item, out));
                }
                out.push(0);
            }
            Value::Object(members) => {
                if !members.is_empty() {
                    write_long(members.len() as i64, out);
                }
                for (name, member) in members {
                    write(&Value::String(name.clone()), out);
                    write(member, out);
                }
                out.push(0);
            }
        }
    }
}

/// Each message as JSON text.
pub fn read_anything(messages: &Messages<'_>) -> DecodeResult<ArrayRef> {
    let mut texts = Vec::with_capacity(messages.rows.len());
    for message in messages.iter() {
        let Some(message) = message else {
            texts.push(None);
            continue;
        };
        let mut input = Input::new(message);
        let value = read(&mut input, 0)?;
        input.end()?;
        texts.push((!value.is_null()).then(|| value.to_string()));
    }
    Ok(Arc::new(StringArray::from(texts)))
}

fn read(input: &mut Input<'_>, depth: usize) -> DecodeResult<Value> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::Length(depth as i64));
    }
    let mut value = Value::Null;
    for field in 0..FIELDS {
        match input.long()? {
            0 => continue,
            1 => {}
            other => return Err(DecodeError::Branch(other)),
        }
        let number = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
        value = match field {
            BOOLEAN => Value::Bool(input.byte()? == 1),
            BYTES => Value::String(STANDARD.encode(input.bytes()?)),
            DOUBLE => number(f64::from_le_bytes(input.array()?)),
            FLOAT => number(f64::from(f32::from_le_bytes(input.array()?))),
            INT | LONG => Value::Number(input.long()?.into()),
            STRING => Value::String(String::from_utf8_lossy(input.bytes()?).into_owned()),
            ARRAY => {
                let mut items = Vec::new();
                read_items(input, FIELDS, |input| {
                    items.push(read(input, depth + 1)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            _ => read_map(input, depth)?,
        };
    }
    Ok(value)
}

/// An object when all its keys are texts, else pairs.
fn read_map(input: &mut Input<'_>, depth: usize) -> DecodeResult<Value> {
    let mut pairs = Vec::new();
    read_items(input, 2 * FIELDS, |input| {
        pairs.push((read(input, depth + 1)?, read(input, depth + 1)?));
        Ok(())
    })?;
    if pairs.iter().all(|(key, _)| key.is_string()) {
        let name = |key: Value| if let Value::String(name) = key { name } else { String::new() };
        return Ok(Value::Object(pairs.into_iter().map(|(key, value)| (name(key), value)).collect::<Map<_, _>>()));
    }
    Ok(Value::Array(pairs.into_iter().map(|(key, value)| Value::Array(vec![key, value])).collect()))
}

fn read_items(
    input: &mut Input<'_>,
    item_min: usize,
    mut read: impl FnMut(&mut Input<'_>) -> DecodeResult,
) -> DecodeResult {
    loop {
        let block = input.block(item_min)?;
        if block == 0 {
            return Ok(());
        }
        for _ in 0..block {
            read(input)?;
        }
    }
}
