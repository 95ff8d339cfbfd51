//! What goes over the wire; member names are Kafka Connect's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_connect_api::config_def::{Default, HIDDEN};
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::plugins::PluginInfo as RegisteredPlugin;
use sluice_connect_api::{ConfigKey, ConfigMap, ConfigType};
use sluice_data::TaskId;
use sluice_herder as herder;
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct ErrorMessage {
    pub error_code: u16,
    pub message: String,
}

#[derive(Serialize, ToSchema)]
pub struct ServerInfo {
    pub version: &'static str,
    pub commit: String,
    pub kafka_cluster_id: String,
}

#[derive(Serialize, ToSchema)]
pub struct WorkerStatus {
    pub status: &'static str,
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateConnectorRequest {
    /// Text; a number or a boolean is taken as text, as Jackson does.
    #[serde(default)]
    #[schema(value_type = String)]
    pub name: Value,
    /// Numbers and booleans are taken as text.
    #[schema(value_type = BTreeMap<String, String>)]
    pub config: Map<String, Value>,
    #[serde(default)]
    pub initial_state: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorTaskId {
    pub connector: String,
    pub task: u32,
}

impl From<TaskId> for ConnectorTaskId {
    fn from(id: TaskId) -> Self {
        Self { connector: id.connector.to_string(), task: id.index }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorInfo {
    pub name: String,
    #[schema(value_type = BTreeMap<String, String>)]
    pub config: ConfigMap,
    pub tasks: Vec<ConnectorTaskId>,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl From<herder::ConnectorInfo> for ConnectorInfo {
    fn from(info: herder::ConnectorInfo) -> Self {
        let tasks = info.tasks.into_iter().map(ConnectorTaskId::from).collect();
        Self { name: info.name.to_string(), config: info.config, tasks, kind: kind_name(info.kind) }
    }
}

#[derive(Serialize, ToSchema)]
pub struct TaskInfo {
    pub id: ConnectorTaskId,
    #[schema(value_type = BTreeMap<String, String>)]
    pub config: ConfigMap,
}

impl From<herder::TaskInfo> for TaskInfo {
    fn from(info: herder::TaskInfo) -> Self {
        Self { id: info.id.into(), config: info.config }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorState {
    pub state: &'static str,
    pub worker_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl From<herder::StateInfo> for ConnectorState {
    fn from(info: herder::StateInfo) -> Self {
        let herder::StateInfo { state, worker_id, trace, version } = info;
        Self { state: state.as_str(), worker_id, trace, version }
    }
}

#[derive(Serialize, ToSchema)]
pub struct TaskState {
    pub id: u32,
    #[serde(flatten)]
    pub state: ConnectorState,
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorStateInfo {
    pub name: String,
    pub connector: ConnectorState,
    pub tasks: Vec<TaskState>,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl From<herder::ConnectorStatus> for ConnectorStateInfo {
    fn from(status: herder::ConnectorStatus) -> Self {
        let tasks = status.tasks.into_iter().map(|(id, state)| TaskState { id, state: state.into() }).collect();
        Self { name: status.name.to_string(), connector: status.connector.into(), tasks, kind: kind_name(status.kind) }
    }
}

/// One entry of `GET /connectors?expand=…`.
#[derive(Serialize, ToSchema)]
pub struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ConnectorStateInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<ConnectorInfo>,
}

#[derive(Serialize, ToSchema)]
pub struct ActiveTopics {
    pub topics: Vec<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorOffsets {
    #[serde(default)]
    pub offsets: Option<Vec<ConnectorOffset>>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorOffset {
    #[serde(default)]
    #[schema(value_type = Object)]
    pub partition: Option<Map<String, Value>>,
    /// Null forgets the partition.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub offset: Option<Map<String, Value>>,
}

#[derive(Serialize, ToSchema)]
pub struct Message {
    pub message: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct LoggerLevel {
    pub level: &'static str,
    /// Milliseconds since 1970.
    pub last_modified: Option<i64>,
}

impl From<sluice_telemetry::LoggerLevel> for LoggerLevel {
    fn from(level: sluice_telemetry::LoggerLevel) -> Self {
        Self { level: level.level.as_str(), last_modified: level.last_modified }
    }
}

#[derive(Serialize, ToSchema)]
pub struct PluginInfo {
    pub class: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl From<RegisteredPlugin> for PluginInfo {
    fn from(plugin: RegisteredPlugin) -> Self {
        Self { class: plugin.class, kind: plugin.kind, version: plugin.version }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConfigKeyInfo {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub required: bool,
    pub default_value: Option<String>,
    pub importance: &'static str,
    pub documentation: String,
    pub group: Option<String>,
    pub width: &'static str,
    pub display_name: String,
    pub dependents: Vec<String>,
    pub order_in_group: i32,
}

impl From<&ConfigKey> for ConfigKeyInfo {
    fn from(key: &ConfigKey) -> Self {
        let (required, default_value) = match &key.default {
            Default::Required => (true, None),
            Default::Unset => (false, None),
            Default::Value(value) => (false, Some(value.clone())),
        };
        Self {
            name: key.name.clone(),
            kind: key.kind.as_str(),
            required,
            default_value,
            importance: key.importance.as_str(),
            documentation: key.documentation.clone(),
            group: key.group.clone(),
            width: key.width,
            display_name: key.display_name.clone(),
            dependents: key.dependents.clone(),
            order_in_group: key.order,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConfigValueInfo {
    pub name: String,
    pub value: Option<String>,
    pub recommended_values: Vec<String>,
    pub errors: Vec<String>,
    pub visible: bool,
}

#[derive(Serialize, ToSchema)]
pub struct ConfigInfo {
    pub definition: Option<ConfigKeyInfo>,
    pub value: ConfigValueInfo,
}

impl From<herder::ConfigInfo> for ConfigInfo {
    fn from(info: herder::ConfigInfo) -> Self {
        let is_password = info.definition.as_ref().is_some_and(|key| key.kind == ConfigType::Password);
        let hide = |value: String| {
            if is_password && !value.is_empty() {
                return HIDDEN.to_owned();
            }
            sluice_storage::mask_url_credentials(&value).unwrap_or(value)
        };
        let value = ConfigValueInfo {
            name: info.value.name,
            value: info.value.value.map(hide),
            recommended_values: info.value.recommended_values,
            errors: info.value.errors,
            visible: info.value.visible,
        };
        Self { definition: info.definition.as_ref().map(ConfigKeyInfo::from), value }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConfigInfos {
    pub name: String,
    pub error_count: usize,
    pub groups: Vec<String>,
    pub configs: Vec<ConfigInfo>,
}

impl From<herder::ConfigInfos> for ConfigInfos {
    fn from(infos: herder::ConfigInfos) -> Self {
        let error_count = infos.error_count();
        let configs = infos.configs.into_iter().map(ConfigInfo::from).collect();
        Self { name: infos.class, error_count, groups: infos.groups, configs }
    }
}

/// Ours: one topic of the log.
#[derive(Serialize, ToSchema)]
pub struct Topic {
    pub name: String,
    pub id: String,
    pub partitions: i32,
    pub internal: bool,
    pub config: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<Vec<PartitionOffsets>>,
}

#[derive(Serialize, ToSchema)]
pub struct PartitionOffsets {
    pub partition: i32,
    pub log_start_offset: i64,
    pub high_watermark: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTopicRequest {
    pub name: String,
    #[serde(default = "one")]
    pub partitions: i32,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

fn one() -> i32 {
    1
}

/// Ours: one record of a topic; bytes that are no UTF-8 are shown with U+FFFD.
#[derive(Serialize, ToSchema)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<RecordHeader>,
}

#[derive(Serialize, ToSchema)]
pub struct RecordHeader {
    pub key: String,
    pub value: Option<String>,
}

pub fn kind_name(kind: Option<ConnectorKind>) -> &'static str {
    match kind {
        Some(ConnectorKind::Source) => "source",
        Some(ConnectorKind::Sink) => "sink",
        None => "unknown",
    }
}

/// A config as JSON: scalars become text, null stays null.
///
/// # Errors
/// The name of a member that is an object or an array.
pub fn given_config(config: Map<String, Value>) -> Result<herder::GivenConfig, String> {
    let text = |(key, value): (String, Value)| match value {
        Value::Null => Ok((key, None)),
        Value::String(text) => Ok((key, Some(text))),
        Value::Bool(_) | Value::Number(_) => Ok((key, Some(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Err(key),
    };
    config.into_iter().map(text).collect()
}
