//! `SimpleHeaderConverter`: texts whose type is guessed, and the text of any value.
//!
//! Rows of one type are one group; a list or map whose items have no common type has no schema, and stays JSON text where that is
//! possible. So does one of dates, times and timestamps, which Kafka takes for what the last item is.
//!
//! Source: Kafka `org.apache.kafka.connect.storage.SimpleHeaderConverter`.

use crate::string::without_tombstones;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, NullArray, StringArray, new_empty_array};
use arrow_schema::{DataType, Field};
use arrow_select::concat::concat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sluice_connect_api::{ConfigDef, ConfigMap, ConvertError, Converted, Converter, ConverterRole};
use sluice_data::schema::{DATE, TIME, TIMESTAMP, payload_to_row, schemaless_json_field};
use sluice_data::values::{Parsed, parse_string, write_row};
use sluice_data::{ConnectSchema, SchemaType, number};
use std::sync::Arc;

pub const CLASS: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
const MS_PER_DAY: i64 = 86_400_000;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct SimpleHeaderConverter;

#[must_use]
pub fn config_def() -> ConfigDef {
    ConfigDef::default()
}

/// # Errors
/// None; the signature is the registry's.
pub fn make(_role: ConverterRole, _config: &ConfigMap) -> Result<Box<dyn Converter>, String> {
    Ok(Box::new(SimpleHeaderConverter))
}

/// Rows of one type on their way into a column.
struct Group {
    schema: Option<ConnectSchema>,
    rows: Vec<u32>,
    values: Vec<Value>,
}

impl Converter for SimpleHeaderConverter {
    fn from_connect_data(
        &self,
        _topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        let mut texts = Vec::with_capacity(values.len());
        for row in 0..values.len() {
            let mut text = String::new();
            let is_valid =
                write_row(field, values, row, &mut text).map_err(|error| ConvertError::new(error.to_string()))?;
            texts.push(is_valid.then_some(text));
        }
        let (offsets, bytes, nulls) = StringArray::from(texts).into_parts();
        Ok(BinaryArray::new(offsets, bytes, without_tombstones(nulls, tombstones)))
    }

    fn to_connect_data(&self, _topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let mut groups: Vec<Group> = Vec::new();
        for (row, value) in bytes.iter().enumerate() {
            let parsed = value.map_or(Parsed::Null, |bytes| parse_string(&String::from_utf8_lossy(bytes)));
            let schema = parsed.schema();
            let (schema, value) = match payload(&parsed, schema.as_ref()) {
                Some(value) => (schema, value),
                None => (None, payload(&parsed, None).unwrap_or_default()),
            };
            match groups.iter_mut().find(|group| group.schema == schema) {
                Some(group) => {
                    group.rows.push(row as u32);
                    group.values.push(value);
                }
                None => groups.push(Group { schema, rows: vec![row as u32], values: vec![value] }),
            }
        }
        groups.into_iter().map(Group::finish).collect()
    }
}

impl Group {
    fn finish(self) -> Result<Converted, ConvertError> {
        let refuse = |error: String| ConvertError::new(format!("the header cannot be held: {error}"));
        let field = match &self.schema {
            Some(schema) => schema.to_field("value").map_err(|error| refuse(error.to_string()))?,
            None if self.values.iter().all(Value::is_null) => Field::new("value", DataType::Null, true),
            None => schemaless_json_field("value"),
        };
        if field.data_type().is_null() {
            let values = Arc::new(NullArray::new(self.rows.len()));
            return Ok(Converted { rows: Some(self.rows), field: Arc::new(field), values, tombstones: None });
        }
        let row = |value: &Value| payload_to_row(&field, value).ok_or_else(|| refuse(value.to_string()));
        let rows: Vec<ArrayRef> = self.values.iter().map(row).collect::<Result<_, _>>()?;
        let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
        let values = match rows.is_empty() {
            true => new_empty_array(field.data_type()),
            false => concat(&rows).map_err(|error| refuse(error.to_string()))?,
        };
        Ok(Converted { rows: Some(self.rows), field: Arc::new(field), values, tombstones: None })
    }
}

/// In the JSON form of a payload; a map whose keys are no texts is a list of pairs. Without a schema a decimal is its text. `None`: a
/// date, a time or a timestamp under the schema of another of them.
fn payload(parsed: &Parsed, schema: Option<&ConnectSchema>) -> Option<Value> {
    let is_typed = schema.is_some();
    let temporal = |ms: i64, name: &str| {
        let fits = schema.is_none_or(|schema| schema.name.as_deref() == Some(name));
        fits.then(|| if is_typed && name == DATE { ms.div_euclid(MS_PER_DAY) } else { ms }.into())
    };
    Some(match parsed {
        Parsed::Null => Value::Null,
        Parsed::Boolean(value) => (*value).into(),
        Parsed::Int8(value) => (*value).into(),
        Parsed::Int16(value) => (*value).into(),
        Parsed::Int32(value) => (*value).into(),
        Parsed::Int64(value) => (*value).into(),
        // By its shortest text, which is how it was written.
        Parsed::Float32(value) => value.to_string().parse::<f64>().unwrap_or(f64::from(*value)).into(),
        Parsed::Float64(value) => (*value).into(),
        Parsed::Decimal(unscaled, scale) if !is_typed => number::to_text(&unscaled.to_string(), *scale).into(),
        Parsed::Decimal(unscaled, _) => STANDARD.encode(unscaled.to_signed_bytes_be()).into(),
        Parsed::Date(ms) => return temporal(*ms, DATE),
        Parsed::Time(ms) => return temporal(*ms, TIME),
        Parsed::Timestamp(ms) => return temporal(*ms, TIMESTAMP),
        Parsed::String(text) => text.as_str().into(),
        Parsed::List(items, _) => {
            let item_schema = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Array(item)) => Some(&**item),
                _ => None,
            };
            Value::Array(items.iter().map(|item| payload(item, item_schema)).collect::<Option<_>>()?)
        }
        Parsed::Map(entries, _) => {
            let (key_schema, value_schema) = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Map(key, value)) => (Some(&**key), Some(&**value)),
                _ => (None, None),
            };
            let is_named = entries.iter().all(|(key, _)| matches!(key, Parsed::String(_)));
            let mut members = serde_json::Map::new();
            let mut pairs = Vec::new();
            for (key, value) in entries {
                let value = payload(value, value_schema)?;
                match key {
                    Parsed::String(name) if is_named => drop(members.insert(name.clone(), value)),
                    _ => pairs.push(Value::from(vec![payload(key, key_schema)?, value])),
                }
            }
            if is_named { Value::Object(members) } else { Value::Array(pairs) }
        }
    })
}
