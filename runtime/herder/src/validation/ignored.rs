//! Keys that are accepted and change nothing.

use super::{ConfigInfos, PREFIXES};
use crate::common_keys::{self, DLQ_REPLICATION};
use sluice_connect_api::{ConfigMap, PluginRegistry};

/// Keys that change nothing here.
pub(super) fn ignored_keys(registry: &PluginRegistry, config: &ConfigMap, infos: &ConfigInfos) -> Vec<String> {
    let is_defined = |key: &str| infos.configs.iter().any(|info| info.definition.is_some() && info.value.name == key);
    let mut ignored = Vec::new();
    for (key, value) in config {
        if is_defined(key) {
            if key == DLQ_REPLICATION && !matches!(value.trim(), "1" | "-1") {
                ignored.push(format!("{key}: {COPIES}"));
            }
        } else if let Some(reason) = why_ignored(registry, config, key) {
            ignored.push(format!("{key}: {reason}"));
        }
    }
    ignored
}

/// Why a replication factor of a connector has no effect.
const COPIES: &str =
    "topics are created with the log's own number of copies: one embedded, a cluster's default.replication.factor";

/// Settings of clients that tasks follow.
const EFFECTIVE_OVERRIDES: [&str; 5] = [
    "consumer.override.group.id",
    "consumer.override.auto.offset.reset",
    "consumer.override.max.poll.records",
    "consumer.override.max.partition.fetch.bytes",
    "producer.override.compression.type",
];

fn why_ignored(registry: &PluginRegistry, config: &ConfigMap, key: &str) -> Option<&'static str> {
    for converter in common_keys::converter_key_names() {
        let Some(own) = key.strip_prefix(converter).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let Some(class) = config.get(converter) else {
            return Some("a converter's keys count only beside its class");
        };
        let known = registry.config_def(class.trim()).is_ok_and(|(_, def)| def.get(own).is_some());
        return (!known).then_some("the converter has no such key");
    }
    if EFFECTIVE_OVERRIDES.contains(&key) {
        return None;
    }
    if PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return Some("tasks use the hub's own clients; those of an Apache Kafka are set up in the worker config");
    }
    if key.starts_with("topic.creation.") {
        return key.ends_with(".replication.factor").then_some(COPIES);
    }
    if key.starts_with("sluice.") {
        return None;
    }
    Some("no part of this connector has such a key")
}
