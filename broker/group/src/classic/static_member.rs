//! A static member that comes back without its member id (KIP-345).

use super::group::{ClassicGroup, join_error, sync_error};
use crate::context::{Context, group_append_error};
use crate::pending::{Pending, StaticMember};
use crate::{ErrorCode, GroupState, JoinGroupRequest, JoinGroupResponse, Token};

impl ClassicGroup {
    /// Gives the instance a new member id. Whoever waits under the old one is fenced. In a stable group whose protocol
    /// stays the same, the member gets its old assignment without a rebalance.
    pub(super) fn replace_static_member(
        &mut self,
        cx: &mut Context,
        token: Token,
        old: &str,
        new: String,
        request: JoinGroupRequest,
    ) {
        let old_leader = self.leader.clone();
        let Some(before) = self.members.get(old).cloned() else { return };
        self.answer_join(cx, old, join_error(old, ErrorCode::FencedInstanceId));
        self.answer_sync(cx, old, sync_error(ErrorCode::FencedInstanceId));
        self.rename(old, &new);
        let timeouts = (request.rebalance_timeout_ms, request.session_timeout_ms);
        self.update(cx, &new, request.protocols, timeouts, Some(token));
        self.heard_of(cx, &new);
        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol => {
                let record = self.record(&self.assignments());
                let pending = StaticMember {
                    group_id: self.group_id.clone(),
                    generation: self.generation,
                    member_id: new,
                    supports_skipping_assignment: request.supports_skipping_assignment,
                    old_leader,
                    before: Box::new(before),
                };
                cx.append(vec![record], None, Pending::StaticMember(pending));
            }
            // The leader may already be assigning to the old id, so Completing starts again too.
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(cx),
            GroupState::PreparingRebalance => self.maybe_complete_join(cx),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    /// The new id is stored, or not. If a rebalance has begun meanwhile, the member waits for its end like all others.
    pub(crate) fn static_member_stored(
        &mut self,
        cx: &mut Context,
        pending: StaticMember,
        outcome: Result<(), ErrorCode>,
    ) {
        if self.state != GroupState::Stable || self.generation != pending.generation {
            return;
        }
        let member_id = &pending.member_id;
        let Err(error) = outcome else {
            let response = self.welcome_back(&pending);
            self.answer_join(cx, member_id, response);
            return;
        };
        if !self.answer_join(cx, member_id, join_error("", group_append_error(error))) {
            return;
        }
        let before = *pending.before;
        self.rename(member_id, &before.member_id);
        let timeouts = (before.rebalance_timeout_ms, before.session_timeout_ms);
        self.update(cx, &before.member_id, before.protocols, timeouts, None);
        self.heard_of(cx, &before.member_id);
    }

    fn welcome_back(&self, pending: &StaticMember) -> JoinGroupResponse {
        let mut response = self.joined(&pending.member_id, pending.supports_skipping_assignment);
        if pending.supports_skipping_assignment {
            response.skip_assignment = self.is_leader(&pending.member_id);
        } else {
            // Before KIP-814 a leader that came back would compute an assignment that nobody waits for.
            response.leader = pending.old_leader.clone().unwrap_or_default();
        }
        response
    }

    fn rename(&mut self, old: &str, new: &str) {
        let Some(mut member) = self.members.remove(old) else { return };
        self.pending_sync.remove(old);
        new.clone_into(&mut member.member_id);
        member.is_new = false;
        if self.is_leader(old) {
            self.leader = Some(new.to_owned());
        }
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), new.to_owned());
        }
        self.members.insert(new.to_owned(), member);
    }

    /// A client of an old version is gone before it learnt its id: nobody can ever come back as this member.
    pub(crate) fn forget_unanswered(&mut self, cx: &mut Context, token: Token) {
        let gone = self.members.values().find(|member| {
            member.awaiting_join == Some(token) && member.is_new && member.came_without_id && !member.is_static()
        });
        if let Some(member_id) = gone.map(|member| member.member_id.clone()) {
            self.lose(cx, &member_id);
        }
    }
}
