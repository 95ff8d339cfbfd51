//! Kafka's predicates. Source: Kafka `org.apache.kafka.connect.transforms.predicates`.

use arrow_array::{Array, BooleanArray};
use regex::Regex;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::predicate::Predicate;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance, PluginRegistry};
use sluice_data::ConnectBatch;
use sluice_data::headers::row_headers;

/// Adds the three predicates under their Kafka class names.
pub fn register(registry: &PluginRegistry) {
    registry.add_predicate(
        "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        has_header_key_def,
        |config| Ok(Box::new(HasHeaderKey { name: parsed(&has_header_key_def(), config, "name")? })),
    );
    registry.add_predicate(
        "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        ConfigDef::default,
        |_| Ok(Box::new(RecordIsTombstone)),
    );
    registry.add_predicate(
        "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        topic_name_matches_def,
        |config| Ok(Box::new(TopicNameMatches::new(&parsed(&topic_name_matches_def(), config, "pattern")?)?)),
    );
}

struct HasHeaderKey {
    name: String,
}

struct RecordIsTombstone;

struct TopicNameMatches(Regex);

fn has_header_key_def() -> ConfigDef {
    let key = ConfigKey::new("name", ConfigType::String, Default::Required, Importance::Medium, "The header name.");
    ConfigDef::default().define(key.validator(Validator::NonEmpty))
}

fn topic_name_matches_def() -> ConfigDef {
    let documentation = "A Java regular expression for matching against the name of a record's topic.";
    let key = ConfigKey::new("pattern", ConfigType::String, Default::Required, Importance::Medium, documentation);
    ConfigDef::default().define(key.validator(Validator::NonEmpty))
}

fn parsed(def: &ConfigDef, config: &ConfigMap, key: &str) -> Result<String, String> {
    let mut config = def.parse(config).map_err(|errors| errors.join("\n"))?;
    Ok(config.remove(key).unwrap_or_default())
}

impl TopicNameMatches {
    fn new(pattern: &str) -> Result<Self, String> {
        // Java matches the whole name.
        let whole = || Regex::new(&format!(r"\A(?:{pattern})\z"));
        // Alone too: a parenthesis that closes what is around it is no pattern.
        Regex::new(pattern)
            .and_then(|_| whole())
            .map(Self)
            .map_err(|error| format!("Invalid value {pattern} for configuration pattern: Invalid regex: {error}"))
    }
}

impl Predicate for HasHeaderKey {
    fn test(&self, batch: &ConnectBatch) -> BooleanArray {
        let Some(headers) = batch.headers() else { return vec![false; batch.len()].into() };
        let has = |row| row_headers(headers, row).any(|header| header.name == self.name);
        (0..batch.len()).map(has).collect::<Vec<bool>>().into()
    }
}

/// Kafka asks for a null value, whatever its schema.
impl Predicate for RecordIsTombstone {
    fn test(&self, batch: &ConnectBatch) -> BooleanArray {
        match batch.value().logical_nulls() {
            Some(nulls) => BooleanArray::new(!nulls.inner(), None),
            None => vec![false; batch.len()].into(),
        }
    }
}

impl Predicate for TopicNameMatches {
    fn test(&self, batch: &ConnectBatch) -> BooleanArray {
        vec![self.0.is_match(batch.topic()); batch.len()].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringArray;
    use arrow_schema::{DataType, Field};
    use sluice_data::headers::{Header, HeadersBuilder};
    use std::sync::Arc;

    fn answers(class: &str, key: &str, value: &str) -> Result<Vec<bool>, String> {
        let values = StringArray::from(vec![Some("a"), Some("b"), None, Some("d")]);
        let mut headers = HeadersBuilder::default();
        for names in [&["x"][..], &["y", "x"], &[], &["y"]] {
            names.iter().for_each(|name| headers.push(Header { name, value: None, schema: None }));
            headers.end_row();
        }
        let field = Field::new("value", DataType::Utf8, true);
        let batch =
            ConnectBatch::builder("orders", &field, Arc::new(values)).headers(headers.finish()).build().unwrap();
        let registry = PluginRegistry::default();
        register(&registry);
        let config = ConfigMap::from([(key.to_owned(), value.to_owned())]);
        let predicate = registry.predicate(class, &config).map_err(|error| error.to_string())?;
        Ok(predicate.test(&batch).values().iter().collect())
    }

    #[test]
    fn a_predicate_answers_for_each_row() {
        let (yes, no) = (true, false);
        for (class, key, value, expected) in [
            ("TopicNameMatches", "pattern", "order.", [yes; 4]),
            ("TopicNameMatches", "pattern", "order", [no; 4]),
            ("TopicNameMatches", "pattern", "or|orders", [yes; 4]),
            ("HasHeaderKey", "name", "x", [yes, yes, no, no]),
            ("org.apache.kafka.connect.transforms.predicates.RecordIsTombstone", "-", "", [no, no, yes, no]),
        ] {
            assert_eq!(answers(class, key, value).unwrap(), expected, "{class} {value}");
        }
    }

    #[test]
    fn a_predicate_refuses_what_kafkas_refuses() {
        for (class, key, value, expected) in [
            ("HasHeaderKey", "name", "", "String must be non-empty"),
            ("HasHeaderKey", "other", "x", "Missing required configuration \"name\""),
            ("TopicNameMatches", "pattern", "(", "Invalid regex"),
            ("TopicNameMatches", "pattern", "a)(b", "Invalid regex"),
            ("Sometimes", "pattern", "x", "no plugin has the class"),
        ] {
            let error = answers(class, key, value).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
