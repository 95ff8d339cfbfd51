//! The Connect schema of a Protobuf message. Source: Confluent `ProtobufData.toConnectSchema`.

use super::ProtobufOptions;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, OneofDescriptor, Value};
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};

pub const TAG: &str = "io.confluent.connect.protobuf.Tag";
pub const TYPE: &str = "io.confluent.connect.protobuf.Type";
pub const ENUM: &str = "io.confluent.connect.protobuf.Enum";
pub const UNION_PREFIX: &str = "io.confluent.connect.protobuf.Union.";

type Mapped = Result<ConnectSchema, String>;

/// # Errors
/// A message that contains itself, and groups.
pub fn to_connect(message: &MessageDescriptor, options: &ProtobufOptions) -> Mapped {
    structure(message, options, &mut Vec::new())
}

/// The members of a message in Connect's order: oneofs first, then the other fields.
pub enum Member {
    Oneof(OneofDescriptor),
    Field(FieldDescriptor),
}

#[must_use]
pub fn members(message: &MessageDescriptor, options: &ProtobufOptions) -> Vec<Member> {
    let is_real = |oneof: &OneofDescriptor| !oneof.is_synthetic();
    let mut members = Vec::new();
    for oneof in message.oneofs().filter(is_real) {
        match options.flatten_unions {
            true => members.extend(oneof.fields().map(Member::Field)),
            false => members.push(Member::Oneof(oneof)),
        }
    }
    // In the order of the file.
    let mut fields: Vec<FieldDescriptor> =
        message.fields().filter(|field| !field.containing_oneof().is_some_and(|oneof| is_real(&oneof))).collect();
    let proto = message.descriptor_proto();
    fields.sort_by_key(|field| proto.field.iter().position(|own| own.number() == field.number() as i32));
    members.extend(fields.into_iter().map(Member::Field));
    members
}

fn structure(message: &MessageDescriptor, options: &ProtobufOptions, within: &mut Vec<String>) -> Mapped {
    let full_name = message.full_name().to_owned();
    if within.contains(&full_name) {
        return Err(format!("{full_name} contains itself; recursive types have no place in columns"));
    }
    within.push(full_name);
    let mut fields = Vec::new();
    for member in members(message, options) {
        match member {
            Member::Oneof(oneof) => {
                let index = message.oneofs().position(|other| other == oneof).unwrap_or(0);
                let suffix = if options.generate_index_for_unions { format!("_{index}") } else { String::new() };
                fields.push((format!("{}{suffix}", oneof.name()), union(&oneof, options, within)?));
            }
            Member::Field(field) => {
                let is_in_oneof = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
                let schema = field_schema(&field, is_in_oneof, options, within);
                fields
                    .push((field.name().to_owned(), schema.map_err(|problem| format!("{}: {problem}", field.name()))?));
            }
        }
    }
    within.pop();
    let mut schema = ConnectSchema::new(SchemaType::Struct(fields));
    let name = if options.enhanced_schema_support { message.full_name() } else { message.name() };
    schema.name = Some(name.to_owned());
    Ok(schema)
}

fn union(oneof: &OneofDescriptor, options: &ProtobufOptions, within: &mut Vec<String>) -> Mapped {
    let mut fields = Vec::new();
    for field in oneof.fields() {
        fields.push((field.name().to_owned(), field_schema(&field, true, options, within)?));
    }
    let mut schema = ConnectSchema::new(SchemaType::Struct(fields)).optional();
    let name = if options.enhanced_schema_support { oneof.full_name() } else { oneof.name() };
    schema.name = Some(format!("{UNION_PREFIX}{name}"));
    Ok(schema)
}

fn field_schema(
    field: &FieldDescriptor,
    is_in_oneof: bool,
    options: &ProtobufOptions,
    within: &mut Vec<String>,
) -> Mapped {
    let mut schema = if field.is_map() { map(field, options, within)? } else { kind(field, options, within)? };
    if field.is_list() {
        schema = ConnectSchema::new(SchemaType::Array(Box::new(schema.optional()))).optional();
    }
    let has_keyword = field.field_descriptor_proto().proto3_optional()
        || field.parent_file().syntax() == prost_reflect::Syntax::Proto2 && !field.is_required();
    schema.optional |= is_in_oneof || !options.optional_for_nullables || has_keyword;
    Ok(schema.parameter(TAG, field.number().to_string()))
}

