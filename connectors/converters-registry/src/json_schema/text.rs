//! Whether a text is a JSON Schema, and its form in a registry.

use crate::ordered_json::{Json, Members};

const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

/// The schema on one line, its members in their order.
///
/// # Errors
/// No JSON, or keywords that cannot be what they are.
pub fn canonical(text: &str) -> Result<String, String> {
    let schema = Json::parse(text).map_err(|error| format!("the schema is no JSON: {error}"))?;
    check(&schema, "#")?;
    Ok(schema.to_string())
}

fn check(schema: &Json, path: &str) -> Result<(), String> {
    let members = match schema {
        Json::Bool(_) => return Ok(()),
        Json::Object(members) => members,
        other => return Err(format!("{path}: a schema is an object or a boolean, and this is {other}")),
    };
    check_type(members, path)?;
    for name in ["properties", "patternProperties", "definitions", "$defs"] {
        match members.get(name) {
            None => {}
            Some(Json::Object(schemas)) => {
                schemas.iter().try_for_each(|(member, schema)| check(schema, &format!("{path}/{name}/{member}")))?;
            }
            Some(_) => return Err(format!("{path}/{name}: must be an object")),
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        match members.get(name) {
            None => {}
            Some(Json::Array(schemas)) if !schemas.is_empty() => {
                schemas.iter().try_for_each(|schema| check(schema, &format!("{path}/{name}")))?;
            }
            Some(_) => return Err(format!("{path}/{name}: must be an array of schemas")),
        }
    }
    for name in ["not", "additionalProperties", "contains", "propertyNames", "if", "then", "else"] {
        members.get(name).map_or(Ok(()), |schema| check(schema, &format!("{path}/{name}")))?;
    }
    match members.get("items") {
        Some(Json::Array(schemas)) => {
            schemas.iter().try_for_each(|schema| check(schema, &format!("{path}/items")))?;
        }
        Some(schema) => check(schema, &format!("{path}/items"))?,
        None => {}
    }
    let required = members.get("required");
    let is_names = |json: &Json| json.as_array().is_some_and(|names| names.iter().all(|name| name.as_str().is_some()));
    if required.is_some_and(|required| !is_names(required) && !matches!(required, Json::Bool(_))) {
        return Err(format!("{path}/required: must be an array of names"));
    }
    if members.get("$ref").is_some_and(|reference| reference.as_str().is_none()) {
        return Err(format!("{path}/$ref: must be text"));
    }
    if members.get("enum").is_some_and(|values| values.as_array().is_none()) {
        return Err(format!("{path}/enum: must be an array"));
    }
    Ok(())
}

fn check_type(members: &Members, path: &str) -> Result<(), String> {
    let is_type = |json: &Json| json.as_str().is_some_and(|name| TYPES.contains(&name));
    match members.get("type") {
        None => Ok(()),
        Some(Json::Array(types)) if !types.is_empty() && types.iter().all(is_type) => Ok(()),
        Some(json) if is_type(json) => Ok(()),
        Some(other) => Err(format!("{path}/type: {other} is no type of JSON Schema")),
    }
}
