//! Kafka's wire formats, without sockets or a clock.
