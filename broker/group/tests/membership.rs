//! Joining, leaving and time.

mod common;

use common::*;
use sluice_group::*;

#[test]
fn a_member_without_an_id_gets_one_and_must_come_again() {
    let mut harness = Harness::new();
    let (member_id, token) = harness.join_new("g", "c");
    assert_eq!(member_id, "c-uuid");
    harness.advance(0);
    let joined = harness.joined(token);
    assert_eq!((joined.error, joined.generation_id, joined.leader.as_str()), (ErrorCode::None, 1, "c-uuid"));
    assert_eq!((joined.protocol_type.as_deref(), joined.protocol_name.as_deref()), (Some("consumer"), Some("range")));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(harness.state("g"), GroupState::CompletingRebalance);
}

#[test]
fn a_client_older_than_kip_394_is_taken_at_once() {
    let mut harness = Harness::new();
    let token =
        harness.send(Request::JoinGroup(JoinGroupRequest { requires_known_member_id: false, ..join("g", "c") }));
    harness.advance(0);
    assert_eq!(harness.joined(token).error, ErrorCode::None);
}

#[test]
fn an_id_that_is_not_used_within_the_session_time_is_forgotten() {
    let mut harness = Harness::new();
    let first = harness.send(Request::JoinGroup(join("g", "c")));
    let member_id = harness.joined(first).member_id;
    harness.advance(i64::from(SESSION_MS));
    let late = harness.rejoin("g", "c", &member_id);
    assert_eq!(harness.joined(late).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_join_that_cannot_be_is_refused() {
    let mut harness = Harness::new();
    let mut error = |request: JoinGroupRequest| {
        let token = harness.send(Request::JoinGroup(request));
        harness.joined(token).error
    };
    assert_eq!(error(join("", "c")), ErrorCode::InvalidGroupId);
    assert_eq!(error(JoinGroupRequest { session_timeout_ms: 1, ..join("g", "c") }), ErrorCode::InvalidSessionTimeout);
    assert_eq!(
        error(JoinGroupRequest { session_timeout_ms: i32::MAX, ..join("g", "c") }),
        ErrorCode::InvalidSessionTimeout
    );
    assert_eq!(error(JoinGroupRequest { protocols: vec![], ..join("g", "c") }), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(
        error(JoinGroupRequest { protocol_type: String::new(), ..join("g", "c") }),
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(error(JoinGroupRequest { member_id: "who".into(), ..join("g", "c") }), ErrorCode::UnknownMemberId);
    assert_eq!(error(JoinGroupRequest { client_id: "c".repeat(32_767), ..join("g", "c") }), ErrorCode::InvalidRequest);
    assert_eq!(harness.coordinator.groups().count(), 0, "a refused join leaves nothing behind");
}

#[test]
fn a_member_that_shares_no_protocol_is_refused() {
    let mut harness = Harness::new();
    harness.stable("g", &["a"]);
    let mut error = |request: JoinGroupRequest| {
        let token = harness.send(Request::JoinGroup(request));
        harness.joined(token).error
    };
    assert_eq!(
        error(JoinGroupRequest { protocols: protocols(&["sticky"]), ..join("g", "b") }),
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(
        error(JoinGroupRequest { protocol_type: "connect".into(), ..join("g", "b") }),
        ErrorCode::InconsistentGroupProtocol
    );
}

#[test]
fn the_protocol_that_all_know_and_most_prefer_is_chosen() {
    let mut harness = Harness::new();
    let wishes: [&[&str]; 3] = [&["only-mine", "range", "sticky"], &["sticky", "range"], &["sticky", "range", "other"]];
    let tokens: Vec<Token> = wishes
        .iter()
        .enumerate()
        .map(|(n, names)| {
            let request = JoinGroupRequest {
                requires_known_member_id: false,
                protocols: protocols(names),
                ..join("g", &format!("c{n}"))
            };
            harness.send(Request::JoinGroup(request))
        })
        .collect();
    harness.advance(0);
    for token in tokens {
        assert_eq!(harness.joined(token).protocol_name.as_deref(), Some("sticky"));
    }
}

#[test]
fn an_empty_group_waits_for_more_members_and_longer_when_some_come() {
    let mut harness = Harness::with(Config { group_initial_rebalance_delay_ms: 3_000, ..Config::default() });
    let (_, first) = harness.join_new("g", "a");
    harness.advance(2_000);
    let (_, second) = harness.join_new("g", "b");
    harness.advance(1_000);
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance, "b extends the delay");
    harness.advance(2_999);
    assert!(harness.take(first).is_none());
    harness.advance(1);
    assert_eq!(harness.joined(first).generation_id, 1);
    assert_eq!(harness.joined(second).generation_id, 1);
}

#[test]
fn the_initial_delay_ends_with_the_rebalance_timeout_however_many_come() {
    let mut harness = Harness::with(Config { group_initial_rebalance_delay_ms: 3_000, ..Config::default() });
    let (_, first) = harness.join_new("g", "c0");
    for n in 1..=40 {
        harness.advance(1_000);
        if harness.answers.contains_key(&first) {
            assert!((30..=33).contains(&n), "ended after {n} s");
            return;
        }
        harness.join_new("g", &format!("c{n}"));
    }
    panic!("the delay was extended for ever");
}

#[test]
fn a_new_member_makes_everybody_join_again() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let (_, newcomer) = harness.join_new("g", "c");
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::RebalanceInProgress);
    let again: Vec<Token> = [("a", 0), ("b", 1)].map(|(client, n)| harness.rejoin("g", client, &ids[n])).into();
    for token in again {
        assert_eq!(harness.joined(token).generation_id, generation + 1);
    }
    assert_eq!(harness.joined(newcomer).generation_id, generation + 1);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::IllegalGeneration);
    assert_eq!(harness.heartbeat("g", &ids[0], generation + 1), ErrorCode::None);
}

#[test]
fn a_member_that_does_not_come_back_within_the_rebalance_timeout_is_out() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let again = harness.rejoin("g", "a", &ids[0]);
    for _ in 0..6 {
        // It heartbeats, so its session is no reason.
        harness.advance(i64::from(REBALANCE_MS) / 6);
        harness.heartbeat("g", &ids[1], generation);
    }
    let joined = harness.joined(again);
    assert_eq!((joined.generation_id, joined.members.len()), (generation + 1, 1));
    assert_eq!(harness.heartbeat("g", &ids[1], generation), ErrorCode::UnknownMemberId);
}

