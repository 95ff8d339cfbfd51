//! Another version of a plugin while its connectors run.

mod support;

use sluice_connect_api::PluginFactory;
use sluice_herder::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::*;

fn versions(status: &ConnectorStatus) -> Vec<&str> {
    status.tasks.iter().filter_map(|(_, task)| task.version.as_deref()).collect()
}

fn all_run(status: &ConnectorStatus, version: &str) -> bool {
    status.tasks.iter().all(|(_, task)| task.state == State::Running)
        && versions(status).iter().all(|one| *one == version)
}

const THREE: [(&str, &str); 3] = [("connector.class", SOURCE), ("topic", "lines"), ("tasks.max", "3")];

#[tokio::test]
async fn tasks_go_over_to_a_new_version_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("runs", &THREE).await;
    hub.until_running("runs", 3).await;
    let behaviour = Arc::new(Behaviour::default());
    hub.plugins.add_connector(TestFactory::source("1.3.0", &behaviour));
    let mixed = |status: &ConnectorStatus| versions(status).contains(&"1.3.0") && versions(status).contains(&"1.2.3");
    hub.until("runs", mixed).await;
    let status = hub.until("runs", |status| all_run(status, "1.3.0")).await;
    assert_eq!(status.connector.version.as_deref(), Some("1.3.0"));
    assert_eq!(behaviour.starts.load(Ordering::SeqCst), 3, "each was started once");
    hub.stop().await;
}

#[tokio::test]
async fn a_version_whose_task_fails_is_rolled_back_and_stays_so_after_a_restart_of_the_hub() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("runs", &THREE).await;
    hub.until_running("runs", 3).await;
    let broken = Arc::new(Behaviour::default());
    broken.tasks_fail.store(true, Ordering::SeqCst);
    hub.plugins.add_connector(TestFactory::source("2.0.0", &broken));
    let is_back = |status: &ConnectorStatus| status.connector.trace.is_some() && all_run(status, "1.2.3");
    let status = hub.until("runs", is_back).await;
    let trace = status.connector.trace.unwrap();
    assert!(trace.contains("2.0.0") && trace.contains("rolled back to 1.2.3"), "{trace}");
    assert!(trace.contains("broken on purpose"), "{trace}");
    assert_eq!(broken.starts.load(Ordering::SeqCst), 1, "the other tasks never went over");
    hub.stop().await;

    let hub = Hub::start(folder.path()).await;
    let still_broken = Arc::new(Behaviour::default());
    still_broken.tasks_fail.store(true, Ordering::SeqCst);
    hub.plugins.add_connector(TestFactory::source("2.0.0", &still_broken));
    hub.until("runs", |status| status.tasks.len() == 3 && all_run(status, "1.2.3")).await;
    assert_eq!(still_broken.starts.load(Ordering::SeqCst), 0);

    // Somebody mended it, and asks for it.
    still_broken.tasks_fail.store(false, Ordering::SeqCst);
    hub.herder.restart("runs", RestartRequest::default()).await.unwrap();
    let status = hub.until("runs", |status| all_run(status, "2.0.0")).await;
    assert_eq!(status.connector.trace, None);
    hub.stop().await;
}

#[tokio::test]
async fn a_version_that_names_no_tasks_is_rolled_back_before_any_task_goes_over() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("runs", &THREE).await;
    hub.until_running("runs", 3).await;
    let broken = Arc::new(Behaviour::default());
    broken.configs_fail.store(true, Ordering::SeqCst);
    hub.plugins.add_connector(TestFactory::source("2.0.0", &broken));
    let is_back =
        |status: &ConnectorStatus| status.connector.trace.is_some() && status.connector.state == State::Running;
    let status = hub.until("runs", is_back).await;
    assert!(all_run(&status, "1.2.3"), "{status:?}");
    assert_eq!(broken.starts.load(Ordering::SeqCst), 0);
    assert_eq!(hub.behaviour.starts.load(Ordering::SeqCst), 3, "and none was disturbed");
    hub.stop().await;
}

#[tokio::test]
async fn a_pinned_connector_stays_where_it_is_and_a_removed_version_is_missed_by_nobody_who_runs_it() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await;
    hub.create("pinned", &[THREE.as_slice(), &[("connector.plugin.version", "1.2.3")]].concat()).await;
    hub.create("follows", &THREE).await;
    hub.until_running("pinned", 3).await;
    hub.until_running("follows", 3).await;
    let behaviour = Arc::new(Behaviour::default());
    let newer: Arc<dyn PluginFactory> = TestFactory::source("1.3.0", &behaviour);
    hub.plugins.add_connector(Arc::clone(&newer));
    hub.until("follows", |status| all_run(status, "1.3.0")).await;
    assert!(all_run(&hub.herder.status("pinned").await.unwrap(), "1.2.3"));
    hub.plugins.remove_connector(&newer);
    assert!(all_run(&hub.herder.status("follows").await.unwrap(), "1.3.0"));
    hub.stop().await;
}
