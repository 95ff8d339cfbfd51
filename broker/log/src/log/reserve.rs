//! Small facts that must be durable before they count: a new log start offset, producer ids that are given out.

use super::Log;
use crate::TopicId;
use crate::error::{LogAppendError, LogReadError};
use crate::queue::{Command, Done};
use crate::topics::MetadataRecord;
use std::sync::atomic::Ordering;

impl Log {
    /// Moves the log start offset up to `before` (-1: the high watermark); `done` learns the new one once it is durable.
    /// Source: KIP-107.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`], [`LogReadError::OutOfRange`]; `done` is then not called.
    pub fn delete_records(
        &self,
        topic: TopicId,
        partition: i32,
        before: i64,
        done: impl FnOnce(Result<i64, LogAppendError>) + Send + 'static,
    ) -> Result<(), LogReadError> {
        let handle = self.partition(topic, partition)?;
        let _held = self.shared.starts.lock();
        let (log_start_offset, high_watermark) = self.offsets(topic, partition)?;
        let before = if before == -1 { high_watermark } else { before };
        if !(0..=high_watermark).contains(&before) {
            return Err(LogReadError::OutOfRange { offset: before, log_start_offset, high_watermark });
        }
        let start = handle.ask_start(before);
        let (log_start_offset, next_offset_min) = (start, high_watermark);
        let records = vec![MetadataRecord::Partition { topic, partition, log_start_offset, next_offset_min }];
        let shared = self.shared.clone();
        let done: Done = Box::new(move |outcome| {
            let outcome = outcome.map(|_| {
                handle.forget_below(start);
                shared.housekeeping.wake();
                start
            });
            done(outcome);
        });
        if let Err((error, command)) = self.shared.queue.offer(Command::Metadata { records, done }) {
            command.refuse(&error);
        }
        Ok(())
    }

    /// Producer ids below this one may have been given out.
    #[must_use]
    pub fn producer_ids_reserved(&self) -> i64 {
        self.shared.producer_ids.load(Ordering::Acquire)
    }

    /// Reserves the producer ids below `to`; `done` is called once that is durable.
    pub fn reserve_producer_ids(&self, to: i64, done: impl FnOnce(Result<(), LogAppendError>) + Send + 'static) {
        let shared = self.shared.clone();
        let done: Done = Box::new(move |outcome| {
            if outcome.is_ok() {
                shared.producer_ids.fetch_max(to, Ordering::AcqRel);
            }
            done(outcome.map(drop));
        });
        let command = Command::Metadata { records: vec![MetadataRecord::ProducerIds { reserved_to: to }], done };
        if let Err((error, command)) = self.shared.queue.offer(command) {
            command.refuse(&error);
        }
    }
}
