//! A task dies between two durable steps, and everything in memory with it; the next life goes on from the log.

#[path = "../support/mod.rs"]
mod support;

use sluice_telemetry::fail_point::{self, Action};
use support::*;
use tempfile::tempdir;

/// Fails at `point`, and returns the hub's next life.
async fn crash(hub: Hub, point: &str) -> Hub {
    let failure = hub.heard.failure().await;
    assert!(failure.contains("fail point"), "{point}: {failure}");
    fail_point::disarm();
    hub.restarted().await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap()
}

#[test]
fn a_source_that_dies_at_any_step_appends_everything_once() {
    let _turn = ONE_AT_A_TIME.lock();
    for point in ["source.before_append", "source.before_append:3", "source.after_append", "source.after_append:2"] {
        runtime().block_on(async {
            let folder = tempdir().unwrap();
            let hub = Hub::start(&open_broker(folder.path())).await;
            hub.counter.give(300, 10);
            fail_point::arm(point, Action::Panic).unwrap();
            hub.run(source_spec(&[])).await;
            let hub = crash(hub, point).await;
            // All of it may have landed already; so that there is something to wait for, there is more now.
            hub.counter.give(310, 10);
            hub.run(source_spec(&[])).await;
            hub.counter.until_committed(310).await;
            let expected: Vec<String> = (0..310).map(|number| format!("n-{number}")).collect();
            assert_eq!(values(&hub.read("numbers", 0).await), expected, "{point}");
        });
    }
}

/// The first batch is cut short by a crash; more records come before the next life begins.
async fn sink_through_a_crash(point: &str, config: sluice_worker::WorkerConfig) -> Vec<String> {
    crash_of(sink_spec(&[], &[]), None, point, config).await
}

/// As [`sink_through_a_crash`], of a sink that answers for its offsets itself; its target begins with this one, or keeps none.
async fn own_offsets_through_a_crash(point: &str, own_offset: Option<i64>) -> Vec<String> {
    crash_of(sink_spec(&[], &OWN_OFFSETS), own_offset, point, worker_config()).await
}

async fn crash_of(
    spec: sluice_worker::TaskSpec,
    own_offset: Option<i64>,
    point: &str,
    config: sluice_worker::WorkerConfig,
) -> Vec<String> {
    let folder = tempdir().unwrap();
    let clock = std::sync::Arc::new(sluice_worker::SystemClock::default());
    let hub = Hub::start_with(&open_broker(folder.path()), config.clone(), clock).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["a", "b", "c"]).await;
    hub.target.0.change(|state| state.own_offset = own_offset);
    fail_point::arm(point, Action::Panic).unwrap();
    hub.run(spec.clone()).await;
    let hub = crash(hub, point).await;
    hub.produce("numbers", &["d", "e"]).await;
    let id = hub.run(spec).await;
    hub.target.0.until("the last record", |state| state.rows().iter().any(|(_, value)| value == "e")).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.committed("numbers", "numbers").await, Some(5));
    hub.target.rows().into_iter().map(|(_, value)| value).collect()
}

#[test]
fn a_sink_that_dies_at_any_step_stores_everything_once() {
    let _turn = ONE_AT_A_TIME.lock();
    let points = ["sink.before_plan", "sink.after_plan", "sink.after_put", "sink.before_commit", "sink.after_commit"];
    for point in points {
        let rows = runtime().block_on(sink_through_a_crash(point, worker_config()));
        assert_eq!(rows, ["a", "b", "c", "d", "e"], "{point}");
    }
}

#[test]
fn without_the_plan_the_same_crash_stores_records_twice() {
    let _turn = ONE_AT_A_TIME.lock();
    let rows = runtime().block_on(sink_through_a_crash("sink.after_put", plan_off()));
    assert_eq!(rows, ["a", "a", "b", "b", "c", "c", "d", "e"]);
}

#[test]
fn a_sink_with_offsets_of_its_own_stores_everything_once_without_a_plan() {
    let _turn = ONE_AT_A_TIME.lock();
    for point in ["sink.after_put", "sink.before_commit", "sink.after_commit"] {
        let rows = runtime().block_on(own_offsets_through_a_crash(point, Some(-1)));
        assert_eq!(rows, ["a", "b", "c", "d", "e"], "{point}");
    }
    let without_them = runtime().block_on(own_offsets_through_a_crash("sink.after_put", None));
    assert_eq!(without_them, ["a", "a", "b", "b", "c", "c", "d", "e"]);
}
