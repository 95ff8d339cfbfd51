//! A disk that is full or broken, as clients see it.

mod common;

use common::{Running, batch, config, fetch, fetched, numbered, produce, produced};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_log::sim::{Calls, FailingCall, SimDisk, SimFaults};
use sluice_server::Server;
use std::sync::Arc;

const KAFKA_STORAGE_ERROR: i16 = 56;

async fn start_on(disk: &SimDisk) -> Running {
    let broker = EmbeddedBroker::open_simulated(Arc::new(disk.clone()), EmbeddedConfig::new("nowhere"));
    let broker = broker.expect("it opens");
    let server = Server::bind(config(), broker.clone()).await.expect("a port is free");
    Running { server, broker, dir: tempfile::tempdir().expect("a temporary folder") }
}

fn fails(disk: &SimDisk, calls: Calls, full: bool) {
    let failing = FailingCall { after: 0, calls, full, lasting: true };
    disk.set_faults(SimFaults { failing: Some(failing), ..SimFaults::default() });
}

async fn commit(client: &mut common::Client, offset: i64) -> i16 {
    let part = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default().with_name(common::topic("orders")).with_partitions(vec![part]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("readers")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    client.call(8, &request).await.topics[0].partitions[0].error_code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_storage_error_to_clients_and_works_again_when_there_is_room() {
    let disk = SimDisk::new();
    let running = start_on(&disk).await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    assert_eq!(produced(&client.call(9, &produce("orders", 0, numbered(7, 0, 0, &["before"])).clone()).await).0, 0);
    for full in [true, false] {
        fails(&disk, Calls::Growing, full);
        let (code, offset, message) =
            produced(&client.call(9, &produce("orders", 0, numbered(7, 0, 1, &["after"]))).await);
        assert_eq!((code, offset), (KAFKA_STORAGE_ERROR, -1));
        assert!(!message.is_empty());
        assert_ne!(commit(&mut client, 1).await, 0, "an offset that is not durable is not acknowledged");
        let refused = client.call(5, &InitProducerIdRequest::default().with_transactional_id(None)).await;
        assert_ne!(refused.error_code, 0, "nor is a producer id given out");
        let (code, values) = fetched(&client.call(12, &fetch("orders", 0, 0)).await);
        assert_eq!((code, values), (0, vec!["before".to_owned()]), "what is there is served");
        disk.set_faults(SimFaults::default());
    }
    // The client's own retry, with the same sequence.
    let (code, offset, _) = produced(&client.call(9, &produce("orders", 0, numbered(7, 0, 1, &["after"]))).await);
    assert_eq!((code, offset), (0, 1));
    assert_eq!(commit(&mut client, 2).await, 0);
    let (code, values) = fetched(&client.call(12, &fetch("orders", 0, 0)).await);
    assert_eq!((code, values), (0, vec!["before".to_owned(), "after".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_acknowledged_until_the_broker_was_opened_again() {
    let disk = SimDisk::new();
    let running = start_on(&disk).await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    assert_eq!(produced(&client.call(9, &produce("orders", 0, batch(&["durable"]))).await).0, 0);
    fails(&disk, Calls::Syncs, false);
    assert_eq!(produced(&client.call(9, &produce("orders", 0, batch(&["unknown"]))).await).0, KAFKA_STORAGE_ERROR);
    disk.set_faults(SimFaults::default());
    assert_eq!(produced(&client.call(9, &produce("orders", 0, batch(&["refused"]))).await).0, KAFKA_STORAGE_ERROR);
    assert_ne!(commit(&mut client, 1).await, 0);
    let (code, values) = fetched(&client.call(12, &fetch("orders", 0, 0)).await);
    assert_eq!((code, values), (0, vec!["durable".to_owned()]), "what may not be durable is not served");
    assert!(running.broker.failure().is_some(), "it says why");
    // As if the machine had lost everything that was not synced.
    let crashed = disk.after_crash(disk.events(), || false);
    let running = start_on(&crashed).await;
    let mut client = running.client().await;
    assert_eq!(produced(&client.call(9, &produce("orders", 0, batch(&["again"]))).await).0, 0);
    let (_, values) = fetched(&client.call(12, &fetch("orders", 0, 0)).await);
    assert_eq!(values.first().map(String::as_str), Some("durable"));
}
