//! `ConfigDef`: what keys there are, how their values parse, and everything wrong with a config at once.
//!
//! Source: Kafka `org.apache.kafka.common.config.ConfigDef`; error texts are the ones that UIs show.

use indexmap::IndexMap;
use std::collections::BTreeMap;

/// A connector's or task's configuration: values are always text, as over REST.
pub type ConfigMap = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// The key must be given.
    Required,
    /// The key may be left out and then has no value.
    Unset,
    Value(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    Any,
    NonEmpty,
    /// Both ends included.
    Range {
        min: Option<f64>,
        max: Option<f64>,
    },
    /// Compared without case when `ignore_case`.
    ValidValues {
        values: Vec<String>,
        ignore_case: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConfigKey {
    pub name: String,
    pub kind: ConfigType,
    pub default: Default,
    pub validator: Validator,
    pub importance: Importance,
    pub documentation: String,
    pub group: Option<String>,
    pub order: i32,
    /// `NONE`, `SHORT`, `MEDIUM`, `LONG`.
    pub width: &'static str,
    pub display_name: String,
    pub dependents: Vec<String>,
    /// The capability setting that this key configures (`file.path`, `sql.url`), when it is one.
    pub grants: Option<String>,
}

impl ConfigKey {
    #[must_use]
    pub fn new(name: &str, kind: ConfigType, default: Default, importance: Importance, documentation: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            default,
            validator: Validator::Any,
            importance,
            documentation: documentation.to_owned(),
            group: None,
            order: -1,
            width: "NONE",
            display_name: name.to_owned(),
            dependents: Vec::new(),
            grants: None,
        }
    }

    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    #[must_use]
    pub fn shown(mut self, group: &str, order: i32, width: &'static str, display_name: &str) -> Self {
        self.group = Some(group.to_owned());
        self.order = order;
        self.width = width;
        self.display_name = display_name.to_owned();
        self
    }
}

/// One key's outcome. Source: Kafka `ConfigValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    pub name: String,
    /// The parsed value as text, or the default; `None` when unset or unparsable. Passwords in clear: the caller masks.
    pub value: Option<String>,
    pub errors: Vec<String>,
}

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

    pub fn keys(&self) -> impl Iterator<Item = &ConfigKey> {
        self.keys.values()
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.get(name)
    }

    /// Every key's value and everything wrong with it, in definition order. Unknown keys of `config` are left alone.
    #[must_use]
    pub fn validate(&self, config: &ConfigMap) -> Vec<ConfigValue> {
        self.keys.values().map(|key| key.validate(config.get(&key.name))).collect()
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

impl ConfigKey {
    fn validate(&self, given: Option<&String>) -> ConfigValue {
        let (value, errors) = match (given, &self.default) {
            (Some(text), _) => match self.parse(text) {
                Ok(value) => {
                    let errors = self.check(&value).err().into_iter().collect();
                    (Some(value), errors)
                }
                Err(error) => (None, vec![error]),
            },
            (None, Default::Value(value)) => (Some(value.clone()), Vec::new()),
            (None, Default::Unset) => (None, Vec::new()),
            (None, Default::Required) => {
                let error = format!("Missing required configuration \"{}\" which has no default value.", self.name);
                (None, vec![error])
            }
        };
        ConfigValue { name: self.name.clone(), value, errors }
    }

    /// The value in its canonical text form. Source: Kafka `ConfigDef.parseType`.
    fn parse(&self, text: &str) -> Result<String, String> {
        let given = text;
        // Java's `String.trim`.
        let text = text.trim_matches(|character| character <= ' ');
        let number =
            |kind: &str| format!("Invalid value {given} for configuration {}: Not a number of type {kind}", self.name);
        match self.kind {
            ConfigType::Boolean => match text.to_ascii_lowercase().as_str() {
                lower @ ("true" | "false") => Ok(lower.to_owned()),
                _ => Err(format!(
                    "Invalid value {given} for configuration {}: Expected value to be either true or false",
                    self.name
                )),
            },
            ConfigType::Int => text.parse::<i32>().map(|value| value.to_string()).map_err(|_| number("INT")),
            ConfigType::Short => text.parse::<i16>().map(|value| value.to_string()).map_err(|_| number("SHORT")),
            ConfigType::Long => text.parse::<i64>().map(|value| value.to_string()).map_err(|_| number("LONG")),
            ConfigType::Double => sluice_data::number::parse_java_float::<f64>(text)
                .map(|value| value.to_string())
                .ok_or_else(|| number("DOUBLE")),
            ConfigType::List => Ok(text.split(',').map(str::trim).collect::<Vec<_>>().join(",")),
            ConfigType::String | ConfigType::Class | ConfigType::Password => Ok(text.to_owned()),
        }
    }

    fn check(&self, value: &str) -> Result<(), String> {
        let invalid = |reason: String| Err(format!("Invalid value {value} for configuration {}: {reason}", self.name));
        match &self.validator {
            Validator::Any => Ok(()),
            Validator::NonEmpty if value.is_empty() => invalid("String must be non-empty".to_owned()),
            Validator::NonEmpty => Ok(()),
            Validator::Range { min, max } => {
                let number: f64 = value.parse().unwrap_or(f64::NAN);
                match (min, max) {
                    (Some(min), _) if number < *min => invalid(format!("Value must be at least {min}")),
                    (_, Some(max)) if number > *max => invalid(format!("Value must be no more than {max}")),
                    _ => Ok(()),
                }
            }
            Validator::ValidValues { values, ignore_case } => {
                let is_valid = |part: &str| {
                    values.iter().any(|valid| valid == part || (*ignore_case && valid.eq_ignore_ascii_case(part)))
                };
                let parts = if self.kind == ConfigType::List { parse_list(value) } else { vec![value] };
                if parts.into_iter().all(is_valid) {
                    return Ok(());
                }
                invalid(format!("String must be one of: {}", values.join(", ")))
            }
        }
    }
}

/// Split at commas, blanks around each dropped; the empty text is the empty list, duplicates stay out (KIP-1161).
#[must_use]
pub fn parse_list(text: &str) -> Vec<&str> {
    let mut items: Vec<&str> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}
