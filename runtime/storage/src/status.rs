//! [`StatusBackingStore`]: what became of it. Source: Kafka `KafkaStatusBackingStore`.
//!
//! Keys and values of `_sluice_status`, UTF-8 and schemaless JSON:
//!
//! | key | value |
//! | --- | --- |
//! | `status-connector-<name>` | `{"state", "trace", "worker_id", "generation"}` |
//! | `status-task-<name>-<i>` | the same |
//! | `status-topic-<topic>:connector-<name>` | `{"topic": {"name", "connector", "task", "discoverTimestamp"}}` |

use crate::topic_log::{TopicLog, TopicLogConfig, TopicLogEntry, TopicLogError};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_client::Broker;
use sluice_data::{ConnectorName, TaskId};

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_CONNECTOR: &str = ":connector-";

/// Source: Kafka `AbstractStatus.State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    #[default]
    Unassigned,
    Running,
    Paused,
    Failed,
    Restarting,
    /// Connectors only.
    Stopped,
    /// Internal to Kafka; read from foreign records, never shown.
    Destroyed,
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
            Self::Stopped => "STOPPED",
            Self::Destroyed => "DESTROYED",
        }
    }
}

/// The state of a connector or a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    pub state: State,
    /// Why, when it failed or is being restarted.
    #[serde(default)]
    pub trace: Option<String>,
    pub worker_id: String,
    pub generation: u64,
}

/// That a connector has read or written a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicStatus {
    pub name: String,
    pub connector: String,
    pub task: u32,
    #[serde(rename = "discoverTimestamp")]
    pub discover_timestamp: i64,
}

#[derive(Serialize, Deserialize)]
struct TopicRecord {
    topic: TopicStatus,
}

/// One write; many go into one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusUpdate {
    Connector(ConnectorName, Status),
    Task(TaskId, Status),
    Topic(TopicStatus),
    RemoveConnector(ConnectorName),
    RemoveTask(TaskId),
    RemoveTopic { topic: String, connector: ConnectorName },
}

/// Everything the status topic holds.
#[derive(Debug, Clone, Default)]
pub struct Statuses {
    pub connectors: Vec<(ConnectorName, Status)>,
    pub tasks: Vec<(TaskId, Status)>,
    pub topics: Vec<TopicStatus>,
}

/// The hub's statuses in the log. One owner writes (the herder).
pub struct StatusBackingStore {
    log: TopicLog,
}

impl StatusBackingStore {
    /// # Errors
    /// As [`TopicLog::open`].
    pub async fn open(broker: &dyn Broker) -> Result<Self, TopicLogError> {
        Self::open_topic(broker, TopicLogConfig::new(crate::STATUS_TOPIC, 1)).await
    }

    /// In a topic of another name.
    ///
    /// # Errors
    /// As [`TopicLog::open`].
    pub async fn open_topic(broker: &dyn Broker, config: TopicLogConfig) -> Result<Self, TopicLogError> {
        Ok(Self { log: TopicLog::open(broker, config).await? })
    }

    /// Everything stored. Records of unknown shape are left out.
    #[must_use]
    pub fn load(&self) -> Statuses {
        let mut statuses = Statuses::default();
        for (key, entry) in self.log.entries() {
            let Ok(key) = std::str::from_utf8(&key) else { continue };
            if let Some(name) = key.strip_prefix(CONNECTOR)
                && let Ok(status) = serde_json::from_slice(&entry.value)
            {
                statuses.connectors.push((ConnectorName::new(name), status));
            } else if let Some(id) = key.strip_prefix(TASK).and_then(parse_task_id)
                && let Ok(status) = serde_json::from_slice(&entry.value)
            {
                statuses.tasks.push((id, status));
            } else if key.starts_with(TOPIC)
                && let Ok(record) = serde_json::from_slice::<TopicRecord>(&entry.value)
            {
                statuses.topics.push(record.topic);
            }
        }
        statuses
    }

    /// Writes all updates in one append; durable when it returns.
    ///
    /// # Errors
    /// As [`TopicLog::put`].
    pub async fn put(&self, updates: &[StatusUpdate]) -> Result<(), TopicLogError> {
        let entries: Vec<TopicLogEntry> = updates.iter().map(entry).collect();
        self.log.put(&entries).await
    }
}

fn entry(update: &StatusUpdate) -> TopicLogEntry {
    match update {
        StatusUpdate::Connector(name, status) => put(format!("{CONNECTOR}{name}"), status),
        StatusUpdate::Task(id, status) => put(format!("{TASK}{id}"), status),
        StatusUpdate::Topic(topic) => {
            let key = topic_key(&topic.name, &topic.connector);
            put(key, &TopicRecord { topic: topic.clone() })
        }
        StatusUpdate::RemoveConnector(name) => TopicLogEntry::new(format!("{CONNECTOR}{name}"), None),
        StatusUpdate::RemoveTask(id) => TopicLogEntry::new(format!("{TASK}{id}"), None),
        StatusUpdate::RemoveTopic { topic, connector } => {
            TopicLogEntry::new(topic_key(topic, connector.as_str()), None)
        }
    }
}

fn topic_key(topic: &str, connector: &str) -> String {
    format!("{TOPIC}{topic}{TOPIC_CONNECTOR}{connector}")
}

fn put(key: String, value: &impl Serialize) -> TopicLogEntry {
    let json = serde_json::to_vec(value).expect("statuses have string keys and finite numbers");
    TopicLogEntry::new(key, Some(Bytes::from(json)))
}

/// `orders-0`: the number is behind the last dash.
fn parse_task_id(text: &str) -> Option<TaskId> {
    let (name, index) = text.rsplit_once('-')?;
    Some(TaskId::new(ConnectorName::new(name), index.parse().ok()?))
}
