//! The contracts between the data path and what plugs into it.
//!
//! One trait per file, the contract as prose on it: connectors and their tasks ([`connector`], [`source`], [`sink`]), converters
//! ([`converter`]), transformations ([`transformation`]), configuration ([`config_def`], its files: [`properties`]), and the registry that turns a class
//! name into any of them ([`plugins`]). [`schema_registry`] is what converters with registered schemas ask. The worker and the
//! herder know only these; whether a task is WebAssembly or native is
//! invisible to them.
//!
//! What it is not: it runs nothing, opens nothing and reads no configuration file.

pub mod config_def;
pub mod connector;
pub mod converter;
pub mod error;
pub mod example;
pub mod page;
pub mod plugin_version;
pub mod plugins;
pub mod predicate;
pub mod properties;
pub mod schema_registry;
pub mod sink;
pub mod source;
pub mod transformation;

pub use config_def::{ConfigDef, ConfigKey, ConfigMap, ConfigType, ConfigValue, Importance};
pub use connector::{Connector, ConnectorCapabilities, ConnectorKind, PluginDefinition, TaskConfigs, TaskContext};
pub use converter::{ConvertError, Converted, Converter, ConverterRole};
pub use error::{ConnectError, ErrorDetails, ErrorKind};
pub use example::Example;
pub use plugins::{PluginError, PluginFactory, PluginRegistry};
pub use predicate::Predicate;
pub use schema_registry::{RegistryError, SchemaRegistry};
pub use sink::{Delivery, RecordFailure, SinkTask};
pub use source::{OffsetReader, PolledBatches, SourceOffsetPair, SourceTask};
pub use transformation::{Transformation, TransformationError};
