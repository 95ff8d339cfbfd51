//! Topics and committed group offsets.

use crate::{AdminError, GroupOffset, TopicName, TopicPartition};
use std::collections::BTreeMap;

/// A topic's identity: a topic that was deleted and created again under the same name has another one (KIP-516).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);

/// Topic-level settings under Kafka's own names (`retention.ms`, `cleanup.policy`, …). Unset keys take the default.
pub type TopicConfig = BTreeMap<String, String>;

#[derive(Debug, Clone)]
pub struct NewTopic {
    pub name: TopicName,
    /// At least 1.
    pub partitions: i32,
    pub config: TopicConfig,
}

#[derive(Debug, Clone)]
pub struct TopicDescription {
    pub name: TopicName,
    pub id: TopicId,
    pub partitions: i32,
    /// Only what was set on the topic.
    pub config: TopicConfig,
    /// Whether the name is one of the hub's own (`__…`, `_sluice…`).
    pub internal: bool,
}

#[async_trait::async_trait]
pub trait Admin: Send + Sync {
    /// Creates the topic, durably, before it returns.
    ///
    /// # Errors
    /// [`AdminError::TopicExists`], [`AdminError::InvalidTopic`] (name, partitions or a config value),
    /// [`AdminError::Unavailable`].
    async fn create_topic(&self, topic: NewTopic) -> Result<TopicDescription, AdminError>;

    /// # Errors
    /// [`AdminError::UnknownTopic`], [`AdminError::Unavailable`].
    async fn delete_topic(&self, topic: &str) -> Result<(), AdminError>;

    /// Grows the topic to `partitions` in all.
    ///
    /// # Errors
    /// [`AdminError::UnknownTopic`], [`AdminError::InvalidTopic`] when it already has as many or more.
    async fn create_partitions(&self, topic: &str, partitions: i32) -> Result<(), AdminError>;

    /// Sets (`Some`) or removes (`None`) topic settings. Source: KIP-339 IncrementalAlterConfigs.
    ///
    /// # Errors
    /// [`AdminError::UnknownTopic`], [`AdminError::InvalidTopic`] for a value that does not parse.
    async fn alter_topic_config(
        &self,
        topic: &str,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<(), AdminError>;

    /// All topics, by name.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`].
    async fn list_topics(&self) -> Result<Vec<TopicDescription>, AdminError>;

    /// `None`: there is no such topic.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`].
    async fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>, AdminError>;

    /// The offsets that a group committed, for every partition it has one for.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`].
    async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, GroupOffset>, AdminError>;

    /// Drops a group's offsets; `None` drops all of them.
    ///
    /// # Errors
    /// [`AdminError::Unavailable`].
    async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<(), AdminError>;
}
