//! [`ConfigBackingStore`]: what was asked of the hub. Source: Kafka `KafkaConfigBackingStore`.
//!
//! Keys and values of `_sluice_configs`, UTF-8 and schemaless JSON, one partition:
//!
//! | key | value | a tombstone means |
//! | --- | --- | --- |
//! | `connector-<name>` | `{"properties": {k: v}}` | the connector was deleted |
//! | `task-<name>-<i>` | `{"properties": {k: v}}` | – |
//! | `commit-<name>` | `{"tasks": n}` | no task configs |
//! | `target-state-<name>` | `{"state": s, "state.v2": s}` | STARTED |
//! | `sluice-offsets-generation-<name>` | `{"generation": n}` (ours) | never altered |
//! | `sluice-rejected-versions-<name>` | `{"versions": [v]}` (ours): of its plugin, rolled back | none |
//!
//! Task configs count only with a commit that was written with or after them and names as many. Ours are written in one
//! atomic append; others' records may be incomplete.

use crate::secrets::{Secrets, SecretsError, is_sealed, mask_url_credentials};
use crate::topic_log::{StoredEntry, TopicLog, TopicLogConfig, TopicLogEntry, TopicLogError};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use sluice_client::Broker;
use sluice_connect_api::ConfigMap;
use sluice_data::ConnectorName;
use std::collections::{BTreeMap, BTreeSet};

const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const TARGET_STATE: &str = "target-state-";
const OFFSETS_GENERATION: &str = "sluice-offsets-generation-";
const REJECTED_VERSIONS: &str = "sluice-rejected-versions-";

/// What the user wants a connector to be. Source: Kafka `TargetState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetState {
    #[default]
    Started,
    Paused,
    Stopped,
}

