//! A transaction's end on a disk that crashes: records in two partitions, group offsets and state belong together.

use bytes::Bytes;
use sluice_client::{Broker, FetchPartition, NewTopic, TopicPartition};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig, Partitions, ProducerIdAndEpoch, TransactionStatus};
use sluice_group::{CommitOffset, Request, Response, Topic, TxnOffsetCommitRequest};
use sluice_log::sim::SimDisk;
use sluice_protocol::{RecordBatchBuilder, batches, in_transaction};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn open(disk: &SimDisk) -> Arc<EmbeddedBroker> {
    EmbeddedBroker::open_simulated(Arc::new(disk.clone()), EmbeddedConfig::new("nowhere")).expect("it opens")
}

fn record(value: &str, (producer_id, epoch): ProducerIdAndEpoch) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    builder.push(1_000, None, Some(value.as_bytes())).expect("small");
    in_transaction(&builder.finish(), producer_id, epoch)
}

/// What one who reads committed records sees of both partitions, the group's offset, and the transaction's state.
type Seen = (Vec<String>, Option<i64>, TransactionStatus);

async fn seen(broker: &EmbeddedBroker) -> Seen {
    let mut values = Vec::new();
    for partition in 0..2 {
        let wanted =
            FetchPartition { partition: TopicPartition::new("orders", partition), offset: 0, max_bytes: 1 << 20 };
        let fetched = broker.consumer().fetch(&[wanted], Duration::ZERO).await.remove(0).expect("it is there");
        for batch in batches(&fetched.records).flatten() {
            let records = batch.records().expect("plain").flatten();
            values.extend(records.map(|one| String::from_utf8_lossy(one.value.unwrap_or_default()).into_owned()));
        }
    }
    let offsets = broker.admin().group_offsets("readers").await.expect("it answers");
    let offset = offsets.get(&TopicPartition::new("orders", 0)).map(|committed| committed.offset);
    (values, offset, broker.transaction("t").expect("it is known").status)
}

/// An open transaction with a record in each partition and an offset of a group.
async fn begin(broker: &EmbeddedBroker) -> ProducerIdAndEpoch {
    let topic = NewTopic { name: "orders".into(), partitions: 2, config: BTreeMap::new() };
    broker.admin().create_topic(topic).await.expect("it is new");
    let producer = broker.init_transactions("t", 600_000, None).await.expect("it is new");
    let partitions = Partitions::from([("orders".to_owned(), [0, 1].into())]);
    broker.add_partitions_to_transaction("t", producer, &partitions).await.expect("begun");
    broker.add_offsets_to_transaction("t", producer).await.expect("open");
    let id = broker.topic_id("orders").expect("it is there");
    for (partition, value) in [(0, "a"), (1, "b")] {
        let appended = broker.append_in_transaction(None, producer, id, partition, record(value, producer)).await;
        appended.expect("handed over").done().await.expect("durable");
    }
    let offset = CommitOffset { partition: 0, offset: 7, leader_epoch: -1, metadata: None };
    let request = TxnOffsetCommitRequest {
        group_id: "readers".into(),
        producer: sluice_group::ProducerIdAndEpoch { producer_id: producer.0, producer_epoch: producer.1 },
        generation_id: -1,
        member_id: String::new(),
        group_instance_id: None,
        topics: vec![Topic { name: "orders".into(), partitions: vec![offset] }],
    };
    let answer = broker.group_request(Request::TxnOffsetCommit(request)).answer().await;
    let Some(Response::TxnOffsetCommit(answer)) = answer else { panic!("{answer:?}") };
    assert!(answer.topics[0].partitions[0].error.is_none());
    producer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactions_end_is_there_whole_or_not_at_all_after_any_crash() {
    let mut found = BTreeMap::new();
    for commit in [true, false] {
        let disk = SimDisk::new();
        let broker = open(&disk);
        let producer = begin(&broker).await;
        let open_still: Seen = (Vec::new(), None, TransactionStatus::Ongoing);
        assert_eq!(seen(&broker).await, open_still);
        let before = disk.events();
        broker.end_transaction("t", producer, commit).await.expect("open");
        let acknowledged = disk.events();
        let ended = seen(&broker).await;
        let wanted = if commit {
            (vec!["a".to_owned(), "b".to_owned()], Some(7), TransactionStatus::CompleteCommit)
        } else {
            (Vec::new(), None, TransactionStatus::CompleteAbort)
        };
        assert_eq!(ended, wanted);
        broker.close();
        for at in before..=disk.events() {
            for seed in 0..32u64 {
                let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let keep = || {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    seed == 0 || random & 1 == 1
                };
                let broker = open(&disk.after_crash(at, keep));
                let now = seen(&broker).await;
                assert!(now == ended || now == open_still, "a half end before event {at}, seed {seed}: {now:?}");
                assert!(now == ended || at < acknowledged, "an acknowledged end is gone, seed {seed}");
                *found.entry((commit, now == ended)).or_insert(0) += 1;
                broker.end_transaction("t", producer, commit).await.expect("it is open, or has ended so");
                assert_eq!(seen(&broker).await, ended);
            }
        }
    }
    assert_eq!(found.len(), 4, "both outcomes were met, for commits and for aborts: {found:?}");
}
