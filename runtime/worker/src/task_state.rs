//! What a task is told to be, what it is, and who hears of it.

use sluice_connect_api::{ConfigMap, ConnectorCapabilities, ConnectorKind};
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::TargetState;

/// Everything the worker needs to run one task. Source: Kafka's `TaskConfig` and `ConnectorConfig`.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    pub id: TaskId,
    /// `connector.class`, as the registry knows it or as the user wrote it.
    pub class: String,
    /// Of the plugin.
    pub version: String,
    pub kind: ConnectorKind,
    /// The connector's whole config with secrets resolved: converters, transforms, `errors.*`, `topics` are read from it.
    pub connector_config: ConfigMap,
    /// What the connector made for this task.
    pub task_config: ConfigMap,
    pub capabilities: ConnectorCapabilities,
    /// How many tasks the connector has: sinks divide the partitions by it.
    pub task_count: u32,
    /// Grows with every start of this task.
    pub generation: u64,
    /// Raised when the connector's offsets are altered or reset; plans of an older one are void.
    pub offsets_generation: u64,
    pub initial_state: TargetState,
}

/// Why a task ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// One line.
    pub message: String,
    /// The message and its causes, one per line: the `trace` of `/status`.
    pub trace: String,
    /// Whether a later start may succeed with nothing changed.
    pub retriable: bool,
}

/// Hears of every change of a task's state; calls must not block. For one task they come in order.
pub trait TaskListener: Send + Sync {
    fn on_startup(&self, id: &TaskId);
    fn on_pause(&self, id: &TaskId);
    fn on_resume(&self, id: &TaskId);
    /// The task is over; [`crate::Worker::stop_task`] still has to be called before it can be started again.
    fn on_failure(&self, id: &TaskId, failure: TaskFailure);
    /// The task was stopped.
    fn on_shutdown(&self, id: &TaskId);
    /// Once for each topic that a task reads or writes.
    fn on_topic(&self, id: &TaskId, topic: &str);
    fn on_reconfiguration_requested(&self, connector: &ConnectorName);
}
