//! Values of one Protobuf field as a column, whatever its type.

use super::ProtobufOptions;
use super::decode::{MessageColumn, read_fields, read_value};
use super::input::{DecodeError, DecodeResult, Wire};
use crate::column_bytes::Bytes;
use crate::decimal::DecimalColumn;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field};
use chrono::{Datelike, NaiveDate};
use prost_reflect::{FieldDescriptor, Kind};
use sluice_data::schema::decimal_scale;
use std::collections::HashMap;
use std::sync::Arc;

const MS_PER_DAY: i64 = 86_400_000;
/// Days from the year 1 to 1970.
const EPOCH_DAYS: i32 = 719_163;

pub enum Values {
    Int {
        values: Vec<i32>,
        is_zigzag: bool,
        min: i32,
        max: i32,
        data_type: DataType,
    },
    Long {
        values: Vec<i64>,
        form: LongForm,
        data_type: DataType,
    },
    Float(Vec<f32>),
    Double(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    String(Bytes),
    Bytes(Bytes),
    Enum {
        values: Bytes,
        name: String,
        symbols: HashMap<i32, String>,
        zero: String,
    },
    Message(Box<MessageColumn>),
    Timestamp {
        values: Vec<i64>,
        data_type: DataType,
    },
    Date {
        values: Vec<i32>,
        data_type: DataType,
    },
    Time {
        values: Vec<i32>,
        data_type: DataType,
    },
    /// Each message says its scale itself; it must be the field's.
    Decimal {
        values: DecimalColumn,
        scale: i32,
    },
}

#[derive(Clone, Copy)]
pub enum LongForm {
    Plain,
    ZigZag,
    /// Of 32 bits without a sign.
    Unsigned32,
}

fn scale_of(field: &Field) -> i32 {
    match field.data_type() {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => i32::from(*scale),
        _ => decimal_scale(field).unwrap_or(0),
    }
}

impl Values {
    pub fn new(descriptor: &FieldDescriptor, field: &Field, options: &ProtobufOptions, rows: usize) -> (Self, Wire) {
        let data_type = field.data_type().clone();
        let int = |is_zigzag: bool| {
            let (min, max) = match field.data_type() {
                DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
                DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
                _ => (i32::MIN, i32::MAX),
            };
            Self::Int { values: Vec::with_capacity(rows), is_zigzag, min, max, data_type: data_type.clone() }
        };
        let long = |form: LongForm| Self::Long { values: Vec::with_capacity(rows), form, data_type: data_type.clone() };
        match descriptor.kind() {
            Kind::Int32 => (int(false), Wire::Varint),
            Kind::Sint32 => (int(true), Wire::Varint),
            Kind::Sfixed32 => (int(false), Wire::Fixed32),
            Kind::Int64 | Kind::Uint64 => (long(LongForm::Plain), Wire::Varint),
            Kind::Sint64 => (long(LongForm::ZigZag), Wire::Varint),
            Kind::Uint32 => (long(LongForm::Unsigned32), Wire::Varint),
            Kind::Fixed32 => (long(LongForm::Unsigned32), Wire::Fixed32),
            Kind::Fixed64 | Kind::Sfixed64 => (long(LongForm::Plain), Wire::Fixed64),
            Kind::Float => (Self::Float(Vec::with_capacity(rows)), Wire::Fixed32),
            Kind::Double => (Self::Double(Vec::with_capacity(rows)), Wire::Fixed64),
            Kind::Bool => (Self::Boolean(BooleanBufferBuilder::new(rows)), Wire::Varint),
            Kind::String => (Self::String(Bytes::new(rows)), Wire::Length),
            Kind::Bytes => (Self::Bytes(Bytes::new(rows)), Wire::Length),
            Kind::Enum(_) if options.int_for_enums => (int(false), Wire::Varint),
            Kind::Enum(enumeration) => {
                let mut symbols = HashMap::new();
                for value in enumeration.values() {
                    symbols.entry(value.number()).or_insert_with(|| value.name().to_owned());
                }
                let zero = enumeration.default_value().name().to_owned();
                let name = enumeration.name().to_owned();
                (Self::Enum { values: Bytes::new(rows), name, symbols, zero }, Wire::Varint)
            }
            Kind::Message(message) => {
                let values = match message.full_name() {
                    "google.protobuf.Timestamp" => Self::Timestamp { values: Vec::with_capacity(rows), data_type },
                    "google.type.Date" => Self::Date { values: Vec::with_capacity(rows), data_type },
                    "google.type.TimeOfDay" => Self::Time { values: Vec::with_capacity(rows), data_type },
                    "confluent.type.Decimal" => Self::Decimal {
                        values: DecimalColumn::new(field, rows).expect("it was mapped to a decimal"),
                        scale: scale_of(field),
                    },
                    _ => Self::Message(Box::new(MessageColumn::new(&message, field, options, rows))),
                };
                (values, Wire::Length)
            }
        }
    }

