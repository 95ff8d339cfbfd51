//! Every transformation and predicate has a page with an example, and the example is true.

use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::Field;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use sluice_connect_api::page::{Page, index};
use sluice_connect_api::{ConfigMap, Converter, Example, PluginRegistry};
use sluice_converters::json::JsonConverter;
use sluice_data::headers::{Header, HeadersBuilder, row_headers};
use sluice_data::{ConnectBatch, ConnectSchema};
use sluice_transforms::examples::{ABOUT, EXAMPLES};
use std::path::Path;

fn registry() -> PluginRegistry {
    let registry = PluginRegistry::default();
    sluice_transforms::register(&registry);
    registry
}

fn converter() -> JsonConverter {
    JsonConverter::new(&ConfigMap::new()).unwrap()
}

fn column(schema: &Value, value: &Value) -> (Field, ArrayRef) {
    let message = (!value.is_null()).then(|| json!({"schema": schema, "payload": value}).to_string());
    let converted = converter().to_connect_data("t", &BinaryArray::from_iter([message])).unwrap().remove(0);
    (converted.field.as_ref().clone(), converted.values)
}

fn batch(record: &Value) -> ConnectBatch {
    let (value_field, value) = column(&record["schema"], &record["value"]);
    let (key_field, key) = column(&Value::Null, &record["key"]);
    let mut headers = HeadersBuilder::default();
    for header in record["headers"].as_array().into_iter().flatten() {
        let text = header[1].as_str().map(str::as_bytes);
        headers.push(Header { name: header[0].as_str().unwrap(), value: text, schema: None });
    }
    headers.end_row();
    let timestamps = vec![record["timestamp"].as_i64()].into();
    let builder = ConnectBatch::builder(record["topic"].as_str().unwrap_or("t"), &value_field, value);
    builder.key(&key_field, key).timestamps(timestamps).headers(headers.finish()).build().unwrap()
}

fn payload(field: &Field, column: &ArrayRef) -> Option<Value> {
    let bytes = converter().from_connect_data("t", field, column, None).unwrap();
    let message: Value = serde_json::from_slice(bytes.is_valid(0).then(|| bytes.value(0))?).unwrap();
    Some(message["payload"].clone())
}

/// The record with what the input has said too, or what is new.
fn written(batch: &ConnectBatch, input: &Value) -> Value {
    let mut record = Map::new();
    if let Some(schema) = ConnectSchema::from_field(batch.value_field()).unwrap() {
        record.insert("schema".into(), schema.to_json());
    }
    let parts =
        [("key", payload(batch.key_field(), batch.key())), ("value", payload(batch.value_field(), batch.value()))];
    record.extend(parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?))));
    let text = |header: Header<'_>| json!([header.name, header.value.map(String::from_utf8_lossy)]);
    let headers: Vec<Value> = row_headers(batch.headers().unwrap(), 0).map(text).collect();
    if !headers.is_empty() {
        record.insert("headers".into(), headers.into());
    }
    if input.get("topic").is_some() {
        record.insert("topic".into(), json!(&**batch.topic()));
    }
    if batch.timestamps().is_valid(0) {
        record.insert("timestamp".into(), batch.timestamps().value(0).into());
    }
    Value::Object(record)
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

fn run(registry: &PluginRegistry, example: &Example) -> Value {
    let config: ConfigMap =
        example.config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let input: Value = serde_json::from_str(example.input).unwrap();
    let batch = batch(&input);
    if example.class.contains(".predicates.") {
        return registry.predicate(example.class, &config).unwrap().test(&batch).value(0).into();
    }
    let mut made = registry.transformation(example.class, &config).now_or_never().unwrap().unwrap();
    let batches = made.apply(&batch).now_or_never().unwrap().unwrap();
    match batches.iter().find(|batch| !batch.is_empty()) {
        Some(batch) => plain(&written(batch, &input)),
        None => "dropped".into(),
    }
}

#[test]
fn every_example_is_true() {
    let registry = registry();
    for example in &EXAMPLES {
        let expected: Value = serde_json::from_str(example.output).unwrap_or_else(|_| example.output.into());
        assert_eq!(run(&registry, example), plain(&expected), "{} {}", example.class, example.about);
    }
}

#[test]
fn every_plugin_has_a_page_that_is_up_to_date() {
    let registry = registry();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let is_blessing = std::env::var_os("SLUICE_BLESS").is_some();
    for plugin in registry.list() {
        let class = plugin.class.replace("$Key", "$Value");
        let (_, about) = ABOUT.iter().find(|(name, _)| *name == class).unwrap_or_else(|| panic!("{class} has no page"));
        let examples: Vec<Example> = EXAMPLES.iter().filter(|example| example.class == class).copied().collect();
        assert!(!examples.is_empty(), "{class} has no example");
        let (_, def) = registry.config_def(&class).unwrap();
        let page = Page { class: &class, kind: plugin.kind, about, def: &def, examples: &examples };
        let file = folder.join(page.file_name());
        if is_blessing {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, page.markdown()).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, page.markdown(), "{} is not what the code says; SLUICE_BLESS=1 writes it", file.display());
    }
}

#[test]
fn the_index_names_every_page() {
    let heading = "# Transformations and predicates\n\nEvery class name of Apache Kafka is understood, in full or by its simple name. Keys stand under `transforms.<alias>.` or `predicates.<alias>.`.";
    let index = index(heading, &ABOUT);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/README.md");
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&file, &index).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), index, "SLUICE_BLESS=1 writes it");
}
