//! `sluice topic …`: over a hub's REST API here, over Kafka's protocol in [`crate::kafka::topic`].

use crate::args::{Output, Remote, TopicArguments, TopicCommand};
use crate::client::{Client, segment};
use crate::exit::Exit;
use crate::kafka;
use crate::output::{items, print, table, text};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Whoever names a hub's address means its REST API.
pub fn run(arguments: TopicArguments, remote: &Remote) -> Result<(), Exit> {
    let TopicArguments { bootstrap, command } = arguments;
    let is_rest = remote.url.is_some() && bootstrap.bootstrap_server.is_none();
    if is_rest || matches!(command, TopicCommand::Read { .. }) {
        crate::client::run(over_rest(command, remote))
    } else {
        kafka::topic::run(command, &bootstrap, remote.output)
    }
}

async fn over_rest(command: TopicCommand, remote: &Remote) -> Result<(), Exit> {
    let client = Client::new(remote)?;
    let of = |name: &str| format!("/sluice/v1/topics/{}", segment(name));
    match command {
        TopicCommand::List { internal } => {
            let topics = client.get(&format!("/sluice/v1/topics?internal={internal}")).await?;
            print(remote.output, &topics, |json| {
                let mut rows = table(&["name", "partitions", "id"]);
                for topic in items(json) {
                    rows.add_row([text(topic, "name"), text(topic, "partitions"), text(topic, "id")]);
                }
                rows
            });
        }
        TopicCommand::Describe { name, .. } => describe(remote, &client.get(&of(&name)).await?),
        TopicCommand::Create { name, partitions, settings, .. } => {
            let body =
                json!({ "name": name, "partitions": partitions.unwrap_or(1), "config": settings_of(&settings)? });
            client.send(Method::POST, "/sluice/v1/topics", Some(&body)).await?;
            println!("{name} created");
        }
        TopicCommand::Delete { name, .. } => {
            client.send(Method::DELETE, &of(&name), None).await?;
            println!("{name} deleted");
        }
        TopicCommand::Read { name, partition, offset, limit } => {
            let mut path = format!("{}/records?limit={limit}", of(&name));
            if let Some(partition) = partition {
                path.push_str(&format!("&partition={partition}"));
            }
            if let Some(offset) = offset {
                path.push_str(&format!("&offset={offset}"));
            }
            read(remote, &client.get(&path).await?);
        }
        TopicCommand::Alter { .. } | TopicCommand::AddPartitions { .. } | TopicCommand::DeleteRecords { .. } => {
            let message = "this goes over Kafka's protocol only; give --bootstrap-server instead of --url";
            return Err(Exit::Usage { message: message.to_owned() });
        }
    }
    Ok(())
}

fn settings_of(settings: &[String]) -> Result<Map<String, Value>, Exit> {
    let pair = |setting: &String| {
        let (key, value) = setting.split_once('=')?;
        Some((key.to_owned(), json!(value)))
    };
    let pairs: Option<Map<String, Value>> = settings.iter().map(pair).collect();
    pairs.ok_or_else(|| Exit::Usage { message: "a topic setting is given as KEY=VALUE".to_owned() })
}

fn describe(remote: &Remote, topic: &Value) {
    print(remote.output, topic, |json| {
        let mut rows = table(&["partition", "start", "end"]);
        for one in items(&json["offsets"]) {
            rows.add_row([text(one, "partition"), text(one, "log_start_offset"), text(one, "high_watermark")]);
        }
        rows
    });
    if remote.output == Output::Table {
        for (key, value) in topic["config"].as_object().into_iter().flatten() {
            println!("{key}={}", value.as_str().unwrap_or_default());
        }
    }
}

/// A line per record for people; JSON lines, as scripts want them, with `--output json`.
fn read(remote: &Remote, records: &Value) {
    for record in items(records) {
        match remote.output {
            Output::Json => println!("{record}"),
            Output::Table => {
                let key = record["key"].as_str().map(|key| format!("{key}\t")).unwrap_or_default();
                let value = record["value"].as_str().unwrap_or("null");
                println!("{}:{}\t{key}{value}", text(record, "partition"), text(record, "offset"));
            }
        }
    }
}
