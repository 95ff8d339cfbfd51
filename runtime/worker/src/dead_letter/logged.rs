//! A sink's failed record as it lies in the log.

use crate::task_error::TaskError;
use bytes::Bytes;
use sluice_client::{Consumer, FetchError, FetchPartition, TopicPartition};
use sluice_protocol::{RecordRef, batches, inflated};
use std::borrow::Cow;
use std::time::Duration;

/// The batch that was read last: failed records tend to lie together.
#[derive(Default)]
pub(super) struct LoggedBatch {
    partition: Option<TopicPartition>,
    records: Bytes,
    last_offset: i64,
}

impl LoggedBatch {
    /// Reads the batch that holds the offset, unless it is the last one read. A record that is gone is not found afterwards.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn seek(
        &mut self,
        consumer: &dyn Consumer,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<(), TaskError> {
        if self.partition.as_ref() == Some(partition) && offset <= self.last_offset {
            return Ok(());
        }
        // One batch is enough, and the first is returned whole whatever its size.
        let request = FetchPartition { partition: partition.clone(), offset, max_bytes: 1 };
        let fetched = consumer.fetch(&[request], Duration::ZERO).await.pop();
        self.records = match fetched {
            Some(Ok(fetched)) => match inflated(&fetched.records) {
                Ok(Cow::Owned(plain)) => plain.into(),
                // What does not inflate was never converted either: no letter asks for it.
                _ => fetched.records,
            },
            Some(Err(FetchError::OffsetOutOfRange { .. })) | None => Bytes::new(),
            Some(Err(error)) => return Err(error.into()),
        };
        self.partition = Some(partition.clone());
        self.last_offset = batches(&self.records).flatten().last().map_or(-1, |batch| batch.last_offset());
        Ok(())
    }

    pub fn find(&self, offset: i64) -> Option<RecordRef<'_>> {
        let batch = batches(&self.records).flatten().find(|batch| batch.last_offset() >= offset)?;
        batch.records().ok()?.flatten().find(|record| record.offset == offset)
    }
}
