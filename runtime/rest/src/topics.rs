//! Active topics of a connector, and (ours) the log's topics under `/sluice/v1/topics`.

use crate::dto::{ActiveTopics, CreateTopicRequest, PartitionOffsets, Record, RecordHeader, Topic};
use crate::error::RestError;
use crate::request::{JsonBody, is_true, parameter};
use crate::router::{Query, RestContext};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use sluice_client::{AdminError, Consumer, FetchPartition, NewTopic, TopicDescription, TopicId, TopicPartition};
use sluice_protocol::{RecordRef, batches, inflated};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much of a partition one look at it reads.
const READ_BYTES_MAX: usize = 1 << 20;
/// Records in one answer.
const RECORDS_MAX: usize = 10_000;

pub async fn active(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<BTreeMap<String, ActiveTopics>>, RestError> {
    if !context.herder.config().topic_tracking {
        return Err(RestError::Forbidden { message: "Topic tracking is disabled." });
    }
    let topics = context.herder.active_topics(&connector).await?.into_iter().collect();
    Ok(Json(BTreeMap::from([(connector, ActiveTopics { topics })])))
}

pub async fn reset_active(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<StatusCode, RestError> {
    let config = context.herder.config();
    if !config.topic_tracking {
        return Err(RestError::Forbidden { message: "Topic tracking is disabled." });
    }
    if !config.topic_tracking_reset {
        return Err(RestError::Forbidden { message: "Topic tracking reset is disabled." });
    }
    context.herder.reset_active_topics(&connector).await?;
    Ok(StatusCode::ACCEPTED)
}

pub async fn list(State(context): State<RestContext>, Query(query): Query) -> Result<Json<Vec<Topic>>, RestError> {
    let topics = context.herder.broker().admin().list_topics().await?;
    let with_internal = is_true(&query, "internal");
    Ok(Json(topics.into_iter().filter(|topic| with_internal || !topic.internal).map(shown).collect()))
}

pub async fn create(
    State(context): State<RestContext>,
    JsonBody(request): JsonBody<CreateTopicRequest>,
) -> Result<(StatusCode, Json<Topic>), RestError> {
    let new = NewTopic { name: request.name.into(), partitions: request.partitions, config: request.config };
    let topic = context.herder.broker().admin().create_topic(new).await?;
    Ok((StatusCode::CREATED, Json(shown(topic))))
}

pub async fn describe(State(context): State<RestContext>, Path(topic): Path<String>) -> Result<Json<Topic>, RestError> {
    let description = find(&context, &topic).await?;
    let consumer = context.herder.broker().consumer();
    let mut offsets = Vec::new();
    for partition in 0..description.partitions {
        let of = TopicPartition::new(description.name.clone(), partition);
        let (start, end) = (consumer.beginning_offset(&of).await, consumer.end_offset(&of).await);
        let (log_start_offset, high_watermark) = (start.map_err(unreadable)?, end.map_err(unreadable)?);
        offsets.push(PartitionOffsets { partition, log_start_offset, high_watermark });
    }
    Ok(Json(Topic { offsets: Some(offsets), ..shown(description) }))
}

pub async fn delete(State(context): State<RestContext>, Path(topic): Path<String>) -> Result<StatusCode, RestError> {
    if find(&context, &topic).await?.internal {
        let message = format!("{topic} is one of the hub's own topics and cannot be deleted");
        return Err(RestError::BadRequest { message });
    }
    context.herder.broker().admin().delete_topic(&topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `partition` (all), `offset` (the beginning), `limit` (100): records from there, ordered by partition and offset.
pub async fn records(
    State(context): State<RestContext>,
    Path(topic): Path<String>,
    Query(query): Query,
) -> Result<Json<Vec<Record>>, RestError> {
    let description = find(&context, &topic).await?;
    let limit = parameter(&query, "limit")?.unwrap_or(100).clamp(0, RECORDS_MAX as i64) as usize;
    let offset = parameter(&query, "offset")?;
    let partitions = match parameter(&query, "partition")? {
        Some(partition) => vec![partition as i32],
        None => (0..description.partitions).collect(),
    };
    let consumer = context.herder.broker().consumer();
    let mut records = Vec::new();
    for partition in partitions {
        let from = TopicPartition::new(description.name.clone(), partition);
        read(&*consumer, &from, offset, limit, &mut records).await?;
    }
    Ok(Json(records))
}

async fn read(
    consumer: &dyn Consumer,
    partition: &TopicPartition,
    offset: Option<i64>,
    limit: usize,
    records: &mut Vec<Record>,
) -> Result<(), RestError> {
    let start = consumer.beginning_offset(partition).await.map_err(unreadable)?;
    let end = consumer.end_offset(partition).await.map_err(unreadable)?;
    let mut next = offset.unwrap_or(start).max(start);
    while next < end && records.len() < limit {
        let request = FetchPartition { partition: partition.clone(), offset: next, max_bytes: READ_BYTES_MAX };
        let Some(fetched) = consumer.fetch(&[request], Duration::ZERO).await.pop() else { return Ok(()) };
        let bytes = fetched.map_err(unreadable)?.records;
        let before = next;
        let bytes = inflated(&bytes).map_err(unreadable)?;
        for batch in batches(&bytes) {
            let batch = batch.map_err(unreadable)?;
            let in_batch = batch.records().map_err(unreadable)?;
            for record in in_batch.flatten().filter(|record| record.offset >= before) {
                if records.len() < limit {
                    records.push(shown_record(partition.partition, &record));
                }
            }
            next = batch.last_offset() + 1;
        }
        if next == before {
            return Ok(());
        }
    }
    Ok(())
}

async fn find(context: &RestContext, topic: &str) -> Result<TopicDescription, RestError> {
    let found = context.herder.broker().admin().describe_topic(topic).await?;
    Ok(found.ok_or_else(|| AdminError::UnknownTopic { topic: topic.into() })?)
}

fn unreadable(error: impl std::fmt::Display) -> RestError {
    RestError::BadRequest { message: error.to_string() }
}

fn shown(topic: TopicDescription) -> Topic {
    Topic {
        name: topic.name.to_string(),
        id: id_text(topic.id),
        partitions: topic.partitions,
        internal: topic.internal,
        config: topic.config,
        offsets: None,
    }
}

/// As a UUID is written.
fn id_text(id: TopicId) -> String {
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn shown_record(partition: i32, record: &RecordRef<'_>) -> Record {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = record.headers.clone();
    Record {
        partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(text),
        value: record.value.map(text),
        headers: headers.map(|header| RecordHeader { key: text(header.key), value: header.value.map(text) }).collect(),
    }
}
