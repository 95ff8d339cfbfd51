//! Which cluster, and how its workers call what they keep there.

use crate::args::{Bootstrap, ImportOptions};
use crate::config_providers;
use crate::exit::Exit;
use crate::kafka;
use sluice_client_kafka::KafkaConfig;
use sluice_client_kafka::tools::Cluster;
use sluice_connect_api::properties;
use std::collections::BTreeMap;
use std::path::Path;

pub struct Source {
    pub cluster: Cluster,
    pub cluster_id: Option<String>,
    pub configs: String,
    pub offsets: String,
    pub statuses: String,
    pub group_id: Option<String>,
}

impl Source {
    /// # Errors
    /// A topic that is not named, a cluster that does not answer.
    pub fn open(options: &ImportOptions) -> Result<Self, Exit> {
        let worker = options.worker_config.as_deref().map(read_worker).transpose()?.unwrap_or_default();
        let named = |given: &Option<String>, key: &str| given.clone().or_else(|| worker.get(key).cloned());
        let topic = |given: &Option<String>, key: &str| {
            let flag = key.replace('.', "-");
            named(given, key).ok_or_else(|| Exit::Usage { message: format!("give --{flag}, or --worker-config") })
        };
        let configs = topic(&options.config_storage_topic, "config.storage.topic")?;
        let offsets = topic(&options.offset_storage_topic, "offset.storage.topic")?;
        let statuses = topic(&options.status_storage_topic, "status.storage.topic")?;
        let group_id = named(&options.group_id, "group.id");
        let cluster = kafka::connect_with(&bootstrap(&options.bootstrap, &worker), settings(&worker))?;
        Ok(Self { cluster_id: cluster.id(), cluster, configs, offsets, statuses, group_id })
    }

    /// How many workers are members of the group; none when it is not known.
    ///
    /// # Errors
    /// The cluster's.
    pub fn workers(&self) -> Result<usize, Exit> {
        self.group_id.as_deref().map_or(Ok(0), |group| self.cluster.members_of_any_kind(group).map_err(kafka::exit))
    }
}

fn bootstrap(given: &Bootstrap, worker: &BTreeMap<String, String>) -> Bootstrap {
    let bootstrap_server = given.bootstrap_server.clone().or_else(|| worker.get("bootstrap.servers").cloned());
    Bootstrap { bootstrap_server, ..given.clone() }
}

/// What the workers' file says of its clients, under librdkafka's names.
fn settings(worker: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    KafkaConfig::from_worker(worker).map(|config| config.settings()).unwrap_or_default()
}

/// References to config providers are resolved, as a worker does.
fn read_worker(path: &Path) -> Result<BTreeMap<String, String>, Exit> {
    let wrong = |reason: String| Exit::Usage { message: format!("{}: {reason}", path.display()) };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let (mut pairs, mut problems) = (properties::parse(&text), Vec::new());
    let providers = config_providers::take(&mut pairs, &mut problems);
    if let Some(problem) = problems.into_iter().next() {
        return Err(wrong(problem));
    }
    let resolved = config_providers::of_worker(&providers).transform_now(&pairs);
    let resolved = resolved.map_err(|error| wrong(error.to_string()))?.config;
    Ok(resolved.into_iter().map(|(key, value)| (key, value.trim().to_owned())).collect())
}
