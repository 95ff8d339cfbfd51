//! The keys of every transformation, predicate and converter: names, types, defaults, importance.

use anyhow::Result;
use serde_json::{Value, json};
use sluice_conformance::allowed::{OWN_KEYS, WORKERS_KEYS};
use sluice_conformance::peer::peer_or_skip;
use sluice_conformance::report::Report;
use sluice_connect_api::config_def::Default as KeyDefault;
use sluice_connect_api::{ConfigDef, ConfigKey, PluginRegistry};
use std::collections::BTreeMap;

fn described(key: &ConfigKey) -> Value {
    let default = match &key.default {
        KeyDefault::Value(value) => json!(value),
        KeyDefault::Required | KeyDefault::Unset => Value::Null,
    };
    json!({
        "name": key.name, "type": format!("{:?}", key.kind).to_uppercase(), "default": default,
        "importance": format!("{:?}", key.importance).to_uppercase(), "required": key.default == KeyDefault::Required,
    })
}

fn by_name(keys: impl Iterator<Item = Value>) -> BTreeMap<String, Value> {
    keys.map(|key| (key["name"].as_str().unwrap_or_default().to_owned(), key)).collect()
}

#[test]
fn every_plugin_has_kafkas_keys() -> Result<()> {
    let Some(mut peer) = peer_or_skip("every_plugin_has_kafkas_keys") else { return Ok(()) };
    let registry = PluginRegistry::default();
    sluice_transforms::register(&registry);
    sluice_converters::register(&registry);
    let mut report = Report::default();
    for plugin in registry.list().into_iter().filter(|plugin| plugin.class.starts_with("org.apache.kafka")) {
        let answer = peer.ask(&json!({"kind": "keys", "class": plugin.class}))?;
        let mut java = by_name(answer["keys"].as_array().expect("an answer has keys").iter().cloned());
        java.retain(|name, _| !WORKERS_KEYS.contains(&name.as_str()));
        let def: ConfigDef = registry.config_def(&plugin.class)?.1;
        let mut ours = by_name(def.keys().map(described));
        ours.retain(|name, _| java.contains_key(name) || !OWN_KEYS.contains(&name.as_str()));
        report.compared += 1;
        report.valued += 1;
        if java != ours {
            report.differ(&plugin.class, || format!("  kafka {java:?}\n  ours  {ours:?}"));
        }
    }
    report.finish("config keys", 0);
    Ok(())
}
