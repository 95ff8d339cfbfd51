//! Commands over Kafka's protocol: what they share.

pub mod consume;
mod format;
pub mod group;
pub mod produce;
mod time;
pub mod topic;

pub use format::to_json;

use crate::args::Bootstrap;
use crate::exit::Exit;
use sluice_client_kafka::tools::{Cluster, ClusterConfig, ToolError};
use sluice_connect_api::properties;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

pub const BOOTSTRAP_SERVER: &str = "127.0.0.1:9092";

fn connect(bootstrap: &Bootstrap) -> Result<Cluster, Exit> {
    connect_with(bootstrap, BTreeMap::new())
}

/// With client settings that count less than those of the command line and its file.
pub fn connect_with(bootstrap: &Bootstrap, mut settings: BTreeMap<String, String>) -> Result<Cluster, Exit> {
    if let Some(path) = &bootstrap.command_config {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Exit::Usage { message: format!("{} cannot be read: {error}", path.display()) })?;
        settings.extend(properties::parse(&text));
    }
    settings.extend(pairs(&bootstrap.command_properties, "a client setting")?);
    let bootstrap_servers = bootstrap.bootstrap_server.clone().or_else(|| settings.remove("bootstrap.servers"));
    let bootstrap_servers = bootstrap_servers.unwrap_or_else(|| BOOTSTRAP_SERVER.to_owned());
    let config = ClusterConfig { bootstrap_servers, settings, request_timeout: REQUEST_TIMEOUT };
    Cluster::connect(config).map_err(exit)
}

/// `KEY=VALUE`, each.
fn pairs(given: &[String], what: &str) -> Result<BTreeMap<String, String>, Exit> {
    let pair = |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let pairs: Option<BTreeMap<String, String>> = given.iter().map(pair).collect();
    pairs.ok_or_else(|| Exit::Usage { message: format!("{what} is given as KEY=VALUE") })
}

/// `TOPIC` or `TOPIC:0,1`, each. No partitions: all of them.
fn topics_and_partitions(given: &[String]) -> Result<BTreeMap<String, Vec<i32>>, Exit> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for text in given {
        let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
        let wrong = || Exit::Usage { message: format!("{text} is not TOPIC or TOPIC:0,1") };
        let partitions = partitions.split(',').filter(|number| !number.is_empty());
        let numbers = partitions.map(|number| number.trim().parse::<i32>().map_err(|_| wrong()));
        topics.entry(topic.to_owned()).or_default().extend(numbers.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(topics)
}

pub fn exit(error: ToolError) -> Exit {
    let message = error.to_string();
    match error {
        ToolError::Unreachable { bootstrap_servers, reason } => Exit::NoBroker { bootstrap_servers, reason },
        ToolError::UnknownTopic { .. } | ToolError::UnknownPartition { .. } | ToolError::UnknownGroup { .. } => {
            Exit::NotFound { message }
        }
        ToolError::TopicExists { .. } => Exit::Conflict { message },
        ToolError::Refused { .. } => Exit::Invalid { message },
        ToolError::Config { .. } => Exit::Usage { message },
        ToolError::GroupInUse { .. } | ToolError::OutOfRange { .. } | ToolError::Failed { .. } => {
            Exit::Failed { message }
        }
    }
}

/// Set by the first SIGINT or SIGTERM; the second ends the process.
fn stop_at_signal() -> Result<Arc<AtomicBool>, Exit> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Exit::failed(&error))?;
    let mut signals = {
        let _inside = runtime.enter();
        crate::start::Signals::listen().map_err(|error| Exit::failed(&error))?
    };
    let waiting = move || {
        runtime.block_on(async {
            signals.next().await;
            told.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(130);
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(waiting).map_err(|error| Exit::failed(&error))?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_named_with_some_of_their_partitions_or_all() {
        let found = topics_and_partitions(&["a:0,2".into(), "b".into(), "a:5".into()]).unwrap();
        assert_eq!(found, BTreeMap::from([("a".to_owned(), vec![0, 2, 5]), ("b".to_owned(), vec![])]));
        assert!(topics_and_partitions(&["a:x".into()]).is_err());
    }
}
