//! CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords, and topics that Metadata creates.

use super::{not_allowed, text, topic_configs};
use crate::dispatch::Context;
use crate::error::WireError;
use crate::server::Shared;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use sluice_client::{AdminError, Broker, NewTopic};
use sluice_log::{TopicId, TopicInfo};
use std::collections::HashMap;
use uuid::Uuid;

/// Every partition is on this one broker.
const REPLICATION_FACTOR: i16 = 1;
/// From this version on topics may go by their id (KIP-516).
const TOPIC_IDS_FROM: i16 = 6;

// ---- create

pub(crate) async fn create(context: &Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut times: HashMap<String, usize> = HashMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.to_string()).or_default() += 1;
    }
    let mut answers = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let twice = times.get(topic.name.as_str()).is_some_and(|times| *times > 1);
        let name = topic.name.clone();
        let outcome = if twice {
            Err(WireError::new(ResponseError::InvalidRequest, format!("topic {} stands twice in the request", &*name)))
        } else {
            create_one(context, topic, request.validate_only).await
        };
        answers.push(created(context, name, outcome));
    }
    CreateTopicsResponse::default().with_topics(answers)
}

fn created(context: &Context, name: TopicName, outcome: Result<TopicInfo, WireError>) -> CreatableTopicResult {
    let answer = CreatableTopicResult::default().with_name(name);
    let topic = match outcome {
        Err(error) => {
            let answer = answer.with_error_code(error.code).with_error_message(error.text());
            return if context.version() >= 5 {
                answer.with_num_partitions(-1).with_replication_factor(-1).with_configs(None)
            } else {
                answer
            };
        }
        Ok(topic) => topic,
    };
    if context.version() < 5 {
        return answer;
    }
    let configs =
        topic_configs::effective(&topic.config, context.shared.broker.durability()).map(|(setting, value, source)| {
            CreatableTopicConfigs::default()
                .with_name(text(setting.name))
                .with_value(Some(text(&value)))
                .with_config_source(source)
        });
    let answer = answer
        .with_num_partitions(topic.partitions)
        .with_replication_factor(REPLICATION_FACTOR)
        .with_configs(Some(configs.collect()));
    if context.version() >= 7 { answer.with_topic_id(Uuid::from_bytes(topic.id.0)) } else { answer }
}

async fn create_one(context: &Context, topic: CreatableTopic, validate_only: bool) -> Result<TopicInfo, WireError> {
    let new = plan(context, topic)?;
    if context.shared.broker.topic_id(&new.name).is_some() {
        return Err(AdminError::TopicExists { topic: new.name }.into());
    }
    if validate_only {
        let NewTopic { name, partitions, config } = new;
        return Ok(TopicInfo { name, id: TopicId([0; 16]), partitions, config });
    }
    really_create(context, new).await
}

async fn really_create(context: &Context, new: NewTopic) -> Result<TopicInfo, WireError> {
    let created = context.shared.broker.admin().create_topic(new).await?;
    let (name, partitions, config) = (created.name, created.partitions, created.config);
    Ok(TopicInfo { name, id: TopicId(created.id.0), partitions, config })
}

/// Checks all that can be checked before the log is asked, so that each mistake has Kafka's code.
fn plan(context: &Context, topic: CreatableTopic) -> Result<NewTopic, WireError> {
    let name = topic.name.to_string();
    sluice_log::check_topic_name(&name).map_err(|why| WireError::new(ResponseError::InvalidTopicException, why))?;
    if Shared::is_internal(&name) {
        return Err(not_allowed(&name, "created"));
    }
    let partitions = planned_partitions(context, &topic)?;
    if topic.replication_factor == 0 || topic.replication_factor < -1 {
        let message = format!("a replication factor of {} is not possible", topic.replication_factor);
        return Err(WireError::new(ResponseError::InvalidReplicationFactor, message));
    }
    if topic.replication_factor > REPLICATION_FACTOR {
        let asked = topic.replication_factor;
        tracing::info!(topic = name, asked, "the embedded log does not replicate; the topic has one replica");
    }
    let mut config = context.shared.config.topic_defaults.clone();
    for setting in topic.configs {
        let missing = || WireError::new(ResponseError::InvalidConfig, format!("{} has no value", setting.name));
        config.insert(setting.name.to_string(), setting.value.as_ref().ok_or_else(missing)?.to_string());
    }
    sluice_log::check_topic_config(&config).map_err(|why| WireError::new(ResponseError::InvalidConfig, why))?;
    Ok(NewTopic { name: name.into(), partitions, config })
}

fn planned_partitions(context: &Context, topic: &CreatableTopic) -> Result<i32, WireError> {
    let invalid = |message: String| WireError::new(ResponseError::InvalidReplicaAssignment, message);
    let partitions = match (topic.num_partitions, topic.assignments.len()) {
        (-1, 0) => context.shared.config.num_partitions,
        (count, 0) => count,
        (-1, assigned) => {
            let node = context.shared.config.node_id;
            let strange = |id: &kafka_protocol::messages::BrokerId| id.0 != node;
            if topic.assignments.iter().any(|part| part.broker_ids.iter().any(strange)) {
                return Err(invalid(format!("the only broker is {node}")));
            }
            i32::try_from(assigned).unwrap_or(i32::MAX)
        }
        _ => {
            let message = "give a number of partitions or an assignment, not both";
            return Err(WireError::new(ResponseError::InvalidRequest, message));
        }
    };
    if (1..=100_000).contains(&partitions) {
        Ok(partitions)
    } else {
        let message = format!("a topic has 1 to 100000 partitions, not {partitions}");
        Err(WireError::new(ResponseError::InvalidPartitions, message))
    }
}

