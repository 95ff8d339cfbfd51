//! One value on its way from one type to another.

use super::unsupported;
use crate::smt::{SmtResult, refused, rejected};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use sluice_data::number;
use sluice_data::schema::decimal_scale;
use sluice_data::values::temporal_text;

const MS_PER_DAY: i64 = 86_400_000;

#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Integer(i64),
    Float32(f32),
    Float64(f64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(BigInt, i32),
    /// The number that stands for it, and its milliseconds.
    Temporal(i64, i64),
}

impl Scalar {
    /// `None` for null.
    pub fn of(field: &Field, column: &ArrayRef, row: usize) -> SmtResult<Option<Self>> {
        if column.is_null(row) || column.data_type().is_null() {
            return Ok(None);
        }
        Ok(Some(match column.data_type() {
            DataType::Float32 => Self::Float32(column.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Self::Float64(column.as_primitive::<Float64Type>().value(row)),
            DataType::Boolean => Self::Boolean(column.as_boolean().value(row)),
            DataType::Utf8 => Self::Text(column.as_string::<i32>().value(row).to_owned()),
            DataType::Binary => {
                let bytes = column.as_binary::<i32>().value(row);
                match decimal_scale(field) {
                    Some(scale) => Self::Decimal(BigInt::from_signed_bytes_be(bytes), scale),
                    None => Self::Bytes(bytes.to_vec()),
                }
            }
            DataType::Decimal128(_, scale) => {
                Self::Decimal(column.as_primitive::<Decimal128Type>().value(row).into(), (*scale).into())
            }
            DataType::Decimal256(_, scale) => {
                let unscaled = column.as_primitive::<Decimal256Type>().value(row);
                Self::Decimal(BigInt::from_signed_bytes_be(&unscaled.to_be_bytes()), (*scale).into())
            }
            other => Self::of_integer(column, other, row)?,
        }))
    }

    fn of_integer(column: &ArrayRef, data_type: &DataType, row: usize) -> SmtResult<Self> {
        let value = column.slice(row, 1);
        let integer = |array: &ArrayRef| -> SmtResult<i64> {
            let array = match array.data_type() {
                DataType::Date32 | DataType::Time32(_) => cast(array, &DataType::Int32).map_err(refused)?,
                _ => array.clone(),
            };
            Ok(cast(&array, &DataType::Int64).map_err(refused)?.as_primitive::<Int64Type>().value(0))
        };
        let to = |data_type: DataType| cast(&value, &data_type).map_err(refused);
        Ok(match data_type {
            DataType::Date32 => {
                let days = integer(&value)?;
                Self::Temporal(days, days * MS_PER_DAY)
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let ms = integer(&to(DataType::Time32(TimeUnit::Millisecond))?)?;
                Self::Temporal(ms, ms)
            }
            DataType::Timestamp(_, zone) => {
                let ms = integer(&to(DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?)?;
                Self::Temporal(ms, ms)
            }
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Integer(integer(&value)?),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Self::Integer(integer(&value)?),
            other => return Err(unsupported(other)),
        })
    }

    /// A schemaless value that is not null: integers are 64 bit, fractions float64.
    pub fn of_json(text: &str) -> SmtResult<Self> {
        let json: serde_json::Value = serde_json::from_str(text).map_err(|error| rejected(error.to_string()))?;
        Ok(match json {
            serde_json::Value::Bool(value) => Self::Boolean(value),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Number(value) => match value.as_i64() {
                Some(value) => Self::Integer(value),
                None if text.contains(['.', 'e', 'E']) => Self::Float64(value.as_f64().unwrap_or(f64::NAN)),
                None => Self::Decimal(number::parse(text.trim(), 0).ok_or_else(|| unsupported("number"))?, 0),
            },
            serde_json::Value::Null => return Err(unsupported("null")),
            serde_json::Value::Array(_) => return Err(unsupported("array")),
            serde_json::Value::Object(_) => return Err(unsupported("object")),
        })
    }

    /// An integer of `bits` bits, wrapped as Java's narrowing does. A text must fit.
    pub fn to_integer(&self, bits: u32) -> SmtResult<i64> {
        let narrow = |value: i64| value << (64 - bits) >> (64 - bits);
        Ok(match self {
            Self::Integer(value) | Self::Temporal(value, _) => narrow(*value),
            // Java goes over int or long, which saturate.
            Self::Float32(value) if bits < 64 => narrow(i64::from(*value as i32)),
            Self::Float64(value) if bits < 64 => narrow(i64::from(*value as i32)),
            Self::Float32(value) => *value as i64,
            Self::Float64(value) => *value as i64,
            Self::Boolean(value) => i64::from(*value),
            Self::Decimal(unscaled, scale) => narrow(number::low_bits(unscaled, *scale)),
            Self::Text(text) => match text.parse::<i64>() {
                Ok(value) if narrow(value) == value => value,
                _ => {
                    return Err(rejected(format!(
                        "Value ({text}) was out of range for requested data type int{bits}, or is no integer"
                    )));
                }
            },
            Self::Bytes(_) => return Err(unsupported("bytes")),
        })
    }

    pub fn to_float64(&self) -> SmtResult<f64> {
        Ok(match self {
            Self::Integer(value) | Self::Temporal(value, _) => *value as f64,
            Self::Float32(value) => f64::from(*value),
            Self::Float64(value) => *value,
            Self::Boolean(value) => f64::from(u8::from(*value)),
            Self::Decimal(unscaled, scale) => parse_float(&number::to_text(&unscaled.to_string(), *scale))?,
            Self::Text(text) => parse_float(text)?,
            Self::Bytes(_) => return Err(unsupported("bytes")),
        })
    }

    pub fn to_float32(&self) -> SmtResult<f32> {
        match self {
            Self::Float32(value) => Ok(*value),
            Self::Text(text) => parse_float(text),
            Self::Decimal(unscaled, scale) => parse_float(&number::to_text(&unscaled.to_string(), *scale)),
            Self::Integer(value) | Self::Temporal(value, _) => Ok(*value as f32),
            other => other.to_float64().map(|value| value as f32),
        }
    }

    /// A number is true when its integer part is not 0, a text when it is `true` in any case.
    pub fn to_boolean(&self) -> SmtResult<bool> {
        match self {
            Self::Boolean(value) => Ok(*value),
            Self::Text(text) => Ok(text.eq_ignore_ascii_case("true")),
            other => other.to_integer(64).map(|value| value != 0),
        }
    }

    pub fn to_text(&self) -> SmtResult<String> {
        Ok(match self {
            Self::Integer(value) => value.to_string(),
            Self::Float32(value) => number::float_text(&format!("{value:e}")),
            Self::Float64(value) => number::float_text(&format!("{value:e}")),
            Self::Boolean(value) => value.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => STANDARD.encode(bytes),
            Self::Decimal(unscaled, scale) => number::to_text(&unscaled.to_string(), *scale),
            Self::Temporal(_, ms) => temporal_text(*ms),
        })
    }

    /// The JSON text of this value as `target`.
    pub fn to_json(&self, target: &DataType) -> SmtResult<String> {
        let float = |value: f64, text: String| {
            if value.is_finite() { text } else { serde_json::Value::from(text).to_string() }
        };
        Ok(match target {
            DataType::Int8 => self.to_integer(8)?.to_string(),
            DataType::Int16 => self.to_integer(16)?.to_string(),
            DataType::Int32 => self.to_integer(32)?.to_string(),
            DataType::Int64 => self.to_integer(64)?.to_string(),
            DataType::Float32 => {
                let value = self.to_float32()?;
                float(value.into(), number::float_text(&format!("{value:e}")))
            }
            DataType::Float64 => {
                let value = self.to_float64()?;
                float(value, number::float_text(&format!("{value:e}")))
            }
            DataType::Boolean => self.to_boolean()?.to_string(),
            _ => serde_json::Value::from(self.to_text()?).to_string(),
        })
    }
}

fn parse_float<T: std::str::FromStr>(text: &str) -> SmtResult<T> {
    number::parse_java_float(text)
        .ok_or_else(|| rejected(format!("Value ({text}) was out of range for requested data type, or is no number")))
}
