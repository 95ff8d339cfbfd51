//! The worker's keys that put the log into an Apache Kafka: which cluster, which topics hold the hub's state.
//!
//! Source: Kafka `org.apache.kafka.connect.runtime.distributed.DistributedConfig`.

use sluice_client_kafka::KafkaConfig;
use sluice_storage::{CONFIG_TOPIC, OFFSET_TOPIC, PLAN_TOPIC, STATUS_TOPIC, TopicLogConfig};
use std::collections::BTreeMap;
use std::time::Duration;

const BOOTSTRAP_SERVERS: &str = "bootstrap.servers";
const GROUP_ID: &str = "group.id";
const REQUEST_TIMEOUT: &str = "request.timeout.ms";
/// Keys of Connect whose value is fixed here.
const FIXED: [&str; 4] = [
    "config.storage.partitions",
    "config.storage.cleanup.policy",
    "offset.storage.cleanup.policy",
    "status.storage.cleanup.policy",
];
/// What a worker's file calls its clients' settings; a trailing dot stands for all keys below.
const CLIENT_KEYS: [&str; 10] = [
    "security.protocol",
    "client.id",
    "client.rack",
    "client.dns.lookup",
    "sasl.",
    "ssl.",
    "socket.",
    "producer.",
    "consumer.",
    "admin.",
];

/// A log in an Apache Kafka.
#[derive(Debug, Clone)]
pub struct KafkaLog {
    pub cluster: KafkaConfig,
    /// Of the hub; part of each transactional id.
    pub group_id: Option<String>,
    pub configs: TopicLogConfig,
    pub offsets: TopicLogConfig,
    pub statuses: TopicLogConfig,
    pub plans: TopicLogConfig,
}

/// One topic of the hub's state.
struct Storage {
    prefix: &'static str,
    default_name: &'static str,
    /// Connect's.
    default_partitions: i32,
    awaits_transactions: bool,
}

const CONFIGS: Storage = Storage {
    prefix: "config.storage.",
    default_name: CONFIG_TOPIC,
    default_partitions: 1,
    awaits_transactions: false,
};
const OFFSETS: Storage = Storage {
    prefix: "offset.storage.",
    default_name: OFFSET_TOPIC,
    default_partitions: 25,
    awaits_transactions: true,
};
const STATUSES: Storage = Storage {
    prefix: "status.storage.",
    default_name: STATUS_TOPIC,
    default_partitions: 5,
    awaits_transactions: false,
};
/// Connect has no such topic.
const PLANS: Storage = Storage {
    prefix: "sluice.plan.storage.",
    default_name: PLAN_TOPIC,
    default_partitions: 1,
    awaits_transactions: true,
};

impl KafkaLog {
    /// Takes the keys that belong to it; `None`, and nothing taken, without `bootstrap.servers`.
    pub fn take(pairs: &mut BTreeMap<String, String>, problems: &mut Vec<String>) -> Option<Self> {
        let servers = pairs.get(BOOTSTRAP_SERVERS)?.trim().to_owned();
        if servers.is_empty() {
            pairs.remove(BOOTSTRAP_SERVERS);
            return None;
        }
        let own: Vec<String> = pairs.keys().filter(|key| is_of_clients(key)).cloned().collect();
        let clients: BTreeMap<String, String> =
            own.into_iter().filter_map(|key| Some((key.clone(), pairs.remove(&key)?.trim().to_owned()))).collect();
        let mut cluster = KafkaConfig::from_worker(&clients)?;
        if let Some(text) = pairs.remove(REQUEST_TIMEOUT) {
            match text.trim().parse::<u32>() {
                Ok(millis) if millis > 0 => cluster.request_timeout = Duration::from_millis(millis.into()),
                _ => problems.push(format!("{REQUEST_TIMEOUT}={text} must be a number of milliseconds above 0")),
            }
        }
        let group_id = pairs.remove(GROUP_ID).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let mut topic = |storage: &Storage| {
            let (topic, replication_factor) = storage.take(pairs, problems, group_id.as_deref());
            cluster.replication_factors.extend(replication_factor.map(|factor| (topic.topic.to_string(), factor)));
            topic
        };
        let (configs, offsets) = (topic(&CONFIGS), topic(&OFFSETS));
        let (statuses, plans) = (topic(&STATUSES), topic(&PLANS));
        Some(Self { cluster, group_id, configs, offsets, statuses, plans })
    }
}

fn is_of_clients(key: &str) -> bool {
    let is_known = |known: &&str| key == *known || (known.ends_with('.') && key.starts_with(*known));
    key == BOOTSTRAP_SERVERS || (CLIENT_KEYS.iter().any(is_known) && !key.starts_with("admin.listeners"))
}

