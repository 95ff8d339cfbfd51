//! What lies in a Connect cluster's internal topics. Source: Kafka `KafkaConfigBackingStore`, `KafkaOffsetBackingStore`,
//! `KafkaStatusBackingStore`.

use super::source::Source;
use crate::exit::Exit;
use crate::kafka;
use serde_json::{Map, Value, json};
use sluice_client_kafka::tools::{ConsumeOptions, StartAt, ToolError, consume};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

/// Where a connector with exactly-once support keeps its offsets.
const OFFSETS_TOPIC: &str = "offsets.storage.topic";

/// The newest value of each key.
type Entries = BTreeMap<String, Value>;

/// What the user wants it to be. Source: Kafka `TargetState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Paused,
    Stopped,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    fn parse(value: Option<&Value>) -> Self {
        let text = value.and_then(|value| value.get("state.v2").or_else(|| value.get("state"))).and_then(Value::as_str);
        match text {
            Some("PAUSED") => Self::Paused,
            Some("STOPPED") => Self::Stopped,
            _ => Self::Running,
        }
    }
}

/// One connector of the cluster.
#[derive(Debug)]
pub struct Found {
    pub config: Map<String, Value>,
    pub state: State,
    /// Partition and offset, as REST takes them.
    source_offsets: Vec<Value>,
    /// Of its consumer group.
    group_offsets: Vec<Value>,
    /// What its workers said last, of itself and of its tasks.
    states: Vec<String>,
}

impl Found {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Value::as_str)
    }

    pub fn class(&self) -> &str {
        self.text("connector.class").unwrap_or_default()
    }

    pub fn is_sink(&self) -> bool {
        self.config.contains_key("topics") || self.config.contains_key("topics.regex")
    }

    pub fn offsets(&self) -> &[Value] {
        if self.is_sink() { &self.group_offsets } else { &self.source_offsets }
    }

    /// `FAILED` when something of it had failed, else its own state.
    pub fn status(&self) -> &str {
        let failed = self.states.iter().find(|state| *state == "FAILED");
        failed.or_else(|| self.states.first()).map_or("", String::as_str)
    }

    fn group(&self, name: &str) -> String {
        self.text("consumer.override.group.id").map_or_else(|| format!("connect-{name}"), str::to_owned)
    }
}

/// All connectors of the cluster, by name.
///
/// # Errors
/// A topic that is missing or cannot be read.
pub fn read(source: &Source) -> Result<BTreeMap<String, Found>, Exit> {
    let mut found = connectors(&entries(source, &source.configs)?);
    add_states(&mut found, &entries(source, &source.statuses)?);
    add_offsets(&mut found, &entries(source, &source.offsets)?, |_| true);
    let own_topics: Vec<String> = found.values().filter_map(|it| it.text(OFFSETS_TOPIC)).map(str::to_owned).collect();
    for topic in own_topics {
        // It knows the newer ones.
        let entries = entries(source, &topic)?;
        add_offsets(&mut found, &entries, |connector| connector.text(OFFSETS_TOPIC) == Some(&topic));
    }
    for (name, connector) in found.iter_mut().filter(|(_, connector)| connector.is_sink()) {
        connector.group_offsets = group_offsets(source, &connector.group(name))?;
    }
    Ok(found)
}

/// The topic to where it ends now, committed records only.
fn entries(source: &Source, topic: &str) -> Result<Entries, Exit> {
    let options = ConsumeOptions {
        topic: topic.to_owned(),
        partitions: Vec::new(),
        from: StartAt::Earliest,
        group: None,
        max_messages: None,
        timeout: None,
        until_end: true,
        read_uncommitted: false,
    };
    let mut entries = Entries::new();
    let mut take = |record: &sluice_client_kafka::tools::ConsumedRecord<'_>| {
        if let Some(key) = record.key.and_then(|key| std::str::from_utf8(key).ok()) {
            match record.value.map(serde_json::from_slice) {
                Some(Ok(value)) => drop(entries.insert(key.to_owned(), value)),
                // Forgotten. What is no JSON is nobody's.
                None | Some(Err(_)) => drop(entries.remove(key)),
            }
        }
        ControlFlow::Continue(())
    };
    consume(&source.cluster, &options, &AtomicBool::new(false), &mut take).map_err(kafka::exit)?;
    Ok(entries)
}

fn connectors(entries: &Entries) -> BTreeMap<String, Found> {
    let connector = |(key, value): (&String, &Value)| {
        let name = key.strip_prefix("connector-")?;
        let config = value.get("properties")?.as_object()?.clone();
        let state = State::parse(entries.get(&format!("target-state-{name}")));
        let none = Vec::new;
        let found = Found { config, state, source_offsets: none(), group_offsets: none(), states: Vec::new() };
        Some((name.to_owned(), found))
    };
    entries.iter().filter_map(connector).collect()
}

