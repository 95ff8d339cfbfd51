//! Topics and group offsets over Kafka's admin requests. Topic ids are Kafka's own (KIP-516).

use crate::broker::Inner;
use crate::error::{Failure, admin_error};
use crate::native::PartitionList;
use crate::native::admin::{self as native, Described};
use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic as NativeTopic, TopicReplication};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaErrorCode as Code;
use sluice_client::{Admin, AdminError, GroupOffset, NewTopic, TopicConfig, TopicDescription, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait between two looks whether a broker has learned of a change.
const PROPAGATION_POLL: Duration = Duration::from_millis(10);

pub(crate) struct KafkaAdmin(pub Arc<Inner>);

#[async_trait::async_trait]
impl Admin for KafkaAdmin {
    async fn create_topic(&self, topic: NewTopic) -> Result<TopicDescription, AdminError> {
        let NewTopic { name, partitions, config } = topic;
        // -1: the cluster's `default.replication.factor` (KIP-464).
        let replication = self.0.config.replication_factors.get(&*name).map_or(-1, |factor| i32::from(*factor));
        let mut new = NativeTopic::new(&name, partitions, TopicReplication::Fixed(replication));
        for (key, value) in &config {
            new = new.set(key, value);
        }
        let clients = self.0.clients();
        self.settle(&name, clients.admin.create_topics([&new], &self.options()).await)?;
        self.0.topics.forget(&name);
        let described = self.propagated(&name, |described| described.is_some()).await?;
        let described = described.ok_or_else(|| AdminError::UnknownTopic { topic: name.clone() })?;
        Ok(description(&name, &described, config))
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), AdminError> {
        let clients = self.0.clients();
        self.settle(topic, clients.admin.delete_topics(&[topic], &self.options()).await)?;
        self.0.topics.forget(topic);
        self.propagated(topic, |described| described.is_none()).await.map(drop)
    }

    async fn create_partitions(&self, topic: &str, partitions: i32) -> Result<(), AdminError> {
        let count = usize::try_from(partitions).map_err(|_| AdminError::InvalidTopic {
            topic: topic.into(),
            reason: format!("{partitions} is no number of partitions"),
        })?;
        let clients = self.0.clients();
        let new = NewPartitions::new(topic, count);
        self.settle(topic, clients.admin.create_partitions([&new], &self.options()).await)?;
        self.0.topics.forget(topic);
        self.propagated(topic, |found| found.is_none_or(|found| found.partition_count() >= partitions)).await.map(drop)
    }

    async fn alter_topic_config(
        &self,
        topic: &str,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<(), AdminError> {
        let name = topic.to_owned();
        let altered = self
            .0
            .with_clients(move |clients, timeout| {
                native::alter_topic_config(clients.client(), &name, &changes, timeout)
            })
            .await;
        altered.map_err(|failure| self.explained(failure, topic))?;
        self.0.topics.forget(topic);
        Ok(())
    }

    async fn list_topics(&self) -> Result<Vec<TopicDescription>, AdminError> {
        let found = self
            .0
            .with_clients(|clients, timeout| {
                let metadata = clients.client().fetch_metadata(None, timeout).map_err(Failure::from)?;
                let names: Vec<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
                if names.is_empty() {
                    Ok(BTreeMap::new())
                } else {
                    native::describe_topics(clients.client(), &names, timeout)
                }
            })
            .await;
        let found = found.map_err(|failure| self.0.unavailable(failure))?;
        // One that went between the two requests is not there.
        let found: BTreeMap<String, Described> =
            found.into_iter().filter_map(|(name, described)| Some((name, described.ok()?))).collect();
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let mut settings = self.0.settings(&names).await?;
        let describe =
            |(name, described): (&String, &Described)| Some(description(name, described, settings.remove(name)?.own));
        Ok(found.iter().filter_map(describe).collect())
    }

    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, AdminError> {
        let Some(described) = self.0.describe(topic).await? else { return Ok(None) };
        let settings = self.0.settings(&[topic]).await?.remove(topic);
        Ok(settings.map(|settings| description(topic, &described, settings.own)))
    }

    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, GroupOffset>, AdminError> {
        let name = group.to_owned();
        let found =
            self.0.with_clients(move |clients, timeout| native::group_offsets(&clients.offsets, &name, timeout)).await;
        let found = found.map_err(|failure| self.0.unavailable(failure))?;
        Ok(found.into_iter().map(|offset| (offset.partition.clone(), offset)).collect())
    }

    async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<(), AdminError> {
        let partitions = match partitions {
            Some(partitions) => partitions,
            None => self.group_offsets(group).await?.into_keys().collect(),
        };
        if partitions.is_empty() {
            return Ok(());
        }
        let name = group.to_owned();
        let deleted = self
            .0
            .with_clients(move |clients, timeout| {
                let mut doomed = PartitionList::new();
                for partition in &partitions {
                    doomed.add(&partition.topic, partition.partition, 0, "");
                }
                native::delete_group_offsets(&clients.offsets, &name, &doomed, timeout)
            })
            .await;
        deleted.map_err(|failure| self.0.unavailable(failure))
    }
}

impl KafkaAdmin {
    fn options(&self) -> AdminOptions {
        // The controller answers when it is done, or when this has passed.
        AdminOptions::new().request_timeout(Some(self.0.timeout())).operation_timeout(Some(self.0.timeout()))
    }

    fn settle(&self, topic: &str, answers: KafkaResult<Vec<Result<String, (String, Code)>>>) -> Result<(), AdminError> {
        let answers = answers.map_err(|error| self.0.unavailable(error.into()))?;
        for answer in answers {
            answer.map_err(|(_, code)| self.explained(code.into(), topic))?;
        }
        Ok(())
    }

    fn explained(&self, failure: Failure, topic: &str) -> AdminError {
        match admin_error(failure, topic) {
            AdminError::Unavailable { reason } => AdminError::Unavailable { reason: self.0.log.explain(&reason) },
            error => error,
        }
    }

    /// The controller has decided; brokers learn of it a moment later.
    async fn propagated(
        &self,
        topic: &str,
        is_there: impl Fn(Option<&Described>) -> bool,
    ) -> Result<Option<Described>, AdminError> {
        let deadline = Instant::now() + self.0.timeout();
        loop {
            let described = self.0.describe(topic).await?;
            if is_there(described.as_ref()) {
                return Ok(described);
            }
            if Instant::now() >= deadline {
                let reason = format!("the brokers have not learned of the change of topic {topic}; look again later");
                return Err(AdminError::Unavailable { reason });
            }
            tokio::time::sleep(PROPAGATION_POLL).await;
        }
    }
}

fn description(name: &str, described: &Described, config: TopicConfig) -> TopicDescription {
    let internal = name.starts_with("__") || name.starts_with("_sluice");
    TopicDescription { name: name.into(), id: described.id, partitions: described.partition_count(), config, internal }
}
