//! A member of a classic group.

use crate::{JoinGroupProtocol, Token};
use bytes::Bytes;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// In order of preference.
    pub protocols: Vec<JoinGroupProtocol>,
    /// Empty until there is one.
    pub assignment: Bytes,
    /// Its first join has no answer yet.
    pub is_new: bool,
    /// The client does not know its member id yet (before JoinGroup v4).
    pub came_without_id: bool,
    pub awaiting_join: Option<Token>,
    pub awaiting_sync: Option<Token>,
    /// When it is lost unless it is heard of. `None` after that time, while it waits for an answer.
    pub session_deadline_ms: Option<i64>,
}

impl Member {
    pub(crate) fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    /// What the member sent for a protocol; empty when it did not name it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|known| known.name == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether silence is no fault: a member that waits for us need not send heartbeats. New members can be lost even
    /// then, since a client that retries without an id would leave one behind each time.
    pub(crate) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
