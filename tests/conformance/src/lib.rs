//! Sluice beside the real Apache Kafka Connect: the same input to both, and what is allowed to differ, with the reason.
//!
//! [`rest`] compares the REST API.

pub mod rest;