/// A topic that a client asked Metadata for.
pub(crate) async fn create_automatically(context: &Context, name: &str) -> Result<TopicInfo, WireError> {
    sluice_log::check_topic_name(name).map_err(|why| WireError::new(ResponseError::InvalidTopicException, why))?;
    let partitions = context.shared.config.num_partitions;
    let config = context.shared.config.topic_defaults.clone();
    let new = NewTopic { name: name.into(), partitions, config };
    match really_create(context, new).await {
        // Another client was quicker.
        Err(error) if error.code == ResponseError::TopicAlreadyExists.code() => {
            context.shared.broker.topic(name).ok_or_else(|| WireError::unknown_topic(name))
        }
        created => created.inspect(|topic| {
            tracing::info!(topic = %topic.name, partitions, client = context.header.client_id, "topic created on demand");
        }),
    }
}

// ---- delete

pub(crate) async fn delete(context: &Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil()));
    let either = request.topics.into_iter().map(|topic| (topic.name, topic.topic_id));
    let wanted: Vec<_> = if context.version() < TOPIC_IDS_FROM { by_name.collect() } else { either.collect() };
    let mut answers = Vec::with_capacity(wanted.len());
    for (name, id) in wanted {
        let found = named_or_identified(context, name.as_ref(), id);
        let mut answer = DeletableTopicResult::default();
        let outcome = match found {
            Ok(topic) => {
                answer = answer.with_name(Some(TopicName(text(&topic.name))));
                if context.version() >= TOPIC_IDS_FROM {
                    answer = answer.with_topic_id(Uuid::from_bytes(topic.id.0));
                }
                context.shared.broker.admin().delete_topic(&topic.name).await.map_err(WireError::from)
            }
            Err(error) => {
                answer = answer.with_name(name);
                if context.version() >= TOPIC_IDS_FROM {
                    answer = answer.with_topic_id(id);
                }
                Err(error)
            }
        };
        answers.push(match outcome {
            Ok(()) => answer,
            Err(error) if context.version() >= 5 => answer.with_error_code(error.code).with_error_message(error.text()),
            Err(error) => answer.with_error_code(error.code),
        });
    }
    DeleteTopicsResponse::default().with_responses(answers)
}

fn named_or_identified(context: &Context, name: Option<&TopicName>, id: Uuid) -> Result<TopicInfo, WireError> {
    let broker = &context.shared.broker;
    let topic = match name {
        Some(name) => {
            if Shared::is_internal(name) {
                return Err(not_allowed(name, "deleted"));
            }
            broker.topic(name).ok_or_else(|| WireError::unknown_topic(name))?
        }
        None => broker.topic_by_id(TopicId(*id.as_bytes())).ok_or_else(|| {
            WireError::new(ResponseError::UnknownTopicId, format!("there is no topic with the id {id}"))
        })?,
    };
    if Shared::is_internal(&topic.name) { Err(not_allowed(&topic.name, "deleted")) } else { Ok(topic) }
}

// ---- grow

pub(crate) async fn create_partitions(context: &Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut answers = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let outcome = grow(context, &topic, request.validate_only).await;
        let answer = CreatePartitionsTopicResult::default().with_name(topic.name);
        answers.push(match outcome {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code).with_error_message(error.text()),
        });
    }
    CreatePartitionsResponse::default().with_results(answers)
}

async fn grow(context: &Context, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), WireError> {
    let invalid = |message: String| WireError::new(ResponseError::InvalidPartitions, message);
    let id = context.writable(&topic.name)?;
    let has = context.shared.broker.topic_facts(id).map_or(0, |facts| facts.partitions);
    if topic.count <= has {
        return Err(invalid(format!("topic {} has {has} partitions already; ask for more", &*topic.name)));
    }
    if topic.count > 100_000 {
        return Err(invalid(format!("a topic has at most 100000 partitions, not {}", topic.count)));
    }
    if topic.assignments.as_ref().is_some_and(|given| given.len() != (topic.count - has) as usize) {
        let message = "the assignment does not name each new partition once";
        return Err(WireError::new(ResponseError::InvalidReplicaAssignment, message));
    }
    if validate_only {
        return Ok(());
    }
    Ok(context.shared.broker.admin().create_partitions(&topic.name, topic.count).await?)
}

// ---- records

pub(crate) async fn delete_records(context: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut answers = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let place = context.writable(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for part in topic.partitions {
            let deleted = match &place {
                Ok(id) => delete_before(context, *id, part.partition_index, part.offset).await,
                Err(error) => Err(error.clone()),
            };
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(part.partition_index);
            partitions.push(match deleted {
                Ok(start) => answer.with_low_watermark(start),
                Err(error) => answer.with_low_watermark(-1).with_error_code(error.code),
            });
        }
        answers.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(answers)
}

async fn delete_before(context: &Context, topic: TopicId, partition: i32, offset: i64) -> Result<i64, WireError> {
    Ok(context.shared.broker.delete_records(topic, partition, offset).await??)
}
