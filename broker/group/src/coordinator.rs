//! The coordinator: requests in, effects out.

use crate::classic::ClassicGroup;
use crate::context::Context;
use crate::group::{Entry, Group};
use crate::pending::{CommittedOffset, Pending};
use crate::records::{OffsetAndMetadata, Record, RecordError, decode};
use crate::{
    AppendId, Config, DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, Effect, ErrorCode, GroupState,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse, LeftMember,
    ListGroupsRequest, ListGroupsResponse, Request, Response, SyncGroupRequest, Token,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All groups of a broker.
#[derive(Debug)]
pub struct Coordinator {
    pub(crate) cx: Context,
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Producer id to the groups in which it has offsets of an open transaction.
    pub(crate) open_transactions: HashMap<i64, BTreeSet<String>>,
    /// When each group wants its tick, soonest first.
    deadlines: BTreeSet<(i64, String)>,
    next_expiry_ms: Option<i64>,
}

impl Coordinator {
    /// Without any group. Load what the log holds before the first request.
    pub fn new(config: Config) -> Self {
        Self {
            cx: Context::new(config),
            entries: BTreeMap::new(),
            open_transactions: HashMap::new(),
            deadlines: BTreeSet::new(),
            next_expiry_ms: None,
        }
    }

    pub fn config(&self) -> &Config {
        &self.cx.config
    }

    /// Takes one record of `__consumer_offsets`, oldest first. `transaction` is the producer id of its batch, when that
    /// batch is transactional; the record then waits for [`Self::complete_transaction`], to be called where the log has
    /// the marker. Records of other protocols are skipped.
    pub fn load(&mut self, key: &[u8], value: Option<&[u8]>, transaction: Option<i64>) -> Result<(), RecordError> {
        match decode(key, value)? {
            Record::Offset { group_id, topic, partition, value: Some(value) } => {
                let append = self.cx.number_loaded();
                let entry = self.entries.entry(group_id.clone()).or_insert_with(|| Entry::new(&group_id));
                entry.offsets.put(transaction, CommittedOffset { topic, partition, value, append });
                if let Some(producer_id) = transaction {
                    self.open_transactions.entry(producer_id).or_default().insert(group_id);
                }
            }
            Record::Offset { group_id, topic, partition, value: None } => {
                if let Some(entry) = self.entries.get_mut(&group_id) {
                    entry.offsets.forget(&topic, partition);
                }
                self.settle(&group_id);
            }
            Record::Group { group_id, value: Some(value) } => {
                let group = Group::Classic(ClassicGroup::from_record(&group_id, value));
                self.entries.entry(group_id.clone()).or_insert_with(|| Entry::new(&group_id)).group = group;
            }
            Record::Group { group_id, value: None } => {
                if let Some(entry) = self.entries.get_mut(&group_id) {
                    entry.group = Group::Classic(ClassicGroup::new(&group_id));
                }
                self.settle(&group_id);
            }
            Record::Other => {}
        }
        Ok(())
    }

    /// Ends loading: sessions of the members that were found start at `now_ms`.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        self.cx.begin(now_ms, None);
        self.next_expiry_ms = Some(now_ms + self.cx.config.offsets_retention_check_interval_ms);
        for group_id in self.entries.keys().cloned().collect::<Vec<_>>() {
            if let Some(Entry { group: Group::Classic(group), .. }) = self.entries.get_mut(&group_id) {
                group.loaded(&mut self.cx);
            }
            self.settle(&group_id);
        }
        self.cx.finish("")
    }

    /// Handles one request that waits under `token`.
    pub fn handle(&mut self, now_ms: i64, token: Token, request: Request) -> Vec<Effect> {
        self.cx.begin(now_ms, Some(token));
        self.next_expiry_ms.get_or_insert(now_ms + self.cx.config.offsets_retention_check_interval_ms);
        let group_id = match &request {
            Request::JoinGroup(request) => request.group_id.clone(),
            Request::SyncGroup(request) => request.group_id.clone(),
            Request::Heartbeat(request) => request.group_id.clone(),
            Request::LeaveGroup(request) => request.group_id.clone(),
            Request::OffsetCommit(request) => request.group_id.clone(),
            Request::TxnOffsetCommit(request) => request.group_id.clone(),
            Request::OffsetDelete(request) => request.group_id.clone(),
            _ => String::new(),
        };
        match request {
            Request::JoinGroup(request) => self.join_group(token, request),
            Request::SyncGroup(request) => self.sync_group(token, request),
            Request::Heartbeat(request) => self.heartbeat(token, &request),
            Request::LeaveGroup(request) => self.leave_group(token, request),
            Request::OffsetCommit(request) => self.offset_commit(token, request),
            Request::TxnOffsetCommit(request) => self.txn_offset_commit(token, request),
            Request::OffsetFetch(request) => self.offset_fetch(token, request),
            Request::OffsetDelete(request) => self.offset_delete(token, request),
            Request::DescribeGroups(request) => self.describe_groups(token, request),
            Request::ListGroups(request) => self.list_groups(token, &request),
            Request::DeleteGroups(request) => self.delete_groups(token, request),
        }
        self.settle(&group_id);
        self.cx.finish(&group_id)
    }

    /// Reports what became of [`Effect::Append`].
    pub fn appended(&mut self, now_ms: i64, id: AppendId, outcome: Result<(), ErrorCode>) -> Vec<Effect> {
        self.cx.begin(now_ms, None);
        match self.cx.take_pending(id) {
            Some(Pending::Commit { token, group_id, producer_id, offsets, response }) => {
                self.offsets_stored(token, &group_id, producer_id, offsets, response, outcome);
                self.settle(&group_id);
            }
            Some(Pending::Removal(removal)) => self.removed(removal, outcome),
            Some(Pending::Assignment { group_id, generation, assignments }) => {
                if let Some(group) = classic(&mut self.entries, &group_id) {
                    group.assignment_stored(&mut self.cx, generation, assignments, outcome);
                }
                self.settle(&group_id);
            }
            Some(Pending::StaticMember(pending)) => {
                let group_id = pending.group_id.clone();
                if let Some(group) = classic(&mut self.entries, &group_id) {
                    group.static_member_stored(&mut self.cx, pending, outcome);
                }
                self.settle(&group_id);
            }
            Some(Pending::Emptied) | None => {}
        }
        self.cx.finish("")
    }

    /// The connection of this request is gone: nobody waits for its answer.
    pub fn drop_token(&mut self, now_ms: i64, token: Token) -> Vec<Effect> {
        self.cx.begin(now_ms, None);
        if let Some(group_id) = self.cx.drop_token(token) {
            if let Some(group) = classic(&mut self.entries, &group_id) {
                group.forget_unanswered(&mut self.cx, token);
            }
            self.settle(&group_id);
        }
        self.cx.finish("")
    }

    /// When [`Self::tick`] has something to do, in ms; it may be in the past, and it may be too early, never too late.
    pub fn next_deadline(&self) -> Option<i64> {
        let groups = self.deadlines.first().map(|(at, _)| *at);
        [groups, self.next_expiry_ms].into_iter().flatten().min()
    }

    /// Does what is due: sessions and rounds that time out, delayed rounds, expired offsets.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        self.cx.begin(now_ms, None);
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now_ms);
        for group_id in due.map(|(_, group_id)| group_id.clone()).collect::<Vec<_>>() {
            if let Some(group) = classic(&mut self.entries, &group_id) {
                group.tick(&mut self.cx);
            }
            self.settle(&group_id);
        }
        if self.next_expiry_ms.is_some_and(|at| at <= now_ms) {
            self.next_expiry_ms = Some(now_ms + self.cx.config.offsets_retention_check_interval_ms);
            self.expire();
        }
        self.cx.finish("")
    }

    /// A transaction's marker is in the log: its pending offsets take effect (`commit`) or vanish.
    pub fn complete_transaction(&mut self, now_ms: i64, producer_id: i64, commit: bool) -> Vec<Effect> {
        self.cx.begin(now_ms, None);
        self.end_transaction(producer_id, commit);
        self.cx.finish("")
    }

    /// These topics are deleted: so are the offsets that any group has for them.
    pub fn topics_deleted(&mut self, now_ms: i64, topics: &[String]) -> Vec<Effect> {
        self.cx.begin(now_ms, None);
        self.forget_topics(topics);
        self.cx.finish("")
    }

    /// What a group has committed, for lag figures: topic, partition, offset.
    pub fn committed(&self, group_id: &str) -> impl Iterator<Item = (&str, i32, &OffsetAndMetadata)> {
        self.entries.get(group_id).into_iter().flat_map(|entry| entry.offsets.committed())
    }

    /// Every group with its state and number of members.
    pub fn groups(&self) -> impl Iterator<Item = (&str, GroupState, usize)> {
        self.entries.iter().map(|(group_id, entry)| {
            let Group::Classic(group) = &entry.group;
            (group_id.as_str(), group.state, group.members.len())
        })
    }

    fn join_group(&mut self, token: Token, request: JoinGroupRequest) {
        let config = &self.cx.config;
        let sessions = config.group_min_session_timeout_ms..=config.group_max_session_timeout_ms;
        let error = if request.group_id.is_empty() || !fits(&request.group_id) {
            ErrorCode::InvalidGroupId
        } else if !sessions.contains(&request.session_timeout_ms) {
            ErrorCode::InvalidSessionTimeout
        } else if !join_fits(&request) {
            ErrorCode::InvalidRequest
        } else if !request.member_id.is_empty() && !self.entries.contains_key(&request.group_id) {
            ErrorCode::UnknownMemberId
        } else {
            let group_id = request.group_id.clone();
            let entry = self.entries.entry(group_id).or_insert_with_key(|group_id| Entry::new(group_id));
            let Group::Classic(group) = &mut entry.group;
            return group.join(&mut self.cx, token, request);
        };
        ClassicGroup::refuse_join(&mut self.cx, token, &request.member_id, error);
    }

    fn sync_group(&mut self, token: Token, request: SyncGroupRequest) {
        if request.group_id.is_empty() {
            return ClassicGroup::refuse_sync(&mut self.cx, token, ErrorCode::InvalidGroupId);
        }
        match classic(&mut self.entries, &request.group_id) {
            Some(group) => group.sync(&mut self.cx, token, request),
            None => ClassicGroup::refuse_sync(&mut self.cx, token, ErrorCode::UnknownMemberId),
        }
    }

    fn heartbeat(&mut self, token: Token, request: &HeartbeatRequest) {
        let outcome = match classic(&mut self.entries, &request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            Some(group) => group.heartbeat(&mut self.cx, request),
            None => Err(ErrorCode::UnknownMemberId),
        };
        let error = outcome.err().unwrap_or(ErrorCode::None);
        self.cx.answer(token, Response::Heartbeat(HeartbeatResponse { error }));
    }

    fn leave_group(&mut self, token: Token, request: LeaveGroupRequest) {
        let mut response = LeaveGroupResponse { error: ErrorCode::None, members: Vec::new() };
        if request.group_id.is_empty() {
            response.error = ErrorCode::InvalidGroupId;
        } else if let Some(group) = classic(&mut self.entries, &request.group_id) {
            return group.leave(&mut self.cx, token, request);
        } else {
            let members = request.members.into_iter().map(|leaving| LeftMember {
                member_id: leaving.member_id,
                group_instance_id: leaving.group_instance_id,
                error: ErrorCode::UnknownMemberId,
            });
            response.members = members.collect();
        }
        self.cx.answer(token, Response::LeaveGroup(response));
    }

    fn describe_groups(&mut self, token: Token, request: DescribeGroupsRequest) {
        let describe = |group_id: String| match self.entries.get(&group_id) {
            Some(entry) if entry.group.state() != GroupState::Dead => entry.group.describe(),
            _ => DescribedGroup {
                group_id,
                error: ErrorCode::GroupIdNotFound,
                state: GroupState::Dead,
                protocol_type: String::new(),
                protocol_data: String::new(),
                members: Vec::new(),
            },
        };
        let groups = request.groups.into_iter().map(describe).collect();
        self.cx.answer(token, Response::DescribeGroups(DescribeGroupsResponse { groups }));
    }

    fn list_groups(&mut self, token: Token, request: &ListGroupsRequest) {
        let passes = |filter: &[String], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let listed = self.entries.values().map(|entry| entry.group.listed());
        let groups = listed.filter(|group| {
            passes(&request.states_filter, group.state.name()) && passes(&request.types_filter, group.group_type.name())
        });
        let groups = groups.collect();
        self.cx.answer(token, Response::ListGroups(ListGroupsResponse { groups }));
    }

    /// After a change: files the group under its new deadline, or drops it when nothing of it would be missed.
    pub(crate) fn settle(&mut self, group_id: &str) {
        let Some(entry) = self.entries.get_mut(group_id) else { return };
        if entry.is_blank() {
            return self.remove_entry(group_id);
        }
        let earliest = entry.group.earliest_ms();
        if earliest == entry.deadline_ms {
            return;
        }
        if let Some(before) = std::mem::replace(&mut entry.deadline_ms, earliest) {
            self.deadlines.remove(&(before, group_id.to_owned()));
        }
        if let Some(at) = earliest {
            self.deadlines.insert((at, group_id.to_owned()));
        }
    }

    pub(crate) fn remove_entry(&mut self, group_id: &str) {
        if let Some(entry) = self.entries.remove(group_id)
            && let Some(at) = entry.deadline_ms
        {
            self.deadlines.remove(&(at, group_id.to_owned()));
        }
    }
}

fn classic<'a>(entries: &'a mut BTreeMap<String, Entry>, group_id: &str) -> Option<&'a mut ClassicGroup> {
    entries.get_mut(group_id).map(|entry| {
        let Group::Classic(group) = &mut entry.group;
        group
    })
}

/// Whether a string can be written: its length is an i16.
pub(crate) fn fits(text: &str) -> bool {
    i16::try_from(text.len()).is_ok()
}

fn join_fits(request: &JoinGroupRequest) -> bool {
    let prefix = request.group_instance_id.as_deref().unwrap_or(&request.client_id);
    let member_id_bytes = prefix.len() + 1 + request.member_id_suffix.len();
    let names = [&request.client_id, &request.client_host, &request.protocol_type, &request.member_id];
    i16::try_from(member_id_bytes).is_ok()
        && names.into_iter().chain(request.protocols.iter().map(|one| &one.name)).all(|name| fits(name))
}
