//! `sluice topic …`, over Kafka's protocol.

use super::{connect, exit, pairs};
use crate::args::{Bootstrap, Output, TopicCommand};
use crate::exit::Exit;
use crate::output::{items, print, say, table, text};
use serde_json::{Value, json};
use sluice_client_kafka::tools::{Cluster, ToolError, TopicDetails};
use std::collections::BTreeMap;

pub fn run(command: TopicCommand, bootstrap: &Bootstrap, output: Output) -> Result<(), Exit> {
    let cluster = connect(bootstrap)?;
    match command {
        TopicCommand::List { internal } => list(&cluster, internal, output),
        TopicCommand::Describe { name, all } => {
            let details = cluster.describe_topic(&name).map_err(exit)?;
            describe(&details, all, output);
            Ok(())
        }
        TopicCommand::Create { name, partitions, replication_factor, settings, if_not_exists } => {
            let settings = pairs(&settings, "a topic setting")?;
            match cluster.create_topic(&name, partitions, replication_factor, &settings) {
                Ok(()) => say(&format!("{name} created")),
                Err(ToolError::TopicExists { .. }) if if_not_exists => say(&format!("{name} exists already")),
                Err(error) => return Err(exit(error)),
            }
            Ok(())
        }
        TopicCommand::Alter { name, settings, removed } => {
            let set = pairs(&settings, "a topic setting")?.into_iter().map(|(key, value)| (key, Some(value)));
            let changes: BTreeMap<_, _> = set.chain(removed.into_iter().map(|key| (key, None))).collect();
            cluster.alter_topic(&name, &changes).map_err(exit)?;
            say(&format!("{name} altered"));
            Ok(())
        }
        TopicCommand::Delete { name, if_exists } => {
            match cluster.delete_topic(&name) {
                Ok(()) => say(&format!("{name} deleted")),
                Err(ToolError::UnknownTopic { .. }) if if_exists => say(&format!("{name} is not there")),
                Err(error) => return Err(exit(error)),
            }
            Ok(())
        }
        TopicCommand::AddPartitions { name, partitions } => {
            cluster.create_partitions(&name, partitions).map_err(exit)?;
            say(&format!("{name} has {partitions} partitions"));
            Ok(())
        }
        TopicCommand::DeleteRecords { name, partition, before } => {
            delete_records(&cluster, &name, partition, &before, output)
        }
        TopicCommand::Read { .. } => {
            let message = "topic read asks a hub's REST API (--url); over Kafka's protocol use `sluice consume TOPIC`";
            Err(Exit::Usage { message: message.to_owned() })
        }
    }
}

fn list(cluster: &Cluster, internal: bool, output: Output) -> Result<(), Exit> {
    let topics = cluster.topics().map_err(exit)?;
    let shown = topics.into_iter().filter(|topic| internal || !topic.internal);
    let shown = shown.map(|topic| {
        json!({
            "name": topic.topic,
            "partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "internal": topic.internal,
        })
    });
    print(output, &Value::Array(shown.collect()), |json| {
        let mut rows = table(&["name", "partitions", "replicas"]);
        for topic in items(json) {
            rows.add_row([text(topic, "name"), text(topic, "partitions"), text(topic, "replication_factor")]);
        }
        rows
    });
    Ok(())
}

fn describe(details: &TopicDetails, all: bool, output: Output) {
    let partition = |one: &sluice_client_kafka::tools::PartitionDetails| {
        json!({
            "partition": one.partition,
            "leader": one.leader,
            "replicas": one.replicas,
            "isr": one.isr,
            "start": one.start,
            "end": one.end,
        })
    };
    let settings = details.settings.iter().filter(|setting| all || setting.is_own);
    let settings: serde_json::Map<String, Value> =
        settings.map(|setting| (setting.name.clone(), json!(setting.value))).collect();
    let json = json!({
        "name": details.topic,
        "id": uuid_text(details.id),
        "partitions": details.partitions.len(),
        "config": settings,
        "offsets": details.partitions.iter().map(partition).collect::<Vec<_>>(),
    });
    print(output, &json, |json| {
        let mut rows = table(&["partition", "leader", "replicas", "isr", "start", "end", "records"]);
        for one in items(&json["offsets"]) {
            let list = |member: &str| {
                let ids: Vec<String> = items(&one[member]).iter().map(ToString::to_string).collect();
                ids.join(",")
            };
            let held = one["end"].as_i64().unwrap_or(0) - one["start"].as_i64().unwrap_or(0);
            rows.add_row([
                text(one, "partition"),
                text(one, "leader"),
                list("replicas"),
                list("isr"),
                text(one, "start"),
                text(one, "end"),
                held.to_string(),
            ]);
        }
        rows
    });
    if output == Output::Table {
        for (key, value) in json["config"].as_object().into_iter().flatten() {
            say(&format!("{key}={}", value.as_str().unwrap_or("(secret)")));
        }
    }
}

/// As a UUID is written; the hub's REST API shows the same.
fn uuid_text(id: [u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn delete_records(
    cluster: &Cluster,
    name: &str,
    partition: Option<i32>,
    before: &str,
    output: Output,
) -> Result<(), Exit> {
    let wrong = || Exit::Usage { message: format!("--before {before} is neither an offset nor latest") };
    let offset = match before {
        "latest" => None,
        number => Some(number.parse::<i64>().ok().filter(|offset| *offset >= 0).ok_or_else(wrong)?),
    };
    let partitions: Vec<i32> = match partition {
        Some(partition) => vec![partition],
        None => {
            let details = cluster.describe_topic(name).map_err(exit)?;
            details.partitions.iter().map(|one| one.partition).collect()
        }
    };
    let doomed: BTreeMap<i32, Option<i64>> = partitions.into_iter().map(|partition| (partition, offset)).collect();
    let starts = cluster.delete_records(name, &doomed).map_err(exit)?;
    let starts = starts.iter().map(|(partition, start)| json!({ "partition": partition, "start": start }));
    print(output, &Value::Array(starts.collect()), |json| {
        let mut rows = table(&["partition", "start"]);
        for one in items(json) {
            rows.add_row([text(one, "partition"), text(one, "start")]);
        }
        rows
    });
    Ok(())
}
