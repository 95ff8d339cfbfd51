//! A group as a record, and back.

use super::group::ClassicGroup;
use super::member::Member;
use crate::records::{GroupMetadata, MemberMetadata, group_key, group_value};
use crate::{AppendRecord, GroupState, JoinGroupProtocol};
use bytes::Bytes;
use std::collections::BTreeMap;

impl ClassicGroup {
    /// The record of this generation with these assignments.
    pub(super) fn record(&self, assignments: &BTreeMap<String, Bytes>) -> AppendRecord {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.values().map(|member| MemberMetadata {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignments.get(&member.member_id).cloned().unwrap_or_default(),
        });
        let value = GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms: self.state_timestamp_ms,
            members: members.collect(),
        };
        AppendRecord {
            group_id: self.group_id.clone(),
            key: group_key(&self.group_id),
            value: Some(group_value(&value)),
        }
    }

    pub(crate) fn from_record(group_id: &str, value: GroupMetadata) -> Self {
        let mut group = Self::new(group_id);
        group.generation = value.generation;
        group.leader = value.leader;
        group.state_timestamp_ms = value.state_timestamp_ms;
        let protocol = value.protocol.clone().unwrap_or_default();
        for member in value.members {
            let member = Member {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                protocols: vec![JoinGroupProtocol { name: protocol.clone(), metadata: member.subscription }],
                assignment: member.assignment,
                is_new: false,
                came_without_id: false,
                awaiting_join: None,
                awaiting_sync: None,
                session_deadline_ms: None,
            };
            group.add(member, &value.protocol_type, None);
        }
        group.state = if group.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        group.protocol = value.protocol;
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }
}
