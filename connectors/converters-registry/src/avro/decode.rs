//! Avro values to one column. Made once per schema and batch; nothing is built per value.

use super::input::{DecodeError, DecodeResult, Input};
use super::schema::{AvroSchema, Kind, Schema};
use super::to_connect::map_entry;
use crate::column_bytes::{Bytes, next_offset, offset_buffer};
use crate::decimal::DecimalColumn;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, ListArray, MapArray, PrimitiveArray, StructArray};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, NullBufferBuilder};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use sluice_data::{ConnectSchema, SchemaType};
use std::sync::Arc;

/// Collects one column.
pub struct Column {
    branching: Branching,
    nulls: NullBufferBuilder,
    values: Values,
}

/// What stands in front of a value.
#[derive(Clone, Copy)]
enum Branching {
    None,
    /// Of a union of null and a type: the branch that null is.
    Nullable(i64),
    /// Of a union of one type.
    Single,
}

enum Values {
    Boolean(BooleanBufferBuilder),
    Int {
        values: Vec<i32>,
        min: i32,
        max: i32,
        data_type: DataType,
    },
    Long {
        values: Vec<i64>,
        data_type: DataType,
    },
    Float(Vec<f32>),
    Double(Vec<f64>),
    String(Bytes),
    Bytes(Bytes),
    Fixed(Bytes, usize),
    Enum(Bytes, Vec<String>),
    /// `size` of a fixed.
    Decimal {
        values: DecimalColumn,
        size: Option<usize>,
    },
    List {
        field: FieldRef,
        offsets: Vec<i32>,
        items: Box<Column>,
        item_min: usize,
    },
    Map {
        entries: FieldRef,
        offsets: Vec<i32>,
        keys: Bytes,
        values: Box<Column>,
        item_min: usize,
    },
    /// A map whose keys are no strings: an array of records. `is_key_first`: in which order their fields stand.
    Entries {
        entries: FieldRef,
        offsets: Vec<i32>,
        keys: Box<Column>,
        values: Box<Column>,
        is_key_first: bool,
        item_min: usize,
    },
    Struct {
        fields: Fields,
        members: Vec<Column>,
        rows: usize,
    },
    /// `branches`: the member that each branch of the union is; `None`: null.
    Union {
        fields: Fields,
        members: Vec<Column>,
        branches: Vec<Option<usize>>,
        rows: usize,
    },
}

impl Column {
    /// `connect` is what `schema` maps to, and `field` what that maps to; `rows` are expected.
    #[must_use]
    pub fn new(avro: &AvroSchema, schema: &Schema, connect: &ConnectSchema, field: &Field, rows: usize) -> Self {
        let schema = avro.resolve(schema);
        let (branching, schema) = match &schema.kind {
            Kind::Union(branches) => match branches.as_slice() {
                [null, other] if null.is_null() && !other.is_null() => (Branching::Nullable(0), other),
                [other, null] if null.is_null() && !other.is_null() => (Branching::Nullable(1), other),
                // As it was mapped: flattened, or a struct with one member.
                [only] if !super::default::is_union_schema(connect) => (Branching::Single, only),
                _ => (Branching::None, schema),
            },
            _ => (Branching::None, schema),
        };
        let values = Values::new(avro, avro.resolve(schema), connect, field, rows);
        Self { branching, nulls: NullBufferBuilder::new(0), values }
    }

    /// Reads the value that comes next and appends it.
    ///
    /// # Errors
    /// The bytes are no such value.
    #[inline]
    pub fn read(&mut self, input: &mut Input<'_>) -> DecodeResult {
        match self.branching {
            Branching::None => {}
            Branching::Nullable(null) => match input.long()? {
                branch if branch == null => {
                    self.append_null();
                    return Ok(());
                }
                0 | 1 => {}
                other => return Err(DecodeError::Branch(other)),
            },
            Branching::Single => match input.long()? {
                0 => {}
                other => return Err(DecodeError::Branch(other)),
            },
        }
        if self.values.read(input)? {
            self.nulls.append_non_null();
        } else {
            self.nulls.append_null();
        }
        Ok(())
    }

    pub fn append_null(&mut self) {
        self.nulls.append_null();
        self.values.append_empty();
    }

    /// # Errors
    /// When strings are not UTF-8.
    pub fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        self.values.finish(self.nulls.finish())
    }
}

/// The fewest bytes that a value takes.
fn min_size(avro: &AvroSchema, schema: &Schema) -> usize {
    match &avro.resolve(schema).kind {
        Kind::Null => 0,
        Kind::Float => 4,
        Kind::Double => 8,
        Kind::Fixed(fixed) => fixed.size,
        Kind::Record(record) => {
            record.fields.iter().fold(0usize, |sum, field| sum.saturating_add(min_size(avro, &field.schema)))
        }
        _ => 1,
    }
}

