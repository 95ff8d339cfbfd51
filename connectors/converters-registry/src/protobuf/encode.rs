//! One column as Protobuf messages, row by row through encoders that are made once per batch. Fields go out in the order of
//! their numbers.

use super::from_connect::union_name;
use crate::decimal::DecimalValues;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field};
use chrono::{Datelike, NaiveDate};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use sluice_connect_api::ConvertError;
use sluice_data::column::{integers, to_type};
use sluice_data::schema::{PRECISION, SCALE};
use sluice_data::{ConnectSchema, SchemaType};
use std::collections::HashMap;

type Built<T> = Result<T, ConvertError>;

/// Days from the year 1 to 1970.
const EPOCH_DAYS: i64 = 719_163;

/// Writes the rows of one column of structs.
pub struct MessageEncoder {
    pub nulls: Option<NullBuffer>,
    members: Vec<Member>,
}

enum Member {
    /// `has_presence`: a value that is its type's zero is written too.
    Singular {
        tag: Vec<u8>,
        nulls: Option<NullBuffer>,
        value: Value,
        has_presence: bool,
    },
    List {
        tag: Vec<u8>,
        nulls: Option<NullBuffer>,
        offsets: OffsetBuffer<i32>,
        item_nulls: Option<NullBuffer>,
        items: Value,
        is_packed: bool,
    },
    Map {
        tag: Vec<u8>,
        nulls: Option<NullBuffer>,
        offsets: OffsetBuffer<i32>,
        key: Box<Entry>,
        value: Box<Entry>,
    },
    Oneof {
        nulls: Option<NullBuffer>,
        members: Vec<Entry>,
    },
}

struct Entry {
    tag: Vec<u8>,
    nulls: Option<NullBuffer>,
    value: Value,
}

enum Value {
    Int(ScalarBuffer<i64>, IntForm),
    Float(ScalarBuffer<f32>),
    Double(ScalarBuffer<f64>),
    Boolean(BooleanArray),
    String(StringArray),
    Bytes(BinaryArray),
    Enum(StringArray, HashMap<String, i32>),
    Message(Box<MessageEncoder>),
    Timestamp(ScalarBuffer<i64>),
    Date(ScalarBuffer<i64>),
    Time(ScalarBuffer<i64>),
    Decimal { values: DecimalValues, precision: u64, scale: i64 },
}

#[derive(Clone, Copy)]
enum IntForm {
    Varint,
    ZigZag,
    /// Without a sign; of 32 bits.
    Unsigned32,
    Fixed32,
    Fixed64,
}

impl MessageEncoder {
    /// # Errors
    /// When the column cannot be written as this message.
    pub fn new(message: &MessageDescriptor, connect: &ConnectSchema, column: &ArrayRef) -> Built<Self> {
        let SchemaType::Struct(fields) = &connect.kind else {
            return Err(ConvertError::new(format!("{} is no message", connect.type_name())));
        };
        let structure = column.as_struct();
        let mut members = Vec::with_capacity(fields.len());
        for (((name, schema), field), column) in fields.iter().zip(structure.fields()).zip(structure.columns()) {
            members.push(match union_name(schema) {
                Some(_) => oneof(message, schema, column)?,
                None => {
                    let descriptor = find(message, name)?;
                    (descriptor.number(), Member::new(&descriptor, schema, field, column)?)
                }
            });
        }
        members.sort_by_key(|(number, _)| *number);
        let members = members.into_iter().map(|(_, member)| member).collect();
        Ok(Self { nulls: column.logical_nulls(), members })
    }

    /// Appends row `row`.
    ///
    /// # Errors
    /// A value that the schema has no place for.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Built<()> {
        self.members.iter().try_for_each(|member| member.write(row, out))
    }
}

fn find(message: &MessageDescriptor, name: &str) -> Built<FieldDescriptor> {
    message
        .get_field_by_name(name)
        .ok_or_else(|| ConvertError::new(format!("message {} has no field {name}", message.full_name())))
}

