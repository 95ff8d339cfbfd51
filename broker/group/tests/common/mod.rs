//! A coordinator with its log: appends are kept as they come, stored when the test says so, and can be loaded again.
#![allow(dead_code)]

use bytes::Bytes;
use sluice_group::*;
use std::collections::{BTreeMap, VecDeque};

pub const SESSION_MS: i32 = 10_000;
pub const REBALANCE_MS: i32 = 30_000;

type LogRecord = (Bytes, Option<Bytes>, Option<i64>);

pub struct Harness {
    pub coordinator: Coordinator,
    pub now: i64,
    pub log: Vec<LogRecord>,
    /// Appends stay here while `hold` is set.
    pub held: VecDeque<(AppendId, Vec<LogRecord>)>,
    pub hold: bool,
    pub answers: BTreeMap<Token, Response>,
    next_token: u64,
}

impl Harness {
    pub fn new() -> Self {
        Self::with(Config { group_initial_rebalance_delay_ms: 0, ..Config::default() })
    }

    pub fn with(config: Config) -> Self {
        let mut coordinator = Coordinator::new(config);
        coordinator.loaded(0);
        let (log, held, answers) = (Vec::new(), VecDeque::new(), BTreeMap::new());
        Self { coordinator, now: 0, log, held, hold: false, answers, next_token: 0 }
    }

    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer(token, response) => {
                    assert!(self.answers.insert(token, response).is_none(), "{token:?} is answered twice");
                }
                Effect::Append { id, records, transaction } => {
                    let producer = transaction.map(|producer| producer.producer_id);
                    let records = records.into_iter().map(|record| (record.key, record.value, producer)).collect();
                    self.held.push_back((id, records));
                }
            }
        }
        if !self.hold {
            self.store_all();
        }
    }

    pub fn store_all(&mut self) {
        while self.store(Ok(())) {}
    }

    /// Stores the oldest held append, or fails it.
    pub fn store(&mut self, outcome: Result<(), ErrorCode>) -> bool {
        let Some((id, records)) = self.held.pop_front() else { return false };
        if outcome.is_ok() {
            self.log.extend(records);
        }
        let effects = self.coordinator.appended(self.now, id, outcome);
        self.carry_out(effects);
        true
    }

    pub fn send(&mut self, request: Request) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        let effects = self.coordinator.handle(self.now, token, request);
        self.carry_out(effects);
        token
    }

    /// Sends and takes the answer, which must come at once.
    pub fn ask(&mut self, request: Request) -> Response {
        let token = self.send(request);
        self.answers.remove(&token).expect("an answer at once")
    }

    pub fn take(&mut self, token: Token) -> Option<Response> {
        self.answers.remove(&token)
    }

    pub fn joined(&mut self, token: Token) -> JoinGroupResponse {
        match self.take(token) {
            Some(Response::JoinGroup(response)) => response,
            other => panic!("a join's answer, not {other:?}"),
        }
    }

    pub fn synced(&mut self, token: Token) -> SyncGroupResponse {
        match self.take(token) {
            Some(Response::SyncGroup(response)) => response,
            other => panic!("a sync's answer, not {other:?}"),
        }
    }

    /// Lets time pass, with every tick at its time.
    pub fn advance(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(at) = self.coordinator.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let effects = self.coordinator.tick(self.now);
            self.carry_out(effects);
        }
        self.now = end;
    }

    /// The same log in a new process.
    pub fn restart(&mut self) {
        let mut coordinator = Coordinator::new(self.coordinator.config().clone());
        for (key, value, producer) in &self.log {
            coordinator.load(key, value.as_deref(), *producer).expect("our own records");
        }
        self.coordinator = coordinator;
        self.held.clear();
        let effects = self.coordinator.loaded(self.now);
        self.carry_out(effects);
    }

    pub fn state(&mut self, group: &str) -> GroupState {
        self.describe(group).state
    }

    pub fn describe(&mut self, group: &str) -> DescribedGroup {
        let request = Request::DescribeGroups(DescribeGroupsRequest { groups: vec![group.into()] });
        match self.ask(request) {
            Response::DescribeGroups(mut response) => response.groups.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Joins in the two steps of KIP-394; the member id and the token of the second join.
    pub fn join_new(&mut self, group: &str, client: &str) -> (String, Token) {
        let first = self.send(Request::JoinGroup(join(group, client)));
        let first = self.joined(first);
        assert_eq!(first.error, ErrorCode::MemberIdRequired);
        let again = JoinGroupRequest { member_id: first.member_id.clone(), ..join(group, client) };
        (first.member_id, self.send(Request::JoinGroup(again)))
    }

    pub fn rejoin(&mut self, group: &str, client: &str, member_id: &str) -> Token {
        self.send(Request::JoinGroup(JoinGroupRequest { member_id: member_id.into(), ..join(group, client) }))
    }

    pub fn sync(&mut self, group: &str, member_id: &str, generation: i32, assignments: &[(&str, &str)]) -> Token {
        self.send(Request::SyncGroup(sync(group, member_id, generation, assignments)))
    }

    pub fn heartbeat(&mut self, group: &str, member_id: &str, generation: i32) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: group.into(),
            generation_id: generation,
            member_id: member_id.into(),
            group_instance_id: None,
        };
        match self.ask(Request::Heartbeat(request)) {
            Response::Heartbeat(response) => response.error,
            other => panic!("{other:?}"),
        }
    }

    pub fn leave(&mut self, group: &str, member_id: &str) -> ErrorCode {
        let members = vec![LeavingMember { member_id: member_id.into(), ..LeavingMember::default() }];
        match self.ask(Request::LeaveGroup(LeaveGroupRequest { group_id: group.into(), members })) {
            Response::LeaveGroup(response) => response.members[0].error,
            other => panic!("{other:?}"),
        }
    }

    /// A stable group of these clients; the member ids, in the clients' order, and the generation.
    pub fn stable(&mut self, group: &str, clients: &[&str]) -> (Vec<String>, i32) {
        let joins: Vec<_> = clients.iter().map(|client| self.join_new(group, client)).collect();
        self.advance(0);
        let mut generation = 0;
        let mut leader = String::new();
        for (_, token) in &joins {
            let response = self.joined(*token);
            (generation, leader) = (response.generation_id, response.leader);
        }
        let ids: Vec<String> = joins.into_iter().map(|(id, _)| id).collect();
        let names: Vec<String> = ids.iter().map(|id| format!("for {id}")).collect();
        let all: Vec<(&str, &str)> = ids.iter().zip(&names).map(|(id, name)| (id.as_str(), name.as_str())).collect();
        let tokens: Vec<_> =
            ids.iter().map(|id| self.sync(group, id, generation, if *id == leader { &all[..] } else { &[] })).collect();
        for (token, name) in tokens.into_iter().zip(&names) {
            assert_eq!(self.synced(token).assignment, name.as_bytes());
        }
        (ids, generation)
    }

    pub fn commit(&mut self, request: OffsetCommitRequest) -> ErrorCode {
        match self.ask(Request::OffsetCommit(request)) {
            Response::OffsetCommit(response) => response.topics[0].partitions[0].error,
            other => panic!("{other:?}"),
        }
    }

    pub fn fetch(&mut self, group: &str, topic: &str, partition: i32, require_stable: bool) -> FetchedOffset {
        let topics = Some(vec![Topic { name: topic.into(), partitions: vec![partition] }]);
        let group = OffsetFetchGroup { group_id: group.into(), member_id: None, member_epoch: -1, topics };
        match self.ask(Request::OffsetFetch(OffsetFetchRequest { groups: vec![group], require_stable })) {
            Response::OffsetFetch(mut response) => response.groups[0].topics[0].partitions.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub fn offset(&mut self, group: &str, topic: &str) -> i64 {
        self.fetch(group, topic, 0, false).offset
    }

    pub fn delete(&mut self, group: &str) -> ErrorCode {
        match self.ask(Request::DeleteGroups(DeleteGroupsRequest { groups: vec![group.into()] })) {
            Response::DeleteGroups(response) => response.results[0].error,
            other => panic!("{other:?}"),
        }
    }
}

/// A consumer's subscription, version 1 with no user data and no owned partitions.
pub fn subscription(topics: &[&str]) -> Bytes {
    let mut out = 1i16.to_be_bytes().to_vec();
    out.extend_from_slice(&(topics.len() as i32).to_be_bytes());
    for topic in topics {
        out.extend_from_slice(&(topic.len() as i16).to_be_bytes());
        out.extend_from_slice(topic.as_bytes());
    }
    out.extend_from_slice(&(-1i32).to_be_bytes());
    out.extend_from_slice(&0i32.to_be_bytes());
    out.into()
}

pub fn protocols(names: &[&str]) -> Vec<JoinGroupProtocol> {
    names.iter().map(|name| JoinGroupProtocol { name: (*name).into(), metadata: subscription(&["read"]) }).collect()
}

pub fn join(group: &str, client: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"]),
        requires_known_member_id: true,
        supports_skipping_assignment: true,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
        member_id_suffix: "uuid".into(),
        ..JoinGroupRequest::default()
    }
}

pub fn static_join(group: &str, client: &str, instance: &str, suffix: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_instance_id: Some(instance.into()),
        member_id_suffix: suffix.into(),
        ..join(group, client)
    }
}

pub fn sync(group: &str, member_id: &str, generation: i32, assignments: &[(&str, &str)]) -> SyncGroupRequest {
    let assignments = assignments
        .iter()
        .map(|(id, text)| SyncGroupAssignment {
            member_id: (*id).into(),
            assignment: Bytes::copy_from_slice(text.as_bytes()),
        })
        .collect();
    SyncGroupRequest {
        group_id: group.into(),
        generation_id: generation,
        member_id: member_id.into(),
        assignments,
        ..SyncGroupRequest::default()
    }
}

/// A simple consumer's commit of partition 0.
pub fn commit(group: &str, topic: &str, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: offsets(topic, offset),
        ..OffsetCommitRequest::default()
    }
}

pub fn offsets(topic: &str, offset: i64) -> Vec<Topic<CommitOffset>> {
    let one = CommitOffset { partition: 0, offset, leader_epoch: -1, metadata: Some("note".into()) };
    vec![Topic { name: topic.into(), partitions: vec![one] }]
}
