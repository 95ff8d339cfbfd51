//! Fetching: readers that are kept between fetches, so that what was read ahead is used.

use crate::broker::{Inner, blocking};
use crate::error::fetch_error;
use crate::reader::{Reader, offsets_at, watermarks};
use parking_lot::Mutex;
use sluice_client::{Consumer, FetchError, FetchPartition, Fetched, TopicPartition};
use sluice_protocol::batches;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How much is read at once in search of a time.
const SEARCH_BYTES: usize = 256 << 10;

pub(crate) struct KafkaConsumer {
    inner: Arc<Inner>,
    readers: Arc<Readers>,
}

/// One per fetch that was under way at the same time.
#[derive(Default)]
struct Readers {
    state: Mutex<State>,
    given_back: Notify,
}

#[derive(Default)]
struct State {
    idle: Vec<Reader>,
    /// Readers of fetches that nobody waits for; they come back in a moment.
    abandoned: usize,
}

impl KafkaConsumer {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, readers: Arc::default() }
    }

    /// The reader that stands where the fetch begins, else any; `None`: a new one has to be made. A new one costs
    /// connections and what another has read ahead, so that one which is about to come back is waited for.
    async fn take_idle(&self, wanted: &[FetchPartition]) -> Option<Reader> {
        loop {
            let given_back = self.readers.given_back.notified();
            {
                let mut state = self.readers.state.lock();
                let fitting = state.idle.iter().position(|reader| reader.is_at(wanted));
                if let Some(index) = fitting.or_else(|| state.idle.len().checked_sub(1)) {
                    return Some(state.idle.swap_remove(index));
                }
                if state.abandoned == 0 {
                    return None;
                }
            }
            given_back.await;
        }
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
        let idle = std::mem::take(&mut self.readers.state.lock().idle);
        if !idle.is_empty() {
            // Closing a client waits for its threads.
            std::thread::spawn(move || drop(idle));
        }
    }
}

/// A fetch as the one who waits for it sees it. Dropped before its end, it tells the fetch that nobody waits any more.
struct Waiting {
    readers: Arc<Readers>,
    fate: Arc<Fate>,
}

/// Changed under the lock of [`Readers::state`].
#[derive(Default)]
struct Fate {
    is_abandoned: AtomicBool,
    is_over: AtomicBool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.readers.state.lock();
        if !self.fate.is_over.load(Ordering::Relaxed) {
            self.fate.is_abandoned.store(true, Ordering::Relaxed);
            state.abandoned += 1;
        }
    }
}

/// The fetch's own side. Its end gives the reader back, if there is still somebody to give it to.
struct Fetching {
    readers: Weak<Readers>,
    fate: Arc<Fate>,
    reader: Option<Reader>,
}

impl Drop for Fetching {
    fn drop(&mut self) {
        let Some(readers) = self.readers.upgrade() else { return };
        {
            let mut state = readers.state.lock();
            self.fate.is_over.store(true, Ordering::Relaxed);
            if self.fate.is_abandoned.load(Ordering::Relaxed) {
                state.abandoned -= 1;
            }
            state.idle.extend(self.reader.take());
        }
        // Whoever waits looks again: for this reader, or because there is none to wait for.
        readers.given_back.notify_waiters();
    }
}

#[async_trait::async_trait]
impl Consumer for KafkaConsumer {
    async fn fetch(&self, partitions: &[FetchPartition], max_wait: Duration) -> Fetched {
        let deadline = Instant::now() + max_wait;
        let wanted = partitions.to_vec();
        let reader = self.take_idle(&wanted).await;
        let inner = self.inner.clone();
        let waiting = Waiting { readers: self.readers.clone(), fate: Arc::default() };
        let mut fetching =
            Fetching { readers: Arc::downgrade(&self.readers), fate: waiting.fate.clone(), reader: None };
        let fetched = blocking(move || match reader.map_or_else(|| Reader::open(&inner), Ok) {
            Ok(reader) => fetching.reader.insert(reader).fetch(&wanted, deadline, &fetching.fate.is_abandoned),
            Err(failure) => wanted.iter().map(|wanted| Err(fetch_error(failure.clone(), &wanted.partition))).collect(),
        });
        let fetched = fetched.await;
        drop(waiting);
        fetched
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
