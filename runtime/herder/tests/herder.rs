//! The life of connectors over a real log, with native connectors.

mod support;

use sluice_client::FetchPartition;
use sluice_connect_api::converter::ConverterKind;
use sluice_herder::*;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::*;

fn has_state(status: &ConnectorStatus, task: usize, state: State) -> bool {
    status.tasks.get(task).is_some_and(|(_, task)| task.state == state)
}

#[tokio::test]
async fn configs_target_states_and_tasks_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("runs", &[A_SOURCE.as_slice(), &[("tasks.max", "2")]].concat()).await;
    hub.create("pauses", &A_SOURCE).await;
    hub.create("stops", &A_SINK).await;
    hub.until_running("runs", 2).await;
    hub.until_running("pauses", 1).await;
    hub.herder.set_target_state("pauses", TargetState::Paused).await.unwrap();
    hub.herder.set_target_state("stops", TargetState::Stopped).await.unwrap();
    hub.stop().await;

    let hub = Hub::start(folder.path()).await;
    hub.until_running("runs", 2).await;
    hub.until("pauses", |status| status.connector.state == State::Paused && has_state(status, 0, State::Paused)).await;
    let status = hub.until("stops", |status| status.connector.state == State::Stopped).await;
    assert!(status.tasks.is_empty());
    let starts = hub.behaviour.starts.load(Ordering::SeqCst);
    assert_eq!(starts, 2, "paused and stopped connectors hold no task");
    hub.herder.set_target_state("pauses", TargetState::Started).await.unwrap();
    hub.herder.set_target_state("stops", TargetState::Started).await.unwrap();
    hub.until_running("pauses", 1).await;
    hub.until_running("stops", 1).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_failing_task_restarts_by_itself_until_the_circuit_opens() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.behaviour.tasks_fail.store(true, Ordering::SeqCst);
    hub.create("broken", &A_SOURCE).await;
    let status = hub.until("broken", |status| has_state(status, 0, State::Failed)).await;
    let trace = status.tasks[0].1.trace.as_ref().unwrap();
    assert!(trace.contains("broken on purpose") && trace.contains("after 3 restarts in a row"), "{trace}");
    assert_eq!(hub.behaviour.starts.load(Ordering::SeqCst), 4);
    assert_eq!(status.connector.state, State::Running, "a failed task does not touch its connector");

    hub.behaviour.tasks_fail.store(false, Ordering::SeqCst);
    let request = RestartRequest { include_tasks: true, only_failed: true };
    let shown = hub.herder.restart("broken", request).await.unwrap();
    assert_eq!(shown.tasks[0].1.state, State::Restarting);
    assert_eq!(shown.connector.state, State::Running, "only what has failed is restarted");
    hub.until_running("broken", 1).await;
    let generations = hub.behaviour.generations.lock().unwrap().clone();
    assert!(generations.is_sorted_by(|left, right| left < right), "{generations:?}");
    hub.stop().await;
}

#[tokio::test]
async fn restarts_switched_off_leave_a_failed_task_failed() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.behaviour.tasks_fail.store(true, Ordering::SeqCst);
    hub.create("broken", &[A_SOURCE.as_slice(), &[("sluice.task.restart.enabled", "false")]].concat()).await;
    hub.until("broken", |status| has_state(status, 0, State::Failed)).await;
    assert_eq!(hub.behaviour.starts.load(Ordering::SeqCst), 1);
    hub.stop().await;
}

#[tokio::test]
async fn a_connector_whose_server_is_down_comes_up_with_it_and_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = HerderConfig::new("here:1");
    (config.restart.backoff, config.restart.attempts_max) = (Duration::from_millis(1), u32::MAX);
    config.restart.backoff_max = Duration::from_millis(20);
    let hub = Hub::start_with(folder.path(), config).await;
    hub.create("good", &A_SOURCE).await;
    hub.until_running("good", 1).await;
    hub.behaviour.configs_fail.store(true, Ordering::SeqCst);
    hub.create("bad", &A_SOURCE).await;
    let status = hub.until("bad", |status| status.connector.state == State::Restarting).await;
    assert!(status.connector.trace.unwrap().contains("the server is down"));
    hub.until_running("good", 1).await;
    hub.behaviour.configs_fail.store(false, Ordering::SeqCst);
    hub.until_running("bad", 1).await;
    hub.stop().await;
}

