//! Fetching, with a long poll that costs nothing while it waits. Only committed records are shown: up to the last stable
//! offset, and without those of aborted transactions (`isolation.level=read_committed`).

use crate::Inner;
use crate::wire::off_the_worker;
use bytes::Bytes;
use sluice_client::{Consumer, FetchError, FetchPartition, Fetched, FetchedPartition, TopicPartition};
use sluice_log::{AbortedIndex, AbortedTransaction, CommittedRead, LogReadError, TopicId};
use sluice_protocol::{batches, empty_batch};
use std::time::Duration;
use tokio::time::Instant;

#[async_trait::async_trait]
impl Consumer for Inner {
    async fn fetch(&self, partitions: &[FetchPartition], max_wait: Duration) -> Fetched {
        let deadline = Instant::now() + max_wait;
        let known = partitions
            .iter()
            .filter_map(|wanted| Some((self.log.topic_id(&wanted.partition.topic)?, wanted.partition.partition)));
        // Registered before looking, so that nothing falls between the look and the wait.
        let waiting = self.waiters.register(known.collect());
        loop {
            // Where no server keeps the time, an open transaction would hold this up for ever.
            let next = self.transactions.tick();
            let found = partitions.iter().map(|wanted| self.look(wanted)).collect::<Vec<_>>();
            let ready = found.iter().any(|found| !matches!(found, Ok((_, false, _))));
            if ready || Instant::now() >= deadline {
                let reads = || partitions.iter().zip(found).map(|(wanted, found)| self.read(wanted, found)).collect();
                return off_the_worker(reads);
            }
            let until = next.map_or(deadline, |rest| deadline.min(Instant::now() + rest));
            let _ = tokio::time::timeout_at(until, waiting.news()).await;
        }
    }

    async fn beginning_offset(&self, partition: &TopicPartition) -> Result<i64, FetchError> {
        Ok(self.offsets(partition)?.1.log_start)
    }

    async fn end_offset(&self, partition: &TopicPartition) -> Result<i64, FetchError> {
        Ok(self.offsets(partition)?.1.stable)
    }

    async fn offset_for_time(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<Option<i64>, FetchError> {
        let (topic, _) = self.offsets(partition)?;
        let found = self.log.offset_for_time(topic, partition.partition, timestamp_ms);
        found.map_err(|error| fetch_error(error, partition))
    }
}

type Look = Result<(TopicId, bool, Offsets), FetchError>;

/// Of a partition.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    log_start: i64,
    stable: i64,
    high_watermark: i64,
}

impl Inner {
    fn offsets(&self, partition: &TopicPartition) -> Result<(TopicId, Offsets), FetchError> {
        let unknown = || FetchError::UnknownTopicOrPartition { partition: partition.clone() };
        let topic = self.log.topic_id(&partition.topic).ok_or_else(unknown)?;
        let failed = |error| fetch_error(error, partition);
        let stable = self.log.last_stable_offset(topic, partition.partition).map_err(failed)?;
        // After it, so that it is never above the high watermark.
        let (log_start, high_watermark) = self.log.offsets(topic, partition.partition).map_err(failed)?;
        Ok((topic, Offsets { log_start, stable, high_watermark }))
    }

    /// Whether there is something to read, or an error to report.
    fn look(&self, wanted: &FetchPartition) -> Look {
        let (topic, offsets) = self.offsets(&wanted.partition)?;
        // What is not decided yet is no news.
        let waits = (offsets.stable..=offsets.high_watermark).contains(&wanted.offset);
        Ok((topic, !waits, offsets))
    }

    fn read(&self, wanted: &FetchPartition, look: Look) -> Result<FetchedPartition, FetchError> {
        let (topic, has_news, Offsets { log_start: log_start_offset, stable: high_watermark, .. }) = look?;
        let partition = wanted.partition.clone();
        if !has_news {
            return Ok(FetchedPartition { partition, records: Bytes::new(), high_watermark, log_start_offset });
        }
        let read = self.log.read_committed(topic, partition.partition, wanted.offset, wanted.max_bytes);
        let CommittedRead { read, last_stable_offset, aborted } =
            read.map_err(|error| fetch_error(error, &partition))?;
        self.traffic.left(topic, partition.partition, read.records.len());
        Ok(FetchedPartition {
            partition,
            records: committed(read.records, &aborted),
            high_watermark: last_stable_offset,
            log_start_offset: read.log_start_offset,
        })
    }
}

/// The same offsets, with empty batches where aborted transactions and markers stood.
fn committed(records: Bytes, aborted: &[AbortedTransaction]) -> Bytes {
    if !batches(&records).flatten().any(|batch| batch.is_transactional() || batch.is_control()) {
        return records;
    }
    let aborted = AbortedIndex::new(aborted);
    let mut out = Vec::with_capacity(records.len());
    for batch in batches(&records).flatten() {
        if batch.is_control() || aborted.holds(&batch) {
            out.extend_from_slice(&empty_batch(batch.base_offset(), batch.last_offset() + 1));
        } else {
            out.extend_from_slice(batch.bytes());
        }
    }
    out.into()
}

fn fetch_error(error: LogReadError, partition: &TopicPartition) -> FetchError {
    let partition = partition.clone();
    match error {
        LogReadError::UnknownPartition => FetchError::UnknownTopicOrPartition { partition },
        LogReadError::OutOfRange { offset, log_start_offset, high_watermark } => {
            FetchError::OffsetOutOfRange { partition, offset, log_start_offset, high_watermark }
        }
        LogReadError::Corrupt { offset, reason } => FetchError::Corrupt { partition, offset, reason },
        LogReadError::Io(error) => FetchError::Unavailable { reason: error.to_string() },
    }
}
