//! Which partitions a sink task reads, and where it stands in each.

use crate::sink_batch::OpenBatch;
use crate::sink_plan::{Plan, topic_id_text};
use crate::task_config::{OffsetReset, TopicSelection};
use crate::task_error::TaskError;
use sluice_client::{Broker, GroupOffset, TopicDescription, TopicId, TopicPartition};
use sluice_protocol::murmur2;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One partition of the assignment. All offsets are the next one.
pub(crate) struct AssignedPartition {
    pub partition: TopicPartition,
    pub topic_id: TopicId,
    /// To fetch.
    pub position: i64,
    /// Behind the last batch that was closed.
    pub closed: i64,
    /// What the connector vouched for.
    pub vouched: i64,
    pub high_watermark: i64,
    /// Planned, and not vouched for yet.
    pub plans: Vec<Plan>,
    /// Whether `plans` differs from what the journal holds.
    pub plans_changed: bool,
    pub batch: OpenBatch,
}

/// Which of all partitions are this task's: each topic's are dealt out in turn, so that a partition keeps its task
/// when others are added.
///
/// # Errors
/// [`TaskError::Admin`].
pub(crate) async fn assignment(
    broker: &dyn Broker,
    selection: &TopicSelection,
    (task_index, task_count): (u32, u32),
) -> Result<Vec<(TopicPartition, TopicId)>, TaskError> {
    let mut assigned = Vec::new();
    for topic in selected_topics(broker, selection).await? {
        let shift = u64::from(murmur2(topic.name.as_bytes()));
        for partition in 0..topic.partitions {
            if (shift + partition as u64) % u64::from(task_count.max(1)) == u64::from(task_index) {
                assigned.push((TopicPartition::new(Arc::clone(&topic.name), partition), topic.id));
            }
        }
    }
    assigned.sort();
    Ok(assigned)
}

async fn selected_topics(broker: &dyn Broker, selection: &TopicSelection) -> Result<Vec<TopicDescription>, TaskError> {
    let admin = broker.admin();
    match selection {
        TopicSelection::Names(names) => {
            let mut topics = Vec::new();
            for name in names {
                topics.extend(admin.describe_topic(name).await?);
            }
            topics.sort_by(|one, two| one.name.cmp(&two.name));
            topics.dedup_by(|one, two| one.name == two.name);
            Ok(topics)
        }
        TopicSelection::Matching(regex) => {
            let topics = admin.list_topics().await?.into_iter();
            Ok(topics.filter(|topic| !topic.internal && regex.is_match(&topic.name)).collect())
        }
    }
}

/// Where each partition was left: its committed offset, else the beginning or the end.
///
/// # Errors
/// The broker's own.
pub(crate) async fn positions(
    broker: &dyn Broker,
    group: &str,
    assigned: Vec<(TopicPartition, TopicId)>,
    reset: OffsetReset,
) -> Result<Vec<AssignedPartition>, TaskError> {
    let committed = broker.admin().group_offsets(group).await?;
    let consumer = broker.consumer();
    let mut partitions = Vec::with_capacity(assigned.len());
    for (partition, topic_id) in assigned {
        let position = match (committed_offset(&committed, &partition, topic_id), reset) {
            (Some(offset), _) => offset,
            (None, OffsetReset::Earliest) => consumer.beginning_offset(&partition).await?,
            (None, OffsetReset::Latest) => consumer.end_offset(&partition).await?,
        };
        partitions.push(AssignedPartition {
            partition,
            topic_id,
            position,
            closed: position,
            vouched: position,
            high_watermark: position,
            plans: Vec::new(),
            plans_changed: false,
            batch: OpenBatch::default(),
        });
    }
    Ok(partitions)
}

/// The sink's commits carry the topic's id, so that a topic that was deleted and made again is read from its start.
fn committed_offset(
    committed: &BTreeMap<TopicPartition, GroupOffset>,
    partition: &TopicPartition,
    topic_id: TopicId,
) -> Option<i64> {
    let committed = committed.get(partition)?;
    let same_topic = committed.metadata.is_empty() || committed.metadata == topic_id_text(topic_id);
    same_topic.then_some(committed.offset)
}
