//! What each operation can do to its caller.

use sluice_protocol::BatchError;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot {action} {name}")]
    Io { action: &'static str, name: String, source: std::io::Error },
    #[error("data directory {dir} is in use by process {pid}; stop it or choose another --data-dir")]
    Locked { dir: String, pid: String },
    #[error(
        "data directory {dir} was written by a newer version (format {found}, this build reads up to {known}); upgrade"
    )]
    NewerFormat { dir: String, found: u32, known: u32 },
    #[error("{name} in the log directory is none of the log's files, or there twice; move it elsewhere")]
    Foreign { name: String },
    #[error("{name} in the data directory is damaged: {reason}; restore it from a backup")]
    Damaged { name: String, reason: String },
}

/// `part` is the number of the offending part within the append.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogAppendError {
    #[error("part {part}: the topic or partition does not exist")]
    UnknownPartition { part: usize },
    #[error("part {part}: a record batch of {size_bytes} bytes is above max.message.bytes={limit_bytes}")]
    TooLarge { part: usize, size_bytes: usize, limit_bytes: usize },
    #[error("part {part}: not a valid record batch")]
    Corrupt { part: usize, source: BatchError },
    #[error("part {part}: a record without a key cannot be kept in a compacted topic")]
    MissingKey { part: usize },
    #[error("part {part}: producer {producer_id} sent sequence {found}, but {expected} comes next")]
    OutOfOrderSequence { part: usize, producer_id: i64, expected: i32, found: i32 },
    #[error("part {part}: epoch {epoch} of producer {producer_id} is over, the current one is {current_epoch}")]
    ProducerEpochOver { part: usize, producer_id: i64, epoch: i16, current_epoch: i16 },
    #[error("part {part}: producer {producer_id} has an open transaction, to which this batch does not belong")]
    OutsideTransaction { part: usize, producer_id: i64 },
    #[error("an append of {size_bytes} bytes is above the limit of {limit_bytes}; split it")]
    AppendTooLarge { size_bytes: usize, limit_bytes: usize },
    /// Nothing landed; it may be tried again.
    #[error("the log cannot take records now: {reason}")]
    Unavailable { reason: String },
    #[error("the log is poisoned after a failed write and must be reopened: {reason}")]
    Poisoned { reason: String },
    #[error("the log is closed")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum LogReadError {
    #[error("the topic or partition does not exist")]
    UnknownPartition,
    #[error("offset {offset} is outside {log_start_offset}..{high_watermark}")]
    OutOfRange { offset: i64, log_start_offset: i64, high_watermark: i64 },
    /// Acknowledged data that is no longer what was written.
    #[error("damaged at offset {offset}: {reason}")]
    Corrupt { offset: i64, reason: String },
    #[error("cannot read the log")]
    Io(#[from] std::io::Error),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("the topic already exists")]
    Exists,
    #[error("the topic does not exist")]
    Unknown,
    #[error("{0}")]
    Invalid(String),
    #[error("the log cannot take changes now: {reason}")]
    Unavailable { reason: String },
}
