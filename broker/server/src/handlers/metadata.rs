//! Metadata and DescribeTopicPartitions: one broker, its topics.

use super::{not_allowed, text, topics};
use crate::dispatch::Context;
use crate::error::WireError;
use crate::server::Shared;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest, MetadataResponse,
    TopicName,
};
use sluice_log::{TopicId, TopicInfo};
use uuid::Uuid;

/// Operations were not asked for, or authorisation is off. Source: KIP-430.
const NO_OPERATIONS: i32 = i32::MIN;
/// Up to this version an empty list asks for all topics; later only null does.
const EMPTY_MEANS_ALL_UP_TO: i16 = 0;
/// A broker's cap on one answer. Source: Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: usize = 2000;

pub(crate) async fn metadata(context: &Context, request: MetadataRequest) -> MetadataResponse {
    let (shared, endpoint) = (&context.shared, &context.peer.advertised);
    let node = BrokerId(shared.config.node_id);
    let broker = MetadataResponseBroker::default()
        .with_node_id(node)
        .with_host(text(&endpoint.host))
        .with_port(i32::from(endpoint.port));
    let wanted = request.topics.filter(|topics| context.version() > EMPTY_MEANS_ALL_UP_TO || !topics.is_empty());
    let mut answers = Vec::new();
    match wanted {
        None => answers.extend(shared.readable_topics().map(|topic| describe(context, topic))),
        Some(topics) => {
            for topic in topics {
                let id = topic.topic_id;
                let found = match &topic.name {
                    Some(name) => named(context, name, request.allow_auto_topic_creation).await,
                    None => identified(shared, id),
                };
                answers.push(match found {
                    Ok(info) => describe(context, info),
                    Err(error) => MetadataResponseTopic::default()
                        .with_error_code(error.code)
                        .with_name(topic.name.or_else(|| (context.version() < 12).then(TopicName::default)))
                        .with_topic_id(id)
                        .with_topic_authorized_operations(NO_OPERATIONS),
                });
            }
        }
    }
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&shared.cluster_id)))
        .with_controller_id(node)
        .with_topics(answers)
        .with_cluster_authorized_operations(NO_OPERATIONS)
}

async fn named(context: &Context, name: &str, may_create: bool) -> Result<TopicInfo, WireError> {
    let shared = &context.shared;
    if !shared.is_readable(name) {
        return Err(not_allowed(name, "read"));
    }
    if let Some(topic) = shared.broker.topic(name) {
        return Ok(topic);
    }
    if !may_create || !shared.config.auto_create || Shared::is_internal(name) {
        sluice_log::check_topic_name(name).map_err(|why| WireError::new(ResponseError::InvalidTopicException, why))?;
        return Err(WireError::unknown_topic(name));
    }
    topics::create_automatically(context, name).await
}

fn identified(shared: &Shared, id: Uuid) -> Result<TopicInfo, WireError> {
    let found = shared.broker.topic_by_id(TopicId(*id.as_bytes()));
    found
        .filter(|topic| shared.is_readable(&topic.name))
        .ok_or_else(|| WireError::new(ResponseError::UnknownTopicId, format!("there is no topic with the id {id}")))
}

fn describe(context: &Context, topic: TopicInfo) -> MetadataResponseTopic {
    let node = BrokerId(context.shared.config.node_id);
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(node)
            .with_leader_epoch(context.shared.broker.leader_epoch())
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
    };
    MetadataResponseTopic::default()
        .with_is_internal(Shared::is_internal(&topic.name))
        .with_name(Some(TopicName(text(&topic.name))))
        .with_topic_id(Uuid::from_bytes(topic.id.0))
        .with_partitions((0..topic.partitions).map(partition).collect())
        .with_topic_authorized_operations(NO_OPERATIONS)
}

/// Source: KIP-966.
pub(crate) fn describe_topic_partitions(
    context: &Context,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let shared = &context.shared;
    let mut names: Vec<String> = if request.topics.is_empty() {
        shared.readable_topics().map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    names.sort_unstable();
    names.dedup();
    let cursor = request.cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index.max(0)));
    let (first_name, first_partition) = cursor.unwrap_or_default();
    let mut room = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PARTITIONS_MAX);
    let mut answers = Vec::new();
    for name in names.into_iter().filter(|name| *name >= first_name) {
        let from = if name == first_name { first_partition } else { 0 };
        if room == 0 {
            let next = Cursor::default().with_topic_name(TopicName(text(&name))).with_partition_index(from);
            return DescribeTopicPartitionsResponse::default().with_topics(answers).with_next_cursor(Some(next));
        }
        let topic = match shared.broker.topic(&name).filter(|_| shared.is_readable(&name)) {
            Some(topic) => topic,
            None => {
                let error = context.readable(&name).err().unwrap_or_else(|| WireError::unknown_topic(&name));
                answers.push(
                    DescribeTopicPartitionsResponseTopic::default()
                        .with_error_code(error.code)
                        .with_name(Some(TopicName(text(&name))))
                        .with_topic_authorized_operations(NO_OPERATIONS),
                );
                continue;
            }
        };
        let to = topic.partitions.min(from.saturating_add(room as i32));
        room -= (to - from).max(0) as usize;
        let rest = to < topic.partitions;
        answers.push(describe_part(context, &topic, from..to));
        if rest {
            let next = Cursor::default().with_topic_name(TopicName(text(&name))).with_partition_index(to);
            return DescribeTopicPartitionsResponse::default().with_topics(answers).with_next_cursor(Some(next));
        }
    }
    DescribeTopicPartitionsResponse::default().with_topics(answers)
}

fn describe_part(
    context: &Context,
    topic: &TopicInfo,
    partitions: std::ops::Range<i32>,
) -> DescribeTopicPartitionsResponseTopic {
    let node = BrokerId(context.shared.config.node_id);
    let partition = |index| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(node)
            .with_leader_epoch(context.shared.broker.leader_epoch())
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(text(&topic.name))))
        .with_topic_id(Uuid::from_bytes(topic.id.0))
        .with_is_internal(Shared::is_internal(&topic.name))
        .with_partitions(partitions.map(partition).collect())
        .with_topic_authorized_operations(NO_OPERATIONS)
}
