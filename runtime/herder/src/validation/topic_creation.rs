//! `topic.creation.<group>.*`: Kafka looks at them when the connector starts and fails it; here they are looked at with the rest.
//! Source: Kafka `TopicCreationConfig`, `SourceConnectorConfig`.

use super::Problems;
use crate::common_keys::{TOPIC_CREATION_GROUPS, raw_items};
use sluice_connect_api::ConfigMap;

const PREFIX: &str = "topic.creation.";
const DEFAULT: &str = "default";

pub(super) fn check(config: &ConfigMap, problems: &mut Problems) {
    if !config.keys().any(|key| key.starts_with(PREFIX)) {
        return;
    }
    let listed = config.get(TOPIC_CREATION_GROUPS).map(|list| raw_items(list)).unwrap_or_default();
    let mut groups = vec![DEFAULT];
    for group in listed {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    for group in groups {
        check_number(config, group, "replication.factor", i64::from(i16::MAX), "SHORT", REPLICATION, problems);
        check_number(config, group, "partitions", i64::from(i32::MAX), "INT", PARTITIONS, problems);
        if group != DEFAULT {
            check_patterns(config, group, "include", problems);
            check_patterns(config, group, "exclude", problems);
        }
    }
}

const REPLICATION: &str = "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default";
const PARTITIONS: &str = "Number of partitions must be positive, or -1 to use the broker's default";

fn check_number(
    config: &ConfigMap,
    group: &str,
    name: &str,
    max: i64,
    kind: &str,
    reason: &str,
    problems: &mut Problems,
) {
    let key = format!("{PREFIX}{group}.{name}");
    match config.get(&key) {
        Some(text) => match text.trim().parse::<i64>() {
            Ok(number) if number.abs() > max => problems.invalid(&key, text, &format!("Not a number of type {kind}")),
            Ok(number) if number < 1 && number != -1 => problems.invalid(&key, text, reason),
            Ok(_) => {}
            Err(_) => problems.invalid(&key, text, &format!("Not a number of type {kind}")),
        },
        None if group == DEFAULT => {
            problems.add(&key, format!("Missing required configuration \"{key}\" which has no default value."));
        }
        None => {}
    }
}

fn check_patterns(config: &ConfigMap, group: &str, name: &str, problems: &mut Problems) {
    let key = format!("{PREFIX}{group}.{name}");
    let Some(text) = config.get(&key) else { return };
    for pattern in raw_items(text) {
        if let Err(error) = regex::Regex::new(pattern) {
            problems.invalid(&key, text, &format!("Syntax error in regular expression: {error}"));
        }
    }
}
