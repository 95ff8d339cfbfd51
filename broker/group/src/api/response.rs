//! Answers, for a handler to encode.

use super::Topic;
use crate::{ErrorCode, GroupState, GroupType};
use bytes::Bytes;

/// The answer to the [`Request`](super::Request) of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    /// Shaped as OffsetCommit's.
    TxnOffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    OffsetDelete(OffsetDeleteResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResponse {
    pub error: ErrorCode,
    /// -1 with an error.
    pub generation_id: i32,
    /// v7 and later.
    pub protocol_type: Option<String>,
    /// `None` with an error: null from v7, the empty string before.
    pub protocol_name: Option<String>,
    /// Empty with an error.
    pub leader: String,
    /// v9 and later: the leader shall take the assignment that the group has.
    pub skip_assignment: bool,
    /// With MEMBER_ID_REQUIRED, the id to come back with.
    pub member_id: String,
    /// For the leader, everybody; empty for others.
    pub members: Vec<JoinGroupMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// What the member sent for the chosen protocol.
    pub metadata: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroupResponse {
    pub error: ErrorCode,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub assignment: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatResponse {
    pub error: ErrorCode,
}

/// v0–2 have only one error: the group's, else the first member's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupResponse {
    pub error: ErrorCode,
    /// In the order of the request; empty with an error of the group.
    pub members: Vec<LeftMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub error: ErrorCode,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCommitResponse {
    /// In the order of the request.
    pub topics: Vec<Topic<PartitionError>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionError {
    pub partition: i32,
    pub error: ErrorCode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponse {
    /// In the order of the request.
    pub groups: Vec<FetchedGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedGroup {
    pub group_id: String,
    pub error: ErrorCode,
    pub topics: Vec<Topic<FetchedOffset>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    pub partition: i32,
    /// -1: none committed.
    pub offset: i64,
    /// -1: unknown.
    pub leader_epoch: i32,
    /// Empty when there is none.
    pub metadata: String,
    pub error: ErrorCode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteResponse {
    /// With an error here, `topics` is empty.
    pub error: ErrorCode,
    pub topics: Vec<Topic<PartitionError>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeGroupsResponse {
    pub groups: Vec<DescribedGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    pub group_id: String,
    /// GROUP_ID_NOT_FOUND from v6 (KIP-1043); older versions get NONE with the state Dead.
    pub error: ErrorCode,
    pub state: GroupState,
    pub protocol_type: String,
    /// The chosen protocol, empty unless stable.
    pub protocol_data: String,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGroupsResponse {
    /// Sorted by group id.
    pub groups: Vec<ListedGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    pub group_id: String,
    /// Empty for a group that only stores offsets.
    pub protocol_type: String,
    pub state: GroupState,
    pub group_type: GroupType,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroupsResponse {
    /// In the order of the request.
    pub results: Vec<DeletedGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedGroup {
    pub group_id: String,
    pub error: ErrorCode,
}
