//! The JSON Schema of a Connect schema. Source: Confluent `JsonSchemaData.rawSchemaFromConnectSchema`.

use super::JsonSchemaOptions;
use crate::ordered_json::{Json, Members};
use sluice_converters::json::DecimalFormat;
use sluice_data::schema::DECIMAL;
use sluice_data::{ConnectSchema, SchemaType};

pub const NAMESPACE: &str = "io.confluent.connect.json";
pub const ENUM: &str = "io.confluent.connect.json.Enum";
/// What a null among the values of an enum is called in a parameter.
pub const NULL_MARKER: &str = "<NULL>";

/// # Errors
/// A map whose keys are no strings.
pub fn derive(connect: &ConnectSchema, options: &JsonSchemaOptions) -> Result<Json, String> {
    schema(connect, None, options)
}

fn schema(connect: &ConnectSchema, index: Option<usize>, options: &JsonSchemaOptions) -> Result<Json, String> {
    let required = required(connect, index.filter(|_| !connect.optional), options)?;
    if !connect.optional {
        return Ok(required);
    }
    let null = Json::Object(Members::from_iter([("type".to_owned(), Json::from("null"))]));
    let mut members = Members::from_iter([("oneOf".to_owned(), Json::Array(vec![null, required]))]);
    add_index(index, &mut members);
    Ok(Json::Object(members))
}

fn required(connect: &ConnectSchema, index: Option<usize>, options: &JsonSchemaOptions) -> Result<Json, String> {
    let mut members = Members::new();
    let mut connect_type = None;
    let mut of_type = |kind: &str| drop(members.insert("type".into(), kind.into()));
    match &connect.kind {
        SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64 => {
            of_type("integer");
            connect_type = Some(connect.type_name());
        }
        SchemaType::Float32 | SchemaType::Float64 => {
            of_type("number");
            connect_type = Some(if connect.kind == SchemaType::Float32 { "float32" } else { "float64" });
        }
        SchemaType::Boolean => of_type("boolean"),
        SchemaType::String if connect.parameters.contains_key(ENUM) => {
            members.insert("enum".into(), symbols(connect));
        }
        SchemaType::String => of_type("string"),
        SchemaType::Bytes => {
            let is_number =
                connect.name.as_deref() == Some(DECIMAL) && options.decimal_format == DecimalFormat::Numeric;
            of_type(if is_number { "number" } else { "string" });
            connect_type = Some("bytes");
        }
        SchemaType::Array(item) => {
            of_type("array");
            members.insert("items".into(), schema(item, None, options)?);
        }
        SchemaType::Map(key, value) if key.kind == SchemaType::String && !key.optional => {
            of_type("object");
            members.insert("additionalProperties".into(), schema(value, None, options)?);
            connect_type = Some("map");
        }
        SchemaType::Map(..) => {
            return Err("a map whose keys are no strings is not supported as JSON Schema yet".to_owned());
        }
        SchemaType::Struct(fields) => {
            of_type("object");
            let mut properties = Members::new();
            for (index, (name, field)) in fields.iter().enumerate() {
                let property =
                    schema(field, Some(index), options).map_err(|problem| format!("field {name}: {problem}"))?;
                properties.insert(name.clone(), property);
            }
            members.insert("properties".into(), Json::Object(properties));
            if !options.object_additional_properties {
                members.insert("additionalProperties".into(), Json::Bool(false));
            }
        }
    }
    describe(connect, connect_type, &mut members);
    add_index(index, &mut members);
    Ok(Json::Object(members))
}

fn symbols(connect: &ConnectSchema) -> Json {
    let prefix = format!("{ENUM}.");
    let symbols = connect.parameters.keys().filter_map(|name| name.strip_prefix(&prefix));
    Json::Array(symbols.map(|symbol| if symbol == NULL_MARKER { Json::Null } else { symbol.into() }).collect())
}

fn describe(connect: &ConnectSchema, connect_type: Option<&str>, members: &mut Members) {
    if let Some(name) = &connect.name {
        members.insert("title".into(), name.as_str().into());
    }
    if let Some(doc) = &connect.doc {
        members.insert("description".into(), doc.as_str().into());
    }
    if let Some(default) = connect.default.as_ref().filter(|default| !default.is_null()) {
        members.insert("default".into(), default.into());
    }
    if let Some(connect_type) = connect_type {
        members.insert("connect.type".into(), connect_type.into());
    }
    if let Some(version) = connect.version {
        members.insert("connect.version".into(), i64::from(version).into());
    }
    let parameters = connect.parameters.iter().filter(|(name, _)| !name.starts_with(NAMESPACE));
    let parameters: Members = parameters.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    if !parameters.is_empty() {
        members.insert("connect.parameters".into(), Json::Object(parameters));
    }
}

fn add_index(index: Option<usize>, members: &mut Members) {
    if let Some(index) = index {
        members.insert("connect.index".into(), (index as i64).into());
    }
}
