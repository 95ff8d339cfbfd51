//! Names of the tasks' metrics: Kafka's groups and attributes with underscores; `sluice_…` is ours.
//!
//! What a connector or a whole hub shows (states, counts, the memory budget) is made by the herder when somebody asks.

use crate::meter::{Meter, Shown};
use crate::registry;

/// A metric's name, which number of the meter it is, and the meter.
pub(crate) type ShownMeter<M> = (&'static str, Shown, fn(&M) -> &Meter);

macro_rules! metrics {
    ($(#[$doc:meta])* $name:ident in $slot:ident {
        $($(#[$field_doc:meta])* $field:ident { $($metric:literal: $shown:ident),+ })*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Meter,)*
        }

        impl $name {
            /// Every number that is shown of one task.
            pub(crate) const SHOWN: &[ShownMeter<Self>] =
                &[$($(($metric, Shown::$shown, |metrics| &metrics.$field),)+)*];

            /// Those of one task, made or found: a task that is started again goes on counting.
            #[must_use]
            pub fn new(connector: &str, task: u32) -> Self {
                registry::of_task(connector, task, |series| series.$slot.get_or_insert_default().clone())
            }
        }
    };
}

metrics! {
    /// Source: Kafka `source-task-metrics`.
    SourceTaskMetrics in source {
        record_poll {
            "kafka_connect_source_task_metrics_source_record_poll_total": Total,
            "kafka_connect_source_task_metrics_source_record_poll_rate": Rate
        }
        record_write {
            "kafka_connect_source_task_metrics_source_record_write_total": Total,
            "kafka_connect_source_task_metrics_source_record_write_rate": Rate
        }
        /// Polled, and not durable yet.
        record_active {
            "kafka_connect_source_task_metrics_source_record_active_count": Last,
            "kafka_connect_source_task_metrics_source_record_active_count_max": Max,
            "kafka_connect_source_task_metrics_source_record_active_count_avg": Avg
        }
        poll_batch_time_ms {
            "kafka_connect_source_task_metrics_poll_batch_max_time_ms": Max,
            "kafka_connect_source_task_metrics_poll_batch_avg_time_ms": Avg
        }
        /// Records of one append: each is a transaction.
        transaction_size {
            "kafka_connect_source_task_metrics_transaction_size_min": Min,
            "kafka_connect_source_task_metrics_transaction_size_max": Max,
            "kafka_connect_source_task_metrics_transaction_size_avg": Avg
        }
        /// Of record batches, offsets and dead letters included.
        bytes_written { "sluice_source_task_metrics_bytes_written_total": Total }
    }
}

metrics! {
    /// Source: Kafka `sink-task-metrics`.
    SinkTaskMetrics in sink {
        record_read {
            "kafka_connect_sink_task_metrics_sink_record_read_total": Total,
            "kafka_connect_sink_task_metrics_sink_record_read_rate": Rate
        }
        record_send {
            "kafka_connect_sink_task_metrics_sink_record_send_total": Total,
            "kafka_connect_sink_task_metrics_sink_record_send_rate": Rate
        }
        /// Offsets that were read and are not committed yet.
        record_active {
            "kafka_connect_sink_task_metrics_sink_record_active_count": Last,
            "kafka_connect_sink_task_metrics_sink_record_active_count_max": Max,
            "kafka_connect_sink_task_metrics_sink_record_active_count_avg": Avg
        }
        record_lag_max { "kafka_connect_sink_task_metrics_sink_record_lag_max": Last }
        partition_count { "kafka_connect_sink_task_metrics_partition_count": Last }
        offset_commit_completion {
            "kafka_connect_sink_task_metrics_offset_commit_completion_total": Total,
            "kafka_connect_sink_task_metrics_offset_commit_completion_rate": Rate,
            "kafka_connect_sink_task_metrics_offset_commit_seq_no": Total
        }
        /// Commits that came too late: never here, since a commit is waited for.
        offset_commit_skip {
            "kafka_connect_sink_task_metrics_offset_commit_skip_total": Total,
            "kafka_connect_sink_task_metrics_offset_commit_skip_rate": Rate
        }
        put_batch_time_ms {
            "kafka_connect_sink_task_metrics_put_batch_max_time_ms": Max,
            "kafka_connect_sink_task_metrics_put_batch_avg_time_ms": Avg
        }
        gap_records { "kafka_connect_sink_task_metrics_gap_records_total": Total }
        /// Of record batches, as they lie in the log.
        bytes_read { "sluice_sink_task_metrics_bytes_read_total": Total }
    }
}

metrics! {
    /// Source: Kafka `connector-task-metrics`.
    TaskMetrics in task {
        /// 1 while the task runs.
        running { "kafka_connect_connector_task_metrics_running_ratio": Share }
        /// 1 while it is paused.
        paused { "kafka_connect_connector_task_metrics_pause_ratio": Share }
        offset_commit_time_ms {
            "kafka_connect_connector_task_metrics_offset_commit_max_time_ms": Max,
            "kafka_connect_connector_task_metrics_offset_commit_avg_time_ms": Avg
        }
        /// 1 for a commit that landed, 0 for one that did not.
        offset_commit_success {
            "kafka_connect_connector_task_metrics_offset_commit_success_percentage": Avg,
            "kafka_connect_connector_task_metrics_offset_commit_failure_percentage": Rest
        }
        /// Records of one poll or put.
        batch_size {
            "kafka_connect_connector_task_metrics_batch_size_max": Max,
            "kafka_connect_connector_task_metrics_batch_size_avg": Avg
        }
        /// Told each time that records are durable where they should go.
        success { "sluice_task_metrics_time_since_last_success_seconds": Age }
        /// Threads' time for this task, guests included.
        busy_seconds { "sluice_task_metrics_busy_seconds_total": Total }
        /// Of that in calls of guests: what is left is the host's.
        guest_seconds { "sluice_task_metrics_guest_seconds_total": Total }
    }
}

metrics! {
    /// Source: Kafka `task-error-metrics`.
    TaskErrorMetrics in errors {
        record_failures { "kafka_connect_task_error_metrics_total_record_failures": Total }
        record_errors { "kafka_connect_task_error_metrics_total_record_errors": Total }
        records_skipped { "kafka_connect_task_error_metrics_total_records_skipped": Total }
        retries { "kafka_connect_task_error_metrics_total_retries": Total }
        errors_logged { "kafka_connect_task_error_metrics_total_errors_logged": Total }
        dead_letter_requests { "kafka_connect_task_error_metrics_deadletterqueue_produce_requests": Total }
        dead_letter_failures { "kafka_connect_task_error_metrics_deadletterqueue_produce_failures": Total }
        last_error_timestamp { "kafka_connect_task_error_metrics_last_error_timestamp": Last }
    }
}

/// Labels of a series that is always 1.
pub type Labels = Vec<(&'static str, String)>;

type InfoOf = fn(&TaskInfo) -> &[Labels];

/// Of what a task is made: classes and versions, each a series of value 1.
#[derive(Debug, Clone, Default)]
pub struct TaskInfo {
    /// Of the task, its connector and its converters.
    pub task: Labels,
    /// One for each transformation.
    pub transforms: Vec<Labels>,
    pub predicates: Vec<Labels>,
}

impl TaskInfo {
    pub(crate) const SHOWN: &[(&str, InfoOf)] = &[
        ("kafka_connect_connector_task_metrics_info", |info| std::slice::from_ref(&info.task)),
        ("kafka_connect_connector_transform_metrics_info", |info| &info.transforms),
        ("kafka_connect_connector_predicate_metrics_info", |info| &info.predicates),
    ];

    /// Shows it until the task is forgotten or says something else.
    pub fn show(self, connector: &str, task: u32) {
        registry::of_task(connector, task, |series| series.info = Some(self));
    }
}