fn add_states(found: &mut BTreeMap<String, Found>, entries: &Entries) {
    let state = |key: &str| Some(entries.get(key)?.get("state")?.as_str()?.to_owned());
    for (name, connector) in found {
        connector.states.extend(state(&format!("status-connector-{name}")));
        let tasks = format!("status-task-{name}-");
        let is_task = |key: &&String| key.strip_prefix(&tasks).is_some_and(|rest| rest.parse::<u32>().is_ok());
        connector.states.extend(entries.keys().filter(is_task).filter_map(|key| state(key)));
    }
}

/// Keys are `["<connector>",{<partition>}]`. A later offset of a partition takes the place of an earlier one.
fn add_offsets(found: &mut BTreeMap<String, Found>, entries: &Entries, is_meant: impl Fn(&Found) -> bool) {
    for (key, offset) in entries.iter().filter(|(_, offset)| offset.is_object()) {
        let Ok((name, partition)) = serde_json::from_str::<(String, Value)>(key) else { continue };
        let Some(connector) = found.get_mut(&name).filter(|connector| is_meant(connector)) else { continue };
        if partition.is_object() {
            connector.source_offsets.retain(|known| known["partition"] != partition);
            connector.source_offsets.push(json!({ "partition": partition, "offset": offset }));
        }
    }
}

fn group_offsets(source: &Source, group: &str) -> Result<Vec<Value>, Exit> {
    let details = match source.cluster.describe_group(group) {
        Ok(details) => details,
        // It has not committed anything yet.
        Err(ToolError::UnknownGroup { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(kafka::exit(error)),
    };
    let offset = |place: sluice_client_kafka::tools::GroupPartition| {
        let (topic, partition) = (place.partition.topic.to_string(), place.partition.partition);
        let offset = json!({ "kafka_offset": place.committed? });
        Some(json!({ "partition": { "kafka_topic": topic, "kafka_partition": partition }, "offset": offset }))
    };
    Ok(details.partitions.into_iter().filter_map(offset).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(lines: &[(&str, Value)]) -> Entries {
        lines.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    fn cluster() -> BTreeMap<String, Found> {
        connectors(&entries(&[
            ("connector-a", json!({"properties": {"connector.class": "S", "name": "a"}})),
            ("connector-a-1", json!({"properties": {"connector.class": "T", "topics": "t"}})),
            ("target-state-a", json!({"state": "PAUSED", "state.v2": "STOPPED"})),
            ("target-state-gone", json!({"state": "PAUSED"})),
            ("task-a-0", json!({"properties": {}})),
            ("commit-a", json!({"tasks": 1})),
            ("session-key", json!({"key": "x"})),
        ]))
    }

    #[test]
    fn a_connector_is_its_config_and_the_state_that_was_asked_for() {
        let found = cluster();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "a-1"]);
        assert_eq!((found["a"].state, found["a-1"].state), (State::Stopped, State::Running));
        assert_eq!((found["a"].is_sink(), found["a-1"].is_sink()), (false, true));
        assert_eq!(State::parse(Some(&json!({"state": "PAUSED"}))), State::Paused, "Kafka before 3.5");
    }

    #[test]
    fn a_failed_task_is_what_the_last_status_says_and_tasks_of_a_similar_name_are_another_connectors() {
        let mut found = cluster();
        let statuses = entries(&[
            ("status-connector-a", json!({"state": "RUNNING"})),
            ("status-task-a-0", json!({"state": "RUNNING"})),
            ("status-task-a-1-0", json!({"state": "FAILED"})),
            ("status-connector-a-1", json!({"state": "RUNNING"})),
            ("status-topic-t:connector-a", json!({"topic": {}})),
        ]);
        add_states(&mut found, &statuses);
        assert_eq!((found["a"].status(), found["a-1"].status()), ("RUNNING", "FAILED"));
    }

    #[test]
    fn offsets_belong_to_the_connector_in_their_key_and_the_later_topic_counts() {
        let mut found = cluster();
        let old = entries(&[
            (r#"["a",{"table":"t","protocol":"1"}]"#, json!({"incrementing": 1})),
            (r#"["a",{"table":"u"}]"#, json!({"incrementing": 2})),
            (r#"["a",{"table":"gone"}]"#, Value::Null),
            (r#"["b",{"table":"t"}]"#, json!({"incrementing": 9})),
            ("no json", json!({})),
        ]);
        add_offsets(&mut found, &old, |_| true);
        assert_eq!(found["a"].offsets().len(), 2);
        let new = entries(&[(r#"["a",{"protocol":"1","table":"t"}]"#, json!({"incrementing": 5}))]);
        add_offsets(&mut found, &new, |_| true);
        let expected = json!({"partition": {"protocol": "1", "table": "t"}, "offset": {"incrementing": 5}});
        assert_eq!(found["a"].offsets().len(), 2);
        assert!(found["a"].offsets().contains(&expected), "{:?}", found["a"].offsets());
    }
}