#[tokio::test]
async fn more_tasks_than_tasks_max_fail_the_connector() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.behaviour.task_count.store(3, Ordering::SeqCst);
    let off = ("sluice.task.restart.enabled", "false");
    hub.create("many", &[A_SOURCE.as_slice(), &[("tasks.max", "2"), off]].concat()).await;
    let status = hub.until("many", |status| status.connector.state == State::Failed).await;
    let expected = "The connector many has generated 3 tasks, which is greater than 2, the maximum number of tasks it is configured to create.";
    assert_eq!(status.connector.trace.as_deref(), Some(expected));
    hub.create("tolerant", &[A_SOURCE.as_slice(), &[("tasks.max", "2"), ("tasks.max.enforce", "false")]].concat())
        .await;
    hub.until_running("tolerant", 3).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_new_config_restarts_the_tasks_and_fewer_tasks_leave_no_status_behind() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("c", &[A_SOURCE.as_slice(), &[("tasks.max", "3")]].concat()).await;
    hub.until_running("c", 3).await;
    hub.herder.put_config("c", config(&[A_SOURCE.as_slice(), &[("tasks.max", "1")]].concat())).await.unwrap();
    hub.until_running("c", 1).await;
    assert_eq!(hub.behaviour.starts.load(Ordering::SeqCst), 4);
    assert_eq!(hub.herder.tasks("c").await.unwrap().len(), 1);
    hub.stop().await;
}

#[tokio::test]
async fn the_same_config_again_restarts_only_what_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("c", &A_SOURCE).await;
    hub.until_running("c", 1).await;
    hub.herder.put_config("c", config(&A_SOURCE)).await.unwrap();
    hub.herder.set_target_state("c", TargetState::Stopped).await.unwrap();
    assert_eq!(hub.behaviour.starts.load(Ordering::SeqCst), 1);
    hub.behaviour.tasks_fail.store(true, Ordering::SeqCst);
    hub.herder.set_target_state("c", TargetState::Started).await.unwrap();
    hub.until("c", |status| has_state(status, 0, State::Failed)).await;
    hub.behaviour.tasks_fail.store(false, Ordering::SeqCst);
    hub.herder.put_config("c", config(&A_SOURCE)).await.unwrap();
    hub.until_running("c", 1).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_deleted_connector_is_gone_and_can_be_created_anew_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("c", &A_SOURCE).await;
    hub.until_running("c", 1).await;
    hub.herder.delete("c").await.unwrap();
    assert!(matches!(hub.herder.status("c").await, Err(HerderError::NoConnectorStatus { .. })));
    assert!(matches!(hub.herder.delete("c").await, Err(HerderError::ConnectorNotFound { .. })));
    hub.create("c", &A_SOURCE).await;
    hub.until_running("c", 1).await;
    hub.herder.delete("c").await.unwrap();
    hub.stop().await;
    let hub = Hub::start(folder.path()).await;
    assert!(hub.herder.connectors().await.unwrap().is_empty());
    hub.stop().await;
}

