//! The keys that converters with a registry share. Source: Confluent `AbstractKafkaSchemaSerDeConfig`, `AbstractDataConfig`.

use crate::subject::SubjectNameStrategy;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, ConverterRole, Importance};

const TOPIC_NAME_STRATEGY: &str = "io.confluent.kafka.serializers.subject.TopicNameStrategy";

/// How a converter uses its registry.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    pub role: ConverterRole,
    pub strategy: SubjectNameStrategy,
    pub auto_register_schemas: bool,
    pub use_latest_version: bool,
    pub use_schema_id: Option<u32>,
    pub latest_compatibility_strict: bool,
    pub id_compatibility_strict: bool,
    pub normalize_schemas: bool,
    /// Schemas that are kept, per converter.
    pub cache_size: usize,
}

pub fn boolean(name: &str, default: bool, doc: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::Boolean, Default::Value(default.to_string()), Importance::Medium, doc)
}

fn text(name: &str, doc: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::String, Default::Unset, Importance::Medium, doc)
}

fn password(name: &str, doc: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::Password, Default::Unset, Importance::Medium, doc)
}

fn number(name: &str, default: &str, doc: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::Int, Default::Value(default.into()), Importance::Low, doc)
}

/// The registry's address and how it is reached.
#[must_use]
pub fn client_config_def() -> ConfigDef {
    ConfigDef::default()
        .define(ConfigKey::new(
            "schema.registry.url",
            ConfigType::List,
            Default::Unset,
            Importance::High,
            "URLs of the schema registry; one that does not answer is passed over. Absent: the registry in this hub.",
        ))
        .define(text("basic.auth.credentials.source", "URL, USER_INFO, or absent."))
        .define(password("basic.auth.user.info", "user:password, for basic.auth.credentials.source=USER_INFO."))
        .define(password("schema.registry.basic.auth.user.info", "As basic.auth.user.info."))
        .define(text("bearer.auth.credentials.source", "STATIC_TOKEN, or absent."))
        .define(password("bearer.auth.token", "The token, for bearer.auth.credentials.source=STATIC_TOKEN."))
        .define(text(
            "schema.registry.ssl.ca.location",
            "A PEM file of the authorities that are trusted beside the usual ones.",
        ))
        .define(number("http.connect.timeout.ms", "60000", "How long to wait for a connection."))
        .define(number("http.read.timeout.ms", "60000", "How long to wait for an answer."))
}

/// All shared keys.
#[must_use]
pub fn config_def() -> ConfigDef {
    client_config_def()
        .define(boolean("auto.register.schemas", true, "Whether schemas are registered as they come."))
        .define(boolean(
            "use.latest.version",
            false,
            "With auto.register.schemas=false: write with the subject's latest schema.",
        ))
        .define(number("use.schema.id", "-1", "With auto.register.schemas=false: write with the schema of this id."))
        .define(boolean(
            "latest.compatibility.strict",
            true,
            "Whether the latest schema must be able to read what the records' own schema writes.",
        ))
        .define(boolean("id.compatibility.strict", true, "As latest.compatibility.strict, for use.schema.id."))
        .define(boolean("normalize.schemas", false, "Whether schemas are registered and looked up in normal form."))
        .define(ConfigKey::new(
            "key.subject.name.strategy",
            ConfigType::String,
            Default::Value(TOPIC_NAME_STRATEGY.into()),
            Importance::Medium,
            "How the subject of keys is named.",
        ))
        .define(ConfigKey::new(
            "value.subject.name.strategy",
            ConfigType::String,
            Default::Value(TOPIC_NAME_STRATEGY.into()),
            Importance::Medium,
            "How the subject of values is named.",
        ))
        .define(number("schemas.cache.config", "1000", "How many schemas a converter keeps."))
        .define(number("max.schemas.per.subject", "1000", "Accepted; schemas.cache.config bounds what is kept."))
}

impl RegistrySettings {
    /// `config` is what [`config_def`] parsed.
    ///
    /// # Errors
    /// A strategy that does not exist, a number that makes no sense.
    pub fn new(role: ConverterRole, config: &ConfigMap) -> Result<Self, String> {
        let strategy = match role {
            ConverterRole::Key => "key.subject.name.strategy",
            ConverterRole::Value | ConverterRole::Header => "value.subject.name.strategy",
        };
        let strategy = SubjectNameStrategy::parse(config.get(strategy).map_or(TOPIC_NAME_STRATEGY, String::as_str))?;
        let number = |name: &str| config.get(name).and_then(|text| text.parse::<i64>().ok());
        Ok(Self {
            role,
            strategy,
            auto_register_schemas: is_true(config, "auto.register.schemas"),
            use_latest_version: is_true(config, "use.latest.version"),
            use_schema_id: number("use.schema.id").and_then(|id| u32::try_from(id).ok()),
            latest_compatibility_strict: is_true(config, "latest.compatibility.strict"),
            id_compatibility_strict: is_true(config, "id.compatibility.strict"),
            normalize_schemas: is_true(config, "normalize.schemas"),
            cache_size: number("schemas.cache.config").and_then(|size| usize::try_from(size).ok()).unwrap_or(0).max(1),
        })
    }
}

#[must_use]
pub fn is_true(config: &ConfigMap, name: &str) -> bool {
    config.get(name).is_some_and(|value| value == "true")
}
