//! JoinGroup.

use super::group::{ClassicGroup, join_error};
use super::member::Member;
use crate::context::Context;
use crate::{ErrorCode, GroupState, JoinGroupMember, JoinGroupRequest, JoinGroupResponse, Response, Token};
use bytes::Bytes;

/// How long a new member may wait for its first answer: its client may be gone without our knowing
/// (`group.new.member.join.timeout.ms`, a constant in Kafka too).
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 300_000;

impl ClassicGroup {
    pub(crate) fn join(&mut self, cx: &mut Context, token: Token, request: JoinGroupRequest) {
        let known = request.member_id.clone();
        let refuse = |cx: &mut Context, error| cx.answer(token, Response::JoinGroup(join_error(&known, error)));
        if self.state == GroupState::Dead {
            // Its removal is on its way; the client finds the coordinator again and comes back.
            return refuse(cx, ErrorCode::CoordinatorNotAvailable);
        }
        if !self.accepts(cx, &known) {
            cx.answer(token, Response::JoinGroup(join_error("", ErrorCode::GroupMaxSizeReached)));
            if !known.is_empty() {
                self.remove(cx, &known);
                self.maybe_complete_join(cx);
            }
            return;
        }
        if !self.supports_protocols(&request.protocol_type, &request.protocols) {
            return refuse(cx, ErrorCode::InconsistentGroupProtocol);
        }
        if known.is_empty() {
            return self.join_new(cx, token, request);
        }
        if self.pending_join.contains_key(&known) && request.group_instance_id.is_none() {
            return self.add_then_rebalance(cx, token, known, request);
        }
        match self.validate_member(&known, request.group_instance_id.as_deref()) {
            Err(error) => refuse(cx, error),
            Ok(()) => self.join_again(cx, token, request),
        }
    }

    pub(crate) fn refuse_join(cx: &mut Context, token: Token, member_id: &str, error: ErrorCode) {
        cx.answer(token, Response::JoinGroup(join_error(member_id, error)));
    }

    /// Whether one more member is within `group.max.size`. During a rebalance those who came first stay, so that a
    /// group above a lowered limit shrinks.
    fn accepts(&self, cx: &Context, member_id: &str) -> bool {
        let max = cx.config.group_max_size;
        let member = self.members.get(member_id);
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.awaiting_join.is_some()) || self.number_awaiting_join() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => member.is_some() || self.members.len() < max,
        }
    }

    fn join_new(&mut self, cx: &mut Context, token: Token, request: JoinGroupRequest) {
        let prefix = request.group_instance_id.as_ref().unwrap_or(&request.client_id);
        let member_id = format!("{prefix}-{}", request.member_id_suffix);
        if let Some(instance_id) = &request.group_instance_id {
            return match self.static_members.get(instance_id).cloned() {
                Some(old) => self.replace_static_member(cx, token, &old, member_id, request),
                None => self.add_then_rebalance(cx, token, member_id, request),
            };
        }
        if !request.requires_known_member_id {
            return self.add_then_rebalance(cx, token, member_id, request);
        }
        let deadline = cx.now_ms + i64::from(request.session_timeout_ms);
        self.wake_at(deadline);
        self.pending_join.insert(member_id.clone(), deadline);
        cx.answer(token, Response::JoinGroup(join_error(&member_id, ErrorCode::MemberIdRequired)));
    }

    fn join_again(&mut self, cx: &mut Context, token: Token, request: JoinGroupRequest) {
        let member_id = request.member_id.clone();
        let changed = self.members.get(&member_id).is_some_and(|member| member.protocols != request.protocols);
        match self.state {
            GroupState::PreparingRebalance => self.update_then_rebalance(cx, token, request),
            // The leader may have seen what changes the assignment without changing its metadata: new partitions.
            GroupState::Stable if changed || self.is_leader(&member_id) => {
                self.update_then_rebalance(cx, token, request);
            }
            GroupState::CompletingRebalance if changed => self.update_then_rebalance(cx, token, request),
            // It may have missed the answer to its join.
            GroupState::Stable | GroupState::CompletingRebalance => {
                let response = self.joined(&member_id, self.state == GroupState::CompletingRebalance);
                cx.answer(token, Response::JoinGroup(response));
            }
            GroupState::Empty | GroupState::Dead => {
                cx.answer(token, Response::JoinGroup(join_error(&member_id, ErrorCode::UnknownMemberId)));
            }
        }
    }

    fn update_then_rebalance(&mut self, cx: &mut Context, token: Token, request: JoinGroupRequest) {
        let timeouts = (request.rebalance_timeout_ms, request.session_timeout_ms);
        self.update(cx, &request.member_id, request.protocols, timeouts, Some(token));
        self.rebalance_or_complete_join(cx);
    }

    fn add_then_rebalance(&mut self, cx: &mut Context, token: Token, member_id: String, request: JoinGroupRequest) {
        if self.state == GroupState::PreparingRebalance && self.previous_state == GroupState::Empty {
            self.new_member_added = true;
        }
        let deadline = cx.now_ms + NEW_MEMBER_JOIN_TIMEOUT_MS;
        self.wake_at(deadline);
        let member = Member {
            member_id,
            came_without_id: request.member_id.is_empty(),
            group_instance_id: request.group_instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: None,
            awaiting_sync: None,
            session_deadline_ms: Some(deadline),
        };
        self.add(member, &request.protocol_type, Some(token));
        self.rebalance_or_complete_join(cx);
    }

    /// The answer to a join in this generation.
    pub(super) fn joined(&self, member_id: &str, with_members: bool) -> JoinGroupResponse {
        JoinGroupResponse {
            error: ErrorCode::None,
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: if with_members && self.is_leader(member_id) { self.joined_members() } else { Vec::new() },
        }
    }

    fn joined_members(&self) -> Vec<JoinGroupMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.values().map(|member| JoinGroupMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(protocol),
        });
        members.collect()
    }

    /// Whether these ids name a member, and the instance id not another's.
    pub(crate) fn validate_member(&self, member_id: &str, group_instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = group_instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(holder) if holder != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }
}
