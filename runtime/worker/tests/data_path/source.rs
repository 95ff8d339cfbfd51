//! poll → transform → convert → append → committed.

use crate::support::clock::ManualClock;
use crate::support::*;
use sluice_client::{FetchPartition, TopicPartition};
use sluice_connect_api::ConnectError;
use sluice_protocol::{Compression, batches, partition_for_key};
use sluice_worker::TargetState;
use std::time::Duration;
use tempfile::tempdir;

fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|number| format!("n-{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn source_records_land_once_in_order_with_their_offset() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(1_000, 70);
    hub.run(source_spec(&[])).await;
    hub.counter.until_committed(1_000).await;
    assert_eq!(values(&hub.read("numbers", 0).await), numbers(0..1_000));
    assert_eq!(hub.source_offset("numbers").unwrap()["position"], 1_000);

    let hub = hub.restarted().await;
    hub.counter.give(1_010, 70);
    hub.run(source_spec(&[])).await;
    hub.counter.until_committed(1_010).await;
    assert_eq!(values(&hub.read("numbers", 0).await), numbers(0..1_010));
    hub.worker.shutdown().await;
    let heard = hub.heard.0.look(Clone::clone);
    assert_eq!(heard, ["startup", "topic numbers", "shutdown"]);
    assert!(hub.counter.0.look(|script| script.closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn source_commits_are_told_in_order_while_later_polls_run() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(500, 1);
    hub.run(source_spec(&[])).await;
    hub.counter.until_committed(500).await;
    let (committed, polls) = hub.counter.0.look(|script| (script.committed.clone(), script.polls));
    assert!(committed.is_sorted());
    assert!(polls >= 500);
    // Many polls share an append: the log was slower than the source.
    assert!(committed.len() < 500, "{} appends for 500 polls", committed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn source_records_are_compressed_as_the_connector_asks() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(100, 100);
    hub.run(source_spec(&[("producer.override.compression.type", "zstd")])).await;
    hub.counter.until_committed(100).await;
    let request = FetchPartition { partition: TopicPartition::new("numbers", 0), offset: 0, max_bytes: 1 << 20 };
    let records = hub.broker.consumer().fetch(&[request], Duration::ZERO).await.remove(0).unwrap().records;
    let codecs: Vec<_> = batches(&records).map(|batch| batch.unwrap().compression().unwrap()).collect();
    assert!(!codecs.is_empty() && codecs.iter().all(|codec| *codec == Compression::Zstd), "{codecs:?}");
    assert_eq!(values(&hub.read("numbers", 0).await), numbers(0..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn source_keys_choose_partitions_as_kafka_does() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(200, 50);
    hub.counter.0.change(|script| script.keyed = true);
    hub.run(source_spec(&[("topic.creation.default.partitions", "4")])).await;
    hub.counter.until_committed(200).await;
    let mut all = 0;
    for partition in 0..4 {
        let records = hub.read("numbers", partition).await;
        all += records.len();
        assert!(!records.is_empty());
        for record in records {
            assert_eq!(partition_for_key(record.key.unwrap().as_bytes(), 4), partition);
            assert_eq!(record.timestamp, 5);
        }
    }
    assert_eq!(all, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_topic_is_made_as_the_first_group_that_matches_says() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(10, 10);
    // A compacted topic takes no record without a key.
    hub.counter.0.change(|script| script.keyed = true);
    let entries = [
        ("topic.creation.groups", "others,counted"),
        ("topic.creation.default.partitions", "4"),
        ("topic.creation.default.replication.factor", "1"),
        ("topic.creation.others.include", ".*"),
        ("topic.creation.others.exclude", "num.*"),
        ("topic.creation.others.partitions", "2"),
        ("topic.creation.counted.include", "num[a-z]+"),
        ("topic.creation.counted.partitions", "3"),
        ("topic.creation.counted.cleanup.policy", "compact"),
    ];
    hub.run(source_spec(&entries)).await;
    hub.counter.until_committed(10).await;
    let topic = hub.broker.admin().describe_topic("numbers").await.unwrap().unwrap();
    assert_eq!((topic.partitions, topic.config["cleanup.policy"].as_str()), (3, "compact"));
}

#[tokio::test(flavor = "multi_thread")]
async fn source_partitions_that_a_record_asks_for_are_kept_or_refused() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 3).await;
    hub.counter.give(10, 10);
    hub.counter.0.change(|script| script.partition = Some(2));
    let id = hub.run(source_spec(&[])).await;
    hub.counter.until_committed(10).await;
    assert_eq!(hub.read("numbers", 2).await.len(), 10);
    hub.worker.stop_task(&id).await;

    hub.counter.give(20, 10);
    hub.counter.0.change(|script| script.partition = Some(3));
    hub.run(source_spec(&[])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("KAFKA_PRODUCE") && failure.contains("partition 3"), "{failure}");
    assert_eq!(hub.source_offset("numbers").unwrap()["position"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_input_fails_the_task_and_nothing_of_its_poll_lands() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(30, 10);
    hub.counter.0.change(|script| script.rejected = vec![25]);
    hub.run(source_spec(&[])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("Tolerance exceeded") && failure.contains("number 25 is refused"), "{failure}");
    let landed = values(&hub.read("numbers", 0).await);
    assert!(landed.len() <= 20 && landed == numbers(0..landed.len() as i64), "{landed:?}");
    let position = hub.source_offset("numbers").map_or(0, |offset| offset["position"].as_i64().unwrap());
    assert_eq!(position, landed.len() as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_input_is_left_out_under_tolerance_and_offsets_move() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(12, 3);
    hub.counter.0.change(|script| script.rejected = vec![4, 9, 10, 11]);
    hub.run(source_spec(&[("errors.tolerance", "all")])).await;
    hub.counter.until_committed(12).await;
    let expected = [numbers(0..4), numbers(5..9)].concat();
    assert_eq!(values(&hub.read("numbers", 0).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retriable_poll_is_repeated_and_a_fatal_one_ends_the_task() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    let mut later = ConnectError::retriable("busy", "come back later");
    later.details.backoff_ms = Some(1);
    hub.counter.give(5, 5);
    hub.counter.0.change(|script| script.errors.extend([later.clone(), later]));
    let id = hub.run(source_spec(&[])).await;
    hub.counter.until_committed(5).await;
    hub.counter.0.change(|script| script.errors.push_back(ConnectError::fatal("gone", "the table is gone")));
    let failure = hub.heard.failure().await;
    assert!(failure.contains("poll of test.CountingSource failed: the table is gone"), "{failure}");
    // A failed task can be started again once it was stopped.
    hub.worker.stop_task(&id).await;
    hub.counter.give(8, 5);
    hub.run(source_spec(&[])).await;
    hub.counter.until_committed(8).await;
    assert_eq!(values(&hub.read("numbers", 0).await), numbers(0..8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_above_the_topics_limit_is_one_bad_record() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    // Room for n-0 to n-9 only: 61 bytes of batch, 7 of record, key and value.
    hub.counter.give(12, 12);
    hub.run(source_spec(&[("topic.creation.default.max.message.bytes", "71"), ("errors.tolerance", "all")])).await;
    hub.counter.until_committed(12).await;
    assert_eq!(values(&hub.read("numbers", 0).await), numbers(0..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_source_polls_nothing_and_goes_on_where_it_was() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    let mut spec = source_spec(&[]);
    spec.initial_state = TargetState::Paused;
    hub.counter.give(10, 3);
    let id = hub.run(spec).await;
    hub.heard.until("pause").await;
    assert_eq!(hub.counter.0.look(|script| script.polls), 0);
    hub.worker.set_target_state(&id, TargetState::Started);
    hub.counter.until_committed(10).await;
    hub.worker.set_target_state(&id, TargetState::Paused);
    hub.heard.0.until("two pauses", |heard| heard.iter().filter(|heard| *heard == "pause").count() == 2).await;
    assert_eq!(hub.worker.memory_budget().used_bytes(), 0);
    hub.counter.give(20, 3);
    hub.worker.set_target_state(&id, TargetState::Started);
    hub.counter.until_committed(20).await;
    assert_eq!(values(&hub.read("numbers", 0).await), numbers(0..20));
    assert_eq!(hub.heard.0.look(|heard| heard.iter().filter(|heard| *heard == "resume").count()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_asks_for_a_pause_with_what_it_gives_is_not_polled_before_it_is_over() {
    let folder = tempdir().unwrap();
    let clock = ManualClock::new();
    let hub = Hub::start_with(&open_broker(folder.path()), worker_config(), clock.clone()).await;
    // A multiple of the slack of waits.
    let pause = Duration::from_millis(4_800);
    hub.counter.give(2, 1);
    hub.counter.0.change(|script| script.pause = Some(pause));
    hub.run(source_spec(&[])).await;
    clock.until_somebody_waits_for(pause).await;
    // What it gave is durable, and it knows, before the pause begins.
    assert_eq!(hub.counter.0.look(|script| (script.polls, script.committed.clone())), (1, vec![1]));
    clock.advance(pause);
    hub.counter.until_committed(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_never_answers_is_dropped_when_it_has_to_stop() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.0.change(|script| script.hangs = true);
    let id = hub.run(source_spec(&[])).await;
    hub.counter.0.until("a poll", |script| script.polls == 1).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.heard.0.look(|heard| heard.last().cloned()).unwrap(), "shutdown");
    assert!(!hub.counter.0.look(|script| script.closed), "it must not be called after a call was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_made_fails_with_its_reason() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    let mut spec = source_spec(&[("key.converter", "StringConvertr")]);
    let id = hub.run(spec.clone()).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("StringConvertr") && failure.contains("nearest"), "{failure}");
    hub.worker.stop_task(&id).await;
    hub.heard.0.change(Vec::clear);
    spec.connector_config = config(&[("errors.tolerance", "some")]);
    hub.run(spec).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("Invalid value some for configuration errors.tolerance"), "{failure}");
}
