//! A classic group's data and what keeps it consistent.

use super::member::Member;
use crate::context::Context;
use crate::subscription::{CONSUMER_PROTOCOL_TYPE, subscribed_topics};
use crate::{ErrorCode, GroupState, JoinGroupProtocol, JoinGroupResponse, Response, SyncGroupResponse, Token};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub group_id: String,
    pub state: GroupState,
    pub previous_state: GroupState,
    pub state_timestamp_ms: Option<i64>,
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    pub members: BTreeMap<String, Member>,
    /// Instance id to member id.
    pub static_members: BTreeMap<String, String>,
    /// Ids that were given out and not used yet, with the time until which they hold.
    pub pending_join: BTreeMap<String, i64>,
    /// Members of this generation that have not asked for their assignment.
    pub pending_sync: BTreeSet<String>,
    /// Known for groups of consumers with a chosen protocol.
    pub subscribed_topics: Option<BTreeSet<String>>,
    /// Somebody came during the initial delay, so it may be extended.
    pub new_member_added: bool,
    pub join_timer: Option<JoinTimer>,
    /// When members that have not synced are removed.
    pub sync_deadline_ms: Option<i64>,
    /// A time before which nothing is due; may be too early, never too late.
    pub earliest_ms: Option<i64>,
    awaiting_join: usize,
    /// Protocol name to the number of members that know it.
    supported_protocols: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinTimer {
    pub at_ms: i64,
    /// The first round of an empty group: this delay, and how much more may follow.
    pub initial: Option<(i64, i64)>,
}

impl ClassicGroup {
    pub(crate) fn new(group_id: &str) -> Self {
        Self {
            group_id: group_id.to_owned(),
            state: GroupState::Empty,
            previous_state: GroupState::Dead,
            state_timestamp_ms: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeMap::new(),
            pending_sync: BTreeSet::new(),
            subscribed_topics: None,
            new_member_added: false,
            join_timer: None,
            sync_deadline_ms: None,
            earliest_ms: None,
            awaiting_join: 0,
            supported_protocols: BTreeMap::new(),
        }
    }

    /// Nothing of it would be missed.
    pub(crate) fn is_blank(&self) -> bool {
        self.state == GroupState::Empty && self.generation == 0 && self.pending_join.is_empty()
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(crate) fn transition_to(&mut self, state: GroupState, now_ms: i64) {
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp_ms = Some(now_ms);
    }

    /// The longest that any member asked for.
    pub(crate) fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0).max(0)
    }

    pub(crate) fn number_awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    pub(crate) fn has_all_members_joined(&self) -> bool {
        self.awaiting_join == self.members.len() && self.pending_join.is_empty()
    }

    pub(crate) fn wake_at(&mut self, at_ms: i64) {
        self.earliest_ms = Some(self.earliest_ms.map_or(at_ms, |earliest| earliest.min(at_ms)));
    }

    pub(crate) fn add(&mut self, mut member: Member, protocol_type: &str, token: Option<Token>) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), member.member_id.clone());
        }
        self.leader.get_or_insert_with(|| member.member_id.clone());
        self.pending_join.remove(&member.member_id);
        self.count_protocols(&member.protocols, true);
        member.awaiting_join = token;
        self.awaiting_join += usize::from(token.is_some());
        self.members.insert(member.member_id.clone(), member);
    }

    /// Takes a member (or an id given out) away; whoever waits under it hears UNKNOWN_MEMBER_ID.
    pub(crate) fn remove(&mut self, cx: &mut Context, member_id: &str) {
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        self.answer_join(cx, member_id, join_error("", ErrorCode::UnknownMemberId));
        self.answer_sync(cx, member_id, sync_error(ErrorCode::UnknownMemberId));
        if let Some(member) = self.members.remove(member_id) {
            self.count_protocols(&member.protocols, false);
            if let Some(instance_id) = &member.group_instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Sets what a member's join says anew, and who waits for the answer.
    pub(crate) fn update(
        &mut self,
        cx: &mut Context,
        member_id: &str,
        protocols: Vec<JoinGroupProtocol>,
        timeouts: (i32, i32),
        token: Option<Token>,
    ) {
        // A join that this one replaces was given up by its client.
        self.answer_join(cx, member_id, join_error(member_id, ErrorCode::RebalanceInProgress));
        let Some(member) = self.members.get_mut(member_id) else { return };
        let before = std::mem::replace(&mut member.protocols, protocols.clone());
        (member.rebalance_timeout_ms, member.session_timeout_ms) = timeouts;
        member.awaiting_join = token;
        self.awaiting_join += usize::from(token.is_some());
        self.count_protocols(&before, false);
        self.count_protocols(&protocols, true);
    }

    /// Answers the join under which a member waits; false when none does.
    pub(crate) fn answer_join(&mut self, cx: &mut Context, member_id: &str, response: JoinGroupResponse) -> bool {
        let Some(token) = self.members.get_mut(member_id).and_then(|member| member.awaiting_join.take()) else {
            return false;
        };
        self.awaiting_join -= 1;
        cx.answer(token, Response::JoinGroup(response));
        true
    }

    /// Answers the sync under which a member waits; false when none does.
    pub(crate) fn answer_sync(&mut self, cx: &mut Context, member_id: &str, response: SyncGroupResponse) -> bool {
        let Some(token) = self.members.get_mut(member_id).and_then(|member| member.awaiting_sync.take()) else {
            return false;
        };
        cx.answer(token, Response::SyncGroup(response));
        true
    }

    /// Whether a member with these protocols can be in this group.
    pub(crate) fn supports_protocols(&self, protocol_type: &str, protocols: &[JoinGroupProtocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(|one| self.is_candidate(&one.name))
    }

    /// The protocol that everybody knows and most prefer; among equals the leader's earlier one.
    pub(crate) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(vote) = member.protocols.iter().find(|one| self.is_candidate(&one.name)) {
                *votes.entry(&vote.name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader))?;
        let preferred = leader.protocols.iter().find(|one| votes.get(one.name.as_str()) == Some(most));
        preferred.map(|one| one.name.clone())
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether a member reads this topic; when subscriptions cannot be read, a consumer group may read any.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed_topics.as_ref().map_or(self.uses_consumer_protocol(), |topics| topics.contains(topic))
    }

    pub(crate) fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol.as_ref()?;
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.extend(subscribed_topics(&member.metadata(protocol))?);
        }
        Some(all)
    }

    pub(crate) fn assignments(&self) -> BTreeMap<String, Bytes> {
        self.members.iter().map(|(id, member)| (id.clone(), member.assignment.clone())).collect()
    }

    fn is_candidate(&self, protocol: &str) -> bool {
        self.supported_protocols.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    fn count_protocols(&mut self, protocols: &[JoinGroupProtocol], add: bool) {
        for name in protocols.iter().map(|one| &one.name).collect::<BTreeSet<_>>() {
            let count = self.supported_protocols.entry(name.clone()).or_default();
            *count = if add { *count + 1 } else { *count - 1 };
            if *count == 0 {
                self.supported_protocols.remove(name);
            }
        }
    }
}

pub(super) fn join_error(member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error,
        generation_id: -1,
        protocol_type: None,
        protocol_name: None,
        leader: String::new(),
        skip_assignment: false,
        member_id: member_id.to_owned(),
        members: Vec::new(),
    }
}

pub(super) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error, protocol_type: None, protocol_name: None, assignment: Bytes::new() }
}
