//! Groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups, DeleteGroups. The coordinator
//! decides; here its requests and answers are put into each version's words.

use super::text;
use crate::connection::ConnectionError;
use crate::dispatch::Context;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use sluice_group as group;

/// Operations were not asked for, or authorisation is off. Source: KIP-430.
const NO_OPERATIONS: i32 = i32::MIN;

/// Asks the coordinator and takes the answer of the expected kind.
macro_rules! ask {
    ($context:expr, $kind:ident, $request:expr) => {
        match $context.shared.broker.group_request(group::Request::$kind($request)).answer().await {
            Some(group::Response::$kind(answer)) => Ok(answer),
            Some(other) => Err(ConnectionError::Request(format!("the coordinator answered {other:?}"))),
            None => Err(ConnectionError::Request("the broker was closed".into())),
        }
    };
}
pub(crate) use ask;

pub(crate) fn owned(text: &StrBytes) -> String {
    text.to_string()
}

pub(crate) fn optional(text: Option<&StrBytes>) -> Option<String> {
    text.map(ToString::to_string)
}

fn optional_text(value: Option<&String>) -> Option<StrBytes> {
    value.map(|value| text(value))
}

pub(crate) async fn join(context: &Context, request: JoinGroupRequest) -> Result<JoinGroupResponse, ConnectionError> {
    let version = context.version();
    let protocols = request.protocols.into_iter();
    let protocols = protocols.map(|one| group::JoinGroupProtocol { name: owned(&one.name), metadata: one.metadata });
    let rebalance_timeout_ms = if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let asked = group::JoinGroupRequest {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: optional(request.group_instance_id.as_ref()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: owned(&request.protocol_type),
        protocols: protocols.collect(),
        reason: optional(request.reason.as_ref()),
        requires_known_member_id: version >= 4,
        supports_skipping_assignment: version >= 9,
        client_id: context.header.client_id.clone(),
        client_host: format!("/{}", context.peer.address.ip().to_canonical()),
        member_id_suffix: uuid::Uuid::from_bytes(context.shared.broker.random()).to_string(),
    };
    let answer = ask!(context, JoinGroup, asked)?;
    let members = answer.members.into_iter().map(|member| {
        let one =
            JoinGroupResponseMember::default().with_member_id(text(&member.member_id)).with_metadata(member.metadata);
        one.with_group_instance_id(optional_text(member.group_instance_id.as_ref()))
    });
    // Until version 7 the name cannot be null.
    let no_name = (version < 7).then(StrBytes::default);
    Ok(JoinGroupResponse::default()
        .with_error_code(answer.error.code())
        .with_generation_id(answer.generation_id)
        .with_protocol_type(optional_text(answer.protocol_type.as_ref()))
        .with_protocol_name(optional_text(answer.protocol_name.as_ref()).or(no_name))
        .with_leader(text(&answer.leader))
        .with_skip_assignment(answer.skip_assignment)
        .with_member_id(text(&answer.member_id))
        .with_members(members.collect()))
}

pub(crate) async fn sync(context: &Context, request: SyncGroupRequest) -> Result<SyncGroupResponse, ConnectionError> {
    let assignments = request.assignments.into_iter();
    let assignments = assignments
        .map(|one| group::SyncGroupAssignment { member_id: owned(&one.member_id), assignment: one.assignment });
    let asked = group::SyncGroupRequest {
        group_id: owned(&request.group_id),
        generation_id: request.generation_id,
        member_id: owned(&request.member_id),
        group_instance_id: optional(request.group_instance_id.as_ref()),
        protocol_type: optional(request.protocol_type.as_ref()),
        protocol_name: optional(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    };
    let answer = ask!(context, SyncGroup, asked)?;
    Ok(SyncGroupResponse::default()
        .with_error_code(answer.error.code())
        .with_protocol_type(optional_text(answer.protocol_type.as_ref()))
        .with_protocol_name(optional_text(answer.protocol_name.as_ref()))
        .with_assignment(answer.assignment))
}

pub(crate) async fn heartbeat(
    context: &Context,
    request: HeartbeatRequest,
) -> Result<HeartbeatResponse, ConnectionError> {
    let asked = group::HeartbeatRequest {
        group_id: owned(&request.group_id),
        generation_id: request.generation_id,
        member_id: owned(&request.member_id),
        group_instance_id: optional(request.group_instance_id.as_ref()),
    };
    let answer = ask!(context, Heartbeat, asked)?;
    Ok(HeartbeatResponse::default().with_error_code(answer.error.code()))
}

pub(crate) async fn leave(
    context: &Context,
    request: LeaveGroupRequest,
) -> Result<LeaveGroupResponse, ConnectionError> {
    let batched = context.version() >= 3;
    let members = if batched {
        let each = request.members.iter().map(|member| group::LeavingMember {
            member_id: owned(&member.member_id),
            group_instance_id: optional(member.group_instance_id.as_ref()),
            reason: optional(member.reason.as_ref()),
        });
        each.collect()
    } else {
        let member_id = owned(&request.member_id);
        vec![group::LeavingMember { member_id, group_instance_id: None, reason: None }]
    };
    let asked = group::LeaveGroupRequest { group_id: owned(&request.group_id), members };
    let answer = ask!(context, LeaveGroup, asked)?;
    if !batched {
        let first = answer.members.first().map_or(0, |member| member.error.code());
        let code = if answer.error.is_none() { first } else { answer.error.code() };
        return Ok(LeaveGroupResponse::default().with_error_code(code));
    }
    let members = answer.members.iter().map(|member| {
        MemberResponse::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(optional_text(member.group_instance_id.as_ref()))
            .with_error_code(member.error.code())
    });
    Ok(LeaveGroupResponse::default().with_error_code(answer.error.code()).with_members(members.collect()))
}

pub(crate) async fn describe(
    context: &Context,
    request: DescribeGroupsRequest,
) -> Result<DescribeGroupsResponse, ConnectionError> {
    let asked = group::DescribeGroupsRequest { groups: request.groups.iter().map(|name| owned(name)).collect() };
    let answer = ask!(context, DescribeGroups, asked)?;
    let groups = answer.groups.into_iter().map(|one| {
        let members = one.members.into_iter().map(|member| {
            DescribedGroupMember::default()
                .with_member_id(text(&member.member_id))
                .with_group_instance_id(optional_text(member.group_instance_id.as_ref()))
                .with_client_id(text(&member.client_id))
                .with_client_host(text(&member.client_host))
                .with_member_metadata(member.metadata)
                .with_member_assignment(member.assignment)
        });
        // Before version 6 a group that does not exist is one that is dead (KIP-1043).
        let unknown = one.error == group::ErrorCode::GroupIdNotFound;
        let code = if unknown && context.version() < 6 { 0 } else { one.error.code() };
        let message = (unknown && context.version() >= 6).then(|| text(&format!("group {} not found", one.group_id)));
        DescribedGroup::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_group_id(GroupId(text(&one.group_id)))
            .with_group_state(text(one.state.name()))
            .with_protocol_type(text(&one.protocol_type))
            .with_protocol_data(text(&one.protocol_data))
            .with_members(members.collect())
            .with_authorized_operations(NO_OPERATIONS)
    });
    Ok(DescribeGroupsResponse::default().with_groups(groups.collect()))
}

pub(crate) async fn list(context: &Context, request: ListGroupsRequest) -> Result<ListGroupsResponse, ConnectionError> {
    let asked = group::ListGroupsRequest {
        states_filter: request.states_filter.iter().map(owned).collect(),
        types_filter: request.types_filter.iter().map(owned).collect(),
    };
    let answer = ask!(context, ListGroups, asked)?;
    let version = context.version();
    let groups = answer.groups.iter().map(|one| {
        let listed = ListedGroup::default()
            .with_group_id(GroupId(text(&one.group_id)))
            .with_protocol_type(text(&one.protocol_type));
        let listed = if version >= 4 { listed.with_group_state(text(one.state.name())) } else { listed };
        if version >= 5 { listed.with_group_type(text(one.group_type.name())) } else { listed }
    });
    Ok(ListGroupsResponse::default().with_groups(groups.collect()))
}

pub(crate) async fn delete(
    context: &Context,
    request: DeleteGroupsRequest,
) -> Result<DeleteGroupsResponse, ConnectionError> {
    let asked = group::DeleteGroupsRequest { groups: request.groups_names.iter().map(|name| owned(name)).collect() };
    let answer = ask!(context, DeleteGroups, asked)?;
    let results = answer.results.iter().map(|one| {
        DeletableGroupResult::default().with_group_id(GroupId(text(&one.group_id))).with_error_code(one.error.code())
    });
    Ok(DeleteGroupsResponse::default().with_results(results.collect()))
}
