//! What others may know of a group, and may do to its offsets.

use super::group::ClassicGroup;
use crate::{DescribedGroup, DescribedMember, ErrorCode, GroupState};
use bytes::Bytes;

/// Who commits, as the request says.
pub(crate) struct Committer<'a> {
    pub member_id: &'a str,
    pub group_instance_id: Option<&'a str>,
    pub generation_id: i32,
    pub is_transactional: bool,
}

impl ClassicGroup {
    /// Metadata and assignments are shown only while they are settled.
    pub(crate) fn describe(&self) -> DescribedGroup {
        let stable = self.state == GroupState::Stable;
        let protocol = self.protocol.clone().filter(|_| stable).unwrap_or_default();
        let members = self.members.values().map(|member| DescribedMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if stable { member.metadata(&protocol) } else { Bytes::new() },
            assignment: if stable { member.assignment.clone() } else { Bytes::new() },
        });
        DescribedGroup {
            group_id: self.group_id.clone(),
            error: ErrorCode::None,
            state: self.state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: members.collect(),
            protocol_data: protocol,
        }
    }

    pub(crate) fn validate_commit(&self, who: &Committer<'_>) -> Result<(), ErrorCode> {
        if self.state == GroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if who.generation_id < 0 && self.state == GroupState::Empty {
            // A tool, or a consumer that assigns its partitions itself.
            return Ok(());
        }
        if who.generation_id >= 0 || !who.member_id.is_empty() || who.group_instance_id.is_some() {
            self.validate_member(who.member_id, who.group_instance_id)?;
            if who.generation_id != self.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !who.is_transactional {
            return Err(ErrorCode::UnknownMemberId);
        }
        if !who.is_transactional && self.state == GroupState::CompletingRebalance {
            // It has joined the new generation and does not own its partitions yet.
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    pub(crate) fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            GroupState::Dead => Err(ErrorCode::GroupIdNotFound),
            GroupState::Empty => Ok(()),
            // The topics of other protocols cannot be known.
            _ if !self.uses_consumer_protocol() => Err(ErrorCode::NonEmptyGroup),
            _ => Ok(()),
        }
    }

    pub(crate) fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            GroupState::Dead => Err(ErrorCode::GroupIdNotFound),
            GroupState::Empty => Ok(()),
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// From when on the retention of an offset counts, given when it was committed. `None`: it does not expire now.
    pub(crate) fn expires_from(&self, commit_timestamp_ms: i64) -> Option<i64> {
        match (&self.protocol_type, self.state) {
            (None, GroupState::Empty) => Some(commit_timestamp_ms),
            (Some(_), GroupState::Empty) => Some(self.state_timestamp_ms.unwrap_or(commit_timestamp_ms)),
            (Some(_), GroupState::Stable) if self.uses_consumer_protocol() => {
                self.subscribed_topics.as_ref().map(|_| commit_timestamp_ms)
            }
            _ => None,
        }
    }
}
