//! `io.sluice.transforms.Compute`: puts what an expression says into a field. Ours, not Kafka's.

use crate::columns::{Members, Operand, is_all_null, operand, refuse_single};
use crate::expression::Expression;
use crate::schemaless::{OnNull, map_objects, raw, raw_string};
use crate::smt::{Side, Smt, SmtResult, rejected, string_key};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field};
use cel::Value;
use serde_json::value::RawValue;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::{ConnectBatch, number};
use std::sync::Arc;

const PURPOSE: &str = "computing a field";
const TYPES: [(&str, DataType); 8] = [
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("boolean", DataType::Boolean),
    ("string", DataType::Utf8),
];

pub struct Compute {
    field: String,
    expression: Expression,
    data_type: DataType,
}

/// A result that fits the type; `None` is null.
enum Computed {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(String),
}

impl Smt for Compute {
    fn config_def() -> ConfigDef {
        let types = TYPES.map(|(name, _)| name.to_owned()).to_vec();
        ConfigDef::default()
            .define(
                string_key("field", Default::Required, "The field that is set; it is added when it is not there.")
                    .validator(Validator::NonEmpty),
            )
            .define(
                string_key(
                    "expression",
                    Default::Required,
                    "A CEL expression over key, value, headers, topic, partition and timestamp.",
                )
                .validator(Validator::NonEmpty),
            )
            .define(
                string_key(
                    "type",
                    Default::Required,
                    "The type of the field: int8, int16, int32, int64, float32, float64, boolean or string. It is optional: the \
                     expression may be null.",
                )
                .validator(Validator::ValidValues { values: types, ignore_case: true }),
            )
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let source = &config["expression"];
        let expression = Expression::new(source)
            .map_err(|reason| format!("Invalid value {source} for configuration expression: {reason}"))?;
        let (_, data_type) = TYPES
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&config["type"]))
            .ok_or_else(|| format!("there is no type {}", config["type"]))?;
        Ok(Self { field: config["field"].clone(), expression, data_type })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_all_null(column) {
            return Ok(batch.clone());
        }
        let computed = self.expression.evaluate(batch, |value| self.fitting(value))?;
        match operand(field, column) {
            Operand::Nothing => Ok(batch.clone()),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |row, object| {
                    object.insert(self.field.clone(), json(computed[row].as_ref()));
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) => {
                let mut members = Members::of(structure, false)?;
                let (new, values) = (Field::new(&self.field, self.data_type.clone(), true), self.column(&computed)?);
                match members.position(&self.field) {
                    Some(index) => (members.fields[index], members.columns[index]) = (Arc::new(new), values),
                    None => members.push(new, values),
                }
                let (field, column) = members.into_column(field)?;
                side.replace(batch, field, column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

impl Compute {
    fn fitting(&self, value: Value) -> SmtResult<Option<Computed>> {
        let wrong = |found: &Value| {
            rejected(format!("the expression for field {:?} is {found:?}, not {}", self.field, self.data_type))
        };
        Ok(Some(match (&self.data_type, value) {
            (_, Value::Null) => return Ok(None),
            (DataType::Utf8, Value::String(text)) => Computed::Text(text.to_string()),
            (DataType::Utf8, Value::Int(value)) => Computed::Text(value.to_string()),
            (DataType::Utf8, Value::UInt(value)) => Computed::Text(value.to_string()),
            (DataType::Utf8, Value::Float(value)) => Computed::Text(number::float_text(&format!("{value:e}"))),
            (DataType::Utf8, Value::Bool(value)) => Computed::Text(value.to_string()),
            (DataType::Utf8, Value::Timestamp(time)) => Computed::Text(time.to_rfc3339()),
            (DataType::Boolean, Value::Bool(value)) => Computed::Boolean(value),
            (DataType::Float32 | DataType::Float64, Value::Float(value)) => Computed::Float(value),
            (DataType::Float32 | DataType::Float64, Value::Int(value)) => Computed::Float(value as f64),
            (data_type, Value::Timestamp(time)) if data_type.is_integer() => {
                self.in_range(time.timestamp_millis(), &Value::Timestamp(time))?
            }
            (data_type, Value::Int(value)) if data_type.is_integer() => self.in_range(value, &Value::Int(value))?,
            (data_type, Value::UInt(value)) if data_type.is_integer() => {
                let integer = i64::try_from(value).map_err(|_| wrong(&Value::UInt(value)))?;
                self.in_range(integer, &Value::UInt(value))?
            }
            (_, other) => return Err(wrong(&other)),
        }))
    }

    fn in_range(&self, value: i64, found: &Value) -> SmtResult<Computed> {
        let bits = 8 * self.data_type.primitive_width().unwrap_or(8) as u32;
        if value << (64 - bits) >> (64 - bits) != value {
            return Err(rejected(format!(
                "the expression for field {:?} is {found:?}, not {}",
                self.field, self.data_type
            )));
        }
        Ok(Computed::Integer(value))
    }

    fn column(&self, computed: &[Option<Computed>]) -> SmtResult<ArrayRef> {
        let values = computed.iter().map(Option::as_ref);
        let wide: ArrayRef = match &self.data_type {
            DataType::Utf8 => Arc::new(
                values
                    .map(|value| match value {
                        Some(Computed::Text(text)) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect::<StringArray>(),
            ),
            DataType::Boolean => Arc::new(
                values
                    .map(|value| match value {
                        Some(Computed::Boolean(value)) => Some(*value),
                        _ => None,
                    })
                    .collect::<BooleanArray>(),
            ),
            DataType::Float32 | DataType::Float64 => Arc::new(
                values
                    .map(|value| match value {
                        Some(Computed::Float(value)) => Some(*value),
                        _ => None,
                    })
                    .collect::<Float64Array>(),
            ),
            _ => Arc::new(
                values
                    .map(|value| match value {
                        Some(Computed::Integer(value)) => Some(*value),
                        _ => None,
                    })
                    .collect::<Int64Array>(),
            ),
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&wide, &self.data_type, &options).map_err(crate::smt::refused)
    }
}

fn json(computed: Option<&Computed>) -> Box<RawValue> {
    match computed {
        None => raw("null".to_owned()),
        Some(Computed::Integer(value)) => raw(value.to_string()),
        Some(Computed::Float(value)) if value.is_finite() => raw(number::float_text(&format!("{value:e}"))),
        Some(Computed::Float(value)) => raw_string(&number::float_text(&format!("{value:e}"))),
        Some(Computed::Boolean(value)) => raw(value.to_string()),
        Some(Computed::Text(text)) => raw_string(text),
    }
}
