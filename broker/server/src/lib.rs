//! Kafka's wire protocol on TCP, over the embedded broker.
//!
//! A [`Server`] listens on one or several addresses and answers any Kafka client out of one `EmbeddedBroker`. The table
//! of APIs and versions stands in `broker/README.md`.
//!
//! What it is not: it keeps no records and no topics of its own, it knows nothing of Connect, and it has neither TLS
//! nor authentication yet, so it belongs on loopback or a trusted network.
//!
//! Invariants:
//! - A request's length and every count in it are checked before anything is allocated for them; what all connections
//!   hold together is bounded ([`Limits`]).
//! - Requests of one connection are answered in their order. Produce requests of one connection enter the log in their
//!   order, without waiting for each other's disk; every other request begins when those before it are answered.
//! - Record batches pass through: header and CRC are checked, offsets assigned, nothing is decompressed or rewritten
//!   (but for the time of their append, where a topic asks for it).
//! - A client that misbehaves loses its own connection and nobody else's.

mod config;
mod connection;
mod dispatch;
mod error;
mod frame;
mod handlers;
mod memory;
mod metrics;
mod pacing;
mod server;

pub use config::{Endpoint, Limits, Listener, ServerConfig};
pub use dispatch::{SUPPORTED_APIS, SupportedApi};
pub use metrics::broker_metrics;
pub use server::{Server, ServerError};
