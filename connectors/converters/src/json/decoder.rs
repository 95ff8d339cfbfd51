//! JSON values to one column, by a known Connect schema. Made once per schema and batch; nothing is built per value.

use super::parser::{JsonError, Parser};
use arrow_array::types::{Decimal128Type, Decimal256Type, DecimalType, Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::{
    ArrowNativeType, BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer, i256,
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, FieldRef};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use num_bigint::BigInt;
use sluice_data::number;
use sluice_data::schema::{DATE, TIME, TIMESTAMP, decimal_scale};
use sluice_data::{ConnectSchema, SchemaType};
use std::sync::Arc;

const MS_PER_DAY: i64 = 86_400_000;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a value does not fit its schema, and where in it.
#[derive(Debug)]
pub struct ReadError {
    /// Field names from the inside out.
    path: Vec<String>,
    problem: String,
}

type ReadResult = Result<(), Box<ReadError>>;

impl ReadError {
    fn fail<T>(problem: impl Into<String>) -> Result<T, Box<Self>> {
        Err(Box::new(Self { path: Vec::new(), problem: problem.into() }))
    }
}

impl From<JsonError> for Box<ReadError> {
    fn from(error: JsonError) -> Self {
        Box::new(ReadError { path: Vec::new(), problem: error.to_string() })
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.problem);
        }
        let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        write!(f, "{} (field {:?})", self.problem, path.join("."))
    }
}

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

struct Struct {
    fields: arrow_schema::Fields,
    members: Vec<(Decoder, bool)>,
    rows: usize,
}

impl Decoder {
    /// `field` is the one that `schema` maps to.
    pub fn new(schema: &ConnectSchema, field: &Field, use_defaults: bool) -> Self {
        let absent = match &schema.default {
            Some(default) if use_defaults => Absent::Default(default.to_string()),
            _ if schema.optional => Absent::Null,
            _ => Absent::Refused,
        };
        let values = Values::new(schema, field, use_defaults);
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
    fn new(schema: &ConnectSchema, field: &Field, use_defaults: bool) -> Self {
        let logical = |name: &'static str| schema.name.as_deref().filter(|found| *found == name).map(|_| name);
        let integer = |min: i64, max: i64| Self::Integer {
            values: Vec::new(),
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
            (SchemaType::Float32, _) => Self::Float32(Vec::new()),
            (SchemaType::Float64, _) => Self::Float64(Vec::new()),
            (SchemaType::Boolean, _) => Self::Boolean(BooleanBufferBuilder::new(0)),
            (SchemaType::String, _) => Self::String(Bytes::new()),
            (_, DataType::Decimal128(precision, scale)) => {
                Self::Decimal128 { values: Vec::new(), precision: *precision, scale: *scale }
            }
            (_, DataType::Decimal256(precision, scale)) => {
                Self::Decimal256 { values: Vec::new(), precision: *precision, scale: *scale }
            }
            (SchemaType::Bytes, _) => match decimal_scale(field) {
                Some(scale) => Self::DecimalBytes { values: Bytes::new(), scale },
                None => Self::Bytes(Bytes::new()),
            },
            (SchemaType::Array(item), DataType::List(item_field)) => Self::List {
                field: item_field.clone(),
                offsets: vec![0],
                items: Box::new(Decoder::new(item, item_field, use_defaults)),
            },
            (SchemaType::Map(key, value), DataType::Map(entries, _)) => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("a map's entries are structs") };
                Self::Map {
                    entries: entries.clone(),
                    offsets: vec![0],
                    keys: Box::new(Decoder::new(key, &fields[0], use_defaults)),
                    values: Box::new(Decoder::new(value, &fields[1], use_defaults)),
                    is_object: key.kind == SchemaType::String,
                }
            }
            (SchemaType::Struct(schemas), DataType::Struct(fields)) => {
                let members = schemas.iter().zip(fields);
                let members = members.map(|((_, schema), field)| (Decoder::new(schema, field, use_defaults), false));
                Self::Struct(Struct { fields: fields.clone(), members: members.collect(), rows: 0 })
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
            Self::Struct(Struct { fields, members, rows }) => {
                let columns: Result<Vec<_>, _> = members.into_iter().map(|(member, _)| member.finish()).collect();
                Arc::new(StructArray::try_new_with_length(fields, columns?, nulls, rows)?)
            }
        })
    }
}

