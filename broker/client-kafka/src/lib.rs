//! The broker's traits over an external Apache Kafka (3.0 and newer, or a cluster that speaks its protocol), through
//! librdkafka.
//!
//! [`KafkaBroker`] implements `sluice_client::Broker`. What the embedded log does by itself, Kafka's own means do here:
//! - An append is a transaction under the producer's `transactional.id`; appends that wait for the same producer share
//!   one, in their order. It is acknowledged when its transaction has committed. Group offsets go by
//!   `TxnOffsetCommit`. Source: KIP-98, KIP-447.
//! - Fetches are `read_committed`: the high watermark is the last stable offset, and offsets of transaction markers and of
//!   aborted records hold nothing. Batches without records stand for them, so a reader gets past.
//! - Durable means what the cluster's `acks=all` and `min.insync.replicas` mean.
//!
//! Beside it, [`tools`] is what the command line asks of any cluster; the runtime uses nothing of it.
//!
//! What the broker is not: a general Kafka client. librdkafka takes and gives single records, so batches are taken apart and built
//! anew; what a Kafka producer wrote arrives with the same records, offsets and timestamps, but in other batches.
//!
//! Where it differs from the embedded log:
//! - A record with timestamp 0 gets the time of its append: librdkafka takes 0 for "none given".
//! - What was acknowledged can be read, and its group offsets be seen, a moment later: Kafka writes a transaction's markers
//!   after it has answered the commit. A new producer of the same id waits for its predecessor's markers.
//! - The high watermark in a fetch is what was last heard of; more may be there.
//! - An older producer learns that it was fenced by another process from its next acknowledgement, not from `send`.
//! - Compressed batches handed to an append are refused; what is on the wire is compressed by `compression.type`.
//!
//! Invariants:
//! - No call into librdkafka that may wait runs on a thread that drives futures: producers have a thread of their own,
//!   everything else goes to the blocking pool.
//! - An append that failed has left nothing: its transaction was aborted, or it was never begun.

mod admin;
mod broker;
mod chain;
mod config;
mod consumer;
mod error;
mod log;
#[allow(unsafe_code)]
mod native;
mod producer;
mod reader;
pub mod tools;
mod topics;
mod transaction;

pub use broker::KafkaBroker;
pub use config::KafkaConfig;
pub use error::ConnectError;
