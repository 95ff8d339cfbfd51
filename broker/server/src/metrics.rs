//! What the broker does, as Prometheus' text: made when it is asked for, out of counters that cost an addition each.
//!
//! Names are Kafka's groups and attributes with underscores; those of consumer groups are what kafka_exporter made known;
//! what Kafka does not have begins with `sluice_`. Series are bounded: [`SERIES_MAX`] partitions and as many offsets of
//! groups, and what is left out is counted.

use crate::dispatch::SUPPORTED_APIS;
use crate::memory::MemoryPool;
use sluice_embedded::{EmbeddedBroker, PartitionMetrics};
use sluice_log::{Durability, Histogram, HistogramSnapshot};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Partitions with series of their own, and offsets of groups.
pub const SERIES_MAX: usize = 20_000;

/// Counters of a server.
#[derive(Debug)]
pub(crate) struct ServerMetrics {
    /// In the order of [`SUPPORTED_APIS`].
    requests: Vec<Histogram>,
    pub connections: AtomicU64,
    pub connections_accepted: AtomicU64,
    pub connections_refused: AtomicU64,
    /// Ended by the server: malformed requests, time-outs.
    pub connections_dropped: AtomicU64,
}

impl Default for ServerMetrics {
    fn default() -> Self {
        Self {
            requests: SUPPORTED_APIS.iter().map(|_| Histogram::default()).collect(),
            connections: AtomicU64::new(0),
            connections_accepted: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            connections_dropped: AtomicU64::new(0),
        }
    }
}

impl ServerMetrics {
    /// From a request's arrival until its answer is ready.
    pub(crate) fn answered(&self, api_key: i16, took: Duration) {
        if let Some(at) = SUPPORTED_APIS.iter().position(|api| api.key == api_key) {
            self.requests[at].observe(took);
        }
    }
}

/// What stands in `/metrics` about the log and its groups. It is there without a server too.
#[must_use]
pub fn broker_metrics(broker: &EmbeddedBroker) -> String {
    let mut text = Text::default();
    broker.trim_metrics();
    topics(&mut text, broker);
    groups(&mut text, broker);
    log(&mut text, broker);
    text.0
}

pub(crate) fn server_metrics(metrics: &ServerMetrics, requests: &MemoryPool, responses: &MemoryPool) -> String {
    let mut text = Text::default();
    let name = "kafka_network_request_metrics_requests_total";
    text.head(name, "counter", "Requests answered, by their kind");
    let answered: Vec<(&str, HistogramSnapshot)> = SUPPORTED_APIS
        .iter()
        .zip(&metrics.requests)
        .map(|(api, histogram)| (api.name, histogram.snapshot()))
        .filter(|(_, snapshot)| snapshot.count > 0)
        .collect();
    for (api, snapshot) in &answered {
        text.line(name, &[("request", *api)], snapshot.count);
    }
    let name = "kafka_network_request_metrics_total_time_seconds";
    text.head(name, "histogram", "From a request's arrival until its answer is ready, long polls included");
    for (api, snapshot) in &answered {
        text.histogram(name, &[("request", *api)], snapshot);
    }
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    text.one("kafka_server_socket_server_metrics_connection_count", "gauge", "Connections", load(&metrics.connections));
    for (name, help, counter) in [
        ("connection_creation", "Connections accepted", &metrics.connections_accepted),
        ("connection_refused", "Connections refused at max.connections", &metrics.connections_refused),
        (
            "connection_dropped",
            "Connections ended by the broker: bad requests, time-outs",
            &metrics.connections_dropped,
        ),
    ] {
        text.one(&format!("kafka_server_socket_server_metrics_{name}_total"), "counter", help, load(counter));
    }
    for (what, pool) in [("request", requests), ("response", responses)] {
        let (used, max) = pool.used_bytes();
        let help = format!("Memory that {what}s under way take");
        text.one(&format!("sluice_server_{what}_memory_bytes"), "gauge", &help, used as u64);
        let help = format!("What {what}s under way may take");
        text.one(&format!("sluice_server_{what}_memory_max_bytes"), "gauge", &help, max as u64);
    }
    text.0
}

