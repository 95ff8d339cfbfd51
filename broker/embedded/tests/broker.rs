//! The traits over real files.

use bytes::Bytes;
use sluice_client::{
    Append, AppendError, Broker, FetchError, FetchPartition, GroupOffset, NewTopic, PartitionRecords, TopicPartition,
};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_protocol::{RecordBatchBuilder, batches};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn open(dir: &tempfile::TempDir) -> Arc<EmbeddedBroker> {
    EmbeddedBroker::open(EmbeddedConfig::new(dir.path())).expect("it opens")
}

async fn create(broker: &EmbeddedBroker, name: &str, partitions: i32) {
    let topic = NewTopic { name: name.into(), partitions, config: BTreeMap::new() };
    broker.admin().create_topic(topic).await.expect("created");
}

fn records(from: usize, count: usize) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for i in from..from + count {
        builder.push(1000 + i as i64, Some(b"k"), Some(format!("value-{i}").as_bytes())).expect("it fits");
    }
    builder.finish()
}

fn part(topic: &str, partition: i32, records: Bytes) -> PartitionRecords {
    PartitionRecords { topic: topic.into(), partition, records }
}

async fn read_all(broker: &EmbeddedBroker, topic: &str, partition: i32) -> Vec<String> {
    let mut values = Vec::new();
    let mut offset = 0;
    loop {
        let wanted = FetchPartition { partition: TopicPartition::new(topic, partition), offset, max_bytes: 5000 };
        let fetched = broker.consumer().fetch(&[wanted], Duration::ZERO).await.pop().expect("one").expect("readable");
        if fetched.records.is_empty() {
            assert_eq!(offset, fetched.high_watermark);
            return values;
        }
        for batch in batches(&fetched.records) {
            let batch = batch.expect("whole");
            batch.verify_crc().expect("as written");
            for record in batch.records().expect("plain") {
                let record = record.expect("whole");
                if record.offset >= offset {
                    values.push(String::from_utf8_lossy(record.value.expect("a value")).into_owned());
                }
            }
            offset = batch.last_offset() + 1;
        }
    }
}

#[tokio::test]
async fn records_and_offsets_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster_id = {
        let broker = open(&dir);
        create(&broker, "a", 2).await;
        let producer = broker.producer("p").await.expect("a producer");
        let mut acks = Vec::new();
        for i in 0..50 {
            let group_offsets = vec![GroupOffset {
                group: "g".into(),
                partition: TopicPartition::new("a", 0),
                offset: i as i64,
                metadata: "m".into(),
            }];
            let records = vec![part("a", 0, records(i * 100, 100)), part("a", 1, records(i, 1))];
            acks.push(producer.send(Append { records, group_offsets }).await.expect("sent"));
        }
        for (i, ack) in acks.into_iter().enumerate() {
            assert_eq!(ack.await.expect("durable").base_offsets, [i as i64 * 100, i as i64]);
        }
        broker.cluster_id()
    };
    for _ in 0..3 {
        let broker = open(&dir);
        assert!(broker.recovery_report().clean, "{:?}", broker.recovery_report());
        assert_eq!(broker.cluster_id(), cluster_id);
        let expected: Vec<_> = (0..5000).map(|i| format!("value-{i}")).collect();
        assert_eq!(read_all(&broker, "a", 0).await, expected);
        assert_eq!(read_all(&broker, "a", 1).await, &expected[..50]);
        let offsets = broker.admin().group_offsets("g").await.expect("readable");
        assert_eq!(offsets[&TopicPartition::new("a", 0)].offset, 49);
        let partition = TopicPartition::new("a", 0);
        let consumer = broker.consumer();
        assert_eq!(consumer.offset_for_time(&partition, 1234).await.expect("readable"), Some(234));
        assert_eq!(consumer.offset_for_time(&partition, 99_999).await.expect("readable"), None);
    }
}

#[tokio::test]
async fn a_newer_producer_fences_the_older_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let broker = open(&dir);
    create(&broker, "a", 1).await;
    let older = broker.producer("p").await.expect("a producer");
    let append = || Append { records: vec![part("a", 0, records(0, 1))], group_offsets: vec![] };
    let under_way = older.send(append()).await.expect("not fenced yet");
    let newer = broker.producer("p").await.expect("a producer");
    assert_eq!(broker.consumer().end_offset(&TopicPartition::new("a", 0)).await.expect("known"), 1);
    under_way.await.expect("it was sent before");
    let refused = older.send(append()).await.map(drop);
    assert!(matches!(refused, Err(AppendError::ProducerFenced { .. })));
    drop(older);
    newer.send(append()).await.expect("the newer one goes on").await.expect("durable");
    assert_eq!(read_all(&broker, "a", 0).await.len(), 2);
}

