//! [`TopicLog`]: a compacted topic as a map in memory. Source: Kafka `org.apache.kafka.connect.util.KafkaBasedLog`.
//!
//! On opening, the topic is created if it is missing and read to its end; afterwards the map follows this process's own
//! writes. Nobody else writes the hub's internal topics, so nothing is polled.
//!
//! Invariants:
//! - The map never shows a write that is not durable.
//! - A key's records are all in one partition (murmur2 of the key), so their offsets order them.
//! - One writer at a time per key: two writes of one key that are in flight at once may be applied in either order.

use bytes::Bytes;
use parking_lot::RwLock;
use sluice_client::{
    AdminError, Append, AppendError, Broker, Consumer, FetchError, FetchPartition, NewTopic, PartitionRecords,
    Producer, TopicDescription, TopicName, TopicPartition,
};
use sluice_protocol::{BatchError, EncodeError, RecordBatchBuilder, batches, partition_for_key};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much of a topic is read at once when it is opened.
const FETCH_BYTES_MAX: usize = 4 << 20;
/// Kafka's default `max.message.bytes`.
const BATCH_BYTES_MAX: usize = 1_048_588;
/// Its records carry no value, and nobody looks for them.
const BARRIER_KEY: &[u8] = br#"["sluice-barrier"]"#;
const BARRIER_LOOK: Duration = Duration::from_millis(20);
const BARRIER_LOOKS_UNTIL_SAID: u32 = 250;

/// Which topic, and how it is made when it is missing.
#[derive(Debug, Clone)]
pub struct TopicLogConfig {
    pub topic: TopicName,
    /// Used only when the topic is created.
    pub partitions: i32,
    /// Settings besides `cleanup.policy`, used only when the topic is created.
    pub settings: BTreeMap<String, String>,
    /// On a log that others use too: transactions of tasks end up in this topic, and one that an earlier process left
    /// open hides what was committed behind it. Opening waits until all that were begun before it are decided.
    pub awaits_transactions: bool,
}

impl TopicLogConfig {
    #[must_use]
    pub fn new(topic: impl Into<TopicName>, partitions: i32) -> Self {
        Self { topic: topic.into(), partitions, settings: BTreeMap::new(), awaits_transactions: false }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TopicLogError {
    #[error(
        "internal topic {topic} has cleanup.policy={policy}; set it to compact, or records of connectors would be lost"
    )]
    NotCompacted { topic: TopicName, policy: String },
    #[error("internal topic {topic} has {found} partitions and must have {expected}; move it away and start again")]
    Partitions { topic: TopicName, found: i32, expected: i32 },
    #[error("internal topic {topic} holds a record that cannot be read")]
    Record { topic: TopicName, source: BatchError },
    #[error("an entry for internal topic {topic} is too large")]
    Entry { topic: TopicName, source: EncodeError },
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl TopicLogError {
    /// Whether the log could not be reached or has no room, and the same may succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Admin(error) => matches!(error, AdminError::Unavailable { .. }),
            Self::Fetch(error) => matches!(error, FetchError::Unavailable { .. }),
            Self::Append(error) => error.is_retriable(),
            Self::NotCompacted { .. } | Self::Partitions { .. } | Self::Record { .. } | Self::Entry { .. } => false,
        }
    }
}

/// One key's write; `None` removes it (a tombstone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicLogEntry {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl TopicLogEntry {
    #[must_use]
    pub fn new(key: impl Into<Bytes>, value: Option<Bytes>) -> Self {
        Self { key: key.into(), value }
    }
}

/// What the map holds for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Rises with every write of this process; after opening, the order in which the topic was read.
    pub sequence: u64,
    pub value: Bytes,
}

#[derive(Default)]
struct Entries {
    next_sequence: u64,
    by_key: BTreeMap<Bytes, StoredEntry>,
}

impl Entries {
    fn apply(&mut self, key: Bytes, value: Option<Bytes>) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        match value {
            Some(value) => self.by_key.insert(key, StoredEntry { sequence, value }),
            None => self.by_key.remove(&key),
        };
    }
}

/// A compacted topic, its newest value per key in memory.
pub struct TopicLog {
    topic: TopicDescription,
    producer: Box<dyn Producer>,
    entries: RwLock<Entries>,
}

