//! Kafka Connect's converters, on whole columns.
//!
//! Each is pure: bytes of a topic in, Arrow columns with their Connect schema out, and back. All but
//! [`simple_header`] take headers too. What is not here: formats that need a schema registry.

pub mod byte_array;
pub mod examples;
mod java_text;
pub mod json;
pub mod number;
pub mod simple_header;
pub mod string;

use sluice_connect_api::PluginRegistry;
use sluice_connect_api::converter::ConverterKind;

/// Adds every converter of this crate under its Kafka class name.
pub fn register(registry: &PluginRegistry) {
    registry.add_converter(json::CLASS, json::config_def, json::make);
    registry.add_converter(string::CLASS, string::config_def, string::make);
    registry.add_converter(byte_array::CLASS, byte_array::config_def, byte_array::make);
    number::register(registry);
    let (class, headers) = (simple_header::CLASS, ConverterKind::Headers);
    registry.add_converter_of(headers, class, simple_header::config_def, simple_header::make);
}
