//! What goes in and comes out: plain structs named like Kafka's messages, free of wire versions.

mod effect;
mod request;
mod response;

pub use effect::{AppendId, AppendRecord, Effect, ProducerIdAndEpoch, Token};
pub use request::{
    CommitOffset, DeleteGroupsRequest, DescribeGroupsRequest, HeartbeatRequest, JoinGroupProtocol, JoinGroupRequest,
    LeaveGroupRequest, LeavingMember, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchGroup,
    OffsetFetchRequest, Request, SyncGroupAssignment, SyncGroupRequest, Topic, TxnOffsetCommitRequest,
};
pub use response::{
    DeleteGroupsResponse, DeletedGroup, DescribeGroupsResponse, DescribedGroup, DescribedMember, FetchedGroup,
    FetchedOffset, HeartbeatResponse, JoinGroupMember, JoinGroupResponse, LeaveGroupResponse, LeftMember,
    ListGroupsResponse, ListedGroup, OffsetCommitResponse, OffsetDeleteResponse, OffsetFetchResponse, PartitionError,
    Response, SyncGroupResponse,
};
