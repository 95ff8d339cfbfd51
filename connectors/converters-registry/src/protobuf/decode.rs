//! Protobuf messages to one column. Fields may come in any order and again: the last wins, messages are merged, lists go on.

use super::ProtobufOptions;
use super::input::{DecodeResult, Input, Raw, Wire};
use super::to_connect::{Member, members};
use super::value::Values;
use crate::column_bytes::{next_offset, offset_buffer};
use arrow_array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::NullBufferBuilder;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers up to here are found by their place in a table.
const TABLE_MAX: u64 = 1024;

/// Collects a column of messages.
pub struct MessageColumn {
    fields: Fields,
    nulls: NullBufferBuilder,
    rows: usize,
    members: Vec<MemberColumn>,
    /// By field number.
    table: Vec<Option<Target>>,
    beyond: HashMap<u64, Target>,
}

/// Where a field's value goes: a member, and within a oneof which of its own.
#[derive(Clone, Copy)]
struct Target {
    member: usize,
    inner: usize,
}

enum MemberColumn {
    /// What was seen last in this message.
    Singular {
        slot: Slot,
        column: ValueColumn,
    },
    List {
        field: FieldRef,
        offsets: Vec<i32>,
        count: usize,
        items: ValueColumn,
        nulls: NullBufferBuilder,
    },
    Map {
        entries: FieldRef,
        offsets: Vec<i32>,
        count: usize,
        columns: Box<[ValueColumn; 2]>,
        nulls: NullBufferBuilder,
    },
    Oneof {
        fields: Fields,
        slot: Slot,
        set: Option<usize>,
        columns: Vec<ValueColumn>,
        nulls: NullBufferBuilder,
        rows: usize,
    },
}

enum Slot {
    Empty,
    Raw(Raw),
    /// A message that came in several parts: one behind the other they are the whole.
    Merged(Vec<u8>),
}

/// Collects values of one field.
pub struct ValueColumn {
    nulls: NullBufferBuilder,
    values: Values,
    wire: Wire,
    /// Absent is null, and not the type's zero.
    has_presence: bool,
}

impl MessageColumn {
    /// `field` is of the struct that `message` maps to; `rows` are expected.
    #[must_use]
    pub fn new(message: &MessageDescriptor, field: &Field, options: &ProtobufOptions, rows: usize) -> Self {
        let DataType::Struct(fields) = field.data_type() else { unreachable!("a message maps to a struct") };
        let mut column = Self {
            fields: fields.clone(),
            nulls: NullBufferBuilder::new(0),
            rows: 0,
            members: Vec::with_capacity(fields.len()),
            table: Vec::new(),
            beyond: HashMap::new(),
        };
        for (index, (member, field)) in members(message, options).into_iter().zip(fields).enumerate() {
            match member {
                Member::Oneof(oneof) => {
                    let DataType::Struct(inner) = field.data_type() else { unreachable!("a oneof maps to a struct") };
                    let mut columns = Vec::new();
                    for (position, (descriptor, field)) in oneof.fields().zip(inner).enumerate() {
                        column.add_target(&descriptor, Target { member: index, inner: position });
                        columns.push(ValueColumn::new(&descriptor, field, options, true, 0));
                    }
                    column.members.push(MemberColumn::Oneof {
                        fields: inner.clone(),
                        slot: Slot::Empty,
                        set: None,
                        columns,
                        nulls: NullBufferBuilder::new(0),
                        rows: 0,
                    });
                }
                Member::Field(descriptor) => {
                    column.add_target(&descriptor, Target { member: index, inner: 0 });
                    column.members.push(MemberColumn::new(&descriptor, field, options, rows));
                }
            }
        }
        column
    }

    fn add_target(&mut self, descriptor: &FieldDescriptor, target: Target) {
        let number = u64::from(descriptor.number());
        if number > TABLE_MAX {
            self.beyond.insert(number, target);
            return;
        }
        let place = number as usize;
        if self.table.len() <= place {
            self.table.resize(place + 1, None);
        }
        self.table[place] = Some(target);
    }

    /// Appends one message.
    ///
    /// # Errors
    /// The bytes are no such message.
    pub fn read(&mut self, message: &[u8]) -> DecodeResult {
        let mut input = Input::new(message);
        while let Some((number, wire, raw)) = input.field()? {
            let target = match self.table.get(number as usize) {
                Some(target) if number <= TABLE_MAX => *target,
                _ => self.beyond.get(&number).copied(),
            };
            if let Some(target) = target {
                self.members[target.member].see(target.inner, wire, raw, message)?;
            }
        }
        for member in &mut self.members {
            member.end(message)?;
        }
        self.nulls.append_non_null();
        self.rows += 1;
        Ok(())
    }

