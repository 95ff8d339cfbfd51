//! Transactions over the wire: what is seen together, what never, who is fenced, and what a restart leaves.

mod common;

use bytes::Bytes;
use common::{Client, Running, batch, numbered, produce, produced, start, start_on, topic, with_crc};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use sluice_client::{Broker, FetchPartition, TopicPartition};
use std::collections::BTreeSet;
use std::time::Duration;

type Producer = (i64, i16);

const CONCURRENT_TRANSACTIONS: i16 = 51;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
const PRODUCER_FENCED: i16 = 90;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn id(name: &str) -> TransactionalId {
    TransactionalId(text(name))
}

async fn init_with(client: &mut Client, name: &str, timeout_ms: i32, current: Producer) -> (i16, Producer) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id(name)))
        .with_transaction_timeout_ms(timeout_ms)
        .with_producer_id(current.0.into())
        .with_producer_epoch(current.1);
    let answer = client.call(5, &request).await;
    (answer.error_code, (answer.producer_id.0, answer.producer_epoch))
}

async fn init(client: &mut Client, name: &str) -> Producer {
    let (code, producer) = init_with(client, name, 60_000, (-1, -1)).await;
    assert_eq!(code, 0);
    producer
}

async fn add(client: &mut Client, name: &str, producer: Producer, topics: &[(&str, i32)]) -> Vec<i16> {
    let topics = topics.iter().map(|(name, partition)| {
        AddPartitionsToTxnTopic::default().with_name(topic(name)).with_partitions(vec![*partition])
    });
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id(name))
        .with_v3_and_below_producer_id(producer.0.into())
        .with_v3_and_below_producer_epoch(producer.1)
        .with_v3_and_below_topics(topics.collect());
    let answer = client.call(3, &request).await;
    let topics = answer.results_by_topic_v3_and_below.iter();
    topics.flat_map(|topic| topic.results_by_partition.iter().map(|part| part.partition_error_code)).collect()
}

async fn end(client: &mut Client, name: &str, producer: Producer, commit: bool) -> i16 {
    let request = EndTxnRequest::default()
        .with_transactional_id(id(name))
        .with_producer_id(producer.0.into())
        .with_producer_epoch(producer.1)
        .with_committed(commit);
    client.call(4, &request).await.error_code
}

fn transactional(producer: Producer, sequence: i32, values: &[&str]) -> Bytes {
    let mut bytes = numbered(producer.0, producer.1, sequence, values).to_vec();
    bytes[22] |= 0x10;
    with_crc(bytes)
}

async fn write(
    client: &mut Client,
    place: (&str, i32),
    producer: Producer,
    sequence: i32,
    values: &[&str],
) -> (i16, i64) {
    let records = transactional(producer, sequence, values);
    let (code, offset, _) = produced(&client.call(9, &produce(place.0, place.1, records)).await);
    (code, offset)
}

/// The last stable offset, and the values that a consumer shows.
async fn read(client: &mut Client, place: (&str, i32), committed: bool, wait_ms: i32) -> (i64, Vec<String>) {
    let mut request = common::fetch(place.0, 0, wait_ms).with_isolation_level(i8::from(committed));
    request.topics[0].partitions[0].partition = place.1;
    let answer = client.call(12, &request).await;
    let part = &answer.responses[0].partitions[0];
    assert_eq!(part.error_code, 0);
    let mut aborted = part.aborted_transactions.clone().unwrap_or_default();
    aborted.sort_by_key(|one| one.first_offset);
    let (mut aborting, mut aborted, mut values) = (BTreeSet::new(), aborted.into_iter().peekable(), Vec::new());
    // As a consumer does it: a producer's records count for nothing from its aborted transaction on to the marker.
    for batch in sluice_protocol::batches(part.records.as_ref().expect("records")).map(|batch| batch.expect("whole")) {
        while let Some(one) = aborted.next_if(|one| one.first_offset <= batch.last_offset()) {
            aborting.insert(one.producer_id.0);
        }
        if batch.is_control() {
            if batch.ends_transaction() == Some(false) {
                aborting.remove(&batch.producer_id());
            }
        } else if !(committed && batch.is_transactional() && aborting.contains(&batch.producer_id())) {
            let records = batch.records().expect("plain").map(|record| record.expect("whole"));
            values.extend(records.map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned()));
        }
    }
    (part.last_stable_offset, values)
}

