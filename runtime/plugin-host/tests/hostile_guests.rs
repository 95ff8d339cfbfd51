//! What a guest may try, and what becomes of it: its task fails with a reason, the host and the neighbours stay.

mod support;

use sluice_connect_api::{ConnectError, ErrorKind, PluginFactory, PolledBatches, SourceTask};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use support::{Offsets, TestHost, config, connector_context, open_source};

/// One poll in this mode, which must fail; then the host must still run a good guest.
async fn poll_error(mode: &str, more: &[(&str, &str)]) -> ConnectError {
    let host = TestHost::new();
    let plugin = host.plugin("example-hostile").await;
    let mut pairs = vec![("mode", mode)];
    pairs.extend(more);
    let mut task = open_source(&plugin, config(&pairs), Offsets::default()).await;
    let error = task.poll().await.expect_err("this mode does not come back with rows");

    let mut neighbour = open_source(&plugin, config(&[("mode", "good")]), Offsets::default()).await;
    assert_eq!(neighbour.poll().await.unwrap().batches[0].len(), 1_000);
    error
}

#[track_caller]
fn assert_fatal(error: &ConnectError, code: &str, reason: &str) {
    assert_eq!((error.kind, error.details.code.as_str()), (ErrorKind::Fatal, code), "{error}");
    assert!(error.details.message.contains(reason), "{error}");
    assert!(error.details.message.contains("HostileExample"), "the plugin is named: {error}");
}

#[tokio::test]
async fn a_panic_fails_the_task_with_the_guests_own_message() {
    let error = poll_error("trap", &[]).await;
    assert_fatal(&error, "plugin.trapped", "the guest gave up: index 7 of 3");
    assert!(error.details.message.contains("src/lib.rs"), "{error}");
}

#[tokio::test]
async fn an_endless_loop_is_stopped_shortly_after_its_deadline() {
    let started = Instant::now();
    assert_fatal(&poll_error("loop", &[]).await, "plugin.deadline", "computed for more than 200ms");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn calling_the_clock_or_the_log_does_not_extend_the_deadline() {
    assert_fatal(&poll_error("loop-in-calls", &[]).await, "plugin.deadline", "computed");
    assert_fatal(&poll_error("log-flood", &[]).await, "plugin.deadline", "computed");
}

#[tokio::test]
async fn a_loop_at_the_connector_level_is_stopped_too() {
    let host = TestHost::new();
    let plugin = host.plugin("example-hostile").await;
    let config = config(&[("mode", "loop-in-validate")]);
    let connector = plugin.connector(&connector_context(&config)).await.unwrap();
    assert_fatal(&connector.validate(&config).await.unwrap_err(), "plugin.deadline", "failed in validate");
}

#[tokio::test]
async fn endless_recursion_ends_at_the_stacks_end() {
    let error = poll_error("stack", &[]).await;
    assert_eq!(error.kind, ErrorKind::Fatal);
    let message = &error.details.message;
    assert!(message.contains("call stack exhausted") || message.contains("out of bounds"), "{error}");
}

#[tokio::test]
async fn a_memory_bomb_ends_at_its_limit() {
    assert_fatal(&poll_error("memory", &[]).await, "plugin.memory", "memory limit");
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    assert_fatal(&poll_error("output", &[]).await, "plugin.output", "more bytes than one call may");
}

#[tokio::test]
async fn hoarded_handles_end_at_their_limit() {
    let error = poll_error("handles", &[]).await;
    assert!(error.details.message.contains("no free keys"), "{error}");
}

#[tokio::test]
async fn too_many_random_bytes_are_refused() {
    assert_fatal(&poll_error("random", &[]).await, "plugin.trapped", "random.bytes gives at most");
}

#[tokio::test]
async fn a_file_that_was_not_granted_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let granted = folder.path().to_str().unwrap();
    for mode in ["ungranted-file", "escape"] {
        let error = poll_error(mode, &[("path", granted)]).await;
        assert_ne!(error.kind, ErrorKind::Retriable, "{mode}: {error}");
        assert!(error.details.message.contains("grant") || error.details.message.contains(".."), "{mode}: {error}");
    }
}

