//! Kafka Connect's transformations, on columns.