impl Values {
    fn new(avro: &AvroSchema, schema: &Schema, connect: &ConnectSchema, field: &Field, rows: usize) -> Self {
        let data_type = field.data_type().clone();
        let int =
            |min: i32, max: i32| Self::Int { values: Vec::with_capacity(rows), min, max, data_type: data_type.clone() };
        if let Some(values) = DecimalColumn::new(field, rows) {
            let size = if let Kind::Fixed(fixed) = &schema.kind { Some(fixed.size) } else { None };
            return Self::Decimal { values, size };
        }
        match (&schema.kind, &connect.kind, field.data_type()) {
            (Kind::Boolean, ..) => Self::Boolean(BooleanBufferBuilder::new(rows)),
            (Kind::Int, SchemaType::Int8, _) => int(i8::MIN.into(), i8::MAX.into()),
            (Kind::Int, SchemaType::Int16, _) => int(i16::MIN.into(), i16::MAX.into()),
            (Kind::Int, ..) => int(i32::MIN, i32::MAX),
            (Kind::Long, ..) => Self::Long { values: Vec::with_capacity(rows), data_type },
            (Kind::Float, ..) => Self::Float(Vec::with_capacity(rows)),
            (Kind::Double, ..) => Self::Double(Vec::with_capacity(rows)),
            (Kind::String, ..) => Self::String(Bytes::new(rows)),
            (Kind::Enum(enumeration), ..) => Self::Enum(Bytes::new(rows), enumeration.symbols.clone()),
            (Kind::Bytes, ..) => Self::Bytes(Bytes::new(rows)),
            (Kind::Fixed(fixed), ..) => Self::Fixed(Bytes::new(rows), fixed.size),
            (Kind::Array(item), SchemaType::Array(item_schema), DataType::List(item_field)) => Self::List {
                field: item_field.clone(),
                offsets: vec![0],
                items: Box::new(Column::new(avro, item, item_schema, item_field, 0)),
                item_min: min_size(avro, item),
            },
            (Kind::Map(value), SchemaType::Map(_, value_schema), DataType::Map(entries, _)) => Self::Map {
                entries: entries.clone(),
                offsets: vec![0],
                keys: Bytes::new(0),
                values: Box::new(Column::new(avro, value, value_schema, &entry_fields(entries)[1], 0)),
                item_min: 1 + min_size(avro, value),
            },
            (Kind::Array(item), SchemaType::Map(key, value), DataType::Map(entries, _)) => {
                Self::entries(avro, item, key, value, entries)
            }
            (Kind::Record(record), SchemaType::Struct(schemas), DataType::Struct(fields)) => {
                let members = record.fields.iter().zip(schemas).zip(fields);
                let members = members
                    .map(|((member, (_, schema)), field)| Column::new(avro, &member.schema, schema, field, rows));
                Self::Struct { fields: fields.clone(), members: members.collect(), rows: 0 }
            }
            (Kind::Union(union), SchemaType::Struct(schemas), DataType::Struct(fields)) => {
                let with_value = union.iter().filter(|branch| !branch.is_null());
                let members = with_value.zip(schemas).zip(fields);
                let members = members.map(|((branch, (_, schema)), field)| Column::new(avro, branch, schema, field, 0));
                let members = members.collect();
                let mut next = 0..;
                let branches = union.iter().map(|branch| if branch.is_null() { None } else { next.next() });
                Self::Union { fields: fields.clone(), members, branches: branches.collect(), rows: 0 }
            }
            (kind, connect, other) => unreachable!("{kind:?} does not map to {connect:?} and {other}"),
        }
    }

    fn entries(
        avro: &AvroSchema,
        item: &Schema,
        key: &ConnectSchema,
        value: &ConnectSchema,
        entries: &FieldRef,
    ) -> Self {
        let record = map_entry(avro.resolve(item)).expect("it was mapped to a map");
        let schema = |name: &str| {
            let field = record.fields.iter().find(|field| field.name == name);
            &field.expect("it was mapped to a map").schema
        };
        let fields = entry_fields(entries);
        Self::Entries {
            entries: entries.clone(),
            offsets: vec![0],
            keys: Box::new(Column::new(avro, schema("key"), key, &fields[0], 0)),
            values: Box::new(Column::new(avro, schema("value"), value, &fields[1], 0)),
            is_key_first: record.fields[0].name == "key",
            item_min: min_size(avro, item),
        }
    }

    /// `false`: it is null.
    #[inline]
    fn read(&mut self, input: &mut Input<'_>) -> DecodeResult<bool> {
        match self {
            Self::Boolean(values) => match input.byte()? {
                byte @ (0 | 1) => values.append(byte == 1),
                other => return Err(DecodeError::Boolean(other)),
            },
            Self::Int { values, min, max, .. } => {
                let value = input.int()?;
                if value < *min || value > *max {
                    return Err(DecodeError::Range(value.into()));
                }
                values.push(value);
            }
            Self::Long { values, .. } => values.push(input.long()?),
            Self::Float(values) => values.push(f32::from_le_bytes(input.array()?)),
            Self::Double(values) => values.push(f64::from_le_bytes(input.array()?)),
            Self::String(values) | Self::Bytes(values) => values.push(input.bytes()?)?,
            Self::Fixed(values, size) => values.push(input.take(*size)?)?,
            Self::Enum(values, symbols) => {
                let index = input.long()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                values.push(symbol.ok_or(DecodeError::Symbol(index))?.as_bytes())?;
            }
            Self::Decimal { values, size } => {
                let unscaled = match size {
                    Some(size) => input.take(*size)?,
                    None => input.bytes()?,
                };
                values.push(unscaled)?;
            }
            nested => return nested.read_nested(input),
        }
        Ok(true)
    }

