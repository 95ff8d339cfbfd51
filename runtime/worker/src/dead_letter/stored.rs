//! Dead letters as they lie in their queue, read back for people and for [`crate::Worker::redrive`].

use super::{HEADER_PREFIX, header_pairs};
use crate::redrive::LetterId;
use sluice_client::{AdminError, Broker, FetchError, FetchPartition, TopicId, TopicPartition};
use sluice_protocol::{BatchError, RecordRef, batches, inflated};
use std::collections::BTreeMap;
use std::time::Duration;

const FETCH_BYTES_MAX: usize = 1 << 20;

/// One letter.
#[derive(Debug, Clone)]
pub struct StoredLetter {
    pub id: LetterId,
    pub topic_id: TopicId,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Without those of `context`.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The headers that name the error, without `__connect.errors.`; empty when the connector does not write them.
    pub context: BTreeMap<String, String>,
}

/// Some letters, and where to go on.
#[derive(Debug, Default)]
pub struct DeadLetterPage {
    pub letters: Vec<StoredLetter>,
    /// Partition and offset; `None`: these were the last.
    pub next: Option<(i32, i64)>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadLettersError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the queue {queue} holds a record batch that cannot be read")]
    Damaged { queue: String, source: BatchError },
}

impl StoredLetter {
    /// The connector that wrote it, where it says so.
    #[must_use]
    pub fn connector(&self) -> Option<&str> {
        self.context.get("connector.name").map(String::as_str)
    }

    fn read(queue: &TopicPartition, topic_id: TopicId, record: &RecordRef<'_>) -> Self {
        let id = LetterId { queue: queue.topic.to_string(), partition: queue.partition, offset: record.offset };
        let (mut headers, mut context) = (Vec::new(), BTreeMap::new());
        for (name, value) in header_pairs(record) {
            match (name.strip_prefix(HEADER_PREFIX), value) {
                (Some(name), Some(text)) => {
                    context.insert(name.to_owned(), String::from_utf8_lossy(text).into_owned());
                }
                _ => headers.push((name, value.map(<[u8]>::to_vec))),
            }
        }
        let owned = |bytes: &[u8]| bytes.to_vec();
        let (key, value) = (record.key.map(owned), record.value.map(owned));
        Self { id, topic_id, timestamp: record.timestamp, key, value, headers, context }
    }
}

/// Up to `limit` letters of `connector` from a place on, by partition and offset. Letters that do not name their connector
/// are everybody's.
///
/// # Errors
/// The queue is missing or cannot be read.
pub async fn dead_letters(
    broker: &dyn Broker,
    queue: &str,
    connector: &str,
    from: (i32, i64),
    limit: usize,
) -> Result<DeadLetterPage, ReadLettersError> {
    let mut page = DeadLetterPage::default();
    let topic = broker.admin().describe_topic(queue).await?;
    let topic = topic.ok_or_else(|| AdminError::UnknownTopic { topic: queue.into() })?;
    let consumer = broker.consumer();
    for partition in from.0.max(0)..topic.partitions {
        let partition = TopicPartition::new(topic.name.clone(), partition);
        let (begin, end) = (consumer.beginning_offset(&partition).await?, consumer.end_offset(&partition).await?);
        let mut offset = if partition.partition == from.0 { from.1.max(begin) } else { begin };
        while offset < end {
            let request = FetchPartition { partition: partition.clone(), offset, max_bytes: FETCH_BYTES_MAX };
            let Some(fetched) = consumer.fetch(&[request], Duration::ZERO).await.pop() else { break };
            let records = fetched?.records;
            let damaged = |source| ReadLettersError::Damaged { queue: queue.to_owned(), source };
            let records = inflated(&records).map_err(damaged)?;
            let before = offset;
            for batch in batches(&records) {
                let batch = batch.map_err(damaged)?;
                if batch.is_control() {
                    offset = offset.max(batch.last_offset() + 1);
                    continue;
                }
                for record in batch.records().map_err(damaged)? {
                    let record = record.map_err(damaged)?;
                    if record.offset < offset {
                        continue;
                    }
                    if page.letters.len() == limit {
                        page.next = Some((partition.partition, record.offset));
                        return Ok(page);
                    }
                    offset = record.offset + 1;
                    let letter = StoredLetter::read(&partition, topic.id, &record);
                    if letter.connector().is_none_or(|name| name == connector) {
                        page.letters.push(letter);
                    }
                }
                offset = offset.max(batch.last_offset() + 1);
            }
            if offset == before {
                break;
            }
        }
    }
    Ok(page)
}