fn map(field: &FieldDescriptor, options: &ProtobufOptions, within: &mut Vec<String>) -> Mapped {
    let Kind::Message(entry) = field.kind() else { return Err("a map has entries".to_owned()) };
    let key = field_schema(&entry.map_entry_key_field(), false, options, within)?;
    let value = field_schema(&entry.map_entry_value_field(), false, options, within)?;
    let mut schema = ConnectSchema::new(SchemaType::Map(Box::new(key), Box::new(value)));
    schema.name = Some(field.name().to_owned());
    Ok(schema.optional())
}

fn kind(field: &FieldDescriptor, options: &ProtobufOptions, within: &mut Vec<String>) -> Mapped {
    let plain = |kind| Ok(ConnectSchema::new(kind));
    let of_type = |kind, name: &str| Ok(ConnectSchema::new(kind).parameter(TYPE, name));
    match field.kind() {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => match meta(field, "connect.type").as_deref() {
            Some("int8") => plain(SchemaType::Int8),
            Some("int16") => plain(SchemaType::Int16),
            _ => match field.kind() {
                Kind::Sint32 => of_type(SchemaType::Int32, "sint32"),
                Kind::Sfixed32 => of_type(SchemaType::Int32, "sfixed32"),
                _ => plain(SchemaType::Int32),
            },
        },
        Kind::Int64 => plain(SchemaType::Int64),
        Kind::Uint32 => of_type(SchemaType::Int64, "uint32"),
        Kind::Uint64 => of_type(SchemaType::Int64, "uint64"),
        Kind::Sint64 => of_type(SchemaType::Int64, "sint64"),
        Kind::Fixed32 => of_type(SchemaType::Int64, "fixed32"),
        Kind::Fixed64 => of_type(SchemaType::Int64, "fixed64"),
        Kind::Sfixed64 => of_type(SchemaType::Int64, "sfixed64"),
        Kind::Float => plain(SchemaType::Float32),
        Kind::Double => plain(SchemaType::Float64),
        Kind::Bool => plain(SchemaType::Boolean),
        Kind::String => plain(SchemaType::String),
        Kind::Bytes => plain(SchemaType::Bytes),
        Kind::Enum(enumeration) => {
            let kind = if options.int_for_enums { SchemaType::Int32 } else { SchemaType::String };
            let mut schema = ConnectSchema::new(kind).optional().parameter(ENUM, enumeration.name());
            let name = if options.enhanced_schema_support { enumeration.full_name() } else { enumeration.name() };
            schema.name = Some(name.to_owned());
            for value in enumeration.values() {
                schema = schema.parameter(&format!("{ENUM}.{}", value.name()), value.number().to_string());
            }
            Ok(schema)
        }
        Kind::Message(_) if field.is_group() => Err("groups are not supported".to_owned()),
        Kind::Message(message) => Ok(match message.full_name() {
            "confluent.type.Decimal" => {
                let scale = meta(field, "scale").unwrap_or_else(|| "0".to_owned());
                let schema = ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, scale);
                match meta(field, "precision") {
                    Some(precision) => schema.parameter(PRECISION, precision),
                    None => schema,
                }
            }
            "google.type.Date" => ConnectSchema::new(SchemaType::Int32).named(DATE, 1),
            "google.type.TimeOfDay" => ConnectSchema::new(SchemaType::Int32).named(TIME, 1),
            "google.protobuf.Timestamp" => ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1),
            _ => structure(&message, options, within)?,
        }
        .optional()),
    }
}

/// A parameter of the field in `confluent.field_meta`.
fn meta(field: &FieldDescriptor, name: &str) -> Option<String> {
    let extension = field.parent_pool().get_extension_by_name("confluent.field_meta")?;
    let options: DynamicMessage = field.options();
    let meta = options.get_extension(&extension);
    let params = meta.as_message()?.get_field_by_name("params")?;
    let value = params.as_map()?.get(&MapKey::String(name.to_owned()))?;
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
