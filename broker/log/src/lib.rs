//! The write-ahead log: append, recovery, retention, compaction.
//!
//! One log for all partitions, written by one thread with group commit; its files are the store. The byte tables, the
//! invariants and the rules of recovery stand in this crate's README.
//!
//! What it is not: it opens no socket, replicates nothing, knows no consumer groups, and has no clock, randomness or
//! disk of its own: [`Clock`], topic ids and [`Storage`] are passed in.
//!
//! ```
//! use sluice_log::{FailPoints, Log, LogOptions, LogPart, LogParts, SystemClock, TopicId, TopicInfo, sim::SimDisk};
//! use std::sync::{Arc, mpsc::channel};
//!
//! let (log, report) = Log::open(LogParts {
//!     storage: Arc::new(SimDisk::new()),
//!     clock: Arc::new(SystemClock),
//!     fail_points: FailPoints::default(),
//!     observer: Arc::new(()),
//!     options: LogOptions::default(),
//! })?;
//! assert!(report.clean);
//! let topic = TopicId([1; 16]);
//! let (done, created) = channel();
//! let info = TopicInfo { name: "orders".into(), id: topic, partitions: 1, config: Default::default() };
//! log.create_topic(info, move |outcome| done.send(outcome).unwrap());
//! created.recv()??;
//!
//! let mut batch = sluice_protocol::RecordBatchBuilder::new(1 << 20);
//! batch.push(0, Some(b"key"), Some(b"value"))?;
//! let part = LogPart { topic, partition: 0, records: batch.finish() };
//! let (done, durable) = channel();
//! log.append(&[part], None, Box::new(move |outcome| done.send(outcome).unwrap()))?;
//! assert_eq!(durable.recv()??, [0]);
//! assert!(!log.read(topic, 0, 0, 1 << 20)?.records.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod cleaner;
mod config;
mod datadir;
mod error;
mod fail;
mod files;
mod housekeeping;
mod in_place;
mod index;
mod inflate;
mod latency;
mod listing;
mod log;
pub mod offline;
mod open;
mod prepare;
mod producers;
mod queue;
mod read;
mod recovery;
mod sidecar;
pub mod sim;
mod storage;
mod topics;
mod transactions;
mod wal;
mod writer;

pub use config::{
    Durability, LogOptions, MAX_MESSAGE_BYTES_DEFAULT, RETENTION_MS_DEFAULT, WITHOUT_EFFECT, check_topic_config,
    check_topic_name,
};
pub use datadir::DataDir;
pub use error::{LogAppendError, LogReadError, OpenError, TopicError};
pub use fail::{Clock, FailPoints, SystemClock};
pub use in_place::{FileRange, Piece, PiecesRead};
pub use index::Damage;
pub use latency::{Histogram, HistogramSnapshot};
pub use log::{Log, LogPart, LogParts, Observer, PartitionInfo, TopicFacts};
pub use producers::ProducerInfo;
pub use queue::{AppendChain, Done, Unseen};
pub use read::{CommittedRead, LogRead};
pub use recovery::{DamagedBlock, LostOffsets, MissingBytes, RecoveryReport, TornTail};
pub use storage::{DirStorage, DiskMetrics, Storage, StorageFile};
pub use topics::TopicInfo;
pub use transactions::{AbortedIndex, AbortedTransaction};

/// A topic's identity: a topic that was deleted and created again under the same name has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);