#[tokio::test]
async fn a_fetch_waits_for_records_and_wakes_when_they_are_durable() {
    let dir = tempfile::tempdir().expect("a folder");
    let broker = open(&dir);
    create(&broker, "a", 1).await;
    create(&broker, "b", 1).await;
    let producer = broker.producer("p").await.expect("a producer");
    let consumer = broker.consumer();
    let waiting = tokio::spawn(async move {
        let wanted = ["a", "b"].map(|topic| FetchPartition {
            partition: TopicPartition::new(topic, 0),
            offset: 0,
            max_bytes: 1000,
        });
        consumer.fetch(&wanted, Duration::from_secs(60)).await
    });
    tokio::task::yield_now().await;
    let append = Append { records: vec![part("b", 0, records(0, 1))], group_offsets: vec![] };
    producer.send(append).await.expect("sent").await.expect("durable");
    let fetched = waiting.await.expect("it ended");
    assert!(fetched[0].as_ref().expect("readable").records.is_empty());
    assert!(!fetched[1].as_ref().expect("readable").records.is_empty());
}

#[tokio::test]
async fn bad_appends_and_fetches_are_named_and_harm_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let broker = open(&dir);
    let config = BTreeMap::from([("max.message.bytes".to_owned(), "200".to_owned())]);
    let topic = NewTopic { name: "a".into(), partitions: 1, config };
    broker.admin().create_topic(topic.clone()).await.expect("created");
    assert!(broker.admin().create_topic(topic).await.is_err());
    let producer = broker.producer("p").await.expect("a producer");
    let send = async |part: PartitionRecords| {
        producer.send(Append { records: vec![part], group_offsets: vec![] }).await.map(drop).expect_err("refused")
    };
    assert!(matches!(send(part("b", 0, records(0, 1))).await, AppendError::UnknownTopicOrPartition { .. }));
    assert!(matches!(send(part("a", 1, records(0, 1))).await, AppendError::UnknownTopicOrPartition { .. }));
    assert!(matches!(send(part("a", 0, records(0, 50))).await, AppendError::RecordTooLarge { .. }));
    let mut flipped = records(0, 1).to_vec();
    flipped[70] ^= 1;
    assert!(matches!(send(part("a", 0, flipped.into())).await, AppendError::CorruptRecord { .. }));
    assert_eq!(read_all(&broker, "a", 0).await.len(), 0);
    let wanted = FetchPartition { partition: TopicPartition::new("a", 0), offset: 5, max_bytes: 1 };
    let fetched = broker.consumer().fetch(&[wanted], Duration::from_secs(60)).await;
    assert!(matches!(fetched[0], Err(FetchError::OffsetOutOfRange { offset: 5, .. })));
}

#[tokio::test]
async fn a_recreated_topic_is_empty_and_has_another_id() {
    let dir = tempfile::tempdir().expect("a folder");
    let broker = open(&dir);
    create(&broker, "a", 1).await;
    let admin = broker.admin();
    let first = admin.describe_topic("a").await.expect("known").expect("there");
    let producer = broker.producer("p").await.expect("a producer");
    let append = Append { records: vec![part("a", 0, records(0, 3))], group_offsets: vec![] };
    producer.send(append).await.expect("sent").await.expect("durable");
    admin.delete_topic("a").await.expect("deleted");
    assert!(admin.describe_topic("a").await.expect("known").is_none());
    create(&broker, "a", 1).await;
    drop((producer, admin, broker));
    let broker = open(&dir);
    let second = broker.admin().describe_topic("a").await.expect("known").expect("there");
    assert_ne!(first.id, second.id);
    assert_eq!(read_all(&broker, "a", 0).await.len(), 0);
}

#[tokio::test]
async fn a_data_directory_in_use_or_of_a_newer_version_is_refused_untouched() {
    let dir = tempfile::tempdir().expect("a folder");
    let broker = open(&dir);
    let refused = EmbeddedBroker::open(EmbeddedConfig::new(dir.path())).map(drop).expect_err("it is in use");
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    drop(broker);
    let meta = dir.path().join("meta.properties");
    let newer = std::fs::read_to_string(&meta).expect("written").replace("version=1", "version=9");
    std::fs::write(&meta, &newer).expect("write");
    let refused = EmbeddedBroker::open(EmbeddedConfig::new(dir.path())).map(drop).expect_err("it is newer");
    assert!(refused.to_string().contains("newer version"), "{refused}");
    assert_eq!(std::fs::read_to_string(&meta).expect("still there"), newer);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_producers_share_the_log_and_none_overtakes_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let broker = open(&dir);
    create(&broker, "a", 4).await;
    let mut tasks = Vec::new();
    for number in 0..4 {
        let broker = broker.clone();
        tasks.push(tokio::spawn(async move {
            let producer = broker.producer(&format!("p{number}")).await.expect("a producer");
            let mut acks = Vec::new();
            for i in 0..200 {
                let append = Append { records: vec![part("a", number, records(i, 1))], group_offsets: vec![] };
                acks.push(producer.send(append).await.expect("sent"));
            }
            for (i, ack) in acks.into_iter().enumerate() {
                assert_eq!(ack.await.expect("durable").base_offsets, [i as i64]);
            }
        }));
    }
    for task in tasks {
        task.await.expect("it ended well");
    }
    let expected: Vec<_> = (0..200).map(|i| format!("value-{i}")).collect();
    for number in 0..4 {
        assert_eq!(read_all(&broker, "a", number).await, expected);
    }
}
