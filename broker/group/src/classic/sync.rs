//! SyncGroup.

use super::group::{ClassicGroup, sync_error};
use crate::context::{Context, group_append_error};
use crate::pending::Pending;
use crate::{ErrorCode, GroupState, Response, SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse, Token};
use bytes::Bytes;
use std::collections::BTreeMap;

impl ClassicGroup {
    pub(crate) fn sync(&mut self, cx: &mut Context, token: Token, request: SyncGroupRequest) {
        if let Err(error) = self.validate_sync(&request) {
            return Self::refuse_sync(cx, token, error);
        }
        let member_id = request.member_id;
        match self.state {
            GroupState::Empty | GroupState::Dead => Self::refuse_sync(cx, token, ErrorCode::UnknownMemberId),
            GroupState::PreparingRebalance => Self::refuse_sync(cx, token, ErrorCode::RebalanceInProgress),
            GroupState::CompletingRebalance => {
                self.has_synced(&member_id);
                // A sync that this one replaces was given up by its client.
                self.answer_sync(cx, &member_id, sync_error(ErrorCode::RebalanceInProgress));
                if let Some(member) = self.members.get_mut(&member_id) {
                    member.awaiting_sync = Some(token);
                }
                if self.is_leader(&member_id) {
                    self.store_assignment(cx, request.assignments);
                }
            }
            GroupState::Stable => {
                self.has_synced(&member_id);
                let response = self.synced(&member_id);
                cx.answer(token, Response::SyncGroup(response));
            }
        }
    }

    pub(crate) fn refuse_sync(cx: &mut Context, token: Token, error: ErrorCode) {
        cx.answer(token, Response::SyncGroup(sync_error(error)));
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        match self.state {
            GroupState::Dead => return Err(ErrorCode::CoordinatorNotAvailable),
            GroupState::Empty => return Err(ErrorCode::UnknownMemberId),
            _ => self.validate_member(&request.member_id, request.group_instance_id.as_deref())?,
        }
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, ours: &Option<String>| asked.is_some() && asked != ours;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// Stores what the leader decided; a member that it left out gets an empty assignment.
    fn store_assignment(&mut self, cx: &mut Context, decided: Vec<SyncGroupAssignment>) {
        let mut decided: BTreeMap<String, Bytes> =
            decided.into_iter().map(|one| (one.member_id, one.assignment)).collect();
        let assignments: BTreeMap<String, Bytes> =
            self.members.keys().map(|id| (id.clone(), decided.remove(id).unwrap_or_default())).collect();
        let record = self.record(&assignments);
        let pending = Pending::Assignment { group_id: self.group_id.clone(), generation: self.generation, assignments };
        cx.append(vec![record], None, pending);
    }

    /// The assignment is stored, or not. If a member has joined or left meanwhile, it is out of date.
    pub(crate) fn assignment_stored(
        &mut self,
        cx: &mut Context,
        generation: i32,
        mut assignments: BTreeMap<String, Bytes>,
        outcome: Result<(), ErrorCode>,
    ) {
        if self.state != GroupState::CompletingRebalance || self.generation != generation {
            return;
        }
        if let Err(error) = outcome {
            self.reset_assignment(cx, group_append_error(error));
            return self.prepare_rebalance(cx);
        }
        for member_id in self.members.keys().cloned().collect::<Vec<_>>() {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = assignments.remove(&member_id).unwrap_or_default();
            }
            let response = self.synced(&member_id);
            if self.answer_sync(cx, &member_id, response) {
                // Its session may have run out while it waited for us.
                self.heard_of(cx, &member_id);
            }
        }
        self.transition_to(GroupState::Stable, cx.now_ms);
    }

    fn synced(&self, member_id: &str) -> SyncGroupResponse {
        SyncGroupResponse {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self.members.get(member_id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }

    fn has_synced(&mut self, member_id: &str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            self.sync_deadline_ms = None;
        }
    }
}
