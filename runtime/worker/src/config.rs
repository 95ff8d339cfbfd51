//! The worker's settings, parsed by whoever starts it.

use sluice_connect_api::ConfigMap;
use sluice_data::TaskId;
use std::time::Duration;

/// Takes a header's text as it is, and is what `header.converter` is when nobody says otherwise.
pub(crate) const SIMPLE_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// A converter and its own keys, at the worker's level. Source: Kafka `WorkerConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConverterConfig {
    pub class: String,
    /// Without the `key.converter.` prefix.
    pub config: ConfigMap,
}

impl ConverterConfig {
    #[must_use]
    pub fn new(class: &str) -> Self {
        Self { class: class.to_owned(), config: ConfigMap::new() }
    }
}

/// Whether sink deliveries are journalled before they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanMode {
    Journalled,
    /// At least once only: after a crash, batches end elsewhere. For tests that show what the plan is for.
    Off,
}

#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// `key.converter` and its keys.
    pub key_converter: ConverterConfig,
    /// `value.converter` and its keys.
    pub value_converter: ConverterConfig,
    /// `header.converter` and its keys.
    pub header_converter: ConverterConfig,
    /// `task.shutdown.graceful.timeout.ms`: after it a stopping task is dropped.
    pub task_shutdown_graceful_timeout: Duration,
    pub plan_mode: PlanMode,
    /// Begins every task's transactional id, so that hubs that share a log do not fence each other: Connect's `group.id`.
    pub transactional_id_prefix: String,
    /// The log is elsewhere, and may be away for a while: tasks wait for it rather than fail.
    pub waits_for_log: bool,
    /// What queues, batches and appends in flight may hold together; a task that holds nothing may always go on.
    pub memory_budget_bytes: usize,
    /// The longest wait after an empty poll; it starts at a few milliseconds and doubles.
    pub poll_backoff_max: Duration,
    /// How often sinks look for new topics and partitions.
    pub metadata_refresh: Duration,
}

impl WorkerConfig {
    /// Under which a task appends; a later start of the task fences the earlier one. Source: KIP-618.
    #[must_use]
    pub fn transactional_id(&self, task: &TaskId) -> String {
        format!("{}-{task}", self.transactional_id_prefix)
    }
}

impl Default for WorkerConfig {
    /// Those of Kafka's `connect-standalone.properties`, where it has them.
    fn default() -> Self {
        let json = ConverterConfig::new("org.apache.kafka.connect.json.JsonConverter");
        Self {
            key_converter: json.clone(),
            value_converter: json,
            header_converter: ConverterConfig::new(SIMPLE_HEADER_CONVERTER),
            task_shutdown_graceful_timeout: Duration::from_millis(5_000),
            plan_mode: PlanMode::Journalled,
            transactional_id_prefix: "connect".to_owned(),
            waits_for_log: false,
            memory_budget_bytes: 64 << 20,
            poll_backoff_max: Duration::from_millis(500),
            metadata_refresh: Duration::from_secs(1),
        }
    }
}
