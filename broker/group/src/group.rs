//! What every type of group has in common.

use crate::classic::{ClassicGroup, Committer};
use crate::context::Context;
use crate::offsets::GroupOffsets;
use crate::{DescribedGroup, ErrorCode, ListedGroup};
use std::fmt;

/// Where a group stands; the names are those that DescribeGroups and ListGroups send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupState {
    /// No members; it lives on while it has offsets.
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// Everybody has joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everybody has its assignment.
    Stable,
    /// Removed.
    Dead,
}

impl GroupState {
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The protocol that a group speaks (ListGroups v5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupType {
    /// Join, sync, heartbeat.
    Classic,
}

impl GroupType {
    pub fn name(self) -> &'static str {
        match self {
            GroupType::Classic => "classic",
        }
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A group of any type. Another protocol's groups become another variant; their offsets are kept the same way.
#[derive(Debug)]
pub(crate) enum Group {
    Classic(ClassicGroup),
}

/// A group and what it has committed.
#[derive(Debug)]
pub(crate) struct Entry {
    pub group: Group,
    pub offsets: GroupOffsets,
    /// Under which time it stands among the deadlines.
    pub deadline_ms: Option<i64>,
}

impl Entry {
    pub(crate) fn new(group_id: &str) -> Self {
        Self { group: Group::Classic(ClassicGroup::new(group_id)), offsets: GroupOffsets::default(), deadline_ms: None }
    }

    pub(crate) fn is_blank(&self) -> bool {
        let Group::Classic(group) = &self.group;
        group.is_blank() && self.offsets.is_empty()
    }
}

impl Group {
    pub(crate) fn state(&self) -> GroupState {
        let Group::Classic(group) = self;
        group.state
    }

    pub(crate) fn earliest_ms(&self) -> Option<i64> {
        let Group::Classic(group) = self;
        group.earliest_ms
    }

    /// Marks an empty group as one whose removal is on its way, or takes the mark back.
    pub(crate) fn set_dead(&mut self, dead: bool) {
        let Group::Classic(group) = self;
        group.state = if dead { GroupState::Dead } else { GroupState::Empty };
    }

    pub(crate) fn listed(&self) -> ListedGroup {
        let Group::Classic(group) = self;
        ListedGroup {
            group_id: group.group_id.clone(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            state: group.state,
            group_type: GroupType::Classic,
        }
    }

    pub(crate) fn describe(&self) -> DescribedGroup {
        let Group::Classic(group) = self;
        group.describe()
    }

    pub(crate) fn validate_commit(&self, who: &Committer<'_>) -> Result<(), ErrorCode> {
        let Group::Classic(group) = self;
        group.validate_commit(who)
    }

    pub(crate) fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        let Group::Classic(group) = self;
        group.validate_offset_delete()
    }

    pub(crate) fn validate_delete(&self) -> Result<(), ErrorCode> {
        let Group::Classic(group) = self;
        group.validate_delete()
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        let Group::Classic(group) = self;
        group.is_subscribed_to(topic)
    }

    pub(crate) fn expires_from(&self, commit_timestamp_ms: i64) -> Option<i64> {
        let Group::Classic(group) = self;
        group.expires_from(commit_timestamp_ms)
    }

    /// A commit shows that a member lives.
    pub(crate) fn has_committed(&mut self, cx: &Context, member_id: &str) {
        let Group::Classic(group) = self;
        group.heard_of(cx, member_id);
    }
}
