//! Metric names and events: one happening, one log line, one metric.
//!
//! [`metric`] holds the names of the tasks' metrics, [`meter`] what is counted under them, [`registry`] shows them;
//! [`task_time`] tells guests' time from the host's; [`event`] has the happenings that are both logged and counted, [`setup`]
//! turns tracing on, [`loggers`] changes log levels while it runs, [`fail_point`] stops the process where a test says so.
//!
//! What it is not: it decides nothing and keeps nothing but counters.

pub mod event;
pub mod fail_point;
pub mod loggers;
pub mod meter;
pub mod metric;
pub mod registry;
pub mod setup;
pub mod task_time;
pub mod text;

pub use loggers::{LoggerLevel, Loggers};
pub use meter::{Meter, Shown};
pub use metric::{SinkTaskMetrics, SourceTaskMetrics, TaskErrorMetrics, TaskInfo, TaskMetrics};
pub use registry::render;
pub use setup::{LogFormat, SetupError, init_tracing};
pub use text::MetricsText;