fn oneof(message: &MessageDescriptor, schema: &ConnectSchema, column: &ArrayRef) -> Built<(u32, Member)> {
    let SchemaType::Struct(fields) = &schema.kind else { return Err(ConvertError::new("a union is a struct")) };
    let structure = column.as_struct();
    let (mut members, mut first) = (Vec::new(), u32::MAX);
    for (((name, schema), field), column) in fields.iter().zip(structure.fields()).zip(structure.columns()) {
        let descriptor = find(message, name)?;
        first = first.min(descriptor.number());
        members.push(Entry::new(&descriptor, schema, field, column)?);
    }
    Ok((first, Member::Oneof { nulls: column.logical_nulls(), members }))
}

impl Entry {
    fn new(descriptor: &FieldDescriptor, schema: &ConnectSchema, field: &Field, column: &ArrayRef) -> Built<Self> {
        let value = Value::new(descriptor, schema, field, column)?;
        Ok(Self { tag: tag(descriptor.number(), value.wire()), nulls: column.logical_nulls(), value })
    }

    fn is_null(&self, row: usize) -> bool {
        is_null(self.nulls.as_ref(), row)
    }
}

fn is_null(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_some_and(|nulls| nulls.is_null(row))
}

impl Member {
    fn new(descriptor: &FieldDescriptor, schema: &ConnectSchema, field: &Field, column: &ArrayRef) -> Built<Self> {
        let nulls = column.logical_nulls();
        match &schema.kind {
            SchemaType::Array(item) if descriptor.is_list() => {
                let column = match column.data_type() {
                    DataType::LargeList(item) => to_type(column, &DataType::List(item.clone())).map_err(refuse)?,
                    _ => column.clone(),
                };
                let list = column.as_list::<i32>();
                let DataType::List(item_field) = list.data_type() else { unreachable!("a list has the type list") };
                let items = Value::new(descriptor, item, item_field, list.values())?;
                let is_packed = descriptor.is_packed();
                let wire = if is_packed { 2 } else { items.wire() };
                Ok(Self::List {
                    tag: tag(descriptor.number(), wire),
                    nulls,
                    offsets: list.offsets().clone(),
                    item_nulls: list.values().logical_nulls(),
                    items,
                    is_packed,
                })
            }
            SchemaType::Map(key, value) if descriptor.is_map() => {
                let Kind::Message(entry) = descriptor.kind() else { unreachable!("a map has entries") };
                let map = column.as_map();
                let (key_field, value_field) = map.entries_fields();
                let key = Entry::new(&entry.map_entry_key_field(), key, key_field, map.keys())?;
                let value = Entry::new(&entry.map_entry_value_field(), value, value_field, map.values())?;
                let (key, value) = (Box::new(key), Box::new(value));
                Ok(Self::Map { tag: tag(descriptor.number(), 2), nulls, offsets: map.offsets().clone(), key, value })
            }
            _ if descriptor.is_list() || descriptor.is_map() => Err(mismatch(descriptor, schema)),
            _ => {
                let value = Value::new(descriptor, schema, field, column)?;
                let has_presence = descriptor.supports_presence();
                Ok(Self::Singular { tag: tag(descriptor.number(), value.wire()), nulls, value, has_presence })
            }
        }
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Built<()> {
        match self {
            Self::Singular { tag, nulls, value, has_presence } => {
                if !is_null(nulls.as_ref(), row) && (*has_presence || !value.is_zero(row)) {
                    out.extend_from_slice(tag);
                    value.write(row, out)?;
                }
            }
            Self::Oneof { nulls, members } => {
                if !is_null(nulls.as_ref(), row)
                    && let Some(set) = members.iter().find(|member| !member.is_null(row))
                {
                    out.extend_from_slice(&set.tag);
                    set.value.write(row, out)?;
                }
            }
            Self::List { tag, nulls, offsets, item_nulls, items, is_packed } => {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                if is_null(nulls.as_ref(), row) || range.is_empty() {
                    return Ok(());
                }
                if range.clone().any(|item| is_null(item_nulls.as_ref(), item)) {
                    return Err(ConvertError::new("Protobuf lists hold no nulls"));
                }
                if *is_packed {
                    out.extend_from_slice(tag);
                    return write_sized(out, |out| range.into_iter().try_for_each(|item| items.write(item, out)));
                }
                for item in range {
                    out.extend_from_slice(tag);
                    items.write(item, out)?;
                }
            }
            Self::Map { tag, nulls, offsets, key, value } => {
                if is_null(nulls.as_ref(), row) {
                    return Ok(());
                }
                for index in offsets[row] as usize..offsets[row + 1] as usize {
                    out.extend_from_slice(tag);
                    write_sized(out, |out| {
                        for part in [key, value] {
                            if !part.is_null(index) {
                                out.extend_from_slice(&part.tag);
                                part.value.write(index, out)?;
                            }
                        }
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn new(descriptor: &FieldDescriptor, schema: &ConnectSchema, field: &Field, column: &ArrayRef) -> Built<Self> {
        let int = |form: IntForm| match schema.kind {
            SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64 => {
                Ok(Self::Int(integers(column).map_err(refuse)?, form))
            }
            _ => Err(mismatch(descriptor, schema)),
        };
        let kind = descriptor.kind();
        Ok(match (&kind, &schema.kind) {
            (Kind::Int32 | Kind::Int64 | Kind::Uint64, _) => int(IntForm::Varint)?,
            (Kind::Sint32 | Kind::Sint64, _) => int(IntForm::ZigZag)?,
            (Kind::Uint32, _) => int(IntForm::Unsigned32)?,
            (Kind::Fixed32 | Kind::Sfixed32, _) => int(IntForm::Fixed32)?,
            (Kind::Fixed64 | Kind::Sfixed64, _) => int(IntForm::Fixed64)?,
            (Kind::Float, SchemaType::Float32) => Self::Float(column.as_primitive::<Float32Type>().values().clone()),
            (Kind::Double, SchemaType::Float32 | SchemaType::Float64) => {
                let column = to_type(column, &DataType::Float64).map_err(refuse)?;
                Self::Double(column.as_primitive::<Float64Type>().values().clone())
            }
            (Kind::Bool, SchemaType::Boolean) => Self::Boolean(column.as_boolean().clone()),
            (Kind::String, SchemaType::String) => {
                Self::String(to_type(column, &DataType::Utf8).map_err(refuse)?.as_string::<i32>().clone())
            }
            (Kind::Enum(enumeration), SchemaType::String) => {
                let symbols = enumeration.values().map(|value| (value.name().to_owned(), value.number())).collect();
                Self::Enum(to_type(column, &DataType::Utf8).map_err(refuse)?.as_string::<i32>().clone(), symbols)
            }
            (Kind::Enum(_), _) => int(IntForm::Varint)?,
            (Kind::Bytes, SchemaType::Bytes) => {
                Self::Bytes(to_type(column, &DataType::Binary).map_err(refuse)?.as_binary::<i32>().clone())
            }
            (Kind::Message(message), _) => match message.full_name() {
                "google.protobuf.Timestamp" => Self::Timestamp(integers(column).map_err(refuse)?),
                "google.type.Date" => Self::Date(integers(column).map_err(refuse)?),
                "google.type.TimeOfDay" => Self::Time(integers(column).map_err(refuse)?),
                "confluent.type.Decimal" => {
                    let values = DecimalValues::new(field, column).ok_or_else(|| mismatch(descriptor, schema))?;
                    let number = |name: &str| schema.parameters.get(name).and_then(|text| text.parse::<i64>().ok());
                    let precision = number(PRECISION).and_then(|precision| u64::try_from(precision).ok()).unwrap_or(0);
                    Self::Decimal { values, precision, scale: number(SCALE).unwrap_or(0) }
                }
                _ => Self::Message(Box::new(MessageEncoder::new(message, schema, column)?)),
            },
            _ => return Err(mismatch(descriptor, schema)),
        })
    }

    fn wire(&self) -> u32 {
        match self {
            Self::Int(_, IntForm::Fixed32) | Self::Float(_) => 5,
            Self::Int(_, IntForm::Fixed64) | Self::Double(_) => 1,
            Self::Int(..) | Self::Boolean(_) | Self::Enum(..) => 0,
            _ => 2,
        }
    }

    /// What a field without presence leaves out.
    #[inline]
    fn is_zero(&self, row: usize) -> bool {
        match self {
            Self::Int(values, _) => values[row] == 0,
            // Minus zero is written.
            Self::Float(values) => values[row].to_bits() == 0,
            Self::Double(values) => values[row].to_bits() == 0,
            Self::Boolean(values) => !values.value(row),
            Self::String(values) => values.value(row).is_empty(),
            Self::Bytes(values) => values.value(row).is_empty(),
            Self::Enum(values, numbers) => numbers.get(values.value(row)) == Some(&0),
            _ => false,
        }
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Built<()> {
        match self {
            Self::Int(values, form) => {
                let value = values[row];
                match form {
                    IntForm::Varint => write_varint(value as u64, out),
                    IntForm::ZigZag => write_varint(((value << 1) ^ (value >> 63)) as u64, out),
                    IntForm::Unsigned32 => write_varint(u64::from(value as u32), out),
                    IntForm::Fixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
                    IntForm::Fixed64 => out.extend_from_slice(&value.to_le_bytes()),
                }
            }
            Self::Float(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Double(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Boolean(values) => out.push(u8::from(values.value(row))),
            Self::String(values) => write_bytes(values.value(row).as_bytes(), out),
            Self::Bytes(values) => write_bytes(values.value(row), out),
            Self::Enum(values, numbers) => {
                let symbol = values.value(row);
                let number = numbers.get(symbol);
                let number = number.ok_or_else(|| ConvertError::new(format!("{symbol:?} is no value of the enum")))?;
                write_varint(i64::from(*number) as u64, out);
            }
            Self::Message(message) => return write_sized(out, |out| message.write(row, out)),
            Self::Timestamp(values) => {
                let (seconds, ms) = (values[row].div_euclid(1000), values[row].rem_euclid(1000));
                return write_sized(out, |out| {
                    write_number(1, seconds, out);
                    write_number(2, ms * 1_000_000, out);
                    Ok(())
                });
            }
            Self::Date(values) => {
                let days = i32::try_from(values[row] + EPOCH_DAYS).ok();
                let date = days.and_then(NaiveDate::from_num_days_from_ce_opt);
                let date = date.ok_or_else(|| ConvertError::new("a date is out of its range"))?;
                return write_sized(out, |out| {
                    write_number(1, date.year().into(), out);
                    write_number(2, date.month().into(), out);
                    write_number(3, date.day().into(), out);
                    Ok(())
                });
            }
            Self::Time(values) => {
                let ms = values[row];
                return write_sized(out, |out| {
                    write_number(1, ms / 3_600_000, out);
                    write_number(2, ms / 60_000 % 60, out);
                    write_number(3, ms / 1000 % 60, out);
                    write_number(4, ms % 1000 * 1_000_000, out);
                    Ok(())
                });
            }
            Self::Decimal { values, precision, scale } => {
                return write_sized(out, |out| {
                    out.push(0x0A);
                    values.with_bytes(row, |bytes| write_bytes(bytes, out));
                    write_number(2, *precision as i64, out);
                    write_number(3, *scale, out);
                    Ok(())
                });
            }
        }
        Ok(())
    }
}

fn tag(number: u32, wire: u32) -> Vec<u8> {
    let mut tag = Vec::new();
    write_varint(u64::from(number << 3 | wire), &mut tag);
    tag
}

/// A field of a logical type; zero is left out.
fn write_number(number: u32, value: i64, out: &mut Vec<u8>) {
    if value != 0 {
        write_varint(u64::from(number << 3), out);
        write_varint(value as u64, out);
    }
}

#[inline]
pub fn write_varint(value: u64, out: &mut Vec<u8>) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Something with its length in front, which mostly takes one byte.
fn write_sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Built<()>) -> Built<()> {
    let start = out.len();
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return Ok(());
    }
    let mut prefix = Vec::with_capacity(10);
    write_varint(length as u64, &mut prefix);
    out.splice(start..=start, prefix);
    Ok(())
}

fn refuse(error: ArrowError) -> ConvertError {
    ConvertError::new(format!("the column cannot be written: {error}"))
}

fn mismatch(descriptor: &FieldDescriptor, schema: &ConnectSchema) -> ConvertError {
    let (name, from) = (descriptor.full_name(), schema.type_name());
    ConvertError::new(format!("{from} cannot be written into field {name}, which is {:?}", descriptor.kind()))
}
