//! Writing records one by one, as a console does, each with its answer.

use super::{Cluster, ToolError};
use crate::error::Failure;
use crate::log::ClientLog;
use crate::native::topics as native;
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::sync::mpsc::{Receiver, Sender, TryIter, channel};
use std::time::Duration;

/// How long to wait for room when librdkafka's queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// librdkafka's own `batch.size`.
const BATCH_BYTES: u64 = 1_000_000;

#[derive(Debug, Clone)]
pub struct ProduceOptions {
    pub topic: String,
    /// `None`: by the key, as Java's producer chooses; without a key, any.
    pub partition: Option<i32>,
    /// `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    pub compression: String,
    /// Kafka's: -1 (all), 0, 1. With all, the producer is idempotent.
    pub acks: i16,
    /// A record that is not acknowledged within this time has failed.
    pub delivery_timeout: Duration,
}

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(String, Option<Vec<u8>>)],
    /// The caller's own number of it.
    pub number: u64,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducedRecord {
    pub number: u64,
    /// Where it is; the offset is -1 when none was asked for.
    pub outcome: Result<(i32, i64), String>,
}

/// A producer whose answers are collected.
pub struct RecordProducer {
    topic: String,
    partition: Option<i32>,
    producer: ThreadedProducer<Context>,
    answers: Receiver<ProducedRecord>,
}

struct Context {
    log: ClientLog,
    answers: Sender<ProducedRecord>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let outcome = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(self.reason(error)),
        };
        // Nobody waits any more when the producer goes.
        let _ = self.answers.send(ProducedRecord { number: *number, outcome });
    }
}

impl Context {
    fn reason(&self, error: &KafkaError) -> String {
        match error.rdkafka_error_code() {
            Some(Code::MessageTimedOut) => self.log.explain("it was not acknowledged in time"),
            Some(code) => code.to_string(),
            None => error.to_string(),
        }
    }
}

/// What the topic takes in one batch; `None` while it is not there.
fn batch_bytes_max(cluster: &Cluster, topic: &str) -> Option<u64> {
    let settings = native::topic_settings(cluster.client(), topic, cluster.timeout()).ok()?;
    settings.into_iter().find(|setting| setting.name == "max.message.bytes")?.value?.parse().ok()
}

impl RecordProducer {
    /// # Errors
    /// [`ToolError::Config`], [`ToolError::UnknownPartition`].
    pub fn open(cluster: &Cluster, options: &ProduceOptions) -> Result<Self, ToolError> {
        if let Some(partition) = options.partition {
            match cluster.partitions_of(&options.topic) {
                Ok(known) => cluster.check_partition(&options.topic, &known, partition)?,
                // The broker may create it.
                Err(ToolError::UnknownTopic { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut config = cluster.config.client();
        config.set("acks", options.acks.to_string()).set("compression.type", &options.compression);
        config.set("enable.idempotence", if options.acks == -1 { "true" } else { "false" });
        config.set("message.timeout.ms", options.delivery_timeout.as_millis().max(1).to_string());
        config.set("partitioner", "murmur2_random");
        // The topic's own limit decides, and about single records: a batch that is too large would take small ones along.
        config.set("message.max.bytes", "1000000000").set("queue.buffering.max.kbytes", "65536");
        let batch_bytes = batch_bytes_max(cluster, &options.topic).unwrap_or(BATCH_BYTES).clamp(1, BATCH_BYTES);
        config.set("batch.size", batch_bytes.to_string());
        let (answers, received) = channel();
        let context = Context { log: cluster.log.clone(), answers };
        let producer = ThreadedProducer::from_config_and_context(&config, context);
        let producer = producer.map_err(|error| ToolError::Config { reason: crate::error::said(&error) })?;
        Ok(Self { topic: options.topic.clone(), partition: options.partition, producer, answers: received })
    }

    /// Hands a record over; waits while too much is on its way. What becomes of it, [`Self::answers`] tells.
    ///
    /// # Errors
    /// Why it was refused at once; there is no other answer then.
    pub fn send(&self, record: &NewRecord<'_>) -> Result<(), String> {
        let mut new = BaseRecord::<[u8], [u8], Box<u64>>::with_opaque_to(&self.topic, Box::new(record.number));
        new.key = record.key;
        new.payload = record.value;
        new.partition = self.partition;
        if !record.headers.is_empty() {
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            });
            new.headers = Some(headers);
        }
        loop {
            match self.producer.send(new) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) => {
                    new = back;
                    std::thread::sleep(FULL_PAUSE);
                }
                Err((error, _)) => return Err(Failure::from(error).reason),
            }
        }
    }

    /// What became of records since this was called last.
    pub fn answers(&self) -> TryIter<'_, ProducedRecord> {
        self.answers.try_iter()
    }

    /// Waits until every record has its answer, which takes at most the delivery time-out. `false`: some have none.
    pub fn finish(&self, patience: Duration) -> bool {
        self.producer.flush(patience).is_ok()
    }
}
