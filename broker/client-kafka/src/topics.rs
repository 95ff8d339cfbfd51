//! What is known of topics, for a while: how many partitions, and how large a batch may be.

use crate::broker::Inner;
use crate::error::{Failure, admin_error, is_unknown};
use crate::native::admin::{Described, describe_topics};
use parking_lot::Mutex;
use rdkafka::admin::{AdminOptions, ConfigSource, ResourceSpecifier};
use sluice_client::{AdminError, TopicConfig, TopicName};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Changes from elsewhere are seen after this; until then the broker's own refusal tells.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// Kafka's default `max.message.bytes`.
const MAX_MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicFacts {
    pub partitions: i32,
    /// `max.message.bytes`: the limit of one batch.
    pub batch_bytes_max: usize,
}

#[derive(Default)]
pub(crate) struct Topics(Mutex<HashMap<TopicName, (Instant, TopicFacts)>>);

impl Topics {
    pub(crate) fn forget(&self, topic: &str) {
        self.0.lock().remove(topic);
    }

    fn known(&self, topic: &str) -> Option<TopicFacts> {
        let topics = self.0.lock();
        topics.get(topic).filter(|(since, _)| since.elapsed() < KNOWN_FOR).map(|(_, facts)| *facts)
    }
}

/// All settings of a topic, and those that were set on it.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub own: TopicConfig,
    batch_bytes_max: Option<usize>,
}

impl Inner {
    /// `None`: there is no such topic, or no such partition of it.
    pub(crate) async fn facts(&self, topic: &TopicName, partition: i32) -> Result<Option<TopicFacts>, AdminError> {
        let has_it = |facts: &TopicFacts| (0..facts.partitions).contains(&partition);
        if let Some(facts) = self.topics.known(topic).filter(has_it) {
            return Ok(Some(facts));
        }
        let Some(described) = self.describe(topic).await? else { return Ok(None) };
        let settings = self.settings(&[topic]).await?.remove(&**topic).unwrap_or_default();
        let batch_bytes_max = settings.batch_bytes_max.unwrap_or(MAX_MESSAGE_BYTES_DEFAULT);
        let facts = TopicFacts { partitions: described.partition_count(), batch_bytes_max };
        self.topics.0.lock().insert(topic.clone(), (Instant::now(), facts));
        Ok(Some(facts).filter(has_it))
    }

    pub(crate) async fn describe(&self, topic: &str) -> Result<Option<Described>, AdminError> {
        let name = topic.to_owned();
        let described =
            self.with_clients(move |clients, timeout| describe_topics(clients.client(), &[&name], timeout)).await;
        match described.map_err(|failure| self.unavailable(failure))?.remove(topic) {
            Some(Ok(described)) => Ok(Some(described)),
            Some(Err(failure)) if is_unknown(failure.code) => Ok(None),
            Some(Err(failure)) => Err(admin_error(failure, topic)),
            None => Ok(None),
        }
    }

    /// Topics that went meanwhile are left out.
    pub(crate) async fn settings(&self, topics: &[&str]) -> Result<BTreeMap<String, Settings>, AdminError> {
        let mut all = BTreeMap::new();
        if topics.is_empty() {
            return Ok(all);
        }
        let clients = self.clients();
        let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let options = AdminOptions::new().request_timeout(Some(self.timeout()));
        let answers = clients.admin.describe_configs(&asked, &options).await;
        let answers = answers.map_err(|error| self.unavailable(error.into()))?;
        for (topic, answer) in topics.iter().zip(answers) {
            let resource = match answer {
                Ok(resource) => resource,
                Err(code) if is_unknown(code) => continue,
                Err(code) => return Err(self.unavailable(code.into())),
            };
            let mut settings = Settings::default();
            for entry in resource.entries {
                let Some(value) = entry.value else { continue };
                if entry.name == "max.message.bytes" {
                    settings.batch_bytes_max = value.parse().ok();
                }
                if matches!(entry.source, ConfigSource::DynamicTopic) {
                    settings.own.insert(entry.name, value);
                }
            }
            all.insert((*topic).to_owned(), settings);
        }
        Ok(all)
    }

    pub(crate) fn unavailable(&self, failure: Failure) -> AdminError {
        AdminError::Unavailable { reason: self.log.explain(&failure.reason) }
    }
}
