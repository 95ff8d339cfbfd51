//! LeaveGroup.

use super::group::ClassicGroup;
use crate::context::Context;
use crate::{ErrorCode, GroupState, LeaveGroupRequest, LeaveGroupResponse, LeavingMember, LeftMember, Response, Token};

impl ClassicGroup {
    pub(crate) fn leave(&mut self, cx: &mut Context, token: Token, request: LeaveGroupRequest) {
        if self.state == GroupState::Dead {
            let error = ErrorCode::CoordinatorNotAvailable;
            return cx.answer(token, Response::LeaveGroup(LeaveGroupResponse { error, members: Vec::new() }));
        }
        let mut members = Vec::with_capacity(request.members.len());
        for leaving in request.members {
            let error = self.leave_one(cx, &leaving).err().unwrap_or(ErrorCode::None);
            members.push(LeftMember {
                member_id: leaving.member_id,
                group_instance_id: leaving.group_instance_id,
                error,
            });
        }
        if members.iter().any(|left| left.error.is_none()) && self.state != GroupState::Empty {
            self.rebalance_or_complete_join(cx);
        }
        cx.answer(token, Response::LeaveGroup(LeaveGroupResponse { error: ErrorCode::None, members }));
    }

    fn leave_one(&mut self, cx: &mut Context, leaving: &LeavingMember) -> Result<(), ErrorCode> {
        let mut member_id = leaving.member_id.as_str();
        let by_instance;
        if member_id.is_empty() {
            // An administrator removes a static member by its instance id.
            let instance_id = leaving.group_instance_id.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
            by_instance = self.static_members.get(instance_id).cloned().ok_or(ErrorCode::UnknownMemberId)?;
            member_id = &by_instance;
        } else if !self.pending_join.contains_key(member_id) {
            self.validate_member(member_id, leaving.group_instance_id.as_deref())?;
        }
        self.remove(cx, member_id);
        Ok(())
    }
}