    pub fn is_message(&self) -> bool {
        matches!(
            self,
            Self::Message(_) | Self::Timestamp { .. } | Self::Date { .. } | Self::Time { .. } | Self::Decimal { .. }
        )
    }

    #[inline]
    pub fn append_number(&mut self, number: u64) -> DecodeResult {
        match self {
            Self::Int { values, is_zigzag, min, max, .. } => {
                let low = number as u32;
                let value = if *is_zigzag { (low >> 1) as i32 ^ -((low & 1) as i32) } else { low as i32 };
                if value < *min || value > *max {
                    return Err(DecodeError::Range(value.into()));
                }
                values.push(value);
            }
            Self::Long { values, form, .. } => values.push(match form {
                LongForm::Plain => number as i64,
                LongForm::ZigZag => (number >> 1) as i64 ^ -((number & 1) as i64),
                LongForm::Unsigned32 => i64::from(number as u32),
            }),
            Self::Float(values) => values.push(f32::from_bits(number as u32)),
            Self::Double(values) => values.push(f64::from_bits(number)),
            Self::Boolean(values) => values.append(number != 0),
            Self::Enum { values, name, symbols, .. } => match symbols.get(&(number as i32)) {
                Some(symbol) => values.push(symbol.as_bytes())?,
                // As the Java library names it.
                None => values.push(format!("UNKNOWN_ENUM_VALUE_{name}_{}", number as i32).as_bytes())?,
            },
            _ => unreachable!("the wire type was looked at"),
        }
        Ok(())
    }

    #[inline]
    pub fn append_bytes(&mut self, bytes: &[u8]) -> DecodeResult {
        match self {
            Self::String(values) | Self::Bytes(values) => values.push(bytes)?,
            Self::Message(column) => column.read(bytes)?,
            Self::Timestamp { values, .. } => {
                let [seconds, nanos] = read_fields::<2>(bytes)?;
                let ms = (seconds as i64).checked_mul(1000).and_then(|ms| ms.checked_add(nanos as i64 / 1_000_000));
                values.push(ms.ok_or(DecodeError::Logical("timestamp"))?);
            }
            Self::Date { values, .. } => {
                let [year, month, day] = read_fields::<3>(bytes)?;
                let date = NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32);
                values.push(date.ok_or(DecodeError::Logical("date"))?.num_days_from_ce() - EPOCH_DAYS);
            }
            Self::Time { values, .. } => {
                let [hours, minutes, seconds, nanos] = read_fields::<4>(bytes)?.map(|part| part as i64);
                let parts = [(hours, 3_600_000), (minutes, 60_000), (seconds, 1000)];
                let ms = parts
                    .iter()
                    .try_fold(nanos / 1_000_000, |sum, (part, unit)| sum.checked_add(part.checked_mul(*unit)?));
                let ms = ms.filter(|ms| (0..MS_PER_DAY).contains(ms)).ok_or(DecodeError::Logical("time"))?;
                values.push(ms as i32);
            }
            Self::Decimal { values, scale } => {
                let [_, _, own] = read_fields::<3>(bytes)?;
                if own as i32 != *scale {
                    return Err(DecodeError::Scale { own: own as i32, expected: *scale });
                }
                let unscaled = read_value(bytes)?;
                values.push(if unscaled.is_empty() { &[0] } else { unscaled })?;
            }
            _ => unreachable!("the wire type was looked at"),
        }
        Ok(())
    }

    /// What an absent field without presence is.
    pub fn append_zero(&mut self) {
        match self {
            Self::Enum { values, zero, .. } => values.push(zero.as_bytes()).expect("a name is short"),
            _ => self.append_empty(),
        }
    }

    pub fn append_empty(&mut self) {
        match self {
            Self::Int { values, .. } | Self::Date { values, .. } | Self::Time { values, .. } => values.push(0),
            Self::Long { values, .. } | Self::Timestamp { values, .. } => values.push(0),
            Self::Float(values) => values.push(0.0),
            Self::Double(values) => values.push(0.0),
            Self::Boolean(values) => values.append(false),
            Self::String(values) | Self::Bytes(values) | Self::Enum { values, .. } => values.push_empty(),
            Self::Message(column) => column.append_null(),
            Self::Decimal { values, .. } => values.push_empty(),
        }
    }

    pub fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Int { values, data_type, .. }
            | Self::Date { values, data_type }
            | Self::Time { values, data_type } => {
                cast(&PrimitiveArray::<Int32Type>::new(values.into(), nulls), &data_type)?
            }
            Self::Long { values, data_type, .. } | Self::Timestamp { values, data_type } => {
                cast(&PrimitiveArray::<Int64Type>::new(values.into(), nulls), &data_type)?
            }
            Self::Float(values) => Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), nulls)),
            Self::Double(values) => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
            Self::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Self::String(values) | Self::Enum { values, .. } => values.finish_strings(nulls)?,
            Self::Bytes(values) => values.finish(nulls)?,
            Self::Message(column) => column.finish()?,
            Self::Decimal { values, .. } => values.finish(nulls)?,
        })
    }
}
