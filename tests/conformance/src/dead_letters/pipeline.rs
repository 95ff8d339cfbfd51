//! One failing sink: its config, and the records that it is fed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Map, Value, json};

use super::letter::Letter;

/// A header that the last record of each partition has. That record fails, so that a queue which holds it holds all.
pub const LAST: &str = "last";
/// A cold JVM on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Each record has a time of its own, by which it is known again.
const FIRST_TIME_MS: i64 = 1_700_000_000_000;

/// A record as it goes into the topic.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    #[must_use]
    pub fn new(key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
        let owned = |bytes: &[u8]| bytes.to_vec();
        Record { key: key.map(owned), value: value.map(owned), ..Record::default() }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Record {
        self.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }

    #[must_use]
    pub fn partition(self, partition: i32) -> Record {
        Record { partition, ..self }
    }
}

#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: &'static str,
    pub partitions: i32,
    /// Beside class, topics, file and queue.
    pub config: Map<String, Value>,
    pub records: Vec<Record>,
}

impl Pipeline {
    /// The connector's config; it writes what does not fail into `file`.
    #[must_use]
    pub fn connector(&self, file: &str) -> Value {
        let mut config = json!({
            "connector.class": "FileStreamSink",
            "tasks.max": "1",
            "file": file,
            "topics": self.topic(),
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": self.queue(),
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
        });
        config.as_object_mut().expect("an object").extend(self.config.clone());
        config
    }

    fn topic(&self) -> String {
        format!("in-{}", self.name)
    }

    /// The dead letter queue.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("letters-{}", self.name)
    }

    /// Makes the topic and writes all records.
    ///
    /// # Errors
    /// The client's.
    pub async fn feed(&self, servers: &str) -> Result<()> {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", servers).create()?;
        let topic = self.topic();
        let new = NewTopic::new(&topic, self.partitions, TopicReplication::Fixed(1));
        for made in admin.create_topics(&[new], &AdminOptions::new().operation_timeout(Some(LIMIT))).await? {
            made.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
        }
        let records = self.records.clone();
        let servers = servers.to_owned();
        tokio::task::spawn_blocking(move || write(&servers, &topic, &records)).await?
    }

    /// What lies in the queue up to the last letter, by partition and place of the queue.
    ///
    /// # Errors
    /// The last letter does not come.
    pub async fn letters(&self, servers: &str) -> Result<Vec<Letter>> {
        let (servers, queue, partitions) = (servers.to_owned(), self.queue(), self.partitions as usize);
        let read = tokio::task::spawn_blocking(move || read(&servers, &queue, partitions)).await?;
        let mut letters = read.with_context(|| format!("the queue of {}", self.name))?;
        // What several partitions hold is fetched in any order.
        if self.partitions > 1 {
            letters.sort_by_key(|letter| letter.timestamp);
        }
        Ok(letters)
    }
}

fn write(servers: &str, topic: &str, records: &[Record]) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("compression.type", "gzip").set("enable.idempotence", "true");
    let producer: BaseProducer = config.create()?;
    for (number, record) in records.iter().enumerate() {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(Header { key: name, value: value.as_deref() })
        });
        let mut new: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(record.partition).timestamp(FIRST_TIME_MS + number as i64).headers(headers);
        (new.key, new.payload) = (record.key.as_deref(), record.value.as_deref());
        producer.send(new).map_err(|(error, _)| error)?;
    }
    producer.flush(LIMIT)?;
    Ok(())
}

/// Until the last letter of each partition that was fed has come.
fn read(servers: &str, queue: &str, last_letters: usize) -> Result<Vec<Letter>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "letters").set("enable.auto.commit", "false");
    config.set("isolation.level", "read_committed").set("topic.metadata.refresh.interval.ms", "200");
    let consumer: BaseConsumer = config.create()?;
    let begin = std::time::Instant::now();
    let known = loop {
        let metadata = consumer.fetch_metadata(Some(queue), LIMIT)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        if partitions > 0 {
            break partitions;
        }
        ensure!(begin.elapsed() < LIMIT, "there is no topic {queue}");
        std::thread::sleep(POLL);
    };
    ensure!(known == 1, "{queue} has {known} partitions");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(queue, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let mut letters: BTreeMap<i64, Letter> = BTreeMap::new();
    let mut last = 0;
    while last < last_letters {
        if begin.elapsed() > LIMIT {
            let all: Vec<String> = letters.values().map(ToString::to_string).collect();
            bail!("the last letter did not come: {all:#?}");
        }
        let Some(message) = consumer.poll(POLL) else { continue };
        let message = message?;
        let letter = Letter::of(&message);
        last += usize::from(letter.headers.iter().any(|(name, _)| name == LAST));
        letters.insert(message.offset(), letter);
    }
    Ok(letters.into_values().collect())
}
