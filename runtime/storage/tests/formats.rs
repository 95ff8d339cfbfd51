//! What stands in the internal topics, byte for byte, and what is read back from it. Source: Kafka `KafkaConfigBackingStore`,
//! `KafkaStatusBackingStore`.

use bytes::Bytes;
use sluice_client::{Append, Broker, FetchPartition, NewTopic, PartitionRecords, TopicPartition};
use sluice_connect_api::ConfigMap;
use sluice_data::{ConnectorName, TaskId};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_protocol::{RecordBatchBuilder, batches};
use sluice_storage::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn open(folder: &Path) -> Arc<dyn Broker> {
    EmbeddedBroker::open(EmbeddedConfig::new(folder.join("data"))).unwrap()
}

async fn configs(broker: &Arc<dyn Broker>, folder: &Path) -> ConfigBackingStore {
    ConfigBackingStore::open(&**broker, Secrets::open(&folder.join("secret.key")).unwrap()).await.unwrap()
}

fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Keys and values as text, in the order of the log.
async fn records(broker: &Arc<dyn Broker>, topic: &str) -> Vec<(String, Option<String>)> {
    let fetch = FetchPartition { partition: TopicPartition::new(topic, 0), offset: 0, max_bytes: 1 << 24 };
    let bytes = broker.consumer().fetch(&[fetch], Duration::ZERO).await.remove(0).unwrap().records;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = Vec::new();
    for batch in batches(&bytes) {
        let records = batch.unwrap().records().unwrap().map(Result::unwrap);
        found.extend(records.map(|record| (text(record.key.unwrap()), record.value.map(text))));
    }
    found
}

