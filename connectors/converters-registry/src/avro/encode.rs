//! One column as Avro values, row by row through encoders that are made once per batch.
//!
//! The schema that is written may be another than the column's own (`use.latest.version`): fields are found by name, ints may
//! be written as longs and floats as doubles, and what the schema has in addition is its default.

use super::default::{avro_default, is_union_schema, latin1_bytes};
use super::names::{scrub, split};
use super::options::{AvroOptions, ENUM, GENERALIZED_ENUM};
use super::schema::{AvroSchema, Kind, Record, Schema};
use super::to_connect::{map_entry, union_member_name};
use crate::decimal::DecimalValues;
use crate::ordered_json::Json;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use sluice_connect_api::ConvertError;
use sluice_data::column::{integers, to_type};
use sluice_data::{ConnectSchema, SchemaType};
use std::collections::HashMap;

type Built<T> = Result<T, ConvertError>;

/// Writes the rows of one column, and of the columns inside it.
pub struct Encoder {
    nulls: Option<NullBuffer>,
    /// What a null is written as; `None`: it must not be null.
    on_null: Option<Vec<u8>>,
    name: String,
    /// The branch of a union, in front of each value.
    branch: Vec<u8>,
    values: Values,
}

enum Values {
    Boolean(BooleanArray),
    /// Ints too: Avro writes both in one way.
    Long(ScalarBuffer<i64>),
    Float(ScalarBuffer<f32>),
    Double(ScalarBuffer<f64>),
    String(StringArray),
    Bytes(BinaryArray),
    Fixed(BinaryArray, usize),
    Enum(StringArray, HashMap<String, Vec<u8>>),
    /// `size` of a fixed.
    Decimal(DecimalValues, Option<usize>),
    List(OffsetBuffer<i32>, Box<Encoder>),
    Map(OffsetBuffer<i32>, StringArray, Box<Encoder>),
    /// Keys and values in the order of the record's fields.
    Entries(OffsetBuffer<i32>, [Box<Encoder>; 2]),
    Struct(Vec<Member>),
    /// A struct of which one member is set. Each writes its branch itself.
    Union(Vec<Encoder>),
}

enum Member {
    Column(Box<Encoder>),
    /// A field that the column does not have, with its default.
    Constant(Vec<u8>),
}

/// What encoders are made with.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub avro: &'a AvroSchema,
    pub options: &'a AvroOptions,
}

impl Encoder {
    /// # Errors
    /// When the column cannot be written with this schema.
    pub fn new(
        target: Target<'_>,
        schema: &Schema,
        connect: &ConnectSchema,
        field: &Field,
        column: &ArrayRef,
    ) -> Built<Self> {
        let schema = target.avro.resolve(schema);
        let (nulls, name) = (column.logical_nulls(), field.name().clone());
        let mut on_null = None;
        if let Kind::Union(branches) = &schema.kind
            && let Some(null) = branches.iter().position(Schema::is_null)
        {
            on_null = Some(zigzag(null as i64));
        }
        let default = connect.default.as_ref().filter(|default| !default.is_null());
        if let Some(default) = default.filter(|_| !(connect.optional && target.options.ignore_default_for_nullables)) {
            let default = avro_default(connect, default, target.options);
            let default = default.and_then(|default| encode_default(target.avro, schema, &default));
            on_null = default.or(on_null);
        }
        let (branch, values) = match &schema.kind {
            Kind::Union(branches) if is_union_schema(connect) => {
                (Vec::new(), Values::union(target, branches, connect, column)?)
            }
            Kind::Union(branches) => {
                let fitting = |branch: &Schema| fits(target, branch, connect);
                let named = |branch: &Schema| fitting(branch) && has_name_of(target, branch, connect);
                let fitting = branches.iter().position(named).or_else(|| branches.iter().position(fitting));
                let index = fitting.ok_or_else(|| mismatch(schema, connect, field))?;
                (zigzag(index as i64), Values::new(target, &branches[index], connect, field, column)?)
            }
            _ => (Vec::new(), Values::new(target, schema, connect, field, column)?),
        };
        Ok(Self { nulls, on_null, name, branch, values })
    }

    #[inline]
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends row `row`.
    ///
    /// # Errors
    /// A null where the schema has none, and values that the schema has no place for.
    #[inline]
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Built<()> {
        if self.is_null(row) {
            let Some(null) = &self.on_null else {
                return Err(ConvertError::new(format!("Found null value for non-optional schema: {:?}", self.name)));
            };
            out.extend_from_slice(null);
            return Ok(());
        }
        out.extend_from_slice(&self.branch);
        self.values.write(row, out)
    }
}

