//! The keys that every connector has. Source: Kafka `ConnectorConfig`, `SinkConnectorConfig`, `SourceConnectorConfig`.

use crate::restart::{RESTART_ATTEMPTS_MAX, RESTART_BACKOFF, RESTART_BACKOFF_MAX, RESTART_ENABLED};
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigType, Importance};

/// The version of Kafka whose Connect this hub answers like; clients switch features on it.
pub const KAFKA_VERSION: &str = "4.3.1";

pub(crate) const NAME: &str = "name";
pub(crate) const CONNECTOR_CLASS: &str = "connector.class";
pub(crate) const TASKS_MAX: &str = "tasks.max";
pub(crate) const TASKS_MAX_ENFORCE: &str = "tasks.max.enforce";
pub(crate) const TRANSFORMS: &str = "transforms";
pub(crate) const PREDICATES: &str = "predicates";
pub(crate) const TOPICS: &str = "topics";
pub(crate) const TOPICS_REGEX: &str = "topics.regex";
pub(crate) const DLQ_TOPIC: &str = "errors.deadletterqueue.topic.name";
pub(crate) const DLQ_REPLICATION: &str = "errors.deadletterqueue.topic.replication.factor";

pub(crate) const COMMON_GROUP: &str = "Common";
pub(crate) const TRANSFORMS_GROUP: &str = "Transforms";
pub(crate) const PREDICATES_GROUP: &str = "Predicates";
pub(crate) const ERROR_GROUP: &str = "Error Handling";
const TOPIC_CREATION_GROUP: &str = "Topic Creation";
const EXACTLY_ONCE_GROUP: &str = "Exactly Once Support";
const OFFSETS_TOPIC_GROUP: &str = "offsets.topic";

/// The three keys that name a converter at the connector's level.
#[must_use]
pub fn converter_key_names() -> [&'static str; 3] {
    ["key.converter", "value.converter", "header.converter"]
}

/// The groups of the common keys, in the order in which they are listed.
pub(crate) fn groups(kind: ConnectorKind) -> Vec<String> {
    let all = [COMMON_GROUP, TRANSFORMS_GROUP, PREDICATES_GROUP, ERROR_GROUP];
    let source = [TOPIC_CREATION_GROUP, EXACTLY_ONCE_GROUP, OFFSETS_TOPIC_GROUP];
    let source = if kind == ConnectorKind::Source { source.as_slice() } else { &[] };
    all.iter().chain(source).map(|group| (*group).to_owned()).collect()
}

pub(crate) fn config_def(kind: ConnectorKind) -> ConfigDef {
    let def = error_keys(plugin_keys(identity_keys()));
    match kind {
        ConnectorKind::Sink => sink_keys(def),
        ConnectorKind::Source => source_keys(def),
    }
}

/// Keys that only this hub has. They are listed only where they are given, so that clients see Kafka's set.
pub(crate) fn own_keys() -> ConfigDef {
    let key = |name: &str, kind, value: &str, documentation: &str| {
        ConfigKey::new(name, kind, Default::Value(value.to_owned()), Importance::Low, documentation)
    };
    ConfigDef::default()
        .define(key(RESTART_ENABLED, ConfigType::Boolean, "true", "Whether a failed task is restarted by itself."))
        .define(
            key(RESTART_BACKOFF, ConfigType::Long, "1000", "The wait before the first restart; doubles each time.")
                .validator(at_least(1.0)),
        )
        .define(
            key(RESTART_BACKOFF_MAX, ConfigType::Long, "60000", "The longest wait before a restart.")
                .validator(at_least(1.0)),
        )
        .define(
            key(RESTART_ATTEMPTS_MAX, ConfigType::Int, "10", "Restarts in a row after which a task stays FAILED.")
                .validator(at_least(0.0)),
        )
}

fn at_least(min: f64) -> Validator {
    Validator::Range { min: Some(min), max: None }
}

fn one_of(values: &[&str]) -> Validator {
    Validator::ValidValues { values: values.iter().map(|value| (*value).to_owned()).collect(), ignore_case: true }
}

fn value(text: &str) -> Default {
    Default::Value(text.to_owned())
}

