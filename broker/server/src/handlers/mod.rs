//! The handlers, one file for each family of APIs.

pub(crate) mod api_versions;
pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod coordinators;
pub(crate) mod fetch;
pub(crate) mod fetch_answer;
pub(crate) mod group_offsets;
pub(crate) mod groups;
pub(crate) mod log_dirs;
pub(crate) mod metadata;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod producer_ids;
pub(crate) mod topic_configs;
pub(crate) mod topics;
pub(crate) mod transactions;
pub(crate) mod txn_offsets;

use crate::dispatch::Context;
use crate::error::WireError;
use crate::server::Shared;
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use sluice_log::TopicId;

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Context {
    /// A topic that this client may read, by name.
    pub(crate) fn readable(&self, name: &str) -> Result<TopicId, WireError> {
        if !self.shared.is_readable(name) {
            return Err(not_allowed(name, "read"));
        }
        self.shared.broker.topic_id(name).ok_or_else(|| WireError::unknown_topic(name))
    }

    /// A topic that this client may write to, by name.
    pub(crate) fn writable(&self, name: &str) -> Result<TopicId, WireError> {
        if Shared::is_internal(name) {
            return Err(not_allowed(name, "written"));
        }
        self.shared.broker.topic_id(name).ok_or_else(|| WireError::unknown_topic(name))
    }

    /// The epoch that a client believes the leader to have, compared with the real one. Source: KIP-320.
    pub(crate) fn check_leader_epoch(&self, believed: i32) -> Result<(), WireError> {
        let current = self.shared.broker.leader_epoch();
        match believed {
            -1 => Ok(()),
            older if older < current => {
                let message = format!("leader epoch {older} is over, the current one is {current}");
                Err(WireError::new(ResponseError::FencedLeaderEpoch, message))
            }
            newer if newer > current => {
                let message = format!("leader epoch {newer} is not known, the current one is {current}");
                Err(WireError::new(ResponseError::UnknownLeaderEpoch, message))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn not_allowed(name: &str, what: &str) -> WireError {
    let message = format!("topic {name} belongs to the hub itself and cannot be {what} by clients");
    WireError::new(ResponseError::TopicAuthorizationFailed, message)
}
