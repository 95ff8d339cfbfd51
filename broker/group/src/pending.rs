//! What happens when an append is durable, or has failed.

use crate::records::OffsetAndMetadata;
use crate::{Response, Token};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The rest of an operation that waits for its append.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Offsets, and the answer if all goes well.
    Commit {
        token: Token,
        group_id: String,
        producer_id: Option<i64>,
        offsets: Vec<CommittedOffset>,
        response: Response,
    },
    /// Offsets and groups to forget.
    Removal(Removal),
    /// The leader's assignment of one generation.
    Assignment { group_id: String, generation: i32, assignments: BTreeMap<String, Bytes> },
    /// A static member has come back under a new id.
    StaticMember(StaticMember),
    /// A group is empty. If that was not stored, its old members come back at the next start and time out.
    Emptied,
}

#[derive(Debug)]
pub(crate) struct CommittedOffset {
    pub topic: String,
    pub partition: i32,
    pub value: OffsetAndMetadata,
    /// The append's number: a newer one stands against an older one.
    pub append: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Removal {
    pub answer: Option<(Token, Response)>,
    /// Group, topic, partition.
    pub offsets: Vec<(String, String, i32)>,
    pub groups: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct StaticMember {
    pub group_id: String,
    pub generation: i32,
    pub member_id: String,
    pub supports_skipping_assignment: bool,
    /// The leader before: shown to a leader that cannot be told to skip its assignment, so that it takes itself for a
    /// follower.
    pub old_leader: Option<String>,
    /// To go back to when the append fails.
    pub before: Box<crate::classic::Member>,
}
