//! Reading a configuration: values are text, defaults and types come from the definition.

use crate::definition::Definition;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// A configuration, with the definition's defaults behind the values that were given.
///
/// The host checks types, ranges and required keys before it hands a config over, so a failing read means that the
/// definition lacks the key or declares another type.
#[derive(Debug, Clone, Default)]
pub struct Config {
    given: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
}

impl Config {
    #[must_use]
    pub fn new(given: impl IntoIterator<Item = (String, String)>, definition: &Definition) -> Self {
        let defaults =
            definition.config_keys().iter().filter_map(|key| Some((key.name.clone(), key.default.clone()??)));
        Self { given: given.into_iter().collect(), defaults: defaults.collect() }
    }

    /// What was given, without defaults.
    #[must_use]
    pub fn given(&self) -> &BTreeMap<String, String> {
        &self.given
    }

    /// The value or its default; `None` when unset.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.given.get(key).or_else(|| self.defaults.get(key)).map(String::as_str)
    }

    /// As [`Config::get`], with an empty or blank text taken as unset.
    #[must_use]
    pub fn non_empty(&self, key: &str) -> Option<&str> {
        self.get(key).map(str::trim).filter(|value| !value.is_empty())
    }

    /// # Errors
    /// When it is unset.
    pub fn string(&self, key: &str) -> Result<&str> {
        self.get(key).ok_or_else(|| Error::fatal("config.missing", format!("config key {key:?} is missing; set it")))
    }

    /// # Errors
    /// When it is unset or no whole number.
    pub fn int<T: TryFrom<i64>>(&self, key: &str) -> Result<T> {
        let number: i64 = self.parse(key, "a whole number")?;
        T::try_from(number).map_err(|_| malformed(key, &number.to_string(), "a number in the type's range"))
    }

    /// # Errors
    /// When it is unset or no number.
    pub fn double(&self, key: &str) -> Result<f64> {
        self.parse(key, "a number")
    }

    /// # Errors
    /// When it is unset or neither `true` nor `false`.
    pub fn boolean(&self, key: &str) -> Result<bool> {
        let text = self.string(key)?.trim();
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(malformed(key, text, "true or false")),
        }
    }

    /// Items between commas, without blanks around them; unset is empty.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<&str> {
        let text = self.get(key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    fn parse<T: std::str::FromStr>(&self, key: &str, expected: &str) -> Result<T> {
        let text = self.string(key)?.trim();
        text.parse().map_err(|_| malformed(key, text, expected))
    }
}

fn malformed(key: &str, value: &str, expected: &str) -> Error {
    Error::fatal("config.malformed", format!("config key {key:?} must be {expected}, not {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ConfigKey;

    fn config(given: &[(&str, &str)]) -> Config {
        let definition = Definition::source("Test", "1", "")
            .key(ConfigKey::int("batch.size", "").default(2000))
            .key(ConfigKey::string("topic", "").required())
            .key(ConfigKey::list("tables", ""));
        Config::new(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())), &definition)
    }

    #[test]
    fn a_key_that_is_not_given_has_its_default() {
        assert_eq!(config(&[]).int::<u32>("batch.size").unwrap(), 2000);
        assert_eq!(config(&[("batch.size", " 5 ")]).int::<u32>("batch.size").unwrap(), 5);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key_and_what_was_expected() {
        let error = config(&[("batch.size", "many")]).int::<u32>("batch.size").unwrap_err();
        assert_eq!(error.message, r#"config key "batch.size" must be a whole number, not "many""#);
        assert_eq!(config(&[]).string("topic").unwrap_err().code, "config.missing");
        assert!(config(&[("batch.size", "-1")]).int::<u32>("batch.size").is_err());
    }

    #[test]
    fn lists_lose_their_blanks() {
        assert_eq!(config(&[("tables", " a, b,,c ")]).list("tables"), ["a", "b", "c"]);
        assert!(config(&[]).list("tables").is_empty());
    }
}
