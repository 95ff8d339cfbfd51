//! Heartbeats and what happens without them.

use super::group::ClassicGroup;
use crate::context::Context;
use crate::{ErrorCode, GroupState, HeartbeatRequest};

impl ClassicGroup {
    pub(crate) fn heartbeat(&mut self, cx: &mut Context, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        match self.state {
            GroupState::Dead => return Err(ErrorCode::CoordinatorNotAvailable),
            GroupState::Empty => return Err(ErrorCode::UnknownMemberId),
            _ => self.validate_member(&request.member_id, request.group_instance_id.as_deref())?,
        }
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.heard_of(cx, &request.member_id);
        if self.state == GroupState::PreparingRebalance { Err(ErrorCode::RebalanceInProgress) } else { Ok(()) }
    }

    /// Starts a member's session anew.
    pub(crate) fn heard_of(&mut self, cx: &Context, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            let deadline = cx.now_ms + i64::from(member.session_timeout_ms);
            member.session_deadline_ms = Some(deadline);
            self.wake_at(deadline);
        }
    }

    /// Removes a member that is gone without a word, and goes on without it.
    pub(super) fn lose(&mut self, cx: &mut Context, member_id: &str) {
        self.remove(cx, member_id);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(cx),
            GroupState::PreparingRebalance if self.has_all_members_joined() => self.complete_join(cx),
            _ => {}
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, cx: &mut Context) {
        let is_due = |at: Option<i64>| at.is_some_and(|at| at <= cx.now_ms);
        if !is_due(self.earliest_ms) {
            return;
        }
        let members = self.members.values().filter(|member| is_due(member.session_deadline_ms));
        let pending = self.pending_join.iter().filter(|(_, at)| is_due(Some(**at)));
        let silent: Vec<String> =
            members.map(|member| member.member_id.clone()).chain(pending.map(|(id, _)| id.clone())).collect();
        for member_id in silent {
            self.session_ended(cx, &member_id);
        }
        if let Some(timer) = self.join_timer.take_if(|timer| timer.at_ms <= cx.now_ms) {
            self.join_timer_fired(cx, timer);
        }
        if self.sync_deadline_ms.take_if(|at| *at <= cx.now_ms).is_some() {
            self.sync_timed_out(cx);
        }
        self.earliest_ms = self.exact_deadline();
    }

    fn session_ended(&mut self, cx: &mut Context, member_id: &str) {
        let Some(member) = self.members.get_mut(member_id) else {
            // An id that was given out and never used: nobody was waiting for a whole round of it.
            self.remove(cx, member_id);
            if self.state == GroupState::PreparingRebalance && self.has_all_members_joined() {
                self.complete_join(cx);
            }
            return;
        };
        // What was done for another member may have started this one's session anew.
        if member.session_deadline_ms.is_none_or(|at| at > cx.now_ms) {
            return;
        }
        member.session_deadline_ms = None;
        if !member.has_satisfied_heartbeat() {
            self.lose(cx, member_id);
        }
    }

    /// Members that joined and never asked for their assignment hold everybody up.
    fn sync_timed_out(&mut self, cx: &mut Context) {
        if !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) || self.pending_sync.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_sync) {
            self.remove(cx, &member_id);
        }
        self.prepare_rebalance(cx);
    }

    fn exact_deadline(&self) -> Option<i64> {
        let sessions = self.members.values().filter_map(|member| member.session_deadline_ms);
        let others = [self.join_timer.map(|timer| timer.at_ms), self.sync_deadline_ms];
        sessions.chain(self.pending_join.values().copied()).chain(others.into_iter().flatten()).min()
    }

    /// Begins to keep time after a start; a group above a lowered `group.max.size` shrinks.
    pub(crate) fn loaded(&mut self, cx: &mut Context) {
        for member_id in self.members.keys().cloned().collect::<Vec<_>>() {
            self.heard_of(cx, &member_id);
        }
        if self.members.len() > cx.config.group_max_size {
            self.prepare_rebalance(cx);
        }
    }
}
