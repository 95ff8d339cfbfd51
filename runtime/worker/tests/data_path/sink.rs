//! poll → convert → transform → collect → plan → put → pre_commit → commit.

use crate::support::*;
use sluice_client::{Append, FetchPartition, GroupOffset, TopicPartition};
use sluice_connect_api::ConnectError;
use sluice_worker::TargetState;
use std::time::Duration;
use tempfile::tempdir;

const TOLERANT: [(&str, &str); 3] = [
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

fn retriable() -> ConnectError {
    let mut error = ConnectError::retriable("busy", "come back later");
    error.details.backoff_ms = Some(1);
    error
}

async fn hub_with(values: &[&str]) -> (Hub, tempfile::TempDir) {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 1).await;
    if !values.is_empty() {
        hub.produce("numbers", values).await;
    }
    (hub, folder)
}

fn stored(hub: &Hub) -> Vec<String> {
    hub.target.rows().into_iter().map(|(_, value)| value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_delivers_everything_once_and_commits_behind_it() {
    let (hub, _folder) = hub_with(&["a", "b", "c"]).await;
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(3).await;
    hub.produce("numbers", &["d"]).await;
    hub.target.until_rows(4).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.target.rows(), [(0, "a".into()), (1, "b".into()), (2, "c".into()), (3, "d".into())]);
    assert_eq!(hub.committed("numbers", "numbers").await, Some(4));
    assert!(hub.plans.entries().is_empty(), "no delivery is under way");
    let deliveries = hub.target.0.look(|state| state.deliveries.clone());
    assert!(deliveries.iter().all(|delivery| !delivery.is_replay && delivery.topic == "numbers"));

    // The next life goes on behind it.
    let hub = hub.restarted().await;
    hub.produce("numbers", &["e"]).await;
    hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(5).await;
    assert_eq!(hub.target.0.look(|state| state.deliveries.last().cloned()).unwrap().first, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_made_later_is_read_from_its_start() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.run(sink_spec(&[("topics.regex", "num.*")], &[])).await;
    hub.heard.until("startup").await;
    hub.create_topic("numbers", 1).await;
    hub.create_topic("letters-num", 1).await;
    hub.produce("numbers", &["a"]).await;
    hub.target.until_rows(1).await;
    let opened = hub.target.0.look(|state| state.opened.clone());
    assert_eq!(opened, [vec![], vec![("numbers".to_owned(), 0)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_deleted_and_made_again_is_read_from_its_start() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(2).await;
    hub.worker.stop_task(&id).await;
    hub.broker.admin().delete_topic("numbers").await.unwrap();
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["c"]).await;
    hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(3).await;
    let tokens = hub.target.0.look(|state| state.stored.len());
    assert_eq!(tokens, 2, "another topic's offset 0 has another token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retriable_put_is_the_same_delivery_again() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    hub.target.0.change(|state| state.errors.extend([retriable(), retriable()]));
    hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(2).await;
    let deliveries = hub.target.0.look(|state| state.deliveries.clone());
    let replays: Vec<bool> = deliveries.iter().map(|delivery| delivery.is_replay).collect();
    assert_eq!(replays, [false, true, true]);
    assert!(deliveries.iter().all(|delivery| delivery.token == deliveries[0].token));
    assert!(deliveries.iter().all(|delivery| delivery.planned_ms == deliveries[0].planned_ms));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_next_is_read_during_a_delivery_and_what_fails_then_fails_behind_it() {
    // With so little memory a fetch holds one of them.
    let config = sluice_worker::WorkerConfig { memory_budget_bytes: 8 << 20, ..worker_config() };
    let large = |value: &str| value.repeat(700 << 10);
    let folder = tempdir().unwrap();
    let clock = std::sync::Arc::new(sluice_worker::SystemClock::default());
    let hub = Hub::start_with(&open_broker(folder.path()), config, clock).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &[&large("1"), &large("{")]).await;
    hub.target.0.change(|state| state.hangs = true);
    let entries = [
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("errors.deadletterqueue.topic.name", "dead"),
    ];
    hub.run(sink_spec(&entries, &[])).await;
    hub.heard.until("startup").await;
    let letters = FetchPartition { partition: TopicPartition::new("dead", 0), offset: 0, max_bytes: 1 << 20 };
    let letter = hub.broker.consumer().fetch(&[letters], Duration::from_secs(30)).await.remove(0).unwrap();
    assert!(!letter.records.is_empty(), "nothing was read ahead");
    assert!(stored(&hub).is_empty());
    hub.target.0.change(|state| state.hangs = false);
    let failure = hub.heard.failure().await;
    assert!(failure.contains("JsonConverter"), "{failure}");
    assert_eq!(stored(&hub), [large("1")]);
    assert_eq!(hub.committed("numbers", "numbers").await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_converted_becomes_a_dead_letter_with_its_original_bytes() {
    let (hub, _folder) = hub_with(&["1", "{nonsense", "3"]).await;
    let json = [
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    let id = hub.run(sink_spec(&[&TOLERANT[..], &json[..]].concat(), &[])).await;
    hub.target.until_rows(2).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(stored(&hub), ["1", "3"]);
    let letters = hub.read("dead", 0).await;
    assert_eq!(values(&letters), ["{nonsense"]);
    assert_eq!(letters[0].timestamp, 1_000);
    let header = |name: &str| {
        let name = format!("__connect.errors.{name}");
        letters[0].headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!((header("topic"), header("partition"), header("offset")), ("numbers".into(), "0".into(), "1".into()));
    assert_eq!((header("connector.name"), header("task.id")), ("numbers".into(), "0".into()));
    assert_eq!(header("stage"), "VALUE_CONVERTER");
    assert_eq!(header("class.name"), "org.apache.kafka.connect.json.JsonConverter");
    assert!(!header("exception.message").is_empty());
    assert_eq!(hub.committed("numbers", "numbers").await, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_become_dead_letters_and_the_rest_goes_on() {
    let (hub, _folder) = hub_with(&["a", "b", "c", "d", "e"]).await;
    hub.target.0.change(|state| state.refused = vec!["b".into(), "e".into()]);
    let id = hub.run(sink_spec(&TOLERANT, &[])).await;
    hub.target.until_rows(3).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(stored(&hub), ["a", "c", "d"]);
    let letters = hub.read("dead", 0).await;
    assert_eq!(values(&letters), ["b", "e"]);
    assert!(letters[0].headers.contains(&("__connect.errors.stage".into(), "TASK_PUT".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_found_by_halves_under_stable_tokens() {
    let (hub, _folder) = hub_with(&["a", "b", "c", "d", "e", "f"]).await;
    hub.target.0.change(|state| state.poison = vec!["d".into()]);
    let id = hub.run(sink_spec(&TOLERANT, &[])).await;
    hub.target.until_rows(5).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(stored(&hub), ["a", "b", "c", "e", "f"]);
    assert_eq!(values(&hub.read("dead", 0).await), ["d"]);
    let deliveries = hub.target.0.look(|state| state.deliveries.clone());
    for delivery in deliveries {
        let range = format!("-0-{}-{}-0", delivery.first, delivery.last);
        assert!(delivery.token.ends_with(&range), "{} for {range}", delivery.token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tolerance_the_fatal_record_is_a_dead_letter_and_the_task_fails() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    hub.target.0.change(|state| state.refused = vec!["b".into()]);
    hub.run(sink_spec(&TOLERANT[1..], &[])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("offset 1 of numbers-0") && failure.contains("b is refused"), "{failure}");
    assert_eq!(values(&hub.read("dead", 0).await), ["b"]);
    assert_eq!(hub.committed("numbers", "numbers").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_without_tolerance_fails_the_task_with_the_connectors_reason() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    hub.target.0.change(|state| state.poison = vec!["b".into()]);
    hub.run(sink_spec(&[], &[])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("put of test.RecordingSink failed: b cannot be stored"), "{failure}");
}

async fn commit(hub: &Hub, offset: i64) {
    let partition = TopicPartition::new("numbers", 0);
    let group = "connect-numbers".to_owned();
    let group_offsets = vec![GroupOffset { group, partition, offset, metadata: String::new() }];
    let producer = hub.broker.producer("test").await.unwrap();
    producer.send(Append { records: Vec::new(), group_offsets }).await.unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_gone_fail_the_task_unless_gaps_are_skipped() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    commit(&hub, 50).await;
    let id = hub.run(sink_spec(&[], &[])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("sluice.on.gap=skip"), "{failure}");
    hub.worker.stop_task(&id).await;
    hub.run(sink_spec(&[("sluice.on.gap", "skip")], &[])).await;
    // What is appended from its start on is new, and not part of the gap.
    hub.heard.until("startup").await;
    hub.produce("numbers", &["c"]).await;
    hub.target.until_rows(1).await;
    assert_eq!(hub.target.rows(), [(2, "c".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_connector_does_not_vouch_for_stays_planned_and_is_replayed() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    hub.target.0.change(|state| state.withholds = true);
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(2).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.committed("numbers", "numbers").await, None);
    assert_eq!(hub.plans.entries().len(), 1);

    let hub = hub.restarted().await;
    hub.target.0.change(|state| state.withholds = false);
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.0.until("a replay", |state| state.deliveries.len() == 2).await;
    hub.worker.stop_task(&id).await;
    let deliveries = hub.target.0.look(|state| state.deliveries.clone());
    assert!(deliveries[1].is_replay);
    assert_eq!(deliveries[1].token, deliveries[0].token);
    assert_eq!(hub.committed("numbers", "numbers").await, Some(2));
    assert!(hub.plans.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_waits_until_the_connector_vouches_for_its_offset() {
    let (hub, _folder) = hub_with(&["a", "b", "c"]).await;
    hub.target.0.change(|state| (state.refused, state.withholds) = (vec!["b".into()], true));
    let id = hub.run(sink_spec(&TOLERANT, &[])).await;
    hub.target.0.until("the first delivery", |state| state.ranges().contains(&(0, 2))).await;
    hub.produce("numbers", &["d"]).await;
    // Its plan is an append of its own, which letters must not join before their time.
    hub.target.0.until("the next delivery", |state| state.ranges().contains(&(3, 3))).await;
    assert_eq!(hub.read("dead", 0).await.len(), 0);
    hub.worker.stop_task(&id).await;
    let hub = hub.restarted().await;
    hub.target.0.change(|state| state.withholds = false);
    let id = hub.run(sink_spec(&TOLERANT, &[])).await;
    hub.produce("numbers", &["e"]).await;
    hub.target.0.until("the last delivery", |state| state.ranges().contains(&(4, 4))).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.committed("numbers", "numbers").await, Some(5));
    assert_eq!(values(&hub.read("dead", 0).await), ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_with_offsets_of_its_own_has_no_plans_and_finishes_those_of_an_earlier_version() {
    let (hub, _folder) = hub_with(&["a", "b", "c"]).await;
    hub.target.0.change(|state| state.withholds = true);
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(3).await;
    hub.worker.stop_task(&id).await;
    hub.target.0.change(|state| state.withholds = false);
    hub.produce("numbers", &["d"]).await;
    let id = hub.run(sink_spec(&[], &OWN_OFFSETS)).await;
    hub.target.until_rows(4).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.target.0.look(|state| state.ranges()), [(0, 2), (0, 2), (3, 3)]);
    assert_eq!(hub.committed("numbers", "numbers").await, Some(4));
    let plans = hub.read(sluice_storage::PLAN_TOPIC, 0).await;
    let values: Vec<bool> = plans.iter().map(|plan| plan.value.is_some()).collect();
    assert_eq!(values, [true, false], "planned, and done");
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_from_before_offsets_were_altered_are_void() {
    let (hub, _folder) = hub_with(&["a", "b"]).await;
    hub.target.0.change(|state| state.withholds = true);
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(2).await;
    hub.worker.stop_task(&id).await;

    let hub = hub.restarted().await;
    hub.target.0.change(|state| state.withholds = false);
    commit(&hub, 0).await;
    let mut spec = sink_spec(&[], &[]);
    spec.offsets_generation = 1;
    hub.run(spec).await;
    hub.target.0.until("a delivery", |state| state.deliveries.len() == 2).await;
    let delivery = hub.target.0.look(|state| state.deliveries[1].clone());
    assert_eq!((delivery.first, delivery.last, delivery.is_replay, delivery.generation), (0, 1, false, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_sink_takes_nothing_and_loses_nothing() {
    let (hub, _folder) = hub_with(&["a"]).await;
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(1).await;
    hub.worker.set_target_state(&id, TargetState::Paused);
    hub.heard.until("pause").await;
    assert_eq!(hub.committed("numbers", "numbers").await, Some(1), "committed before it rests");
    assert_eq!(hub.worker.memory_budget().used_bytes(), 0);
    hub.produce("numbers", &["b"]).await;
    hub.worker.set_target_state(&id, TargetState::Started);
    hub.target.until_rows(2).await;
    assert_eq!(stored(&hub), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_never_answers_is_dropped_after_the_graceful_time_and_replayed() {
    let folder = tempdir().unwrap();
    let broker = open_broker(folder.path());
    let mut config = worker_config();
    config.task_shutdown_graceful_timeout = std::time::Duration::from_millis(20);
    let hub = Hub::start_with(&broker, config, std::sync::Arc::new(sluice_worker::SystemClock::default())).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["a"]).await;
    hub.target.0.change(|state| state.hangs = true);
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.heard.until("startup").await;
    while hub.plans.entries().is_empty() {
        tokio::task::yield_now().await;
    }
    hub.worker.stop_task(&id).await;
    assert!(hub.heard.failure().await.contains("did not stop in time"));
    hub.target.0.change(|state| state.hangs = false);
    hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(1).await;
    assert!(hub.target.0.look(|state| state.deliveries[0].is_replay));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_divided_among_the_tasks_and_every_record_arrives() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 5).await;
    for index in 0..2 {
        let mut spec = sink_spec(&[], &[]);
        (spec.id.index, spec.task_count) = (index, 2);
        hub.run(spec).await;
    }
    hub.target.0.until("both tasks", |state| state.opened.len() == 2).await;
    let mut opened = hub.target.0.look(|state| state.opened.concat());
    opened.sort();
    let expected: Vec<(String, i32)> = (0..5).map(|partition| ("numbers".to_owned(), partition)).collect();
    assert_eq!(opened, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_budget_ends_batches_early_instead_of_stopping() {
    let folder = tempdir().unwrap();
    let mut config = worker_config();
    config.memory_budget_bytes = 1 << 20;
    let clock = std::sync::Arc::new(sluice_worker::SystemClock::default());
    let hub = Hub::start_with(&open_broker(folder.path()), config, clock).await;
    hub.create_topic("numbers", 1).await;
    let long = "x".repeat(100_000);
    for _ in 0..5 {
        hub.produce("numbers", &[long.as_str(); 8]).await;
    }
    // Nothing but the budget ends a batch here.
    hub.run(sink_spec(&[], &[("batch.records", "1000"), ("batch.partial", "wait")])).await;
    hub.target.until_rows(20).await;
    assert!(hub.target.0.look(|state| state.deliveries.len()) >= 1);
}