impl Values {
    fn new(
        target: Target<'_>,
        schema: &Schema,
        connect: &ConnectSchema,
        field: &Field,
        column: &ArrayRef,
    ) -> Built<Self> {
        let schema = target.avro.resolve(schema);
        let refuse = |error: arrow_schema::ArrowError| {
            ConvertError::new(format!("the column {:?} cannot be written: {error}", field.name()))
        };
        if !fits(target, schema, connect) {
            return Err(mismatch(schema, connect, field));
        }
        if let Some(values) = DecimalValues::new(field, column) {
            let size = if let Kind::Fixed(fixed) = &schema.kind { Some(fixed.size) } else { None };
            return Ok(Self::Decimal(values, size));
        }
        Ok(match (&schema.kind, &connect.kind) {
            (Kind::Boolean, _) => Self::Boolean(column.as_boolean().clone()),
            (Kind::Int | Kind::Long, _) => Self::Long(integers(column).map_err(refuse)?),
            (Kind::Float, _) => Self::Float(column.as_primitive::<Float32Type>().values().clone()),
            (Kind::Double, _) => {
                let column = to_type(column, &DataType::Float64).map_err(refuse)?;
                Self::Double(column.as_primitive::<Float64Type>().values().clone())
            }
            (Kind::String, _) => Self::String(strings(column).map_err(refuse)?),
            (Kind::Enum(enumeration), _) => {
                let indices = enumeration.symbols.iter().enumerate();
                let indices = indices.map(|(index, symbol)| (symbol.clone(), zigzag(index as i64)));
                Self::Enum(strings(column).map_err(refuse)?, indices.collect())
            }
            (Kind::Bytes, _) => Self::Bytes(binary(column).map_err(refuse)?),
            (Kind::Fixed(fixed), _) => Self::Fixed(binary(column).map_err(refuse)?, fixed.size),
            (Kind::Array(item), SchemaType::Array(item_schema)) => {
                let column = match column.data_type() {
                    DataType::LargeList(item) => to_type(column, &DataType::List(item.clone())).map_err(refuse)?,
                    _ => column.clone(),
                };
                let list = column.as_list::<i32>();
                let DataType::List(item_field) = list.data_type() else { unreachable!("a list has the type list") };
                let items = Encoder::new(target, item, item_schema, item_field, list.values())?;
                Self::List(list.offsets().clone(), Box::new(items))
            }
            (Kind::Map(value), SchemaType::Map(_, value_schema)) => {
                let map = column.as_map();
                let (_, value_field) = map.entries_fields();
                let values = Encoder::new(target, value, value_schema, value_field, map.values())?;
                Self::Map(map.offsets().clone(), strings(map.keys()).map_err(refuse)?, Box::new(values))
            }
            (Kind::Array(item), SchemaType::Map(key, value)) => Self::entries(target, item, key, value, column)?,
            (Kind::Record(record), SchemaType::Struct(members)) => Self::structure(target, record, members, column)?,
            _ => return Err(mismatch(schema, connect, field)),
        })
    }

    fn structure(
        target: Target<'_>,
        record: &Record,
        members: &[(String, ConnectSchema)],
        column: &ArrayRef,
    ) -> Built<Self> {
        let column = column.as_struct();
        let mut encoders = Vec::with_capacity(record.fields.len());
        for wanted in &record.fields {
            let name = &wanted.name;
            let found = members.iter().position(|(own, _)| scrub(own, target.options) == *name);
            encoders.push(match (found, &wanted.default) {
                (Some(index), _) => {
                    let (field, column) = (&column.fields()[index], &column.columns()[index]);
                    Member::Column(Box::new(Encoder::new(target, &wanted.schema, &members[index].1, field, column)?))
                }
                (None, Some(default)) => {
                    let default = encode_default(target.avro, &wanted.schema, default);
                    let missing = || ConvertError::new(format!("field {name} has no valid default"));
                    Member::Constant(default.ok_or_else(missing)?)
                }
                (None, None) => {
                    let record = record.name.full();
                    return Err(ConvertError::new(format!(
                        "field {name} of {record} is required, and the records do not have it"
                    )));
                }
            });
        }
        Ok(Self::Struct(encoders))
    }

    fn entries(
        target: Target<'_>,
        item: &Schema,
        key: &ConnectSchema,
        value: &ConnectSchema,
        column: &ArrayRef,
    ) -> Built<Self> {
        let record = map_entry(target.avro.resolve(item)).expect("it fits");
        let map = column.as_map();
        let (key_field, value_field) = map.entries_fields();
        let encoder = |field: &super::schema::RecordField| match field.name.as_str() {
            "key" => Encoder::new(target, &field.schema, key, key_field, map.keys()),
            _ => Encoder::new(target, &field.schema, value, value_field, map.values()),
        };
        let encoders = [Box::new(encoder(&record.fields[0])?), Box::new(encoder(&record.fields[1])?)];
        Ok(Self::Entries(map.offsets().clone(), encoders))
    }

