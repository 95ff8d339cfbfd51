//! One value in the form in which both sides are compared: what it is, not how it is held.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use serde_json::Value;
use sluice_data::number;
use sluice_data::schema::{decimal_scale, is_json, row_to_integer};
use sluice_data::values::Parsed;
use std::collections::BTreeMap;

const MS_PER_DAY: i64 = 86_400_000;

/// A Connect value. Integers of all widths are one kind: their schemas tell them apart.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Datum {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    /// Java's text of a `BigDecimal`.
    Decimal(String),
    /// A date, time or timestamp: milliseconds.
    Ms(i64),
    /// Base64.
    Bytes(String),
    Text(String),
    List(Vec<Datum>),
    /// By key, since Java's maps have no order.
    Map(Vec<(Datum, Datum)>),
    Struct(BTreeMap<String, Datum>),
}

impl Datum {
    /// What the Java program writes.
    ///
    /// # Panics
    /// When it writes something else.
    #[must_use]
    pub fn of_java(json: &Value) -> Self {
        match json {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of_java).collect()),
            Value::Object(members) => {
                let (tag, content) = members.iter().next().expect("a tagged value has a tag");
                let text = content.as_str().unwrap_or_default();
                match tag.as_str() {
                    "integer" => Self::Integer(text.parse().expect("an integer")),
                    "float" => Self::Float(text.parse().expect("a float")),
                    "float32" => Self::of_float32(text.parse().expect("a float")),
                    "decimal" => Self::Decimal(text.to_owned()),
                    "ms" => Self::Ms(text.parse().expect("milliseconds")),
                    "bytes" => Self::Bytes(text.to_owned()),
                    "struct" => {
                        let members = content.as_object().expect("a struct has members");
                        Self::Struct(members.iter().map(|(name, value)| (name.clone(), Self::of_java(value))).collect())
                    }
                    "map" => {
                        let entries = content.as_array().expect("a map has entries").iter();
                        Self::map(entries.map(|pair| (Self::of_java(&pair[0]), Self::of_java(&pair[1]))).collect())
                    }
                    other => panic!("unknown tag {other}"),
                }
            }
            Value::Number(number) => panic!("a number without a tag: {number}"),
        }
    }

    /// Schemaless JSON, as Kafka reads it.
    #[must_use]
    pub fn of_json(json: &Value) -> Self {
        match json {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            Value::Object(members) => Self::map(
                members.iter().map(|(name, value)| (Self::Text(name.clone()), Self::of_json(value))).collect(),
            ),
            Value::Number(number) => match number.as_i64() {
                Some(value) => Self::Integer(value.into()),
                None => Self::Float(number.as_f64().expect("a JSON number")),
            },
        }
    }

    /// Row `row` of one of our columns.
    ///
    /// # Panics
    /// For a type that Connect has no schema for.
    #[must_use]
    pub fn of_row(field: &Field, column: &ArrayRef, row: usize) -> Self {
        if column.is_null(row) || column.data_type().is_null() {
            return Self::Null;
        }
        match column.data_type() {
            DataType::Boolean => Self::Boolean(column.as_boolean().value(row)),
            DataType::Utf8 if is_json(field) => {
                Self::of_json(&serde_json::from_str(column.as_string::<i32>().value(row)).expect("JSON"))
            }
            DataType::Utf8 => Self::Text(column.as_string::<i32>().value(row).to_owned()),
            DataType::Float32 => Self::of_float32(column.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(_, scale) => {
                let unscaled = column.as_primitive::<Decimal128Type>().value(row).to_string();
                Self::Decimal(number::to_text(&unscaled, (*scale).into()))
            }
            DataType::Decimal256(_, scale) => {
                let unscaled = column.as_primitive::<Decimal256Type>().value(row).to_string();
                Self::Decimal(number::to_text(&unscaled, (*scale).into()))
            }
            DataType::Binary => {
                let bytes = column.as_binary::<i32>().value(row);
                match decimal_scale(field) {
                    Some(scale) => {
                        Self::Decimal(number::to_text(&BigInt::from_signed_bytes_be(bytes).to_string(), scale))
                    }
                    None => Self::Bytes(STANDARD.encode(bytes)),
                }
            }
            DataType::List(item) => {
                let items = column.as_list::<i32>().value(row);
                Self::List((0..items.len()).map(|index| Self::of_row(item, &items, index)).collect())
            }
            DataType::Map(..) => {
                let map = column.as_map();
                let (key, value) = map.entries_fields();
                let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
                Self::map(
                    range
                        .map(|at| (Self::of_row(key, map.keys(), at), Self::of_row(value, map.values(), at)))
                        .collect(),
                )
            }
            DataType::Struct(fields) => {
                let members = fields.iter().zip(column.as_struct().columns());
                Self::Struct(
                    members.map(|(field, member)| (field.name().clone(), Self::of_row(field, member, row))).collect(),
                )
            }
            DataType::Date32 => Self::Ms(row_to_integer(column, row).expect("a date") * MS_PER_DAY),
            DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..) => {
                Self::Ms(row_to_integer(column, row).expect("a time"))
            }
            _ => Self::Integer(row_to_integer(column, row).expect("an integer").into()),
        }
    }

    /// What a text was taken for.
    #[must_use]
    pub fn of_parsed(parsed: &Parsed) -> Self {
        match parsed {
            Parsed::Null => Self::Null,
            Parsed::Boolean(value) => Self::Boolean(*value),
            Parsed::Int8(value) => Self::Integer((*value).into()),
            Parsed::Int16(value) => Self::Integer((*value).into()),
            Parsed::Int32(value) => Self::Integer((*value).into()),
            Parsed::Int64(value) => Self::Integer((*value).into()),
            Parsed::Float32(value) => Self::of_float32(*value),
            Parsed::Float64(value) => Self::Float(*value),
            Parsed::Decimal(unscaled, scale) => Self::Decimal(number::to_text(&unscaled.to_string(), *scale)),
            Parsed::Date(ms) | Parsed::Time(ms) | Parsed::Timestamp(ms) => Self::Ms(*ms),
            Parsed::String(text) => Self::Text(text.clone()),
            Parsed::List(items, _) => Self::List(items.iter().map(Self::of_parsed).collect()),
            Parsed::Map(entries, _) => {
                Self::map(entries.iter().map(|(key, value)| (Self::of_parsed(key), Self::of_parsed(value))).collect())
            }
        }
    }

    /// A later entry of the same key takes the place of the earlier one, as in Java's maps.
    fn map(entries: Vec<(Self, Self)>) -> Self {
        let mut unique: Vec<(Self, Self)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match unique.iter_mut().find(|(existing, _)| existing.is_same(&key)) {
                Some(entry) => entry.1 = value,
                None => unique.push((key, value)),
            }
        }
        unique.sort_by(|left, right| left.0.partial_cmp(&right.0).unwrap_or(std::cmp::Ordering::Equal));
        Self::Map(unique)
    }

    /// As its shortest text says, which is the same float64 on both sides.
    fn of_float32(value: f32) -> Self {
        Self::Float(value.to_string().parse().expect("a float"))
    }

    /// Equal, where NaN equals itself.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => left == right || (left.is_nan() && right.is_nan()),
            // `-0`, which a JSON text keeps and which is no integer to who parses it here.
            (Self::Integer(0), Self::Float(zero)) => *zero == 0.0 && zero.is_sign_negative(),
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.is_same(right))
            }
            (Self::Map(left), Self::Map(right)) => {
                let same = |(left, right): (&(Self, Self), &(Self, Self))| {
                    left.0.is_same(&right.0) && left.1.is_same(&right.1)
                };
                left.len() == right.len() && left.iter().zip(right).all(same)
            }
            (Self::Struct(left), Self::Struct(right)) => {
                let same =
                    |(left, right): ((&String, &Self), (&String, &Self))| left.0 == right.0 && left.1.is_same(right.1);
                left.len() == right.len() && left.iter().zip(right).all(same)
            }
            _ => self == other,
        }
    }
}
