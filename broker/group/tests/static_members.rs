//! KIP-345: members that come back as who they were.

mod common;

use common::*;
use sluice_group::*;

/// Static members `one` and `two`; the ids in that order, and the generation.
fn stable(harness: &mut Harness) -> (Vec<String>, i32) {
    let joins = ["one", "two"].map(|instance| harness.send(Request::JoinGroup(static_join("g", "c", instance, "1"))));
    harness.advance(0);
    let joined = joins.map(|token| harness.joined(token));
    let ids: Vec<String> = joined.iter().map(|response| response.member_id.clone()).collect();
    let (generation, leader) = (joined[0].generation_id, joined[0].leader.clone());
    for id in &ids {
        let all = [(ids[0].as_str(), "first"), (ids[1].as_str(), "second")];
        harness.sync("g", id, generation, if *id == leader { &all } else { &[] });
    }
    assert_eq!((leader.as_str(), harness.state("g")), ("one-1", GroupState::Stable));
    harness.answers.clear();
    (ids, generation)
}

fn come_back(harness: &mut Harness, instance: &str) -> Token {
    harness.send(Request::JoinGroup(static_join("g", "c", instance, "2")))
}

#[test]
fn a_static_member_that_returns_keeps_its_assignment() {
    let mut harness = Harness::new();
    let (_, generation) = stable(&mut harness);
    let token = come_back(&mut harness, "two");
    let joined = harness.joined(token);
    assert_eq!((joined.error, joined.generation_id, joined.member_id.as_str()), (ErrorCode::None, generation, "two-2"));
    assert_eq!(harness.state("g"), GroupState::Stable);
    let token = harness.sync("g", "two-2", generation, &[]);
    assert_eq!(harness.synced(token).assignment, "second");
    harness.restart();
    let token = harness.sync("g", "two-2", generation, &[]);
    assert_eq!(harness.synced(token).assignment, "second", "the new id was stored");
}

#[test]
fn a_leader_that_returns_is_told_to_skip_its_assignment() {
    let mut harness = Harness::new();
    let (_, generation) = stable(&mut harness);
    let token = come_back(&mut harness, "one");
    let joined = harness.joined(token);
    assert!(joined.skip_assignment);
    assert_eq!((joined.leader.as_str(), joined.members.len(), joined.generation_id), ("one-2", 2, generation));
}

#[test]
fn a_leader_that_knows_no_skipping_takes_itself_for_a_follower() {
    let mut harness = Harness::new();
    stable(&mut harness);
    let old = JoinGroupRequest { supports_skipping_assignment: false, ..static_join("g", "c", "one", "2") };
    let token = harness.send(Request::JoinGroup(old));
    let joined = harness.joined(token);
    assert_eq!((joined.skip_assignment, joined.leader.as_str(), joined.members.len()), (false, "one-1", 0));
}

#[test]
fn the_former_holder_of_an_instance_id_is_fenced() {
    let mut harness = Harness::new();
    let (_, generation) = stable(&mut harness);
    come_back(&mut harness, "two");
    let instance = Some("two".to_owned());
    let fenced = ErrorCode::FencedInstanceId;

    let rejoin = JoinGroupRequest { member_id: "two-1".into(), ..static_join("g", "c", "two", "3") };
    let token = harness.send(Request::JoinGroup(rejoin));
    assert_eq!(harness.joined(token).error, fenced);
    let request = SyncGroupRequest { group_instance_id: instance.clone(), ..sync("g", "two-1", generation, &[]) };
    let token = harness.send(Request::SyncGroup(request));
    assert_eq!(harness.synced(token).error, fenced);
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: generation,
        member_id: "two-1".into(),
        group_instance_id: instance.clone(),
    };
    assert_eq!(harness.ask(Request::Heartbeat(request)), Response::Heartbeat(HeartbeatResponse { error: fenced }));
    let request = OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: "two-1".into(),
        group_instance_id: instance.clone(),
        ..commit("g", "read", 1)
    };
    assert_eq!(harness.commit(request), fenced);
    let members = vec![LeavingMember { member_id: "two-1".into(), group_instance_id: instance, reason: None }];
    let Response::LeaveGroup(left) =
        harness.ask(Request::LeaveGroup(LeaveGroupRequest { group_id: "g".into(), members }))
    else {
        panic!()
    };
    assert_eq!(left.members[0].error, fenced);
}