/// What the runtime's consumer shows.
async fn runtime_reads(running: &Running, name: &str) -> (i64, Vec<String>) {
    let partition = TopicPartition::new(name, 0);
    let consumer = running.broker.consumer();
    let (mut offset, mut values) = (0, Vec::new());
    let end = consumer.end_offset(&partition).await.expect("it is there");
    while offset < end {
        let wanted = FetchPartition { partition: partition.clone(), offset, max_bytes: 100 };
        let fetched = consumer.fetch(&[wanted], Duration::ZERO).await.remove(0).expect("it is there");
        for batch in sluice_protocol::batches(&fetched.records).map(|batch| batch.expect("whole")) {
            batch.verify_crc().expect("unharmed");
            assert!(!batch.is_control());
            offset = batch.last_offset() + 1;
            let records = batch.records().expect("plain").map(|record| record.expect("whole"));
            values.extend(records.map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned()));
        }
    }
    (end, values)
}

async fn with_topic() -> (Running, Client) {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 2).await;
    (running, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_records_are_seen_together_and_aborted_ones_never() {
    let (running, mut client) = with_topic().await;
    let producer = init(&mut client, "t").await;
    let places = [("orders", 0), ("orders", 1)];
    assert_eq!(add(&mut client, "t", producer, &places).await, [0, 0]);
    for place in places {
        assert_eq!(write(&mut client, place, producer, 0, &["a", "b"]).await, (0, 0));
        assert_eq!(read(&mut client, place, true, 0).await, (0, vec![]));
        assert_eq!(read(&mut client, place, false, 0).await, (0, vec!["a".into(), "b".into()]));
    }
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    for place in places {
        assert_eq!(read(&mut client, place, true, 0).await, (3, vec!["a".into(), "b".into()]));
    }
    assert_eq!(add(&mut client, "t", producer, &places[..1]).await, [0]);
    assert_eq!(write(&mut client, places[0], producer, 2, &["c"]).await, (0, 3));
    let plain = client.call(9, &produce("orders", 0, batch(&["d"]))).await;
    assert_eq!(produced(&plain).0, 0);
    assert_eq!(end(&mut client, "t", producer, false).await, 0);
    assert_eq!(read(&mut client, places[0], true, 0).await, (6, vec!["a".into(), "b".into(), "d".into()]));
    assert_eq!(read(&mut client, places[0], false, 0).await.1.len(), 4);
    assert_eq!(runtime_reads(&running, "orders").await, (6, vec!["a".into(), "b".into(), "d".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_committed_records_waits_behind_an_open_transaction_and_is_woken_by_its_end() {
    let (running, mut client) = with_topic().await;
    let producer = init(&mut client, "t").await;
    add(&mut client, "t", producer, &[("orders", 0)]).await;
    write(&mut client, ("orders", 0), producer, 0, &["a"]).await;
    client.call(9, &produce("orders", 0, batch(&["b"]))).await;
    for (isolation, latest) in [(0, 2), (1, 0)] {
        let part = ListOffsetsPartition::default().with_timestamp(-1);
        let topics = vec![ListOffsetsTopic::default().with_name(topic("orders")).with_partitions(vec![part])];
        let request = ListOffsetsRequest::default().with_isolation_level(isolation).with_topics(topics);
        assert_eq!(client.call(7, &request).await.topics[0].partitions[0].offset, latest);
    }
    assert_eq!(runtime_reads(&running, "orders").await, (0, vec![]));
    let mut reader = running.client().await;
    let reading = tokio::spawn(async move { read(&mut reader, ("orders", 0), true, 30_000).await });
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    assert_eq!(reading.await.expect("it reads"), (3, vec!["a".into(), "b".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_enters_the_log_only_in_its_producers_open_transaction() {
    let (_running, mut client) = with_topic().await;
    let place = ("orders", 0);
    assert_eq!(write(&mut client, place, (4711, 0), 0, &["a"]).await.0, INVALID_PRODUCER_ID_MAPPING);
    let producer = init(&mut client, "t").await;
    assert_eq!(write(&mut client, place, producer, 0, &["a"]).await.0, INVALID_TXN_STATE);
    assert_eq!(add(&mut client, "t", producer, &[("orders", 1)]).await, [0]);
    assert_eq!(write(&mut client, place, producer, 0, &["a"]).await.0, INVALID_TXN_STATE);
    assert_eq!(write(&mut client, ("orders", 1), producer, 0, &["a"]).await, (0, 0));
    assert_eq!(write(&mut client, ("orders", 1), producer, 0, &["a"]).await, (0, 0), "sent again");
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    assert_eq!(write(&mut client, ("orders", 1), producer, 1, &["b"]).await.0, INVALID_TXN_STATE);
    assert_eq!(read(&mut client, ("orders", 1), true, 0).await, (2, vec!["a".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_added_all_or_none() {
    let (_running, mut client) = with_topic().await;
    let producer = init(&mut client, "t").await;
    let places = [("orders", 0), ("orders", 9), ("nobody", 0), ("__consumer_offsets", 0)];
    assert_eq!(add(&mut client, "t", producer, &places).await, [55, 3, 3, 29]);
    assert_eq!(end(&mut client, "t", producer, true).await, INVALID_TXN_STATE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_producer_aborts_what_a_zombie_left_and_fences_it() {
    let (running, mut client) = with_topic().await;
    let place = ("orders", 0);
    let zombie = init(&mut client, "t").await;
    add(&mut client, "t", zombie, &[place]).await;
    assert_eq!(write(&mut client, place, zombie, 0, &["a"]).await, (0, 0));
    let producer = init(&mut running.client().await, "t").await;
    assert_eq!(producer, (zombie.0, zombie.1 + 1));
    assert_eq!(write(&mut client, place, zombie, 1, &["b"]).await.0, INVALID_PRODUCER_EPOCH);
    assert_eq!(add(&mut client, "t", zombie, &[place]).await, [PRODUCER_FENCED]);
    assert_eq!(end(&mut client, "t", zombie, true).await, PRODUCER_FENCED);
    assert_eq!(init_with(&mut client, "t", 60_000, zombie).await.0, PRODUCER_FENCED);
    let old = EndTxnRequest::default()
        .with_transactional_id(id("t"))
        .with_producer_id(zombie.0.into())
        .with_producer_epoch(zombie.1);
    assert_eq!(client.call(1, &old).await.error_code, INVALID_PRODUCER_EPOCH, "older clients know no other");
    assert_eq!(end(&mut client, "t", (zombie.0 + 1, 0), true).await, INVALID_PRODUCER_ID_MAPPING);
    assert_eq!(add(&mut client, "t", producer, &[place]).await, [0]);
    assert_eq!(write(&mut client, place, producer, 0, &["c"]).await, (0, 2));
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    assert_eq!(read(&mut client, place, true, 0).await.1, ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_recovers_from_an_error_keeps_its_id_and_begins_its_sequences_anew() {
    let (_running, mut client) = with_topic().await;
    let place = ("orders", 0);
    let first = init(&mut client, "t").await;
    add(&mut client, "t", first, &[place]).await;
    write(&mut client, place, first, 0, &["a"]).await;
    let second = init_with(&mut client, "t", 60_000, first).await;
    assert_eq!(second, (0, (first.0, first.1 + 1)));
    assert_eq!(init_with(&mut client, "t", 60_000, first).await, second, "the answer was lost");
    add(&mut client, "t", second.1, &[place]).await;
    assert_eq!(write(&mut client, place, second.1, 0, &["b"]).await.0, 0);
    assert_eq!(end(&mut client, "t", second.1, true).await, 0);
    assert_eq!(read(&mut client, place, true, 0).await.1, ["b"]);
    assert_eq!(init_with(&mut client, "t", 60_000, (first.0, -1)).await.0, 42);
    assert_eq!(init_with(&mut client, "t", 900_001, (-1, -1)).await.0, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_times_out_is_aborted_and_its_producer_fenced() {
    let (_running, mut client) = with_topic().await;
    let place = ("orders", 0);
    let (_, producer) = init_with(&mut client, "t", 3_000, (-1, -1)).await;
    assert_eq!(add(&mut client, "t", producer, &[place]).await, [0]);
    assert_eq!(write(&mut client, place, producer, 0, &["a"]).await, (0, 0));
    assert_eq!(read(&mut client, place, true, 30_000).await, (2, vec![]));
    assert_eq!(write(&mut client, place, producer, 1, &["b"]).await.0, INVALID_PRODUCER_EPOCH);
    assert_eq!(end(&mut client, "t", producer, true).await, PRODUCER_FENCED);
}

async fn commit_offset(client: &mut Client, name: &str, producer: Producer, offset: i64) -> i16 {
    let part = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topics = vec![TxnOffsetCommitRequestTopic::default().with_name(topic("orders")).with_partitions(vec![part])];
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id(name))
        .with_group_id(GroupId(text("readers")))
        .with_producer_id(producer.0.into())
        .with_producer_epoch(producer.1)
        .with_generation_id(-1)
        .with_topics(topics);
    client.call(4, &request).await.topics[0].partitions[0].error_code
}

async fn add_offsets(client: &mut Client, name: &str, producer: Producer) -> i16 {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id(name))
        .with_producer_id(producer.0.into())
        .with_producer_epoch(producer.1)
        .with_group_id(GroupId(text("readers")));
    client.call(4, &request).await.error_code
}

/// Error code and offset; -1: there is none.
async fn committed(client: &mut Client) -> (i16, i64) {
    let topics = vec![OffsetFetchRequestTopics::default().with_name(topic("orders")).with_partition_indexes(vec![0])];
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("readers"))).with_topics(Some(topics));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
    let part = &client.call(8, &request).await.groups[0].topics[0].partitions[0];
    (part.error_code, part.committed_offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactions_offsets_count_when_it_commits_and_are_gone_when_it_aborts_also_after_a_restart() {
    let (running, mut client) = with_topic().await;
    let producer = init(&mut client, "t").await;
    assert_eq!(commit_offset(&mut client, "t", producer, 1).await, INVALID_TXN_STATE, "they were not added");
    assert_eq!(add_offsets(&mut client, "t", producer).await, 0);
    assert_eq!(commit_offset(&mut client, "t", producer, 5).await, 0);
    assert_eq!(committed(&mut client).await, (UNSTABLE_OFFSET_COMMIT, -1));
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    assert_eq!(committed(&mut client).await, (0, 5));
    assert_eq!(add_offsets(&mut client, "t", producer).await, 0);
    assert_eq!(commit_offset(&mut client, "t", producer, 9).await, 0);
    assert_eq!(end(&mut client, "t", producer, false).await, 0);
    assert_eq!(committed(&mut client).await, (0, 5));
    let zombie = (producer.0, producer.1);
    let producer = init(&mut client, "t").await;
    assert_eq!(add_offsets(&mut client, "t", producer).await, 0);
    assert_eq!(commit_offset(&mut client, "t", zombie, 11).await, INVALID_PRODUCER_EPOCH);
    let running = running.restart().await;
    let mut client = running.client().await;
    assert_eq!(committed(&mut client).await, (0, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_survives_a_restart_and_commits_with_all_that_it_wrote() {
    let (running, mut client) = with_topic().await;
    let producer = init(&mut client, "t").await;
    let place = ("orders", 0);
    assert_eq!(add(&mut client, "t", producer, &[place]).await, [0]);
    assert_eq!(add_offsets(&mut client, "t", producer).await, 0);
    assert_eq!(write(&mut client, place, producer, 0, &["a"]).await, (0, 0));
    assert_eq!(commit_offset(&mut client, "t", producer, 7).await, 0);
    let running = running.restart().await;
    let mut client = running.client().await;
    assert_eq!(read(&mut client, place, true, 0).await, (0, vec![]));
    assert_eq!(committed(&mut client).await, (UNSTABLE_OFFSET_COMMIT, -1));
    assert_eq!(write(&mut client, place, producer, 1, &["b"]).await, (0, 1));
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    let seen = (3, vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(read(&mut client, place, true, 0).await, seen);
    assert_eq!(committed(&mut client).await, (0, 7));
    let running = running.restart().await;
    let mut client = running.client().await;
    assert_eq!(read(&mut client, place, true, 0).await, seen);
    assert_eq!(committed(&mut client).await, (0, 7));
    assert_eq!(end(&mut client, "t", producer, true).await, 0, "it has ended so");
    assert_eq!(end(&mut client, "t", producer, false).await, INVALID_TXN_STATE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_that_nobody_ends_times_out_after_a_restart_also_where_no_server_runs() {
    let (running, mut client) = with_topic().await;
    let (_, producer) = init_with(&mut client, "t", 1, (-1, -1)).await;
    let place = ("orders", 0);
    let Running { server, broker, dir } = running;
    // Without a server nobody keeps the time until a reader comes.
    server.shutdown(Duration::from_secs(10)).await;
    let partitions = [("orders".to_owned(), [0].into())].into();
    broker.add_partitions_to_transaction("t", producer, &partitions).await.expect("begun");
    let id = broker.topic_id("orders").expect("it is there");
    let records = transactional(producer, 0, &["a"]);
    let appended = broker.append_in_transaction(Some("t"), producer, id, 0, records).await.expect("handed over");
    appended.done().await.expect("durable");
    assert_eq!(broker.last_stable_offset(id, 0).expect("it is there"), 0);
    let wanted = FetchPartition { partition: TopicPartition::new("orders", 0), offset: 0, max_bytes: 1 << 20 };
    let fetched = broker.consumer().fetch(&[wanted], Duration::from_secs(30)).await.remove(0).expect("it is there");
    assert_eq!(fetched.high_watermark, 2);
    broker.close();
    drop((broker, server));
    let running = start_on(dir, common::config()).await;
    let mut client = running.client().await;
    assert_eq!(read(&mut client, place, true, 0).await, (2, vec![]));
    assert_eq!(end(&mut client, "t", producer, true).await, PRODUCER_FENCED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_also_when_a_topic_of_it_was_deleted() {
    let (_running, mut client) = with_topic().await;
    client.create("gone", 1).await;
    let producer = init(&mut client, "t").await;
    assert_eq!(add(&mut client, "t", producer, &[("gone", 0), ("orders", 0)]).await, [0, 0]);
    assert_eq!(write(&mut client, ("gone", 0), producer, 0, &["a"]).await.0, 0);
    assert_eq!(write(&mut client, ("orders", 0), producer, 0, &["b"]).await.0, 0);
    let names = DeleteTopicsRequest::default().with_topic_names(vec![topic("gone")]);
    assert_eq!(client.call(5, &names).await.responses[0].error_code, 0);
    assert_eq!(end(&mut client, "t", producer, true).await, 0);
    assert_eq!(read(&mut client, ("orders", 0), true, 0).await, (2, vec!["b".into()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_their_producers_can_be_listed_and_described() {
    let (_running, mut client) = with_topic().await;
    let open = init(&mut client, "open").await;
    init(&mut client, "idle").await;
    add(&mut client, "open", open, &[("orders", 1)]).await;
    write(&mut client, ("orders", 1), open, 0, &["a", "b"]).await;
    let listed = |answer: ListTransactionsResponse| {
        let each = answer.transaction_states.into_iter();
        each.map(|one| (one.transactional_id.to_string(), one.transaction_state.to_string())).collect::<Vec<_>>()
    };
    let both = [("idle".to_owned(), "Empty".to_owned()), ("open".to_owned(), "Ongoing".to_owned())];
    assert_eq!(listed(client.call(1, &ListTransactionsRequest::default()).await), both);
    let filter = ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing"), text("Nonsense")]);
    let answer = client.call(0, &filter).await;
    assert_eq!(answer.unknown_state_filters, [text("Nonsense")]);
    assert_eq!(listed(answer), both[1..]);
    let long = ListTransactionsRequest::default().with_duration_filter(3_600_000);
    assert_eq!(listed(client.call(1, &long).await), []);
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id("open"), id("nobody")]);
    let states = client.call(0, &request).await.transaction_states;
    assert_eq!((states[0].error_code, states[1].error_code), (0, 105));
    assert_eq!((states[0].producer_id.0, states[0].producer_epoch), open);
    assert_eq!((states[0].topics[0].topic.to_string(), &states[0].topics[0].partitions), ("orders".into(), &vec![1]));
    let asked = describe_producers_request::TopicRequest::default().with_name(topic("orders"));
    let request = DescribeProducersRequest::default().with_topics(vec![asked.with_partition_indexes(vec![1, 7])]);
    let parts = client.call(0, &request).await.topics.remove(0).partitions;
    assert_eq!((parts[0].error_code, parts[1].error_code), (0, 3));
    let producer = &parts[0].active_producers[0];
    assert_eq!((producer.producer_id.0, producer.last_sequence, producer.current_txn_start_offset), (open.0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_ends_at_once_both_are_answered_and_one_set_of_markers_is_written() {
    let (running, mut client) = with_topic().await;
    let producer = init(&mut client, "t").await;
    add(&mut client, "t", producer, &[("orders", 0)]).await;
    write(&mut client, ("orders", 0), producer, 0, &["a"]).await;
    let mut other = running.client().await;
    let (one, two) = tokio::join!(end(&mut client, "t", producer, true), end(&mut other, "t", producer, true));
    assert!([one, two].contains(&0), "{one} {two}");
    assert!([one, two].iter().all(|code| [0, CONCURRENT_TRANSACTIONS].contains(code)), "{one} {two}");
    assert_eq!(read(&mut client, ("orders", 0), true, 0).await, (2, vec!["a".into()]));
}
