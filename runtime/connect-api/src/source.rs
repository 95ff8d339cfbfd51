//! Source tasks.

use crate::error::ConnectError;
use sluice_data::{ConnectBatch, SourceOffset, SourcePartition};

/// A source partition and where it stands; `None` forgets the partition.
pub type SourceOffsetPair = (SourcePartition, Option<SourceOffset>);

/// What one poll gave: all of it is appended at once, together with the offsets, or nothing is.
#[derive(Debug, Default)]
pub struct PolledBatches {
    /// Each its own topic and schema. Row ids are unique within the poll.
    pub batches: Vec<ConnectBatch>,
    /// For the whole poll. May be there without batches (skipped input).
    pub offsets: Vec<SourceOffsetPair>,
    /// Input that could not become a record (for instance an over-long line), to be handled by `errors.tolerance`.
    pub rejected: Vec<ConnectError>,
}

impl PolledBatches {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.offsets.is_empty() && self.rejected.is_empty()
    }
}

/// Stored source offsets of one connector, as last committed. Answers from memory.
pub trait OffsetReader: Send + Sync {
    fn offset(&self, partition: &SourcePartition) -> Option<SourceOffset>;
    fn offsets(&self) -> Vec<(SourcePartition, SourceOffset)>;
}

/// Reads a system. Kafka: `SourceTask`.
///
/// The worker calls `open` once, then `poll` again and again, `committed` after appends became durable (possibly some
/// polls later, in order), `close` at the end. After any error but a retriable one the task is dropped. Dropping it at any
/// moment is safe. Calls never overlap.
#[async_trait::async_trait]
pub trait SourceTask: Send {
    /// # Errors
    /// Retriable: called again later. Otherwise the task fails.
    async fn open(&mut self) -> Result<(), ConnectError>;

    /// May wait a while for something to read; an empty answer makes the worker wait before the next call.
    ///
    /// # Errors
    /// Retriable: polled again after a backoff. Otherwise the task fails.
    async fn poll(&mut self) -> Result<PolledBatches, ConnectError>;

    /// The last poll found nothing, and the worker waits for an event before the next: what can be made again may be given up meanwhile.
    async fn rest(&mut self) {}

    /// # Errors
    /// Logged and counted; the data is safe already.
    async fn committed(&mut self, offsets: Vec<SourceOffsetPair>) -> Result<(), ConnectError>;

    async fn close(&mut self);
}
