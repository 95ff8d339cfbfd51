//! What can be seen of tasks from outside: metrics, lag, records at each stage.

use crate::support::*;
use serde_json::{Value, json};
use sluice_client::NewTopic;
use sluice_connect_api::ConnectError;
use sluice_data::{ConnectorName, TaskId};
use sluice_worker::{InspectedTask, TaskSpec, TimeLeft, sink_lag};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tempfile::tempdir;

const LONG: Duration = Duration::from_secs(30);
const SUFFIX: [(&str, &str); 3] =
    [("transforms", "s"), ("transforms.s.type", "Suffix"), ("transforms.s.suffix", "-secret-suffix")];

/// Under a name of its own: metrics are the process's.
fn named(name: &str, spec: TaskSpec) -> TaskSpec {
    TaskSpec { id: TaskId::new(ConnectorName::new(name), 0), ..spec }
}

/// The value of one metric of the connector's task.
#[track_caller]
fn metric(connector: &str, name: &str) -> f64 {
    let text = sluice_telemetry::render();
    let series = format!("{name}{{connector=\"{connector}\",task=\"0\"}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&series));
    found.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

fn stages(task: &InspectedTask) -> Vec<(&str, Vec<&Value>)> {
    task.stages
        .iter()
        .map(|it| (it.stage.as_str(), it.records.iter().map(|record| &record["value"]).collect()))
        .collect()
}

fn text(payload: &str) -> Value {
    json!({ "schema": { "type": "string", "optional": true }, "payload": payload })
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_looks_at_a_source_sees_the_last_records_of_each_stage() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.run(source_spec(&SUFFIX)).await;
    hub.heard.until("startup").await;
    let name = ConnectorName::new("numbers");
    let (seen, ()) = tokio::join!(hub.worker.inspect(&name, 2, LONG), async { hub.counter.give(5, 5) });
    let [task] = seen.as_slice() else { panic!("{seen:?}") };
    assert!(task.complete);
    let (polled, suffixed) = ([text("n-3"), text("n-4")], [text("n-3-secret-suffix"), text("n-4-secret-suffix")]);
    let converted = [json!("n-3-secret-suffix"), json!("n-4-secret-suffix")];
    let expected = [("polled", &polled), ("transforms.s", &suffixed), ("converted", &converted)];
    let expected: Vec<_> = expected.into_iter().map(|(stage, values)| (stage, values.iter().collect())).collect();
    assert_eq!(stages(task), expected);
    assert_eq!(task.stages[1].class.as_deref(), Some("test.Suffix"));
    // Whoever comes later sees what passes then, and nothing older.
    hub.counter.until_committed(5).await;
    let seen = hub.worker.inspect(&name, 2, Duration::ZERO).await;
    assert_eq!(seen, [InspectedTask { task: 0, complete: false, stages: Vec::new() }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_looks_at_a_sink_sees_offsets_from_the_log_to_the_connector() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 1).await;
    hub.run(sink_spec(&SUFFIX, &[])).await;
    hub.heard.until("startup").await;
    let name = ConnectorName::new("numbers");
    let (seen, ()) = tokio::join!(hub.worker.inspect(&name, 1, LONG), hub.produce("numbers", &["a", "b"]));
    let expected = [json!("b"), text("b"), text("b-secret-suffix")];
    let names: Vec<&str> = seen[0].stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(names, ["read", "converted", "transforms.s"]);
    for (stage, value) in seen[0].stages.iter().zip(expected) {
        let place = json!({ "topic": "numbers", "partition": 0, "offset": 1, "timestamp": 1_000, "key": null });
        let mut record = place;
        record["value"] = value;
        assert_eq!(stage.records, [record], "{}", stage.stage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_metrics_tell_records_batches_commits_and_what_it_is_made_of() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.counter.give(100, 70);
    let id = hub.run(named("measured-source", source_spec(&SUFFIX))).await;
    hub.counter.until_committed(100).await;
    hub.worker.stop_task(&id).await;
    let of = |name: &str| metric("measured-source", name);
    let group = "kafka_connect_source_task_metrics_";
    for (attribute, expected) in
        [("source_record_poll_total", 100.0), ("source_record_write_total", 100.0), ("source_record_active_count", 0.0)]
    {
        assert_eq!(of(&format!("{group}{attribute}")), expected, "{attribute}");
    }
    let (smallest, largest) =
        (of(&format!("{group}transaction_size_min")), of(&format!("{group}transaction_size_max")));
    assert!(smallest >= 30.0 && largest <= 100.0, "{smallest}..{largest}");
    assert!(of(&format!("{group}source_record_poll_rate")) > 3.0, "100 in at most 30 seconds");
    assert!(of(&format!("{group}poll_batch_max_time_ms")) >= of(&format!("{group}poll_batch_avg_time_ms")));
    assert!(of("sluice_source_task_metrics_bytes_written_total") > 1_000.0);
    let task = "kafka_connect_connector_task_metrics_";
    assert_eq!((of(&format!("{task}batch_size_max")), of(&format!("{task}batch_size_avg"))), (70.0, 50.0));
    assert_eq!(of(&format!("{task}offset_commit_success_percentage")), 1.0);
    assert_eq!(of(&format!("{task}offset_commit_failure_percentage")), 0.0);
    assert!(of(&format!("{task}offset_commit_max_time_ms")) > 0.0);
    let running = of(&format!("{task}running_ratio"));
    assert!(running > 0.0 && running < 1.0, "{running}");
    assert!(of("sluice_task_metrics_busy_seconds_total") > 0.0);
    assert!(of("sluice_task_metrics_time_since_last_success_seconds") < 30.0);
    let all = sluice_telemetry::render();
    let string = "org.apache.kafka.connect.storage.StringConverter";
    for expected in [
        format!("connector_class=\"{}\",connector_type=\"source\",connector_version=\"1\"", source::CLASS),
        format!("value_converter_class=\"{string}\""),
        "transform_metrics_info{connector=\"measured-source\",task=\"0\",transform=\"s\",transform_class=\"Suffix\""
            .to_owned(),
    ] {
        assert!(all.contains(&expected), "{expected} is not in\n{all}");
    }
    assert!(!all.contains("secret-suffix"), "a config's values are nobody's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sinks_metrics_stay_when_it_fails() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["a", "b", "c"]).await;
    hub.run(named("measured-sink", sink_spec(&[], &[]))).await;
    hub.target.until_rows(3).await;
    hub.target.0.change(|state| state.errors.push_back(ConnectError::fatal("gone", "the target is gone")));
    hub.produce("numbers", &["d"]).await;
    hub.heard.failure().await;
    let of = |name: &str| metric("measured-sink", name);
    let group = "kafka_connect_sink_task_metrics_";
    for (attribute, expected) in [
        ("sink_record_read_total", 4.0),
        ("sink_record_send_total", 3.0),
        ("sink_record_active_count_max", 3.0),
        ("partition_count", 1.0),
        ("offset_commit_skip_total", 0.0),
    ] {
        assert_eq!(of(&format!("{group}{attribute}")), expected, "{attribute}");
    }
    assert!(of(&format!("{group}offset_commit_completion_total")) >= 1.0);
    assert!(of(&format!("{group}put_batch_avg_time_ms")) >= 0.0);
    assert!(of("sluice_sink_task_metrics_bytes_read_total") > 100.0);
    assert_eq!(of("kafka_connect_task_error_metrics_total_record_failures"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_and_the_time_left_are_read_from_the_log_whether_a_task_runs_or_not() {
    let folder = tempdir().unwrap();
    let hub = Hub::start(&open_broker(folder.path())).await;
    let config = BTreeMap::from([("retention.ms".to_owned(), "60000".to_owned())]);
    let topic = NewTopic { name: "numbers".into(), partitions: 1, config };
    hub.broker.admin().create_topic(topic).await.unwrap();
    // With timestamp 1,000.
    hub.produce("numbers", &["a", "b", "c"]).await;
    let lag = async |topics: &[&str], retention_ms| {
        let topics: BTreeSet<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let lag = sink_lag(&*hub.broker, "connect-numbers", topics, (31_000, retention_ms)).await.unwrap();
        lag.iter().map(|one| (one.position, one.lag, one.left)).collect::<Vec<_>>()
    };
    assert_eq!(lag(&[], None).await, [], "nothing is known of it yet");
    assert_eq!(lag(&["numbers"], None).await, [(0, 3, TimeLeft::Seconds(30.0))]);
    let id = hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(3).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(lag(&[], None).await, [(3, 0, TimeLeft::Unlimited)]);
    hub.produce("numbers", &["d"]).await;
    assert_eq!(lag(&[], None).await, [(3, 1, TimeLeft::Seconds(30.0))]);
    let changes = BTreeMap::from([("retention.ms".to_owned(), None)]);
    hub.broker.admin().alter_topic_config("numbers", changes).await.unwrap();
    assert_eq!(lag(&[], None).await, [(3, 1, TimeLeft::Unknown)]);
    assert_eq!(lag(&[], Some(31_000)).await, [(3, 1, TimeLeft::Seconds(1.0))]);
    // A topic that was made anew is read from its start.
    hub.broker.admin().delete_topic("numbers").await.unwrap();
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["e"]).await;
    assert_eq!(lag(&["numbers"], Some(-1)).await, [(0, 1, TimeLeft::Unlimited)]);
}
