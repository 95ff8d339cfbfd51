//! From what `describe` answered to a [`PluginDefinition`].
//!
//! The answer is kept as JSON, the same for every ABI version, beside the compiled code: a start with a warm cache runs no guest.

use serde_json::Value;
use sluice_connect_api::PluginDefinition;
use sluice_connect_api::config_def::{ConfigDef, ConfigKey, ConfigType, Default as KeyDefault, Importance, Validator};
use std::collections::BTreeMap;

/// What a plugin is. Decides which registry entry it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginKind {
    Source,
    Sink,
    Transformation,
}

impl PluginKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Transformation => "transformation",
        }
    }
}

/// A class name is an identifier, not a text.
const CLASS_BYTES_MAX: usize = 300;

/// Checks the answer and turns it into a definition.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn parse(described: &Value, exported: PluginKind) -> Result<PluginDefinition, String> {
    let text = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
    let texts = |name: &str| -> Vec<String> {
        described[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if text("kind") != exported.name() {
        return Err(format!("it says kind {:?} but exports a {}", text("kind"), exported.name()));
    }
    let class = text("class");
    check_class(&class)?;
    if text("version").trim().is_empty() {
        return Err("it has no version".to_owned());
    }
    let mut config = ConfigDef::default();
    for key in described["config"].as_array().into_iter().flatten() {
        config = config.define(config_key(key)?);
    }
    Ok(PluginDefinition {
        class,
        aliases: texts("aliases"),
        version: text("version"),
        documentation: text("documentation"),
        config,
        capabilities: texts("capabilities"),
        attributes: pairs(&described["attributes"]),
    })
}

fn check_class(class: &str) -> Result<(), String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$' | '-');
    if class.is_empty() || class.len() > CLASS_BYTES_MAX || !class.chars().all(is_allowed) {
        return Err(format!("class {class:?} is no class name (letters, digits, '.', '_', '$', '-')"));
    }
    Ok(())
}

fn pairs(value: &Value) -> BTreeMap<String, String> {
    let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
    value.as_array().into_iter().flatten().filter_map(pair).collect()
}

fn config_key(key: &Value) -> Result<ConfigKey, String> {
    let name = key["name"].as_str().unwrap_or_default();
    let attributes = pairs(&key["attributes"]);
    let kind = config_type(name, key["kind"].as_str().unwrap_or_default())?;
    let default = match (&key["required"], &key["default"]) {
        (Value::Bool(true), _) => KeyDefault::Required,
        (_, Value::String(value)) => KeyDefault::Value(value.clone()),
        _ => KeyDefault::Unset,
    };
    let importance = match key["importance"].as_str().unwrap_or_default() {
        "HIGH" => Importance::High,
        "LOW" => Importance::Low,
        _ => Importance::Medium,
    };
    let documentation = key["documentation"].as_str().unwrap_or_default();
    let mut made =
        ConfigKey::new(name, kind, default, importance, documentation).validator(validator(name, &attributes)?);
    let attribute = |name: &str| attributes.get(name).cloned();
    made.group = attribute("group");
    made.order = attribute("order").and_then(|order| order.parse().ok()).unwrap_or(-1);
    made.width = match attribute("width").as_deref() {
        Some("SHORT") => "SHORT",
        Some("MEDIUM") => "MEDIUM",
        Some("LONG") => "LONG",
        _ => "NONE",
    };
    made.display_name = attribute("display-name").unwrap_or_else(|| name.to_owned());
    made.dependents =
        attribute("dependents").map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default();
    made.grants = attribute("grants");
    Ok(made)
}

fn config_type(key: &str, kind: &str) -> Result<ConfigType, String> {
    Ok(match kind {
        "BOOLEAN" => ConfigType::Boolean,
        "STRING" => ConfigType::String,
        "INT" => ConfigType::Int,
        "SHORT" => ConfigType::Short,
        "LONG" => ConfigType::Long,
        "DOUBLE" => ConfigType::Double,
        "LIST" => ConfigType::List,
        "CLASS" => ConfigType::Class,
        "PASSWORD" => ConfigType::Password,
        _ => return Err(format!("config key {key:?} has the unknown type {kind:?}")),
    })
}

fn validator(key: &str, attributes: &BTreeMap<String, String>) -> Result<Validator, String> {
    if let Some(values) = attributes.get("valid-values") {
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let ignore_case = attributes.get("ignore-case").is_some_and(|value| value == "true");
        return Ok(Validator::ValidValues { values, ignore_case });
    }
    if let Some(range) = attributes.get("range") {
        let bound = |text: &str| if text.is_empty() { Ok(None) } else { text.parse::<f64>().map(Some) };
        let parsed = range.split_once("..").map(|(min, max)| (bound(min), bound(max)));
        let Some((Ok(min), Ok(max))) = parsed else {
            return Err(format!("config key {key:?} has the range {range:?}; write it as 1..100, 1.. or ..100"));
        };
        return Ok(Validator::Range { min, max });
    }
    let is_non_empty = attributes.get("non-empty").is_some_and(|value| value == "true");
    Ok(if is_non_empty { Validator::NonEmpty } else { Validator::Any })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn described(key: Value) -> Value {
        json!({"kind": "source", "class": "Test", "version": "1", "config": [key]})
    }

    #[test]
    fn keys_keep_their_defaults_validators_and_grants() {
        let key = json!({"name": "n", "kind": "INT", "default": "5", "importance": "HIGH", "documentation": "d",
            "attributes": [["range", "1..10"], ["grants", "file.path"]]});
        let definition = parse(&described(key), PluginKind::Source).unwrap();
        let key = definition.config.get("n").unwrap();
        assert_eq!(key.default, KeyDefault::Value("5".to_owned()));
        assert_eq!(key.validator, Validator::Range { min: Some(1.0), max: Some(10.0) });
        assert_eq!(key.grants.as_deref(), Some("file.path"));
    }

    #[test]
    fn a_definition_that_makes_no_sense_is_refused_with_what_is_wrong() {
        let wrong = [
            (described(json!({"name": "n", "kind": "NUMBER"})), "unknown type"),
            (described(json!({"name": "n", "kind": "INT", "attributes": [["range", "few"]]})), "range"),
            (json!({"kind": "sink", "class": "Test", "version": "1"}), "exports a source"),
            (json!({"kind": "source", "class": "../x", "version": "1"}), "class name"),
            (json!({"kind": "source", "class": "X", "version": " "}), "no version"),
        ];
        for (described, expected) in wrong {
            let error = parse(&described, PluginKind::Source).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