    pub fn append_null(&mut self) {
        self.nulls.append_null();
        self.rows += 1;
        self.members.iter_mut().for_each(MemberColumn::append_null);
    }

    /// # Errors
    /// When strings are not UTF-8.
    pub fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let columns: Result<Vec<_>, _> = self.members.into_iter().map(MemberColumn::finish).collect();
        Ok(Arc::new(StructArray::try_new_with_length(self.fields, columns?, self.nulls.finish(), self.rows)?))
    }
}

impl MemberColumn {
    fn new(descriptor: &FieldDescriptor, field: &FieldRef, options: &ProtobufOptions, rows: usize) -> Self {
        let nulls = NullBufferBuilder::new(0);
        match (descriptor.kind(), field.data_type()) {
            (Kind::Message(entry), DataType::Map(entries, _)) if descriptor.is_map() => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("a map's entries are structs") };
                let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let columns = [
                    ValueColumn::new(&key, &fields[0], options, false, 0),
                    ValueColumn::new(&value, &fields[1], options, false, 0),
                ];
                Self::Map { entries: entries.clone(), offsets: vec![0], count: 0, columns: Box::new(columns), nulls }
            }
            (_, DataType::List(item)) if descriptor.is_list() => {
                let items = ValueColumn::new(descriptor, item, options, false, 0);
                Self::List { field: item.clone(), offsets: vec![0], count: 0, items, nulls }
            }
            _ => {
                let has_presence = descriptor.supports_presence();
                let column = ValueColumn::new(descriptor, field, options, has_presence, rows);
                Self::Singular { slot: Slot::Empty, column }
            }
        }
    }

    /// A value of this member is in the message.
    #[inline]
    fn see(&mut self, inner: usize, wire: Wire, raw: Raw, message: &[u8]) -> DecodeResult {
        match self {
            // A value of another wire type is an unknown field, as everywhere in Protobuf.
            Self::Singular { slot, column } if wire == column.wire => slot.put(raw, message, column.is_message()),
            Self::Singular { .. } => {}
            Self::Oneof { slot, set, columns, .. } => {
                if wire == columns[inner].wire {
                    if *set != Some(inner) {
                        *slot = Slot::Empty;
                    }
                    *set = Some(inner);
                    slot.put(raw, message, columns[inner].is_message());
                }
            }
            Self::List { items, count, .. } => {
                if wire == items.wire {
                    *count += 1;
                    items.append(Some(&Slot::Raw(raw)), message)?;
                } else if let (Wire::Length, Raw::Bytes(start, end)) = (wire, raw) {
                    let mut packed = Input::new(&message[start..end]);
                    while !packed.is_at_end() {
                        let number = packed.packed(items.wire)?;
                        *count += 1;
                        items.append(Some(&Slot::Raw(Raw::Number(number))), message)?;
                    }
                }
            }
            Self::Map { columns, count, .. } => {
                if let (Wire::Length, Raw::Bytes(start, end)) = (wire, raw) {
                    *count += 1;
                    read_entry(columns, &message[start..end])?;
                }
            }
        }
        Ok(())
    }

    /// The message has ended: what was seen is appended.
    fn end(&mut self, message: &[u8]) -> DecodeResult {
        match self {
            Self::Singular { slot, column } => {
                column.append(Some(&*slot), message)?;
                *slot = Slot::Empty;
            }
            Self::List { offsets, count, nulls, .. } | Self::Map { offsets, count, nulls, .. } => {
                offsets.push(next_offset(offsets, *count)?);
                *count = 0;
                nulls.append_non_null();
            }
            Self::Oneof { slot, set, columns, nulls, rows, .. } => {
                for (index, column) in columns.iter_mut().enumerate() {
                    if *set == Some(index) { column.append(Some(&*slot), message)? } else { column.append_null() }
                }
                if set.is_some() {
                    nulls.append_non_null()
                } else {
                    nulls.append_null()
                }
                (*slot, *set) = (Slot::Empty, None);
                *rows += 1;
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Self::Singular { column, .. } => column.append_null(),
            Self::List { offsets, nulls, .. } | Self::Map { offsets, nulls, .. } => {
                offsets.push(*offsets.last().expect("offsets start with 0"));
                nulls.append_null();
            }
            Self::Oneof { columns, nulls, rows, .. } => {
                columns.iter_mut().for_each(ValueColumn::append_null);
                nulls.append_null();
                *rows += 1;
            }
        }
    }

    fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Singular { column, .. } => column.finish()?,
            Self::List { field, offsets, items, mut nulls, .. } => {
                Arc::new(ListArray::try_new(field, offset_buffer(offsets), items.finish()?, nulls.finish())?)
            }
            Self::Map { entries, offsets, columns, mut nulls, .. } => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("a map's entries are structs") };
                let [keys, values] = *columns;
                let columns = StructArray::try_new(fields.clone(), vec![keys.finish()?, values.finish()?], None)?;
                Arc::new(MapArray::try_new(entries, offset_buffer(offsets), columns, nulls.finish(), false)?)
            }
            Self::Oneof { fields, columns, mut nulls, rows, .. } => {
                let columns: Result<Vec<_>, _> = columns.into_iter().map(ValueColumn::finish).collect();
                Arc::new(StructArray::try_new_with_length(fields, columns?, nulls.finish(), rows)?)
            }
        })
    }
}

