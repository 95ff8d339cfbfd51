//! What a plugin says of itself.

use crate::bindings::imports::sluice::connector::types;
use crate::config::Config;
use std::collections::BTreeMap;

/// One configuration key, as Kafka's `ConfigDef` describes it: optional and unset, of medium importance, until told otherwise.
#[derive(Debug, Clone)]
pub struct ConfigKey {
    pub(crate) wire: types::ConfigKey,
}

impl ConfigKey {
    fn new(kind: &str, name: &str, documentation: &str) -> Self {
        let wire = types::ConfigKey {
            name: name.to_owned(),
            kind: kind.to_owned(),
            default: Some(None),
            importance: "MEDIUM".to_owned(),
            documentation: documentation.to_owned(),
            attributes: Vec::new(),
        };
        Self { wire }
    }

    #[must_use]
    pub fn string(name: &str, documentation: &str) -> Self {
        Self::new("STRING", name, documentation)
    }

    #[must_use]
    pub fn int(name: &str, documentation: &str) -> Self {
        Self::new("INT", name, documentation)
    }

    #[must_use]
    pub fn long(name: &str, documentation: &str) -> Self {
        Self::new("LONG", name, documentation)
    }

    #[must_use]
    pub fn double(name: &str, documentation: &str) -> Self {
        Self::new("DOUBLE", name, documentation)
    }

    #[must_use]
    pub fn boolean(name: &str, documentation: &str) -> Self {
        Self::new("BOOLEAN", name, documentation)
    }

    /// Comma-separated.
    #[must_use]
    pub fn list(name: &str, documentation: &str) -> Self {
        Self::new("LIST", name, documentation)
    }

    #[must_use]
    pub fn class(name: &str, documentation: &str) -> Self {
        Self::new("CLASS", name, documentation)
    }

    /// A secret: its value never reaches the guest. Say with [`ConfigKey::grants`] which capability takes it.
    #[must_use]
    pub fn password(name: &str, documentation: &str) -> Self {
        Self::new("PASSWORD", name, documentation)
    }

    /// The key must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.wire.default = None;
        self
    }

    #[must_use]
    pub fn default(mut self, value: impl ToString) -> Self {
        self.wire.default = Some(Some(value.to_string()));
        self
    }

    #[must_use]
    pub fn high(mut self) -> Self {
        self.wire.importance = "HIGH".to_owned();
        self
    }

    #[must_use]
    pub fn low(mut self) -> Self {
        self.wire.importance = "LOW".to_owned();
        self
    }

    #[must_use]
    pub fn valid_values(self, values: &[&str]) -> Self {
        self.attribute("valid-values", &values.join(","))
    }

    /// Both ends included.
    #[must_use]
    pub fn range(self, min: i64, max: i64) -> Self {
        self.attribute("range", &format!("{min}..{max}"))
    }

    #[must_use]
    pub fn at_least(self, min: i64) -> Self {
        self.attribute("range", &format!("{min}.."))
    }

    #[must_use]
    pub fn non_empty(self) -> Self {
        self.attribute("non-empty", "true")
    }

    /// The capability setting that this key configures: `file.path`, `sql.url`, `sql.password`, `object-store.bucket`, …
    #[must_use]
    pub fn grants(self, setting: &str) -> Self {
        self.attribute("grants", setting)
    }

    /// Where a form shows it.
    #[must_use]
    pub fn shown(self, group: &str, order: u32, display_name: &str) -> Self {
        self.attribute("group", group).attribute("order", &order.to_string()).attribute("display-name", display_name)
    }

    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.wire.attributes.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What a plugin says of itself: class, keys, and the capabilities that it wants.
#[derive(Debug, Clone)]
pub struct Definition {
    pub(crate) wire: types::Definition,
}

impl Definition {
    fn new(kind: &str, class: &str, version: &str, documentation: &str) -> Self {
        let wire = types::Definition {
            kind: kind.to_owned(),
            class: class.to_owned(),
            aliases: Vec::new(),
            version: version.to_owned(),
            documentation: documentation.to_owned(),
            config: Vec::new(),
            capabilities: Vec::new(),
            attributes: Vec::new(),
        };
        Self { wire }
    }

