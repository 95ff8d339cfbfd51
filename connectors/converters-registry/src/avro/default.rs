//! Defaults: Avro's JSON form (bytes as Latin-1 text, a union's value bare) and Connect's (bytes as base64), into each other.
//! Source: Confluent `AvroData.defaultValueFromAvro` and `defaultValueFromConnect`.

use super::options::{AvroOptions, NAMESPACE};
use super::schema::{AvroSchema, Kind, Schema};
use super::to_connect::{map_entry, union_member_name};
use crate::ordered_json::{Json, Members};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sluice_data::{ConnectSchema, SchemaType};

/// `None`: the default does not fit the schema, or is null.
#[must_use]
pub fn connect_default(
    avro: &AvroSchema,
    schema: &Schema,
    connect: &ConnectSchema,
    default: &Json,
    options: &AvroOptions,
) -> Option<Value> {
    let schema = avro.resolve(schema);
    if *default == Json::Null {
        return connect.optional.then_some(Value::Null);
    }
    match (&schema.kind, &connect.kind) {
        (Kind::Union(branches), _) => union_default(avro, branches, connect, default, options),
        (Kind::Bytes | Kind::Fixed(_), SchemaType::Bytes) => {
            Some(Value::String(STANDARD.encode(latin1_bytes(default.as_str()?)?)))
        }
        (Kind::Array(item), SchemaType::Array(item_schema)) => {
            let items = default.as_array()?.iter();
            let items = items.map(|value| connect_default(avro, item, item_schema, value, options));
            Some(Value::Array(items.collect::<Option<_>>()?))
        }
        (Kind::Map(value), SchemaType::Map(_, value_schema)) => {
            let members = default.as_object()?.iter();
            let members = members.map(|(name, default)| {
                Some((name.clone(), connect_default(avro, value, value_schema, default, options)?))
            });
            Some(Value::Object(members.collect::<Option<_>>()?))
        }
        (Kind::Array(item), SchemaType::Map(key_schema, value_schema)) => {
            let entry = map_entry(avro.resolve(item))?;
            let [key, value] = entry.fields.as_slice() else { return None };
            let pairs = default.as_array()?.iter().map(|pair| {
                let (key_default, value_default) = match pair {
                    Json::Object(members) => (members.get("key")?, members.get("value")?),
                    Json::Array(pair) => (pair.first()?, pair.get(1)?),
                    _ => return None,
                };
                let key = connect_default(avro, &key.schema, key_schema, key_default, options)?;
                let value = connect_default(avro, &value.schema, value_schema, value_default, options)?;
                Some(Value::Array(vec![key, value]))
            });
            Some(Value::Array(pairs.collect::<Option<_>>()?))
        }
        (Kind::Record(record), SchemaType::Struct(members)) => {
            let given = default.as_object()?;
            let mut object = Map::new();
            for (field, (name, schema)) in record.fields.iter().zip(members) {
                let default = given.get(name).or(field.default.as_ref())?;
                object.insert(name.clone(), connect_default(avro, &field.schema, schema, default, options)?);
            }
            Some(Value::Object(object))
        }
        (kind, _) => is_scalar_default(avro, schema, kind, default).then(|| default.into()),
    }
}

fn is_scalar_default(avro: &AvroSchema, schema: &Schema, kind: &Kind, default: &Json) -> bool {
    !matches!(kind, Kind::Array(_) | Kind::Map(_) | Kind::Record(_)) && avro.is_valid_default(schema, default)
}

/// A union of null and a type is the type's own; another is a struct with the member that fits.
fn union_default(
    avro: &AvroSchema,
    branches: &[Schema],
    connect: &ConnectSchema,
    default: &Json,
    options: &AvroOptions,
) -> Option<Value> {
    let fitting = branches.iter().enumerate().find(|(_, branch)| avro.is_valid_default(branch, default))?;
    let (index, branch) = fitting;
    let is_union = matches!(&connect.kind, SchemaType::Struct(_)) && is_union_schema(connect);
    let (SchemaType::Struct(members), true) = (&connect.kind, is_union) else {
        return connect_default(avro, branch, connect, default, options);
    };
    let name = union_member_name(avro, branch, index, options);
    let (_, member) = members.iter().find(|(member, _)| *member == name)?;
    let value = connect_default(avro, branch, member, default, options)?;
    Some(Value::Object(Map::from_iter([(name, value)])))
}

/// Whether a struct stands for a union of its members.
#[must_use]
pub fn is_union_schema(schema: &ConnectSchema) -> bool {
    schema.name.as_deref() == Some(super::options::UNION)
        || schema.parameters.contains_key(super::options::GENERALIZED_UNION)
}

/// Connect's form of a default as Avro's; `None` when it does not fit.
#[must_use]
pub fn avro_default(connect: &ConnectSchema, default: &Value, options: &AvroOptions) -> Option<Json> {
    if default.is_null() {
        return Some(Json::Null);
    }
    Some(match &connect.kind {
        SchemaType::Bytes => {
            let bytes = STANDARD.decode(default.as_str()?).ok()?;
            Json::String(bytes.into_iter().map(char::from).collect())
        }
        SchemaType::Array(item) => {
            let items = default.as_array()?.iter().map(|value| avro_default(item, value, options));
            Json::Array(items.collect::<Option<_>>()?)
        }
        SchemaType::Map(key, value) => match default {
            Value::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, member)| Some((name.clone(), avro_default(value, member, options)?)));
                Json::Object(members.collect::<Option<_>>()?)
            }
            Value::Array(pairs) => {
                let pairs = pairs.iter().map(|pair| {
                    let mut members = Members::new();
                    members.insert("key".into(), avro_default(key, pair.get(0)?, options)?);
                    members.insert("value".into(), avro_default(value, pair.get(1)?, options)?);
                    Some(Json::Object(members))
                });
                Json::Array(pairs.collect::<Option<_>>()?)
            }
            _ => return None,
        },
        SchemaType::Struct(fields) => {
            let given = default.as_object()?;
            if is_union_schema(connect) {
                let (name, value) = given.iter().find(|(_, value)| !value.is_null())?;
                let (_, member) = fields.iter().find(|(member, _)| member == name)?;
                return avro_default(member, value, options);
            }
            let mut members = Members::new();
            for (name, schema) in fields {
                let value = given.get(name).unwrap_or(&Value::Null);
                members.insert(super::names::scrub(name, options), avro_default(schema, value, options)?);
            }
            Json::Object(members)
        }
        _ => default.into(),
    })
}

/// Each character is a byte. Source: Avro specification, default of bytes.
#[must_use]
pub fn latin1_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

/// `ConnectDefault` for the first unnamed struct, `ConnectDefault2` for the second.
#[must_use]
pub fn default_name(index: usize) -> (Option<String>, String) {
    let number = if index > 1 { index.to_string() } else { String::new() };
    (Some(NAMESPACE.to_owned()), format!("{}{number}", super::options::CONNECT_DEFAULT))
}
