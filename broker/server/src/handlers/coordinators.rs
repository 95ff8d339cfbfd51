//! FindCoordinator: this broker coordinates every group and every transaction.

use super::text;
use crate::dispatch::Context;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

/// From this version on several keys are asked for at once (KIP-699).
const BATCHED_FROM: i16 = 4;
/// 0: groups, 1: transactions. 2 would be share groups, which do not exist here yet.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

pub(crate) fn find(context: &Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let (node, endpoint) = (context.shared.config.node_id, &context.peer.advertised);
    let known = KEY_TYPES.contains(&request.key_type);
    let error = (!known).then_some(ResponseError::InvalidRequest);
    let code = error.map_or(0, |error| error.code());
    let message = error.map(|_| text(&format!("key type {} has no coordinator here", request.key_type)));
    let (node, host, port) =
        if known { (node, text(&endpoint.host), i32::from(endpoint.port)) } else { (-1, text(""), -1) };
    if context.version() < BATCHED_FROM {
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_node_id(node.into())
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(node.into())
            .with_host(host.clone())
            .with_port(port)
            .with_error_code(code)
            .with_error_message(message.clone())
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