fn topics(text: &mut Text, broker: &EmbeddedBroker) {
    let topics = broker.topics();
    let (mut room, mut left_out) = (SERIES_MAX, 0);
    let mut shown: Vec<(&str, Vec<PartitionMetrics>)> = Vec::with_capacity(topics.len());
    for topic in &topics {
        let Some(mut partitions) = broker.partition_metrics(topic) else { continue };
        let kept = partitions.len().min(room);
        left_out += partitions.len() - kept;
        room -= kept;
        partitions.truncate(kept);
        shown.push((&topic.name, partitions));
    }
    text.one("kafka_controller_global_topic_count", "gauge", "Topics, the broker's own among them", shown.len() as u64);
    let help = "Partitions that have no series of their own here, because there are too many";
    text.one("sluice_metrics_partitions_left_out", "gauge", help, left_out as u64);
    type Of = fn(&PartitionMetrics) -> u64;
    let series: [(&str, &str, &str, Of); 6] = [
        ("kafka_log_log_start_offset", "gauge", "The first offset that is there", |it| it.log_start_offset as u64),
        ("kafka_log_log_end_offset", "gauge", "One past the last offset", |it| it.log_end_offset as u64),
        ("kafka_log_size_bytes", "gauge", "Bytes on the disk, compressed as they came", |it| it.size_bytes),
        (
            "kafka_server_broker_topic_metrics_messages_in_total",
            "counter",
            "Offsets given out since the topic was created: records, and the markers of transactions",
            |it| it.log_end_offset as u64,
        ),
        (
            "kafka_server_broker_topic_metrics_bytes_in_total",
            "counter",
            "Bytes of record batches handed to the log",
            |it| it.bytes_in,
        ),
        ("kafka_server_broker_topic_metrics_bytes_out_total", "counter", "Bytes of record batches read", |it| {
            it.bytes_out
        }),
    ];
    for (name, kind, help, value) in series {
        text.head(name, kind, help);
        for (topic, partitions) in &shown {
            for partition in partitions {
                let number = partition.partition.to_string();
                text.line(name, &[("topic", *topic), ("partition", number.as_str())], value(partition));
            }
        }
    }
}

fn groups(text: &mut Text, broker: &EmbeddedBroker) {
    let (groups, left_out) = broker.group_metrics(SERIES_MAX);
    let help = "Committed offsets that have no series of their own here, because there are too many";
    text.one("sluice_metrics_group_offsets_left_out", "gauge", help, left_out as u64);
    let name = "kafka_consumergroup_members";
    text.head(name, "gauge", "Members of a group, with its state");
    for group in groups.iter().take(SERIES_MAX) {
        text.line(name, &[("consumergroup", group.group.as_str()), ("state", group.state)], group.members as u64);
    }
    let lags: Vec<_> = groups.iter().map(|group| (&group.group, broker.group_lag(group))).collect();
    let name = "kafka_consumergroup_current_offset";
    text.head(name, "gauge", "What the group has committed");
    for (group, lags) in &lags {
        for lag in lags {
            let partition = lag.partition.partition.to_string();
            let labels = [
                ("consumergroup", group.as_str()),
                ("topic", &*lag.partition.topic),
                ("partition", partition.as_str()),
            ];
            text.line(name, &labels, lag.committed as u64);
        }
    }
    let name = "kafka_consumergroup_lag";
    text.head(name, "gauge", "Offsets between what the group has committed and the end");
    for (group, lags) in &lags {
        for (place, lag) in lags.iter().filter_map(|lag| Some((&lag.partition, lag.lag?))) {
            let partition = place.partition.to_string();
            let labels =
                [("consumergroup", group.as_str()), ("topic", &*place.topic), ("partition", partition.as_str())];
            text.line(name, &labels, lag as u64);
        }
    }
}