fn read_entry(columns: &mut [ValueColumn; 2], entry: &[u8]) -> DecodeResult {
    let mut slots = [Slot::Empty, Slot::Empty];
    let mut input = Input::new(entry);
    while let Some((number, wire, raw)) = input.field()? {
        if let 1 | 2 = number
            && columns[number as usize - 1].wire == wire
        {
            let index = number as usize - 1;
            slots[index].put(raw, entry, columns[index].is_message());
        }
    }
    for (column, slot) in columns.iter_mut().zip(&slots) {
        match slot {
            // A message that is left out of an entry is an empty one.
            Slot::Empty if column.is_message() => column.append(Some(&Slot::Merged(Vec::new())), entry)?,
            Slot::Empty => column.append(None, entry)?,
            seen => column.append(Some(seen), entry)?,
        }
    }
    Ok(())
}

impl Slot {
    #[inline]
    fn put(&mut self, raw: Raw, message: &[u8], is_message: bool) {
        *self = match (std::mem::replace(self, Self::Empty), raw) {
            (Self::Raw(Raw::Bytes(start, end)), Raw::Bytes(from, to)) if is_message => {
                Self::Merged([&message[start..end], &message[from..to]].concat())
            }
            (Self::Merged(mut earlier), Raw::Bytes(from, to)) if is_message => {
                earlier.extend_from_slice(&message[from..to]);
                Self::Merged(earlier)
            }
            (_, raw) => Self::Raw(raw),
        };
    }
}

impl ValueColumn {
    fn new(
        descriptor: &FieldDescriptor,
        field: &Field,
        options: &ProtobufOptions,
        has_presence: bool,
        rows: usize,
    ) -> Self {
        let (values, wire) = Values::new(descriptor, field, options, rows);
        Self { nulls: NullBufferBuilder::new(0), values, wire, has_presence }
    }

    fn is_message(&self) -> bool {
        self.values.is_message()
    }

    #[inline]
    fn append(&mut self, slot: Option<&Slot>, message: &[u8]) -> DecodeResult {
        match slot {
            None | Some(Slot::Empty) if self.has_presence => self.append_null(),
            None | Some(Slot::Empty) => {
                self.nulls.append_non_null();
                self.values.append_zero();
            }
            Some(Slot::Raw(Raw::Number(number))) => {
                self.nulls.append_non_null();
                self.values.append_number(*number)?;
            }
            Some(Slot::Raw(Raw::Bytes(start, end))) => {
                self.nulls.append_non_null();
                self.values.append_bytes(&message[*start..*end])?;
            }
            Some(Slot::Merged(bytes)) => {
                self.nulls.append_non_null();
                self.values.append_bytes(bytes)?;
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.nulls.append_null();
        self.values.append_empty();
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        self.values.finish(self.nulls.finish())
    }
}

/// A message of a logical type: its fields are numbers, or one of bytes.
pub fn read_fields<const N: usize>(message: &[u8]) -> DecodeResult<[u64; N]> {
    let mut fields = [0; N];
    let mut input = Input::new(message);
    while let Some((number, _, raw)) = input.field()? {
        if let (Raw::Number(value), Some(field)) = (raw, fields.get_mut((number as usize).wrapping_sub(1))) {
            *field = value;
        }
    }
    Ok(fields)
}

/// The bytes in field 1.
pub fn read_value(message: &[u8]) -> DecodeResult<&[u8]> {
    let mut found: &[u8] = &[];
    let mut input = Input::new(message);
    while let Some((number, _, raw)) = input.field()? {
        if let (1, Raw::Bytes(start, end)) = (number, raw) {
            found = &message[start..end];
        }
    }
    Ok(found)
}
