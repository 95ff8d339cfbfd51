//! The journalled batch plan: a delivery's identity, durable before the delivery begins.
//!
//! ```text
//! topic  _sluice_plans, compacted
//! key    ["<connector>","<topic id>",<partition>]
//! value  {"connector","topic","topic_id","partition","generation","plans":[{"first","last","token","target","planned_ms",
//!         "config_hash","plugin_version"}]}; none (tombstone): no delivery is under way
//! ```
//! One key per partition holds every plan that is not confirmed yet, in order, so that compaction keeps the journal as
//! small as the assignment. A plan leaves the list in the same atomic append that commits the offset behind it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_client::{TopicId, TopicPartition};
use sluice_connect_api::ConfigMap;
use sluice_data::ConnectorName;
use sluice_protocol::murmur2;
use sluice_storage::{TopicLog, TopicLogEntry};
use std::sync::Arc;

/// One planned delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// First and last offset, both included.
    pub first: i64,
    pub last: i64,
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub planned_ms: i64,
    pub config_hash: String,
    pub plugin_version: String,
}

#[derive(Serialize, Deserialize)]
struct PartitionPlans {
    connector: String,
    topic: String,
    topic_id: String,
    partition: i32,
    generation: u64,
    plans: Vec<Plan>,
}

/// Reads and writes the plans of one connector.
pub(crate) struct PlanJournal {
    log: Arc<TopicLog>,
    connector: ConnectorName,
    /// The connector's offsets generation.
    generation: u64,
    config_hash: String,
    plugin_version: String,
}

impl PlanJournal {
    pub fn new(
        log: Arc<TopicLog>,
        connector: &ConnectorName,
        generation: u64,
        config: &ConfigMap,
        plugin_version: &str,
    ) -> Self {
        let config = serde_json::to_vec(config).expect("a map of strings is JSON");
        let config_hash = format!("{:08x}", murmur2(&config));
        let plugin_version = plugin_version.to_owned();
        Self { log, connector: connector.clone(), generation, config_hash, plugin_version }
    }

    #[must_use]
    pub fn log(&self) -> &Arc<TopicLog> {
        &self.log
    }

    #[must_use]
    pub fn plan(&self, partition: &TopicPartition, topic_id: TopicId, (first, last): (i64, i64), now_ms: i64) -> Plan {
        Plan {
            first,
            last,
            token: self.token(partition, topic_id, (first, last)),
            target: None,
            planned_ms: now_ms,
            config_hash: self.config_hash.clone(),
            plugin_version: self.plugin_version.clone(),
        }
    }

    /// Unique for this content: connector, topic id, partition, first, last, generation.
    #[must_use]
    pub fn token(&self, partition: &TopicPartition, topic_id: TopicId, (first, last): (i64, i64)) -> String {
        let (connector, topic_id, generation) = (&self.connector, topic_id_text(topic_id), self.generation);
        format!("{connector}-{topic_id}-{}-{first}-{last}-{generation}", partition.partition)
    }

    /// What an earlier run has planned and not finished. Plans of another topic of that name, or from before offsets were
    /// altered, are void.
    #[must_use]
    pub fn unfinished(&self, partition: &TopicPartition, topic_id: TopicId) -> Vec<Plan> {
        let stored = self.log.get(&self.key(partition, topic_id));
        let stored = stored.and_then(|value| serde_json::from_slice::<PartitionPlans>(&value).ok());
        stored.filter(|stored| stored.generation == self.generation).map_or_else(Vec::new, |stored| stored.plans)
    }

    /// The entry that makes `plans` the ones under way.
    #[must_use]
    pub fn entry(&self, partition: &TopicPartition, topic_id: TopicId, plans: &[Plan]) -> TopicLogEntry {
        let value = (!plans.is_empty()).then(|| {
            let value = PartitionPlans {
                connector: self.connector.to_string(),
                topic: partition.topic.to_string(),
                topic_id: topic_id_text(topic_id),
                partition: partition.partition,
                generation: self.generation,
                plans: plans.to_vec(),
            };
            Bytes::from(serde_json::to_vec(&value).expect("strings and numbers are JSON"))
        });
        TopicLogEntry::new(self.key(partition, topic_id), value)
    }

    fn key(&self, partition: &TopicPartition, topic_id: TopicId) -> Bytes {
        let key = serde_json::json!([self.connector.as_str(), topic_id_text(topic_id), partition.partition]);
        Bytes::from(key.to_string())
    }
}

/// A topic id as a UUID in text.
#[must_use]
pub(crate) fn topic_id_text(TopicId(id): TopicId) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
