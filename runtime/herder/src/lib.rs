//! The life of connectors: configs, target states, tasks, statuses, restarts.
//!
//! [`Herder`] is what callers hold; behind it one loop owns all state and others send it messages. What takes long (asking a
//! plugin, starting and stopping tasks) runs beside the loop, one job per connector at a time, so that one bad connector
//! delays nobody else. Configs, target states and statuses lie in the log and survive restarts.
//!
//! What it is not: it moves no records (the worker does), speaks no HTTP (rest does), and knows no WASM.
//!
//! Invariants:
//! - A request that answered `Ok` is durable.
//! - At most one job works on a connector; a change during it is followed by another.
//! - A task's generation was durable before the task started, so that no two sessions ever share one.

mod client_overrides;
mod common_keys;
pub mod config_provider;
mod connector_state;
mod dead_letters;
mod error;
mod herder;
mod job;
mod lag;
mod listener;
mod metrics;
mod offsets;
mod overview;
mod reload;
mod requests;
mod restart;
mod secret_keys;
mod state_loop;
mod status_writer;
mod upgrade;
mod validation;

pub use client_overrides::ClientConfigOverridePolicy;
pub use common_keys::{KAFKA_VERSION, config_def as common_config_def, converter_key_names};
pub use config_provider::{ConfigProvider, ConfigProviderError, ConfigTransformer};
pub use connector_state::{ConnectorInfo, ConnectorStatus, StateInfo, TaskInfo};
pub use dead_letters::{
    DeadLetterInfo, REDRIVE_LETTERS_MAX, RedriveAnswer, RedriveLetter, RedriveRequest, RedriveResult,
};
pub use error::HerderError;
pub use herder::{Create, GivenConfig, Herder, HerderConfig, HerderContext, RestartRequest};
pub use offsets::{AlteredOffsets, ConnectorOffset};
pub use overview::{ConnectorOverview, Overview, Started, Startups};
pub use restart::RestartPolicy;
pub use sluice_storage::{State, TargetState};
pub use sluice_worker::{
    Edit, INSPECT_RECORDS_MAX, InspectedTask, LetterOutcome, PartitionLag, StageRecords, TimeLeft,
};
pub use validation::{ConfigInfo, ConfigInfos, WorkerDefaults};
