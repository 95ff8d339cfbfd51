//! Happenings that are logged and counted together, so that the two cannot disagree.

use crate::metric::{SinkTaskMetrics, TaskErrorMetrics, TaskMetrics};
use tracing::{error, info, warn};

/// Whose happening it is.
#[derive(Debug, Clone, Copy)]
pub struct TaskLabels<'a> {
    pub connector: &'a str,
    pub task: u32,
}

/// Records that could not be converted, transformed or put.
pub struct RecordsFailed<'a> {
    pub labels: TaskLabels<'a>,
    /// Kafka's name: `VALUE_CONVERTER`, `TRANSFORMATION`, `TASK_PUT`, …
    pub stage: &'a str,
    /// What was executing.
    pub class: &'a str,
    pub count: u64,
    /// Where the first of them is, where that is known.
    pub record: Option<RecordCoordinates<'a>>,
    pub reason: &'a str,
    /// `errors.log.enable`.
    pub logged: bool,
    pub now_ms: i64,
}

/// Kafka's `{topic=…, partition=…, offset=…, timestamp=…}`.
#[derive(Debug, Clone, Copy)]
pub struct RecordCoordinates<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
}

impl RecordsFailed<'_> {
    pub fn emit(&self, metrics: &TaskErrorMetrics) {
        metrics.record_errors.increment(self.count);
        metrics.last_error_timestamp.set(self.now_ms as f64);
        if !self.logged {
            return;
        }
        metrics.errors_logged.increment(self.count);
        let Self { labels, stage, class, count, reason, .. } = self;
        let TaskLabels { connector, task } = labels;
        match self.record {
            Some(RecordCoordinates { topic, partition, offset }) => error!(
                connector,
                task,
                topic,
                partition,
                offset,
                count,
                "Error encountered in task {connector}-{task}. Executing stage '{stage}' with class '{class}', where \
                 consumed record is {{topic='{topic}', partition={partition}, offset={offset}}}: {reason}"
            ),
            None => error!(
                connector,
                task,
                count,
                "Error encountered in task {connector}-{task}. Executing stage '{stage}' with class '{class}': {reason}"
            ),
        }
    }
}

/// Something is tried again.
pub struct OperationRetried<'a> {
    pub labels: TaskLabels<'a>,
    pub operation: &'a str,
    pub attempt: u32,
    pub delay_ms: u64,
    pub reason: &'a str,
    /// The first record that it is about, where that is known.
    pub record: Option<RecordCoordinates<'a>>,
}

impl OperationRetried<'_> {
    pub fn emit(&self, metrics: &TaskErrorMetrics) {
        metrics.retries.increment(1);
        let Self { labels: TaskLabels { connector, task }, operation, attempt, delay_ms, reason, record } = self;
        let (topic, partition, offset) =
            (record.map(|it| it.topic), record.map(|it| it.partition), record.map(|it| it.offset));
        warn!(
            connector,
            task, topic, partition, offset, attempt, "{operation} failed and is tried again in {delay_ms} ms: {reason}"
        );
    }
}

/// Records were removed from a topic before a sink had read them.
pub struct GapFound<'a> {
    pub labels: TaskLabels<'a>,
    pub topic: &'a str,
    pub partition: i32,
    pub expected_offset: i64,
    pub found_offset: i64,
}

impl GapFound<'_> {
    pub fn emit(&self, metrics: &SinkTaskMetrics) {
        metrics.gap_records.increment(self.found_offset.saturating_sub(self.expected_offset).unsigned_abs());
        let Self { labels: TaskLabels { connector, task }, topic, partition, expected_offset, found_offset } = self;
        warn!(
            connector,
            task,
            topic,
            partition,
            expected_offset,
            found_offset,
            "records {expected_offset}..{found_offset} of {topic}-{partition} are gone and were never delivered"
        );
    }
}

/// A task is in another state.
pub struct TaskStateChanged<'a> {
    pub labels: TaskLabels<'a>,
    /// As `/status` spells it.
    pub state: &'a str,
    /// Empty but for failures.
    pub reason: &'a str,
}

impl TaskStateChanged<'_> {
    pub fn emit(&self, metrics: &TaskMetrics) {
        let Self { labels: TaskLabels { connector, task }, state, reason } = self;
        metrics.running.set(f64::from(*state == "RUNNING"));
        metrics.paused.set(f64::from(*state == "PAUSED"));
        if reason.is_empty() {
            info!(connector, task, state, "task {connector}-{task} is {state}");
        } else {
            error!(connector, task, state, "task {connector}-{task} is {state}: {reason}");
        }
    }
}
