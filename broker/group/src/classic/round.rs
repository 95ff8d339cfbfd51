//! A rebalance, from its start to the answers of its joins.

use super::group::{ClassicGroup, JoinTimer, sync_error};
use crate::context::Context;
use crate::pending::Pending;
use crate::{ErrorCode, GroupState};

/// How long a round is put off when none of the members has come back; their sessions end it.
const NOBODY_JOINED_RETRY_MS: i64 = 1_000;

impl ClassicGroup {
    pub(super) fn rebalance_or_complete_join(&mut self, cx: &mut Context) {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => self.prepare_rebalance(cx),
            GroupState::PreparingRebalance => self.maybe_complete_join(cx),
            GroupState::Dead => {}
        }
    }

    /// Ends the round if everybody is here; an initial round waits out its delay instead.
    pub(super) fn maybe_complete_join(&mut self, cx: &mut Context) {
        if self.state == GroupState::PreparingRebalance
            && self.previous_state != GroupState::Empty
            && self.has_all_members_joined()
        {
            self.complete_join(cx);
        }
    }

    /// Asks everybody to join again: heartbeats are answered with REBALANCE_IN_PROGRESS from now on.
    pub(crate) fn prepare_rebalance(&mut self, cx: &mut Context) {
        if self.state == GroupState::CompletingRebalance {
            self.reset_assignment(cx, ErrorCode::RebalanceInProgress);
        }
        self.pending_sync.clear();
        self.sync_deadline_ms = None;
        let initial = self.state == GroupState::Empty;
        self.transition_to(GroupState::PreparingRebalance, cx.now_ms);
        if initial {
            // More members are likely to come: a consumer is rarely started alone.
            let delay = i64::from(cx.config.group_initial_rebalance_delay_ms);
            let more = (self.rebalance_timeout_ms() - delay).max(0);
            self.set_join_timer(JoinTimer { at_ms: cx.now_ms + delay, initial: Some((delay, more)) });
        } else if self.has_all_members_joined() {
            self.complete_join(cx);
        } else {
            self.set_join_timer(JoinTimer { at_ms: cx.now_ms + self.rebalance_timeout_ms(), initial: None });
        }
    }

    pub(super) fn join_timer_fired(&mut self, cx: &mut Context, timer: JoinTimer) {
        match timer.initial {
            Some((delay, more)) if self.new_member_added && more > 0 => {
                self.new_member_added = false;
                let next = i64::from(cx.config.group_initial_rebalance_delay_ms).min(more);
                let more = (more - delay).max(0);
                self.set_join_timer(JoinTimer { at_ms: cx.now_ms + next, initial: Some((next, more)) });
            }
            _ => self.complete_join(cx),
        }
    }

    /// Ends the round with whoever is here. Dynamic members that have not come are out; static members stay.
    pub(super) fn complete_join(&mut self, cx: &mut Context) {
        self.join_timer = None;
        self.new_member_added = false;
        let absent = self.members.values().filter(|member| member.awaiting_join.is_none() && !member.is_static());
        for member_id in absent.map(|member| member.member_id.clone()).collect::<Vec<_>>() {
            self.remove(cx, &member_id);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            let wait = self.rebalance_timeout_ms().max(NOBODY_JOINED_RETRY_MS);
            self.set_join_timer(JoinTimer { at_ms: cx.now_ms + wait, initial: None });
            return;
        }
        self.generation += 1;
        self.pending_sync.clear();
        self.protocol = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        if self.members.is_empty() {
            self.transition_to(GroupState::Empty, cx.now_ms);
            let record = self.record(&self.assignments());
            return cx.append(vec![record], None, Pending::Emptied);
        }
        self.transition_to(GroupState::CompletingRebalance, cx.now_ms);
        self.answer_joins(cx);
    }

    fn answer_joins(&mut self, cx: &mut Context) {
        for member_id in self.members.keys().cloned().collect::<Vec<_>>() {
            let response = self.joined(&member_id, true);
            self.answer_join(cx, &member_id, response);
            self.heard_of(cx, &member_id);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.pending_sync.insert(member_id);
        }
        let deadline = cx.now_ms + self.rebalance_timeout_ms();
        self.sync_deadline_ms = Some(deadline);
        self.wake_at(deadline);
    }

    /// Makes sure that the leader is one who has joined; false when nobody has.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |id: &String| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let Some(next) = self.members.keys().find(|id| joined(id)).cloned() else { return false };
        self.leader = Some(next);
        true
    }

    /// Takes every assignment back, and tells those who wait for one.
    pub(super) fn reset_assignment(&mut self, cx: &mut Context, error: ErrorCode) {
        for member_id in self.members.keys().cloned().collect::<Vec<_>>() {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment.clear();
            }
            if self.answer_sync(cx, &member_id, sync_error(error)) {
                self.heard_of(cx, &member_id);
            }
        }
    }

    fn set_join_timer(&mut self, timer: JoinTimer) {
        self.wake_at(timer.at_ms);
        self.join_timer = Some(timer);
    }
}
