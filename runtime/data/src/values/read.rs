//! A text and the schema of its value to the value. The inverse of [`write_row`](super::write_row).
//!
//! What the text does not say is refused rather than guessed: Kafka writes a date and a timestamp before 2 January 1970 as
//! the time of day alone.

use super::text::FORMATS;
use crate::number;
use crate::schema::{DATE, DECIMAL, SCALE, TIME, TIMESTAMP};
use crate::{ConnectSchema, SchemaType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

const MS_PER_DAY: i64 = 86_400_000;

/// The value in the form of a payload, as [`payload_to_row`](crate::schema::payload_to_row) takes it; `None` when the text
/// is none of this schema.
#[must_use]
pub fn read_text(schema: &ConnectSchema, text: &str) -> Option<Value> {
    if !is_nested(schema) {
        return scalar(schema, text);
    }
    let mut reader = Reader { rest: text };
    let value = reader.nested(schema)?;
    reader.rest.is_empty().then_some(value)
}

fn is_nested(schema: &ConnectSchema) -> bool {
    matches!(schema.kind, SchemaType::Array(_) | SchemaType::Map(..) | SchemaType::Struct(_))
}

fn is_quoted(schema: &ConnectSchema) -> bool {
    match schema.kind {
        SchemaType::String => true,
        SchemaType::Bytes => schema.name.as_deref() != Some(DECIMAL),
        _ => false,
    }
}

fn is_temporal(schema: &ConnectSchema) -> bool {
    matches!(
        (&schema.kind, schema.name.as_deref()),
        (SchemaType::Int32, Some(DATE | TIME)) | (SchemaType::Int64, Some(TIMESTAMP))
    )
}

fn scalar(schema: &ConnectSchema, text: &str) -> Option<Value> {
    Some(match (&schema.kind, schema.name.as_deref()) {
        (SchemaType::Bytes, Some(DECIMAL)) => {
            let scale = schema.parameters.get(SCALE)?.parse().ok()?;
            STANDARD.encode(number::parse(text, scale)?.to_signed_bytes_be()).into()
        }
        (SchemaType::Int32, Some(DATE)) => (dated(text)? / MS_PER_DAY).into(),
        (SchemaType::Int64, Some(TIMESTAMP)) => dated(text)?.into(),
        (SchemaType::Int32, Some(TIME)) => FORMATS[0].parse(text)?.into(),
        (SchemaType::String | SchemaType::Bytes, _) => text.into(),
        (SchemaType::Boolean, _) => text.parse::<bool>().ok()?.into(),
        (SchemaType::Float32, _) => float(f64::from(number::parse_java_float::<f32>(text)?), text)?,
        (SchemaType::Float64, _) => float(number::parse_java_float(text)?, text)?,
        (SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64, _) => {
            text.parse::<i64>().ok()?.into()
        }
        (SchemaType::Array(_) | SchemaType::Map(..) | SchemaType::Struct(_), _) => return None,
    })
}

/// Milliseconds since the epoch of a text with a date.
fn dated(text: &str) -> Option<i64> {
    let [_, date, timestamp] = &*FORMATS;
    if text.contains('T') { timestamp.parse(text) } else { date.parse(text) }
}

/// A payload has a name for what JSON has no number for.
fn float(value: f64, text: &str) -> Option<Value> {
    if value.is_finite() { Some(value.into()) } else { Some(text.into()) }
}

/// Of what stands in a list, a map or a struct, from its left end.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, schema: &ConnectSchema) -> Option<Value> {
        if let Some(rest) = self.rest.strip_prefix("null") {
            self.rest = rest;
            return Some(Value::Null);
        }
        if is_nested(schema) {
            return self.nested(schema);
        }
        if is_quoted(schema) {
            return scalar(schema, &self.quoted()?);
        }
        let end = if is_temporal(schema) { self.end_of_time()? } else { self.rest.find([',', ':', ']', '}'])? };
        scalar(schema, self.take(end))
    }

    fn nested(&mut self, schema: &ConnectSchema) -> Option<Value> {
        match &schema.kind {
            SchemaType::Array(item) => {
                let mut items = Vec::new();
                self.items(['[', ']'], |reader| {
                    items.push(reader.value(item)?);
                    Some(())
                })?;
                Some(items.into())
            }
            SchemaType::Map(key, value) => {
                let mut entries: Vec<Value> = Vec::new();
                self.items(['{', '}'], |reader| {
                    let key = reader.value(key)?;
                    reader.skip(':')?;
                    entries.push(vec![key, reader.value(value)?].into());
                    Some(())
                })?;
                Some(entries.into())
            }
            SchemaType::Struct(fields) => {
                let mut members = Map::new();
                self.items(['{', '}'], |reader| {
                    let name = reader.quoted()?;
                    let (_, schema) = fields.iter().find(|(field, _)| *field == name)?;
                    reader.skip(':')?;
                    members.insert(name, reader.value(schema)?);
                    Some(())
                })?;
                Some(members.into())
            }
            _ => None,
        }
    }

    fn items(&mut self, [open, close]: [char; 2], mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.skip(open)?;
        if self.skip(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.skip(close).is_some() {
                return Some(());
            }
            self.skip(',')?;
        }
    }

    fn quoted(&mut self) -> Option<String> {
        self.skip('"')?;
        let mut text = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => text.push(characters.next()?),
                other => text.push(other),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }

    /// A date ends before what is no digit of it, everything else behind its `Z`: both may hold what also ends a map's key.
    fn end_of_time(&self) -> Option<usize> {
        let date = self.rest.find(|character: char| !character.is_ascii_digit() && character != '-')?;
        let is_date = self.rest[..date].contains('-') && !self.rest[date..].starts_with('T');
        if is_date { Some(date) } else { Some(self.rest.find('Z')? + 1) }
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }
}