#[test]
fn a_silent_member_is_lost_and_the_others_rebalance() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    harness.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::None);
    harness.advance(1);
    assert_eq!(harness.heartbeat("g", &ids[1], generation), ErrorCode::UnknownMemberId);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_member_that_waits_for_a_round_needs_no_heartbeat() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let waiting = harness.rejoin("g", "a", &ids[0]);
    for _ in 0..5 {
        harness.advance(5_000);
        assert_eq!(harness.heartbeat("g", &ids[1], generation), ErrorCode::RebalanceInProgress);
    }
    let last = harness.rejoin("g", "b", &ids[1]);
    assert_eq!(harness.joined(waiting).generation_id, generation + 1);
    assert_eq!(harness.joined(last).generation_id, generation + 1);
}

#[test]
fn the_last_member_leaves_an_empty_group_and_its_generation_is_stored() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    assert_eq!(harness.leave("g", &ids[0]), ErrorCode::None);
    assert_eq!(harness.state("g"), GroupState::Empty);
    harness.restart();
    assert_eq!(harness.state("g"), GroupState::Empty);
    let (_, next) = harness.stable("g", &["b"]);
    assert_eq!(next, generation + 2, "leaving and coming are a generation each");
}

#[test]
fn leaving_names_what_became_of_each_member() {
    let mut harness = Harness::new();
    let (ids, _) = harness.stable("g", &["a", "b"]);
    let leaving = |id: &str, instance: Option<&str>| LeavingMember {
        member_id: id.into(),
        group_instance_id: instance.map(str::to_owned),
        reason: None,
    };
    let members = vec![leaving(&ids[0], None), leaving("who", None), leaving("", Some("nobody")), leaving("", None)];
    let Response::LeaveGroup(response) =
        harness.ask(Request::LeaveGroup(LeaveGroupRequest { group_id: "g".into(), members }))
    else {
        panic!()
    };
    let errors: Vec<ErrorCode> = response.members.iter().map(|left| left.error).collect();
    let unknown = ErrorCode::UnknownMemberId;
    assert_eq!(errors, [ErrorCode::None, unknown, unknown, unknown]);
    assert_eq!(harness.leave("no such group", "x"), unknown);
}

