//! Starts the real `sluice` binary for tests, the demo and the benches, talks to it as a user would, and looks at what it delivered.
//!
//! It is no second implementation of anything: the hub is the real process, databases are real SQLite files, objects are read by
//! the Parquet crate, an Apache Kafka is the one of the broker's contract suite. Nothing here knows a crate of the runtime.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use sluice_harness::{Hub, Scratch};
//!
//! let scratch = Scratch::new()?;
//! let hub = Hub::at(scratch.path("data")).start().await?;
//! hub.rest().create("lines", &serde_json::json!({"connector.class": "FileStreamSource", "file": "a.txt", "topic": "t"})).await?;
//! hub.rest().until_running("lines", 1).await?;
//! # Ok(())
//! # }
//! ```

mod access_log;
mod binary;
mod connect_worker;
mod hub;
mod objects;
mod orders;
mod pipeline;
mod random;
mod rest;
mod scratch;
mod sequence;
mod sqlite;
mod wait;

pub use access_log::{AccessLog, LogFile};
pub use binary::{binary, target_folder};
pub use connect_worker::{ConnectOptions, ConnectWorker};
pub use hub::{Hub, HubOptions, Usage, free_port};
pub use objects::{object_names, parquet_integers, parquet_rows, parquet_strings};
pub use orders::Orders;
pub use pipeline::{Arrived, Delivered, Feed, Pipeline};
pub use random::Random;
pub use reqwest::Method;
pub use rest::{Answer, Rest};
pub use scratch::Scratch;
pub use sequence::Sequence;
pub use sluice_contract::apache_kafka::{self, ApacheKafka};
pub use sqlite::Sqlite;
pub use wait::until;
