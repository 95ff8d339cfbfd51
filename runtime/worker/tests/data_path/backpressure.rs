//! A full disk is waited for: nothing is lost, nothing is twice, no task fails.

use crate::support::clock::ManualClock;
use crate::support::*;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::tempdir;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_waits_for_a_full_disk_and_goes_on_in_order() {
    let folder = tempdir().unwrap();
    let (broker, is_full) = disk::open_broker(folder.path());
    let clock = ManualClock::new();
    let hub = Hub::start_with(&broker, worker_config(), clock.clone()).await;
    hub.create_topic("numbers", 1).await;
    hub.counter.give(500, 5);
    is_full.store(true, Ordering::SeqCst);
    hub.run(source_spec(&[])).await;
    for second in 1..=3 {
        clock.until_somebody_waits_for(Duration::from_secs(second)).await;
        is_full.store(second < 3, Ordering::SeqCst);
        assert!(hub.source_offset("numbers").is_none());
        clock.advance(Duration::from_secs(1));
    }
    hub.counter.until_committed(500).await;
    let expected: Vec<String> = (0..500).map(|number| format!("n-{number}")).collect();
    assert_eq!(values(&hub.read("numbers", 0).await), expected);
    assert_eq!(hub.heard.0.look(Clone::clone), ["startup", "topic numbers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_waits_for_a_full_disk_before_it_delivers() {
    let folder = tempdir().unwrap();
    let (broker, is_full) = disk::open_broker(folder.path());
    let clock = ManualClock::new();
    let hub = Hub::start_with(&broker, worker_config(), clock.clone()).await;
    hub.create_topic("numbers", 1).await;
    hub.produce("numbers", &["a", "b"]).await;
    is_full.store(true, Ordering::SeqCst);
    hub.run(sink_spec(&[], &[])).await;
    clock.until_somebody_waits_for(Duration::from_secs(1)).await;
    assert!(hub.target.rows().is_empty(), "nothing is delivered without a plan");
    is_full.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(1));
    hub.target.until_rows(2).await;
    hub.worker.shutdown().await;
    assert_eq!(hub.committed("numbers", "numbers").await, Some(2));
}
