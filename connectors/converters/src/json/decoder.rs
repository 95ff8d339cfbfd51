//! JSON values to one column, by a known Connect schema. Made once per schema and batch; nothing is built per value.

mod error;
mod scalar;
mod structure;

use super::parser::Parser;
use arrow_array::types::{Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::{
    ArrowNativeType, BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer, i256,
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, FieldRef};
pub use error::{ReadError, ReadResult};
use scalar::{check_precision, read_base64, read_boolean, read_decimal, read_float, read_integer, read_unscaled};
use sluice_data::number;
use sluice_data::schema::{DATE, TIME, TIMESTAMP, decimal_scale};
use sluice_data::{ConnectSchema, SchemaType};
use std::sync::Arc;
use structure::Struct;

const MS_PER_DAY: i64 = 86_400_000;

/// Collects one column.
pub struct Decoder {
    nulls: NullBufferBuilder,
    absent: Absent,
    kind: &'static str,
    values: Values,
}

/// What a null or a missing member reads as.
enum Absent {
    Null,
    /// In the JSON form of a payload.
    Default(String),
    Refused,
}

enum Values {
    Integer { values: Vec<i64>, min: i64, max: i64, logical: Option<&'static str>, data_type: DataType },
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    String(Bytes),
    Bytes(Bytes),
    Decimal128 { values: Vec<i128>, precision: u8, scale: i8 },
    Decimal256 { values: Vec<i256>, precision: u8, scale: i8 },
    DecimalBytes { values: Bytes, scale: i32 },
    List { field: FieldRef, offsets: Vec<i32>, items: Box<Decoder> },
    Map { entries: FieldRef, offsets: Vec<i32>, keys: Box<Decoder>, values: Box<Decoder>, is_object: bool },
    Struct(Struct),
}

#[derive(Default)]
struct Bytes {
    offsets: Vec<i32>,
    values: Vec<u8>,
}

impl Decoder {
    /// `field` is the one that `schema` maps to; `rows` are expected.
    pub fn new(schema: &ConnectSchema, field: &Field, use_defaults: bool, rows: usize) -> Self {
        let absent = match &schema.default {
            Some(default) if use_defaults => Absent::Default(default.to_string()),
            _ if schema.optional => Absent::Null,
            _ => Absent::Refused,
        };
        let values = Values::new(schema, field, use_defaults, rows);
        Self { nulls: NullBufferBuilder::new(0), absent, kind: kind_name(&schema.kind), values }
    }

    /// Reads the value that comes next and appends it.
    pub fn read(&mut self, parser: &mut Parser<'_>) -> ReadResult {
        if parser.peek() == Some(b'n') {
            parser.literal("null")?;
            return self.append_absent();
        }
        self.nulls.append_non_null();
        self.values.read(parser)
    }

    pub fn append_null(&mut self) {
        self.nulls.append_null();
        self.values.append_empty();
    }

    /// For a null, or a member that is not there.
    fn append_absent(&mut self) -> ReadResult {
        match &self.absent {
            Absent::Null => self.append_null(),
            Absent::Refused => return ReadError::fail(format!("Invalid null value for required {} field", self.kind)),
            Absent::Default(default) => {
                self.nulls.append_non_null();
                let mut parser = Parser::new(default.as_bytes());
                self.values.read(&mut parser)?;
            }
        }
        Ok(())
    }

    /// # Errors
    /// When strings are not UTF-8.
    pub fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        self.values.finish(self.nulls.finish())
    }
}

impl Values {
    fn new(schema: &ConnectSchema, field: &Field, use_defaults: bool, rows: usize) -> Self {
        let logical = |name: &'static str| schema.name.as_deref().filter(|found| *found == name).map(|_| name);
        let integer = |min: i64, max: i64| Self::Integer {
            values: Vec::with_capacity(rows),
            min,
            max,
            logical: logical(DATE).or(logical(TIME)).or(logical(TIMESTAMP)).filter(|_| field.data_type().is_temporal()),
            data_type: field.data_type().clone(),
        };
        match (&schema.kind, field.data_type()) {
            (SchemaType::Int8, _) => integer(i8::MIN.into(), i8::MAX.into()),
            (SchemaType::Int16, _) => integer(i16::MIN.into(), i16::MAX.into()),
            (SchemaType::Int32, DataType::Time32(_)) => integer(0, MS_PER_DAY - 1),
            (SchemaType::Int32, _) => integer(i32::MIN.into(), i32::MAX.into()),
            (SchemaType::Int64, _) => integer(i64::MIN, i64::MAX),
            (SchemaType::Float32, _) => Self::Float32(Vec::with_capacity(rows)),
            (SchemaType::Float64, _) => Self::Float64(Vec::with_capacity(rows)),
            (SchemaType::Boolean, _) => Self::Boolean(BooleanBufferBuilder::new(rows)),
            (SchemaType::String, _) => Self::String(Bytes::new(rows)),
            (_, DataType::Decimal128(precision, scale)) => {
                Self::Decimal128 { values: Vec::with_capacity(rows), precision: *precision, scale: *scale }
            }
            (_, DataType::Decimal256(precision, scale)) => {
                Self::Decimal256 { values: Vec::with_capacity(rows), precision: *precision, scale: *scale }
            }
            (SchemaType::Bytes, _) => match decimal_scale(field) {
                Some(scale) => Self::DecimalBytes { values: Bytes::new(rows), scale },
                None => Self::Bytes(Bytes::new(rows)),
            },
            (SchemaType::Array(item), DataType::List(item_field)) => Self::List {
                field: item_field.clone(),
                offsets: vec![0],
                items: Box::new(Decoder::new(item, item_field, use_defaults, 0)),
            },
            (SchemaType::Map(key, value), DataType::Map(entries, _)) => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("a map's entries are structs") };
                Self::Map {
                    entries: entries.clone(),
                    offsets: vec![0],
                    keys: Box::new(Decoder::new(key, &fields[0], use_defaults, 0)),
                    values: Box::new(Decoder::new(value, &fields[1], use_defaults, 0)),
                    is_object: key.kind == SchemaType::String,
                }
            }
            (SchemaType::Struct(schemas), DataType::Struct(fields)) => {
                let members = schemas.iter().zip(fields);
                let members =
                    members.map(|((_, schema), field)| (Decoder::new(schema, field, use_defaults, rows), false));
                Self::Struct(Struct::new(fields.clone(), members.collect()))
            }
            (kind, other) => unreachable!("{kind:?} does not map to {other}"),
        }
    }

    #[inline]
    fn read(&mut self, parser: &mut Parser<'_>) -> ReadResult {
        match self {
            Self::Integer { values, min, max, logical, .. } => {
                values.push(read_integer(parser, *min, *max, *logical)?);
            }
            Self::Float32(values) => values.push(read_float(parser)? as f32),
            Self::Float64(values) => values.push(read_float(parser)?),
            Self::Boolean(values) => values.append(read_boolean(parser)?),
            Self::String(values) => {
                if parser.peek() != Some(b'"') {
                    return ReadError::fail(format!("expected a string but found {}", parser.node_type()));
                }
                parser.string(&mut values.values)?;
                values.end()?;
            }
            Self::Bytes(values) => {
                read_base64(parser, &mut values.values)?;
                values.end()?;
            }
            Self::Decimal128 { values, precision, scale } => {
                let unscaled = read_decimal::<16>(parser, i32::from(*scale))?;
                let value = i128::from_be_bytes(unscaled);
                check_precision(Decimal128Type::is_valid_decimal_precision(value, *precision), *precision)?;
                values.push(value);
            }
            Self::Decimal256 { values, precision, scale } => {
                let unscaled = read_decimal::<32>(parser, i32::from(*scale))?;
                let value = i256::from_be_bytes(unscaled);
                check_precision(Decimal256Type::is_valid_decimal_precision(value, *precision), *precision)?;
                values.push(value);
            }
            Self::DecimalBytes { values, scale } => {
                let unscaled = read_unscaled(parser, *scale)?;
                values.values.extend_from_slice(number::minimal(&unscaled));
                values.end()?;
            }
            Self::Struct(structure) => return structure.read(parser),
            Self::List { offsets, items, .. } => {
                let count = read_array(parser, |parser| items.read(parser))?;
                offsets.push(next_offset(offsets, count)?);
            }
            Self::Map { offsets, keys, values, is_object, .. } => {
                let count = match is_object {
                    true => read_object(parser, keys, values)?,
                    false => read_tuples(parser, keys, values)?,
                };
                offsets.push(next_offset(offsets, count)?);
            }
        }
        Ok(())
    }

    fn append_empty(&mut self) {
        match self {
            Self::Integer { values, .. } => values.push(0),
            Self::Float32(values) => values.push(0.0),
            Self::Float64(values) => values.push(0.0),
            Self::Boolean(values) => values.append(false),
            Self::String(values) | Self::Bytes(values) | Self::DecimalBytes { values, .. } => {
                values.offsets.push(*values.offsets.last().expect("offsets start with 0"));
            }
            Self::Decimal128 { values, .. } => values.push(0),
            Self::Decimal256 { values, .. } => values.push(i256::ZERO),
            Self::List { offsets, .. } | Self::Map { offsets, .. } => {
                offsets.push(*offsets.last().expect("offsets start with 0"));
            }
            Self::Struct(structure) => {
                structure.rows += 1;
                structure.members.iter_mut().for_each(|(member, _)| member.append_null());
            }
        }
    }

    fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Integer { values, data_type, .. } => {
                let integers = PrimitiveArray::<Int64Type>::new(values.into(), nulls);
                match data_type {
                    // Arrow casts to these only from the integer of their width.
                    DataType::Date32 | DataType::Time32(_) => cast(&cast(&integers, &DataType::Int32)?, &data_type)?,
                    _ => cast(&integers, &data_type)?,
                }
            }
            Self::Float32(values) => Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), nulls)),
            Self::Float64(values) => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
            Self::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Self::String(values) => {
                let (offsets, values) = values.finish();
                Arc::new(StringArray::try_new(offsets, values, nulls)?)
            }
            Self::Bytes(values) | Self::DecimalBytes { values, .. } => {
                let (offsets, values) = values.finish();
                Arc::new(BinaryArray::try_new(offsets, values, nulls)?)
            }
            Self::Decimal128 { values, precision, scale } => Arc::new(
                PrimitiveArray::<Decimal128Type>::new(values.into(), nulls)
                    .with_precision_and_scale(precision, scale)?,
            ),
            Self::Decimal256 { values, precision, scale } => Arc::new(
                PrimitiveArray::<Decimal256Type>::new(values.into(), nulls)
                    .with_precision_and_scale(precision, scale)?,
            ),
            Self::List { field, offsets, items } => {
                Arc::new(ListArray::try_new(field, offset_buffer(offsets), items.finish()?, nulls)?)
            }
            Self::Map { entries, offsets, keys, values, .. } => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("a map's entries are structs") };
                let columns = StructArray::try_new(fields.clone(), vec![keys.finish()?, values.finish()?], None)?;
                Arc::new(MapArray::try_new(entries, offset_buffer(offsets), columns, nulls, false)?)
            }
            Self::Struct(Struct { fields, members, rows, .. }) => {
                let columns: Result<Vec<_>, _> = members.into_iter().map(|(member, _)| member.finish()).collect();
                Arc::new(StructArray::try_new_with_length(fields, columns?, nulls, rows)?)
            }
        })
    }
}

