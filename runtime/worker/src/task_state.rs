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
    pub hidden: Hidden,
}

/// Values that must not show in what a task says of its end, each with what shows instead.
#[derive(Clone, Default)]
pub struct Hidden(Vec<(String, String)>);

/// Shorter values would be found in numbers and words that have nothing to do with them.
const HIDDEN_CHARACTERS_MIN: usize = 4;

impl Hidden {
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_long = |(value, _): &(String, String)| value.trim().chars().count() >= HIDDEN_CHARACTERS_MIN;
        let mut values: Vec<(String, String)> = values.into_iter().filter(is_long).collect();
        // One may be part of another.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(values)
    }

    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (value, shown)| text.replace(value.trim(), shown))
    }
}

/// How many; not which.
impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
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

impl TaskFailure {
    /// Without what must not show.
    #[must_use]
    pub fn hide(self, hidden: &Hidden) -> Self {
        Self { message: hidden.hide(&self.message), trace: hidden.hide(&self.trace), ..self }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_hidden_wherever_it_stands_and_a_number_is_left_alone() {
        let pair = |value: &str, shown: &str| (value.to_owned(), shown.to_owned());
        let hidden =
            Hidden::new([pair("secret", "S"), pair("secret-of-two", "T"), pair("7", "${env:N}"), pair("", "E")]);
        assert_eq!(hidden.hide("secret-of-two, secret at 17"), "T, S at 17");
        assert_eq!(format!("{hidden:?}"), "Hidden(2)");
    }
}
