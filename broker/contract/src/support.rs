//! Short forms of what the cases do all the time.

use bytes::Bytes;
use sluice_client::{
    Append, Broker, Consumer, FetchPartition, FetchedPartition, GroupOffset, NewTopic, PartitionRecords, TopicPartition,
};
use sluice_protocol::{RecordBatchBuilder, batches};
use std::collections::BTreeMap;
use std::time::Duration;

pub async fn create(broker: &dyn Broker, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
    let topic = NewTopic { name: name.into(), partitions, config };
    broker.admin().create_topic(topic).await.expect("the topic is created");
}

/// `count` records `value-{from}…`, one batch.
pub fn records(from: usize, count: usize) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for i in from..from + count {
        builder.push(1000 + i as i64, Some(b"k"), Some(format!("value-{i}").as_bytes())).expect("it fits");
    }
    builder.finish()
}

pub fn values(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|i| format!("value-{i}")).collect()
}

pub fn part(topic: &str, partition: i32, records: Bytes) -> PartitionRecords {
    PartitionRecords { topic: topic.into(), partition, records }
}

pub fn append(records: Vec<PartitionRecords>) -> Append {
    Append { records, group_offsets: Vec::new() }
}

pub fn group_offset(group: &str, topic: &str, partition: i32, offset: i64, metadata: &str) -> GroupOffset {
    let partition = TopicPartition::new(topic, partition);
    GroupOffset { group: group.into(), partition, offset, metadata: metadata.into() }
}

pub fn wanted(topic: &str, partition: i32, offset: i64, max_bytes: usize) -> FetchPartition {
    FetchPartition { partition: TopicPartition::new(topic, partition), offset, max_bytes }
}

/// A record as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Seen {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// The records at and above `offset`, and where to go on, as every reader of fetched bytes does it.
pub fn read(fetched: &FetchedPartition, offset: i64) -> (Vec<Seen>, i64) {
    let (mut seen, mut next) = (Vec::new(), offset);
    for batch in batches(&fetched.records) {
        let batch = batch.expect("whole batches");
        batch.verify_crc().expect("a checksum that fits");
        assert!(batch.last_offset() >= next, "batches are in order and none ends below the offset asked for");
        next = batch.last_offset() + 1;
        if batch.is_control() {
            continue;
        }
        for record in batch.records().expect("plain") {
            let record = record.expect("whole");
            if record.offset < offset {
                continue;
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = record.headers.map(|header| (text(header.key), header.value.map(<[u8]>::to_vec)));
            seen.push(Seen {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: headers.collect(),
            });
        }
    }
    assert!(next <= fetched.high_watermark, "only what is below the high watermark is handed out");
    assert!(seen.is_sorted_by(|a, b| a.offset < b.offset), "offsets rise");
    (seen, next)
}

/// How long to wait for what has been acknowledged: Kafka writes a transaction's markers a moment after its commit.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for `at_least` records from `offset` on, and takes what else is there.
pub async fn read_from(
    consumer: &dyn Consumer,
    topic: &str,
    partition: i32,
    mut offset: i64,
    at_least: usize,
) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let request = wanted(topic, partition, offset, 5000);
        let max_wait = if all.len() < at_least { PATIENCE } else { Duration::ZERO };
        let fetched = consumer.fetch(&[request], max_wait).await.pop().expect("one").expect("readable");
        let (seen, next) = read(&fetched, offset);
        if next == offset {
            assert_eq!(offset, fetched.high_watermark, "nothing is returned only at the end");
            return all;
        }
        all.extend(seen);
        offset = next;
    }
}

pub async fn expect_values(broker: &dyn Broker, topic: &str, partition: i32, expected: &[String]) {
    let seen = read_from(&*broker.consumer(), topic, partition, 0, expected.len()).await;
    assert_eq!(seen.iter().map(Seen::text).collect::<Vec<_>>(), expected);
}

/// The group's offsets and metadata by partition, once they are as many as expected.
pub async fn offsets_of(broker: &dyn Broker, group: &str, count: usize) -> Vec<(i32, i64, String)> {
    let look = async {
        loop {
            let offsets = broker.admin().group_offsets(group).await.expect("known");
            if offsets.len() == count {
                return offsets;
            }
            tokio::task::yield_now().await;
        }
    };
    let offsets = tokio::time::timeout(PATIENCE, look).await.expect("the offsets become visible");
    offsets.into_values().map(|offset| (offset.partition.partition, offset.offset, offset.metadata)).collect()
}