#[tokio::test]
async fn secrets_reach_the_task_and_neither_the_log_nor_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    let url = "jdbc:postgresql://ada:url-geheim@db/shop";
    let secrets = [
        ("connection.password", "geheim"),
        ("connection.url", url),
        ("producer.override.sasl.jaas.config", "x geheim"),
    ];
    let shown = hub.create("c", &[A_SOURCE.as_slice(), &secrets].concat()).await.config;
    assert_eq!(shown["connection.password"], "********");
    assert_eq!(shown["connection.url"], "jdbc:postgresql://ada:********@db/shop");
    assert_eq!(shown["producer.override.sasl.jaas.config"], "********");
    hub.until_running("c", 1).await;
    assert_eq!(hub.herder.tasks("c").await.unwrap()[0].config["connection.password"], "********");

    // What was shown comes back: the stored values stay.
    let back = shown.into_iter().map(|(key, value)| (key, Some(value))).collect();
    hub.herder.put_config("c", back).await.unwrap();
    let patch = config(&[("connection.password", "********"), ("batch.size", "7")]);
    hub.herder.patch_config("c", patch).await.unwrap();
    hub.until_running("c", 1).await;
    hub.stop().await;

    let hub = Hub::start(folder.path()).await;
    hub.until_running("c", 1).await;
    let seen: Vec<String> = hub.behaviour.secrets.lock().unwrap().iter().cloned().collect();
    assert_eq!(seen, ["geheim"]);
    for topic in [sluice_storage::CONFIG_TOPIC, sluice_storage::STATUS_TOPIC] {
        let partition = sluice_client::TopicPartition::new(topic, 0);
        let fetch = FetchPartition { partition, offset: 0, max_bytes: 1 << 24 };
        let bytes = hub.broker.consumer().fetch(&[fetch], Duration::ZERO).await.remove(0).unwrap().records;
        assert!(!bytes.is_empty());
        assert!(!bytes.windows(6).any(|window| window == b"geheim"), "{topic} holds a secret");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_reference_is_resolved_for_the_task_alone_and_followed_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    let is = |value: &str| hub.behaviour.values.lock().unwrap().insert("DB".to_owned(), value.to_owned());
    is("one-geheim");
    let reference = ("connection.password", "${test:DB}");
    let stays = ("connection.url", "${nowhere:x}");
    let shown = hub.create("c", &[A_SOURCE.as_slice(), &[reference, stays]].concat()).await.config;
    assert_eq!((shown[reference.0].as_str(), shown[stays.0].as_str()), (reference.1, stays.1));
    hub.until_running("c", 1).await;
    assert_eq!(hub.herder.tasks("c").await.unwrap()[0].config[reference.0], reference.1);
    let seen = || hub.behaviour.secrets.lock().unwrap().clone();
    assert_eq!(seen().into_iter().collect::<Vec<_>>(), ["one-geheim"]);

    is("two-geheim");
    hub.until("c", |_| seen().contains("two-geheim")).await;
    let partition = sluice_client::TopicPartition::new(sluice_storage::CONFIG_TOPIC, 0);
    let fetch = FetchPartition { partition, offset: 0, max_bytes: 1 << 24 };
    let bytes = hub.broker.consumer().fetch(&[fetch], Duration::ZERO).await.remove(0).unwrap().records;
    assert!(!bytes.windows(6).any(|window| window == b"geheim"), "the log holds what a reference stands for");
    hub.stop().await;
}

#[tokio::test]
async fn what_a_reference_stands_for_is_in_no_message_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.behaviour.values.lock().unwrap().insert("N".to_owned(), "geheim".to_owned());
    let given = config(&[A_SOURCE.as_slice(), &[("name", "c"), ("batch.size", "${test:N}")]].concat());
    let infos = hub.herder.validate(given).await.unwrap();
    assert_eq!(infos.errors(), ["Invalid value ${test:N} for configuration batch.size: Not a number of type INT"]);
    assert!(!format!("{infos:?}").contains("geheim"));
    hub.stop().await;
}

