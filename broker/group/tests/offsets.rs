//! Commits, fetches, removals, expiry, transactions.

mod common;

use common::*;
use sluice_group::*;

const DAY_MS: i64 = 86_400_000;
const PRODUCER: ProducerIdAndEpoch = ProducerIdAndEpoch { producer_id: 7, producer_epoch: 0 };

fn by_member(member_id: &str, generation: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: member_id.into(),
        ..commit("g", "read", offset)
    }
}

fn txn(group: &str, topic: &str, offset: i64) -> Request {
    Request::TxnOffsetCommit(TxnOffsetCommitRequest {
        group_id: group.into(),
        producer: PRODUCER,
        generation_id: -1,
        member_id: String::new(),
        group_instance_id: None,
        topics: offsets(topic, offset),
    })
}

fn offset_delete(harness: &mut Harness, group: &str, topic: &str) -> (ErrorCode, Option<ErrorCode>) {
    let topics = vec![Topic { name: topic.into(), partitions: vec![0] }];
    match harness.ask(Request::OffsetDelete(OffsetDeleteRequest { group_id: group.into(), topics })) {
        Response::OffsetDelete(response) => {
            (response.error, response.topics.first().map(|topic| topic.partitions[0].error))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commit_is_answered_and_seen_once_it_is_stored_and_survives_a_restart() {
    let mut harness = Harness::new();
    harness.hold = true;
    let token = harness.send(Request::OffsetCommit(commit("g", "t", 42)));
    assert!(harness.take(token).is_none());
    assert_eq!(harness.offset("g", "t"), -1);
    assert_eq!(harness.fetch("g", "t", 0, true).error, ErrorCode::UnstableOffsetCommit);
    harness.store_all();
    assert!(harness.take(token).is_some());
    harness.restart();
    let fetched = harness.fetch("g", "t", 0, true);
    assert_eq!((fetched.offset, fetched.metadata.as_str(), fetched.error), (42, "note", ErrorCode::None));
    assert_eq!(harness.state("g"), GroupState::Empty);
}

#[test]
fn a_commit_that_cannot_be_stored_is_refused_and_forgotten() {
    let mut harness = Harness::new();
    harness.commit(commit("g", "t", 1));
    harness.hold = true;
    let failures = [
        (ErrorCode::KafkaStorageError, ErrorCode::NotCoordinator),
        (ErrorCode::MessageTooLarge, ErrorCode::InvalidCommitOffsetSize),
    ];
    for (failure, answer) in failures {
        let token = harness.send(Request::OffsetCommit(commit("g", "t", 2)));
        harness.store(Err(failure));
        let Some(Response::OffsetCommit(response)) = harness.take(token) else { panic!() };
        assert_eq!(response.topics[0].partitions[0].error, answer);
    }
    let fetched = harness.fetch("g", "t", 0, true);
    assert_eq!((fetched.offset, fetched.error), (1, ErrorCode::None));
}

#[test]
fn only_a_member_of_this_generation_commits_for_a_group() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    assert_eq!(harness.commit(by_member(&ids[0], generation, 1)), ErrorCode::None);
    assert_eq!(harness.commit(by_member(&ids[0], generation - 1, 2)), ErrorCode::IllegalGeneration);
    assert_eq!(harness.commit(by_member("who", generation, 2)), ErrorCode::UnknownMemberId);
    assert_eq!(harness.commit(commit("g", "read", 2)), ErrorCode::UnknownMemberId, "a simple consumer must keep out");
    assert_eq!(harness.offset("g", "read"), 1);
}

#[test]
fn a_commit_for_a_generation_of_an_unknown_group_says_what_its_client_understands() {
    let mut harness = Harness::new();
    assert_eq!(harness.commit(by_member("m", 3, 1)), ErrorCode::IllegalGeneration);
    let modern = OffsetCommitRequest { understands_group_id_not_found: true, ..by_member("m", 3, 1) };
    assert_eq!(harness.commit(modern), ErrorCode::GroupIdNotFound);
}

#[test]
fn members_commit_while_a_rebalance_begins_and_not_before_they_have_their_assignment() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    let (_, newcomer) = harness.join_new("g", "b");
    assert_eq!(harness.commit(by_member(&ids[0], generation, 5)), ErrorCode::None, "before it rejoins");
    harness.rejoin("g", "a", &ids[0]);
    harness.joined(newcomer);
    assert_eq!(harness.state("g"), GroupState::CompletingRebalance);
    assert_eq!(harness.commit(by_member(&ids[0], generation + 1, 6)), ErrorCode::RebalanceInProgress);
    assert_eq!(harness.offset("g", "read"), 5);
}

#[test]
fn a_commit_keeps_a_member_alive() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    for offset in 0..5 {
        harness.advance(i64::from(SESSION_MS) - 1);
        assert_eq!(harness.commit(by_member(&ids[0], generation, offset)), ErrorCode::None);
    }
}

