//! Fetching: readers that are kept between fetches, so that what was read ahead is used.

use crate::broker::{Inner, blocking};
use crate::error::fetch_error;
use crate::reader::{Reader, offsets_at, watermarks};
use parking_lot::Mutex;
use sluice_client::{Consumer, FetchError, FetchPartition, Fetched, TopicPartition};
use sluice_protocol::batches;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much is read at once in search of a time.
const SEARCH_BYTES: usize = 256 << 10;

pub(crate) struct KafkaConsumer {
    inner: Arc<Inner>,
    /// One per fetch that was under way at the same time.
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl KafkaConsumer {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, idle: Arc::default() }
    }

    /// The reader that stands where the fetch begins, else any.
    fn take_idle(&self, wanted: &[FetchPartition]) -> Option<Reader> {
        let mut idle = self.idle.lock();
        let fitting = idle.iter().position(|reader| reader.is_at(wanted));
        let index = fitting.or_else(|| idle.len().checked_sub(1))?;
        Some(idle.swap_remove(index))
    }

    async fn watermarks(&self, partition: &TopicPartition) -> Result<(i64, i64), FetchError> {
        let partitions = [partition.clone()];
        let known = self
            .inner
            .with_clients(move |clients, timeout| watermarks(&clients.offsets, &partitions, timeout).pop())
            .await;
        known.expect("one was asked for")
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        if !idle.is_empty() {
            // Closing a client waits for its threads.
            std::thread::spawn(move || drop(idle));
        }
    }
}

/// Tells a fetch that nobody waits for it.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Consumer for KafkaConsumer {
    async fn fetch(&self, partitions: &[FetchPartition], max_wait: Duration) -> Fetched {
        let deadline = Instant::now() + max_wait;
        let wanted = partitions.to_vec();
        let reader = self.take_idle(&wanted);
        let (inner, idle) = (self.inner.clone(), Arc::downgrade(&self.idle));
        let abandon = Abandon(Arc::default());
        let is_abandoned = abandon.0.clone();
        blocking(move || {
            let mut reader = match reader.map_or_else(|| Reader::open(&inner), Ok) {
                Ok(reader) => reader,
                Err(failure) => {
                    return wanted.iter().map(|wanted| Err(fetch_error(failure.clone(), &wanted.partition))).collect();
                }
            };
            let fetched = reader.fetch(&wanted, deadline, &is_abandoned);
            if let Some(idle) = idle.upgrade() {
                idle.lock().push(reader);
            }
            fetched
        })
        .await
    }

    async fn beginning_offset(&self, partition: &TopicPartition) -> Result<i64, FetchError> {
        Ok(self.watermarks(partition).await?.0)
    }

    async fn end_offset(&self, partition: &TopicPartition) -> Result<i64, FetchError> {
        Ok(self.watermarks(partition).await?.1)
    }

    async fn offset_for_time(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<Option<i64>, FetchError> {
        let partitions = [partition.clone()];
        // Numbers below 0 mean something else to Kafka, and no record is that old.
        let time = timestamp_ms.max(0);
        let found = self
            .inner
            .with_clients(move |clients, timeout| offsets_at(&clients.offsets, &partitions, time, timeout).pop())
            .await;
        let mut offset = found.expect("one was asked for")?;
        if offset < 0 {
            return Ok(None);
        }
        // Kafka counts transaction markers, which carry the time of their commit: look for the record itself.
        let end = self.end_offset(partition).await?;
        while offset < end {
            let wanted = FetchPartition { partition: partition.clone(), offset, max_bytes: SEARCH_BYTES };
            let Some(fetched) = self.fetch(&[wanted], Duration::ZERO).await.pop() else { break };
            for batch in batches(&fetched?.records).flatten() {
                for record in batch.records().into_iter().flatten().flatten() {
                    if record.timestamp >= timestamp_ms && record.offset >= offset {
                        return Ok(Some(record.offset));
                    }
                }
                offset = offset.max(batch.last_offset() + 1);
            }
        }
        Ok(None)
    }
}
