//! A source's failed record as its connector gave it, before transformations and converters.
//!
//! It was never in the log, so its dead letter is the only copy. Text and bytes are kept as they are; everything else as
//! Kafka Connect's JSON with its schema, from which the record can be made again. Which it is stands in the headers
//! `__connect.errors.key.format` and `…value.format`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, PluginError, PluginRegistry};
use sluice_data::ConnectBatch;
use sluice_data::headers::row_headers;
use std::sync::Arc;

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// How a key or a value is written in a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    String,
    Bytes,
    /// With `schema` and `payload`.
    Json,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Json => "json",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::String, Self::Bytes, Self::Json].into_iter().find(|format| format.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formatted {
    pub bytes: Vec<u8>,
    pub format: Format,
}

/// One record as it was polled; `None`: there was no key, or no value.
#[derive(Debug, Clone)]
pub(crate) struct PolledRecord {
    pub topic: Arc<str>,
    /// Milliseconds since the epoch; 0: the connector gave none.
    pub timestamp: i64,
    pub key: Option<Formatted>,
    pub value: Option<Formatted>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl PolledRecord {
    /// Of a record that nobody has seen.
    #[must_use]
    pub fn without_content(topic: Arc<str>) -> Self {
        Self { topic, timestamp: 0, key: None, value: None, headers: Vec::new() }
    }

    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let formatted = [&self.key, &self.value].into_iter().flatten().map(|formatted| formatted.bytes.len());
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
        formatted.chain(headers).sum()
    }
}

/// Finds polled records by their row ids and writes them down.
pub(crate) struct Originals {
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
}

impl Originals {
    /// # Errors
    /// The JSON converter is not there.
    pub fn new(plugins: &PluginRegistry) -> Result<Self, PluginError> {
        let json = |role| plugins.converter(JSON_CONVERTER, role, &ConfigMap::new());
        Ok(Self { key: json(ConverterRole::Key)?, value: json(ConverterRole::Value)? })
    }

    /// `None`: no row of `batch` has this id.
    #[must_use]
    pub fn find(&self, batch: &ConnectBatch, row_id: i64) -> Option<PolledRecord> {
        let row = batch.row_ids().values().iter().position(|id| *id == row_id)?;
        let topic = Arc::clone(batch.topic());
        let headers = batch.headers().map_or_else(Vec::new, |headers| {
            let owned = |value: &[u8]| value.to_vec();
            row_headers(headers, row).map(|header| (header.name.to_owned(), header.value.map(owned))).collect()
        });
        let timestamps = batch.timestamps();
        Some(PolledRecord {
            timestamp: if timestamps.is_valid(row) { timestamps.value(row) } else { 0 },
            key: write(&*self.key, &topic, batch.key_field(), &batch.key().slice(row, 1)),
            value: write(&*self.value, &topic, batch.value_field(), &batch.value().slice(row, 1)),
            topic,
            headers,
        })
    }

    /// The columns of one key or value that was written down.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn read(&self, role: ConverterRole, topic: &str, formatted: &Formatted) -> Result<(Field, ArrayRef), String> {
        let bytes = &formatted.bytes;
        match formatted.format {
            Format::Bytes => {
                let column = arrow_array::BinaryArray::from_iter_values([bytes]);
                Ok((Field::new("value", DataType::Binary, true), Arc::new(column)))
            }
            Format::String => {
                let text = std::str::from_utf8(bytes).map_err(|error| format!("it is no text: {error}"))?;
                let column = arrow_array::StringArray::from_iter_values([text]);
                Ok((Field::new("value", DataType::Utf8, true), Arc::new(column)))
            }
            Format::Json => {
                let converter = if role == ConverterRole::Key { &self.key } else { &self.value };
                let column = arrow_array::BinaryArray::from_iter_values([bytes]);
                let converted = converter.to_connect_data(topic, &column).map_err(|error| error.message)?;
                let one = converted.into_iter().next().ok_or("it holds nothing")?;
                Ok((one.field.as_ref().clone(), one.values))
            }
        }
    }
}

/// One row. What JSON cannot say either (a type that it does not know) is left out: the letter still names its cause.
fn write(converter: &dyn Converter, topic: &str, field: &Field, row: &ArrayRef) -> Option<Formatted> {
    let is_plain = field.metadata().is_empty();
    match row.data_type() {
        DataType::Null => None,
        _ if row.is_null(0) && is_plain => None,
        DataType::Utf8 if is_plain => {
            Some(Formatted { bytes: row.as_string::<i32>().value(0).into(), format: Format::String })
        }
        DataType::Binary if is_plain => {
            Some(Formatted { bytes: row.as_binary::<i32>().value(0).into(), format: Format::Bytes })
        }
        _ => {
            let written = converter.from_connect_data(topic, field, row, None);
            let written = written.map_err(|error| tracing::warn!("a failed record is not kept whole: {error}")).ok()?;
            written.is_valid(0).then(|| Formatted { bytes: written.value(0).to_vec(), format: Format::Json })
        }
    }
}

/// A row's key or value as JSON with its schema, for people to read.
#[must_use]
pub(crate) fn render(
    originals: &Originals,
    role: ConverterRole,
    batch: &ConnectBatch,
    row: usize,
) -> serde_json::Value {
    let (converter, field, column) = match role {
        ConverterRole::Key => (&originals.key, batch.key_field(), batch.key()),
        ConverterRole::Value | ConverterRole::Header => (&originals.value, batch.value_field(), batch.value()),
    };
    if column.data_type() == &DataType::Null {
        return serde_json::Value::Null;
    }
    let written = converter.from_connect_data(batch.topic(), field, &column.slice(row, 1), None);
    match written {
        Ok(bytes) if bytes.is_valid(0) => serde_json::from_slice(bytes.value(0)).unwrap_or_default(),
        Ok(_) => serde_json::Value::Null,
        Err(error) => serde_json::json!({ "unreadable": error.message }),
    }
}
