//! Requests, as a handler has decoded them.

use super::ProducerIdAndEpoch;
use bytes::Bytes;

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    OffsetCommit(OffsetCommitRequest),
    TxnOffsetCommit(TxnOffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    OffsetDelete(OffsetDeleteRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
}

/// A topic and something for each of its partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic<P> {
    pub name: String,
    pub partitions: Vec<P>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinGroupRequest {
    pub group_id: String,
    /// Empty at the first join of a client.
    pub member_id: String,
    /// `Some` makes a static member (KIP-345, from v5).
    pub group_instance_id: Option<String>,
    pub session_timeout_ms: i32,
    /// v0 has none: pass the session timeout.
    pub rebalance_timeout_ms: i32,
    /// `consumer` or `connect`, for instance.
    pub protocol_type: String,
    /// In the member's order of preference.
    pub protocols: Vec<JoinGroupProtocol>,
    /// Why the client joins (v8, KIP-800). Only for people.
    pub reason: Option<String>,
    /// v4 and later: a dynamic member without an id gets one and must come again (KIP-394).
    pub requires_known_member_id: bool,
    /// v9 and later: the leader can be told to skip its assignment (KIP-814).
    pub supports_skipping_assignment: bool,
    /// From the request header, empty when absent.
    pub client_id: String,
    /// The client's address as Kafka writes it, `/127.0.0.1`.
    pub client_host: String,
    /// Fresh and unguessable (a UUID): ends a new member id, `<client or instance id>-<suffix>`.
    pub member_id_suffix: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinGroupProtocol {
    pub name: String,
    pub metadata: Bytes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncGroupRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// v5 and later; checked when present.
    pub protocol_type: Option<String>,
    /// v5 and later; checked when present.
    pub protocol_name: Option<String>,
    /// Empty unless the member leads.
    pub assignments: Vec<SyncGroupAssignment>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncGroupAssignment {
    pub member_id: String,
    pub assignment: Bytes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatRequest {
    pub group_id: String,
    pub generation_id: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
}

/// v0–2 carry one member without an instance id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaveGroupRequest {
    pub group_id: String,
    pub members: Vec<LeavingMember>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeavingMember {
    /// May be empty when the instance id is given: an administrator removes a static member.
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub reason: Option<String>,
}

/// Topics and partitions that do not exist are the handler's to refuse; the coordinator stores any name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCommitRequest {
    pub group_id: String,
    /// Negative for a simple consumer, which takes no part in the group.
    pub generation_id_or_member_epoch: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// v2–4; `None` for -1 and for later versions.
    pub retention_time_ms: Option<i64>,
    /// v9 and later: an unknown group gets GROUP_ID_NOT_FOUND, otherwise ILLEGAL_GENERATION.
    pub understands_group_id_not_found: bool,
    pub topics: Vec<Topic<CommitOffset>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitOffset {
    pub partition: i32,
    pub offset: i64,
    /// -1 when unknown.
    pub leader_epoch: i32,
    /// Null on the wire is stored as the empty string, as in Kafka.
    pub metadata: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnOffsetCommitRequest {
    pub group_id: String,
    pub producer: ProducerIdAndEpoch,
    /// v3 and later, -1 otherwise.
    pub generation_id: i32,
    /// v3 and later, empty otherwise.
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub topics: Vec<Topic<CommitOffset>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetFetchRequest {
    /// v0–7 ask for one group.
    pub groups: Vec<OffsetFetchGroup>,
    /// v7 and later: a partition with a pending transactional offset gets UNSTABLE_OFFSET_COMMIT (KIP-447).
    pub require_stable: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetFetchGroup {
    pub group_id: String,
    /// v9 and later, for KIP-848 groups. Not looked at for classic groups, as in Kafka.
    pub member_id: Option<String>,
    /// v9 and later, -1 otherwise.
    pub member_epoch: i32,
    /// `None`: every partition that has an offset.
    pub topics: Option<Vec<Topic<i32>>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetDeleteRequest {
    pub group_id: String,
    pub topics: Vec<Topic<i32>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeGroupsRequest {
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroupsRequest {
    /// v4: names of states, any case; empty for all.
    pub states_filter: Vec<String>,
    /// v5: names of group types, any case; empty for all.
    pub types_filter: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteGroupsRequest {
    pub groups: Vec<String>,
}