impl Bytes {
    fn new() -> Self {
        Self { offsets: vec![0], values: Vec::new() }
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

impl Struct {
    fn read(&mut self, parser: &mut Parser<'_>) -> ReadResult {
        if !parser.eat(b'{') {
            let found = parser.node_type();
            return ReadError::fail(format!("Structs should be encoded as JSON objects, but found {found}"));
        }
        self.rows += 1;
        self.members.iter_mut().for_each(|(_, seen)| *seen = false);
        let mut next = 0;
        if !parser.eat(b'}') {
            loop {
                let name = parser.text()?;
                parser.expect(b':', "expected a colon")?;
                match self.find(&name, next) {
                    Some(index) => {
                        self.read_member(index, parser)?;
                        next = index + 1;
                    }
                    None => parser.skip()?,
                }
                if !parser.eat(b',') {
                    parser.expect(b'}', "expected a comma or the end of the object")?;
                    break;
                }
            }
        }
        for index in 0..self.members.len() {
            let (member, seen) = &mut self.members[index];
            if !*seen {
                member.append_absent().map_err(|error| self.inside(index, error))?;
            }
        }
        Ok(())
    }

    /// Members mostly come in the order of the schema.
    fn find(&self, name: &[u8], next: usize) -> Option<usize> {
        let has_name = |field: &FieldRef| field.name().as_bytes() == name;
        match self.fields.get(next) {
            Some(field) if has_name(field) => Some(next),
            _ => self.fields.iter().position(has_name),
        }
    }

    fn read_member(&mut self, index: usize, parser: &mut Parser<'_>) -> ReadResult {
        let (member, seen) = &mut self.members[index];
        let result = match std::mem::replace(seen, true) {
            true => ReadError::fail("the member stands twice"),
            false => member.read(parser),
        };
        result.map_err(|error| self.inside(index, error))
    }

    fn inside(&self, index: usize, mut error: Box<ReadError>) -> Box<ReadError> {
        error.path.push(self.fields[index].name().clone());
        error
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

fn read_integer(parser: &mut Parser<'_>, min: i64, max: i64, logical: Option<&str>) -> Result<i64, Box<ReadError>> {
    if !matches!(parser.peek(), Some(b'-' | b'0'..=b'9')) {
        let found = parser.node_type();
        return ReadError::fail(match logical {
            Some(name) => {
                let name = name.rsplit('.').next().unwrap_or(name);
                format!("Invalid type for {name}, underlying representation should be integer but was {found}")
            }
            None => format!("expected an integer but found {found}"),
        });
    }
    let text = parser.number()?;
    let number = std::str::from_utf8(text).expect("a number is ASCII");
    let value = match parse_integer(text) {
        Some(value) => value,
        // 1.0 and 1e3 are integers too.
        None => match number::parse(number, 0).and_then(|value| i64::try_from(value).ok()) {
            Some(value) => value,
            None => return ReadError::fail(format!("{number} is no integer from {min} to {max}")),
        },
    };
    if !(min..=max).contains(&value) {
        return ReadError::fail(format!("{number} is no integer from {min} to {max}"));
    }
    Ok(value)
}

fn parse_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if is_negative { -value } else { value })
}

fn read_float(parser: &mut Parser<'_>) -> Result<f64, Box<ReadError>> {
    match parser.peek() {
        Some(b'-' | b'0'..=b'9') => {
            let text = std::str::from_utf8(parser.number()?).expect("a number is ASCII");
            Ok(text.parse().expect("JSON numbers are Rust numbers"))
        }
        Some(b'"') => match &*parser.text()? {
            b"NaN" => Ok(f64::NAN),
            b"Infinity" => Ok(f64::INFINITY),
            b"-Infinity" => Ok(f64::NEG_INFINITY),
            _ => ReadError::fail("expected a number but found STRING"),
        },
        _ => ReadError::fail(format!("expected a number but found {}", parser.node_type())),
    }
}

fn read_boolean(parser: &mut Parser<'_>) -> Result<bool, Box<ReadError>> {
    match parser.peek() {
        Some(b't') => parser.literal("true").map(|()| true).map_err(Into::into),
        Some(b'f') => parser.literal("false").map(|()| false).map_err(Into::into),
        _ => ReadError::fail(format!("expected a boolean but found {}", parser.node_type())),
    }
}

fn read_base64(parser: &mut Parser<'_>, out: &mut Vec<u8>) -> ReadResult {
    if parser.peek() != Some(b'"') {
        return ReadError::fail(format!("expected bytes as a base64 string but found {}", parser.node_type()));
    }
    let text = parser.text()?;
    match BASE64.decode_vec(&*text, out) {
        Ok(()) => Ok(()),
        Err(error) => ReadError::fail(format!("the string is not base64: {error}")),
    }
}

/// A Decimal in either form as big-endian two's complement, scaled to `scale`.
fn read_unscaled(parser: &mut Parser<'_>, scale: i32) -> Result<Vec<u8>, Box<ReadError>> {
    match parser.peek() {
        Some(b'"') => {
            let mut bytes = Vec::new();
            read_base64(parser, &mut bytes)?;
            if bytes.is_empty() { ReadError::fail("a Decimal has at least one byte") } else { Ok(bytes) }
        }
        Some(b'-' | b'0'..=b'9') => {
            let number = std::str::from_utf8(parser.number()?).expect("a number is ASCII");
            match number::parse(number, scale) {
                Some(unscaled) => Ok(BigInt::to_signed_bytes_be(&unscaled)),
                None => ReadError::fail(format!("{number} does not fit a Decimal with scale {scale}")),
            }
        }
        _ => ReadError::fail(format!(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
            parser.node_type()
        )),
    }
}

fn read_decimal<const N: usize>(parser: &mut Parser<'_>, scale: i32) -> Result<[u8; N], Box<ReadError>> {
    let unscaled = read_unscaled(parser, scale)?;
    match number::widen::<N>(&unscaled) {
        Some(wide) => Ok(wide),
        None => ReadError::fail(format!("the Decimal has more than {} bytes", N)),
    }
}

fn check_precision(is_valid: bool, precision: u8) -> ReadResult {
    if is_valid { Ok(()) } else { ReadError::fail(format!("the Decimal has more than {precision} digits")) }
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