    /// `version` is usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn source(class: &str, version: &str, documentation: &str) -> Self {
        Self::new("source", class, version, documentation)
    }

    #[must_use]
    pub fn sink(class: &str, version: &str, documentation: &str) -> Self {
        Self::new("sink", class, version, documentation)
    }

    #[must_use]
    pub fn transformation(class: &str, version: &str, documentation: &str) -> Self {
        Self::new("transformation", class, version, documentation)
    }

    /// Another class name that users may write.
    #[must_use]
    pub fn alias(mut self, class: &str) -> Self {
        self.wire.aliases.push(class.to_owned());
        self
    }

    #[must_use]
    pub fn key(mut self, key: ConfigKey) -> Self {
        self.wire.config.push(key.wire);
        self
    }

    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = ConfigKey>) -> Self {
        self.wire.config.extend(keys.into_iter().map(|key| key.wire));
        self
    }

    /// `file`, `sql`, `object-store` or `http`: what is imported must be declared.
    #[must_use]
    pub fn capability(mut self, name: &str) -> Self {
        self.wire.capabilities.push(name.to_owned());
        self
    }

    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.wire.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Name, type and default of every key.
    pub(crate) fn config_keys(&self) -> &[types::ConfigKey] {
        &self.wire.config
    }
}

/// A problem with one key; an empty key means the config as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub message: String,
}

impl Problem {
    #[must_use]
    pub fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into() }
    }

    pub(crate) fn into_wire(self) -> types::ConfigProblem {
        types::ConfigProblem { key: self.key, message: self.message }
    }
}

/// How the work is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskConfigs {
    pub tasks: Vec<BTreeMap<String, String>>,
    /// Ask again after so long; another answer reconfigures the tasks.
    pub refresh_ms: Option<u32>,
}

impl TaskConfigs {
    /// One task with the connector's own config.
    #[must_use]
    pub fn single(config: &Config) -> Self {
        Self::copies(config, 1)
    }

    /// `count` tasks with the connector's own config.
    #[must_use]
    pub fn copies(config: &Config, count: u32) -> Self {
        Self::new((0..count).map(|_| config.given().clone()).collect())
    }

    #[must_use]
    pub fn new(tasks: Vec<BTreeMap<String, String>>) -> Self {
        Self { tasks, refresh_ms: None }
    }

    #[must_use]
    pub fn refresh_ms(mut self, refresh_ms: u32) -> Self {
        self.refresh_ms = Some(refresh_ms);
        self
    }

    pub(crate) fn into_wire(self) -> types::TaskConfigSet {
        let tasks = self.tasks.into_iter().map(|entries| types::TaskConfig { entries: entries.into_iter().collect() });
        types::TaskConfigSet { tasks: tasks.collect(), refresh_ms: self.refresh_ms }
    }
}

/// What one config makes of a connector, by name. The names stand with `connector-capabilities` in `connector.wit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(pub BTreeMap<String, String>);

impl Capabilities {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), value.to_string());
        self
    }

    /// A source whose offsets and records are appended at once; a sink that recognises a replayed delivery.
    #[must_use]
    pub fn exactly_once(self, is_supported: bool) -> Self {
        self.with("exactly-once", if is_supported { "supported" } else { "unsupported" })
    }

    /// A sink that keeps its offsets in the transaction that writes the records (`delivery-plan` = `none`). The hub journals no
    /// plan for it and commits behind it, in its own time: after a crash records come again, in deliveries that may be cut
    /// otherwise, and the sink leaves out what its offsets say is written. A delivery may begin before them and end behind them.
    #[must_use]
    pub fn own_offsets(self) -> Self {
        self.exactly_once(true).with("delivery-plan", "none")
    }

    /// A delivery ends after so many records.
    #[must_use]
    pub fn batch_records(self, records: u64) -> Self {
        self.with("batch.records", records)
    }

    /// A delivery ends so long after its first record.
    #[must_use]
    pub fn batch_interval_ms(self, interval_ms: u64) -> Self {
        self.with("batch.interval-ms", interval_ms)
    }

    pub(crate) fn into_wire(self) -> types::ConnectorCapabilities {
        types::ConnectorCapabilities { attributes: self.0.into_iter().collect() }
    }
}
