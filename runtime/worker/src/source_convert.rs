//! Source side: Connect columns → key and value bytes, bad rows found by halves.

use crate::clock::Clock;
use crate::config::ConverterConfig;
use crate::converter_prepare::Preparation;
use crate::error_report::{RecordError, Stage};
use crate::retry::RetryPolicy;
use crate::task_config::ConnectorSettings;
use crate::task_run::Lifecycle;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::{ConvertError, Converter, ConverterRole, PluginError, PluginRegistry};
use sluice_data::ConnectBatch;
use std::sync::Arc;

/// Key and value converters with the classes that errors name.
pub(crate) struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub key_class: Arc<str>,
    pub value_class: Arc<str>,
    pub preparation: Preparation,
}

/// Rows ready for the log. `batch` still has their timestamps, headers and partitions.
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
                Ok((keys, values)) => converted.push(ConvertedRows { batch: part, keys, values }),
                Err((stage, error)) if part.len() == 1 => errors.push(self.record_error(stage, &part, error)),
                Err(_) => {
                    let half = part.len() / 2;
                    todo.push(part.slice(half, part.len() - half));
                    todo.push(part.slice(0, half));
                }
            }
        }
        (converted, errors)
    }

    #[allow(clippy::type_complexity, reason = "one caller, right above")]
    fn convert(
        &self,
        batch: &ConnectBatch,
    ) -> Result<(Option<BinaryArray>, Option<BinaryArray>), (Stage, ConvertError)> {
        let topic = batch.topic();
        let keys = convert_column(&*self.key, topic, batch.key_field(), batch.key(), None);
        let keys = keys.map_err(|error| (Stage::KeyConverter, error))?;
        let values = convert_column(&*self.value, topic, batch.value_field(), batch.value(), batch.tombstones());
        let values = values.map_err(|error| (Stage::ValueConverter, error))?;
        Ok((keys, values))
    }

    pub fn record_error(&self, stage: Stage, row: &ConnectBatch, error: ConvertError) -> RecordError {
        let class = if stage == Stage::KeyConverter { &self.key_class } else { &self.value_class };
        let row_id = row.row_ids().value(0);
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
