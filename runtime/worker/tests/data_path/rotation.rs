//! Where batches end, on a clock that the test moves.

use crate::support::clock::{ManualClock, START_MS};
use crate::support::*;
use std::sync::Arc;
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const WAIT: (&str, &str) = ("batch.partial", "wait");

async fn hub() -> (Hub, Arc<ManualClock>, TempDir) {
    let folder = tempdir().unwrap();
    let clock = ManualClock::new();
    let hub = Hub::start_with(&open_broker(folder.path()), worker_config(), clock.clone()).await;
    hub.create_topic("numbers", 1).await;
    (hub, clock, folder)
}

fn ranges(hub: &Hub) -> Vec<(i64, i64)> {
    hub.target.0.look(sink::State::ranges)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_after_exactly_so_many_records() {
    let (hub, _clock, _folder) = hub().await;
    for _ in 0..5 {
        hub.produce("numbers", &["v"; 7]).await;
    }
    let id = hub.run(sink_spec(&[], &[("batch.records", "10"), WAIT])).await;
    hub.target.until_rows(30).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(ranges(&hub), [(0, 9), (10, 19), (20, 29)]);
    assert_eq!(hub.committed("numbers", "numbers").await, Some(30), "the open batch is read again later");
}

#[tokio::test(flavor = "multi_thread")]
async fn max_poll_records_bounds_what_a_sink_is_given_at_once_and_no_object() {
    let (hub, _clock, _folder) = hub().await;
    hub.produce("numbers", &["a", "b", "c", "d", "e"]).await;
    let two = ("consumer.override.max.poll.records", "2");
    let id = hub.run(sink_spec(&[two], &[])).await;
    hub.target.until_rows(5).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(ranges(&hub), [(0, 1), (2, 3), (4, 4)]);
    hub.produce("numbers", &["f", "g", "h"]).await;
    hub.run(sink_spec(&[two], &[("batch.records", "3"), WAIT])).await;
    hub.target.until_rows(8).await;
    assert_eq!(ranges(&hub)[3..], [(5, 7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_when_it_is_large_enough() {
    let (hub, _clock, _folder) = hub().await;
    let long = "x".repeat(1_000);
    for _ in 0..4 {
        hub.produce("numbers", &[long.as_str(); 600]).await;
    }
    hub.run(sink_spec(&[], &[("batch.bytes", "1000000"), WAIT])).await;
    hub.target.until_rows(1_200).await;
    let first = ranges(&hub)[0];
    // A fetch takes whole record batches up to 1 MiB: two of them pass the limit.
    assert_eq!(first.0, 0);
    assert!((999..2_400).contains(&first.1), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_with_the_ten_thousandth_dead_letter_so_that_they_do_not_pile_up_in_memory() {
    let (hub, _clock, _folder) = hub().await;
    let refused = ["{"; 5_025];
    hub.produce("numbers", &[&["1"], &refused[..]].concat()).await;
    hub.produce("numbers", &[&refused[..], &["2"]].concat()).await;
    let tolerant = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    let id = hub.run(sink_spec(&tolerant, &[("batch.records", "1000000"), WAIT])).await;
    hub.target.until_rows(1).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(ranges(&hub), [(0, 10_000)], "the second row waits for more");
    assert_eq!(hub.read("dead", 0).await.len(), 10_000);
    assert_eq!(hub.committed("numbers", "numbers").await, Some(10_001));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_an_interval_after_its_first_record() {
    let (hub, clock, _folder) = hub().await;
    hub.produce("numbers", &["a", "b"]).await;
    hub.run(sink_spec(&[], &[("batch.interval-ms", "3000"), WAIT])).await;
    clock.until_somebody_waits_for(Duration::from_millis(3_000)).await;
    clock.advance(Duration::from_millis(1_000));
    let held = hub.worker.memory_budget().used_bytes();
    hub.produce("numbers", &["c"]).await;
    while hub.worker.memory_budget().used_bytes() == held {
        tokio::task::yield_now().await;
    }
    // The third record is there and does not move the end.
    clock.until_somebody_waits_for(Duration::from_millis(3_000)).await;
    assert!(ranges(&hub).is_empty());
    clock.advance(Duration::from_millis(2_000));
    hub.target.until_rows(3).await;
    assert_eq!(ranges(&hub), [(0, 2)]);
    assert_eq!(hub.target.0.look(|state| state.deliveries[0].planned_ms), START_MS + 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_when_the_wall_clock_passes_its_mark() {
    let (hub, clock, _folder) = hub().await;
    hub.produce("numbers", &["a", "b"]).await;
    hub.run(sink_spec(&[], &[("batch.schedule-ms", "1000"), WAIT])).await;
    // The clock began at 123 ms past a second.
    clock.until_somebody_waits_for(Duration::from_millis(877)).await;
    clock.advance(Duration::from_millis(876));
    assert!(ranges(&hub).is_empty());
    clock.advance(Duration::from_millis(1));
    hub.target.until_rows(2).await;
    assert_eq!(ranges(&hub), [(0, 1)]);
    assert_eq!(hub.target.0.look(|state| state.deliveries[0].planned_ms) % 1_000, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_is_set_holds_no_batch_up_for_longer_than_its_schedule() {
    const HOUR_MS: i64 = 3_600_000;
    let (hub, clock, _folder) = hub().await;
    hub.produce("numbers", &["a", "b"]).await;
    hub.run(sink_spec(&[], &[("batch.schedule-ms", "1000"), WAIT])).await;
    clock.until_somebody_waits_for(Duration::from_millis(877)).await;
    clock.set_wall_clock_by(-HOUR_MS);
    clock.advance(Duration::from_millis(877));
    // A second after the first record, although the mark is an hour away.
    clock.until_somebody_waits_for(Duration::from_millis(1_000)).await;
    assert!(ranges(&hub).is_empty());
    clock.advance(Duration::from_millis(123));
    hub.target.until_rows(2).await;
    hub.produce("numbers", &["c"]).await;
    // The clock says 123 ms past a second again.
    clock.until_somebody_waits_for(Duration::from_millis(1_877)).await;
    clock.set_wall_clock_by(24 * HOUR_MS);
    clock.advance(Duration::from_millis(877));
    hub.target.until_rows(3).await;
    assert_eq!(ranges(&hub), [(0, 1), (2, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_batch_is_neither_delivered_nor_lost_by_a_stop() {
    let (hub, clock, _folder) = hub().await;
    hub.produce("numbers", &["a", "b"]).await;
    let spec = sink_spec(&[], &[("batch.interval-ms", "3000"), WAIT]);
    let id = hub.run(spec.clone()).await;
    clock.until_somebody_waits_for(Duration::from_millis(3_000)).await;
    hub.worker.stop_task(&id).await;
    assert!(ranges(&hub).is_empty());
    assert_eq!(hub.worker.memory_budget().used_bytes(), 0);
    hub.run(spec).await;
    clock.until_somebody_waits_for(Duration::from_millis(3_000)).await;
    clock.advance(Duration::from_millis(3_000));
    hub.target.until_rows(2).await;
    assert_eq!(ranges(&hub), [(0, 1)]);
}
