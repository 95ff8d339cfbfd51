//! Names and handles of metrics: Kafka's groups and attributes with underscores, counters end in `_total`.

use metrics::{Counter, Gauge, counter, gauge};

macro_rules! handles {
    ($(#[$doc:meta])* $name:ident, $group:literal { $($field:ident: $kind:ident = $attribute:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            $(pub $field: $kind,)*
        }

        impl $name {
            /// Registers the series of one task.
            #[must_use]
            pub fn new(connector: &str, task: u32) -> Self {
                let (connector, task) = (connector.to_owned(), task.to_string());
                Self { $($field: handles!(@$kind concat!("kafka_connect_", $group, "_", $attribute), connector, task),)* }
            }
        }
    };
    (@Counter $name:expr, $connector:ident, $task:ident) => {
        counter!($name, "connector" => $connector.clone(), "task" => $task.clone())
    };
    (@Gauge $name:expr, $connector:ident, $task:ident) => {
        gauge!($name, "connector" => $connector.clone(), "task" => $task.clone())
    };
}

handles! {
    /// Source: Kafka `source-task-metrics`.
    SourceTaskMetrics, "source_task_metrics" {
        record_poll: Counter = "source_record_poll_total",
        record_write: Counter = "source_record_write_total",
        record_active: Gauge = "source_record_active_count",
        poll_batch_max_time_ms: Gauge = "poll_batch_max_time_ms",
    }
}

handles! {
    /// Source: Kafka `sink-task-metrics`.
    SinkTaskMetrics, "sink_task_metrics" {
        record_read: Counter = "sink_record_read_total",
        record_send: Counter = "sink_record_send_total",
        record_active: Gauge = "sink_record_active_count",
        record_lag_max: Gauge = "sink_record_lag_max",
        partition_count: Gauge = "partition_count",
        offset_commit_completion: Counter = "offset_commit_completion_total",
        put_batch_max_time_ms: Gauge = "put_batch_max_time_ms",
        gap_records: Counter = "gap_records_total",
    }
}

handles! {
    /// Source: Kafka `task-error-metrics`.
    TaskErrorMetrics, "task_error_metrics" {
        record_failures: Counter = "total_record_failures",
        record_errors: Counter = "total_record_errors",
        records_skipped: Counter = "total_records_skipped",
        retries: Counter = "total_retries",
        errors_logged: Counter = "total_errors_logged",
        dead_letter_requests: Counter = "deadletterqueue_produce_requests",
        dead_letter_failures: Counter = "deadletterqueue_produce_failures",
        last_error_timestamp: Gauge = "last_error_timestamp",
    }
}

/// One series per state with 0 or 1, so that a failed task's series does not vanish.
pub const TASK_STATUS: &str = "kafka_connect_connector_task_status";
/// Every state that [`TASK_STATUS`] has, as `/status` spells it.
pub const TASK_STATES: [&str; 5] = ["UNASSIGNED", "RUNNING", "PAUSED", "FAILED", "RESTARTING"];

/// Shows `state` as the only one of the task.
pub fn set_task_status(connector: &str, task: u32, state: &str) {
    for status in TASK_STATES {
        let labels =
            [("connector", connector.to_owned()), ("task", task.to_string()), ("status", status.to_lowercase())];
        gauge!(TASK_STATUS, &labels).set(if status == state { 1.0 } else { 0.0 });
    }
}
