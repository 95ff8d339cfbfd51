//! Offsets of groups: OffsetCommit, OffsetFetch, OffsetDelete.

use super::groups::{ask, optional, owned};
use super::text;
use crate::connection::ConnectionError;
use crate::dispatch::Context;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use sluice_group as group;
use std::collections::HashMap;

/// From this version on several groups are asked for at once (KIP-709).
const SEVERAL_GROUPS_FROM: i16 = 8;

/// The codes of a commit's partitions, by topic and partition.
type Codes = HashMap<(String, i32), i16>;

// ---- commit

pub(crate) async fn commit(
    context: &Context,
    request: OffsetCommitRequest,
) -> Result<OffsetCommitResponse, ConnectionError> {
    let version = context.version();
    let mut codes = Codes::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let name = topic.name.to_string();
        let known = partitions_of(context, &name);
        let (good, bad): (Vec<_>, Vec<_>) =
            topic.partitions.iter().partition(|part| (0..known).contains(&part.partition_index));
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        codes.extend(bad.into_iter().map(|part| ((name.clone(), part.partition_index), unknown)));
        if !good.is_empty() {
            topics.push(group::Topic { name, partitions: good.into_iter().map(commit_offset).collect() });
        }
    }
    if !topics.is_empty() || request.topics.is_empty() {
        let retention = (2..=4).contains(&version).then_some(request.retention_time_ms).filter(|ms| *ms != -1);
        let asked = group::OffsetCommitRequest {
            group_id: owned(&request.group_id),
            generation_id_or_member_epoch: request.generation_id_or_member_epoch,
            member_id: owned(&request.member_id),
            group_instance_id: optional(request.group_instance_id.as_ref()),
            retention_time_ms: retention,
            understands_group_id_not_found: version >= 9,
            topics,
        };
        let answer = ask!(context, OffsetCommit, asked)?;
        for topic in answer.topics {
            codes.extend(topic.partitions.iter().map(|part| ((topic.name.clone(), part.partition), part.error.code())));
        }
    }
    let topics = request.topics.into_iter().map(|topic| {
        let name = topic.name.to_string();
        let code = |index: i32| codes.get(&(name.clone(), index)).copied().unwrap_or_default();
        let partitions = topic.partitions.iter().map(|part| {
            let index = part.partition_index;
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code(index))
        });
        OffsetCommitResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    Ok(OffsetCommitResponse::default().with_topics(topics.collect()))
}

/// 0 when the client knows no such topic.
pub(crate) fn partitions_of(context: &Context, name: &str) -> i32 {
    let facts = context.readable(name).ok().and_then(|id| context.shared.broker.topic_facts(id));
    facts.map_or(0, |facts| facts.partitions)
}

fn commit_offset(part: &OffsetCommitRequestPartition) -> group::CommitOffset {
    group::CommitOffset {
        partition: part.partition_index,
        offset: part.committed_offset,
        leader_epoch: part.committed_leader_epoch,
        metadata: optional(part.committed_metadata.as_ref()),
    }
}

// ---- fetch

pub(crate) async fn fetch(
    context: &Context,
    request: OffsetFetchRequest,
) -> Result<OffsetFetchResponse, ConnectionError> {
    let version = context.version();
    let topics =
        |name: &TopicName, partitions: &[i32]| group::Topic { name: name.to_string(), partitions: partitions.to_vec() };
    let groups = if version >= SEVERAL_GROUPS_FROM {
        let each = request.groups.iter().map(|one| group::OffsetFetchGroup {
            group_id: owned(&one.group_id),
            member_id: optional(one.member_id.as_ref()),
            member_epoch: one.member_epoch,
            topics: one.topics.as_ref().map(|all| all.iter().map(|t| topics(&t.name, &t.partition_indexes)).collect()),
        });
        each.collect()
    } else {
        let asked = request.topics.as_ref();
        vec![group::OffsetFetchGroup {
            group_id: owned(&request.group_id),
            member_id: None,
            member_epoch: -1,
            topics: asked.map(|all| all.iter().map(|t| topics(&t.name, &t.partition_indexes)).collect()),
        }]
    };
    let asked = group::OffsetFetchRequest { groups, require_stable: request.require_stable };
    let mut answer = ask!(context, OffsetFetch, asked)?;
    if version >= SEVERAL_GROUPS_FROM {
        let groups = answer.groups.into_iter().map(fetched_group);
        return Ok(OffsetFetchResponse::default().with_groups(groups.collect()));
    }
    let Some(only) = answer.groups.pop() else { return Ok(OffsetFetchResponse::default()) };
    let response = OffsetFetchResponse::default().with_topics(only.topics.iter().map(fetched_topic).collect());
    Ok(if version >= 2 { response.with_error_code(only.error.code()) } else { response })
}

fn fetched_group(one: group::FetchedGroup) -> OffsetFetchResponseGroup {
    let topics = one.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|part| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(part.partition)
                .with_committed_offset(part.offset)
                .with_committed_leader_epoch(part.leader_epoch)
                .with_metadata(Some(text(&part.metadata)))
                .with_error_code(part.error.code())
        });
        OffsetFetchResponseTopics::default()
            .with_name(TopicName(text(&topic.name)))
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(GroupId(text(&one.group_id)))
        .with_topics(topics.collect())
        .with_error_code(one.error.code())
}

fn fetched_topic(topic: &group::Topic<group::FetchedOffset>) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.iter().map(|part| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(part.partition)
            .with_committed_offset(part.offset)
            .with_committed_leader_epoch(part.leader_epoch)
            .with_metadata(Some(text(&part.metadata)))
            .with_error_code(part.error.code())
    });
    OffsetFetchResponseTopic::default().with_name(TopicName(text(&topic.name))).with_partitions(partitions.collect())
}

// ---- delete

/// Source: KIP-496.
pub(crate) async fn delete(
    context: &Context,
    request: OffsetDeleteRequest,
) -> Result<OffsetDeleteResponse, ConnectionError> {
    let topics = request.topics.iter().map(|topic| group::Topic {
        name: topic.name.to_string(),
        partitions: topic.partitions.iter().map(|part| part.partition_index).collect(),
    });
    let asked = group::OffsetDeleteRequest { group_id: owned(&request.group_id), topics: topics.collect() };
    let answer = ask!(context, OffsetDelete, asked)?;
    let topics = answer.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|part| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(part.partition)
                .with_error_code(part.error.code())
        });
        OffsetDeleteResponseTopic::default()
            .with_name(TopicName(text(&topic.name)))
            .with_partitions(partitions.collect())
    });
    Ok(OffsetDeleteResponse::default().with_error_code(answer.error.code()).with_topics(topics.collect()))
}
