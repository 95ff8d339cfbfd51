//! SyncGroup: handing out what the leader decided.

mod common;

use common::*;
use sluice_group::*;

/// Two members that have joined and not synced; the leader first.
fn joined(harness: &mut Harness) -> (Vec<String>, i32) {
    let joins = ["a", "b"].map(|client| harness.join_new("g", client));
    harness.advance(0);
    let responses = joins.map(|(_, token)| harness.joined(token));
    let mut ids: Vec<String> = responses.iter().map(|response| response.member_id.clone()).collect();
    ids.sort_by_key(|id| *id != responses[0].leader);
    (ids, responses[0].generation_id)
}

#[test]
fn followers_wait_for_the_leader_and_everybody_gets_its_share_once_it_is_stored() {
    let mut harness = Harness::new();
    harness.hold = true;
    let (ids, generation) = joined(&mut harness);
    let follower = harness.sync("g", &ids[1], generation, &[]);
    assert!(harness.take(follower).is_none());
    let leader = harness.sync("g", &ids[0], generation, &[(&ids[0], "first"), (&ids[1], "second")]);
    assert!(harness.take(leader).is_none(), "nothing is handed out that a restart would forget");
    assert_eq!(harness.state("g"), GroupState::CompletingRebalance);
    harness.store_all();
    assert_eq!(harness.synced(leader).assignment, "first");
    let second = harness.synced(follower);
    assert_eq!(second.assignment, "second");
    assert_eq!((second.protocol_type.as_deref(), second.protocol_name.as_deref()), (Some("consumer"), Some("range")));
    assert_eq!(harness.state("g"), GroupState::Stable);
}

#[test]
fn a_member_that_the_leader_left_out_gets_an_empty_assignment() {
    let mut harness = Harness::new();
    let (ids, generation) = joined(&mut harness);
    let follower = harness.sync("g", &ids[1], generation, &[]);
    harness.sync("g", &ids[0], generation, &[(&ids[0], "all"), ("who", "not a member")]);
    let response = harness.synced(follower);
    assert_eq!((response.error, response.assignment.len()), (ErrorCode::None, 0));
}

#[test]
fn a_sync_in_a_stable_group_is_answered_again() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    let token = harness.sync("g", &ids[0], generation, &[]);
    assert_eq!(harness.synced(token).assignment, format!("for {}", ids[0]).as_bytes());
}

#[test]
fn a_sync_that_cannot_be_is_refused() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    let good = sync("g", &ids[0], generation, &[]);
    let mut error = |request: SyncGroupRequest| {
        let token = harness.send(Request::SyncGroup(request));
        harness.synced(token).error
    };
    assert_eq!(
        error(SyncGroupRequest { group_id: "no such group".into(), ..good.clone() }),
        ErrorCode::UnknownMemberId
    );
    assert_eq!(error(SyncGroupRequest { group_id: String::new(), ..good.clone() }), ErrorCode::InvalidGroupId);
    assert_eq!(error(SyncGroupRequest { member_id: "who".into(), ..good.clone() }), ErrorCode::UnknownMemberId);
    assert_eq!(error(SyncGroupRequest { generation_id: generation + 1, ..good.clone() }), ErrorCode::IllegalGeneration);
    let other = Some("connect".to_owned());
    assert_eq!(
        error(SyncGroupRequest { protocol_type: other.clone(), ..good.clone() }),
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(error(SyncGroupRequest { protocol_name: other, ..good.clone() }), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(error(good), ErrorCode::None);
}

#[test]
fn a_member_that_joins_before_the_assignment_is_stored_makes_it_void() {
    let mut harness = Harness::new();
    harness.hold = true;
    let (ids, generation) = joined(&mut harness);
    let follower = harness.sync("g", &ids[1], generation, &[]);
    let leader = harness.sync("g", &ids[0], generation, &[(&ids[0], "first")]);
    harness.join_new("g", "c");
    assert_eq!(harness.synced(leader).error, ErrorCode::RebalanceInProgress);
    assert_eq!(harness.synced(follower).error, ErrorCode::RebalanceInProgress);
    harness.store_all();
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance);
    let late = harness.sync("g", &ids[1], generation, &[]);
    assert_eq!(harness.synced(late).error, ErrorCode::RebalanceInProgress);
}

