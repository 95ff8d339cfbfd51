//! A consumer as a state machine of its own: joins, syncs, heartbeats, commits, and retries what was refused.

use crate::common::{Harness, join, protocols, static_join, sync};
use crate::{GROUP, HEARTBEAT_MS, PARTITIONS, Random, SESSION_MS, TOPIC, Truth};
use bytes::Bytes;
use sluice_group::*;
use std::collections::BTreeMap;

enum Phase {
    Down,
    Rejoin,
    Joining(Token),
    Syncing(Token),
    Stable,
}

pub struct Client {
    name: String,
    is_static: bool,
    /// How often it was started: part of the suffix of its member ids.
    life: u32,
    ids: u32,
    member_id: String,
    generation: i32,
    phase: Phase,
    heartbeat_at: i64,
    /// Partition to the next offset that it would commit.
    positions: BTreeMap<i32, i64>,
    committing: Option<(Token, BTreeMap<i32, i64>)>,
}

impl Client {
    pub fn new(n: usize) -> Self {
        Self {
            name: format!("c{n}"),
            is_static: n.is_multiple_of(5),
            life: 0,
            ids: 0,
            member_id: String::new(),
            generation: -1,
            phase: Phase::Down,
            heartbeat_at: 0,
            positions: BTreeMap::new(),
            committing: None,
        }
    }

    pub fn is_alive(&self) -> bool {
        !matches!(self.phase, Phase::Down)
    }

    pub fn owned(&self) -> usize {
        self.positions.len()
    }

    /// Starts when down; otherwise leaves or dies.
    pub fn turn(&mut self, harness: &mut Harness, random: &mut Random) {
        if !self.is_alive() {
            self.life += 1;
            self.member_id.clear();
            self.phase = Phase::Rejoin;
            return;
        }
        if !self.is_static && !self.member_id.is_empty() && random.one_in(2) {
            harness.leave(GROUP, &self.member_id);
        }
        if let Phase::Joining(token) | Phase::Syncing(token) = self.phase {
            let effects = harness.coordinator.drop_token(harness.now, token);
            harness.carry_out(effects);
            harness.answers.remove(&token);
        }
        self.phase = Phase::Down;
        self.positions.clear();
        self.committing = None;
    }

    /// The broker has restarted: what waits there is lost.
    pub fn disconnected(&mut self) {
        self.committing = None;
        if let Phase::Joining(_) | Phase::Syncing(_) = self.phase {
            self.phase = Phase::Rejoin;
        }
    }

    pub fn step(&mut self, harness: &mut Harness, random: &mut Random, truth: &mut Truth) {
        self.hear_of_commit(harness, truth);
        match self.phase {
            Phase::Down => {}
            Phase::Rejoin => self.join(harness, truth),
            Phase::Joining(token) => {
                if let Some(Response::JoinGroup(response)) = harness.take(token) {
                    self.joined(harness, response);
                }
            }
            Phase::Syncing(token) => {
                if let Some(Response::SyncGroup(response)) = harness.take(token) {
                    self.synced(harness, response);
                }
            }
            Phase::Stable => self.work(harness, random),
        }
    }