impl Bytes {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, values: Vec::with_capacity(rows * 16) }
    }

    fn end(&mut self) -> ReadResult {
        let Ok(end) = i32::try_from(self.values.len()) else { return ReadError::fail("the column is above 2 GiB") };
        self.offsets.push(end);
        Ok(())
    }

    fn finish(self) -> (OffsetBuffer<i32>, Buffer) {
        (offset_buffer(self.offsets), Buffer::from_vec(self.values))
    }
}

/// Reads `[…]`; the number of items.
fn read_array(
    parser: &mut Parser<'_>,
    mut read: impl FnMut(&mut Parser<'_>) -> ReadResult,
) -> Result<usize, Box<ReadError>> {
    if !parser.eat(b'[') {
        let found = parser.node_type();
        return ReadError::fail(format!("Arrays should be encoded as JSON arrays, but found {found}"));
    }
    let mut count = 0;
    if parser.eat(b']') {
        return Ok(count);
    }
    loop {
        read(parser)?;
        count += 1;
        if !parser.eat(b',') {
            parser.expect(b']', "expected a comma or the end of the array")?;
            return Ok(count);
        }
    }
}

fn read_object(parser: &mut Parser<'_>, keys: &mut Decoder, values: &mut Decoder) -> Result<usize, Box<ReadError>> {
    if !parser.eat(b'{') {
        let found = parser.node_type();
        return ReadError::fail(format!(
            "Maps with string fields should be encoded as JSON objects, but found {found}"
        ));
    }
    let mut count = 0;
    if parser.eat(b'}') {
        return Ok(count);
    }
    loop {
        parser.peek();
        keys.nulls.append_non_null();
        keys.values.read(parser)?;
        parser.expect(b':', "expected a colon")?;
        values.read(parser)?;
        count += 1;
        if !parser.eat(b',') {
            parser.expect(b'}', "expected a comma or the end of the object")?;
            return Ok(count);
        }
    }
}

fn read_tuples(parser: &mut Parser<'_>, keys: &mut Decoder, values: &mut Decoder) -> Result<usize, Box<ReadError>> {
    if parser.peek() != Some(b'[') {
        let found = parser.node_type();
        return ReadError::fail(format!(
            "Maps with non-string fields should be encoded as JSON arrays of tuples, but found {found}"
        ));
    }
    read_array(parser, |parser| {
        if !parser.eat(b'[') {
            return ReadError::fail(format!("Found invalid map entry instead of array tuple: {}", parser.node_type()));
        }
        if parser.peek() == Some(b'n') {
            return ReadError::fail("a map key must not be null");
        }
        keys.read(parser)?;
        if !parser.eat(b',') {
            return ReadError::fail("Found invalid map entry, expected length 2 but found length :1");
        }
        values.read(parser)?;
        if !parser.eat(b']') {
            return ReadError::fail("Found invalid map entry, expected length 2");
        }
        Ok(())
    })
}

fn next_offset(offsets: &[i32], count: usize) -> Result<i32, Box<ReadError>> {
    let last = offsets.last().expect("offsets start with 0").as_usize();
    i32::try_from(last + count).or_else(|_| ReadError::fail("the column has more than 2^31 items"))
}

fn offset_buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

/// Source: Kafka `Schema.Type`, whose names stand in its messages.
fn kind_name(kind: &SchemaType) -> &'static str {
    match kind {
        SchemaType::Int8 => "INT8",
        SchemaType::Int16 => "INT16",
        SchemaType::Int32 => "INT32",
        SchemaType::Int64 => "INT64",
        SchemaType::Float32 => "FLOAT32",
        SchemaType::Float64 => "FLOAT64",
        SchemaType::Boolean => "BOOLEAN",
        SchemaType::String => "STRING",
        SchemaType::Bytes => "BYTES",
        SchemaType::Array(_) => "ARRAY",
        SchemaType::Map(..) => "MAP",
        SchemaType::Struct(_) => "STRUCT",
    }
}
