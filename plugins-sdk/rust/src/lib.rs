//! What a connector's author writes against.
//!
//! A source is two traits and one macro; a sink and a transformation likewise. Data stays with the host: a [`Batch`] is a
//! handle on Arrow columns, and bytes cross only where a function says so. A whole source:
//!
//! ```
//! use sluice_plugin_sdk::*;
//!
//! struct Ticks;
//!
//! impl Source for Ticks {
//!     type Task = TicksTask;
//!
//!     fn definition() -> Definition {
//!         Definition::source("TicksConnector", env!("CARGO_PKG_VERSION"), "Counts up, one row a call.")
//!             .key(ConfigKey::string("topic", "Where the rows go.").required().high())
//!             .key(ConfigKey::long("from", "The first number.").default(0))
//!     }
//! }
//!
//! struct TicksTask {
//!     topic: String,
//!     next: i64,
//! }
//!
//! impl SourceTask for TicksTask {
//!     fn open(config: &Config) -> Result<Self> {
//!         let stored = context::stored_offset(&json!({"ticks": "all"}));
//!         let next = stored.and_then(|offset| offset["next"].as_i64());
//!         Ok(Self { topic: config.string("topic")?.to_owned(), next: next.unwrap_or(config.int("from")?) })
//!     }
//!
//!     fn poll(&mut self) -> Result<Poll> {
//!         let batch = BatchBuilder::new(&self.topic).column("tick", Column::int64(vec![self.next])).build()?;
//!         self.next += 1;
//!         Ok(Poll::batch(batch, SourceOffset::new(&json!({"ticks": "all"}), &json!({"next": self.next}))))
//!     }
//! }
//!
//! export_source!(Ticks);
//! # fn main() {}
//! ```
//!
//! and a sink that appends JSON lines to a granted file (`export_sink!`):
//!
//! ```
//! use sluice_plugin_sdk::*;
//!
//! struct Lines {
//!     path: String,
//! }
//!
//! impl Sink for Lines {
//!     type Task = Self;
//!
//!     fn definition() -> Definition {
//!         Definition::sink("LinesConnector", env!("CARGO_PKG_VERSION"), "Appends records to a file as JSON lines.")
//!             .key(ConfigKey::string("path", "The file.").required().high().grants("file.path"))
//!             .capability("file")
//!     }
//! }
//!
//! impl SinkTask for Lines {
//!     fn open(config: &Config, _assignment: &[TopicPartition]) -> Result<Self> {
//!         Ok(Self { path: config.string("path")?.to_owned() })
//!     }
//!
//!     fn put(&mut self, _delivery: &Delivery, batches: &[Batch]) -> Result<Vec<RecordFailure>> {
//!         let writer = Writer::open("json", &[], file::append(&self.path)?)?;
//!         for batch in batches {
//!             writer.write(batch)?;
//!         }
//!         Writer::finish(writer)?;
//!         Ok(Vec::new())
//!     }
//! }
//!
//! export_sink!(Lines);
//! # fn main() {}
//! ```
//!
//! Rules of the sandbox: what a guest imports must stand in its definition's capabilities; keys marked with
//! [`ConfigKey::grants`] tell the host what to open, and secrets among them never reach the guest. There is no clock, no
//! randomness and no thread of its own: use [`clock`] and [`random`]. A panic fails the task with its message.
//!
//! Guests compile for the host too, so that pure logic is unit-tested there; calls into the host then panic.

pub mod batch;
#[doc(hidden)]
pub mod bindings;
pub mod config;
pub mod context;
pub mod definition;
pub mod error;
mod guest;
pub mod log;
pub mod sink;
pub mod source;
pub mod transform;

pub use batch::{Batch, BatchBuilder, BytesColumn, Column, ColumnValues, Group, NamedColumn};
pub use bindings::imports::sluice::connector::deliveries::Delivery;
pub use bindings::imports::sluice::connector::types::{PartitionOffset, RecordFailure, SourceOffset, TopicPartition};
pub use bindings::imports::sluice::connector::{clock, metrics, random};
pub use bindings::imports::sluice::data::operations::Operation;
pub use bindings::imports::sluice::data::writers::{Output, Writer};
pub use bindings::imports::sluice::file::files as file;
pub use bindings::imports::sluice::http::http;
pub use bindings::imports::sluice::object_store::object_store;
pub use bindings::imports::sluice::sql::sql;
pub use config::Config;
pub use definition::{Capabilities, ConfigKey, Definition, Problem, TaskConfigs};
pub use error::{Error, ErrorExt, ErrorKind, Result};
pub use serde_json::{Value, json};
pub use sink::{Sink, SinkTask};
pub use source::{Poll, Source, SourceTask};
pub use transform::Transform;

impl RecordFailure {
    /// The row with this id was refused.
    #[must_use]
    pub fn new(row_id: i64, error: Error) -> Self {
        Self { row_id, details: error.into_details() }
    }
}