#[test]
fn metadata_above_the_limit_is_refused_for_its_partition_only() {
    let mut harness = Harness::new();
    let mut request = commit("g", "t", 1);
    let long = CommitOffset { partition: 1, offset: 1, leader_epoch: -1, metadata: Some("x".repeat(4_097)) };
    request.topics[0].partitions.push(long);
    let Response::OffsetCommit(response) = harness.ask(Request::OffsetCommit(request)) else { panic!() };
    let errors: Vec<ErrorCode> = response.topics[0].partitions.iter().map(|one| one.error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::OffsetMetadataTooLarge]);
}

#[test]
fn all_topics_of_several_groups_are_fetched_at_once() {
    let mut harness = Harness::new();
    harness.commit(commit("one", "t", 1));
    harness.commit(commit("one", "u", 2));
    harness.commit(commit("two", "t", 3));
    let group =
        |name: &str| OffsetFetchGroup { group_id: name.into(), member_epoch: -1, ..OffsetFetchGroup::default() };
    let groups = vec![group("one"), group("two"), group("none")];
    let request = OffsetFetchRequest { groups, require_stable: false };
    let Response::OffsetFetch(response) = harness.ask(Request::OffsetFetch(request)) else { panic!() };
    let seen: Vec<(&str, &str, i64)> = response
        .groups
        .iter()
        .flat_map(|group| group.topics.iter().map(|topic| (&*group.group_id, &*topic.name, topic.partitions[0].offset)))
        .collect();
    assert_eq!(seen, [("one", "t", 1), ("one", "u", 2), ("two", "t", 3)]);
    assert!(response.groups.iter().all(|group| group.error.is_none()));
}

#[test]
fn a_group_with_members_is_not_deleted_and_an_empty_one_is_gone_with_its_offsets() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    harness.commit(by_member(&ids[0], generation, 9));
    assert_eq!(harness.delete("g"), ErrorCode::NonEmptyGroup);
    harness.leave("g", &ids[0]);
    assert_eq!(harness.delete("g"), ErrorCode::None);
    assert_eq!(harness.delete("g"), ErrorCode::GroupIdNotFound);
    assert_eq!(harness.offset("g", "read"), -1);
    harness.restart();
    assert_eq!(harness.coordinator.groups().count(), 0);
}

#[test]
fn a_group_whose_removal_is_under_way_takes_nothing_in() {
    let mut harness = Harness::new();
    harness.commit(commit("g", "t", 1));
    harness.hold = true;
    let under_way = harness.send(Request::OffsetCommit(commit("g", "u", 2)));
    let delete = Request::DeleteGroups(DeleteGroupsRequest { groups: vec!["g".into()] });
    let deleted = harness.send(delete.clone());
    assert_eq!(harness.commit(commit("g", "t", 3)), ErrorCode::CoordinatorNotAvailable);
    let join = harness.send(Request::JoinGroup(join("g", "c")));
    assert_eq!(harness.joined(join).error, ErrorCode::CoordinatorNotAvailable);
    harness.store(Ok(()));
    assert!(harness.take(under_way).is_some());
    harness.store(Err(ErrorCode::KafkaStorageError));
    assert!(harness.take(deleted).is_some());
    assert_eq!((harness.offset("g", "t"), harness.offset("g", "u")), (1, 2), "it was not stored, so nothing is gone");
    harness.send(delete);
    harness.store_all();
    harness.restart();
    assert_eq!(harness.coordinator.groups().count(), 0);
}

#[test]
fn offsets_of_a_topic_that_is_read_are_not_deleted() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    harness.commit(by_member(&ids[0], generation, 9));
    let other = OffsetCommitRequest { topics: offsets("not read", 8), ..by_member(&ids[0], generation, 0) };
    harness.commit(other);
    let subscribed = Some(ErrorCode::GroupSubscribedToTopic);
    assert_eq!(offset_delete(&mut harness, "g", "read"), (ErrorCode::None, subscribed));
    assert_eq!(offset_delete(&mut harness, "g", "not read"), (ErrorCode::None, Some(ErrorCode::None)));
    assert_eq!((harness.offset("g", "read"), harness.offset("g", "not read")), (9, -1));
    assert_eq!(offset_delete(&mut harness, "none", "read"), (ErrorCode::GroupIdNotFound, None));
    harness.restart();
    assert_eq!((harness.offset("g", "read"), harness.offset("g", "not read")), (9, -1));
}

#[test]
fn offsets_of_a_group_with_another_protocol_are_not_deleted_while_it_has_members() {
    let mut harness = Harness::new();
    harness.send(Request::JoinGroup(JoinGroupRequest {
        protocol_type: "connect".into(),
        requires_known_member_id: false,
        ..join("g", "c")
    }));
    assert_eq!(offset_delete(&mut harness, "g", "t"), (ErrorCode::NonEmptyGroup, None));
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    let mut harness = Harness::new();
    harness.commit(commit("one", "gone", 1));
    harness.commit(commit("one", "kept", 2));
    harness.commit(commit("two", "gone", 3));
    let effects = harness.coordinator.topics_deleted(harness.now, &["gone".to_owned()]);
    harness.carry_out(effects);
    harness.restart();
    assert_eq!((harness.offset("one", "gone"), harness.offset("one", "kept")), (-1, 2));
    assert_eq!(harness.coordinator.groups().map(|(name, ..)| name).collect::<Vec<_>>(), ["one"]);
}

