//! `ConfigDef`: what keys there are, how their values parse, and everything wrong with a config at once.
//!
//! [`ConfigKey`] is one key; [`validator`] says which of its values are right, [`recommender`] which are likely, [`value`] how text
//! becomes a value, [`reference`] writes a definition down as a page or a properties file.
//!
//! Source: Kafka `org.apache.kafka.common.config.ConfigDef`; error texts are the ones that UIs show.

mod key;
pub mod recommender;
pub mod reference;
pub mod validator;
pub mod value;

pub use key::{ConfigKey, ConfigType, ConfigValue, Default, Importance, Width};
pub use recommender::Recommender;
pub use validator::Validator;
pub use value::parse_list;

use indexmap::IndexMap;
use std::collections::BTreeMap;

/// A connector's or task's configuration: values are always text, as over REST.
pub type ConfigMap = BTreeMap<String, String>;

/// What [`ConfigDef::validate`] shows in place of a password.
pub const HIDDEN: &str = "[hidden]";

/// An ordered set of keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigDef {
    keys: IndexMap<String, ConfigKey>,
}

impl ConfigDef {
    /// Adds or replaces a key.
    #[must_use]
    pub fn define(mut self, key: ConfigKey) -> Self {
        self.keys.insert(key.name.clone(), key);
        self
    }

    /// All keys of `other` behind these.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }

    /// The same keys under `prefix` and in one group, numbered from `order` on. Source: Kafka `ConfigDef.embed`.
    #[must_use]
    pub fn embedded(self, prefix: &str, group: &str, order: i32) -> Self {
        let mut keys = IndexMap::new();
        for (at, key) in (order..).zip(self.sorted()) {
            let mut key = key.clone();
            key.name = format!("{prefix}{}", key.name);
            key.dependents = key.dependents.iter().map(|name| format!("{prefix}{name}")).collect();
            key.group = Some(key.group.map_or_else(|| group.to_owned(), |own| format!("{group}: {own}")));
            key.order = at;
            prefix.clone_into(&mut key.prefix);
            keys.insert(key.name.clone(), key);
        }
        Self { keys }
    }

    /// By group, order in it, whether a value is required, importance, name. Source: Kafka `ConfigDef.sortedConfigs`.
    #[must_use]
    pub fn sorted(&self) -> Vec<&ConfigKey> {
        let groups = self.groups();
        let rank = |key: &ConfigKey| {
            let group = key.group.as_ref().and_then(|group| groups.iter().position(|known| known == group));
            (group, key.order, key.default != Default::Required, key.importance, key.name.clone())
        };
        let mut keys: Vec<&ConfigKey> = self.keys.values().collect();
        keys.sort_by_cached_key(|key| rank(key));
        keys
    }

    pub fn keys(&self) -> impl Iterator<Item = &ConfigKey> {
        self.keys.values()
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.get(name)
    }