    fn union(target: Target<'_>, branches: &[Schema], connect: &ConnectSchema, column: &ArrayRef) -> Built<Self> {
        let SchemaType::Struct(members) = &connect.kind else { return Err(ConvertError::new("a union is a struct")) };
        let column = column.as_struct();
        let mut encoders = Vec::with_capacity(members.len());
        for (((name, member), field), column) in members.iter().zip(column.fields()).zip(column.columns()) {
            let named = branches.iter().enumerate();
            let named = named
                .filter(|(_, branch)| !branch.is_null())
                .find(|(index, branch)| union_member_name(target.avro, branch, *index, target.options) == *name);
            let fitting = || branches.iter().enumerate().find(|(_, branch)| fits(target, branch, member));
            let Some((index, branch)) = named.or_else(fitting) else {
                return Err(ConvertError::new(format!("member {name} has no branch in the union")));
            };
            let values = Values::new(target, branch, member, field, column)?;
            let (nulls, name) = (column.logical_nulls(), name.clone());
            encoders.push(Encoder { nulls, on_null: None, name, branch: zigzag(index as i64), values });
        }
        Ok(Self::Union(encoders))
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Built<()> {
        match self {
            Self::Boolean(values) => out.push(u8::from(values.value(row))),
            Self::Long(values) => write_long(values[row], out),
            Self::Float(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Double(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::String(values) => write_bytes(values.value(row).as_bytes(), out),
            Self::Bytes(values) => write_bytes(values.value(row), out),
            Self::Fixed(values, size) => write_fixed(values.value(row), *size, out)?,
            Self::Enum(values, indices) => {
                let symbol = values.value(row);
                let index = indices.get(symbol);
                let index = index.ok_or_else(|| ConvertError::new(format!("{symbol:?} is no symbol of the enum")))?;
                out.extend_from_slice(index);
            }
            Self::Decimal(values, None) => values.with_bytes(row, |bytes| write_bytes(bytes, out)),
            Self::Decimal(values, Some(size)) => values.with_bytes(row, |bytes| write_padded(bytes, *size, out))?,
            Self::Struct(members) => {
                for member in members {
                    match member {
                        Member::Column(encoder) => encoder.write(row, out)?,
                        Member::Constant(bytes) => out.extend_from_slice(bytes),
                    }
                }
            }
            Self::Union(members) => {
                let set = members.iter().find(|member| !member.is_null(row));
                let set = set.ok_or_else(|| ConvertError::new("no member of the union is set"))?;
                set.write(row, out)?;
            }
            Self::List(offsets, items) => write_block(offsets, row, out, |index, out| items.write(index, out))?,
            Self::Map(offsets, keys, values) => write_block(offsets, row, out, |index, out| {
                write_bytes(keys.value(index).as_bytes(), out);
                values.write(index, out)
            })?,
            Self::Entries(offsets, [first, second]) => write_block(offsets, row, out, |index, out| {
                first.write(index, out)?;
                second.write(index, out)
            })?,
        }
        Ok(())
    }
}

/// Whether values of a Connect schema may be written with an Avro schema.
fn fits(target: Target<'_>, schema: &Schema, connect: &ConnectSchema) -> bool {
    let schema = target.avro.resolve(schema);
    match (&schema.kind, &connect.kind) {
        (Kind::Boolean, SchemaType::Boolean)
        | (Kind::Int, SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32)
        | (Kind::Long, SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64)
        | (Kind::Float, SchemaType::Float32)
        | (Kind::Double, SchemaType::Float32 | SchemaType::Float64)
        | (Kind::String | Kind::Enum(_), SchemaType::String)
        | (Kind::Bytes | Kind::Fixed(_), SchemaType::Bytes)
        | (Kind::Array(_), SchemaType::Array(_)) => {}
        (Kind::Map(_), SchemaType::Map(key, _)) => return key.kind == SchemaType::String,
        (Kind::Array(item), SchemaType::Map(..)) => return map_entry(target.avro.resolve(item)).is_some(),
        (Kind::Record(_), SchemaType::Struct(_)) => {}
        _ => return false,
    }
    true
}

/// Among several records or enums the name decides.
fn has_name_of(target: Target<'_>, branch: &Schema, connect: &ConnectSchema) -> bool {
    let of_enum = connect.parameters.get(ENUM).or(connect.parameters.get(GENERALIZED_ENUM));
    let name = of_enum.or(connect.name.as_ref()).map(|name| split(name, target.options).full());
    name.is_some_and(|name| target.avro.resolve(branch).full_name() == name)
}

fn mismatch(schema: &Schema, connect: &ConnectSchema, field: &Field) -> ConvertError {
    let (from, to) = (connect.type_name(), schema.full_name());
    ConvertError::new(format!("{:?} is {from}, which cannot be written as Avro {to}", field.name()))
}

fn strings(column: &ArrayRef) -> Result<StringArray, arrow_schema::ArrowError> {
    Ok(to_type(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn binary(column: &ArrayRef) -> Result<BinaryArray, arrow_schema::ArrowError> {
    Ok(to_type(column, &DataType::Binary)?.as_binary::<i32>().clone())
}

#[inline]
pub fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn zigzag(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    write_long(value, &mut out);
    out
}

#[inline]
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

fn write_fixed(bytes: &[u8], size: usize, out: &mut Vec<u8>) -> Built<()> {
    if bytes.len() != size {
        return Err(ConvertError::new(format!("{} bytes are no fixed of {size}", bytes.len())));
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// A decimal as a fixed: its sign fills what is in front.
fn write_padded(unscaled: &[u8], size: usize, out: &mut Vec<u8>) -> Built<()> {
    let Some(padding) = size.checked_sub(unscaled.len()) else {
        let length = unscaled.len();
        return Err(ConvertError::new(format!(
            "Unscaled value byte array length {length} is greater than fixed size {size}"
        )));
    };
    let sign = if unscaled.first().is_some_and(|first| first & 0x80 != 0) { 0xFF } else { 0 };
    out.extend(std::iter::repeat_n(sign, padding));
    out.extend_from_slice(unscaled);
    Ok(())
}

fn write_block(
    offsets: &OffsetBuffer<i32>,
    row: usize,
    out: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Built<()>,
) -> Built<()> {
    let items = offsets[row] as usize..offsets[row + 1] as usize;
    if !items.is_empty() {
        write_long(items.len() as i64, out);
        for index in items {
            write(index, out)?;
        }
    }
    out.push(0);
    Ok(())
}

/// A default in binary; `None` when it does not fit.
#[must_use]
pub fn encode_default(avro: &AvroSchema, schema: &Schema, default: &Json) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_default(avro, schema, default, &mut out)?;
    Some(out)
}

fn write_default(avro: &AvroSchema, schema: &Schema, default: &Json, out: &mut Vec<u8>) -> Option<()> {
    match (&avro.resolve(schema).kind, default) {
        (Kind::Union(branches), value) => {
            let index = branches.iter().position(|branch| avro.is_valid_default(branch, value))?;
            write_long(index as i64, out);
            write_default(avro, &branches[index], value, out)?;
        }
        (Kind::Null, Json::Null) => {}
        (Kind::Boolean, Json::Bool(value)) => out.push(u8::from(*value)),
        (Kind::Int | Kind::Long, value) => write_long(value.as_i64()?, out),
        (Kind::Float, value) => out.extend_from_slice(&(float(value)? as f32).to_le_bytes()),
        (Kind::Double, value) => out.extend_from_slice(&float(value)?.to_le_bytes()),
        (Kind::String, Json::String(text)) => write_bytes(text.as_bytes(), out),
        (Kind::Bytes, Json::String(text)) => write_bytes(&latin1_bytes(text)?, out),
        (Kind::Fixed(fixed), Json::String(text)) => {
            let bytes = latin1_bytes(text)?;
            if bytes.len() == fixed.size {
                out.extend_from_slice(&bytes)
            } else {
                return None;
            };
        }
        (Kind::Enum(enumeration), Json::String(text)) => {
            let index = enumeration.symbols.iter().position(|symbol| symbol == text)?;
            write_long(index as i64, out);
        }
        (Kind::Array(item), Json::Array(items)) => {
            if !items.is_empty() {
                write_long(items.len() as i64, out);
                items.iter().try_for_each(|value| write_default(avro, item, value, out))?;
            }
            out.push(0);
        }
        (Kind::Map(item), Json::Object(members)) => {
            if !members.is_empty() {
                write_long(members.len() as i64, out);
            }
            for (name, value) in members {
                write_bytes(name.as_bytes(), out);
                write_default(avro, item, value, out)?;
            }
            out.push(0);
        }
        (Kind::Record(record), Json::Object(members)) => {
            for field in &record.fields {
                let value = members.get(&field.name).or(field.default.as_ref())?;
                write_default(avro, &field.schema, value, out)?;
            }
        }
        _ => return None,
    }
    Some(())
}

fn float(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}
