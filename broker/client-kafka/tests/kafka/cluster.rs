//! A cluster that is not there, settings that are wrong, producers of other processes.

use crate::{open, servers};
use sluice_client::{Append, AppendError, Broker, NewTopic, PartitionRecords};
use sluice_client_kafka::{ConnectError, KafkaBroker, KafkaConfig};
use sluice_protocol::RecordBatchBuilder;
use std::collections::BTreeMap;
use std::time::Duration;

fn one(topic: &str, value: &str) -> Append {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    builder.push(1, None, Some(value.as_bytes())).expect("it fits");
    let records = vec![PartitionRecords { topic: topic.into(), partition: 0, records: builder.finish() }];
    Append { records, group_offsets: Vec::new() }
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_named_with_the_reason() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").port()
    };
    let mut config = KafkaConfig::new(format!("127.0.0.1:{port}"));
    config.request_timeout = Duration::from_secs(2);
    let error = KafkaBroker::connect(config).await.map(drop).expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }));
    let said = error.to_string();
    assert!(said.contains(&port.to_string()) && said.contains("Connection refused"), "{said}");
}

#[tokio::test]
async fn a_setting_that_librdkafka_does_not_know_is_named() {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.client.insert("sasl.jaas.config".to_owned(), "x".to_owned());
    let error = KafkaBroker::connect(config).await.map(drop).expect_err("it has no such setting");
    assert!(matches!(error, ConnectError::Config { .. }));
    assert!(error.to_string().contains("sasl.jaas.config"), "{error}");
}

#[tokio::test]
async fn a_producer_of_another_process_fences_and_nothing_of_the_older_one_lands() {
    let Some(servers) = servers().await else { return };
    let connect = async || KafkaBroker::connect(KafkaConfig::new(&servers)).await.expect("it is reached");
    // Two brokers share nothing, as two processes.
    let (here, there) = (connect().await, connect().await);
    let topic = NewTopic { name: "fence-across".into(), partitions: 1, config: BTreeMap::new() };
    here.admin().create_topic(topic).await.expect("created");
    let older = here.producer("fence-across").await.expect("a producer");
    older.send(one("fence-across", "a")).await.expect("sent").await.expect("durable");
    let newer = there.producer("fence-across").await.expect("a producer");
    let refused = older.send(one("fence-across", "b")).await.expect("it does not know yet").await;
    assert!(matches!(refused, Err(AppendError::ProducerFenced { .. })), "{refused:?}");
    let refused = older.send(one("fence-across", "c")).await.map(drop);
    assert!(matches!(refused, Err(AppendError::ProducerFenced { .. })), "{refused:?}");
    newer.send(one("fence-across", "d")).await.expect("sent").await.expect("durable");
    assert_eq!(crate::foreign::read_values(&there, "fence-across", 2).await, ["a", "d"]);
}

#[tokio::test]
async fn what_was_sent_behind_a_failed_append_fails_too() {
    let Some(kafka) = open().await else { return };
    let admin = kafka.0.admin();
    let compacted = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    admin.create_topic(NewTopic { name: "behind".into(), partitions: 1, config: compacted }).await.expect("created");
    admin
        .create_topic(NewTopic { name: "beside".into(), partitions: 1, config: BTreeMap::new() })
        .await
        .expect("created");
    let producer = kafka.0.producer("behind").await.expect("a producer");
    let first = producer.send(one("beside", "a")).await.expect("sent");
    // Only the broker sees that a compacted topic wants a key.
    let failing = producer.send(one("behind", "no key")).await.expect("sent");
    let behind = producer.send(one("beside", "b")).await.expect("sent");
    first.await.expect("it was before");
    let refused = failing.await;
    assert!(matches!(refused, Err(AppendError::CorruptRecord { .. })), "{refused:?}");
    let refused = behind.await;
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
    producer.send(one("beside", "c")).await.expect("sent").await.expect("durable");
    assert_eq!(crate::foreign::read_values(&kafka.0, "beside", 2).await, ["a", "c"]);
}
