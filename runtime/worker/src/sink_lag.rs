//! How far a sink is behind, read from the log: also while its tasks are paused, have failed or are stopped. And how long it has
//! until retention deletes what it has not read.

use crate::sink_fetch::decode;
use crate::sink_plan::topic_id_text;
use crate::task_error::TaskError;
use sluice_client::{Broker, Consumer, FetchPartition, GroupOffset, TopicDescription, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// At least one record batch comes, whatever its size.
const FETCH_BYTES: usize = 4 << 10;

/// One partition that a sink reads.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionLag {
    pub partition: TopicPartition,
    /// The next one to read: committed, else where the log begins.
    pub position: i64,
    /// Records behind the position, counted by offsets.
    pub lag: i64,
    pub left: TimeLeft,
}

/// Until retention deletes the oldest record that was not read. Whole segments are deleted, so it may well take longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimeLeft {
    /// All is read, or nothing is ever deleted.
    Unlimited,
    /// None left: it may be deleted at any time, or is already.
    Seconds(f64),
    /// Neither the topic nor the hub says what its retention is.
    Unknown,
}

impl TimeLeft {
    /// `None`: unlimited, or unknown.
    #[must_use]
    pub fn seconds(self) -> Option<f64> {
        if let Self::Seconds(seconds) = self { Some(seconds) } else { None }
    }
}

/// What retention keeps of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Retention {
    /// `None`: nobody says. -1: for ever.
    ms: Option<i64>,
    bytes: Option<u64>,
}

/// The oldest record that was not read, and what lies in the log from there on.
#[derive(Debug, Clone, Copy)]
struct Unread {
    timestamp_ms: i64,
    records: i64,
    /// Of the record batch that it is in, for one of its records.
    record_bytes: f64,
}

/// Of every partition that the sink has committed, or of whose topic it is known that the sink reads it.
/// `retention_ms`: of topics that do not say themselves, where that is known.
///
/// # Errors
/// The log's own.
pub async fn sink_lag(
    broker: &dyn Broker,
    group: &str,
    topics: BTreeSet<String>,
    (now_ms, retention_ms): (i64, Option<i64>),
) -> Result<Vec<PartitionLag>, TaskError> {
    let (admin, consumer) = (broker.admin(), broker.consumer());
    let committed = admin.group_offsets(group).await?;
    let mut topics = topics;
    topics.extend(committed.keys().map(|partition| partition.topic.to_string()));
    let mut all = Vec::new();
    for topic in topics {
        let Some(topic) = admin.describe_topic(&topic).await? else { continue };
        let retention = Retention::of(&topic, retention_ms);
        for partition in 0..topic.partitions {
            let partition = TopicPartition::new(topic.name.clone(), partition);
            let position = position(&*consumer, &committed, &partition, &topic).await?;
            all.push(partition_lag(&*consumer, partition, position, (now_ms, retention)).await?);
        }
    }
    Ok(all)
}

/// A topic that was deleted and made again is read from its start.
async fn position(
    consumer: &dyn Consumer,
    committed: &BTreeMap<TopicPartition, GroupOffset>,
    partition: &TopicPartition,
    topic: &TopicDescription,
) -> Result<i64, TaskError> {
    let id = topic_id_text(topic.id);
    let same = committed.get(partition).filter(|offset| offset.metadata.is_empty() || offset.metadata == id);
    match same {
        Some(offset) => Ok(offset.offset),
        None => Ok(consumer.beginning_offset(partition).await?),
    }
}

async fn partition_lag(
    consumer: &dyn Consumer,
    partition: TopicPartition,
    position: i64,
    (now_ms, retention): (i64, Retention),
) -> Result<PartitionLag, TaskError> {
    let end = consumer.end_offset(&partition).await?;
    let lag = (end - position).max(0);
    let left = if lag == 0 {
        TimeLeft::Unlimited
    } else if consumer.beginning_offset(&partition).await? > position {
        TimeLeft::Seconds(0.0)
    } else {
        match oldest_unread(consumer, &partition, position, lag).await? {
            Some(unread) => retention.left(unread, now_ms),
            None => TimeLeft::Unknown,
        }
    };
    Ok(PartitionLag { partition, position, lag, left })
}

