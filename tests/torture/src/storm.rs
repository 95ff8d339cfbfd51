//! Members of one group that join and leave at random, each by hand over its own connection.
//!
//! What must hold: a partition has one owner in a generation, and whoever takes a partition over finds at least what the one before was
//! told of its commit. How long a round takes is told, not judged: that is a bench's matter.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    CreateTopicsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use sluice_harness::Random;

use crate::wire::Connection;

const TOPIC: &str = "storm";
const GROUP: &str = "storm";
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Stays of a member, in heartbeats.
const STAY_BEATS: (u64, u64) = (5, 40);
/// Pauses between two stays, in ms.
const AWAY_MS_MAX: u64 = 1_500;

const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub members: u32,
    pub partitions: i32,
    /// How often each member joins and leaves. The first one stays until the others are done.
    pub visits: u32,
    pub seed: u64,
}

/// What a storm was.
#[derive(Debug, Clone)]
pub struct StormReport {
    /// Rounds in which every member got its partitions.
    pub rounds: u64,
    /// Rounds that somebody's joining or leaving cut short.
    pub cut_short: u64,
    pub joins: u64,
    pub commits: u64,
    /// Of each whole round but the first, which waits for more members: from its last join to its last assignment.
    pub took: Vec<Duration>,
}

#[derive(Default)]
struct Round {
    last_join: Option<Instant>,
    members: BTreeSet<String>,
    owners: BTreeMap<i32, String>,
    assigned: BTreeSet<String>,
    last_assigned: Option<Instant>,
}

struct Shared<'a> {
    address: &'a str,
    storm: Storm,
    rounds: Mutex<BTreeMap<i32, Round>>,
    violations: Mutex<Vec<String>>,
    /// Of each partition: what is committed next, and the highest that was acknowledged.
    next: Vec<AtomicI64>,
    acknowledged: Vec<AtomicI64>,
    joins: AtomicU64,
    commits: AtomicU64,
    /// Members that have visits left, the first one not counted.
    restless: AtomicU64,
}

/// Lets it blow.
///
/// # Errors
/// A partition with two owners or none, a commit that was lost, a request that was refused.
pub fn storm(address: &str, storm: Storm) -> Result<StormReport> {
    create_topic(address, storm.partitions)?;
    let counters = || (0..storm.partitions).map(|_| AtomicI64::new(0)).collect();
    let shared = Shared {
        address,
        storm,
        rounds: Mutex::default(),
        violations: Mutex::default(),
        next: counters(),
        acknowledged: counters(),
        joins: AtomicU64::new(0),
        commits: AtomicU64::new(0),
        restless: AtomicU64::new(u64::from(storm.members) - 1),
    };
    let outcomes: Vec<Result<()>> = thread::scope(|scope| {
        let shared = &shared;
        let threads: Vec<_> = (0..storm.members).map(|index| scope.spawn(move || member(shared, index))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a member does not panic")).collect()
    });
    outcomes.into_iter().collect::<Result<()>>()?;
    compare_committed(&shared)?;
    let report = judge_rounds(&shared);
    let violations = shared.violations.into_inner().expect("no holder panics");
    if violations.is_empty() {
        Ok(report)
    } else {
        bail!("{} violations:\n{}", violations.len(), violations.join("\n"))
    }
}

fn judge_rounds(shared: &Shared<'_>) -> StormReport {
    let rounds = shared.rounds.lock().expect("no holder panics");
    let (mut whole, mut cut_short, mut took) = (0, 0, Vec::new());
    for (generation, round) in rounds.iter() {
        if round.assigned != round.members {
            cut_short += 1;
            continue;
        }
        whole += 1;
        let orphans = (0..shared.storm.partitions).filter(|partition| !round.owners.contains_key(partition)).count();
        if orphans > 0 {
            shared.violation(format!("{orphans} partitions have no owner in generation {generation}"));
        }
        if let (Some(from), Some(to), true) = (round.last_join, round.last_assigned, whole > 1) {
            took.push(to.saturating_duration_since(from));
        }
    }
    let (joins, commits) = (shared.joins.load(Ordering::Relaxed), shared.commits.load(Ordering::Relaxed));
    StormReport { rounds: whole, cut_short, joins, commits, took }
}

fn member(shared: &Shared<'_>, index: u32) -> Result<()> {
    let mut random = Random::new(shared.storm.seed ^ (u64::from(index) << 20));
    if index == 0 {
        let mut member = Member::connect(shared)?;
        return member.visit(|_| shared.restless.load(Ordering::Relaxed) == 0);
    }
    let outcome = (0..shared.storm.visits).try_for_each(|_| {
        thread::sleep(Duration::from_millis(random.below(AWAY_MS_MAX)));
        let stay = STAY_BEATS.0 + random.below(STAY_BEATS.1 - STAY_BEATS.0);
        Member::connect(shared)?.visit(|beats| beats >= stay)
    });
    shared.restless.fetch_sub(1, Ordering::Relaxed);
    outcome
}

/// One stay of a member.
struct Member<'s> {
    shared: &'s Shared<'s>,
    connection: Connection,
    id: String,
    generation: i32,
}

