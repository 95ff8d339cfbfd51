//! Every converter has a page with an example, and the example is true, both ways.

use arrow_array::{Array, BinaryArray};
use serde_json::{Map, Value, json};
use sluice_connect_api::page::{Page, index};
use sluice_connect_api::{ConfigMap, ConverterRole, Example, PluginRegistry};
use sluice_converters::examples::{ABOUT, EXAMPLES};
use sluice_data::ConnectSchema;
use sluice_data::schema::row_to_payload;
use std::path::Path;

fn registry() -> PluginRegistry {
    let registry = PluginRegistry::default();
    sluice_converters::register(&registry);
    registry
}

fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix("0x") {
        Some(digits) => {
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
        }
        None => text.as_bytes().to_vec(),
    }
}

fn role(class: &str) -> ConverterRole {
    if class.ends_with("SimpleHeaderConverter") { ConverterRole::Header } else { ConverterRole::Value }
}

/// Without what a schema says by saying nothing.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.iter().filter(|(name, value)| *name != "optional" || **value != json!(false));
            Value::Object(said.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_example_is_true_both_ways() {
    let registry = registry();
    for example in &EXAMPLES {
        let config: ConfigMap =
            example.config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let converter = registry.converter(example.class, role(example.class), &config).unwrap();
        let message = bytes(example.input);
        let read = converter.to_connect_data("t", &BinaryArray::from_iter_values([&message])).unwrap().remove(0);
        let mut found = Map::new();
        if let Some(schema) = ConnectSchema::from_field(&read.field).unwrap() {
            found.insert("schema".into(), schema.to_json());
        }
        found.insert("value".into(), row_to_payload(&read.field, &read.values, 0).unwrap());
        let expected: Value = serde_json::from_str(example.output).unwrap();
        assert_eq!(plain(&found.into()), plain(&expected), "{} {}", example.class, example.about);

        let written = converter.from_connect_data("t", &read.field, &read.values, None).unwrap();
        // What stands for a missing envelope is not written: Kafka writes the envelope.
        let config = config.into_iter().filter(|(key, _)| key != "schema.content").collect();
        let converter = registry.converter(example.class, role(example.class), &config).unwrap();
        let again =
            converter.to_connect_data("t", &BinaryArray::from_iter_values([written.value(0)])).unwrap().remove(0);
        let payload = row_to_payload(&again.field, &again.values, 0).unwrap();
        assert!(written.is_valid(0) && payload == expected["value"], "{} {}", example.class, example.about);
    }
}

#[test]
fn every_converter_has_a_page_that_is_up_to_date() {
    let registry = registry();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for plugin in registry.list() {
        let (_, about) = ABOUT.iter().find(|(class, _)| *class == plugin.class).expect("every converter has a page");
        let examples: Vec<Example> = EXAMPLES.iter().filter(|example| example.class == plugin.class).copied().collect();
        assert!(!examples.is_empty(), "{} has no example", plugin.class);
        let (_, def) = registry.config_def(&plugin.class).unwrap();
        // A class that is both has one page.
        let kind = if role(&plugin.class) == ConverterRole::Header { "header_converter" } else { "converter" };
        let page = Page { class: &plugin.class, kind, about, def: &def, examples: &examples };
        let file = folder.join(page.file_name());
        if std::env::var_os("SLUICE_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, page.markdown()).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, page.markdown(), "{} is not what the code says; SLUICE_BLESS=1 writes it", file.display());
    }
}

#[test]
fn the_index_names_every_page() {
    let heading = "# Converters\n\nFor keys, values and headers, under `key.converter.`, `value.converter.` and `header.converter.`.";
    let index = index(heading, &ABOUT);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/README.md");
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&file, &index).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), index, "SLUICE_BLESS=1 writes it");
}