/// One connector as stored, secrets in clear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredConnector {
    pub config: ConfigMap,
    /// Keys whose values were sealed.
    pub sealed: BTreeSet<String>,
    pub target_state: TargetState,
    /// `None`: there are none, or they are incomplete; the connector is to be asked again.
    pub task_configs: Option<Vec<ConfigMap>>,
    /// Why the stored config cannot be used as it is (a value that does not open).
    pub problems: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigStoreError {
    #[error(transparent)]
    Log(#[from] TopicLogError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// The hub's configs in the log. One owner writes (the herder).
pub struct ConfigBackingStore {
    log: TopicLog,
    secrets: Secrets,
}

/// Decides which keys' values are sealed whatever they hold; URLs with credentials always are.
pub type IsSecret<'a> = &'a (dyn Fn(&str) -> bool + Sync);

impl ConfigBackingStore {
    /// # Errors
    /// [`ConfigStoreError::Log`].
    pub async fn open(broker: &dyn Broker, secrets: Secrets) -> Result<Self, ConfigStoreError> {
        Self::open_topic(broker, TopicLogConfig::new(crate::CONFIG_TOPIC, 1), secrets).await
    }

    /// In a topic of another name; one partition, whatever `config` says.
    ///
    /// # Errors
    /// [`ConfigStoreError::Log`].
    pub async fn open_topic(
        broker: &dyn Broker,
        config: TopicLogConfig,
        secrets: Secrets,
    ) -> Result<Self, ConfigStoreError> {
        let log = TopicLog::open(broker, TopicLogConfig { partitions: 1, ..config }).await?;
        Ok(Self { log, secrets })
    }

    /// Everything stored.
    #[must_use]
    pub fn connectors(&self) -> BTreeMap<ConnectorName, StoredConnector> {
        let entries = self.log.entries_with_prefix(CONNECTOR.as_bytes());
        let names = entries.iter().filter_map(|(key, _)| std::str::from_utf8(key).ok()?.strip_prefix(CONNECTOR));
        names.filter_map(|name| Some((ConnectorName::new(name), self.connector(name)?))).collect()
    }

    fn connector(&self, name: &str) -> Option<StoredConnector> {
        let record = object(&self.log.get(format!("{CONNECTOR}{name}").as_bytes())?)?;
        let mut stored = StoredConnector::default();
        stored.config = self.read_properties(name, &record, &mut stored.sealed, &mut stored.problems);
        if let Some(record) = self.log.get(format!("{TARGET_STATE}{name}").as_bytes()).as_ref().and_then(object) {
            stored.target_state = read_target_state(&record);
        }
        stored.task_configs = self.task_configs(name, &mut stored.problems);
        Some(stored)
    }

    fn task_configs(&self, name: &str, problems: &mut Vec<String>) -> Option<Vec<ConfigMap>> {
        let commit = self.entry(&format!("{COMMIT}{name}"))?;
        let tasks = object(&commit.value)?.get("tasks")?.as_u64()?;
        let mut configs = Vec::new();
        for index in 0..tasks {
            let task = self.entry(&format!("{TASK}{name}-{index}"))?;
            if task.sequence > commit.sequence {
                return None;
            }
            configs.push(self.read_properties(name, &object(&task.value)?, &mut BTreeSet::new(), problems));
        }
        Some(configs)
    }

    /// How often offsets were altered or reset.
    #[must_use]
    pub fn offsets_generation(&self, name: &ConnectorName) -> u64 {
        let record = self.log.get(format!("{OFFSETS_GENERATION}{name}").as_bytes());
        record.as_ref().and_then(object).and_then(|record| record.get("generation")?.as_u64()).unwrap_or(0)
    }

    /// Versions of its plugin that the connector failed with after an upgrade.
    #[must_use]
    pub fn rejected_versions(&self, name: &ConnectorName) -> BTreeSet<String> {
        let record = self.log.get(format!("{REJECTED_VERSIONS}{name}").as_bytes());
        let versions = record.as_ref().and_then(object).and_then(|mut record| record.remove("versions"));
        versions.and_then(|versions| serde_json::from_value(versions).ok()).unwrap_or_default()
    }

    /// # Errors
    /// [`ConfigStoreError::Log`].
    pub async fn put_rejected_versions(
        &self,
        name: &ConnectorName,
        versions: &BTreeSet<String>,
    ) -> Result<(), ConfigStoreError> {
        let key = format!("{REJECTED_VERSIONS}{name}");
        let entry = if versions.is_empty() {
            TopicLogEntry::new(key, None)
        } else {
            put(key, &json!({ "versions": versions }))
        };
        Ok(self.log.put(&[entry]).await?)
    }

    /// Stores a config, and with it a target state when one is given.
    ///
    /// # Errors
    /// [`ConfigStoreError::Log`], [`ConfigStoreError::Secrets`].
    pub async fn put_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target_state: Option<TargetState>,
        is_secret: IsSecret<'_>,
    ) -> Result<(), ConfigStoreError> {
        let mut entries = Vec::new();
        // In Kafka's order: the state is known before the connector appears.
        if let Some(state) = target_state {
            entries.push(put(format!("{TARGET_STATE}{name}"), &target_state_json(state)));
        }
        let properties = self.write_properties(name, config, is_secret)?;
        entries.push(put(format!("{CONNECTOR}{name}"), &properties));
        Ok(self.log.put(&entries).await?)
    }

    /// Stores all task configs of a connector and their commit, at once.
    ///
    /// # Errors
    /// As [`ConfigBackingStore::put_connector`].
    pub async fn put_task_configs(
        &self,
        name: &ConnectorName,
        configs: &[ConfigMap],
        is_secret: IsSecret<'_>,
    ) -> Result<(), ConfigStoreError> {
        let mut entries = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            let properties = self.write_properties(name, config, is_secret)?;
            entries.push(put(format!("{TASK}{name}-{index}"), &properties));
        }
        let surplus = self.task_keys(name).filter(|(index, _)| *index >= configs.len() as u64);
        entries.extend(surplus.map(|(_, key)| TopicLogEntry::new(key, None)));
        entries.push(put(format!("{COMMIT}{name}"), &json!({ "tasks": configs.len() })));
        Ok(self.log.put(&entries).await?)
    }

    /// # Errors
    /// [`ConfigStoreError::Log`].
    pub async fn put_target_state(&self, name: &ConnectorName, state: TargetState) -> Result<(), ConfigStoreError> {
        Ok(self.log.put(&[put(format!("{TARGET_STATE}{name}"), &target_state_json(state))]).await?)
    }

    /// # Errors
    /// [`ConfigStoreError::Log`].
    pub async fn put_offsets_generation(&self, name: &ConnectorName, generation: u64) -> Result<(), ConfigStoreError> {
        let value = json!({ "generation": generation });
        Ok(self.log.put(&[put(format!("{OFFSETS_GENERATION}{name}"), &value)]).await?)
    }

    /// Forgets config, tasks and target state. Offsets and their generation stay, as in Kafka.
    ///
    /// # Errors
    /// [`ConfigStoreError::Log`].
    pub async fn remove_connector(&self, name: &ConnectorName) -> Result<(), ConfigStoreError> {
        let mut keys: Vec<Bytes> = [CONNECTOR, TARGET_STATE, COMMIT]
            .into_iter()
            .map(|prefix| Bytes::from(format!("{prefix}{name}")))
            .filter(|key| self.log.get(key).is_some())
            .collect();
        keys.extend(self.task_keys(name).map(|(_, key)| key));
        let tombstones: Vec<TopicLogEntry> = keys.into_iter().map(|key| TopicLogEntry::new(key, None)).collect();
        Ok(self.log.put(&tombstones).await?)
    }

    fn task_keys(&self, name: &ConnectorName) -> impl Iterator<Item = (u64, Bytes)> {
        let prefix = format!("{TASK}{name}-");
        let entries = self.log.entries_with_prefix(prefix.as_bytes());
        entries.into_iter().filter_map(move |(key, _)| {
            // `task-a-1-0` belongs to the connector `a-1`, not to `a`: all behind the prefix must be the number.
            let index = std::str::from_utf8(&key).ok()?.strip_prefix(prefix.as_str())?.parse().ok()?;
            Some((index, key))
        })
    }

    fn entry(&self, key: &str) -> Option<StoredEntry> {
        self.log.entry(key.as_bytes())
    }

    fn write_properties(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        is_secret: IsSecret<'_>,
    ) -> Result<Value, SecretsError> {
        let mut properties = Map::new();
        for (key, value) in config {
            let seal = is_secret(key) || is_sealed(value) || mask_url_credentials(value).is_some();
            let stored = if seal { self.secrets.seal(name.as_str(), key, value)? } else { value.clone() };
            properties.insert(key.clone(), Value::String(stored));
        }
        Ok(json!({ "properties": properties }))
    }

    fn read_properties(
        &self,
        name: &str,
        record: &Map<String, Value>,
        sealed: &mut BTreeSet<String>,
        problems: &mut Vec<String>,
    ) -> ConfigMap {
        let mut config = ConfigMap::new();
        for (key, value) in record.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if is_sealed(&text) {
                sealed.insert(key.clone());
            }
            match self.secrets.unseal(name, key, &text) {
                Ok(clear) => drop(config.insert(key.clone(), clear)),
                Err(error) => problems.push(error.to_string()),
            }
        }
        config
    }
}

impl TargetState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Kafka 3.4 and older know only `state`, and must not run a stopped connector (KIP-875).
fn target_state_json(state: TargetState) -> Value {
    let old = if state == TargetState::Started { TargetState::Started } else { TargetState::Paused };
    json!({ "state": old.as_str(), "state.v2": state.as_str() })
}

fn read_target_state(record: &Map<String, Value>) -> TargetState {
    let text = record.get("state.v2").or_else(|| record.get("state")).and_then(Value::as_str);
    match text {
        Some("PAUSED") => TargetState::Paused,
        Some("STOPPED") => TargetState::Stopped,
        _ => TargetState::Started,
    }
}

fn put(key: String, value: &Value) -> TopicLogEntry {
    TopicLogEntry::new(key, Some(Bytes::from(value.to_string())))
}

fn object(bytes: &Bytes) -> Option<Map<String, Value>> {
    serde_json::from_slice(bytes).ok()
}