async fn oldest_unread(
    consumer: &dyn Consumer,
    partition: &TopicPartition,
    position: i64,
    records: i64,
) -> Result<Option<Unread>, TaskError> {
    let request = FetchPartition { partition: partition.clone(), offset: position, max_bytes: FETCH_BYTES };
    let Some(fetched) = consumer.fetch(&[request], Duration::ZERO).await.pop() else { return Ok(None) };
    let fetched = fetched?;
    // What cannot be read is the task's to report.
    let Ok(rows) = decode(&fetched.records, position, i64::MAX) else { return Ok(None) };
    let all = decode(&fetched.records, 0, i64::MAX).map_or(0, |all| all.offsets.len());
    let Some(timestamp_ms) = rows.timestamps.values().first().copied() else { return Ok(None) };
    let record_bytes = fetched.records.len() as f64 / all.max(1) as f64;
    Ok(Some(Unread { timestamp_ms, records, record_bytes }))
}

impl Retention {
    fn of(topic: &TopicDescription, default_ms: Option<i64>) -> Self {
        let number = |key: &str| topic.config.get(key).and_then(|value| value.trim().parse::<i64>().ok());
        let deletes = topic.config.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
        if !deletes {
            return Self { ms: Some(-1), bytes: None };
        }
        let bytes = number("retention.bytes").and_then(|bytes| u64::try_from(bytes).ok());
        Self { ms: number("retention.ms").or(default_ms), bytes }
    }

    fn left(self, unread: Unread, now_ms: i64) -> TimeLeft {
        let by_time = self.ms.filter(|ms| *ms >= 0).map(|ms| (unread.timestamp_ms + ms - now_ms) as f64 / 1e3);
        match by_time.into_iter().chain(self.seconds_by_bytes(unread, now_ms)).reduce(f64::min) {
            Some(seconds) => TimeLeft::Seconds(seconds.max(0.0)),
            None if self.ms.is_some() => TimeLeft::Unlimited,
            None => TimeLeft::Unknown,
        }
    }

    /// If records come on as they have come since the oldest unread one.
    fn seconds_by_bytes(self, unread: Unread, now_ms: i64) -> Option<f64> {
        let room = self.bytes? as f64 - unread.record_bytes * unread.records as f64;
        let seconds = (now_ms - unread.timestamp_ms).max(1) as f64 / 1e3;
        Some(room / (unread.record_bytes * unread.records as f64 / seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNREAD: Unread = Unread { timestamp_ms: 100_000, records: 50, record_bytes: 10.0 };

    fn left(ms: Option<i64>, bytes: Option<u64>) -> TimeLeft {
        Retention { ms, bytes }.left(UNREAD, 110_000)
    }

    #[test]
    fn the_time_left_runs_from_the_oldest_unread_records_timestamp() {
        assert_eq!(left(Some(60_000), None), TimeLeft::Seconds(50.0));
        assert_eq!(left(Some(5_000), None), TimeLeft::Seconds(0.0), "overdue");
        assert_eq!(left(Some(-1), None), TimeLeft::Unlimited);
        assert_eq!(left(None, None), TimeLeft::Unknown);
    }

    #[test]
    fn retention_by_bytes_runs_out_at_the_rate_at_which_records_came() {
        // 500 bytes in 10 seconds; 700 bytes fit behind the oldest unread one.
        assert_eq!(left(Some(-1), Some(700)), TimeLeft::Seconds(4.0));
        assert_eq!(left(None, Some(700)), TimeLeft::Seconds(4.0));
        assert_eq!(left(Some(12_000), Some(700)), TimeLeft::Seconds(2.0), "whichever comes first");
        assert_eq!(left(None, Some(400)), TimeLeft::Seconds(0.0));
    }
}
