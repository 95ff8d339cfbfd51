//! Schemaless values: JSON text, parsed to top-level members whose text stays as it is.

use crate::smt::{SmtResult, rejected};
use arrow_array::{Array, StringArray};
use indexmap::IndexMap;
use serde_json::value::RawValue;
use sluice_connect_api::ConnectError;

/// An object's members in order, each as its text.
pub type Object = IndexMap<String, Box<RawValue>>;

/// What becomes of one member's text.
pub type ChangeText<'a> = dyn FnMut(Option<&str>) -> SmtResult<Option<String>> + 'a;

const NESTED: &str = "nested field access";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    Pass,
    Refuse,
}

/// Each row as an object, changed by `change`.
///
/// # Errors
/// A row that is no object.
pub fn map_objects(
    texts: &StringArray,
    purpose: &str,
    on_null: OnNull,
    mut change: impl FnMut(usize, &mut Object) -> SmtResult<()>,
) -> SmtResult<StringArray> {
    let mut rows = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            if on_null == OnNull::Refuse {
                return Err(refuse(purpose, "null"));
            }
            rows.push(None);
            continue;
        };
        let mut object = parse(text, purpose)?;
        change(row, &mut object)?;
        rows.push(Some(to_text(&object)));
    }
    Ok(StringArray::from(rows))
}

/// The text of the member at the end of `path`; `None` when it is not there or null.
///
/// # Errors
/// A value on the way that is neither an object nor null.
pub fn text_at(object: &Object, path: &[String]) -> SmtResult<Option<String>> {
    let Some((name, rest)) = path.split_first() else { return Ok(None) };
    match object.get(name).map(|member| member.get()) {
        None | Some("null") => Ok(None),
        Some(text) if rest.is_empty() => Ok(Some(text.to_owned())),
        Some(text) => text_at(&parse(text, NESTED)?, rest),
    }
}

/// Sets the member at the end of `path` to what `change` makes of it (`None`: it is not there). `Ok(None)` takes it out.
///
/// # Errors
/// What `change` says, and a value on the way that is no object.
pub fn change_at(object: &mut Object, path: &[String], change: &mut ChangeText<'_>) -> SmtResult<()> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        match change(object.get(name).map(|member| member.get()))? {
            Some(text) => drop(object.insert(name.clone(), raw(text))),
            None => drop(object.shift_remove(name)),
        }
        return Ok(());
    }
    // Where the way ends there is nothing to change.
    let Some(text) = object.get(name).map(|member| member.get()).filter(|text| *text != "null") else { return Ok(()) };
    let mut inner = parse(text, NESTED)?;
    change_at(&mut inner, rest, change)?;
    object.insert(name.clone(), raw(to_text(&inner)));
    Ok(())
}

/// # Errors
/// When the text is no object.
pub fn parse(text: &str, purpose: &str) -> SmtResult<Object> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => refuse(purpose, kind(text)),
        _ => rejected(format!("the schemaless value is not JSON: {error}")),
    })
}

/// Source: Kafka `Requirements.requireMap`.
fn refuse(purpose: &str, found: &str) -> ConnectError {
    rejected(format!("Only Map objects supported in absence of schema for [{purpose}], found: {found}"))
}

pub fn to_text(object: &Object) -> String {
    serde_json::to_string(object).expect("members are JSON already")
}

/// What kind of JSON value a text is.
pub fn kind(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

pub fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("the text is JSON")
}

pub fn raw_string(text: &str) -> Box<RawValue> {
    raw(serde_json::Value::from(text).to_string())
}