#[tokio::test]
async fn a_header_converter_must_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    let (def, make) = (sluice_converters::string::config_def, sluice_converters::string::make);
    hub.plugins.add_converter_of(ConverterKind::KeysAndValues, "test.Values", def, make);
    for (class, expected) in [
        ("test.Values", vec!["Class class test.Values does not implement the HeaderConverter interface"]),
        ("org.apache.kafka.connect.storage.StringConverter", vec![]),
        ("SimpleHeaderConverter", vec![]),
    ] {
        let given = [A_SOURCE.as_slice(), &[("name", "c"), ("header.converter", class)]].concat();
        assert_eq!(hub.herder.validate(config(&given)).await.unwrap().errors(), expected, "{class}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn client_overrides_are_held_against_the_workers_policy() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = HerderConfig::new("127.0.0.1:8083");
    worker.defaults.override_policy = ClientConfigOverridePolicy::None;
    worker.defaults.group_id = Some("connect-c".to_owned());
    let hub = Hub::start_with(folder.path(), worker).await;
    let given = [A_SOURCE.as_slice(), &[("name", "s"), ("producer.override.acks", "1")]].concat();
    let errors = hub.herder.validate(config(&given)).await.unwrap().errors();
    assert_eq!(errors, ["The 'None' policy does not allow 'acks' to be overridden in the connector configuration."]);
    let sink = [("name", "c"), ("connector.class", SINK), ("topics", "a")];
    let errors = hub.herder.validate(config(&sink)).await.unwrap().errors();
    assert_eq!(errors, ["Consumer group for sink connector named c conflicts with Connect worker group connect-c"]);
    hub.stop().await;
}

#[tokio::test]
async fn two_patches_at_once_both_count() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("c", &A_SOURCE).await;
    let patches: Vec<String> = (0..16).map(|number| format!("k{number}")).collect();
    let mut patching = tokio::task::JoinSet::new();
    for key in patches.clone() {
        let herder = hub.herder.clone();
        patching.spawn(async move { herder.patch_config("c", config(&[(key.as_str(), "1")])).await.map(drop) });
    }
    while let Some(patched) = patching.join_next().await {
        patched.unwrap().unwrap();
    }
    let stored = hub.herder.connector("c").await.unwrap().config;
    assert!(patches.iter().all(|key| stored.contains_key(key)), "{stored:?}");
    hub.stop().await;
}

