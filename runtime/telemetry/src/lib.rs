//! Metric names and events: one happening, one log line, one metric.
