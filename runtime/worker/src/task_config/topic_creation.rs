//! `topic.creation.*`: what a source's topic is made with when it is missing. Source: Kafka `TopicCreationGroup`.
//!
//! The first listed group that matches counts; `default` is for all others. A group without partitions of its own has those of
//! `default`, but none of its settings.

use super::Keys;
use regex::Regex;
use sluice_client::TopicConfig;

const PREFIX: &str = "topic.creation.";
const DEFAULT: &str = "default";

#[derive(Debug, Clone)]
pub(crate) struct TopicCreation {
    /// Without `default`.
    groups: Vec<TopicGroup>,
    default: NewTopicSettings,
}

#[derive(Debug, Clone)]
struct TopicGroup {
    include: Regex,
    exclude: Regex,
    settings: NewTopicSettings,
}

/// What a new topic has beside its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTopicSettings {
    pub partitions: i32,
    pub config: TopicConfig,
}

impl TopicCreation {
    /// Of the first group that matches the topic's name.
    #[must_use]
    pub fn settings_for(&self, topic: &str) -> &NewTopicSettings {
        let group = self.groups.iter().find(|group| group.include.is_match(topic) && !group.exclude.is_match(topic));
        group.map_or(&self.default, |group| &group.settings)
    }
}

impl Keys<'_> {
    pub(super) fn topic_creation(&mut self) -> TopicCreation {
        let default = self.new_topic_settings(DEFAULT, 1);
        let mut names = self.list(&format!("{PREFIX}groups"));
        names.retain(|name| name != DEFAULT);
        let groups = names.iter().filter_map(|name| {
            Some(TopicGroup {
                include: self.patterns(&format!("{PREFIX}{name}.include"))?,
                exclude: self.patterns(&format!("{PREFIX}{name}.exclude"))?,
                settings: self.new_topic_settings(name, default.partitions),
            })
        });
        TopicCreation { groups: groups.collect(), default }
    }

    /// -1 asks for the log's default, which is one partition.
    fn new_topic_settings(&mut self, group: &str, default_partitions: i32) -> NewTopicSettings {
        let prefix = format!("{PREFIX}{group}.");
        let partitions = self.parsed::<i32>(&format!("{prefix}partitions")).unwrap_or(default_partitions).max(1);
        let mut config = self.below(&prefix);
        for own in ["partitions", "replication.factor", "include", "exclude"] {
            config.remove(own);
        }
        NewTopicSettings { partitions, config }
    }

    /// Matches the whole name by any of the listed; nothing when none is listed.
    fn patterns(&mut self, key: &str) -> Option<Regex> {
        let patterns = self.list(key).join("|");
        match Regex::new(&format!("^(?:{patterns})$")) {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.problem(key, &patterns, &format!("not a regular expression: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::WorkerConfig;
    use crate::task_config::{ConnectorSettings, TaskConfigError};
    use sluice_connect_api::ConfigMap;

    /// Partitions and settings of a new topic of each name.
    fn made(entries: &[(&str, &str)], topics: &[&str]) -> Result<Vec<(i32, String)>, TaskConfigError> {
        let config: ConfigMap =
            entries.iter().map(|(key, value)| (format!("topic.creation.{key}"), (*value).to_owned())).collect();
        let creation = ConnectorSettings::parse(&config, &WorkerConfig::default())?.topic_creation;
        let described = |topic: &&str| {
            let settings = creation.settings_for(topic);
            let config = settings.config.iter().map(|(key, value)| format!("{key}={value}"));
            (settings.partitions, config.collect::<Vec<_>>().join(","))
        };
        Ok(topics.iter().map(described).collect())
    }

    #[test]
    fn the_first_group_that_matches_says_what_a_topic_is_made_with() {
        let entries = [
            ("groups", "compacted, default, logs"),
            ("default.partitions", "3"),
            ("default.replication.factor", "1"),
            ("default.retention.ms", "7"),
            ("compacted.include", "table-.*, .*-state"),
            ("compacted.exclude", ".*-old"),
            ("compacted.cleanup.policy", "compact"),
            ("logs.include", ".*"),
            ("logs.exclude", "other"),
            ("logs.partitions", "5"),
        ];
        let compacted = (3, "cleanup.policy=compact".to_owned());
        let logs = (5, String::new());
        let default = (3, "retention.ms=7".to_owned());
        assert_eq!(
            made(&entries, &["table-a", "x-state", "table-old", "a-table-b", "other"]).unwrap(),
            [compacted.clone(), compacted, logs.clone(), logs, default]
        );
    }

    #[test]
    fn a_group_that_includes_nothing_matches_nothing() {
        let entries = [("groups", "a"), ("a.partitions", "5"), ("default.partitions", "-1")];
        assert_eq!(made(&entries, &["a", "topic"]).unwrap(), [(1, String::new()), (1, String::new())]);
    }

    #[test]
    fn a_pattern_that_is_none_is_named_with_its_key() {
        let error = made(&[("groups", "a"), ("a.include", "x,("), ("a.partitions", "many")], &[]).unwrap_err();
        assert!(error.to_string().contains("topic.creation.a.include"), "{error}");
    }
}
