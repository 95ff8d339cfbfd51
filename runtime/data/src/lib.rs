//! The record model: one shape for every record between a source and a sink.
//!
//! A [`ConnectBatch`] is an Arrow `RecordBatch` with fixed top-level columns; a [`ConnectSchema`] is Connect's `Schema`,
//! and [`schema`] holds the one table that maps it to Arrow. Names and identities are newtypes in [`id`].
//!
//! What it is not: it knows no bytes on a wire (converters do), no log, no WASM, and does no I/O.

pub mod batch;
pub mod calendar;
pub mod column;
pub mod date_format;
pub mod headers;
pub mod id;
pub mod number;
pub mod offset;
pub mod schema;
pub mod values;

pub use batch::{BatchError, ConnectBatch, ConnectBatchBuilder};
pub use id::{ConnectorName, TaskId};
pub use offset::{SourceOffset, SourcePartition};
pub use schema::{ConnectSchema, SchemaError, SchemaType};