/// Why a member is without partitions: it joins again.
struct Out;

impl Member<'_> {
    fn connect<'s>(shared: &'s Shared<'s>) -> Result<Member<'s>> {
        let connection = Connection::open(shared.address)?;
        Ok(Member { shared, connection, id: String::new(), generation: -1 })
    }

    fn visit(&mut self, is_over: impl Fn(u64) -> bool) -> Result<()> {
        let mut beats = 0;
        loop {
            let leads = self.join()?;
            let Ok(mine) = self.sync(leads)? else { continue };
            self.refuse_lost_commits(&mine)?;
            loop {
                if is_over(beats) {
                    return self.leave();
                }
                thread::sleep(HEARTBEAT);
                beats += 1;
                self.commit(&mine)?;
                if self.heartbeat()?.is_err() {
                    break;
                }
            }
        }
    }

    /// Answers the members to give partitions to, when it is the leader.
    fn join(&mut self) -> Result<Vec<String>> {
        let protocol =
            JoinGroupRequestProtocol::default().with_name(text("spread")).with_metadata(Bytes::from_static(b"-"));
        loop {
            let request = JoinGroupRequest::default()
                .with_group_id(group())
                .with_session_timeout_ms(10_000)
                .with_rebalance_timeout_ms(10_000)
                .with_member_id(text(&self.id))
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol.clone()]);
            let sent = Instant::now();
            let answer = self.connection.call(5, &request)?;
            match answer.error_code {
                0 => {
                    self.id = answer.member_id.to_string();
                    self.generation = answer.generation_id;
                    self.shared.joins.fetch_add(1, Ordering::Relaxed);
                    let mut rounds = self.shared.rounds.lock().expect("no holder panics");
                    let round = rounds.entry(self.generation).or_default();
                    round.last_join = round.last_join.max(Some(sent));
                    let members: Vec<String> = answer.members.iter().map(|it| it.member_id.to_string()).collect();
                    round.members.extend(members.iter().cloned());
                    return Ok(members);
                }
                MEMBER_ID_REQUIRED => self.id = answer.member_id.to_string(),
                UNKNOWN_MEMBER_ID => self.id.clear(),
                REBALANCE_IN_PROGRESS => {}
                code => bail!("a join was refused with {code}"),
            }
        }
    }

    fn sync(&mut self, members: Vec<String>) -> Result<Result<Vec<i32>, Out>> {
        let mut spread: HashMap<&str, BytesMut> = HashMap::new();
        for (partition, member) in (0..self.shared.storm.partitions).zip(members.iter().cycle()) {
            spread.entry(member).or_default().put_i32(partition);
        }
        let assignments = members
            .iter()
            .map(|member| {
                let assignment = spread.remove(member.as_str()).unwrap_or_default().freeze();
                SyncGroupRequestAssignment::default().with_member_id(text(member)).with_assignment(assignment)
            })
            .collect();
        let request = SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_assignments(assignments);
        let mut answer = self.connection.call(3, &request)?;
        if self.is_out("a sync", answer.error_code)?.is_err() {
            return Ok(Err(Out));
        }
        let mut mine = Vec::new();
        while answer.assignment.remaining() >= 4 {
            mine.push(answer.assignment.get_i32());
        }
        let now = Instant::now();
        let mut rounds = self.shared.rounds.lock().expect("no holder panics");
        let round = rounds.entry(self.generation).or_default();
        round.last_assigned = round.last_assigned.max(Some(now));
        round.assigned.insert(self.id.clone());
        for partition in &mine {
            if let Some(other) = round.owners.insert(*partition, self.id.clone()) {
                self.shared.violation(format!(
                    "partition {partition} belongs to {other} and to {} in generation {}",
                    self.id, self.generation
                ));
            }
        }
        Ok(Ok(mine))
    }

    /// What the owners before were told is still there.
    fn refuse_lost_commits(&mut self, mine: &[i32]) -> Result<()> {
        let floors: HashMap<i32, i64> =
            mine.iter().map(|partition| (*partition, self.shared.acknowledged_of(*partition))).collect();
        for (partition, offset) in committed(&mut self.connection, mine)? {
            if offset.max(0) < floors[&partition] {
                let floor = floors[&partition];
                self.shared.violation(format!("partition {partition} stands at {offset}, {floor} was acknowledged"));
            }
        }
        Ok(())
    }

    fn commit(&mut self, mine: &[i32]) -> Result<()> {
        let wanted: Vec<(i32, i64)> = mine
            .iter()
            .map(|partition| (*partition, self.shared.next[*partition as usize].fetch_add(1, Ordering::Relaxed) + 1))
            .collect();
        let partitions = wanted
            .iter()
            .map(|(partition, offset)| {
                OffsetCommitRequestPartition::default().with_partition_index(*partition).with_committed_offset(*offset)
            })
            .collect();
        let topic = OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(partitions);
        let request = OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(text(&self.id))
            .with_topics(vec![topic]);
        let answer = self.connection.call(7, &request)?;
        for part in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            if self.is_out("a commit", part.error_code)?.is_ok()
                && let Some((partition, offset)) =
                    wanted.iter().find(|(partition, _)| *partition == part.partition_index)
            {
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                self.shared.acknowledged[*partition as usize].fetch_max(*offset, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<Result<(), Out>> {
        let request = HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id));
        let answer = self.connection.call(3, &request)?;
        self.is_out("a heartbeat", answer.error_code)
    }

    fn leave(&mut self) -> Result<()> {
        let member = MemberIdentity::default().with_member_id(text(&self.id));
        let request = LeaveGroupRequest::default().with_group_id(group()).with_members(vec![member]);
        let answer = self.connection.call(3, &request)?;
        if answer.error_code != 0 { bail!("a leave was refused with {}", answer.error_code) } else { Ok(()) }
    }

    fn is_out(&mut self, what: &str, code: i16) -> Result<Result<(), Out>> {
        match code {
            0 => Ok(Ok(())),
            REBALANCE_IN_PROGRESS | ILLEGAL_GENERATION => Ok(Err(Out)),
            UNKNOWN_MEMBER_ID => {
                self.id.clear();
                Ok(Err(Out))
            }
            code => bail!("{what} was refused with {code}"),
        }
    }
}