fn identity_keys() -> ConfigDef {
    use ConfigType::{Boolean, Class, Int, String};
    use Importance::{High, Low};
    ConfigDef::default()
        .define(
            ConfigKey::new(NAME, String, Default::Required, High, "Globally unique name to use for this connector.")
                .shown(COMMON_GROUP, 1, "MEDIUM", "Connector name"),
        )
        .define(
            ConfigKey::new(
                CONNECTOR_CLASS,
                String,
                Default::Required,
                High,
                "Name or alias of the class for this connector.",
            )
            .shown(COMMON_GROUP, 2, "LONG", "Connector class"),
        )
        .define(version_key("connector.plugin.version", 3, "Connector version"))
        .define(
            ConfigKey::new(TASKS_MAX, Int, value("1"), High, "Maximum number of tasks to use for this connector.")
                .validator(at_least(1.0))
                .shown(COMMON_GROUP, 4, "SHORT", "Tasks max"),
        )
        .define(
            ConfigKey::new(
                TASKS_MAX_ENFORCE,
                Boolean,
                value("true"),
                Low,
                "Whether a connector that makes more tasks than tasks.max fails.",
            )
            .shown(COMMON_GROUP, 5, "SHORT", "Enforce tasks max"),
        )
        .define(converter_key("key.converter", Class, 6, "Key converter class"))
        .define(version_key("key.converter.plugin.version", 7, "Key converter version"))
        .define(converter_key("value.converter", Class, 8, "Value converter class"))
        .define(version_key("value.converter.plugin.version", 9, "Value converter version"))
        .define(converter_key("header.converter", Class, 10, "Header converter class"))
        .define(version_key("header.converter.plugin.version", 11, "Header converter version"))
}

fn converter_key(name: &str, kind: ConfigType, order: i32, display_name: &str) -> ConfigKey {
    let documentation = "Converter between Connect data and the bytes in the log; the worker's when not set.";
    ConfigKey::new(name, kind, Default::Unset, Importance::Low, documentation).shown(
        COMMON_GROUP,
        order,
        "SHORT",
        display_name,
    )
}

fn version_key(name: &str, order: i32, display_name: &str) -> ConfigKey {
    let documentation = "Version of the plugin: an exact version, a range, or latest.";
    ConfigKey::new(name, ConfigType::String, Default::Unset, Importance::Medium, documentation).shown(
        COMMON_GROUP,
        order,
        "MEDIUM",
        display_name,
    )
}

fn plugin_keys(def: ConfigDef) -> ConfigDef {
    use ConfigType::{List, String};
    use Importance::Low;
    def.define(
        ConfigKey::new(TRANSFORMS, List, value(""), Low, "Aliases for the transformations to be applied to records.")
            .shown(TRANSFORMS_GROUP, 12, "LONG", "Transforms"),
    )
    .define(
        ConfigKey::new(PREDICATES, List, value(""), Low, "Aliases for the predicates used by transformations.").shown(
            PREDICATES_GROUP,
            13,
            "LONG",
            "Predicates",
        ),
    )
    .define(
        ConfigKey::new(
            "config.action.reload",
            String,
            value("restart"),
            Low,
            "What to do when an external configuration value changes.",
        )
        .validator(one_of(&["none", "restart"]))
        .shown(COMMON_GROUP, 14, "MEDIUM", "Reload Action"),
    )
}