impl Storage {
    fn take(
        &self,
        pairs: &mut BTreeMap<String, String>,
        problems: &mut Vec<String>,
        group_id: Option<&str>,
    ) -> (TopicLogConfig, Option<i16>) {
        let is_own = |key: &&String| {
            let rest = key.strip_prefix(self.prefix);
            rest.is_some_and(|rest| !rest.is_empty() && rest != "file.filename") && !FIXED.contains(&key.as_str())
        };
        let keys: Vec<String> = pairs.keys().filter(is_own).cloned().collect();
        let mut settings: BTreeMap<String, String> = BTreeMap::new();
        for key in keys {
            let Some(value) = pairs.remove(&key) else { continue };
            settings.insert(key[self.prefix.len()..].to_owned(), value.trim().to_owned());
        }
        let name = settings.remove("topic").filter(|name| !name.is_empty());
        // Two hubs on one cluster keep apart what they know.
        let name = name.unwrap_or_else(|| match group_id {
            Some(group_id) => format!("{}_{group_id}", self.default_name),
            None => self.default_name.to_owned(),
        });
        let mut number = |key: &str, min: i64, max: i64| -> Option<i64> {
            let text = settings.remove(key)?;
            let parsed = text.parse::<i64>().ok().filter(|number| (min..=max).contains(number));
            if parsed.is_none() {
                problems.push(format!("{}{key}={text} must be a number within {min} to {max}", self.prefix));
            }
            parsed
        };
        let partitions = number("partitions", 1, 10_000).unwrap_or(self.default_partitions.into());
        // Connect's -1 is the cluster's own, as is none here.
        let factor = number("replication.factor", -1, 1_000).filter(|factor| *factor > 0);
        let mut topic = TopicLogConfig::new(name, partitions as i32);
        (topic.settings, topic.awaits_transactions) = (settings, self.awaits_transactions);
        (topic, factor.map(|factor| factor as i16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
        lines.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_file_of_a_connect_worker_names_cluster_and_topics() {
        let mut given = pairs(&[
            ("bootstrap.servers", "a:9092, b:9092"),
            ("group.id", "connect-cluster"),
            ("config.storage.topic", "connect-configs"),
            ("config.storage.replication.factor", "1"),
            ("config.storage.partitions", "1"),
            ("offset.storage.topic", "connect-offsets"),
            ("offset.storage.replication.factor", "3"),
            ("offset.storage.partitions", "7"),
            ("offset.storage.min.insync.replicas", "2"),
            ("offset.storage.cleanup.policy", "compact"),
            ("status.storage.replication.factor", "-1"),
            ("sasl.password", "secret"),
            ("producer.compression.type", "zstd"),
            ("offset.flush.interval.ms", "10000"),
            ("plugin.path", "/p"),
        ]);
        let mut problems = Vec::new();
        let log = KafkaLog::take(&mut given, &mut problems).expect("it names a cluster");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((&*log.configs.topic, log.configs.partitions), ("connect-configs", 1));
        assert_eq!((&*log.offsets.topic, log.offsets.partitions), ("connect-offsets", 7));
        assert_eq!(log.offsets.settings, pairs(&[("min.insync.replicas", "2")]));
        assert_eq!((&*log.statuses.topic, log.statuses.partitions), ("_sluice_status_connect-cluster", 5));
        assert_eq!(&*log.plans.topic, "_sluice_plans_connect-cluster");
        let factors = BTreeMap::from([("connect-configs".to_owned(), 1), ("connect-offsets".to_owned(), 3)]);
        assert_eq!(log.cluster.replication_factors, factors);
        assert_eq!(log.cluster.client, pairs(&[("sasl.password", "secret")]));
        let left: Vec<&str> = given.keys().map(String::as_str).collect();
        let expected =
            ["config.storage.partitions", "offset.flush.interval.ms", "offset.storage.cleanup.policy", "plugin.path"];
        assert_eq!(left, expected);
    }

    #[test]
    fn without_servers_nothing_is_taken_and_what_makes_no_sense_is_named() {
        let mut given = pairs(&[("group.id", "g"), ("offset.storage.partitions", "7")]);
        assert!(KafkaLog::take(&mut given, &mut Vec::new()).is_none());
        assert_eq!(given.len(), 2);
        let mut given = pairs(&[
            ("bootstrap.servers", "a:1"),
            ("offset.storage.partitions", "0"),
            ("status.storage.replication.factor", "many"),
        ]);
        let mut problems = Vec::new();
        KafkaLog::take(&mut given, &mut problems).expect("it names a cluster");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