    fn read_nested(&mut self, input: &mut Input<'_>) -> DecodeResult<bool> {
        match self {
            Self::Struct { members, rows, .. } => {
                *rows += 1;
                for member in members {
                    member.read(input)?;
                }
            }
            Self::Union { members, branches, rows, .. } => {
                let index = input.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                let chosen = *branch.ok_or(DecodeError::Branch(index))?;
                *rows += 1;
                for (index, member) in members.iter_mut().enumerate() {
                    if chosen == Some(index) { member.read(input)? } else { member.append_null() }
                }
                return Ok(chosen.is_some());
            }
            Self::List { offsets, items, item_min, .. } => {
                let mut count = 0;
                read_blocks(input, *item_min, &mut count, |input| items.read(input))?;
                offsets.push(next_offset(offsets, count)?);
            }
            Self::Map { offsets, keys, values, item_min, .. } => {
                let mut count = 0;
                read_blocks(input, *item_min, &mut count, |input| {
                    keys.push(input.bytes()?)?;
                    values.read(input)
                })?;
                offsets.push(next_offset(offsets, count)?);
            }
            Self::Entries { offsets, keys, values, is_key_first, item_min, .. } => {
                let mut count = 0;
                read_blocks(input, *item_min, &mut count, |input| {
                    if *is_key_first {
                        keys.read(input)?;
                        values.read(input)
                    } else {
                        values.read(input)?;
                        keys.read(input)
                    }
                })?;
                offsets.push(next_offset(offsets, count)?);
            }
            _ => unreachable!("scalars are read by the caller"),
        }
        Ok(true)
    }

    fn append_empty(&mut self) {
        match self {
            Self::Boolean(values) => values.append(false),
            Self::Int { values, .. } => values.push(0),
            Self::Long { values, .. } => values.push(0),
            Self::Float(values) => values.push(0.0),
            Self::Double(values) => values.push(0.0),
            Self::String(values) | Self::Bytes(values) | Self::Fixed(values, _) | Self::Enum(values, _) => {
                values.push_empty();
            }
            Self::Decimal { values, .. } => values.push_empty(),
            Self::List { offsets, .. } | Self::Map { offsets, .. } | Self::Entries { offsets, .. } => {
                offsets.push(*offsets.last().expect("offsets start with 0"));
            }
            Self::Struct { members, rows, .. } | Self::Union { members, rows, .. } => {
                *rows += 1;
                members.iter_mut().for_each(Column::append_null);
            }
        }
    }

    fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Self::Int { values, data_type, .. } => {
                cast(&PrimitiveArray::<Int32Type>::new(values.into(), nulls), &data_type)?
            }
            Self::Long { values, data_type } => {
                cast(&PrimitiveArray::<Int64Type>::new(values.into(), nulls), &data_type)?
            }
            Self::Float(values) => Arc::new(PrimitiveArray::<Float32Type>::new(values.into(), nulls)),
            Self::Double(values) => Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls)),
            Self::String(values) | Self::Enum(values, _) => values.finish_strings(nulls)?,
            Self::Bytes(values) | Self::Fixed(values, _) => values.finish(nulls)?,
            Self::Decimal { values, .. } => values.finish(nulls)?,
            Self::List { field, offsets, items, .. } => {
                Arc::new(ListArray::try_new(field, offset_buffer(offsets), items.finish()?, nulls)?)
            }
            Self::Map { entries, offsets, keys, values, .. } => {
                finish_map(entries, offsets, keys.finish_strings(None)?, values.finish()?, nulls)?
            }
            Self::Entries { entries, offsets, keys, values, .. } => {
                finish_map(entries, offsets, keys.finish()?, values.finish()?, nulls)?
            }
            Self::Struct { fields, members, rows } | Self::Union { fields, members, rows, .. } => {
                let columns: Result<Vec<_>, _> = members.into_iter().map(Column::finish).collect();
                Arc::new(StructArray::try_new_with_length(fields, columns?, nulls, rows)?)
            }
        })
    }
}

fn entry_fields(entries: &FieldRef) -> &Fields {
    let DataType::Struct(fields) = entries.data_type() else { unreachable!("a map's entries are structs") };
    fields
}

fn read_blocks(
    input: &mut Input<'_>,
    item_min: usize,
    count: &mut usize,
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
        *count += block;
    }
}

fn finish_map(
    entries: FieldRef,
    offsets: Vec<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let columns = StructArray::try_new(entry_fields(&entries).clone(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(entries, offset_buffer(offsets), columns, nulls, false)?))
}
