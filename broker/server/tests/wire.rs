//! The wire as a client sees it.

mod common;

use bytes::{BufMut, BytesMut};
use common::{Client, batch, config, fetch, fetched, numbered, produce, produced, start, start_with, topic, with_crc};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use sluice_server::{Limits, Listener, SUPPORTED_APIS, ServerConfig};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_version_of_api_versions_is_answered_as_version_0_and_the_connection_stays() {
    let running = start().await;
    let mut client = running.client().await;
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 18, 0x7f, 0xff, 0, 0, 0, 9, 0xff, 0xff, 0]);
    client.stream.write_all(&(frame.len() as i32).to_be_bytes()).await.expect("it reads");
    client.stream.write_all(&frame).await.expect("it reads");
    let (id, mut body) = client.frame().await.expect("it answers");
    let answer = ApiVersionsResponse::decode(&mut body, 0).expect("as version 0");
    assert_eq!((id, answer.error_code), (9, 35));
    assert!(answer.api_keys.iter().any(|api| api.api_key == 18));
    let answer = client.call(3, &ApiVersionsRequest::default()).await;
    assert_eq!(answer.error_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_is_what_is_served() {
    let running = start().await;
    let mut client = running.client().await;
    let answer = client.call(4, &ApiVersionsRequest::default()).await;
    for api in SUPPORTED_APIS {
        let offered = answer.api_keys.iter().find(|offered| offered.api_key == api.key).expect("it is offered");
        assert_eq!(offered.max_version, api.max_version, "{}", api.name);
        // Old librdkafka does not compress for a broker that does not offer produce version 0 (KAFKA-18659).
        assert_eq!(offered.min_version, if api.name == "Produce" { 0 } else { api.min_version }, "{}", api.name);
    }
    assert_eq!(answer.api_keys.len(), SUPPORTED_APIS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_their_order() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    let long_poll = client.send(12, &fetch("orders", 0, 200)).await;
    let metadata = client.send(9, &MetadataRequest::default().with_topics(None)).await;
    let first = client.send(9, &produce("orders", 0, batch(&["a"]))).await;
    let second = client.send(9, &produce("orders", 0, batch(&["b", "c"]))).await;
    let versions = client.send(3, &ApiVersionsRequest::default()).await;
    client.receive::<kafka_protocol::messages::FetchRequest>(12, long_poll).await;
    client.receive::<MetadataRequest>(9, metadata).await;
    let answer = client.receive::<kafka_protocol::messages::ProduceRequest>(9, first).await;
    assert_eq!(produced(&answer), (0, 0, String::new()));
    let answer = client.receive::<kafka_protocol::messages::ProduceRequest>(9, second).await;
    assert_eq!(produced(&answer), (0, 1, String::new()));
    client.receive::<ApiVersionsRequest>(3, versions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_wakes_when_records_arrive_and_not_before() {
    let running = start().await;
    let (mut reader, mut writer) = (running.client().await, running.client().await);
    writer.create("orders", 1).await;
    let begun = Instant::now();
    let poll = reader.send(12, &fetch("orders", 0, 60_000)).await;
    let answer = writer.call(9, &produce("orders", 0, batch(&["a", "b"]))).await;
    assert_eq!(produced(&answer).0, 0);
    let answer = reader.receive::<kafka_protocol::messages::FetchRequest>(12, poll).await;
    assert_eq!(fetched(&answer), (0, vec!["a".to_owned(), "b".to_owned()]));
    assert!(begun.elapsed() < Duration::from_secs(30));
    let begun = Instant::now();
    let answer = reader.call(12, &fetch("orders", 2, 100)).await;
    assert_eq!(fetched(&answer), (0, Vec::new()));
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_of_nothing_is_answered_at_once() {
    let running = start().await;
    let mut client = running.client().await;
    let mut request = fetch("t", 0, 60_000);
    request.topics.clear();
    let begin = Instant::now();
    let answer = client.call(12, &request).await;
    assert_eq!((answer.error_code, answer.responses.len()), (0, 0));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_length_drops_that_client_and_no_other() {
    let running = start().await;
    let (mut good, mut bad) = (running.client().await, running.client().await);
    bad.stream.write_all(&i32::MAX.to_be_bytes()).await.expect("it reads");
    assert!(bad.frame().await.is_none(), "the connection is closed");
    let mut negative = running.client().await;
    negative.stream.write_all(&(-1i32).to_be_bytes()).await.expect("it reads");
    assert!(negative.frame().await.is_none(), "the connection is closed");
    assert_eq!(good.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_the_bytes_cannot_hold_drops_that_client_and_no_other() {
    let running = start().await;
    let (mut good, mut bad) = (running.client().await, running.client().await);
    // Metadata version 1 with two billion topics.
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0xff]);
    frame.put_i32(i32::MAX);
    bad.stream.write_all(&(frame.len() as i32).to_be_bytes()).await.expect("it reads");
    bad.stream.write_all(&frame).await.expect("it reads");
    assert!(bad.frame().await.is_none(), "the connection is closed");
    assert_eq!(good.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sent_again_is_answered_with_its_first_offset_also_after_a_restart() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    let id = client.call(4, &idempotent).await;
    let id = (id.error_code == 0).then_some(id.producer_id.0).expect("an id is given");
    let (first, second) = (numbered(id, 0, 0, &["a", "b"]), numbered(id, 0, 2, &["c"]));
    for (records, offset) in [(&first, 0), (&second, 2), (&first, 0), (&second, 2)] {
        let answer = client.call(9, &produce("orders", 0, records.clone())).await;
        assert_eq!(produced(&answer), (0, offset, String::new()));
    }
    let running = running.restart().await;
    let mut client = running.client().await;
    let answer = client.call(9, &produce("orders", 0, first)).await;
    assert_eq!(produced(&answer), (0, 0, String::new()));
    let answer = client.call(9, &produce("orders", 0, numbered(id, 0, 9, &["x"]))).await;
    assert_eq!(produced(&answer).0, 45, "{answer:?}");
    let answer = client.call(12, &fetch("orders", 0, 0)).await;
    assert_eq!(fetched(&answer).1, ["a", "b", "c"]);
    let next = client.call(4, &idempotent).await;
    assert!(next.producer_id.0 > id, "an id is given out once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_batch_is_said_in_kafkas_codes() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    let good = batch(&["a"]).to_vec();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    let mut twice = good.clone();
    twice.extend_from_slice(&good);
    for (what, records, code) in [
        ("a flipped bit", changed(65, 0xff).into(), 2),
        ("magic 1", changed(16, 1).into(), 87),
        ("magic 0", changed(16, 0).into(), 87),
        ("a length beyond its end", changed(11, 0xff).into(), 2),
        ("nothing", bytes::Bytes::new(), 87),
        ("two batches", twice.into(), 87),
        ("a control batch", with_crc(changed(22, 0x20)), 87),
        ("too large", big(2 << 20), 10),
    ] {
        let (found, offset, message) = produced(&client.call(9, &produce("orders", 0, records)).await);
        assert_eq!((found, offset), (code, -1), "{what}: {message}");
        assert!(!message.is_empty(), "{what}");
    }
    let (code, ..) = produced(&client.call(9, &produce("nobody", 0, good.clone().into())).await);
    assert_eq!(code, 3);
    let (code, ..) = produced(&client.call(9, &produce("orders", 7, good.clone().into())).await);
    assert_eq!(code, 3);
    let (code, ..) = produced(&client.call(9, &produce("__consumer_offsets", 0, good.into())).await);
    assert_eq!(code, 29);
}

fn big(bytes: usize) -> bytes::Bytes {
    let mut builder = sluice_protocol::RecordBatchBuilder::new(bytes + 1000);
    builder.push(0, None, Some(&vec![b'x'; bytes])).expect("it fits");
    builder.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_on_demand_unless_that_is_switched_off() {
    for auto_create in [true, false] {
        let running = start_with(ServerConfig { auto_create, ..config() }).await;
        let mut client = running.client().await;
        let ask = |name: &str, allow| {
            let topics = vec![MetadataRequestTopic::default().with_name(Some(topic(name)))];
            MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(allow)
        };
        let code = |answer: kafka_protocol::messages::MetadataResponse| answer.topics[0].error_code;
        assert_eq!(code(client.call(12, &ask("new", false)).await), 3);
        assert_eq!(code(client.call(12, &ask("new", true)).await), if auto_create { 0 } else { 3 });
        assert_eq!(code(client.call(12, &ask("not/legal", true)).await), 17);
        assert_eq!(code(client.call(12, &ask("__hidden", true)).await), 29);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_tells_its_own_clients_where_the_broker_is() {
    let mut listeners = config().listeners;
    listeners.push(Listener {
        advertised: Some("broker.example:19092".parse().expect("it is host:port")),
        ..listeners[0].clone()
    });
    let running = start_with(ServerConfig { listeners, ..config() }).await;
    let addresses = running.server.local_addrs().to_vec();
    for (address, host, port) in
        [(addresses[0], "127.0.0.1", addresses[0].port()), (addresses[1], "broker.example", 19092)]
    {
        let mut client = Client::connect(address).await;
        let answer = client.call(12, &MetadataRequest::default().with_topics(None)).await;
        assert_eq!((answer.brokers[0].host.as_str(), answer.brokers[0].port), (host, i32::from(port)));
        assert!(answer.topics.is_empty(), "internal topics are not shown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_found_by_their_ends_and_by_time() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    let mut builder = sluice_protocol::RecordBatchBuilder::new(1 << 20);
    for timestamp in [100, 300, 200] {
        builder.push(timestamp, None, Some(b"x")).expect("small");
    }
    client.call(9, &produce("orders", 0, builder.finish())).await;
    for (asked, offset, timestamp) in
        [(-1, 3, -1), (-2, 0, -1), (-3, 1, 300), (-4, 0, -1), (0, 0, 100), (101, 1, 300), (300, 1, 300), (301, -1, -1)]
    {
        let part = ListOffsetsPartition::default().with_timestamp(asked).with_current_leader_epoch(-1);
        let topics = vec![ListOffsetsTopic::default().with_name(topic("orders")).with_partitions(vec![part])];
        let answer = client.call(7, &ListOffsetsRequest::default().with_topics(topics)).await;
        let part = &answer.topics[0].partitions[0];
        assert_eq!((part.error_code, part.offset, part.timestamp), (0, offset, timestamp), "asked for {asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_the_limit_is_turned_away_and_the_others_stay() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let running = start_with(ServerConfig { limits, ..config() }).await;
    let mut first = running.client().await;
    assert_eq!(first.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
    let mut second = running.client().await;
    assert!(second.frame().await.is_none(), "the connection is closed");
    assert_eq!(first.call(3, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_is_let_go() {
    let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
    let running = start_with(ServerConfig { limits, ..config() }).await;
    let mut client = running.client().await;
    assert!(client.frame().await.is_none(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_carry_the_time_of_their_append_where_the_topic_wants_it() {
    let running = start().await;
    let mut client = running.client().await;
    let setting = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str("message.timestamp.type"))
        .with_value(Some(StrBytes::from_static_str("LogAppendTime")));
    let new = CreatableTopic::default()
        .with_name(topic("stamped"))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![setting]);
    let created = client.call(7, &CreateTopicsRequest::default().with_topics(vec![new])).await;
    assert_eq!(created.topics[0].error_code, 0);
    let answer = client.call(9, &produce("stamped", 0, batch(&["a"]))).await;
    let stamped = answer.responses[0].partition_responses[0].log_append_time_ms;
    assert!(stamped > 1_600_000_000_000, "{answer:?}");
    let answer = client.call(12, &fetch("stamped", 0, 0)).await;
    let records = answer.responses[0].partitions[0].records.clone().expect("a batch");
    let batch = sluice_protocol::batches(&records).next().expect("one").expect("whole");
    batch.verify_crc().expect("unharmed");
    let record = batch.records().expect("plain").next().expect("one").expect("whole");
    assert_eq!((record.timestamp, record.value), (stamped, Some(&b"a"[..])));
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_topics_are_read_only_when_allowed_and_never_written() {
    for allowed in [false, true] {
        let readable_internal_topics = if allowed { vec!["__consumer_offsets".to_owned()] } else { Vec::new() };
        let running = start_with(ServerConfig { readable_internal_topics, ..config() }).await;
        let mut client = running.client().await;
        let answer = client.call(12, &fetch("__consumer_offsets", 0, 0)).await;
        assert_eq!(fetched(&answer).0, if allowed { 0 } else { 29 });
        let listed = client.call(12, &MetadataRequest::default().with_topics(None)).await;
        assert_eq!(listed.topics.len(), usize::from(allowed));
        let answer = client.call(9, &produce("__consumer_offsets", 0, batch(&["a"]))).await;
        assert_eq!(produced(&answer).0, 29);
    }
}
