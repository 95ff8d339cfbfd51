//! What the transformations of this crate have in common: a side of the record, and how they become plugins.

use arrow_array::{Array, ArrayRef};
use arrow_schema::{Field, FieldRef};
use sluice_connect_api::config_def::{Default, Validator, parse_list};
use sluice_connect_api::{
    ConfigDef, ConfigKey, ConfigMap, ConfigType, ConnectError, Importance, Transformation, TransformationError,
};
use sluice_data::ConnectBatch;
use sluice_data::batch::{KEY, VALUE};
use sluice_data::schema::with_tombstones;

pub type SmtResult<T> = Result<T, TransformationError>;

/// Which part of a record a transformation works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Key,
    Value,
}

/// A transformation of one side of a record.
pub trait Smt: Sized + Send + Sync + 'static {
    fn config_def() -> ConfigDef;

    /// `config` holds the parsed values of every key.
    ///
    /// # Errors
    /// When values do not fit together.
    fn new(config: &ConfigMap) -> Result<Self, String>;

    /// # Errors
    /// Rejected: at least one row cannot be transformed.
    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch>;

    /// For a transformation that cannot keep all rows under one schema.
    ///
    /// # Errors
    /// As [`Smt::apply`].
    fn apply_all(&self, side: Side, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        self.apply(side, batch).map(|batch| vec![batch])
    }
}

/// A transformation of whole records.
pub trait RecordSmt: Sized + Send + Sync + 'static {
    fn config_def() -> ConfigDef;

    /// As [`Smt::new`].
    ///
    /// # Errors
    /// When values do not fit together.
    fn new(config: &ConfigMap) -> Result<Self, String>;

    /// # Errors
    /// Rejected: at least one row cannot be transformed.
    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>>;
}

struct OnSide<T>(T, Side);

struct OnRecord<T>(T);

#[async_trait::async_trait]
impl<T: Smt> Transformation for OnSide<T> {
    async fn apply(&mut self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        self.0.apply_all(self.1, batch)
    }
}

#[async_trait::async_trait]
impl<T: RecordSmt> Transformation for OnRecord<T> {
    async fn apply(&mut self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        self.0.apply(batch)
    }
}

pub fn make_key<T: Smt>(config: &ConfigMap) -> Result<Box<dyn Transformation>, String> {
    Ok(Box::new(OnSide(T::new(&parse(&T::config_def(), config)?)?, Side::Key)))
}

pub fn make_value<T: Smt>(config: &ConfigMap) -> Result<Box<dyn Transformation>, String> {
    Ok(Box::new(OnSide(T::new(&parse(&T::config_def(), config)?)?, Side::Value)))
}

pub fn make<T: RecordSmt>(config: &ConfigMap) -> Result<Box<dyn Transformation>, String> {
    Ok(Box::new(OnRecord(T::new(&parse(&T::config_def(), config)?)?)))
}

fn parse(def: &ConfigDef, config: &ConfigMap) -> Result<ConfigMap, String> {
    def.parse(config).map_err(|errors| errors.join("\n"))
}

impl Side {
    pub fn operand(self, batch: &ConnectBatch) -> (&FieldRef, &ArrayRef) {
        match self {
            Self::Key => (batch.key_field(), batch.key()),
            Self::Value => (batch.value_field(), batch.value()),
        }
    }

    /// The batch with this side replaced. Nulls under a required schema are rows without one.
    pub fn replace(self, batch: &ConnectBatch, field: Field, column: ArrayRef) -> SmtResult<ConnectBatch> {
        let field = if column.null_count() > 0 { with_tombstones(field) } else { field };
        let name = match self {
            Self::Key => KEY,
            Self::Value => VALUE,
        };
        batch.with_column(name, &field, column).map_err(|error| rejected(error.to_string()))
    }
}

/// A row that cannot be transformed. Kafka: `DataException`.
pub fn rejected(message: impl Into<String>) -> ConnectError {
    ConnectError::rejected("transform.data", message)
}

/// What an Arrow kernel refuses.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub fn refused(error: arrow_schema::ArrowError) -> ConnectError {
    rejected(error.to_string())
}

pub fn string_key(name: &str, default: Default, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::String, default, Importance::High, documentation)
}

pub fn list_key(name: &str, default: Default, documentation: &str) -> ConfigKey {
    let validator = if default == Default::Required { Validator::NonEmpty } else { Validator::Any };
    ConfigKey::new(name, ConfigType::List, default, Importance::High, documentation).validator(validator)
}

/// The same key, of another importance than high.
pub fn of_importance(importance: Importance, mut key: ConfigKey) -> ConfigKey {
    key.importance = importance;
    key
}

pub const REPLACE_NULL: &str = "replace.null.with.default";

pub fn replace_null_key() -> ConfigKey {
    ConfigKey::new(
        REPLACE_NULL,
        ConfigType::Boolean,
        Default::Value("true".into()),
        Importance::Medium,
        "Whether a null field that has a default reads as the default.",
    )
}

pub fn replaces_null(config: &ConfigMap) -> bool {
    config.get(REPLACE_NULL).is_none_or(|value| value == "true")
}

pub fn list(config: &ConfigMap, name: &str) -> Vec<String> {
    config.get(name).map(|list| parse_list(list).into_iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// Java's `String.split(":")`, which drops empty parts at the end.
pub fn split_colons(mapping: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = mapping.split(':').collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}
