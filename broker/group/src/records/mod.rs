//! The records of `__consumer_offsets` in Kafka's own format.
//!
//! ```text
//! OffsetCommitKey 0-1     i16 version | string group | string topic | i32 partition
//! OffsetCommitValue 0-3   i16 version | i64 offset | i32 leader epoch (3) | string metadata | i64 commit timestamp
//!                         | i64 expire timestamp (1)
//! GroupMetadataKey 2      i16 version | string group
//! GroupMetadataValue 0-3  i16 version | string protocol type | i32 generation | string? protocol | string? leader
//!                         | i64 state timestamp (2-3) | i32 count of members, each:
//!                           string id | string? instance id (3) | string client id | string host
//!                           | i32 rebalance timeout (1-3) | i32 session timeout | bytes subscription | bytes assignment
//! ```
//! Big-endian; a string is an i16 length and UTF-8, bytes an i32 length; `?` may be null (length -1). Version 4 of both
//! values is the same with compact lengths and tagged fields. No value: removed.
//!
//! Written are keys 1 and 2 and values 3 (an offset with its own expiry: 1). Every version is read; other keys are
//! [`Record::Other`].
//! Source: `OffsetCommitKey.json`, `OffsetCommitValue.json`, `GroupMetadataKey.json`, `GroupMetadataValue.json`.

mod decode;
mod encode;
pub(crate) mod reader;

use bytes::Bytes;

pub use decode::decode;
pub use encode::{group_key, group_value, offset_key, offset_value};

/// A record, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Offset {
        group_id: String,
        topic: String,
        partition: i32,
        value: Option<OffsetAndMetadata>,
    },
    Group {
        group_id: String,
        value: Option<GroupMetadata>,
    },
    /// A key of a version that belongs to another protocol.
    Other,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    pub offset: i64,
    /// -1 when unknown.
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp_ms: i64,
    /// `Some` when the client asked for its own retention (OffsetCommit v2-4).
    pub expire_timestamp_ms: Option<i64>,
}

/// A group's last stable (or empty) generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// Empty when the group only stores offsets.
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// When the group came into its state; `None` in records before version 2.
    pub state_timestamp_ms: Option<i64>,
    pub members: Vec<MemberMetadata>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record ends early or holds an impossible length; check the log with its verify command")]
    Malformed,
    #[error("the record's value has version {0}, written by a newer broker; start that one")]
    UnknownVersion(i16),
}
