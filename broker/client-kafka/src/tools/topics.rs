//! Topics.

use super::{Cluster, ToolError};
use crate::native::PartitionList;
use crate::native::admin::{self as settings, Place};
use crate::native::topics as native;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    pub topic: String,
    pub partitions: usize,
    pub replication_factor: usize,
    /// `__…` or `_sluice…`.
    pub internal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDetails {
    pub topic: String,
    /// As Kafka's tools write it: base64, URL-safe.
    pub id: [u8; 16],
    pub partitions: Vec<PartitionDetails>,
    pub settings: Vec<TopicSetting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDetails {
    pub partition: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    /// The first offset that is there, and one past the last.
    pub start: i64,
    pub end: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSetting {
    pub name: String,
    /// `None`: it is kept secret.
    pub value: Option<String>,
    /// Set for this topic itself, not a default.
    pub is_own: bool,
}

impl Cluster {
    /// By name.
    ///
    /// # Errors
    /// [`ToolError`].
    pub fn topics(&self) -> Result<Vec<TopicListing>, ToolError> {
        let metadata = self.client().fetch_metadata(None, self.timeout());
        let metadata = metadata.map_err(|error| self.failed(error.into(), "topics"))?;
        let mut topics: Vec<TopicListing> = metadata
            .topics()
            .iter()
            .map(|topic| TopicListing {
                topic: topic.name().to_owned(),
                partitions: topic.partitions().len(),
                replication_factor: topic.partitions().first().map_or(0, |partition| partition.replicas().len()),
                internal: topic.name().starts_with("__") || topic.name().starts_with("_sluice"),
            })
            .collect();
        topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        Ok(topics)
    }

    /// # Errors
    /// [`ToolError::UnknownTopic`] and others.
    pub fn describe_topic(&self, topic: &str) -> Result<TopicDetails, ToolError> {
        let failed = |failure| self.failed(failure, topic);
        let described = native::describe(self.client(), topic, self.timeout()).map_err(failed)?;
        let own = native::topic_settings(self.client(), topic, self.timeout()).map_err(failed)?;
        let numbers: Vec<i32> = described.partitions.iter().map(|place| place.partition).collect();
        let bounds = self.bounds(topic, &numbers)?;
        let partition = |place: Place| {
            let (start, end) = bounds.get(&place.partition).copied().unwrap_or((-1, -1));
            let Place { partition, leader, replicas, isr } = place;
            PartitionDetails { partition, leader, replicas, isr, start, end }
        };
        let partitions = described.partitions.into_iter().map(partition).collect();
        let setting = |native::Setting { name, value, is_own }| TopicSetting { name, value, is_own };
        let settings = own.into_iter().map(setting).collect();
        Ok(TopicDetails { topic: topic.to_owned(), id: described.id.0, partitions, settings })
    }

    /// `None`: what the broker takes for new topics.
    ///
    /// # Errors
    /// [`ToolError::TopicExists`], [`ToolError::Refused`] with the broker's own words, and others.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: Option<i32>,
        replication_factor: Option<i32>,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), ToolError> {
        let counts = (partitions.unwrap_or(-1), replication_factor.unwrap_or(-1));
        let created = native::create_topic(self.client(), topic, counts, settings, self.timeout());
        created.map_err(|failure| self.failed(failure, topic))
    }

    /// # Errors
    /// [`ToolError::UnknownTopic`] and others.
    pub fn delete_topic(&self, topic: &str) -> Result<(), ToolError> {
        let deleted = native::delete_topic(self.client(), topic, self.timeout());
        deleted.map_err(|failure| self.failed(failure, topic))
    }

    /// `total`: how many it will have.
    ///
    /// # Errors
    /// [`ToolError::UnknownTopic`], [`ToolError::Refused`] when it has as many already, and others.
    pub fn create_partitions(&self, topic: &str, total: usize) -> Result<(), ToolError> {
        let grown = native::create_partitions(self.client(), topic, total, self.timeout());
        grown.map_err(|failure| self.failed(failure, topic))
    }

    /// Sets (`Some`) or removes (`None`) settings; the others stay.
    ///
    /// # Errors
    /// [`ToolError::UnknownTopic`], [`ToolError::Refused`] for a value that does not parse, and others.
    pub fn alter_topic(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<(), ToolError> {
        let altered = settings::alter_topic_config(self.client(), topic, changes, self.timeout());
        altered.map_err(|failure| self.failed(failure, topic))
    }

    /// Removes what lies before these offsets (`None`: everything). What each partition begins with now.
    ///
    /// # Errors
    /// [`ToolError::OutOfRange`] and others; partitions that were named before it are done.
    pub fn delete_records(
        &self,
        topic: &str,
        before: &BTreeMap<i32, Option<i64>>,
    ) -> Result<BTreeMap<i32, i64>, ToolError> {
        let partitions = self.partitions_of(topic)?;
        let mut list = PartitionList::new();
        for (partition, offset) in before {
            self.check_partition(topic, &partitions, *partition)?;
            // Kafka's -1: up to the high watermark.
            list.add(topic, *partition, offset.unwrap_or(-1), "");
        }
        let failed = |failure| self.failed(failure, topic);
        let outcome = native::delete_records(self.client(), &list, self.timeout()).map_err(failed)?;
        let mut starts = BTreeMap::new();
        for (partition, result) in outcome {
            match result {
                Ok(start) => drop(starts.insert(partition, start)),
                Err(failure) if failure.code == Code::OffsetOutOfRange => {
                    let offset = before.get(&partition).copied().flatten().unwrap_or(-1);
                    let bounds = self.bounds(topic, &[partition])?;
                    let (start, end) = bounds.get(&partition).copied().unwrap_or((-1, -1));
                    return Err(ToolError::OutOfRange { topic: topic.to_owned(), partition, offset, start, end });
                }
                Err(failure) => return Err(self.failed(failure, &format!("{topic}-{partition}"))),
            }
        }
        Ok(starts)
    }

    pub(super) fn check_partition(&self, topic: &str, known: &[i32], partition: i32) -> Result<(), ToolError> {
        if known.contains(&partition) {
            return Ok(());
        }
        let last = known.last().copied().unwrap_or(-1);
        Err(ToolError::UnknownPartition { topic: topic.to_owned(), partition, last })
    }
}
