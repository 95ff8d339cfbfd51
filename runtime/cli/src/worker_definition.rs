//! The worker's keys as a definition, for the reference that is made from it. What reads them is [`crate::worker_config`].

use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigType, Importance};

struct Group {
    name: &'static str,
    order: i32,
    def: ConfigDef,
}

impl Group {
    fn new(name: &'static str) -> Self {
        Self { name, order: 0, def: ConfigDef::default() }
    }

    fn key(self, name: &str, kind: ConfigType, default: Option<&str>, documentation: &str) -> Self {
        self.checked(name, kind, default, Validator::Any, documentation)
    }

    fn checked(
        mut self,
        name: &str,
        kind: ConfigType,
        default: Option<&str>,
        validator: Validator,
        documentation: &str,
    ) -> Self {
        let default = default.map_or(Default::Unset, |value| Default::Value(value.to_owned()));
        self.order += 1;
        let key = ConfigKey::new(name, kind, default, Importance::Medium, documentation).validator(validator);
        self.def = self.def.define(key.shown(self.name, self.order, "MEDIUM", name));
        self
    }
}

/// Keys that have an effect; further ones of Kafka Connect are accepted and named at start.
pub(crate) fn worker_definition() -> ConfigDef {
    [storage(), rest(), plugins(), converters(), tasks(), configs(), kafka()]
        .into_iter()
        .fold(ConfigDef::default(), |def, group| def.and(group.def))
}

fn storage() -> Group {
    Group::new("Storage")
        .key("data.dir", ConfigType::String, None, "Where log and state live; ~/.local/share/sluice when not set.")
        .key(
            "sluice.cache.dir",
            ConfigType::String,
            None,
            "Where compiled plugins are kept; ~/.cache/sluice when not set.",
        )
        .checked(
            "log.durability",
            ConfigType::String,
            Some("fsync"),
            Validator::one_of(&["fsync", "os"]),
            "When a record is acknowledged: once it is on the disk, or once the operating system has it.",
        )
}

fn rest() -> Group {
    Group::new("REST")
        .key("listeners", ConfigType::String, Some("http://127.0.0.1:8083"), "The address of the REST API.")
        .key("rest.advertised.host.name", ConfigType::String, None, "What worker_id shows; the listener's when not set.")
        .key("rest.advertised.port", ConfigType::Int, None, "What worker_id shows; the listener's when not set.")
        .key("topic.tracking.enable", ConfigType::Boolean, Some("true"), "Whether the topics that a connector uses are kept.")
        .key("topic.tracking.allow.reset", ConfigType::Boolean, Some("true"), "Whether they may be reset over REST.")
        .key("access.control.allow.origin", ConfigType::List, None, "Origins whose pages may call the API in a browser, or *.")
        .key("access.control.allow.methods", ConfigType::List, None, "What they may do; GET, POST and HEAD when not set.")
        .key(
            "response.http.headers.config",
            ConfigType::String,
            None,
            "Headers that are added to answers: set X-Frame-Options: DENY, add Cache-Control: no-cache, and setDate, addDate.",
        )
        .key("admin.listeners", ConfigType::List, None, "Empty: there is no /admin. Not set: it is beside the rest.")
        .key("sluice.log.level", ConfigType::String, Some("info"), "Levels of the log, as in RUST_LOG.")
        .checked(
            "sluice.log.format",
            ConfigType::String,
            Some("text"),
            Validator::one_of(&["text", "json"]),
            "Lines for people, or a JSON object a line.",
        )
}

fn plugins() -> Group {
    Group::new("Plugins").key(
        "plugin.path",
        ConfigType::List,
        None,
        "Folders with .wasm plugins. Ceilings for what plugins may do stand under capabilities.<name>.<setting>, as lists: \
         capabilities.file.roots and others.",
    )
}

fn converters() -> Group {
    let json = Some("org.apache.kafka.connect.json.JsonConverter");
    let simple = Some("org.apache.kafka.connect.storage.SimpleHeaderConverter");
    let documentation = "Class of the converter for connectors that name none. Its own keys stand under this key.";
    Group::new("Converters")
        .key("key.converter", ConfigType::Class, json, documentation)
        .key("value.converter", ConfigType::Class, json, documentation)
        .key("header.converter", ConfigType::Class, simple, documentation)
}

fn tasks() -> Group {
    let at_least_one = || Validator::at_least(1.0);
    Group::new("Tasks")
        .key("task.shutdown.graceful.timeout.ms", ConfigType::Long, Some("5000"), "How long a task may take to stop.")
        .key(
            "sluice.memory.budget.bytes",
            ConfigType::Long,
            Some("67108864"),
            "What queues, batches and uploads may hold together.",
        )
        .key(
            "sluice.task.restart.enabled",
            ConfigType::Boolean,
            Some("true"),
            "Whether failed tasks restart by themselves.",
        )
        .checked(
            "sluice.task.restart.backoff.ms",
            ConfigType::Long,
            Some("1000"),
            at_least_one(),
            "The wait before the first restart; it doubles each time.",
        )
        .checked(
            "sluice.task.restart.backoff.max.ms",
            ConfigType::Long,
            Some("60000"),
            at_least_one(),
            "The longest wait before a restart.",
        )
        .key(
            "sluice.task.restart.max.attempts",
            ConfigType::Int,
            Some("10"),
            "Restarts in a row after which a task stays FAILED.",
        )
}

fn configs() -> Group {
    Group::new("Configurations of connectors")
        .key(
            "config.providers",
            ConfigType::List,
            None,
            "Names of config providers; each has config.providers.<name>.class (FileConfigProvider, DirectoryConfigProvider, \
             EnvVarConfigProvider) and parameters under config.providers.<name>.param. (allowed.paths, allowlist.pattern). \
             ${name:path:key} in a configuration is then replaced when a task starts. ${secrets:NAME} needs no provider to be named: \
             sluice secret set NAME.",
        )
        .key(
            "sluice.config.reload.interval.ms",
            ConfigType::Long,
            Some("10000"),
            "How often it is looked whether what configurations refer to has changed.",
        )
        .key(
            "sluice.plugin.upgrade.probation.ms",
            ConfigType::Long,
            Some("10000"),
            "How long a task that went over to a new version of its plugin is watched before the next one follows. When it fails \
             meanwhile, all go back.",
        )
        .checked(
            "connector.client.config.override.policy",
            ConfigType::String,
            Some("All"),
            Validator::one_of(&["All", "None", "Principal", "Allowlist"]),
            "Which settings of its Kafka clients a connector may change.",
        )
        .key(
            "connector.client.config.override.allowlist",
            ConfigType::List,
            None,
            "With Allowlist: the settings that may be changed.",
        )
}

fn kafka() -> Group {
    Group::new("The log in an Apache Kafka")
        .key("bootstrap.servers", ConfigType::List, None, "Where the cluster is. Not set: the log is embedded in the hub.")
        .key("group.id", ConfigType::String, None, "Of this hub: part of its transactional ids and default topic names.")
        .key("config.storage.topic", ConfigType::String, None, "Where connectors are kept.")
        .key("offset.storage.topic", ConfigType::String, None, "Where offsets of sources are kept.")
        .key("status.storage.topic", ConfigType::String, None, "Where states are kept.")
        .key("sluice.plan.storage.topic", ConfigType::String, None, "Where sinks journal their deliveries.")
        .key(
            "request.timeout.ms",
            ConfigType::Long,
            Some("30000"),
            "How long the cluster may take to answer. security.protocol, sasl.*, ssl.* and settings under producer., consumer., admin. \
             are librdkafka's.",
        )
}
