//! Topics that come and go. Each deletion makes the broker clean up at once, so that it also dies while it does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::account::{PLAIN, STATE, TRANSFERS, count};
use crate::clients::client_config;
use crate::run::Load;

const ATTEMPT: Duration = Duration::from_secs(2);
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// A topic lives until so many newer ones are there.
const KEPT: u32 = 3;

struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    fn at(address: &str) -> Result<Admin> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Admin { client: client_config(address).create()?, runtime })
    }

    /// `None`: nobody knows whether it was done.
    fn create(&self, topic: &NewTopic<'_>) -> Option<Result<(), RDKafkaErrorCode>> {
        let options = AdminOptions::new().request_timeout(Some(ATTEMPT));
        settled(self.runtime.block_on(self.client.create_topics([topic], &options)).ok()?)
    }

    fn delete(&self, name: &str) -> Option<Result<(), RDKafkaErrorCode>> {
        let options = AdminOptions::new().request_timeout(Some(ATTEMPT));
        settled(self.runtime.block_on(self.client.delete_topics(&[name], &options)).ok()?)
    }
}

fn settled(outcomes: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Option<Result<(), RDKafkaErrorCode>> {
    match outcomes.into_iter().next()? {
        Ok(_) => Some(Ok(())),
        Err((_, code @ (RDKafkaErrorCode::TopicAlreadyExists | RDKafkaErrorCode::UnknownTopicOrPartition))) => {
            Some(Err(code))
        }
        Err(_) => None,
    }
}

/// The topics of the load.
pub fn create_topics(address: &str) -> Result<()> {
    let admin = Admin::at(address)?;
    for (name, partitions) in PLAIN.iter().chain(&TRANSFERS) {
        let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(1));
        admin.create(&topic).with_context(|| format!("cannot create {name}"))?.ok();
    }
    let compacted = NewTopic::new(STATE.0, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("min.cleanable.dirty.ratio", "0.01");
    admin.create(&compacted).context("cannot create the compacted topic")?.ok();
    Ok(())
}

/// Creates and deletes until the load stops; then what was acknowledged is compared with what is there.
pub fn run(load: &Load) -> Result<()> {
    let admin = Admin::at(&load.address)?;
    // What the broker last acknowledged of each; `None`: nobody knows.
    let mut there: BTreeMap<String, Option<bool>> = BTreeMap::new();
    let mut number = 0;
    while !load.is_over() {
        number += 1;
        let name = format!("passing-{number}");
        let topic = NewTopic::new(&name, 2, TopicReplication::Fixed(1));
        // A repeated creation finds the topic that the first one made: it is there either way.
        there.insert(name.clone(), admin.create(&topic).map(|_| true));
        if number > KEPT {
            let old = format!("passing-{}", number - KEPT);
            let gone = admin.delete(&old).map(|_| false);
            there.insert(old, gone);
        }
        count(&load.account.counted.topics);
        std::thread::sleep(Duration::from_millis(40));
    }
    let listed = listed(&admin)?;
    for (name, state) in there {
        let is_listed = listed.contains(&name);
        if state.is_some_and(|state| state != is_listed) {
            load.account
                .violation(format!("topic {name} was acknowledged as there: {state:?}, and is listed: {is_listed}"));
        }
    }
    Ok(())
}

fn listed(admin: &Admin) -> Result<Vec<String>> {
    let begin = Instant::now();
    loop {
        match admin.client.inner().fetch_metadata(None, ATTEMPT) {
            Ok(metadata) => return Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()),
            Err(_) if begin.elapsed() < SETTLE_LIMIT => {}
            Err(error) => bail!("topics cannot be listed: {error}"),
        }
    }
}
