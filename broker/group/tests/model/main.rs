//! A hundred members that join, leave, die and commit at random, in simulated time, over a log that is slow, fails now
//! and then, and restarts. Checked at each step:
//! - every stable generation assigns each partition to exactly one member;
//! - no acknowledged commit is lost, also across restarts;
//! - a round ends within a second of the last member that came new to it. Members that die silently are waited for, so
//!   sessions are shorter than that here.

#[path = "../common/mod.rs"]
mod common;

mod client;

use client::Client;
use common::Harness;
use sluice_group::*;
use std::collections::BTreeMap;

const GROUP: &str = "g";
const TOPIC: &str = "t";
const PARTITIONS: i32 = 60;
const CLIENTS: usize = 100;
const STEP_MS: i64 = 5;
const SESSION_MS: i32 = 600;
const HEARTBEAT_MS: i64 = 100;
const ROUND_LIMIT_MS: i64 = 1_000;

/// xorshift64*: the same seed is the same run.
pub struct Random(u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What the outside knows to be true.
#[derive(Default)]
pub struct Truth {
    /// Partition to the last acknowledged commit.
    pub committed: BTreeMap<i32, i64>,
    pub commits: u64,
    pub newcomer_at: i64,
}

struct World {
    harness: Harness,
    clients: Vec<Client>,
    truth: Truth,
    random: Random,
    state: GroupState,
    round_began: i64,
    checked_generation: i32,
    rounds: Vec<i64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut harness = Harness::with(Config {
            group_initial_rebalance_delay_ms: 0,
            group_min_session_timeout_ms: SESSION_MS,
            ..Config::default()
        });
        harness.hold = true;
        Self {
            harness,
            clients: (0..CLIENTS).map(Client::new).collect(),
            truth: Truth::default(),
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            state: GroupState::Dead,
            round_began: 0,
            checked_generation: 0,
            rounds: Vec::new(),
        }
    }

    fn step(&mut self, lively: bool) {
        for n in 0..self.clients.len() {
            let client = &mut self.clients[n];
            if lively && self.random.one_in(4_000) {
                client.turn(&mut self.harness, &mut self.random);
            }
            client.step(&mut self.harness, &mut self.random, &mut self.truth);
            self.watch();
        }
        if self.random.below(10) < 7 {
            while !self.harness.held.is_empty() {
                let outcome = if self.random.one_in(100) { Err(ErrorCode::KafkaStorageError) } else { Ok(()) };
                self.harness.store(outcome);
                self.watch();
            }
        }
        if lively && self.random.one_in(4_000) {
            self.harness.restart();
            self.clients.iter_mut().for_each(Client::disconnected);
        }
        self.harness.advance(STEP_MS);
        self.watch();
    }

    /// Notes where the group stands; checks it when it has become stable.
    fn watch(&mut self) {
        let state = self.harness.coordinator.groups().next().map_or(GroupState::Dead, |(_, state, _)| state);
        if state == self.state {
            return;
        }
        if self.state == GroupState::PreparingRebalance {
            self.rounds.push(self.harness.now - self.round_began.max(self.truth.newcomer_at));
        }
        if state == GroupState::PreparingRebalance {
            self.round_began = self.harness.now;
        }
        if state == GroupState::Stable {
            self.check_assignment();
        }
        self.state = state;
    }

    fn check_assignment(&mut self) {
        let members = self.harness.describe(GROUP).members;
        let mut assigned: Vec<i32> = members.iter().flat_map(|member| client::partitions(&member.assignment)).collect();
        assigned.sort_unstable();
        assert!(assigned.iter().copied().eq(0..PARTITIONS), "each partition once, not {assigned:?}");
        self.checked_generation += 1;
    }

    fn check_commits(&mut self) {
        for (partition, offset) in self.truth.committed.clone() {
            let stored = self.harness.fetch(GROUP, TOPIC, partition, false).offset;
            assert!(stored >= offset, "partition {partition}: {offset} was acknowledged, {stored} is stored");
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for step in 0..12_000 {
        world.step(true);
        if step % 200 == 0 {
            world.check_commits();
        }
    }
    world.harness.restart();
    world.clients.iter_mut().for_each(Client::disconnected);
    world.check_commits();
    for _ in 0..600 {
        world.step(false);
    }
    let alive = world.clients.iter().filter(|client| client.is_alive()).count();
    let (_, state, members) = world.harness.coordinator.groups().next().expect("it has offsets");
    assert_eq!((state, members), (GroupState::Stable, alive), "seed {seed}: it settles with those who live");
    let owned: usize = world.clients.iter().map(Client::owned).sum();
    assert_eq!(owned, PARTITIONS as usize);
    world.check_commits();

    world.rounds.sort_unstable();
    let slowest = *world.rounds.last().expect("there were rounds");
    println!(
        "seed {seed}: {} rounds, median {} ms, slowest {slowest} ms, {} stable generations, {} commits, {alive} alive",
        world.rounds.len(),
        world.rounds[world.rounds.len() / 2],
        world.checked_generation,
        world.truth.commits
    );
    assert!(slowest <= ROUND_LIMIT_MS);
    assert!(
        world.checked_generation > 20 && world.truth.commits > 1_000,
        "the run was lively enough to mean something"
    );
}

#[test]
fn a_hundred_members_come_and_go_and_no_commit_is_lost() {
    (1..=8).for_each(run);
}