    fn request(&mut self) -> JoinGroupRequest {
        self.ids += 1;
        let suffix = format!("{}.{}", self.life, self.ids);
        let base = if self.is_static {
            static_join(GROUP, &self.name, &self.name, &suffix)
        } else {
            JoinGroupRequest { member_id_suffix: suffix, ..join(GROUP, &self.name) }
        };
        JoinGroupRequest {
            member_id: self.member_id.clone(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: 5_000,
            protocols: protocols(&["range"]),
            ..base
        }
    }

    fn join(&mut self, harness: &mut Harness, truth: &mut Truth) {
        // Eager: it gives up its partitions before it joins.
        self.positions.clear();
        if self.generation < 0 {
            truth.newcomer_at = harness.now;
        }
        let token = harness.send(Request::JoinGroup(self.request()));
        self.phase = Phase::Joining(token);
    }

    fn joined(&mut self, harness: &mut Harness, response: JoinGroupResponse) {
        match response.error {
            ErrorCode::None => {
                self.member_id = response.member_id;
                self.generation = response.generation_id;
                let mut request = sync(GROUP, &self.member_id, self.generation, &[]);
                if response.leader == self.member_id && !response.skip_assignment {
                    request.assignments = assign(&response.members);
                }
                request.group_instance_id = self.instance();
                self.phase = Phase::Syncing(harness.send(Request::SyncGroup(request)));
            }
            ErrorCode::MemberIdRequired => {
                self.member_id = response.member_id;
                self.generation = -1;
                self.phase = Phase::Rejoin;
            }
            error => self.refused(error),
        }
    }

    fn synced(&mut self, harness: &mut Harness, response: SyncGroupResponse) {
        if !response.error.is_none() {
            return self.refused(response.error);
        }
        self.positions.clear();
        for partition in partitions(&response.assignment) {
            let fetched = harness.fetch(GROUP, TOPIC, partition, true);
            // An unstable offset is asked for again; here a lost place is as good as another rejoin.
            if fetched.error == ErrorCode::UnstableOffsetCommit {
                return self.phase = Phase::Syncing(self.sync_again(harness));
            }
            self.positions.insert(partition, fetched.offset + 1);
        }
        self.heartbeat_at = harness.now + HEARTBEAT_MS;
        self.phase = Phase::Stable;
    }

    fn sync_again(&mut self, harness: &mut Harness) -> Token {
        let request = SyncGroupRequest {
            group_instance_id: self.instance(),
            ..sync(GROUP, &self.member_id, self.generation, &[])
        };
        harness.send(Request::SyncGroup(request))
    }

    fn work(&mut self, harness: &mut Harness, random: &mut Random) {
        if self.heartbeat_at <= harness.now {
            self.heartbeat_at = harness.now + HEARTBEAT_MS;
            let request = HeartbeatRequest {
                group_id: GROUP.into(),
                generation_id: self.generation,
                member_id: self.member_id.clone(),
                group_instance_id: self.instance(),
            };
            let Response::Heartbeat(response) = harness.ask(Request::Heartbeat(request)) else { panic!() };
            if !response.error.is_none() {
                return self.refused(response.error);
            }
        }
        if self.committing.is_none() && !self.positions.is_empty() && random.one_in(40) {
            self.commit(harness);
        }
    }

    fn commit(&mut self, harness: &mut Harness) {
        let partitions = self.positions.iter().map(|(partition, offset)| CommitOffset {
            partition: *partition,
            offset: *offset,
            leader_epoch: -1,
            metadata: None,
        });
        let request = OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance(),
            topics: vec![Topic { name: TOPIC.into(), partitions: partitions.collect() }],
            ..OffsetCommitRequest::default()
        };
        self.committing = Some((harness.send(Request::OffsetCommit(request)), self.positions.clone()));
    }

    fn hear_of_commit(&mut self, harness: &mut Harness, truth: &mut Truth) {
        let Some((token, offsets)) = self.committing.take_if(|(token, _)| harness.answers.contains_key(token)) else {
            return;
        };
        let Some(Response::OffsetCommit(response)) = harness.take(token) else { panic!() };
        let stored = response.topics[0].partitions[0].error.is_none();
        for (partition, offset) in offsets.into_iter().filter(|_| stored) {
            let known = truth.committed.entry(partition).or_insert(-1);
            *known = offset.max(*known);
            truth.commits += 1;
            self.positions.entry(partition).and_modify(|next| *next = offset + 1);
        }
    }

    fn refused(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.member_id.clear();
                self.generation = -1;
            }
            ErrorCode::RebalanceInProgress | ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {}
            error => panic!("{} of {}: {error}", self.member_id, self.name),
        }
        self.phase = Phase::Rejoin;
    }

    fn instance(&self) -> Option<String> {
        self.is_static.then(|| self.name.clone())
    }
}

/// Partitions in turn to each member, a byte each.
fn assign(members: &[JoinGroupMember]) -> Vec<SyncGroupAssignment> {
    let of = |n: usize| (0..PARTITIONS as u8).filter(|p| usize::from(*p) % members.len() == n).collect::<Vec<u8>>();
    let one = |(n, member): (usize, &JoinGroupMember)| SyncGroupAssignment {
        member_id: member.member_id.clone(),
        assignment: Bytes::from(of(n)),
    };
    members.iter().enumerate().map(one).collect()
}

pub fn partitions(assignment: &Bytes) -> Vec<i32> {
    assignment.iter().map(|partition| i32::from(*partition)).collect()
}
