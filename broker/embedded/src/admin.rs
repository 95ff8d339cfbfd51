//! Topics and group offsets.

use crate::groups::{self, GroupChange};
use crate::{Inner, client_id};
use sluice_client::{Admin, AdminError, GroupOffset, NewTopic, TopicDescription, TopicName, TopicPartition};
use sluice_log::{LogPart, TopicError, TopicId, TopicInfo};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

type Answer = Result<TopicInfo, TopicError>;

#[async_trait::async_trait]
impl Admin for Inner {
    async fn create_topic(&self, topic: NewTopic) -> Result<TopicDescription, AdminError> {
        let (done, answered) = answer();
        let id = TopicId((self.random)());
        let NewTopic { name, partitions, config } = topic;
        self.log.create_topic(TopicInfo { name: name.clone(), id, partitions, config }, done);
        Ok(describe(settle(&name, answered).await?))
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), AdminError> {
        let (done, answered) = answer();
        self.log.delete_topic(topic, done);
        settle(topic, answered).await?;
        self.groups.topic_deleted(topic);
        Ok(())
    }

    async fn create_partitions(&self, topic: &str, partitions: i32) -> Result<(), AdminError> {
        let (done, answered) = answer();
        self.log.create_partitions(topic, partitions, done);
        settle(topic, answered).await.map(drop)
    }

    async fn alter_topic_config(
        &self,
        topic: &str,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<(), AdminError> {
        let (done, answered) = answer();
        self.log.alter_config(topic, changes, done);
        settle(topic, answered).await.map(drop)
    }

    async fn list_topics(&self) -> Result<Vec<TopicDescription>, AdminError> {
        Ok(self.log.topics().into_iter().map(describe).collect())
    }

    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, AdminError> {
        Ok(self.log.topic(topic).map(describe))
    }

    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, GroupOffset>, AdminError> {
        Ok(self.groups.offsets(group))
    }

    async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<(), AdminError> {
        let committed = self.groups.offsets(group);
        let doomed = partitions.unwrap_or_else(|| committed.keys().cloned().collect());
        let doomed = doomed.into_iter().filter(|partition| committed.contains_key(partition));
        let changes: Vec<_> = doomed.map(|partition| GroupChange::Delete(group.to_owned(), partition)).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        let records = groups::encode(&changes, now_ms);
        let part = LogPart { topic: self.groups.topic, partition: 0, records };
        let (answer, answered) = oneshot::channel();
        let groups = self.groups.clone();
        let unavailable = |reason: String| AdminError::Unavailable { reason };
        self.log
            .append(
                &[part],
                None,
                Box::new(move |outcome| {
                    if outcome.is_ok() {
                        groups.apply(&changes, now_ms);
                    }
                    let _ = answer.send(outcome);
                }),
            )
            .map_err(|error| unavailable(error.to_string()))?;
        match answered.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unavailable(error.to_string())),
            Err(_) => Err(unavailable("the log's writer has stopped".into())),
        }
    }
}

fn answer() -> (impl FnOnce(Answer) + Send + 'static, oneshot::Receiver<Answer>) {
    let (answer, answered) = oneshot::channel();
    (move |outcome| drop(answer.send(outcome)), answered)
}

async fn settle(topic: &str, answered: oneshot::Receiver<Answer>) -> Result<TopicInfo, AdminError> {
    let topic: TopicName = topic.into();
    match answered.await {
        Ok(Ok(info)) => Ok(info),
        Ok(Err(TopicError::Exists)) => Err(AdminError::TopicExists { topic }),
        Ok(Err(TopicError::Unknown)) => Err(AdminError::UnknownTopic { topic }),
        Ok(Err(TopicError::Invalid(reason))) => Err(AdminError::InvalidTopic { topic, reason }),
        Ok(Err(TopicError::Unavailable { reason })) => Err(AdminError::Unavailable { reason }),
        Err(_) => Err(AdminError::Unavailable { reason: "the log's writer has stopped".into() }),
    }
}

fn describe(info: TopicInfo) -> TopicDescription {
    let internal = info.name.starts_with("__") || info.name.starts_with("_sluice");
    let TopicInfo { name, id, partitions, config } = info;
    TopicDescription { name, id: client_id(id), partitions, config, internal }
}
