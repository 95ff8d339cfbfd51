//! Appending under a transactional id: checks here, the rest on the producer's own thread.

use crate::broker::{Inner, blocking};
use crate::chain::{Chain, Unseen};
use crate::transaction::{DeliveryContext, Transactions, init};
use parking_lot::Mutex;
use sluice_client::{Acknowledgement, AdminError, Append, AppendError, Appended, Producer, TopicPartition};
use sluice_protocol::{BATCH_OVERHEAD_BYTES, BatchError, batches};
use std::sync::{Arc, mpsc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Kafka's `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4096;
/// Kafka's strings carry their length in 15 bits.
const GROUP_BYTES_MAX: usize = i16::MAX as usize;

/// Whether a producer may still append, and why not.
#[derive(Default)]
pub(crate) struct Standing(Mutex<Option<AppendError>>);

impl Standing {
    pub(crate) fn fence(&self, transactional_id: &str) {
        self.end(AppendError::ProducerFenced { transactional_id: transactional_id.to_owned() });
    }

    /// The first reason stays.
    pub(crate) fn end(&self, error: AppendError) {
        self.0.lock().get_or_insert(error);
    }

    pub(crate) fn check(&self) -> Result<(), AppendError> {
        self.0.lock().clone().map_or(Ok(()), Err)
    }
}

/// One append on its way to the thread.
pub(crate) struct Job {
    pub append: Append,
    /// Of each of its records: the topic's `max.message.bytes`.
    pub batch_bytes_max: Vec<usize>,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    _room: OwnedSemaphorePermit,
}

impl Job {
    /// Nobody may be waiting any more: the append stands all the same.
    pub(crate) fn answer(self, outcome: Result<Appended, AppendError>) {
        let _ = self.answer.send(outcome);
    }
}

pub(crate) struct KafkaProducer {
    inner: Arc<Inner>,
    standing: Arc<Standing>,
    chain: Chain,
    room: Arc<Semaphore>,
    jobs: mpsc::Sender<Job>,
}

impl KafkaProducer {
    /// Fences every earlier producer of this id, and waits for what it left open to be aborted.
    pub(crate) async fn open(inner: Arc<Inner>, transactional_id: &str) -> Result<Self, AppendError> {
        let config = inner.config.producer_client(transactional_id);
        let context = DeliveryContext::new(inner.log.clone());
        let timeout = inner.timeout();
        let made = blocking(move || init(&config, context, timeout)).await;
        let producer = made.map_err(|failure| AppendError::Unavailable {
            reason: inner.log.explain(&format!("producer {transactional_id} cannot begin: {}", failure.reason)),
        })?;
        let standing = Arc::new(Standing::default());
        inner.replace(transactional_id, &standing);
        let chain = Chain::default();
        let (jobs, waiting) = mpsc::channel();
        let transactions = Transactions {
            producer,
            transactional_id: transactional_id.to_owned(),
            standing: standing.clone(),
            chain: chain.clone(),
            timeout,
        };
        std::thread::Builder::new()
            .name("kafka-producer".into())
            .spawn(move || transactions.run(&waiting))
            .map_err(|error| AppendError::Unavailable { reason: format!("no thread for a producer: {error}") })?;
        let room = Arc::new(Semaphore::new(inner.config.queue_bytes_max));
        Ok(Self { inner, standing, chain, room, jobs })
    }

    /// What the topics say of each part's limits; refuses what Kafka would refuse.
    async fn check(&self, append: &Append) -> Result<Vec<usize>, AppendError> {
        for offset in &append.group_offsets {
            let topic_bytes = offset.partition.topic.len();
            if offset.metadata.len() > METADATA_BYTES_MAX || offset.group.len().max(topic_bytes) > GROUP_BYTES_MAX {
                return Err(AppendError::RecordTooLarge {
                    partition: offset.partition.clone(),
                    size_bytes: offset.metadata.len().max(offset.group.len()),
                    limit_bytes: METADATA_BYTES_MAX,
                });
            }
        }
        let mut limits = Vec::with_capacity(append.records.len());
        for part in &append.records {
            let partition = TopicPartition { topic: part.topic.clone(), partition: part.partition };
            let facts = match self.inner.facts(&part.topic, part.partition).await {
                Ok(Some(facts)) => facts,
                Ok(None) => return Err(AppendError::UnknownTopicOrPartition { partition }),
                Err(AdminError::Unavailable { reason }) => return Err(AppendError::Unavailable { reason }),
                Err(error) => return Err(AppendError::Unavailable { reason: error.to_string() }),
            };
            let limit_bytes = facts.batch_bytes_max;
            let largest = largest_batch(&part.records).map_err(|error| AppendError::CorruptRecord {
                partition: partition.clone(),
                reason: error.to_string(),
            })?;
            if largest > limit_bytes {
                return Err(AppendError::RecordTooLarge { partition, size_bytes: largest, limit_bytes });
            }
            limits.push(limit_bytes);
        }
        Ok(limits)
    }
}

/// The size of the largest batch. Every batch is whole and every record of it can be read.
fn largest_batch(records: &[u8]) -> Result<usize, BatchError> {
    let mut largest = 0;
    if records.is_empty() {
        return Err(BatchError::Truncated { needed_bytes: BATCH_OVERHEAD_BYTES, available_bytes: 0 });
    }
    for batch in batches(records) {
        let batch = batch?;
        batch.verify_crc()?;
        batch.records()?.try_for_each(|record| record.map(drop))?;
        largest = largest.max(batch.size_bytes());
    }
    Ok(largest)
}

#[async_trait::async_trait]
impl Producer for KafkaProducer {
    async fn send(&self, append: Append) -> Result<Acknowledgement, AppendError> {
        self.standing.check()?;
        let batch_bytes_max = self.check(&append).await?;
        let size = append.size_bytes() + 512 * append.group_offsets.len() + 128;
        let permits = u32::try_from(size.min(self.inner.config.queue_bytes_max)).unwrap_or(u32::MAX);
        let closed = || AppendError::Poisoned { reason: "the producer's thread has stopped".into() };
        let room = self.room.clone().acquire_many_owned(permits).await.map_err(|_| closed())?;
        self.standing.check()?;
        let (answer, answered) = oneshot::channel();
        let unseen: Unseen = self.chain.enter();
        self.jobs.send(Job { append, batch_bytes_max, answer, _room: room }).map_err(|_| closed())?;
        Ok(Acknowledgement::new(async move {
            let outcome = answered.await;
            // Until here, whatever was sent behind a failed append fails too.
            drop(unseen);
            outcome.unwrap_or_else(|_| Err(closed()))
        }))
    }
}
