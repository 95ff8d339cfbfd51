//! Why a task ends.

use crate::task_config::TaskConfigError;
use crate::task_state::TaskFailure;
use sluice_client::{AdminError, AppendError, FetchError, TopicPartition};
use sluice_connect_api::{ConnectError, ErrorKind, PluginError};
use sluice_storage::TopicLogError;
use std::error::Error;
use std::fmt::Write;

#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("the task's configuration is invalid")]
    Config(#[from] TaskConfigError),
    #[error("a plugin of the task cannot be used")]
    Plugin(#[from] PluginError),
    #[error("{operation} of {class} failed")]
    Connector { operation: &'static str, class: String, source: ConnectError },
    #[error("Tolerance exceeded in error handler: {stage} with {class} failed for {record}: {reason}")]
    ToleranceExceeded { stage: &'static str, class: String, record: String, reason: String },
    #[error("the records could not be appended")]
    Append(#[from] AppendError),
    #[error("the records could not be read")]
    Fetch(#[from] FetchError),
    #[error("the broker refused")]
    Admin(#[from] AdminError),
    #[error("offsets or plans could not be stored")]
    Storage(#[from] TopicLogError),
    #[error("a record batch of {partition} cannot be read: {reason}; the task stops rather than skip it")]
    Unreadable { partition: TopicPartition, reason: String },
    #[error(
        "records {expected}..{found} of {partition} are gone and were never delivered; set sluice.on.gap=skip to go on \
         without them, or alter the connector's offsets"
    )]
    Gap { partition: TopicPartition, expected: i64, found: i64 },
    #[error("a batch has a shape that it must not have: {reason}")]
    BadBatch { reason: String },
    #[error("the task did not stop in time and was dropped")]
    Aborted,
    #[error("the task panicked: {message}")]
    Panicked { message: String },
}

impl TaskError {
    /// Whether a later start may succeed with nothing changed.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connector { source, .. } => source.kind != ErrorKind::Rejected,
            Self::Append(error) => !matches!(error, AppendError::ProducerFenced { .. }),
            Self::Fetch(_) | Self::Admin(_) | Self::Storage(_) | Self::Aborted | Self::Panicked { .. } => true,
            Self::Config(_)
            | Self::Plugin(_)
            | Self::ToleranceExceeded { .. }
            | Self::Unreadable { .. }
            | Self::Gap { .. }
            | Self::BadBatch { .. } => false,
        }
    }

    /// Whether the log could not be reached or has no room: it may be asked the same again later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Append(error) => error.is_retriable(),
            Self::Fetch(error) => matches!(error, FetchError::Unavailable { .. }),
            Self::Admin(error) => matches!(error, AdminError::Unavailable { .. }),
            Self::Storage(error) => error.is_unavailable(),
            _ => false,
        }
    }

    #[must_use]
    pub fn to_failure(&self) -> TaskFailure {
        let mut message = self.to_string();
        let mut trace = message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(message, ": {error}");
            let _ = write!(trace, "\nCaused by: {error}");
            cause = error.source();
        }
        TaskFailure { message, trace, retriable: self.is_retriable() }
    }
}
