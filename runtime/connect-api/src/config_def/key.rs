//! One key, and what became of its value. Source: Kafka `ConfigDef.ConfigKey`, `ConfigValue`.

use super::recommender::Recommender;
use super::validator::Validator;
use super::value;

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

impl ConfigType {
    /// Kafka's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    High,
    Medium,
    Low,
}

impl Importance {
    /// Kafka's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// How wide a form shows the value.
pub type Width = &'static str;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// The key must be given.
    Required,
    /// The key may be left out and then has no value.
    Unset,
    Value(String),
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
    pub width: Width,
    pub display_name: String,
    /// Keys whose validity or visibility this one decides.
    pub dependents: Vec<String>,
    pub recommender: Option<Recommender>,
    /// The capability setting that this key configures (`file.path`, `sql.url`), when it is one.
    pub grants: Option<String>,
    /// Where it is embedded. Validators call the key by its name without this, as Kafka's do.
    pub prefix: String,
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
            recommender: None,
            grants: None,
            prefix: String::new(),
        }
    }

    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    #[must_use]
    pub fn recommender(mut self, recommender: Recommender) -> Self {
        self.recommender = Some(recommender);
        self
    }

    #[must_use]
    pub fn shown(mut self, group: &str, order: i32, width: Width, display_name: &str) -> Self {
        self.group = Some(group.to_owned());
        self.order = order;
        self.width = width;
        self.display_name = display_name.to_owned();
        self
    }

    /// The value, and everything wrong with it. As in Kafka the validator sees a value that is missing or does not parse as null, and
    /// may have something to say about that too; a default is right.
    pub(super) fn validate(&self, given: Option<&str>) -> ConfigValue {
        let mut errors = Vec::new();
        let value = match (given, &self.default) {
            (Some(text), _) => match value::parse_type(&self.name, self.kind, text) {
                Ok(value) => Some(value),
                Err(error) => {
                    errors.push(error);
                    None
                }
            },
            (None, Default::Value(value)) => return ConfigValue::new(&self.name, Some(value.clone()), errors),
            (None, Default::Unset) => return ConfigValue::new(&self.name, None, errors),
            (None, Default::Required) => {
                errors.push(format!("Missing required configuration \"{}\" which has no default value.", self.name));
                None
            }
        };
        let name = self.name.strip_prefix(&self.prefix).unwrap_or(&self.name);
        if let Err(error) = self.validator.ensure_valid(name, self.kind, value.as_deref()) {
            errors.push(error);
        }
        ConfigValue::new(&self.name, value, errors)
    }
}

/// One key's outcome. Source: Kafka `ConfigValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    pub name: String,
    /// The parsed value as text, or the default; `None` when unset or unparsable. Passwords in clear: the caller masks.
    pub value: Option<String>,
    pub recommended_values: Vec<String>,
    pub errors: Vec<String>,
    pub visible: bool,
}

impl ConfigValue {
    #[must_use]
    pub fn new(name: &str, value: Option<String>, errors: Vec<String>) -> Self {
        Self { name: name.to_owned(), value, recommended_values: Vec::new(), errors, visible: true }
    }
}
