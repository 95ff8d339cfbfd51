//! Default values in the schema of an envelope.
//!
//! Kafka converts a default as it converts a payload: nulls inside it take the defaults of their own schemas. What does not fit its
//! schema is refused here, where Kafka makes 0, false or null of it. Source: Kafka `JsonConverter.asConnectSchema`.

use super::decoder::Decoder;
use super::parser::Parser;
use serde_json::Value;
use sluice_connect_api::ConvertError;
use sluice_data::{ConnectSchema, SchemaType};

/// Checks all defaults of a schema and completes them.
///
/// # Errors
/// A default that does not fit.
pub fn complete(schema: &mut ConnectSchema, use_defaults: bool) -> Result<(), ConvertError> {
    match &mut schema.kind {
        SchemaType::Array(item) => complete(item, use_defaults)?,
        SchemaType::Map(key, value) => {
            complete(key, use_defaults)?;
            complete(value, use_defaults)?;
        }
        SchemaType::Struct(fields) => {
            for (_, field) in fields {
                complete(field, use_defaults)?;
            }
        }
        _ => {}
    }
    let Some(mut default) = schema.default.take() else { return Ok(()) };
    if use_defaults {
        fill(schema, &mut default);
    }
    check(schema, &default, use_defaults)?;
    schema.default = Some(default);
    Ok(())
}

/// Puts the defaults of what is inside in the place of nulls.
fn fill(schema: &ConnectSchema, value: &mut Value) {
    let inside = |schema: &ConnectSchema, value: &mut Value| match (&schema.default, value.is_null()) {
        (Some(default), true) => *value = default.clone(),
        _ => fill(schema, value),
    };
    match (&schema.kind, value) {
        (SchemaType::Array(item), Value::Array(values)) => values.iter_mut().for_each(|value| inside(item, value)),
        (SchemaType::Map(_, of), Value::Object(entries)) => entries.values_mut().for_each(|value| inside(of, value)),
        (SchemaType::Map(_, of), Value::Array(entries)) => {
            entries.iter_mut().filter_map(|entry| entry.get_mut(1)).for_each(|value| inside(of, value));
        }
        (SchemaType::Struct(fields), Value::Object(members)) => {
            for (name, field) in fields {
                if let Some(value) = members.get_mut(name) {
                    inside(field, value);
                }
            }
        }
        _ => {}
    }
}

/// `schema` is without its default.
fn check(schema: &ConnectSchema, default: &Value, use_defaults: bool) -> Result<(), ConvertError> {
    let unfit = |reason: String| ConvertError::new(format!("the default {default} does not fit its schema: {reason}"));
    let field = schema.to_field("default").map_err(|error| unfit(error.to_string()))?;
    let text = default.to_string();
    let mut parser = Parser::new(text.as_bytes());
    let read = Decoder::new(schema, &field, use_defaults, 1).read(&mut parser);
    read.map_err(|error| unfit(super::read::refuse_payload(error).to_string()))
}
