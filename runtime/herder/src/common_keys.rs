//! The keys that every connector has. Source: Kafka `ConnectorConfig`, `SinkConnectorConfig`, `SourceConnectorConfig`.

use crate::restart::{RESTART_ATTEMPTS_MAX, RESTART_BACKOFF, RESTART_BACKOFF_MAX, RESTART_ENABLED};
use sluice_connect_api::config_def::{Default, Validator, Width};
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigType, Importance};

/// The version of Kafka whose Connect this hub answers like; clients switch features on it.
pub const KAFKA_VERSION: &str = "4.3.1";

pub(crate) const NAME: &str = "name";
pub(crate) const CONNECTOR_CLASS: &str = "connector.class";
pub(crate) const TASKS_MAX: &str = "tasks.max";
pub(crate) const TASKS_MAX_ENFORCE: &str = "tasks.max.enforce";
pub(crate) const CONNECTOR_VERSION: &str = "connector.plugin.version";
pub(crate) const EXACTLY_ONCE_SUPPORT: &str = "exactly.once.support";
pub(crate) const TRANSACTION_BOUNDARY: &str = "transaction.boundary";
pub(crate) const TOPIC_CREATION_GROUPS: &str = "topic.creation.groups";
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

/// The keys that every connector of this kind has.
#[must_use]
pub fn config_def(kind: ConnectorKind) -> ConfigDef {
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
                .validator(Validator::at_least(1.0)),
        )
        .define(
            key(RESTART_BACKOFF_MAX, ConfigType::Long, "60000", "The longest wait before a restart.")
                .validator(Validator::at_least(1.0)),
        )
        .define(
            key(RESTART_ATTEMPTS_MAX, ConfigType::Int, "10", "Restarts in a row after which a task stays FAILED.")
                .validator(Validator::at_least(0.0)),
        )
}

fn value(text: &str) -> Default {
    Default::Value(text.to_owned())
}