    /// The groups of the keys, each once, in the order in which they first appear.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for group in self.keys.values().filter_map(|key| key.group.as_ref()) {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
        groups
    }

    /// Every key's value and everything wrong with it, in definition order. Unknown keys of `config` are left alone.
    #[must_use]
    pub fn validate(&self, config: &ConfigMap) -> Vec<ConfigValue> {
        let mut values: Vec<ConfigValue> =
            self.keys.values().map(|key| key.validate(config.get(&key.name).map(String::as_str))).collect();
        let parsed: ConfigMap =
            values.iter().filter_map(|value| Some((value.name.clone(), value.value.clone()?))).collect();
        for (key, value) in self.keys.values().zip(&mut values) {
            if let Some(recommender) = &key.recommender {
                (value.recommended_values, value.visible) = recommender.ask(&key.name, &parsed);
            }
        }
        values.extend(self.undefined_dependents());
        values
    }

    /// Keys that another one names as its dependents and that nobody defines.
    fn undefined_dependents(&self) -> impl Iterator<Item = ConfigValue> {
        let named = self.keys.values().flat_map(|key| &key.dependents);
        let mut undefined: Vec<&String> = named.filter(|name| !self.keys.contains_key(*name)).collect();
        undefined.sort();
        undefined.dedup();
        undefined.into_iter().map(|name| {
            let error = format!("{name} is referred in the dependents, but not defined.");
            ConfigValue { visible: false, ..ConfigValue::new(name, None, vec![error]) }
        })
    }

    /// The parsed values with defaults filled in, or every error.
    ///
    /// # Errors
    /// One line per wrong key, as Kafka words them.
    pub fn parse(&self, config: &ConfigMap) -> Result<ConfigMap, Vec<String>> {
        let values = self.validate(config);
        let errors: Vec<String> = values.iter().flat_map(|value| value.errors.iter().cloned()).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(values.into_iter().filter_map(|value| Some((value.name, value.value?))).collect())
    }

    /// Names of keys of type PASSWORD.
    pub fn passwords(&self) -> impl Iterator<Item = &str> {
        self.keys.values().filter(|key| key.kind == ConfigType::Password).map(|key| key.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, kind: ConfigType, default: Default) -> ConfigKey {
        ConfigKey::new(name, kind, default, Importance::Medium, "")
    }

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn everything_wrong_is_named_at_once_and_defaults_are_filled_in() {
        let def = ConfigDef::default()
            .define(key("a", ConfigType::Int, Default::Required))
            .define(key("b", ConfigType::Boolean, Default::Value("true".to_owned())))
            .define(key("c", ConfigType::Int, Default::Unset));
        let errors = def.parse(&config(&[("b", "x"), ("c", "y")])).unwrap_err();
        assert_eq!(
            errors,
            [
                "Missing required configuration \"a\" which has no default value.",
                "Invalid value x for configuration b: Expected value to be either true or false",
                "Invalid value y for configuration c: Not a number of type INT",
            ]
        );
        assert_eq!(def.parse(&config(&[("a", " 7 ")])).unwrap(), config(&[("a", "7"), ("b", "true")]));
    }

    #[test]
    fn a_key_that_may_be_left_out_is_not_held_against_its_validator() {
        let range = key("a", ConfigType::Int, Default::Unset).validator(Validator::at_least(1.0));
        let values = key("b", ConfigType::String, Default::Unset).validator(Validator::one_of(&["x"]));
        let def = ConfigDef::default().define(range).define(values);
        assert_eq!(def.parse(&ConfigMap::new()), Ok(ConfigMap::new()));
        let errors = def.parse(&config(&[("a", "x")])).unwrap_err();
        let expected = [
            "Invalid value x for configuration a: Not a number of type INT",
            "Invalid value null for configuration a: Value must be non-null",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_dependent_that_nobody_defines_is_an_error_of_its_own() {
        let mut parent = key("a", ConfigType::String, Default::Unset);
        parent.dependents = vec!["nowhere".to_owned()];
        let values = ConfigDef::default().define(parent).validate(&ConfigMap::new());
        assert_eq!(values[1].errors, ["nowhere is referred in the dependents, but not defined."]);
        assert!(!values[1].visible);
    }

    #[test]
    fn a_recommender_sees_the_parsed_values() {
        let mut shown = key("shown", ConfigType::String, Default::Unset);
        shown.recommender = Some(Recommender::new(|_, values| {
            (vec!["x".to_owned()], values.get("switch").is_some_and(|value| value == "true"))
        }));
        let def = ConfigDef::default()
            .define(key("switch", ConfigType::Boolean, Default::Value("false".to_owned())))
            .define(shown);
        let shown = |given: &[(&str, &str)]| def.validate(&config(given))[1].clone();
        assert_eq!((shown(&[]).visible, shown(&[]).recommended_values), (false, vec!["x".to_owned()]));
        assert!(shown(&[("switch", " TRUE ")]).visible);
    }

    #[test]
    fn embedded_keys_stand_under_the_prefix() {
        let mut parent = key("a", ConfigType::String, Default::Unset);
        parent.dependents = vec!["b".to_owned()];
        let def = ConfigDef::default().define(parent).define(key("b", ConfigType::String, Default::Unset));
        let low = ConfigKey { importance: Importance::Low, ..key("0", ConfigType::Int, Default::Unset) };
        let def = def.define(low.validator(Validator::at_least(1.0)));
        let def = def.embedded("transforms.x.", "Transforms: x", 2);
        assert_eq!(def.get("transforms.x.a").unwrap().dependents, ["transforms.x.b"]);
        assert_eq!(def.groups(), ["Transforms: x"]);
        let orders: Vec<(&str, i32)> = def.keys().map(|key| (key.name.as_str(), key.order)).collect();
        assert_eq!(orders, [("transforms.x.a", 2), ("transforms.x.b", 3), ("transforms.x.0", 4)]);
        let errors = def.parse(&config(&[("transforms.x.0", "0")])).unwrap_err();
        assert_eq!(errors, ["Invalid value 0 for configuration 0: Value must be at least 1"]);
    }
}
