//! The hub that takes the connectors over, by its REST API.

use super::read::{Found, State};
use crate::args::Remote;
use crate::client::{Client, segment};
use crate::exit::Exit;
use crate::output::{items, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Keys that a connector takes from its worker when it has none of its own.
const OF_WORKER: [&str; 3] = ["key.converter", "value.converter", "header.converter"];

/// A hub that is busy takes a moment to make a new connector what it should be.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const STOP_LOOK: Duration = Duration::from_millis(20);

pub struct Target {
    client: Client,
    /// The hub's log is the cluster that is imported from: sinks find their offsets where they are.
    is_same_cluster: bool,
    existing: Vec<String>,
}

impl Target {
    /// # Errors
    /// No hub answers.
    pub async fn open(remote: &Remote, cluster_id: Option<&str>) -> Result<Self, Exit> {
        let client = Client::new(remote)?;
        let root = client.get("/").await?;
        let is_same_cluster = cluster_id.is_some() && root["kafka_cluster_id"].as_str() == cluster_id;
        let existing = client.get("/connectors").await?;
        let existing = items(&existing).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { client, is_same_cluster, existing })
    }

    /// What would be said of an import; changes nothing.
    ///
    /// # Errors
    /// Why it cannot be imported.
    pub async fn check(&self, name: &str, found: &Found) -> Result<Vec<String>, Exit> {
        self.refuse_existing(name)?;
        let mut config = found.config.clone();
        config.insert("name".to_owned(), name.into());
        let path = format!("/connector-plugins/{}/config/validate", segment(found.class()));
        let infos = self.client.send(Method::PUT, &path, Some(&Value::Object(config))).await?.body;
        let errors = items(&infos["configs"]).iter().flat_map(|config| items(&config["value"]["errors"]));
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        if !errors.is_empty() {
            return Err(Exit::Invalid { message: errors.join("; ") });
        }
        Ok(self.offsets(found).await?.1)
    }

    /// Makes the connector, sets its offsets, and lets it go on as it was. One that fails half-way is gone again.
    ///
    /// # Errors
    /// Why it cannot be imported.
    pub async fn import(&self, name: &str, found: &Found) -> Result<Vec<String>, Exit> {
        self.refuse_existing(name)?;
        let request = json!({ "name": name, "config": found.config, "initial_state": "STOPPED" });
        let reply = self.client.send(Method::POST, "/connectors", Some(&request)).await?;
        let path = format!("/connectors/{}", segment(name));
        let set = async {
            let (offsets, mut notes) = self.offsets(found).await?;
            if !offsets.is_empty() {
                self.until_stopped(&path).await?;
                let body = json!({ "offsets": offsets });
                self.client.send(Method::PATCH, &format!("{path}/offsets"), Some(&body)).await?;
            }
            notes.extend(reply.ignored_keys.map(|keys| format!("keys without effect: {keys}")));
            Ok(notes)
        };
        let notes = match set.await {
            Ok(notes) => notes,
            Err(exit) => {
                // It must not begin from the start when somebody resumes it.
                self.client.send(Method::DELETE, &path, None).await?;
                return Err(exit);
            }
        };
        let command = match found.state {
            State::Running => Some("resume"),
            State::Paused => Some("pause"),
            State::Stopped => None,
        };
        if let Some(command) = command {
            self.client.send(Method::PUT, &format!("{path}/{command}"), None).await?;
        }
        Ok(notes)
    }

    /// It was created as such, and the hub is about to make it so.
    async fn until_stopped(&self, path: &str) -> Result<(), Exit> {
        let begin = Instant::now();
        loop {
            let state = match self.client.get(&format!("{path}/status")).await {
                Ok(status) => text(&status["connector"], "state"),
                // It has none yet.
                Err(Exit::NotFound { .. }) => String::new(),
                Err(exit) => return Err(exit),
            };
            if state == "STOPPED" {
                return Ok(());
            }
            if begin.elapsed() > STOP_LIMIT {
                return Err(Exit::Failed { message: format!("it was created as STOPPED and is {state}") });
            }
            tokio::time::sleep(STOP_LOOK).await;
        }
    }

    fn refuse_existing(&self, name: &str) -> Result<(), Exit> {
        if self.existing.iter().any(|existing| existing == name) {
            return Err(Exit::Conflict { message: "the hub has a connector of this name; delete it first".to_owned() });
        }
        Ok(())
    }

    /// Those that the hub is to be given, and what is to be said about the others.
    async fn offsets(&self, found: &Found) -> Result<(Vec<Value>, Vec<String>), Exit> {
        let mut notes = Vec::new();
        let worker: Vec<&str> = OF_WORKER.into_iter().filter(|key| !found.config.contains_key(*key)).collect();
        if !worker.is_empty() {
            notes.push(format!("takes {} from the worker: the hub's must be the same", worker.join(", ")));
        }
        if !found.is_sink() {
            return Ok((found.offsets().to_vec(), notes));
        }
        if self.is_same_cluster {
            notes.push("goes on at its group's offsets, which are in this hub's log already".to_owned());
            return Ok((Vec::new(), notes));
        }
        let mut offsets = Vec::new();
        for offset in found.offsets() {
            let partition = &offset["partition"];
            match self.end_of(partition).await? {
                Some(end) if offset["offset"]["kafka_offset"].as_i64() <= Some(end) => offsets.push(offset.clone()),
                Some(_) => {
                    notes.push(format!("{}: the hub's log has fewer records; begins at its start", of(partition)))
                }
                None => notes.push(format!("{}: not in the hub's log; begins at its start", of(partition))),
            }
        }
        Ok((offsets, notes))
    }

    /// Where a partition ends in the hub's log; `None`: it is not there.
    async fn end_of(&self, partition: &Value) -> Result<Option<i64>, Exit> {
        let path = format!("/sluice/v1/topics/{}", segment(&text(partition, "kafka_topic")));
        let topic = match self.client.get(&path).await {
            Ok(topic) => topic,
            Err(Exit::NotFound { .. }) => return Ok(None),
            Err(exit) => return Err(exit),
        };
        let of_it = items(&topic["offsets"]).iter().find(|one| one["partition"] == partition["kafka_partition"]);
        Ok(of_it.and_then(|one| one["high_watermark"].as_i64()))
    }
}

fn of(partition: &Value) -> String {
    format!("{}-{}", text(partition, "kafka_topic"), partition["kafka_partition"])
}
