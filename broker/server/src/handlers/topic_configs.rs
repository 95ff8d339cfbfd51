//! The settings of topics as DescribeConfigs shows them: default, type, what they mean here.

use sluice_client::TopicConfig;
use sluice_log::{Durability, WITHOUT_EFFECT};

/// Where a setting's value comes from. Source: Kafka's `DescribeConfigsResponse.ConfigSource`.
pub(crate) const SOURCE_TOPIC: i8 = 1;
pub(crate) const SOURCE_STATIC_BROKER: i8 = 4;
pub(crate) const SOURCE_DEFAULT: i8 = 5;

/// Source: Kafka's `DescribeConfigsResponse.ConfigType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum Type {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// A setting of ours.
const DURABILITY: &str = "durability";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: Type,
    doc: &'static str,
}

impl Setting {
    /// The documentation, which says so when the setting changes nothing here.
    pub(crate) fn documentation(&self) -> String {
        if WITHOUT_EFFECT.contains(&self.name) {
            format!("Accepted without effect: {}", self.doc)
        } else {
            self.doc.to_owned()
        }
    }
}

const fn setting(name: &'static str, default: &'static str, kind: Type, doc: &'static str) -> Setting {
    Setting { name, default, kind, doc }
}

/// Every setting that a topic may have, by name.
pub(crate) const TOPIC_SETTINGS: [Setting; 25] = [
    setting("cleanup.policy", "delete", Type::List, "What becomes of old records: delete, compact, or both."),
    setting("compression.type", "producer", Type::String, "batches are kept as their producers compressed them."),
    setting("delete.retention.ms", "86400000", Type::Long, "How long a tombstone outlives its compaction."),
    setting("file.delete.delay.ms", "60000", Type::Long, "files go as soon as nothing refers to them."),
    setting(
        DURABILITY,
        "fsync",
        Type::String,
        "When an append is acknowledged: fsync or os; not Kafka's. The hub's if not set.",
    ),
    setting(
        "flush.messages",
        "9223372036854775807",
        Type::Long,
        "1: as durability=fsync. Anything else has no effect.",
    ),
    setting("flush.ms", "9223372036854775807", Type::Long, "durability decides when to sync."),
    setting("index.interval.bytes", "4096", Type::Int, "the index has an entry for each 64 KiB."),
    setting("max.compaction.lag.ms", "9223372036854775807", Type::Long, "compaction goes by the dirty share alone."),
    setting("max.message.bytes", "1048588", Type::Int, "The largest record batch."),
    setting(
        "message.timestamp.after.max.ms",
        "9223372036854775807",
        Type::Long,
        "any timestamp of a producer is taken.",
    ),
    setting(
        "message.timestamp.before.max.ms",
        "9223372036854775807",
        Type::Long,
        "any timestamp of a producer is taken.",
    ),
    setting("message.timestamp.type", "CreateTime", Type::String, "CreateTime or LogAppendTime."),
    setting(
        "min.cleanable.dirty.ratio",
        "0.5",
        Type::Double,
        "The share of a log that is dirty before it is compacted.",
    ),
    setting("min.compaction.lag.ms", "0", Type::Long, "compaction goes by the dirty share alone."),
    setting("min.insync.replicas", "1", Type::Int, "there is one replica."),
    setting("preallocate", "false", Type::Boolean, "the log's files are shared by all topics."),
    setting("retention.bytes", "-1", Type::Long, "How much of a partition is kept; -1: no limit."),
    setting("retention.ms", "604800000", Type::Long, "How long records are kept; -1: for ever."),
    setting("segment.bytes", "1073741824", Type::Int, "the log's files are shared by all topics."),
    setting("segment.index.bytes", "10485760", Type::Int, "the log's files are shared by all topics."),
    setting("segment.jitter.ms", "0", Type::Long, "the log's files are shared by all topics."),
    setting("segment.ms", "604800000", Type::Long, "the log's files are shared by all topics."),
    setting("unclean.leader.election.enable", "false", Type::Boolean, "there is one replica."),
    // Kept last so that the list above is Kafka's.
    setting("remote.storage.enable", "false", Type::Boolean, "Nothing is tiered; cannot be set."),
];

/// Each setting with its value and where that comes from. `hub`: for topics that say nothing else.
pub(crate) fn effective(config: &TopicConfig, hub: Durability) -> impl Iterator<Item = (&'static Setting, String, i8)> {
    TOPIC_SETTINGS.iter().map(move |setting| match config.get(setting.name) {
        Some(value) => (setting, value.clone(), SOURCE_TOPIC),
        None if setting.name == DURABILITY => (setting, hub.to_string(), SOURCE_STATIC_BROKER),
        None => (setting, setting.default.to_owned(), SOURCE_DEFAULT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_shown_can_be_set_to_its_default_and_every_one_without_effect_says_so() {
        for setting in TOPIC_SETTINGS.iter().filter(|setting| setting.name != "remote.storage.enable") {
            let config = TopicConfig::from([(setting.name.to_owned(), setting.default.to_owned())]);
            sluice_log::check_topic_config(&config).unwrap_or_else(|why| panic!("{why}"));
        }
        for name in WITHOUT_EFFECT {
            let setting = TOPIC_SETTINGS.iter().find(|setting| setting.name == name);
            let setting = setting.unwrap_or_else(|| panic!("{name} is not shown"));
            assert!(setting.documentation().starts_with("Accepted without effect"));
        }
    }
}
