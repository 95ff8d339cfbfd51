//! Converters: between bytes in the log and Connect data, on whole columns.

use crate::config_def::ConfigMap;
use crate::error::ConnectError;
use arrow_array::{ArrayRef, BinaryArray, BooleanArray};
use arrow_schema::{Field, FieldRef};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConverterRole {
    Key,
    Value,
    Header,
}

/// What a converter class can be asked for: Kafka's `Converter`, `HeaderConverter` or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConverterKind {
    KeysAndValues,
    Headers,
    Both,
}

impl ConverterKind {
    #[must_use]
    pub fn takes(self, role: ConverterRole) -> bool {
        match role {
            ConverterRole::Key | ConverterRole::Value => self != Self::Headers,
            ConverterRole::Header => self != Self::KeysAndValues,
        }
    }
}

/// Rows of one schema out of a converted column.
#[derive(Debug, Clone)]
pub struct Converted {
    /// Which input rows these are, ascending; `None`: all of them, in order.
    pub rows: Option<Vec<u32>>,
    pub field: FieldRef,
    pub values: ArrayRef,
    /// Rows whose bytes were absent (a tombstone), as opposed to a null that was written; `None`: exactly where the value is null.
    pub tombstones: Option<BooleanArray>,
}

/// At least one row cannot be converted. The caller finds it by halves; converters only need to say why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConvertError {
    pub message: String,
}

impl ConvertError {
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Kafka: `org.apache.kafka.connect.storage.Converter`, for columns. Conversion itself is pure and synchronous; what it needs
/// from elsewhere is fetched by the two `prepare` calls, which the worker makes with the same arguments right before; not for
/// headers, whose converters fetch nothing.
#[async_trait::async_trait]
pub trait Converter: Send + Sync {
    /// Before [`Converter::from_connect_data`] of columns of this field: a registered schema is registered or looked up.
    ///
    /// # Errors
    /// Only what concerns no single record: a registry that cannot be reached (retriable), or that refuses this client
    /// (fatal). A schema that was refused is remembered, and the conversion says so.
    async fn prepare_from_connect(&self, _topic: &str, _field: &Field) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Before [`Converter::to_connect_data`] of these bytes: the schemas that they name are fetched.
    ///
    /// # Errors
    /// As [`Converter::prepare_from_connect`].
    async fn prepare_to_connect(&self, _topic: &str, _bytes: &BinaryArray) -> Result<(), ConnectError> {
        Ok(())
    }

    /// Bytes for each row of `values`; a null in the answer is a null key or a tombstone. `tombstones` marks rows that must
    /// become one whatever the schema says.
    ///
    /// # Errors
    /// When a row or the schema cannot be written in this format.
    #[expect(clippy::wrong_self_convention, reason = "Kafka's name: Converter.fromConnectData")]
    fn from_connect_data(
        &self,
        topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError>;

    /// Connect data from each row's bytes, grouped by schema; every row is in exactly one group. Rows without bytes go to
    /// the first group (or to one of type Null when there is no other).
    ///
    /// # Errors
    /// When a row's bytes are not in this format.
    fn to_connect_data(&self, topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError>;
}

/// Makes a converter from its own keys (without the `key.converter.` prefix).
pub type ConverterFactory = Arc<dyn Fn(ConverterRole, &ConfigMap) -> Result<Box<dyn Converter>, String> + Send + Sync>;
