//! What only sinks must get right: which topics, and which group. Source: Kafka `SinkConnectorConfig.validate`,
//! `DistributedHerder.validateSinkConnectorGroupId`.

use super::Problems;
use crate::common_keys::{DLQ_TOPIC, NAME, TOPICS, TOPICS_REGEX, raw_items};
use sluice_connect_api::ConfigMap;

const GROUP_OVERRIDE: &str = "consumer.override.group.id";

pub(super) fn check_topics(config: &ConfigMap, problems: &mut Problems) {
    let given = |key: &str| config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
    let (topics, regex, dlq) = (given(TOPICS), given(TOPICS_REGEX), given(DLQ_TOPIC));
    let both = |problems: &mut Problems, message: String| {
        problems.add(TOPICS, message.clone());
        problems.add(TOPICS_REGEX, message);
    };
    match (topics, regex) {
        (Some(_), Some(_)) => {
            both(problems, format!("{TOPICS} and {TOPICS_REGEX} are mutually exclusive options, but both are set."));
        }
        (None, None) => both(problems, format!("Must configure one of {TOPICS} or {TOPICS_REGEX}")),
        _ => {}
    }
    let Some(dlq) = dlq else { return };
    if let Some(topics) = topics.map(raw_items).filter(|topics| topics.contains(&dlq)) {
        let topics = topics.join(", ");
        let message = format!(
            "The DLQ topic '{dlq}' may not be included in the list of topics ('{TOPICS}=[{topics}]') consumed by the connector"
        );
        problems.add(TOPICS, message);
    }
    let is_matched =
        |pattern: &&str| regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(dlq));
    if let Some(pattern) = regex.filter(is_matched) {
        let message = format!(
            "The DLQ topic '{dlq}' may not be matched by the regex for the topics ('{TOPICS_REGEX}={pattern}') consumed by the connector"
        );
        problems.add(TOPICS_REGEX, message);
    }
}

/// A sink in the workers' own group would take part in its rebalances.
pub(super) fn check_group(config: &ConfigMap, worker_group: Option<&str>, problems: &mut Problems) {
    let Some(worker_group) = worker_group else { return };
    match config.get(GROUP_OVERRIDE) {
        Some(group) if group == worker_group => {
            let message = format!("Consumer group {group} conflicts with Connect worker group {worker_group}");
            problems.add(GROUP_OVERRIDE, message);
        }
        Some(_) => {}
        None => {
            let name = config.get(NAME).map_or("", |name| name.trim());
            if format!("connect-{name}") == worker_group {
                let message = format!(
                    "Consumer group for sink connector named {name} conflicts with Connect worker group {worker_group}"
                );
                problems.add(NAME, message);
            }
        }
    }
}
