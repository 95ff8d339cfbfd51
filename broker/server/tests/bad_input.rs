//! What a client may get wrong, and Kafka's code for it, with a sentence where the protocol carries one.

mod common;

use common::{Client, Running, batch, fetch, produce, produced, start, topic};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_log::OpenError;
use sluice_protocol::{Compression, RecordBatchBuilder, compressed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_TOPIC: i16 = 17;
const INVALID_REQUIRED_ACKS: i16 = 21;
const ILLEGAL_GENERATION: i16 = 22;
const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
const INVALID_GROUP_ID: i16 = 24;
const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_SESSION_TIMEOUT: i16 = 26;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_REPLICATION_FACTOR: i16 = 38;
const INVALID_CONFIG: i16 = 40;
const INVALID_REQUEST: i16 = 42;
const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
const INVALID_RECORD: i16 = 87;
const UNKNOWN_TOPIC_ID: i16 = 100;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

async fn with_topic() -> (Running, Client) {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    for value in ["a", "b", "c"] {
        assert_eq!(produced(&client.call(9, &produce("orders", 0, batch(&[value]))).await).0, 0);
    }
    (running, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_created_is_refused_with_the_reason() {
    let (_running, mut client) = with_topic().await;
    let new =
        |name: &str| CreatableTopic::default().with_name(topic(name)).with_num_partitions(1).with_replication_factor(1);
    let setting =
        |name: &str, value: &str| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)));
    let cases = [
        (vec![new("not/legal")], INVALID_TOPIC),
        (vec![new("..")], INVALID_TOPIC),
        (vec![new(&"x".repeat(250))], INVALID_TOPIC),
        (vec![new("")], INVALID_TOPIC),
        (vec![new("orders")], TOPIC_ALREADY_EXISTS),
        (vec![new("none").with_num_partitions(0)], INVALID_PARTITIONS),
        (vec![new("none").with_replication_factor(0)], INVALID_REPLICATION_FACTOR),
        (vec![new("none").with_configs(vec![setting("retention.ms", "soon")])], INVALID_CONFIG),
        (vec![new("none").with_configs(vec![setting("cleanup.policy", "keep")])], INVALID_CONFIG),
        (vec![new("none").with_configs(vec![setting("no.such.setting", "1")])], INVALID_CONFIG),
        (vec![new("none").with_configs(vec![setting("max.message.bytes", "-5")])], INVALID_CONFIG),
        (vec![new("none"), new("none")], INVALID_REQUEST),
    ];
    for (topics, code) in cases {
        let what = format!("{topics:?}");
        let answer = client.call(7, &CreateTopicsRequest::default().with_topics(topics)).await;
        assert_eq!(answer.topics[0].error_code, code, "{what}");
        assert!(answer.topics[0].error_message.as_ref().is_some_and(|message| !message.is_empty()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_changed_is_refused_with_the_reason() {
    let (_running, mut client) = with_topic().await;
    for (name, key, value, code) in [
        ("orders", "retention.ms", "soon", INVALID_CONFIG),
        ("orders", "no.such.setting", "1", INVALID_CONFIG),
        ("orders", "min.cleanable.dirty.ratio", "2", INVALID_CONFIG),
        ("nobody", "retention.ms", "1", UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        let change = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(name))
            .with_configs(vec![change]);
        let answer = client.call(1, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource])).await;
        assert_eq!(answer.responses[0].error_code, code, "{name} {key}={value}");
        assert!(answer.responses[0].error_message.is_some(), "{name} {key}={value}");
    }
}

async fn fetch_code(client: &mut Client, offset: i64, epoch: i32) -> i16 {
    let mut request = fetch("orders", offset, 0);
    request.topics[0].partitions[0].current_leader_epoch = epoch;
    client.call(12, &request).await.responses[0].partitions[0].error_code
}

async fn offset_for(client: &mut Client, timestamp: i64) -> i64 {
    let part = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic("orders")).with_partitions(vec![part]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    client.call(5, &request).await.topics[0].partitions[0].offset
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_out_of_range_is_told_and_each_reset_policy_finds_its_way_back() {
    let (_running, mut client) = with_topic().await;
    let part = DeleteRecordsPartition::default().with_offset(1);
    let records = DeleteRecordsTopic::default().with_name(topic("orders")).with_partitions(vec![part]);
    let deleted = client.call(2, &DeleteRecordsRequest::default().with_topics(vec![records.clone()])).await;
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    for offset in [0, 4, -1, i64::MAX] {
        assert_eq!(fetch_code(&mut client, offset, -1).await, OFFSET_OUT_OF_RANGE, "{offset}");
    }
    // earliest, latest, by_duration
    assert_eq!((offset_for(&mut client, -2).await, offset_for(&mut client, -1).await), (1, 3));
    assert_eq!((offset_for(&mut client, 0).await, offset_for(&mut client, 9_999).await), (1, -1));
    for offset in [1, 3] {
        assert_eq!(fetch_code(&mut client, offset, -1).await, 0);
    }
    let mut beyond = records;
    beyond.partitions[0].offset = 9;
    let refused = client.call(2, &DeleteRecordsRequest::default().with_topics(vec![beyond])).await;
    assert_eq!(refused.topics[0].partitions[0].error_code, OFFSET_OUT_OF_RANGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_another_leader_epoch_or_topic_id_is_told() {
    let (running, mut client) = with_topic().await;
    let epoch = running.broker.leader_epoch();
    assert_eq!(fetch_code(&mut client, 0, epoch).await, 0);
    assert_eq!(fetch_code(&mut client, 0, epoch + 1).await, UNKNOWN_LEADER_EPOCH);
    if epoch > 0 {
        assert_eq!(fetch_code(&mut client, 0, epoch - 1).await, FENCED_LEADER_EPOCH);
    }
    let part = FetchPartition::default().with_partition_max_bytes(1000).with_current_leader_epoch(-1);
    let unknown = FetchTopic::default().with_topic_id(uuid::Uuid::from_bytes([9; 16])).with_partitions(vec![part]);
    let request = FetchRequest::default().with_max_bytes(1000).with_session_epoch(-1).with_topics(vec![unknown]);
    assert_eq!(client.call(13, &request).await.responses[0].partitions[0].error_code, UNKNOWN_TOPIC_ID);
    let mut nowhere = fetch("orders", 0, 0);
    nowhere.topics[0].partitions[0].partition = 7;
    assert_eq!(client.call(12, &nowhere).await.responses[0].partitions[0].error_code, UNKNOWN_TOPIC_OR_PARTITION);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_topic_cannot_take_is_refused_with_the_reason() {
    let (_running, mut client) = with_topic().await;
    let setting = CreatableTopicConfig::default().with_name(text("cleanup.policy")).with_value(Some(text("compact")));
    let new = CreatableTopic::default().with_name(topic("latest")).with_num_partitions(1).with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![new.with_configs(vec![setting])]);
    assert_eq!(client.call(7, &create).await.topics[0].error_code, 0);
    let mut bomb = RecordBatchBuilder::new(100 << 20);
    bomb.push(0, Some(b"k"), Some(&vec![0; 65 << 20])).expect("it fits");
    let bomb = compressed(&bomb.finish(), Compression::Zstd).expect("whole");
    assert!(bomb.len() < 100 << 10);
    let without_key = compressed(&batch(&["no key"]), Compression::Lz4).expect("whole");
    for (what, records, code) in [
        ("without a key", batch(&["no key"]), INVALID_RECORD),
        ("without a key, compressed", without_key.into(), INVALID_RECORD),
        ("a bomb", bomb.into(), MESSAGE_TOO_LARGE),
    ] {
        let (found, _, message) = produced(&client.call(9, &produce("latest", 0, records)).await);
        assert_eq!(found, code, "{what}: {message}");
        assert!(!message.is_empty(), "{what}");
    }
    let all = produce("orders", 0, batch(&["x"])).with_acks(5);
    assert_eq!(produced(&client.call(9, &all).await).0, INVALID_REQUIRED_ACKS);
}

fn join(group: &str, member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_the_group_does_not_know_or_that_is_late_is_told() {
    let (_running, mut client) = with_topic().await;
    assert_eq!(client.call(5, &join("", "")).await.error_code, INVALID_GROUP_ID);
    assert_eq!(client.call(5, &join("g", "").with_session_timeout_ms(1)).await.error_code, INVALID_SESSION_TIMEOUT);
    assert_eq!(client.call(5, &join("g", "stranger")).await.error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(client.call(5, &join("g", "").with_protocols(vec![])).await.error_code, INCONSISTENT_GROUP_PROTOCOL);
    // Version 3 needs no second round with the member id.
    let joined = client.call(3, &join("g", "")).await;
    assert_eq!(joined.error_code, 0);
    let heartbeat = |member: &str, generation| {
        let request = HeartbeatRequest::default().with_group_id(GroupId(text("g")));
        request.with_member_id(text(member)).with_generation_id(generation)
    };
    let member = joined.member_id.to_string();
    assert_eq!(client.call(3, &heartbeat("stranger", joined.generation_id)).await.error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(client.call(3, &heartbeat(&member, joined.generation_id - 1)).await.error_code, ILLEGAL_GENERATION);
    let commit = |member: &str, generation| {
        let part = OffsetCommitRequestPartition::default().with_committed_offset(1);
        let topic = OffsetCommitRequestTopic::default().with_name(topic("orders")).with_partitions(vec![part]);
        let request = OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]);
        request.with_member_id(text(member)).with_generation_id_or_member_epoch(generation)
    };
    for (request, code) in [
        (commit("stranger", joined.generation_id), UNKNOWN_MEMBER_ID),
        (commit(&member, joined.generation_id + 1), ILLEGAL_GENERATION),
    ] {
        assert_eq!(client.call(7, &request).await.topics[0].partitions[0].error_code, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_timeout_that_is_too_long_or_none_is_refused() {
    let (_running, mut client) = with_topic().await;
    let init = |timeout_ms| {
        let id = Some(TransactionalId(text("t")));
        InitProducerIdRequest::default().with_transactional_id(id).with_transaction_timeout_ms(timeout_ms)
    };
    // Kafka's transaction.max.timeout.ms is 15 minutes.
    for timeout_ms in [900_001, i32::MAX, 0, -1] {
        let answer = client.call(4, &init(timeout_ms).with_producer_id((-1).into()).with_producer_epoch(-1)).await;
        assert_eq!(answer.error_code, INVALID_TRANSACTION_TIMEOUT, "{timeout_ms}");
    }
    let answer = client.call(4, &init(900_000).with_producer_id((-1).into()).with_producer_epoch(-1)).await;
    assert_eq!(answer.error_code, 0);
}

/// Every file with its bytes, but for the lock.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("it is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != ".lock") {
            let bytes = std::fs::read(&path).expect("readable");
            found.insert(path, bytes);
        }
    }
    found
}

#[tokio::test]
async fn a_data_directory_of_a_newer_version_or_with_a_foreign_file_is_refused_and_left_untouched() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    drop(EmbeddedBroker::open(EmbeddedConfig::new(dir.path())).expect("it is new"));
    let (meta, log) = (dir.path().join("meta.properties"), dir.path().join("log"));
    let left_over = log.join("00000000000000000099.tmp");
    std::fs::write(&left_over, "a crash left it").expect("written");
    let refused = || {
        let before = files(dir.path());
        let error = EmbeddedBroker::open(EmbeddedConfig::new(dir.path())).err().expect("it is refused");
        assert_eq!(files(dir.path()), before);
        error
    };
    let good = std::fs::read_to_string(&meta).expect("readable");
    std::fs::write(&meta, good.replace("version=1", "version=2")).expect("written");
    let error = refused();
    assert!(
        matches!(error, OpenError::NewerFormat { found: 2, .. }) && error.to_string().contains("upgrade"),
        "{error}"
    );
    std::fs::write(&meta, good).expect("written");
    for name in ["notes.txt", "00000000000000000001.log.bak", "orders-0"] {
        std::fs::write(log.join(name), "mine").expect("written");
        let error = refused();
        assert!(error.to_string().contains(name), "{error}");
        std::fs::remove_file(log.join(name)).expect("it is there");
    }
    drop(EmbeddedBroker::open(EmbeddedConfig::new(dir.path())).expect("as it was"));
    assert!(!left_over.exists(), "what a crash left is removed by a start that goes on");
}