#[tokio::test]
async fn a_host_that_was_not_granted_is_not_even_connected_to() {
    let (granted, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = |listener: &TcpListener| format!("http://{}/", listener.local_addr().unwrap());
    let (granted_url, other_url) = (url(&granted), url(&other));
    let nothing_granted = poll_error("ungranted-host", &[("other.endpoint", &other_url)]).await;
    let another_granted = [("endpoint", granted_url.as_str()), ("other.endpoint", other_url.as_str())];
    let another_granted = poll_error("ungranted-host", &another_granted).await;
    let metadata = [("endpoint", granted_url.as_str()), ("other.endpoint", "http://169.254.169.254/latest/meta-data/")];
    let metadata = poll_error("ungranted-host", &metadata).await;
    let not_granted = "is not granted to connector";
    let refused = [(nothing_granted, not_granted), (another_granted, not_granted), (metadata, "is not public")];
    for (error, reason) in refused {
        assert_eq!((error.kind, error.details.code.as_str()), (ErrorKind::Fatal, "not-granted"), "{error}");
        assert!(error.details.message.contains(reason), "{error}");
    }
    for listener in [granted, other] {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody connected");
    }
}

#[tokio::test]
async fn batches_of_a_wrong_shape_are_refused() {
    for mode in ["wrong-schema", "lengths-differ", "garbage-ipc"] {
        let error = poll_error(mode, &[]).await;
        assert!(!error.details.message.is_empty(), "{mode}: {error:?}");
    }
}

#[tokio::test]
async fn offsets_that_are_no_json_fail_the_task() {
    let error = poll_error("bad-offset", &[]).await;
    assert_eq!(error.details.code, "plugin.offset");
}

#[tokio::test]
async fn a_guest_sees_no_secret() {
    let host = TestHost::new();
    let plugin = host.plugin("example-hostile").await;
    let given = config(&[
        ("mode", "secret-probing"),
        ("secret", "hunter2"),
        ("url", "https://user:hunter2@example.org/?password=hunter2"),
        ("value.converter.basic.auth.user.info", "user:hunter2"),
        ("undeclared.password", "hunter2"),
    ]);
    let mut task = open_source(&plugin, given, Offsets::default()).await;
    let seen = task.poll().await.unwrap().rejected[0].details.message.clone();
    assert!(seen.contains("secret-probing") && seen.contains("example.org"), "{seen}");
    assert!(!seen.contains("hunter2"), "{seen}");
}

#[tokio::test]
async fn a_guest_cannot_grant_itself_a_file_through_its_task_configs() {
    let host = TestHost::new();
    let plugin = host.plugin("example-hostile").await;
    let given = config(&[("mode", "widen-grants"), ("path", "/tmp/mine"), ("secret", "hunter2")]);
    let connector = plugin.connector(&connector_context(&given)).await.unwrap();
    let tasks = connector.task_configs(&given, 1).await.unwrap().tasks;
    assert_eq!(tasks, [given]);
}

#[tokio::test]
async fn floods_of_metrics_and_long_lines_are_cut_and_harm_nothing() {
    let host = TestHost::new();
    let plugin = host.plugin("example-hostile").await;
    for mode in ["metric-flood", "long-log-line"] {
        let mut task = open_source(&plugin, config(&[("mode", mode)]), Offsets::default()).await;
        assert!(task.poll().await.unwrap().is_empty(), "{mode}");
    }
}

#[tokio::test]
async fn an_ended_instance_is_never_called_again() {
    let host = TestHost::new();
    let plugin = host.plugin("example-hostile").await;
    let mut task = open_source(&plugin, config(&[("mode", "trap")]), Offsets::default()).await;
    task.poll().await.unwrap_err();
    assert_eq!(task.poll().await.unwrap_err().details.code, "plugin.ended");
}

#[tokio::test]
async fn an_idle_instance_is_replaced_once_everything_it_read_is_committed() {
    let host = TestHost::with(sluice_plugin_host::GuestLimits { idle: Duration::ZERO, ..support::short_limits() });
    let plugin = host.plugin("example-hostile").await;
    let mut task = open_source(&plugin, config(&[("mode", "good")]), Offsets::default()).await;
    let next = |polled: &PolledBatches| polled.offsets[0].1.as_ref().unwrap()["next"].as_i64().unwrap();
    let first = task.poll().await.unwrap();
    let second = task.poll().await.unwrap();
    assert_eq!((next(&first), next(&second)), (1_000, 2_000), "nothing is committed yet");
    task.committed(first.offsets).await.unwrap();
    assert_eq!(next(&task.poll().await.unwrap()), 3_000, "the second poll is not committed yet");
    task.committed(vec![]).await.unwrap();
    let fourth = task.poll().await.unwrap();
    task.committed(fourth.offsets).await.unwrap();
    assert_eq!(next(&task.poll().await.unwrap()), 1_000, "this guest counts from its instance's start");
}

#[tokio::test]
async fn a_call_that_is_given_up_frees_its_instance_at_once() {
    let limits =
        sluice_plugin_host::GuestLimits { instances: 1, deadline: Duration::from_secs(60), ..support::short_limits() };
    let host = TestHost::with(limits);
    let plugin = host.plugin("example-hostile").await;
    let mut task = open_source(&plugin, config(&[("mode", "loop")]), Offsets::default()).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), task.poll()).await;
    assert!(given_up.is_err());
    drop(task);
    // The slot comes back when the guest's thread has dropped the store: at its next tick.
    let mut neighbour =
        plugin.source_task(support::task_context(config(&[("mode", "good")]), Offsets::default())).await.unwrap();
    let started = Instant::now();
    while let Err(error) = neighbour.open().await {
        assert_eq!(error.details.code, "plugin.instances");
        assert!(started.elapsed() < Duration::from_secs(10), "the stopped instance is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_keeps_delivering_beside_looping_guests() {
    let limits = sluice_plugin_host::GuestLimits { deadline: Duration::from_secs(60), ..support::short_limits() };
    let host = TestHost::with(limits);
    let plugin = host.plugin("example-hostile").await;
    let mut looping = Vec::new();
    for _ in 0..4 {
        let mut task = open_source(&plugin, config(&[("mode", "loop")]), Offsets::default()).await;
        looping.push(tokio::spawn(async move { task.poll().await.map(|_| ()) }));
    }
    let mut neighbour = open_source(&plugin, config(&[("mode", "good")]), Offsets::default()).await;
    let rows = read_rows(&mut *neighbour, 50).await;
    assert_eq!(rows, 50_000);
    assert!(looping.iter().all(|task| !task.is_finished()), "the loops were still running");
    looping.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn read_rows(task: &mut dyn SourceTask, polls: usize) -> usize {
    let mut rows = 0;
    for _ in 0..polls {
        rows += task.poll().await.unwrap().batches[0].len();
    }
    rows
}
