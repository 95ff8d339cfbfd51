//! The write-ahead log: append, recovery, retention, compaction.

mod block;
mod cleaner;
mod config;
mod datadir;
mod error;
mod fail;
mod files;
mod housekeeping;
mod index;
mod log;
mod open;
mod prepare;
mod queue;
mod read;
mod recovery;
pub mod sim;
mod storage;
mod topics;
mod wal;
mod writer;

pub use config::{Durability, LogOptions, MAX_MESSAGE_BYTES_DEFAULT};
pub use datadir::DataDir;
pub use error::{LogAppendError, LogReadError, OpenError, TopicError};
pub use fail::{Clock, FailPoints, SystemClock};
pub use index::Damage;
pub use log::{Log, LogPart, LogParts, Observer, PartitionInfo};
pub use queue::{AppendChain, Done};
pub use read::LogRead;
pub use recovery::{DamagedBlock, LostOffsets, RecoveryReport, TornTail};
pub use storage::{DirStorage, Storage, StorageFile};
pub use topics::TopicInfo;

/// A topic's identity: a topic that was deleted and created again under the same name has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);