/// Writes records as a foreign Connect worker would have.
async fn import(broker: &Arc<dyn Broker>, topic: &str, records: &[(&str, Option<&str>)]) {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for (key, value) in records {
        builder.push(1, Some(key.as_bytes()), value.map(str::as_bytes)).unwrap();
    }
    let records = vec![PartitionRecords { topic: topic.into(), partition: 0, records: builder.finish() }];
    let producer = broker.producer("import").await.unwrap();
    producer.send(Append { records, group_offsets: Vec::new() }).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn config_records_are_those_of_kafka_connect() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path());
    let store = configs(&broker, folder.path()).await;
    let name = ConnectorName::new("a-1");
    let config = map(&[("connector.class", "X"), ("name", "a-1")]);
    store.put_connector(&name, &config, Some(TargetState::Stopped), &|_| false).await.unwrap();
    store.put_task_configs(&name, &[map(&[("t", "0")]), map(&[("t", "1")])], &|_| false).await.unwrap();
    store.put_task_configs(&name, &[map(&[("t", "2")])], &|_| false).await.unwrap();
    store.put_target_state(&name, TargetState::Paused).await.unwrap();
    store.put_offsets_generation(&name, 3).await.unwrap();
    store.remove_connector(&name).await.unwrap();
    let expected = [
        ("target-state-a-1", Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#)),
        ("connector-a-1", Some(r#"{"properties":{"connector.class":"X","name":"a-1"}}"#)),
        ("task-a-1-0", Some(r#"{"properties":{"t":"0"}}"#)),
        ("task-a-1-1", Some(r#"{"properties":{"t":"1"}}"#)),
        ("commit-a-1", Some(r#"{"tasks":2}"#)),
        ("task-a-1-0", Some(r#"{"properties":{"t":"2"}}"#)),
        ("task-a-1-1", None),
        ("commit-a-1", Some(r#"{"tasks":1}"#)),
        ("target-state-a-1", Some(r#"{"state":"PAUSED","state.v2":"PAUSED"}"#)),
        ("sluice-offsets-generation-a-1", Some(r#"{"generation":3}"#)),
        ("connector-a-1", None),
        ("target-state-a-1", None),
        ("commit-a-1", None),
        ("task-a-1-0", None),
    ];
    let expected: Vec<_> = expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).into();
    assert_eq!(records(&broker, CONFIG_TOPIC).await, expected);
    assert!(store.connectors().is_empty());
    assert_eq!(store.offsets_generation(&name), 3, "offsets outlive the connector, and so does their generation");
}

#[tokio::test]
async fn task_configs_count_only_with_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path());
    let compact = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    let topic = NewTopic { name: CONFIG_TOPIC.into(), partitions: 1, config: compact };
    broker.admin().create_topic(topic).await.unwrap();
    let task = Some(r#"{"properties":{"t":"0"}}"#);
    import(
        &broker,
        CONFIG_TOPIC,
        &[
            ("connector-whole", Some(r#"{"properties":{"k":"v","n":7}}"#)),
            ("target-state-whole", Some(r#"{"state":"PAUSED"}"#)),
            ("task-whole-0", task),
            ("commit-whole", Some(r#"{"tasks":1}"#)),
            ("connector-late", Some(r#"{"properties":{}}"#)),
            ("commit-late", Some(r#"{"tasks":1}"#)),
            ("task-late-0", task),
            ("connector-missing", Some(r#"{"properties":{}}"#)),
            ("task-missing-0", task),
            ("commit-missing", Some(r#"{"tasks":2}"#)),
            ("connector-odd", Some("no json")),
        ],
    )
    .await;
    let stored = configs(&broker, folder.path()).await.connectors();
    let of = |name: &str| &stored[&ConnectorName::new(name)];
    assert_eq!(of("whole").task_configs, Some(vec![map(&[("t", "0")])]));
    assert_eq!(of("whole").target_state, TargetState::Paused, "state of Kafka 3.4 and older");
    assert_eq!(of("whole").config, map(&[("k", "v"), ("n", "7")]));
    assert_eq!(of("late").task_configs, None);
    assert_eq!(of("missing").task_configs, None);
    assert!(!stored.contains_key(&ConnectorName::new("odd")));
}

#[tokio::test]
async fn secrets_lie_sealed_in_the_log_and_open_with_the_key_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let name = ConnectorName::new("c");
    let config =
        map(&[("p", "geheim"), ("url", "http://u:geheim@h"), ("file", "/x"), ("odd", "sluice:sealed:v1:AAAA")]);
    {
        let broker = open(folder.path());
        let store = configs(&broker, folder.path()).await;
        store.put_connector(&name, &config, None, &|key| key == "p").await.unwrap();
        let text = format!("{:?}", records(&broker, CONFIG_TOPIC).await);
        assert!(!text.contains("geheim") && text.contains("/x"), "{text}");
    }
    {
        let broker = open(folder.path());
        let stored = configs(&broker, folder.path()).await.connectors().remove(&name).unwrap();
        assert_eq!(stored.config, config);
        assert_eq!(stored.sealed.into_iter().collect::<Vec<_>>(), ["odd", "p", "url"]);
    }
    std::fs::remove_file(folder.path().join("secret.key")).unwrap();
    let broker = open(folder.path());
    let stored = configs(&broker, folder.path()).await.connectors().remove(&name).unwrap();
    assert_eq!((stored.config, stored.problems.len()), (map(&[("file", "/x")]), 3));
}

#[tokio::test]
async fn status_records_are_those_of_kafka_connect() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path());
    let store = StatusBackingStore::open(&*broker).await.unwrap();
    let name = ConnectorName::new("a-1");
    let status = |state, trace: Option<&str>| Status {
        state,
        trace: trace.map(str::to_owned),
        worker_id: "host:8083".to_owned(),
        generation: 4,
    };
    let topic = TopicStatus { name: "t".to_owned(), connector: "a-1".to_owned(), task: 0, discover_timestamp: 5 };
    let updates = [
        StatusUpdate::Connector(name.clone(), status(State::Running, None)),
        StatusUpdate::Task(TaskId::new(name.clone(), 0), status(State::Failed, Some("why"))),
        StatusUpdate::Topic(topic.clone()),
    ];
    store.put(&updates).await.unwrap();
    let expected = [
        ("status-connector-a-1", r#"{"state":"RUNNING","trace":null,"worker_id":"host:8083","generation":4}"#),
        ("status-task-a-1-0", r#"{"state":"FAILED","trace":"why","worker_id":"host:8083","generation":4}"#),
        ("status-topic-t:connector-a-1", r#"{"topic":{"name":"t","connector":"a-1","task":0,"discoverTimestamp":5}}"#),
    ];
    let expected: Vec<_> = expected.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).into();
    assert_eq!(records(&broker, STATUS_TOPIC).await, expected);
    drop(store);
    let statuses = StatusBackingStore::open(&*broker).await.unwrap().load();
    assert_eq!(statuses.connectors, [(name.clone(), status(State::Running, None))]);
    assert_eq!(statuses.tasks, [(TaskId::new(name, 0), status(State::Failed, Some("why")))]);
    assert_eq!(statuses.topics, [topic]);
}

#[tokio::test]
async fn a_topic_that_would_forget_records_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path());
    let delete = NewTopic { name: "forgets".into(), partitions: 1, config: [].into() };
    broker.admin().create_topic(delete).await.unwrap();
    let opened = TopicLog::open(&*broker, TopicLogConfig::new("forgets", 1)).await;
    assert!(matches!(opened, Err(TopicLogError::NotCompacted { .. })));
    let compact = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    let wide = NewTopic { name: "wide".into(), partitions: 2, config: compact };
    broker.admin().create_topic(wide).await.unwrap();
    let opened = TopicLog::open(&*broker, TopicLogConfig::new("wide", 1)).await;
    assert!(matches!(opened, Err(TopicLogError::Partitions { found: 2, .. })));
}

#[tokio::test]
async fn a_topic_log_reads_back_the_newest_value_of_every_key() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path());
    let config = || TopicLogConfig::new("many", 3);
    let log = TopicLog::open(&*broker, config()).await.unwrap();
    let entry = |key: u32, value: Option<u32>| {
        TopicLogEntry::new(format!("k{key}"), value.map(|value| Bytes::from(value.to_string())))
    };
    let first: Vec<TopicLogEntry> = (0..5_000).map(|key| entry(key, Some(key))).collect();
    let second: Vec<TopicLogEntry> =
        (0..5_000).step_by(2).map(|key| entry(key, (key % 4 == 0).then_some(key + 1))).collect();
    log.put(&first).await.unwrap();
    log.put(&second).await.unwrap();
    let before: Vec<(Bytes, Bytes)> = log.entries().into_iter().map(|(key, stored)| (key, stored.value)).collect();
    assert_eq!(before.len(), 3_750);
    let again = TopicLog::open(&*broker, config()).await.unwrap();
    let after: Vec<(Bytes, Bytes)> = again.entries().into_iter().map(|(key, stored)| (key, stored.value)).collect();
    assert_eq!(after, before);
    assert_eq!(again.get(b"k4"), Some(Bytes::from_static(b"5")));
    assert_eq!(again.get(b"k2"), None);
    assert!(log.put(&[entry(1, Some(1))]).await.is_err(), "the older writer is fenced");
}

#[tokio::test]
async fn offsets_of_a_connect_worker_are_found_whatever_order_their_partitions_members_have() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path());
    let compact = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    broker.admin().create_topic(NewTopic { name: "offsets".into(), partitions: 1, config: compact }).await.unwrap();
    let offsets = [
        (r#"["db",{"table":"t","protocol":"1"}]"#, Some(r#"{"incrementing":7}"#)),
        (r#"["db",{"table":"u","protocol":"1"}]"#, Some(r#"{"incrementing":1}"#)),
        (r#"["db",{"protocol":"1","table":"u"}]"#, Some(r#"{"incrementing":9}"#)),
        (r#"["file",{"filename":"/x"}]"#, Some(r#"{"position":3}"#)),
    ];
    import(&broker, "offsets", &offsets).await;
    let (name, config) = (ConnectorName::new("db"), TopicLogConfig::new("offsets", 1));
    for _ in 0..2 {
        let store = OffsetBackingStore::open(&*broker, config.clone()).await.unwrap();
        let found: Vec<String> =
            store.offsets(&name).iter().map(|(_, offset)| offset["incrementing"].to_string()).collect();
        assert_eq!(found, ["7", "9"], "the hub's own are newer");
    }
    let store = OffsetBackingStore::open(&*broker, config.clone()).await.unwrap();
    let forgotten: Vec<_> = store.offsets(&name).into_iter().map(|(partition, _)| (partition, None)).collect();
    store.alter(&name, &forgotten).await.unwrap();
    let store = OffsetBackingStore::open(&*broker, config).await.unwrap();
    assert!(store.offsets(&name).is_empty(), "what was reset does not come back");
    assert_eq!(store.offsets(&ConnectorName::new("file")).len(), 1);
}