fn error_keys(def: ConfigDef) -> ConfigDef {
    use ConfigType::{Boolean, Long, String};
    let medium = |name: &str, kind, default: &str, documentation: &str| {
        ConfigKey::new(name, kind, value(default), Importance::Medium, documentation)
    };
    def.define(
        medium(
            "errors.retry.timeout",
            Long,
            "0",
            "How long a failed operation is retried, in ms; 0: not at all, -1: for ever.",
        )
        .validator(at_least(-1.0))
        .shown(ERROR_GROUP, 1, "MEDIUM", "Retry Timeout for Errors"),
    )
    .define(
        medium("errors.retry.delay.max.ms", Long, "60000", "The longest wait between two retries.")
            .validator(at_least(1.0))
            .shown(ERROR_GROUP, 2, "MEDIUM", "Maximum Delay Between Retries for Errors"),
    )
    .define(
        medium("errors.tolerance", String, "none", "none: a bad record fails the task; all: it is skipped.")
            .validator(one_of(&["none", "all"]))
            .shown(ERROR_GROUP, 3, "SHORT", "Error Tolerance"),
    )
    .define(medium("errors.log.enable", Boolean, "false", "Whether tolerated errors are logged.").shown(
        ERROR_GROUP,
        4,
        "SHORT",
        "Log Errors",
    ))
    .define(
        medium("errors.log.include.messages", Boolean, "false", "Whether the record is logged with its error.").shown(
            ERROR_GROUP,
            5,
            "SHORT",
            "Log Error Details",
        ),
    )
}

fn sink_keys(def: ConfigDef) -> ConfigDef {
    use ConfigType::{List, String};
    use Importance::High;
    dead_letter_keys(def)
        .define(ConfigKey::new(TOPICS, List, value(""), High, "Topics to consume, separated by commas.").shown(
            COMMON_GROUP,
            4,
            "LONG",
            "Topics",
        ))
        .define(
            ConfigKey::new(TOPICS_REGEX, String, value(""), High, "Regular expression of the topics to consume.")
                .shown(COMMON_GROUP, 4, "LONG", "Topics regex"),
        )
}

/// Kafka Connect has them for sinks only.
fn dead_letter_keys(def: ConfigDef) -> ConfigDef {
    use ConfigType::{Boolean, Short, String};
    use Importance::Medium;
    def.define(
        ConfigKey::new(DLQ_TOPIC, String, value(""), Medium, "The topic that records go to which cannot be processed.")
            .shown(ERROR_GROUP, 6, "MEDIUM", "Dead Letter Queue Topic Name"),
    )
    .define(
        ConfigKey::new(DLQ_REPLICATION, Short, value("3"), Medium, "Replication factor of that topic when created.")
            .shown(ERROR_GROUP, 7, "MEDIUM", "Dead Letter Queue Topic Replication Factor"),
    )
    .define(
        ConfigKey::new(
            "errors.deadletterqueue.context.headers.enable",
            Boolean,
            value("false"),
            Medium,
            "Whether dead letters carry headers that say what happened.",
        )
        .shown(ERROR_GROUP, 8, "MEDIUM", "Enable Error Context Headers"),
    )
}

fn source_keys(def: ConfigDef) -> ConfigDef {
    use ConfigType::{List, Long, String};
    use Importance::{Low, Medium};
    dead_letter_keys(def)
        .define(
            ConfigKey::new("topic.creation.groups", List, value(""), Low, "Groups of topics that are created alike.")
                .shown(TOPIC_CREATION_GROUP, 1, "LONG", "Topic Creation Groups"),
        )
        .define(
            ConfigKey::new(
                "exactly.once.support",
                String,
                value("requested"),
                Medium,
                "required: fail when the connector cannot deliver exactly once.",
            )
            .validator(one_of(&["requested", "required"]))
            .shown(EXACTLY_ONCE_GROUP, 2, "SHORT", "Exactly once support"),
        )
        .define(
            ConfigKey::new("transaction.boundary", String, value("poll"), Medium, "Where transactions end.")
                .validator(one_of(&["poll", "interval", "connector"]))
                .shown(EXACTLY_ONCE_GROUP, 3, "SHORT", "Transaction Boundary"),
        )
        .define(
            ConfigKey::new(
                "transaction.boundary.interval.ms",
                Long,
                Default::Unset,
                Low,
                "With interval: how long one is.",
            )
            .validator(at_least(0.0))
            .shown(EXACTLY_ONCE_GROUP, 4, "SHORT", "Transaction boundary interval"),
        )
        .define(
            ConfigKey::new("offsets.storage.topic", String, Default::Unset, Low, "The connector's own offsets topic.")
                .validator(Validator::NonEmpty)
                .shown(OFFSETS_TOPIC_GROUP, 1, "LONG", "Offsets topic"),
        )
}
