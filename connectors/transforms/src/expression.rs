//! An expression of the Common Expression Language over a record: what `io.sluice.transforms.Filter` and `Compute` evaluate.
//!
//! | variable | type |
//! | --- | --- |
//! | `key`, `value` | the data: maps, lists, numbers, texts, booleans, bytes, timestamps; null where there is none |
//! | `headers` | a map from name to text; of headers with one name the last |
//! | `topic` | string |
//! | `partition` | int, or null |
//! | `timestamp` | timestamp, or null |
//!
//! Decimals are doubles, a Time is a duration since midnight. Only the variables that an expression names are made.

use crate::smt::{SmtResult, rejected};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use cel::objects::{Key, Map};
use cel::{Context, Program, Value};
use chrono::{DateTime, Duration};
use sluice_data::ConnectBatch;
use sluice_data::headers::row_headers;
use sluice_data::schema::{decimal_scale, is_json, row_to_integer};
use sluice_data::values::write_row;
use std::collections::HashMap;
use std::sync::Arc;

const VARIABLES: [&str; 6] = ["key", "value", "headers", "topic", "partition", "timestamp"];
/// Macros bind names of their own.
const MACROS: [&str; 6] = [".all(", ".exists(", ".exists_one(", ".existsOne(", ".map(", ".filter("];

/// A compiled expression.
pub struct Expression {
    source: String,
    program: Program,
    used: Vec<&'static str>,
}

impl Expression {
    /// # Errors
    /// What does not compile, and a name that is no variable.
    pub fn new(source: &str) -> Result<Self, String> {
        let program = Program::compile(source).map_err(|error| format!("{error}"))?;
        let references = program.references();
        let has_macro = MACROS.iter().any(|name| source.contains(name));
        if let Some(unknown) = references.variables().into_iter().find(|name| !has_macro && !VARIABLES.contains(name)) {
            return Err(format!("there is no variable {unknown}; there are {}", VARIABLES.join(", ")));
        }
        let used = VARIABLES.into_iter().filter(|name| references.has_variable(name)).collect();
        Ok(Self { source: source.to_owned(), program, used })
    }

    /// What the expression is for each row.
    ///
    /// # Errors
    /// A row for which it has no value: a field that is not there, operands that do not fit.
    pub fn evaluate<T>(
        &self,
        batch: &ConnectBatch,
        mut convert: impl FnMut(Value) -> SmtResult<T>,
    ) -> SmtResult<Vec<T>> {
        let root = Context::default();
        let mut results = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let mut context = root.new_inner_scope();
            for name in &self.used {
                context.add_variable_from_value(*name, variable(name, batch, row)?);
            }
            let value = self.program.execute(&context);
            results.push(convert(value.map_err(|error| rejected(format!("{}: {error}", self.source)))?)?);
        }
        Ok(results)
    }
}

fn variable(name: &str, batch: &ConnectBatch, row: usize) -> SmtResult<Value> {
    Ok(match name {
        "key" => value_of(batch.key_field(), batch.key(), row)?,
        "value" => value_of(batch.value_field(), batch.value(), row)?,
        "topic" => text(batch.topic()),
        "partition" => match batch.partitions().filter(|partitions| partitions.is_valid(row)) {
            Some(partitions) => Value::Int(partitions.value(row).into()),
            None => Value::Null,
        },
        "timestamp" if batch.timestamps().is_valid(row) => timestamp(batch.timestamps().value(row))?,
        "timestamp" => Value::Null,
        _ => {
            let headers = batch.headers().into_iter().flat_map(|headers| row_headers(headers, row));
            map(headers.map(|header| {
                let value = header.value.map_or(Value::Null, |bytes| text(&String::from_utf8_lossy(bytes)));
                (header.name.to_owned(), value)
            }))
        }
    })
}

fn value_of(field: &Field, column: &ArrayRef, row: usize) -> SmtResult<Value> {
    if column.is_null(row) || column.data_type().is_null() {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Utf8 if is_json(field) => {
            let json = serde_json::from_str(column.as_string::<i32>().value(row));
            of_json(&json.map_err(|error| rejected(format!("the schemaless value is not JSON: {error}")))?)
        }
        DataType::Utf8 => text(column.as_string::<i32>().value(row)),
        DataType::Float32 => Value::Float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Binary if decimal_scale(field).is_none() => {
            Value::Bytes(Arc::new(column.as_binary::<i32>().value(row).to_vec()))
        }
        DataType::Binary | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let mut digits = String::new();
            write_row(field, column, row, &mut digits).map_err(crate::smt::refused)?;
            Value::Float(digits.parse().map_err(|_| rejected(format!("{digits} is no double")))?)
        }
        DataType::List(item) => {
            let items = column.as_list::<i32>().value(row);
            let items = (0..items.len()).map(|index| value_of(item, &items, index));
            Value::List(Arc::new(items.collect::<SmtResult<_>>()?))
        }
        DataType::Map(..) => entries(column, row)?,
        DataType::Struct(fields) => {
            let members = fields.iter().zip(column.as_struct().columns());
            let members = members.map(|(field, member)| Ok((field.name().clone(), value_of(field, member, row)?)));
            map(members.collect::<SmtResult<Vec<_>>>()?.into_iter())
        }
        data_type => {
            let number = row_to_integer(column, row);
            let number = number.ok_or_else(|| rejected(format!("expressions do not know the type {data_type}")))?;
            match data_type {
                DataType::Date32 => timestamp(number * 86_400_000)?,
                DataType::Timestamp(..) => timestamp(number)?,
                DataType::Time32(_) | DataType::Time64(_) => Value::Duration(Duration::milliseconds(number)),
                _ => Value::Int(number),
            }
        }
    })
}

fn entries(column: &ArrayRef, row: usize) -> SmtResult<Value> {
    let entries = column.as_map();
    let (key_field, value_field) = entries.entries_fields();
    let range = entries.value_offsets()[row] as usize..entries.value_offsets()[row + 1] as usize;
    let mut map = HashMap::new();
    for index in range {
        let key = match value_of(key_field, entries.keys(), index)? {
            Value::Int(key) => Key::Int(key),
            Value::Bool(key) => Key::Bool(key),
            Value::String(key) => Key::String(key),
            other => return Err(rejected(format!("expressions have no maps with keys like {other:?}"))),
        };
        map.insert(key, value_of(value_field, entries.values(), index)?);
    }
    Ok(Value::Map(Map { map: Arc::new(map) }))
}

/// Integers are ints, whatever their sign.
fn of_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(value) => text(value),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.iter().map(of_json).collect())),
        serde_json::Value::Object(members) => map(members.iter().map(|(name, value)| (name.clone(), of_json(value)))),
    }
}

fn map(members: impl Iterator<Item = (String, Value)>) -> Value {
    let members = members.map(|(name, value)| (Key::String(Arc::new(name)), value));
    Value::Map(Map { map: Arc::new(members.collect()) })
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn timestamp(ms: i64) -> SmtResult<Value> {
    let time = DateTime::from_timestamp_millis(ms);
    let time = time.ok_or_else(|| rejected(format!("{ms} ms is no time that an expression can hold")))?;
    Ok(Value::Timestamp(time.fixed_offset()))
}
