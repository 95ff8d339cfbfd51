//! Metric names and events: one happening, one log line, one metric.
//!
//! [`metric`] holds every metric's name, [`event`] the happenings that are both logged and counted, [`setup`] turns
//! tracing and the Prometheus recorder on, [`loggers`] changes log levels while it runs, [`fail_point`] stops the process where a test says so.
//!
//! What it is not: it decides nothing and keeps nothing but counters.

pub mod event;
pub mod fail_point;
pub mod loggers;
pub mod metric;
pub mod setup;

pub use loggers::{LoggerLevel, Loggers};
pub use metric::{SinkTaskMetrics, SourceTaskMetrics, TaskErrorMetrics};
pub use setup::{LogFormat, MetricsHandle, SetupError, init_metrics, init_tracing};