#[test]
fn an_assignment_that_cannot_be_stored_starts_the_round_again() {
    let mut harness = Harness::new();
    harness.hold = true;
    let (ids, generation) = joined(&mut harness);
    let follower = harness.sync("g", &ids[1], generation, &[]);
    let leader = harness.sync("g", &ids[0], generation, &[(&ids[0], "first")]);
    harness.store(Err(ErrorCode::KafkaStorageError));
    assert_eq!(harness.synced(leader).error, ErrorCode::NotCoordinator);
    assert_eq!(harness.synced(follower).error, ErrorCode::NotCoordinator);
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance);
    let again = [("a", "a-uuid"), ("b", "b-uuid")].map(|(client, id)| harness.rejoin("g", client, id));
    for token in again {
        assert_eq!(harness.joined(token).generation_id, generation + 1);
    }
}

#[test]
fn a_member_that_never_syncs_is_removed_although_it_heartbeats() {
    let mut harness = Harness::new();
    let (ids, generation) = joined(&mut harness);
    let leader = harness.sync("g", &ids[0], generation, &[(&ids[0], "all")]);
    assert_eq!(harness.synced(leader).error, ErrorCode::None);
    for _ in 0..6 {
        for id in &ids {
            assert_eq!(harness.heartbeat("g", id, generation), ErrorCode::None);
        }
        harness.advance(i64::from(REBALANCE_MS) / 6);
    }
    assert_eq!(harness.heartbeat("g", &ids[1], generation), ErrorCode::UnknownMemberId);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_leader_that_is_lost_is_followed_by_another() {
    let mut harness = Harness::new();
    let (ids, generation) = joined(&mut harness);
    assert_eq!(harness.leave("g", &ids[0]), ErrorCode::None);
    let again = harness.rejoin("g", "b", &ids[1]);
    let response = harness.joined(again);
    assert_eq!((response.leader, response.generation_id), (ids[1].clone(), generation + 1));
}

#[test]
fn a_join_that_is_repeated_before_the_sync_gets_the_same_answer() {
    let mut harness = Harness::new();
    let (ids, generation) = joined(&mut harness);
    let again = harness.rejoin("g", "a", &ids[0]);
    let response = harness.joined(again);
    assert_eq!((response.generation_id, response.members.len()), (generation, 2));
}

#[test]
fn a_restart_keeps_generation_leader_members_and_assignments() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let before = harness.describe("g");
    harness.restart();
    assert_eq!(harness.describe("g"), before);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::None);
    let token = harness.sync("g", &ids[1], generation, &[]);
    assert_eq!(harness.synced(token).assignment, format!("for {}", ids[1]).as_bytes());
    harness.advance(i64::from(SESSION_MS));
    assert_eq!(harness.state("g"), GroupState::Empty, "sessions start anew and end");
}

#[test]
fn a_cooperative_rebalance_is_two_rounds_of_the_same_members() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    let (newcomer_id, newcomer) = harness.join_new("g", "b");
    let again = harness.rejoin("g", "a", &ids[0]);
    assert_eq!(harness.joined(again).generation_id, generation + 1);
    assert_eq!(harness.joined(newcomer).generation_id, generation + 1);
    let kept = harness.sync("g", &ids[0], generation + 1, &[(&ids[0], "p0"), (&newcomer_id, "")]);
    let none_yet = harness.sync("g", &newcomer_id, generation + 1, &[]);
    assert_eq!(harness.synced(kept).assignment, "p0");
    assert_eq!(harness.synced(none_yet).assignment, "");
    // The first has revoked p1 and says so with new metadata.
    let mut revoked = JoinGroupRequest { member_id: ids[0].clone(), ..join("g", "a") };
    revoked.protocols[0].metadata = subscription(&["read", "revoked"]);
    let first = harness.send(Request::JoinGroup(revoked));
    assert_eq!(harness.heartbeat("g", &newcomer_id, generation + 1), ErrorCode::RebalanceInProgress);
    let second = harness.rejoin("g", "b", &newcomer_id);
    assert_eq!(harness.joined(first).generation_id, generation + 2);
    assert_eq!(harness.joined(second).generation_id, generation + 2);
}
