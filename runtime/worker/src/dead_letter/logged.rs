//! A sink's failed records as they lie in the log.

use super::DeadLetter;
use crate::task_error::TaskError;
use bytes::Bytes;
use sluice_client::{Consumer, FetchError, FetchPartition};
use sluice_protocol::{RecordRef, batches, inflated};
use std::borrow::Cow;
use std::time::Duration;

/// One batch of the log: failed records tend to lie together.
pub(super) struct LoggedBatch(Bytes);

impl LoggedBatch {
    /// Reads the batch that holds the letter's record. It is empty when the record is gone.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn of(letter: &DeadLetter, consumer: &dyn Consumer) -> Result<LoggedBatch, TaskError> {
        // One batch is enough, and the first is returned whole whatever its size.
        let request = FetchPartition { partition: letter.partition.clone(), offset: letter.error.row_id, max_bytes: 1 };
        let fetched = consumer.fetch(&[request], Duration::ZERO).await.pop();
        match fetched {
            Some(Ok(fetched)) => match inflated(&fetched.records) {
                Ok(Cow::Owned(plain)) => Ok(LoggedBatch(plain.into())),
                // What does not inflate was never converted either: no letter asks for it.
                _ => Ok(LoggedBatch(fetched.records)),
            },
            Some(Err(FetchError::OffsetOutOfRange { .. })) | None => Ok(LoggedBatch(Bytes::new())),
            Some(Err(error)) => Err(error.into()),
        }
    }

    /// How many of the letters, in order and from the one that was read for, have their place in this batch. At least that
    /// one: nothing else is known of a record that is gone.
    pub fn covers(&self, letters: &[DeadLetter]) -> usize {
        let last_offset = batches(&self.0).flatten().last().map_or(-1, |batch| batch.last_offset());
        let partition = letters.first().map(|letter| &letter.partition);
        let is_here = |letter: &DeadLetter| Some(&letter.partition) == partition && letter.error.row_id <= last_offset;
        letters.iter().take_while(|letter| is_here(letter)).count().max(1)
    }

    /// Its records, as far as they can be read.
    pub fn records(&self) -> impl Iterator<Item = RecordRef<'_>> {
        batches(&self.0).flatten().filter_map(|batch| batch.records().ok()).flat_map(Iterator::flatten)
    }
}
