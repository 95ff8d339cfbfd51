//! `JsonConverter`: JSON with or without Kafka Connect's schema envelope.
//!
//! With `schemas.enable` a message is `{"schema":…,"payload":…}`, exactly; without, it is the payload, and what is read has
//! no schema: it stays text (extension `arrow.json`), checked but not parsed. Numbers keep the form in which they were
//! written, where Kafka would make int64 and float64 of them; only leading zeros are dropped.
//!
//! Stricter than Kafka, which turns a value of another type into 0, false or null: a payload that does not fit its schema is
//! an error that names the field. Source: Kafka `org.apache.kafka.connect.json.JsonConverter`.

mod decoder;
mod defaults;
mod parser;
pub mod payload;
mod read;
mod write;

use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;
use parking_lot::Mutex;
use parser::Parser;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{
    ConfigDef, ConfigKey, ConfigMap, ConfigType, ConvertError, Converted, Converter, ConverterRole, Importance,
};
use sluice_data::ConnectSchema;
use sluice_data::schema::{holds_tombstones, schemaless_json_field};
use std::sync::Arc;
use write::{Encoder, WriteOptions};

pub const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";

/// How a Decimal is written; both are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalFormat {
    Base64,
    Numeric,
}

/// See the [module](self).
#[derive(Debug)]
pub struct JsonConverter {
    schemas_enable: bool,
    decimal_format: DecimalFormat,
    replace_null_with_default: bool,
    /// `schema.content`: the schema of messages that are bare payloads (KIP-1054).
    schema_content: Option<ConnectSchema>,
    /// The field that was written last: it seldom changes.
    last_written: Mutex<Option<Arc<WrittenField>>>,
}

/// What all values of a field have in common as messages.
#[derive(Debug)]
struct WrittenField {
    field: Field,
    schema: Option<ConnectSchema>,
    /// In front of each payload.
    prefix: Vec<u8>,
    /// Behind it.
    suffix: &'static [u8],
}

#[must_use]
pub fn config_def() -> ConfigDef {
    let key = |name: &str, kind, default: Default, importance, doc: &str| {
        ConfigKey::new(name, kind, default, importance, doc)
    };
    let value = |text: &str| Default::Value(text.into());
    let doc = "Include schemas within each of the serialized values and keys.";
    let enable = key("schemas.enable", ConfigType::Boolean, value("true"), Importance::High, doc);
    let doc = "Accepted; schemas are cached per batch here.";
    let cache = key("schemas.cache.size", ConfigType::Int, value("1000"), Importance::High, doc);
    let doc = "The schema (in the envelope's form) of messages that are bare payloads. Needs schemas.enable=true.";
    let content = key("schema.content", ConfigType::String, Default::Unset, Importance::High, doc);
    let doc = "How decimals are written: BASE64 (text of the unscaled bytes) or NUMERIC (a JSON number).";
    let formats = Validator::ValidValues { values: vec!["NUMERIC".into(), "BASE64".into()], ignore_case: true };
    let format = key("decimal.format", ConfigType::String, value("BASE64"), Importance::Low, doc).validator(formats);
    let doc = "Whether a null field with a default reads as the default.";
    let replace_null = key("replace.null.with.default", ConfigType::Boolean, value("true"), Importance::Low, doc);
    ConfigDef::default()
        .define(enable.shown("Schemas", 0, "MEDIUM", "Enable Schemas"))
        .define(cache.shown("Schemas", 1, "MEDIUM", "Schema Cache Size"))
        .define(content.shown("Schemas", 2, "MEDIUM", "Schema Content"))
        .define(format.shown("Serialization", 0, "MEDIUM", "Decimal Format"))
        .define(replace_null.shown("Serialization", 1, "MEDIUM", "Replace null with default"))
}

/// # Errors
/// Every wrong key.
pub fn make(_role: ConverterRole, config: &ConfigMap) -> Result<Box<dyn Converter>, String> {
    Ok(Box::new(JsonConverter::new(config)?))
}

impl JsonConverter {
    /// # Errors
    /// Every wrong key.
    pub fn new(config: &ConfigMap) -> Result<Self, String> {
        let config = config_def().parse(config).map_err(|errors| errors.join("\n"))?;
        let is = |key: &str, value: &str| config.get(key).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let schema_content = match config.get("schema.content").filter(|content| !content.is_empty()) {
            Some(content) => Some(parse_schema_content(content)?),
            None => None,
        };
        Ok(Self {
            schemas_enable: is("schemas.enable", "true"),
            decimal_format: if is("decimal.format", "NUMERIC") {
                DecimalFormat::Numeric
            } else {
                DecimalFormat::Base64
            },
            replace_null_with_default: is("replace.null.with.default", "true"),
            schema_content,
            last_written: Mutex::default(),
        })
    }

    fn written_field(&self, field: &Field) -> Result<Arc<WrittenField>, ConvertError> {
        let mut last = self.last_written.lock();
        // Fields of one batch after the other share their members, which makes this cheap.
        if let Some(known) = last.as_ref().filter(|known| known.field == *field) {
            return Ok(Arc::clone(known));
        }
        let schema = ConnectSchema::from_field(field).map_err(write::refuse_schema)?;
        let (prefix, suffix) = self.envelope(schema.as_ref());
        let new = Arc::new(WrittenField { field: field.clone(), schema, prefix, suffix });
        *last = Some(Arc::clone(&new));
        Ok(new)
    }

