//! InitProducerId and DescribeProducers: ids of idempotent and transactional producers. Source: KIP-98, KIP-360, KIP-664.

use super::text;
use super::transactions::understood;
use crate::dispatch::Context;
use crate::error::WireError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, InitProducerIdRequest, InitProducerIdResponse,
};
use sluice_log::ProducerInfo;

/// Older clients know an epoch that is over, but no producer that was fenced. Source: KIP-588.
const FENCED_FROM: i16 = 4;

pub(crate) async fn init(context: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let made = match &request.transactional_id {
        // An idempotent producer without transactions that must start anew takes a new id, as in Kafka.
        None => context.shared.broker.next_producer_id().await.map(|id| (id, 0)).map_err(WireError::from),
        Some(id) => transactional(context, id, &request).await,
    };
    match made {
        Ok((id, epoch)) => InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(understood(error.code, context.version(), FENCED_FROM))
            .with_producer_id((-1).into())
            .with_producer_epoch(-1),
    }
}

async fn transactional(
    context: &Context,
    transactional_id: &str,
    request: &InitProducerIdRequest,
) -> Result<(i64, i16), WireError> {
    let expected = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (id, epoch) if id >= 0 && epoch >= 0 => Some((id, epoch)),
        _ => {
            let message = "a producer id goes with an epoch, or neither is set";
            return Err(WireError::new(ResponseError::InvalidRequest, message));
        }
    };
    let broker = &context.shared.broker;
    Ok(broker.init_transactions(transactional_id, request.transaction_timeout_ms, expected).await?)
}

pub(crate) fn describe(context: &Context, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let place = context.readable(&topic.name);
        let partitions = topic.partition_indexes.iter().map(|index| {
            let found = place.clone().and_then(|id| Ok(context.shared.broker.producers_of(id, *index)?));
            let answer = PartitionResponse::default().with_partition_index(*index);
            match found {
                Ok(producers) => answer.with_active_producers(producers.iter().map(producer).collect()),
                Err(error) => answer.with_error_code(error.code).with_error_message(Some(text(&error.message))),
            }
        });
        TopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn producer(info: &ProducerInfo) -> ProducerState {
    ProducerState::default()
        .with_producer_id(info.producer_id.into())
        .with_producer_epoch(i32::from(info.producer_epoch))
        .with_last_sequence(info.last_sequence)
        .with_last_timestamp(info.last_seen_ms)
        // There is one coordinator, and its markers say 0.
        .with_coordinator_epoch(0)
        .with_current_txn_start_offset(info.transaction_first_offset.unwrap_or(-1))
}