#[test]
fn a_join_that_is_sent_again_answers_the_first_and_counts_once() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let given_up = harness.rejoin("g", "a", &ids[0]);
    let again = harness.rejoin("g", "a", &ids[0]);
    assert_eq!(harness.joined(given_up).error, ErrorCode::RebalanceInProgress);
    assert!(harness.take(again).is_none(), "b is still missing");
    harness.rejoin("g", "b", &ids[1]);
    assert_eq!(harness.joined(again).generation_id, generation + 1);
}

#[test]
fn a_follower_that_joins_a_stable_group_unchanged_learns_the_generation_without_a_rebalance() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let token = harness.rejoin("g", "b", &ids[1]);
    assert_eq!(harness.joined(token).generation_id, generation);
    assert_eq!(harness.state("g"), GroupState::Stable);
    harness.rejoin("g", "a", &ids[0]);
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance, "the leader may have seen new partitions");
}

#[test]
fn a_member_with_another_subscription_starts_a_rebalance() {
    let mut harness = Harness::new();
    let (ids, _) = harness.stable("g", &["a", "b"]);
    let mut request = JoinGroupRequest { member_id: ids[1].clone(), ..join("g", "b") };
    request.protocols[0].metadata = subscription(&["read", "another"]);
    harness.send(Request::JoinGroup(request));
    assert_eq!(harness.state("g"), GroupState::PreparingRebalance);
}

#[test]
fn a_full_group_takes_nobody_and_keeps_those_it_has() {
    let config = Config { group_initial_rebalance_delay_ms: 0, group_max_size: 2, ..Config::default() };
    let mut harness = Harness::with(config);
    let (ids, generation) = harness.stable("g", &["a", "b"]);
    let token = harness.send(Request::JoinGroup(join("g", "c")));
    assert_eq!(harness.joined(token).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::None);
}

#[test]
fn an_old_client_that_disconnects_before_its_first_answer_leaves_nothing_behind() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    let old = JoinGroupRequest { requires_known_member_id: false, ..join("g", "old") };
    let token = harness.send(Request::JoinGroup(old));
    let effects = harness.coordinator.drop_token(harness.now, token);
    harness.carry_out(effects);
    let again = harness.rejoin("g", "a", &ids[0]);
    let joined = harness.joined(again);
    assert_eq!((joined.generation_id, joined.members.len()), (generation + 1, 1));
    assert!(harness.take(token).is_none(), "a dropped request gets no answer");
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut harness = Harness::new();
    harness.stable("stable", &["a"]);
    harness.commit(commit("simple", "t", 1));
    let mut list = |states: &[&str], types: &[&str]| {
        let names = |some: &[&str]| some.iter().map(|name| (*name).to_owned()).collect();
        let request = ListGroupsRequest { states_filter: names(states), types_filter: names(types) };
        let Response::ListGroups(response) = harness.ask(Request::ListGroups(request)) else { panic!() };
        response.groups.into_iter().map(|group| format!("{}:{}", group.group_id, group.protocol_type)).collect()
    };
    let all: Vec<String> = list(&[], &[]);
    assert_eq!(all, ["simple:", "stable:consumer"]);
    assert_eq!(list(&["EMPTY"], &[]), ["simple:"]);
    assert_eq!(list(&["Stable", "Empty"], &["Classic"]).len(), 2);
    assert!(list(&[], &["consumer"]).is_empty());
}

#[test]
fn a_group_is_described_with_its_members_when_it_is_stable() {
    let mut harness = Harness::new();
    let (ids, _) = harness.stable("g", &["a"]);
    let group = harness.describe("g");
    assert_eq!((group.protocol_type.as_str(), group.protocol_data.as_str()), ("consumer", "range"));
    let member = &group.members[0];
    assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("a", "/127.0.0.1"));
    assert_eq!(member.metadata, subscription(&["read"]));
    assert_eq!(member.assignment, format!("for {}", ids[0]).as_bytes());
    let missing = harness.describe("no such group");
    assert_eq!((missing.error, missing.state), (ErrorCode::GroupIdNotFound, GroupState::Dead));
}