fn log(text: &mut Text, broker: &EmbeddedBroker) {
    let durability = if broker.durability() == Durability::Fsync { "fsync" } else { "os" };
    let name = "sluice_log_durability";
    text.head(name, "gauge", "What an acknowledgement means: fsync, on the disk; os, in the page cache");
    text.line(name, &[("durability", durability)], 1);
    let name = "sluice_log_topic_durability";
    text.head(name, "gauge", "The same, of topics with a setting of their own");
    for topic in broker.topics().iter().take(SERIES_MAX) {
        if let Some(durability) = topic.config.get("durability") {
            text.line(name, &[("topic", &*topic.name), ("durability", durability.as_str())], 1);
        }
    }
    let is_healthy = u64::from(broker.failure().is_none());
    text.one("sluice_log_healthy", "gauge", "1 while the log takes records", is_healthy);
    text.one("sluice_log_size_bytes", "gauge", "Bytes of all log files", broker.size_bytes());
    let (queued, queue_max) = broker.queue_bytes();
    text.one("sluice_log_queue_bytes", "gauge", "Appends that wait for the disk", queued as u64);
    text.one("sluice_log_queue_max_bytes", "gauge", "How much may wait", queue_max as u64);
    let name = "sluice_log_append_seconds";
    text.head(name, "histogram", "From handing an append to the log until it is durable");
    text.histogram(name, &[], &broker.append_latency().snapshot());
    let Some(disk) = broker.disk_metrics() else { return };
    let unsynced = disk.unsynced_bytes.load(Ordering::Relaxed);
    let help = "Write-behind lag: written and not yet synced";
    text.one("sluice_log_write_behind_bytes", "gauge", help, unsynced);
    let help = "Writes and syncs that failed";
    text.one("sluice_log_disk_failures_total", "counter", help, disk.failures.load(Ordering::Relaxed));
    for (name, help, histogram) in [
        ("sluice_log_write_seconds", "Writes of groups of appends", &disk.write),
        ("sluice_log_fsync_seconds", "Syncs", &disk.sync),
    ] {
        text.head(name, "histogram", help);
        text.histogram(name, &[], &histogram.snapshot());
    }
}

/// Prometheus' text format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    fn labels(&mut self, labels: &[(&str, &str)], le: Option<&str>) {
        if labels.is_empty() && le.is_none() {
            return;
        }
        let all = labels.iter().copied().chain(le.map(|bound| ("le", bound)));
        for (number, (label, value)) in all.enumerate() {
            self.0.push(if number == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        self.0.push('}');
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], snapshot: &HistogramSnapshot) {
        for (bound, count) in &snapshot.buckets {
            let _ = write!(self.0, "{name}_bucket");
            self.labels(labels, Some(&bound.to_string()));
            let _ = writeln!(self.0, " {count}");
        }
        let _ = write!(self.0, "{name}_bucket");
        self.labels(labels, Some("+Inf"));
        let _ = writeln!(self.0, " {}", snapshot.count);
        let _ = write!(self.0, "{name}_sum");
        self.labels(labels, None);
        let _ = writeln!(self.0, " {}", snapshot.sum_seconds);
        let _ = write!(self.0, "{name}_count");
        self.labels(labels, None);
        let _ = writeln!(self.0, " {}", snapshot.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_may_hold_anything() {
        let mut text = Text::default();
        text.line("x", &[("group", "a\"b\\c\nd")], 1);
        assert_eq!(text.0, "x{group=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn requests_that_never_came_have_no_series() {
        let metrics = ServerMetrics::default();
        metrics.answered(18, Duration::from_millis(2));
        metrics.answered(-7, Duration::from_millis(2));
        let pool = MemoryPool::new(1 << 20);
        let text = server_metrics(&metrics, &pool, &pool);
        assert!(text.contains("requests_total{request=\"ApiVersions\"} 1\n"), "{text}");
        assert!(text.contains("seconds_bucket{request=\"ApiVersions\",le=\"0.0025\"} 1\n"), "{text}");
        assert!(text.contains("seconds_bucket{request=\"ApiVersions\",le=\"0.001\"} 0\n"), "{text}");
        assert!(!text.contains("Produce"), "{text}");
        assert!(text.contains("sluice_server_request_memory_bytes 0\n"), "{text}");
    }
}