fn identity_keys() -> ConfigDef {
    use ConfigType::{Boolean, Int, String};
    use Importance::{High, Low};
    ConfigDef::default()
        .define(
            ConfigKey::new(NAME, String, Default::Required, High, "Name of the connector, unique in this hub.")
                .validator(Validator::NonEmptyWithoutControlChars)
                .shown(COMMON_GROUP, 1, "MEDIUM", "Connector name"),
        )
        .define(
            ConfigKey::new(
                CONNECTOR_CLASS,
                String,
                Default::Required,
                High,
                "Class of the connector: its full name, its simple name, or that without Connector at its end.",
            )
            .shown(COMMON_GROUP, 2, "LONG", "Connector class"),
        )
        .define(version_key(CONNECTOR_VERSION, Importance::Medium, 3, "MEDIUM", "Connector version"))
        .define(
            ConfigKey::new(TASKS_MAX, Int, value("1"), High, "How many tasks the connector may have at most.")
                .validator(Validator::at_least(1.0))
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
        .define(converter_key("key.converter", 6, "Key converter class"))
        .define(version_key("key.converter.plugin.version", Low, 7, "SHORT", "Key converter version"))
        .define(converter_key("value.converter", 8, "Value converter class"))
        .define(version_key("value.converter.plugin.version", Low, 9, "SHORT", "Value converter version"))
        .define(converter_key("header.converter", 10, "Header converter class"))
        .define(version_key("header.converter.plugin.version", Low, 11, "SHORT", "Header converter version"))
}

fn converter_key(name: &str, order: i32, display_name: &str) -> ConfigKey {
    let documentation = "Class of the converter between Connect data and the bytes in the log; the worker's when not set. \
                         Its own keys stand under this key.";
    let key = ConfigKey::new(name, ConfigType::Class, Default::Unset, Importance::Low, documentation);
    key.shown(COMMON_GROUP, order, "SHORT", display_name)
}

fn version_key(name: &str, importance: Importance, order: i32, width: Width, display_name: &str) -> ConfigKey {
    let documentation = "Version of the plugin: an exact one, a range like [1.0,2.0), or latest.";
    let key = ConfigKey::new(name, ConfigType::String, Default::Unset, importance, documentation);
    key.shown(COMMON_GROUP, order, width, display_name)
}

/// Source: Kafka `ConnectorConfig.aliasValidator`.
fn unique_aliases(value: Option<&str>) -> Result<(), String> {
    let aliases = raw_items(value.unwrap_or_default());
    let is_repeated = (1..aliases.len()).any(|at| aliases[..at].contains(&aliases[at]));
    if is_repeated { Err("Duplicate alias provided.".to_owned()) } else { Ok(()) }
}

/// The items of a list as Kafka sees them, empty ones too.
pub(crate) fn raw_items(list: &str) -> Vec<&str> {
    if list.trim().is_empty() { Vec::new() } else { list.split(',').map(str::trim).collect() }
}

/// Source: Kafka `RegexValidator`.
fn valid_regex(value: Option<&str>) -> Result<(), String> {
    let Some(pattern) = value else { return Ok(()) };
    regex::Regex::new(pattern).map(drop).map_err(|error| format!("Invalid regex: {error}"))
}

fn plugin_keys(def: ConfigDef) -> ConfigDef {
    use ConfigType::{List, String};
    use Importance::Low;
    def.define(
        ConfigKey::new(
            TRANSFORMS,
            List,
            value(""),
            Low,
            "Aliases of the transformations that records pass, in this order.",
        )
        .validator(Validator::custom("unique transformation aliases", unique_aliases))
        .shown(TRANSFORMS_GROUP, 12, "LONG", "Transforms"),
    )
    .define(
        ConfigKey::new(PREDICATES, List, value(""), Low, "Aliases of the predicates that transformations use.")
            .validator(Validator::custom("unique predicate aliases", unique_aliases))
            .shown(PREDICATES_GROUP, 13, "LONG", "Predicates"),
    )
    .define(
        ConfigKey::new(
            "config.action.reload",
            String,
            value("restart"),
            Low,
            "What to do when a value changes that the configuration refers to: nothing, or start anew.",
        )
        .validator(Validator::one_of(&["none", "restart"]))
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
        .shown(ERROR_GROUP, 1, "MEDIUM", "Retry Timeout for Errors"),
    )
    .define(medium("errors.retry.delay.max.ms", Long, "60000", "The longest wait between two retries.").shown(
        ERROR_GROUP,
        2,
        "MEDIUM",
        "Maximum Delay Between Retries for Errors",
    ))
    .define(
        medium("errors.tolerance", String, "none", "none: a bad record fails the task; all: it is skipped.")
            .validator(Validator::one_of(&["none", "all"]))
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
    dead_letter_keys(
        def.define(
            ConfigKey::new(TOPICS, List, value(""), High, "Topics to consume, separated by commas.")
                .validator(Validator::UniqueList { is_empty_allowed: true })
                .shown(COMMON_GROUP, 4, "LONG", "Topics"),
        )
        .define(
            ConfigKey::new(TOPICS_REGEX, String, value(""), High, "Regular expression of the topics to consume.")
                .validator(Validator::custom("valid regex", valid_regex))
                .shown(COMMON_GROUP, 4, "LONG", "Topics regex"),
        ),
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
    let def = def
        .define(
            ConfigKey::new(TOPIC_CREATION_GROUPS, List, value(""), Low, "Groups of topics that are created alike.")
                .validator(Validator::custom("unique topic creation groups", unique_aliases))
                .shown(TOPIC_CREATION_GROUP, 1, "LONG", "Topic Creation Groups"),
        )
        .define(
            ConfigKey::new(
                EXACTLY_ONCE_SUPPORT,
                String,
                value("requested"),
                Medium,
                "required: fail when the connector cannot deliver exactly once.",
            )
            .validator(Validator::any_case(&["REQUIRED", "REQUESTED"]))
            .shown(EXACTLY_ONCE_GROUP, 2, "SHORT", "Exactly once support"),
        )
        .define(
            ConfigKey::new(TRANSACTION_BOUNDARY, String, value("poll"), Medium, "Where transactions end.")
                .validator(Validator::any_case(&["INTERVAL", "POLL", "CONNECTOR"]))
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
            .validator(Validator::custom("[0,...]", not_below_zero))
            .shown(EXACTLY_ONCE_GROUP, 4, "SHORT", "Transaction boundary interval"),
        )
        .define(
            ConfigKey::new("offsets.storage.topic", String, Default::Unset, Low, "The connector's own offsets topic.")
                .validator(Validator::NonEmpty)
                .shown(OFFSETS_TOPIC_GROUP, 1, "LONG", "Offsets topic"),
        );
    dead_letter_keys(def)
}

fn not_below_zero(value: Option<&str>) -> Result<(), String> {
    let is_below = value.and_then(|text| text.parse::<i64>().ok()).is_some_and(|number| number < 0);
    if is_below { Err("Value must be at least 0".to_owned()) } else { Ok(()) }
}
