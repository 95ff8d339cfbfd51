//! Converters whose schemas are registered: Avro, Protobuf and JSON Schema, on whole columns.
//!
//! [`RegistryConverter`] knows Confluent's wire format and the registry; a [`format::Format`] knows one language of schemas and
//! its payloads. What a registry itself must know of a language (is a text a schema, what is its canonical form, may it
//! follow another) is [`registered`].
//!
//! What it is not: a registry, or a client of one: those are behind `SchemaRegistry`.

pub mod avro;
mod cache;
mod column_bytes;
pub mod config;
mod converter;
mod decimal;
pub mod examples;
pub mod format;
pub mod json_schema;
pub mod ordered_json;
pub mod protobuf;
pub mod registered;
pub mod subject;

pub use converter::RegistryConverter;

use sluice_connect_api::converter::ConverterKind;
use sluice_connect_api::{ConfigMap, PluginRegistry, SchemaRegistry};
use std::sync::Arc;

/// The registry that a converter with this configuration uses: one over HTTP, or the one in this process.
pub type RegistryProvider = Arc<dyn Fn(&ConfigMap) -> Result<Arc<dyn SchemaRegistry>, String> + Send + Sync>;

/// Adds every converter of this crate under its Confluent class name.
pub fn register(plugins: &PluginRegistry, provider: RegistryProvider) {
    // Kafka's are no header converters.
    let kind = ConverterKind::KeysAndValues;
    let own = Arc::clone(&provider);
    plugins.add_converter_of(kind, avro::CLASS, avro::config_def, move |role, config| avro::make(role, config, &own));
    let own = Arc::clone(&provider);
    plugins.add_converter_of(kind, protobuf::CLASS, protobuf::config_def, move |role, config| {
        protobuf::make(role, config, &own)
    });
    plugins.add_converter_of(kind, json_schema::CLASS, json_schema::config_def, move |role, config| {
        json_schema::make(role, config, &provider)
    });
}
