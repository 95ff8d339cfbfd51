//! InitProducerId: ids of idempotent producers. Source: KIP-98, KIP-360.

use crate::dispatch::Context;
use crate::error::WireError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

pub(crate) async fn init(context: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let refused = |code| {
        InitProducerIdResponse::default().with_error_code(code).with_producer_id((-1).into()).with_producer_epoch(-1)
    };
    if request.transactional_id.as_ref().is_some_and(|id| id.is_empty()) {
        return refused(ResponseError::InvalidRequest.code());
    }
    if request.transactional_id.is_some() {
        tracing::info!(client = context.header.client_id, "a transactional producer was refused: no transactions yet");
        return refused(ResponseError::CoordinatorNotAvailable.code());
    }
    // An idempotent producer without transactions that must start anew takes a new id, as in Kafka.
    match context.shared.broker.next_producer_id().await {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(0),
        Err(error) => refused(WireError::from(error).code),
    }
}
