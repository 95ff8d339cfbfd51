//! Schema registries: [`EmbeddedRegistry`], kept in a compacted topic of the log, and [`HttpRegistry`], a client of any that
//! speaks Confluent's REST API.
//!
//! [`records`] is the topic's format, Confluent's own, so that a topic of a Confluent registry can be moved in and out;
//! [`store`] is what those records amount to; [`wire`] holds the bodies of the REST API, which both sides share.
//!
//! What it is not: it serves no HTTP (`rest` does), and knows no language of schemas (`converters-registry` does).

mod embedded;
mod error;
mod http;
pub mod records;
mod store;
pub mod wire;

pub use embedded::{Checked, EmbeddedRegistry, Registering};
pub use error::*;
pub use http::HttpRegistry;
pub use store::{Mode, StoredVersion};

/// Schemas, levels and modes. One partition. The name that Confluent's registry uses.
pub const SCHEMAS_TOPIC: &str = "_schemas";
