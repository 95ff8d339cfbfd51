//! Connector configs, offsets and status in the log's internal topics, in Kafka Connect's own record formats.
//!
//! [`TopicLog`] keeps a compacted topic as a map; the stores are built on it. [`SecretFile`] keeps named secrets beside the log.
//!
//! What it is not: it decides nothing about connectors (the herder does) and starts no task.

mod config;
mod offset;
mod secret_file;
mod secrets;
mod status;
mod topic_log;

pub use config::{ConfigBackingStore, ConfigStoreError, IsSecret, StoredConnector, TargetState};
pub use offset::OffsetBackingStore;
pub use secret_file::{SecretFile, SecretFileError};
pub use secrets::{MASK, Secrets, SecretsError, mask_url_credentials};
pub use status::{State, Status, StatusBackingStore, StatusUpdate, Statuses, TopicStatus};
pub use topic_log::{StoredEntry, TopicLog, TopicLogConfig, TopicLogEntry, TopicLogError};

/// Connector and task configs, target states. One partition.
pub const CONFIG_TOPIC: &str = "_sluice_configs";
/// Source offsets.
pub const OFFSET_TOPIC: &str = "_sluice_offsets";
/// States of connectors and tasks, active topics.
pub const STATUS_TOPIC: &str = "_sluice_status";
/// Batch plans of sinks.
pub const PLAN_TOPIC: &str = "_sluice_plans";
