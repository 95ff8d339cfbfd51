//! Source side: Connect columns → key, value and header bytes, bad rows found by halves.

use crate::clock::Clock;
use crate::config::ConverterConfig;
use crate::converter_prepare::Preparation;
use crate::error_report::{RecordError, Stage};
use crate::header_convert::HeaderConverter;
use crate::retry::RetryPolicy;
use crate::task_config::ConnectorSettings;
use crate::task_run::Lifecycle;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConvertError, Converter, ConverterRole, PluginError, PluginRegistry};
use sluice_data::ConnectBatch;
use sluice_data::batch::HEADERS;
use sluice_data::headers::headers_type;
use std::sync::Arc;

/// The three converters with the classes that errors name.
pub(crate) struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub key_class: Arc<str>,
    pub value_class: Arc<str>,
    pub headers: HeaderConverter,
    pub preparation: Preparation,
}

/// Rows ready for the log. `batch` has their timestamps, partitions, and headers with the log's bytes.
pub(crate) struct ConvertedRows {
    pub batch: ConnectBatch,
    /// `None`: no row has a key.
    pub keys: Option<BinaryArray>,
    /// `None`: every row is a tombstone.
    pub values: Option<BinaryArray>,
}

impl Converters {
    /// # Errors
    /// A class that is unknown, or refuses its configuration.
    pub fn build(
        settings: &ConnectorSettings,
        plugins: &PluginRegistry,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
    ) -> Result<Self, PluginError> {
        let retry = RetryPolicy { timeout: settings.errors.retry_timeout, delay_max: settings.errors.retry_delay_max };
        let make = |role, converter: &ConverterConfig| plugins.converter(&converter.class, role, &converter.config);
        let full_name = |converter: &ConverterConfig| plugins.full_name(&converter.class).into();
        Ok(Self {
            key: make(ConverterRole::Key, &settings.key_converter)?,
            value: make(ConverterRole::Value, &settings.value_converter)?,
            key_class: full_name(&settings.key_converter),
            value_class: full_name(&settings.value_converter),
            headers: HeaderConverter::build(&settings.header_converter, plugins)?,
            preparation: Preparation { retry, clock, lifecycle },
        })
    }

    /// Every row is in the converted rows or in the errors.
    #[expect(clippy::wrong_self_convention, reason = "Kafka's name: Converter.fromConnectData")]
    pub fn from_connect_data(&self, batch: ConnectBatch) -> (Vec<ConvertedRows>, Vec<RecordError>) {
        let (mut converted, mut errors) = (Vec::new(), Vec::new());
        let mut todo = vec![batch];
        while let Some(part) = todo.pop() {
            match self.convert(&part) {
                Ok(rows) => converted.push(rows),
                Err((stage, error)) if part.len() == 1 => {
                    errors.push(self.record_error(stage, part.row_ids().value(0), error));
                }
                Err(_) => {
                    let half = part.len() / 2;
                    todo.push(part.slice(half, part.len() - half));
                    todo.push(part.slice(0, half));
                }
            }
        }
        (converted, errors)
    }

    /// Headers come first here and last in a sink, as in Kafka.
    fn convert(&self, batch: &ConnectBatch) -> Result<ConvertedRows, (Stage, ConvertError)> {
        let topic = batch.topic();
        let converted = self.with_header_bytes(batch).map_err(|error| (Stage::HeaderConverter, error))?;
        let keys = convert_column(&*self.key, topic, batch.key_field(), batch.key(), None);
        let keys = keys.map_err(|error| (Stage::KeyConverter, error))?;
        let values = convert_column(&*self.value, topic, batch.value_field(), batch.value(), batch.tombstones());
        let values = values.map_err(|error| (Stage::ValueConverter, error))?;
        Ok(ConvertedRows { batch: converted, keys, values })
    }

    fn with_header_bytes(&self, batch: &ConnectBatch) -> Result<ConnectBatch, ConvertError> {
        let Some(headers) = self.headers.from_connect_headers(batch.topic(), batch.headers())? else {
            return Ok(batch.clone());
        };
        let replaced = batch.with_column(HEADERS, &Field::new(HEADERS, headers_type(), false), Arc::new(headers));
        replaced.map_err(|error| ConvertError::new(error.to_string()))
    }

    pub fn record_error(&self, stage: Stage, row_id: i64, error: ConvertError) -> RecordError {
        let class = match stage {
            Stage::KeyConverter => &self.key_class,
            Stage::HeaderConverter => &self.headers.class,
            _ => &self.value_class,
        };
        RecordError { row_id, stage, class: Arc::clone(class), code: "conversion".to_owned(), reason: error.message }
    }
}

/// Nothing under no schema is no bytes, in every format.
fn convert_column(
    converter: &dyn Converter,
    topic: &str,
    field: &Field,
    column: &ArrayRef,
    tombstones: Option<&BooleanArray>,
) -> Result<Option<BinaryArray>, ConvertError> {
    if column.data_type() == &DataType::Null {
        return Ok(None);
    }
    let bytes = converter.from_connect_data(topic, field, column, tombstones)?;
    if bytes.len() == column.len() {
        Ok(Some(bytes))
    } else {
        Err(ConvertError::new(format!("the converter gave {} values for {} rows", bytes.len(), column.len())))
    }
}