impl TopicLog {
    /// Creates the topic if it is missing, fences an earlier process's writer, and reads everything.
    ///
    /// # Errors
    /// [`TopicLogError::NotCompacted`] when the existing topic would forget records, [`TopicLogError::Partitions`] when
    /// one partition is asked for and there are more, [`TopicLogError::Record`] for damaged content, and the broker's own.
    pub async fn open(broker: &dyn Broker, config: TopicLogConfig) -> Result<Self, TopicLogError> {
        let topic = ensure_topic(broker, &config).await?;
        let producer = broker.producer(&format!("sluice-{}", config.topic)).await?;
        let consumer = broker.consumer();
        if config.awaits_transactions {
            await_transactions(&topic, &*producer, &*consumer).await?;
        }
        let mut entries = Entries::default();
        read_to_end(&*consumer, &topic, &mut entries).await?;
        Ok(Self { topic, producer, entries: RwLock::new(entries) })
    }

    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.topic.name
    }

    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.entries.read().by_key.get(key).map(|entry| entry.value.clone())
    }

    /// As [`TopicLog::get`], with where it stands in the order of writes.
    #[must_use]
    pub fn entry(&self, key: &[u8]) -> Option<StoredEntry> {
        self.entries.read().by_key.get(key).cloned()
    }

    /// Every key with its newest value, by key.
    #[must_use]
    pub fn entries(&self) -> Vec<(Bytes, StoredEntry)> {
        self.entries.read().by_key.iter().map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    /// Every entry whose key begins with `prefix`, by key.
    #[must_use]
    pub fn entries_with_prefix(&self, prefix: &[u8]) -> Vec<(Bytes, StoredEntry)> {
        let entries = self.entries.read();
        let from_prefix = entries.by_key.range(Bytes::copy_from_slice(prefix)..);
        let with_prefix = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        with_prefix.map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    /// The entries as record batches, to go into somebody else's atomic append. Once that is acknowledged, call
    /// [`TopicLog::apply`] with the same entries.
    ///
    /// # Errors
    /// [`TopicLogError::Entry`] when one entry alone is above Kafka's default `max.message.bytes`.
    pub fn encode(&self, entries: &[TopicLogEntry]) -> Result<Vec<PartitionRecords>, TopicLogError> {
        let timestamp = now_ms();
        let mut builders: BTreeMap<i32, RecordBatchBuilder> = BTreeMap::new();
        for entry in entries {
            let partition = partition_for_key(&entry.key, self.topic.partitions);
            let builder = builders.entry(partition).or_insert_with(|| RecordBatchBuilder::new(BATCH_BYTES_MAX));
            builder
                .push(timestamp, Some(&entry.key), entry.value.as_deref())
                .map_err(|source| TopicLogError::Entry { topic: Arc::clone(&self.topic.name), source })?;
        }
        let topic = &self.topic.name;
        Ok(builders
            .into_iter()
            .map(|(partition, mut builder)| PartitionRecords {
                topic: Arc::clone(topic),
                partition,
                records: builder.finish(),
            })
            .collect())
    }

    /// Makes durable entries visible.
    pub fn apply(&self, entries: &[TopicLogEntry]) {
        let mut map = self.entries.write();
        for entry in entries {
            map.apply(entry.key.clone(), entry.value.clone());
        }
    }

    /// Writes the entries in one atomic append; they are durable and visible when this returns.
    ///
    /// # Errors
    /// [`TopicLogError::Entry`], [`TopicLogError::Append`].
    pub async fn put(&self, entries: &[TopicLogEntry]) -> Result<(), TopicLogError> {
        if entries.is_empty() {
            return Ok(());
        }
        let append = Append { records: self.encode(entries)?, group_offsets: Vec::new() };
        self.producer.send(append).await?.await?;
        self.apply(entries);
        Ok(())
    }
}

async fn ensure_topic(broker: &dyn Broker, config: &TopicLogConfig) -> Result<TopicDescription, TopicLogError> {
    let admin = broker.admin();
    let Some(topic) = admin.describe_topic(&config.topic).await? else {
        let mut settings = config.settings.clone();
        settings.insert("cleanup.policy".to_owned(), "compact".to_owned());
        let new = NewTopic { name: Arc::clone(&config.topic), partitions: config.partitions, config: settings };
        return Ok(admin.create_topic(new).await?);
    };
    let policy = topic.config.get("cleanup.policy").map_or("delete", String::as_str);
    if policy != "compact" {
        return Err(TopicLogError::NotCompacted { topic: topic.name, policy: policy.to_owned() });
    }
    if config.partitions == 1 && topic.partitions != 1 {
        return Err(TopicLogError::Partitions { topic: topic.name, found: topic.partitions, expected: 1 });
    }
    Ok(topic)
}

/// Writes a barrier into every partition and waits until it can be read: then all before it can.
async fn await_transactions(
    topic: &TopicDescription,
    producer: &dyn Producer,
    consumer: &dyn Consumer,
) -> Result<(), TopicLogError> {
    let barrier = || {
        let mut builder = RecordBatchBuilder::new(BATCH_BYTES_MAX);
        builder.push(now_ms(), Some(BARRIER_KEY), None).expect("a small record fits");
        builder.finish()
    };
    let part = |partition| PartitionRecords { topic: Arc::clone(&topic.name), partition, records: barrier() };
    let append = Append { records: (0..topic.partitions).map(part).collect(), group_offsets: Vec::new() };
    let appended = producer.send(append).await?.await?;
    for (partition, offset) in (0..topic.partitions).zip(appended.base_offsets) {
        let partition = TopicPartition::new(Arc::clone(&topic.name), partition);
        let mut looks = 0u32;
        while consumer.end_offset(&partition).await? <= offset {
            looks += 1;
            if looks.is_multiple_of(BARRIER_LOOKS_UNTIL_SAID) {
                tracing::warn!(
                    topic = %partition,
                    "waiting for a transaction that a producer which is gone has left open; it ends by itself after that producer's transaction.timeout.ms"
                );
            }
            tokio::time::sleep(BARRIER_LOOK).await;
        }
    }
    Ok(())
}

/// All partitions at once, so that a reader which reads ahead stays where it is.
async fn read_to_end(
    consumer: &dyn Consumer,
    topic: &TopicDescription,
    entries: &mut Entries,
) -> Result<(), TopicLogError> {
    let mut ends = Vec::new();
    let mut wanted = Vec::new();
    for partition in 0..topic.partitions {
        let partition = TopicPartition::new(Arc::clone(&topic.name), partition);
        let (offset, end) = (consumer.beginning_offset(&partition).await?, consumer.end_offset(&partition).await?);
        if offset < end {
            ends.push(end);
            wanted.push(FetchPartition { partition, offset, max_bytes: FETCH_BYTES_MAX });
        }
    }
    while wanted.iter().zip(&ends).any(|(wanted, end)| wanted.offset < *end) {
        let fetched = consumer.fetch(&wanted, Duration::ZERO).await;
        let mut is_stuck = true;
        for (wanted, fetched) in wanted.iter_mut().zip(fetched) {
            let next = read_batches(&wanted.partition, &fetched?.records, wanted.offset, entries)?;
            is_stuck &= next == wanted.offset;
            wanted.offset = next;
        }
        // Compaction may have left nothing below the end.
        if is_stuck {
            break;
        }
    }
    Ok(())
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Applies every record at or above `offset`; returns the offset to go on from.
fn read_batches(
    partition: &TopicPartition,
    bytes: &[u8],
    offset: i64,
    entries: &mut Entries,
) -> Result<i64, TopicLogError> {
    let damaged = |source| TopicLogError::Record { topic: Arc::clone(&partition.topic), source };
    let mut next = offset;
    for batch in batches(bytes) {
        let batch = batch.map_err(damaged)?;
        next = next.max(batch.last_offset() + 1);
        if batch.is_control() {
            continue;
        }
        for record in batch.records().map_err(damaged)? {
            let record = record.map_err(damaged)?;
            let Some(key) = record.key.filter(|_| record.offset >= offset) else { continue };
            entries.apply(Bytes::copy_from_slice(key), record.value.map(Bytes::copy_from_slice));
        }
    }
    Ok(next)
}