    /// What stands in front of and behind each payload.
    fn envelope(&self, schema: Option<&ConnectSchema>) -> (Vec<u8>, &'static [u8]) {
        if !self.schemas_enable {
            return (Vec::new(), b"");
        }
        let mut prefix = String::from("{\"schema\":");
        match schema {
            Some(schema) => schema.write_json_with(&mut prefix, &|schema, default| {
                write::default_text(schema, default, self.decimal_format)
            }),
            None => prefix.push_str("null"),
        }
        prefix.push_str(",\"payload\":");
        (prefix.into_bytes(), b"}")
    }

    fn read_schemaless(&self, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let mut nulls = NullBufferBuilder::new(bytes.len());
        let mut absent = 0;
        let mut leading_zeros = Vec::new();
        for (row, value) in bytes.iter().enumerate() {
            let value = value.unwrap_or_default();
            absent += usize::from(value.is_empty());
            if value.is_empty() {
                nulls.append_null();
                continue;
            }
            let mut parser = Parser::new(value);
            parser
                .skip()
                .and_then(|()| parser.end())
                .map_err(|error| ConvertError::new(NOT_JSON.to_owned() + &error.to_string()))?;
            let start = bytes.value_offsets()[row] as usize;
            leading_zeros.extend(parser.leading_zeros.iter().map(|zero| start + zero));
            if value.len() < 16 && value.trim_ascii() == b"null" {
                nulls.append_null()
            } else {
                nulls.append_non_null()
            }
        }
        let nulls = nulls.finish();
        let null_count = nulls.as_ref().map_or(0, NullBuffer::null_count);
        let tombstones = (null_count != absent)
            .then(|| BooleanArray::from_iter(bytes.iter().map(|value| Some(value.is_none_or(<[u8]>::is_empty)))));
        let (offsets, values) = without(bytes, &leading_zeros);
        let texts = StringArray::try_new(offsets, values, nulls)
            .map_err(|error| ConvertError::new(NOT_JSON.to_owned() + &error.to_string()))?;
        let field = Arc::new(schemaless_json_field("value"));
        Ok(vec![Converted { rows: None, field, values: Arc::new(texts), tombstones }])
    }
}

const NOT_JSON: &str = "Converting byte[] to Kafka Connect data failed due to serialization error: ";

impl Converter for JsonConverter {
    fn from_connect_data(
        &self,
        _topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        let options = WriteOptions {
            decimal_format: self.decimal_format,
            replace_null_with_default: self.replace_null_with_default,
        };
        let written = self.written_field(field)?;
        let encoder = Encoder::of_schema(written.schema.as_ref(), field, values, options)?;
        let (prefix, suffix) = (written.prefix.as_slice(), written.suffix);
        // Nulls without a schema are tombstones, unless they are marked as nulls that were written.
        let nulls_are_tombstones =
            tombstones.is_none() && (holds_tombstones(field) || sluice_data::schema::is_schemaless(field));
        let is_tombstone = |row: usize| match tombstones {
            Some(tombstones) => tombstones.value(row),
            None => nulls_are_tombstones && (encoder.is_null(row) || values.data_type().is_null()),
        };
        let rows = values.len();
        // Of the rows' own bytes, a slice's included.
        let size = values.to_data().get_slice_memory_size().unwrap_or_default();
        let mut out = Vec::with_capacity(rows * (prefix.len() + 64) + size);
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0i32);
        let mut nulls = NullBufferBuilder::new(rows);
        for row in 0..rows {
            if is_tombstone(row) {
                nulls.append_null();
            } else {
                out.extend_from_slice(prefix);
                encoder.write(row, &mut out)?;
                out.extend_from_slice(suffix);
                nulls.append_non_null();
            }
            offsets.push(i32::try_from(out.len()).map_err(|_| ConvertError::new("the batch is above 2 GiB as JSON"))?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(BinaryArray::new(offsets, Buffer::from_vec(out), nulls.finish()))
    }

    fn to_connect_data(&self, _topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        if self.schemas_enable {
            read::read_envelopes(bytes, self.schema_content.as_ref(), self.replace_null_with_default)
        } else {
            self.read_schemaless(bytes)
        }
    }
}

/// The rows of `bytes` without the bytes at `positions` (ascending, within the value buffer).
fn without(bytes: &BinaryArray, positions: &[usize]) -> (OffsetBuffer<i32>, Buffer) {
    if positions.is_empty() {
        return (bytes.offsets().clone(), bytes.values().clone());
    }
    let source = bytes.value_data();
    let mut out = Vec::with_capacity(source.len());
    let mut copied = 0;
    for position in positions {
        out.extend_from_slice(&source[copied..*position]);
        copied = position + 1;
    }
    out.extend_from_slice(&source[copied..]);
    let mut removed = positions.iter().peekable();
    let mut count = 0;
    let offsets = bytes.value_offsets().iter().map(|offset| {
        while removed.next_if(|position| **position < *offset as usize).is_some() {
            count += 1;
        }
        offset - count
    });
    (OffsetBuffer::new(offsets.collect()), Buffer::from_vec(out))
}

fn parse_schema_content(content: &str) -> Result<ConnectSchema, String> {
    let invalid = |reason: String| format!("Invalid value {content} for configuration schema.content: {reason}");
    let json = serde_json::from_str(content).map_err(|error| invalid(error.to_string()))?;
    ConnectSchema::from_json(&json).map_err(|error| invalid(error.to_string()))
}