impl Shared<'_> {
    fn violation(&self, what: String) {
        self.violations.lock().expect("no holder panics").push(what);
    }

    fn acknowledged_of(&self, partition: i32) -> i64 {
        self.acknowledged[partition as usize].load(Ordering::Relaxed)
    }
}

/// After the last member left: exactly what was acknowledged last, in each partition.
fn compare_committed(shared: &Shared<'_>) -> Result<()> {
    let all: Vec<i32> = (0..shared.storm.partitions).collect();
    for (partition, offset) in committed(&mut Connection::open(shared.address)?, &all)? {
        let told = shared.acknowledged_of(partition);
        if offset.max(0) != told {
            shared.violation(format!("partition {partition} ends at {offset}, {told} was acknowledged"));
        }
    }
    Ok(())
}

fn committed(connection: &mut Connection, partitions: &[i32]) -> Result<Vec<(i32, i64)>> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = OffsetFetchRequestTopic::default().with_name(topic()).with_partition_indexes(partitions.to_vec());
    let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![wanted]));
    let answer = connection.call(5, &request)?;
    if answer.error_code != 0 {
        bail!("offsets were refused with {}", answer.error_code);
    }
    Ok(answer
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|it| (it.partition_index, it.committed_offset))
        .collect())
}

fn create_topic(address: &str, partitions: i32) -> Result<()> {
    let wanted =
        CreatableTopic::default().with_name(topic()).with_num_partitions(partitions).with_replication_factor(1);
    let answer = Connection::open(address)?.call(2, &CreateTopicsRequest::default().with_topics(vec![wanted]))?;
    let code = answer.topics[0].error_code;
    if code != 0 { bail!("cannot create {TOPIC}: {code}") } else { Ok(()) }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group() -> GroupId {
    GroupId(text(GROUP))
}

fn topic() -> TopicName {
    TopicName(text(TOPIC))
}
