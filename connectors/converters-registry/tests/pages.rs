//! Every converter has a page with an example, and the example is true, both ways.

mod common;

use arrow_array::BinaryArray;
use common::{Registry, column, config, payloads};
use serde_json::{Value, json};
use sluice_connect_api::page::{Page, index};
use sluice_connect_api::schema_registry::VersionSelector;
use sluice_connect_api::{ConverterRole, Example, PluginRegistry, SchemaRegistry};
use sluice_converters_registry::examples::{ABOUT, EXAMPLES, TOPIC};
use sluice_data::ConnectSchema;
use std::fs;
use std::path::Path;

fn plugins(registry: &Registry) -> PluginRegistry {
    let plugins = PluginRegistry::default();
    sluice_converters_registry::register(&plugins, registry.provider());
    plugins
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02X}"))
}

#[tokio::test]
async fn every_example_is_true_both_ways() {
    let mut untrue = Vec::new();
    for example in &EXAMPLES {
        let registry = Registry::open().await;
        let plugins = plugins(&registry);
        let converter = plugins.converter(example.class, ConverterRole::Value, &config(example.config)).unwrap();
        let input: Value = serde_json::from_str(example.input).unwrap();
        let schema = ConnectSchema::from_json(&input["schema"]).unwrap();
        let (field, values) = column(&schema, &[input["value"].clone()]);
        converter.prepare_from_connect(TOPIC, &field).await.unwrap();
        let written = converter.from_connect_data(TOPIC, &field, &values, None).unwrap();

        let subjects = registry.registry.subjects("", false, false);
        let [subject] = subjects.as_slice() else { panic!("{subjects:?}") };
        let registered = registry.registry.version(subject, VersionSelector::Latest).await.unwrap();
        let schema_text = &registered.schema.text;
        let schema = serde_json::from_str(schema_text).unwrap_or_else(|_| Value::from(schema_text.as_str()));
        let found = json!({
            "message": hexadecimal(written.value(0)),
            "registry": { "id": registered.id, "subject": subject, "schema": schema },
        });
        let expected: Value = serde_json::from_str(example.output).unwrap_or_default();
        if found != expected {
            untrue.push(format!("{} {}: {found}", example.class, example.about));
        }

        let bytes = BinaryArray::from_iter_values([written.value(0)]);
        converter.prepare_to_connect(TOPIC, &bytes).await.unwrap();
        let read = converter.to_connect_data(TOPIC, &bytes).unwrap().remove(0);
        assert_eq!(
            payloads(&read.field, &read.values),
            [input["value"].clone()],
            "{} {}",
            example.class,
            example.about
        );
    }
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
}

#[tokio::test]
async fn every_converter_has_a_page_that_is_up_to_date() {
    let plugins = plugins(&Registry::open().await);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for plugin in plugins.list() {
        let (_, about) = ABOUT.iter().find(|(class, _)| *class == plugin.class).expect("every converter has a page");
        let examples: Vec<Example> = EXAMPLES.iter().filter(|example| example.class == plugin.class).copied().collect();
        assert!(!examples.is_empty(), "{} has no example", plugin.class);
        let (_, def) = plugins.config_def(&plugin.class).unwrap();
        let page = Page { class: &plugin.class, kind: "converter", about, def: &def, examples: &examples };
        assert_up_to_date(&folder.join(page.file_name()), &page.markdown());
    }
    let heading = "# Converters with a schema registry\n\nFor keys and values, under `key.converter.` and `value.converter.`; the registry is the hub's own \
                   unless `schema.registry.url` names another.";
    assert_up_to_date(&folder.join("README.md"), &index(heading, &ABOUT));
}

fn assert_up_to_date(file: &Path, text: &str) {
    if std::env::var_os("SLUICE_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(found, text, "{} is not what the code says; SLUICE_BLESS=1 writes it", file.display());
}
