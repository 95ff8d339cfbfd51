//! Kafka Connect's converters, on whole columns.
//!
//! Each is pure: bytes of a topic in, Arrow columns with their Connect schema out, and back. What is not here: header
//! converters' place in a record, and formats that need a schema registry.

pub mod byte_array;
mod java_text;
pub mod json;
pub mod number;
pub mod string;

use sluice_connect_api::PluginRegistry;

/// Adds every converter of this crate under its Kafka class name.
pub fn register(registry: &PluginRegistry) {
    registry.add_converter(json::CLASS, json::config_def, json::make);
    registry.add_converter(string::CLASS, string::config_def, string::make);
    registry.add_converter(byte_array::CLASS, byte_array::config_def, byte_array::make);
    number::register(registry);
}
