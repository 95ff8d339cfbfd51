//! DescribeCluster: one node.

use super::text;
use crate::dispatch::Context;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

/// The endpoint type of brokers; 2 would be controllers (KIP-919).
const BROKERS: i8 = 1;

pub(crate) fn describe(context: &Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let (shared, peer) = (&context.shared, &context.peer);
    if request.endpoint_type != BROKERS {
        let error = ResponseError::UnsupportedEndpointType;
        return DescribeClusterResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(text("only brokers can be described here")))
            .with_endpoint_type(request.endpoint_type);
    }
    let node = DescribeClusterBroker::default()
        .with_broker_id(shared.config.node_id.into())
        .with_host(text(&peer.advertised.host))
        .with_port(i32::from(peer.advertised.port));
    DescribeClusterResponse::default()
        .with_endpoint_type(BROKERS)
        .with_cluster_id(text(&shared.cluster_id))
        .with_controller_id(shared.config.node_id.into())
        .with_brokers(vec![node])
        .with_cluster_authorized_operations(i32::MIN)
}