#[test]
fn a_duplicate_that_waits_in_a_join_is_fenced_at_once() {
    let mut harness = Harness::new();
    stable(&mut harness);
    let request = JoinGroupRequest { member_id: "one-1".into(), ..static_join("g", "c", "one", "-") };
    let waiting = harness.send(Request::JoinGroup(request));
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance);
    come_back(&mut harness, "one");
    assert_eq!(harness.joined(waiting).error, ErrorCode::FencedInstanceId);
}

#[test]
fn a_static_member_that_returns_with_other_protocols_starts_a_rebalance_if_the_choice_changes() {
    let mut harness = Harness::new();
    let token = harness.send(Request::JoinGroup(JoinGroupRequest {
        protocols: protocols(&["range", "sticky"]),
        ..static_join("g", "c", "one", "1")
    }));
    harness.advance(0);
    let generation = harness.joined(token).generation_id;
    harness.sync("g", "one-1", generation, &[("one-1", "all")]);
    let request = JoinGroupRequest { protocols: protocols(&["sticky", "range"]), ..static_join("g", "c", "one", "2") };
    let token = harness.send(Request::JoinGroup(request));
    let joined = harness.joined(token);
    assert_eq!((joined.generation_id, joined.protocol_name.as_deref()), (generation + 1, Some("sticky")));
}

#[test]
fn a_static_member_whose_new_id_cannot_be_stored_keeps_its_old_one() {
    let mut harness = Harness::new();
    let (_, generation) = stable(&mut harness);
    harness.hold = true;
    let token = come_back(&mut harness, "two");
    assert!(harness.take(token).is_none());
    harness.store(Err(ErrorCode::KafkaStorageError));
    assert_eq!(harness.joined(token).error, ErrorCode::NotCoordinator);
    assert_eq!(harness.heartbeat("g", "two-1", generation), ErrorCode::None);
    assert_eq!(harness.heartbeat("g", "two-2", generation), ErrorCode::UnknownMemberId);
}

#[test]
fn a_rebalance_that_begins_while_a_new_id_is_stored_takes_the_member_along() {
    let mut harness = Harness::new();
    let (_, generation) = stable(&mut harness);
    harness.hold = true;
    let returned = come_back(&mut harness, "two");
    harness.send(Request::JoinGroup(static_join("g", "c", "three", "1")));
    harness.store_all();
    assert!(harness.take(returned).is_none(), "it waits for the round");
    let request = JoinGroupRequest { member_id: "one-1".into(), ..static_join("g", "c", "one", "-") };
    harness.send(Request::JoinGroup(request));
    assert_eq!(harness.joined(returned).generation_id, generation + 1);
}

#[test]
fn a_static_member_that_misses_a_round_stays_in_the_group() {
    let mut harness = Harness::new();
    let (_, generation) = stable(&mut harness);
    let request = JoinGroupRequest {
        member_id: "one-1".into(),
        session_timeout_ms: 1_000_000,
        ..static_join("g", "c", "one", "-")
    };
    let token = harness.send(Request::JoinGroup(request));
    for _ in 0..6 {
        harness.advance(i64::from(REBALANCE_MS) / 6);
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: generation,
            member_id: "two-1".into(),
            group_instance_id: Some("two".into()),
        };
        harness.ask(Request::Heartbeat(request));
    }
    assert_eq!(harness.joined(token).members.len(), 2);
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut harness = Harness::new();
    stable(&mut harness);
    let members = vec![LeavingMember { group_instance_id: Some("two".into()), ..LeavingMember::default() }];
    let Response::LeaveGroup(left) =
        harness.ask(Request::LeaveGroup(LeaveGroupRequest { group_id: "g".into(), members }))
    else {
        panic!()
    };
    assert_eq!(left.members[0].error, ErrorCode::None);
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance);
    assert_eq!(harness.describe("g").members.len(), 1);
}
