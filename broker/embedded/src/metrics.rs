//! What can be said of the broker in numbers, made when it is asked for. Only bytes and times are counted on the way.

use crate::{EmbeddedBroker, Inner};
use parking_lot::RwLock;
use sluice_client::TopicPartition;
use sluice_log::{DiskMetrics, Histogram, TopicId, TopicInfo};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A partition's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetrics {
    pub partition: i32,
    pub log_start_offset: i64,
    pub log_end_offset: i64,
    pub size_bytes: u64,
    /// Since the start of this process.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// A group's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetrics {
    pub group: String,
    /// Kafka's `Stable`, `Empty`, …
    pub state: &'static str,
    pub members: usize,
    pub offsets: Vec<(TopicPartition, i64)>,
}

/// How far a group is behind in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    pub partition: TopicPartition,
    pub committed: i64,
    /// Offsets between there and the end; `None`: the partition is not there any more.
    pub lag: Option<i64>,
}

/// Bytes in and out of each partition that had any.
#[derive(Debug, Default)]
pub(crate) struct Traffic(RwLock<HashMap<(TopicId, i32), Arc<Bytes>>>);

#[derive(Debug, Default)]
struct Bytes {
    in_total: AtomicU64,
    out_total: AtomicU64,
}

impl Traffic {
    pub(crate) fn arrived(&self, topic: TopicId, partition: i32, bytes: usize) {
        self.of(topic, partition).in_total.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn left(&self, topic: TopicId, partition: i32, bytes: usize) {
        if bytes > 0 {
            self.of(topic, partition).out_total.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    fn of(&self, topic: TopicId, partition: i32) -> Arc<Bytes> {
        if let Some(found) = self.0.read().get(&(topic, partition)) {
            return found.clone();
        }
        self.0.write().entry((topic, partition)).or_default().clone()
    }

    fn seen(&self, topic: TopicId, partition: i32) -> (u64, u64) {
        let counted = self.0.read().get(&(topic, partition)).cloned();
        let load =
            |bytes: Arc<Bytes>| (bytes.in_total.load(Ordering::Relaxed), bytes.out_total.load(Ordering::Relaxed));
        counted.map(load).unwrap_or_default()
    }

    /// Forgets topics that are gone.
    fn keep(&self, is_there: impl Fn(TopicId) -> bool) {
        self.0.write().retain(|(topic, _), _| is_there(*topic));
    }
}

impl Inner {
    /// Called when an append that was handed over now is answered.
    pub(crate) fn timed_append(&self) -> impl FnOnce() + Send + use<> {
        let (begin, histogram) = (Instant::now(), self.append_latency.clone());
        move || histogram.observe(begin.elapsed())
    }
}

impl EmbeddedBroker {
    /// A topic's partitions in their order; `None`: there is no such topic.
    #[must_use]
    pub fn partition_metrics(&self, topic: &TopicInfo) -> Option<Vec<PartitionMetrics>> {
        let partitions = self.inner.log.partitions(&topic.name)?;
        let describe = |info: sluice_log::PartitionInfo| {
            let (bytes_in, bytes_out) = self.inner.traffic.seen(topic.id, info.partition);
            PartitionMetrics {
                partition: info.partition,
                log_start_offset: info.log_start_offset,
                log_end_offset: info.high_watermark,
                size_bytes: info.size_bytes,
                bytes_in,
                bytes_out,
            }
        };
        Some(partitions.into_iter().map(describe).collect())
    }

    /// Forgets what was counted of topics that are gone; called at each scrape.
    pub fn trim_metrics(&self) {
        self.inner.traffic.keep(|topic| self.inner.log.facts(topic).is_some());
    }

    /// Every group, with at most `offsets_max` committed offsets in all. The second: how many were left out.
    #[must_use]
    pub fn group_metrics(&self, offsets_max: usize) -> (Vec<GroupMetrics>, usize) {
        self.inner.groups.metrics(offsets_max)
    }

    /// Where the group stands in each partition.
    #[must_use]
    pub fn group_lag(&self, group: &GroupMetrics) -> Vec<GroupLag> {
        let lag = |(partition, committed): &(TopicPartition, i64)| {
            let topic = self.inner.log.topic_id(&partition.topic);
            let offsets = topic.and_then(|topic| self.inner.log.offsets(topic, partition.partition).ok());
            let lag = offsets.map(|(_, end)| (end - committed).max(0));
            GroupLag { partition: partition.clone(), committed: *committed, lag }
        };
        group.offsets.iter().map(lag).collect()
    }

    /// From handing an append over until it is durable (or refused).
    #[must_use]
    pub fn append_latency(&self) -> &Histogram {
        &self.inner.append_latency
    }

    /// `None` on a simulated disk.
    #[must_use]
    pub fn disk_metrics(&self) -> Option<&DiskMetrics> {
        self.inner.disk.as_deref()
    }

    /// Bytes of appends that were handed over and not answered yet, and how many there may be.
    #[must_use]
    pub fn queue_bytes(&self) -> (usize, usize) {
        let max = self.inner.queue_bytes_max;
        (max - self.inner.room.available_permits().min(max), max)
    }
}
