//! What another client wrote: compressed, without a transaction, and in transactions that were aborted.

use crate::{open, servers};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sluice_client::{Broker, FetchPartition, NewTopic, TopicPartition};
use sluice_protocol::batches;
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// The first `count` values in the first partition at least, and what else is there.
pub async fn read_values(broker: &dyn Broker, topic: &str, count: usize) -> Vec<String> {
    let (consumer, partition) = (broker.consumer(), TopicPartition::new(topic, 0));
    let (mut values, mut offset) = (Vec::new(), 0);
    loop {
        let wanted = FetchPartition { partition: partition.clone(), offset, max_bytes: 1 << 20 };
        // A transaction's markers are written a moment after its commit.
        let max_wait = if values.len() < count { PATIENCE } else { Duration::ZERO };
        let fetched = consumer.fetch(&[wanted], max_wait).await.pop().expect("one").expect("readable");
        if fetched.records.is_empty() {
            assert_eq!(offset, fetched.high_watermark, "below the end there is something, if only an empty batch");
            return values;
        }
        for batch in batches(&fetched.records) {
            let batch = batch.expect("whole");
            for record in batch.records().expect("plain") {
                let value = record.expect("whole").value.expect("a value");
                values.push(String::from_utf8_lossy(value).into_owned());
            }
            offset = batch.last_offset() + 1;
        }
    }
}

fn produce(producer: &BaseProducer, topic: &str, values: std::ops::Range<usize>) {
    for i in values {
        let value = format!("value-{i}");
        producer.send(BaseRecord::<[u8], [u8]>::to(topic).partition(0).payload(value.as_bytes())).expect("queued");
    }
    producer.flush(PATIENCE).expect("delivered");
}

async fn create(broker: &dyn Broker, name: &str) {
    let topic = NewTopic { name: name.into(), partitions: 1, config: BTreeMap::new() };
    broker.admin().create_topic(topic).await.expect("created");
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_batches_of_other_clients_are_read() {
    let (Some(servers), Some(kafka)) = (servers().await, open().await) else { return };
    create(&kafka.0, "compressed").await;
    let mut expected = Vec::new();
    for (number, codec) in ["gzip", "snappy", "lz4", "zstd", "none"].into_iter().enumerate() {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &servers).set("compression.type", codec);
        let producer: BaseProducer = config.create().expect("a producer");
        let values = number * 100..number * 100 + 100;
        produce(&producer, "compressed", values.clone());
        expected.extend(values.map(|i| format!("value-{i}")));
    }
    assert_eq!(read_values(&kafka.0, "compressed", 500).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_transactions_are_not_read_and_open_ones_are_waited_for() {
    let (Some(servers), Some(kafka)) = (servers().await, open().await) else { return };
    create(&kafka.0, "aborted").await;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers).set("transactional.id", "aborted");
    let producer: BaseProducer = config.create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("it begins");
    for round in 0..3 {
        producer.begin_transaction().expect("open");
        produce(&producer, "aborted", round * 10..round * 10 + 10);
        if round == 1 {
            producer.commit_transaction(PATIENCE).expect("committed");
        } else {
            producer.abort_transaction(PATIENCE).expect("aborted");
        }
    }
    let expected: Vec<String> = (10..20).map(|i| format!("value-{i}")).collect();
    assert_eq!(read_values(&kafka.0, "aborted", 10).await, expected);
    let partition = TopicPartition::new("aborted", 0);
    let consumer = kafka.0.consumer();
    let wanted = FetchPartition { partition: partition.clone(), offset: 22, max_bytes: 1000 };
    let fetched = consumer.fetch(&[wanted], PATIENCE).await.pop().expect("one").expect("readable");
    let end = fetched.high_watermark;
    assert_eq!(end, 33, "30 records and 3 markers");
    assert_eq!(batches(&fetched.records).map(|batch| batch.expect("whole").count()).sum::<i32>(), 0);
    producer.begin_transaction().expect("open");
    produce(&producer, "aborted", 30..31);
    assert_eq!(consumer.end_offset(&partition).await.expect("known"), end, "the last stable offset");
    let wanted = FetchPartition { partition: partition.clone(), offset: end, max_bytes: 1000 };
    let fetched = consumer.fetch(&[wanted], Duration::from_millis(300)).await.pop().expect("one").expect("readable");
    assert!(fetched.records.is_empty());
    producer.commit_transaction(PATIENCE).expect("committed");
    assert_eq!(read_values(&kafka.0, "aborted", 11).await.last().map(String::as_str), Some("value-30"));
}