#[test]
fn offsets_of_a_simple_consumer_expire_after_their_last_commit() {
    let mut harness = Harness::new();
    harness.commit(commit("g", "old", 1));
    harness.advance(4 * DAY_MS);
    harness.commit(commit("g", "new", 2));
    harness.advance(3 * DAY_MS + 600_000);
    assert_eq!((harness.offset("g", "old"), harness.offset("g", "new")), (-1, 2));
    harness.advance(4 * DAY_MS);
    assert_eq!(harness.coordinator.groups().count(), 0, "the group goes with its last offset");
    harness.restart();
    assert_eq!(harness.coordinator.groups().count(), 0);
}

#[test]
fn offsets_of_a_group_expire_after_its_last_member_left_and_not_while_it_reads() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    harness.commit(by_member(&ids[0], generation, 9));
    let session = i64::from(SESSION_MS) / 2;
    for _ in 0..(8 * DAY_MS / session) {
        harness.advance(session);
        assert_eq!(harness.heartbeat("g", &ids[0], generation), ErrorCode::None);
    }
    assert_eq!(harness.offset("g", "read"), 9, "an idle reader keeps its place");
    harness.leave("g", &ids[0]);
    harness.advance(6 * DAY_MS);
    harness.restart();
    assert_eq!(harness.offset("g", "read"), 9);
    harness.advance(DAY_MS + 600_000);
    assert_eq!(harness.offset("g", "read"), -1);
}

#[test]
fn an_offset_with_its_own_retention_expires_by_it() {
    let mut harness = Harness::new();
    harness.commit(OffsetCommitRequest { retention_time_ms: Some(3_600_000), ..commit("g", "t", 1) });
    harness.restart();
    harness.advance(3_000_000);
    assert_eq!(harness.offset("g", "t"), 1);
    harness.advance(1_300_000);
    assert_eq!(harness.offset("g", "t"), -1);
}

#[test]
fn a_transactional_offset_is_seen_when_its_transaction_commits() {
    let mut harness = Harness::new();
    harness.commit(commit("g", "t", 1));
    assert!(matches!(harness.ask(txn("g", "t", 2)), Response::TxnOffsetCommit(_)));
    assert_eq!(harness.offset("g", "t"), 1);
    assert_eq!(harness.fetch("g", "t", 0, true).error, ErrorCode::UnstableOffsetCommit);
    harness.restart();
    assert_eq!(
        harness.fetch("g", "t", 0, true).error,
        ErrorCode::UnstableOffsetCommit,
        "the transaction is still open"
    );
    harness.coordinator.complete_transaction(harness.now, PRODUCER.producer_id, true);
    assert_eq!(harness.fetch("g", "t", 0, true).offset, 2);
}

#[test]
fn an_aborted_transaction_leaves_no_offset_and_no_group() {
    let mut harness = Harness::new();
    harness.ask(txn("g", "t", 2));
    harness.coordinator.complete_transaction(harness.now, PRODUCER.producer_id, false);
    assert_eq!(harness.fetch("g", "t", 0, true).offset, -1);
    assert_eq!(harness.coordinator.groups().count(), 0);
}

#[test]
fn a_plain_commit_after_a_transactional_one_stands() {
    let mut harness = Harness::new();
    harness.ask(txn("g", "t", 2));
    harness.commit(commit("g", "t", 3));
    harness.coordinator.complete_transaction(harness.now, PRODUCER.producer_id, true);
    assert_eq!(harness.offset("g", "t"), 3);
}

#[test]
fn a_transaction_of_a_member_is_checked_against_its_generation() {
    let mut harness = Harness::new();
    let (ids, generation) = harness.stable("g", &["a"]);
    let mut error = |member_id: &str, generation_id: i32| {
        let request = TxnOffsetCommitRequest {
            group_id: "g".into(),
            producer: PRODUCER,
            generation_id,
            member_id: member_id.into(),
            group_instance_id: None,
            topics: offsets("read", 1),
        };
        match harness.ask(Request::TxnOffsetCommit(request)) {
            Response::TxnOffsetCommit(response) => response.topics[0].partitions[0].error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(error(&ids[0], generation), ErrorCode::None);
    assert_eq!(error(&ids[0], generation - 1), ErrorCode::IllegalGeneration);
    assert_eq!(error("who", generation), ErrorCode::UnknownMemberId);
    assert_eq!(error("", -1), ErrorCode::None, "clients before KIP-447 name no member");
}