#[tokio::test]
async fn offsets_change_only_while_stopped_and_raise_the_generation() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("c", &A_SOURCE).await;
    hub.until_running("c", 1).await;
    let object = |text: &str| serde_json::from_str(text).unwrap();
    let moved =
        ConnectorOffset { partition: object(r#"{"filename":"/x"}"#), offset: Some(object(r#"{"position":7}"#)) };
    let refused = hub.herder.alter_offsets("c", vec![moved.clone()]).await;
    assert!(matches!(refused, Err(HerderError::NotStopped { .. })));
    hub.herder.set_target_state("c", TargetState::Stopped).await.unwrap();
    let bad = ConnectorOffset { partition: object("{}"), offset: Some(object("{}")) };
    assert!(matches!(hub.herder.alter_offsets("c", vec![bad]).await, Err(HerderError::BadRequest { .. })));
    let altered = hub.herder.alter_offsets("c", vec![moved.clone()]).await.unwrap();
    assert_eq!(altered, AlteredOffsets::WithConnector);
    assert_eq!(hub.herder.offsets("c").await.unwrap(), [moved]);
    hub.herder.reset_offsets("c").await.unwrap();
    assert!(hub.herder.offsets("c").await.unwrap().is_empty());
    hub.herder.set_target_state("c", TargetState::Started).await.unwrap();
    hub.until_running("c", 1).await;
    hub.stop().await;
}

#[tokio::test]
async fn sink_offsets_are_those_of_its_consumer_group() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("s", &A_SINK).await;
    hub.herder.set_target_state("s", TargetState::Stopped).await.unwrap();
    let topic = sluice_client::NewTopic { name: "lines".into(), partitions: 2, config: Default::default() };
    hub.broker.admin().create_topic(topic).await.unwrap();
    let object = |text: &str| serde_json::from_str(text).unwrap();
    let text_numbers = ConnectorOffset {
        partition: object(r#"{"kafka_topic":"lines","kafka_partition":"1"}"#),
        offset: Some(object(r#"{"kafka_offset":"5"}"#)),
    };
    hub.herder.alter_offsets("s", vec![text_numbers]).await.unwrap();
    let stored = ConnectorOffset {
        partition: object(r#"{"kafka_topic":"lines","kafka_partition":1}"#),
        offset: Some(object(r#"{"kafka_offset":5}"#)),
    };
    assert_eq!(hub.herder.offsets("s").await.unwrap(), [stored]);
    let negative = ConnectorOffset {
        partition: object(r#"{"kafka_topic":"lines","kafka_partition":1}"#),
        offset: Some(object(r#"{"kafka_offset":-1}"#)),
    };
    assert!(matches!(hub.herder.alter_offsets("s", vec![negative]).await, Err(HerderError::BadRequest { .. })));
    hub.herder.reset_offsets("s").await.unwrap();
    assert!(hub.herder.offsets("s").await.unwrap().is_empty());
    hub.stop().await;
}

/// The value of a series of `/metrics`, as far as the herder makes it.
async fn metric(hub: &Hub, series: &str) -> f64 {
    let text = hub.herder.metrics().await;
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn a_failed_task_shows_why_and_when_it_starts_again_until_its_connector_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = HerderConfig::new("here:1");
    (config.restart.backoff, config.restart.backoff_max) = (Duration::from_secs(600), Duration::from_secs(600));
    let hub = Hub::start_with(folder.path(), config).await;
    hub.create("good", &A_SOURCE).await;
    hub.until_running("good", 1).await;
    hub.behaviour.tasks_fail.store(true, Ordering::SeqCst);
    hub.create("fails", &A_SOURCE).await;
    let is_running = |status: &ConnectorStatus| status.connector.state == State::Running;
    hub.until("fails", |status| has_state(status, 0, State::Restarting) && is_running(status)).await;

    let overview = hub.herder.overview().await.unwrap();
    let [fails, good] = overview.connectors.as_slice() else { panic!("{overview:#?}") };
    let expected = format!("start of {SOURCE} failed: the task is broken on purpose");
    assert_eq!(fails.last_error(), Some(expected));
    let restart = fails.next_restart.unwrap();
    // Up to a fifth is taken off by chance.
    assert!(restart > Duration::from_secs(470) && restart <= Duration::from_secs(600), "{restart:?}");
    assert_eq!((good.last_error(), good.next_restart), (None, None));
    let started = |succeeded, failed| Started { succeeded, failed };
    assert_eq!(overview.startups, Startups { connectors: started(2, 0), tasks: started(1, 1) });

    let worker = "kafka_connect_connect_worker_metrics_";
    for (series, expected) in [
        ("connector_count".to_owned(), 2.0),
        ("task_count".to_owned(), 2.0),
        ("task_startup_attempts_total".to_owned(), 2.0),
        ("task_startup_failure_percentage".to_owned(), 0.5),
        ("connector_startup_success_percentage".to_owned(), 1.0),
        ("connector_restarting_task_count{connector=\"fails\"}".to_owned(), 1.0),
        ("connector_running_task_count{connector=\"fails\"}".to_owned(), 0.0),
        ("connector_running_task_count{connector=\"good\"}".to_owned(), 1.0),
    ] {
        assert_eq!(metric(&hub, &format!("{worker}{series}")).await, expected, "{series}");
    }
    let status = |status: &str| {
        format!("kafka_connect_connector_task_status{{connector=\"fails\",task=\"0\",status=\"{status}\"}}")
    };
    assert_eq!((metric(&hub, &status("restarting")).await, metric(&hub, &status("running")).await), (1.0, 0.0));
    assert_eq!(metric(&hub, "sluice_memory_budget_limit_bytes").await, f64::from(64 << 20));
    assert!(sluice_telemetry::render().contains("connector=\"fails\""), "its own series stay while it has failed");

    hub.herder.delete("fails").await.unwrap();
    let text = hub.herder.metrics().await + &sluice_telemetry::render();
    assert!(!text.contains("connector=\"fails\"") && text.contains("connector=\"good\""), "{text}");
    hub.stop().await;
}
