//! Produce: record batches, unparsed, each partition an append of its own.

use super::text;
use crate::connection::ConnectionError;
use crate::dispatch::Context;
use crate::error::WireError;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use sluice_embedded::{PendingAppend, Produced};
use sluice_log::TopicId;
use sluice_protocol::{BatchError, Compression, batches};
use uuid::Uuid;

/// From this version on topics go by their id.
const TOPIC_IDS_FROM: i16 = 13;
/// Clients that may read zstd say so by this version (KIP-110).
const ZSTD_FROM: i16 = 7;

/// A request whose batches are in the log's queue, or refused.
pub(crate) struct HandedOver {
    acks: i16,
    topics: Vec<HandedOverTopic>,
}

struct HandedOverTopic {
    name: TopicName,
    id: Uuid,
    partitions: Vec<(i32, Result<PendingAppend, WireError>)>,
}

/// Hands every batch to the log, in the order of the request.
pub(crate) async fn hand_over(context: &Context, mut request: ProduceRequest) -> HandedOver {
    let refused = refusal_of_all(&request);
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in std::mem::take(&mut request.topic_data) {
        let place = find(context, &topic.name, topic.topic_id);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for partition in topic.partition_data {
            let place = refused.clone().map_or_else(|| place.clone(), Err);
            let outcome = match place {
                Ok(place) => {
                    let id = request.transactional_id.as_ref().map(|id| id.as_str());
                    append(context, place, partition.index, partition.records, id).await
                }
                Err(error) => Err(error),
            };
            partitions.push((partition.index, outcome));
        }
        topics.push(HandedOverTopic { name: topic.name, id: topic.topic_id, partitions });
    }
    HandedOver { acks: request.acks, topics }
}

fn refusal_of_all(request: &ProduceRequest) -> Option<WireError> {
    if !(-1..=1).contains(&request.acks) {
        let message = format!("acks={} is not -1, 0 or 1", request.acks);
        return Some(WireError::new(ResponseError::InvalidRequiredAcks, message));
    }
    None
}

fn find(context: &Context, name: &TopicName, id: Uuid) -> Result<TopicId, WireError> {
    if context.version() < TOPIC_IDS_FROM {
        return context.writable(name);
    }
    let unknown = || WireError::new(ResponseError::UnknownTopicId, format!("there is no topic with the id {id}"));
    let topic = context.shared.broker.topic_by_id(TopicId(*id.as_bytes())).ok_or_else(unknown)?;
    context.writable(&topic.name)
}

async fn append(
    context: &Context,
    topic: TopicId,
    partition: i32,
    records: Option<Bytes>,
    transactional_id: Option<&str>,
) -> Result<PendingAppend, WireError> {
    let records = records.unwrap_or_default();
    let broker = &context.shared.broker;
    match check(context.version(), &records)? {
        None => Ok(broker.append(topic, partition, records).await?),
        Some(producer) => {
            let appended = broker.append_in_transaction(transactional_id, producer, topic, partition, records);
            Ok(appended.await?)
        }
    }
}

/// What only a client's batch must keep; length, count and CRC are the log's to check. Source: Kafka's
/// `ProduceRequest.validateRecords` and `LogValidator`. Returns the producer of a transactional batch.
fn check(version: i16, records: &[u8]) -> Result<Option<(i64, i16)>, WireError> {
    let invalid = |message: &str| WireError::new(ResponseError::InvalidRecord, message);
    let mut found = batches(records);
    let batch = match found.next() {
        None => return Err(invalid("a partition of a produce request has no record batch")),
        Some(Err(error @ BatchError::UnsupportedMagic { .. })) => return Err(invalid(&error.to_string())),
        Some(Err(error)) => return Err(WireError::new(ResponseError::CorruptMessage, error.to_string())),
        Some(Ok(batch)) => batch,
    };
    if found.next().is_some() {
        return Err(invalid("a partition of a produce request has more than one record batch"));
    }
    if batch.is_control() {
        return Err(invalid("clients may not write control batches"));
    }
    if batch.is_transactional() && batch.producer_id() < 0 {
        return Err(invalid("a transactional batch has no producer id"));
    }
    if batch.count() != batch.last_offset_delta().saturating_add(1) {
        return Err(invalid("a record batch's count and last offset delta do not agree"));
    }
    if batch.producer_id() >= 0 && (batch.producer_epoch() < 0 || batch.base_sequence() < 0) {
        return Err(invalid("an idempotent producer's batch has no epoch or no sequence"));
    }
    if version < ZSTD_FROM && batch.compression() == Ok(Compression::Zstd) {
        let message = "zstd needs a client that speaks produce version 7";
        return Err(WireError::new(ResponseError::UnsupportedCompressionType, message));
    }
    Ok(batch.is_transactional().then(|| (batch.producer_id(), batch.producer_epoch())))
}

/// Waits until everything is durable; `None`: the client wants no answer.
pub(crate) async fn finish(
    context: &Context,
    handed_over: HandedOver,
) -> Result<Option<ProduceResponse>, ConnectionError> {
    let mut responses = Vec::with_capacity(handed_over.topics.len());
    for topic in handed_over.topics {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (index, outcome) in topic.partitions {
            let outcome = match outcome {
                // Without acknowledgement a client is told of a refusal only, by the end of its connection.
                Ok(_) if handed_over.acks == 0 => continue,
                Ok(pending) => pending.done().await.map_err(WireError::from),
                Err(error) => Err(error),
            };
            if let (Err(error), 0) = (&outcome, handed_over.acks) {
                return Err(ConnectionError::Request(format!(
                    "a batch sent with acks=0 was refused: {}",
                    error.message
                )));
            }
            answers.push(answer(context.version(), index, outcome));
        }
        let mut response = TopicProduceResponse::default().with_partition_responses(answers);
        if context.version() >= TOPIC_IDS_FROM {
            response = response.with_topic_id(topic.id);
        } else {
            response = response.with_name(topic.name);
        }
        responses.push(response);
    }
    if handed_over.acks == 0 {
        return Ok(None);
    }
    Ok(Some(ProduceResponse::default().with_responses(responses)))
}

fn answer(version: i16, index: i32, outcome: Result<Produced, WireError>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(produced) => response
            .with_base_offset(produced.base_offset)
            .with_log_append_time_ms(produced.log_append_time_ms.unwrap_or(-1))
            .with_log_start_offset(produced.log_start_offset),
        Err(error) => {
            let response = response
                .with_error_code(error.code)
                .with_base_offset(-1)
                .with_log_append_time_ms(-1)
                .with_log_start_offset(-1);
            if version >= 8 { response.with_error_message(Some(text(&error.message))) } else { response }
        }
    }
}
