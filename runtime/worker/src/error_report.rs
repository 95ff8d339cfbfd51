//! Records that fail: counted, logged, and then skipped or fatal by `errors.tolerance`. Source: Kafka `ErrorReporter`,
//! `ProcessingContext`.

use crate::clock::Clock;
use crate::task_config::{ErrorConfig, ErrorTolerance};
use crate::task_error::TaskError;
use sluice_data::TaskId;
use sluice_telemetry::TaskErrorMetrics;
use sluice_telemetry::event::{OperationRetried, RecordCoordinates, RecordsFailed, TaskLabels};
use std::sync::Arc;
use std::time::Duration;

/// Names of the context headers, and the values that are alike for all.
const LETTER_OVERHEAD_BYTES: usize = 512;

/// Kafka's names of the places where a record can fail. Source: `Stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    TaskPoll,
    Transformation,
    KeyConverter,
    ValueConverter,
    HeaderConverter,
    KafkaProduce,
    TaskPut,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskPoll => "TASK_POLL",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
            Self::TaskPut => "TASK_PUT",
        }
    }
}

/// One record that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordError {
    /// For sinks the offset.
    pub row_id: i64,
    pub stage: Stage,
    /// What was executing: a class name.
    pub class: Arc<str>,
    /// Stable identifier of the reason.
    pub code: String,
    pub reason: String,
}

impl RecordError {
    /// About what this and its dead letter take, beside the record's own bytes.
    pub fn letter_bytes(&self) -> usize {
        // Class and code stand in it twice, the reason three times.
        size_of::<Self>() + LETTER_OVERHEAD_BYTES + 2 * (self.class.len() + self.code.len()) + 3 * self.reason.len()
    }
}

/// Where a sink's records come from; sources have none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub topic: &'a str,
    pub partition: i32,
}

pub(crate) struct ErrorReporter {
    id: TaskId,
    pub config: ErrorConfig,
    pub metrics: TaskErrorMetrics,
    clock: Arc<dyn Clock>,
}

impl ErrorReporter {
    pub fn new(id: &TaskId, config: ErrorConfig, clock: Arc<dyn Clock>) -> Self {
        let metrics = TaskErrorMetrics::new(id.connector.as_str(), id.index);
        Self { id: id.clone(), config, metrics, clock }
    }

    /// Counts and logs a failed record.
    ///
    /// # Errors
    /// [`TaskError::ToleranceExceeded`] unless `errors.tolerance=all`.
    pub fn report(&self, error: &RecordError, origin: Option<Origin<'_>>) -> Result<(), TaskError> {
        let coordinates = |Origin { topic, partition }| RecordCoordinates { topic, partition, offset: error.row_id };
        let failed = RecordsFailed {
            labels: self.labels(),
            stage: error.stage.name(),
            class: &error.class,
            count: 1,
            record: origin.map(coordinates),
            reason: &error.reason,
            logged: self.config.log_enable,
            now_ms: self.clock.now_ms(),
        };
        failed.emit(&self.metrics);
        if self.config.tolerance == ErrorTolerance::All {
            self.metrics.records_skipped.increment(1);
            return Ok(());
        }
        self.metrics.record_failures.increment(1);
        let record = match origin {
            Some(Origin { topic, partition }) => format!("offset {} of {topic}-{partition}", error.row_id),
            None => format!("record {} of a poll", error.row_id),
        };
        let (stage, class, reason) = (error.stage.name(), error.class.to_string(), error.reason.clone());
        Err(TaskError::ToleranceExceeded { stage, class, record, reason })
    }

    /// `record`: the first one that the operation is about.
    pub fn retried(
        &self,
        (operation, attempt): (&str, u32),
        delay: Duration,
        reason: &str,
        record: Option<RecordCoordinates<'_>>,
    ) {
        let delay_ms = delay.as_millis() as u64;
        OperationRetried { labels: self.labels(), operation, attempt, delay_ms, reason, record }.emit(&self.metrics);
    }

    pub fn labels(&self) -> TaskLabels<'_> {
        TaskLabels { connector: self.id.connector.as_str(), task: self.id.index }
    }
}
