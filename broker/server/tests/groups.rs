//! Groups over the wire, beside the runtime's own commits.

mod common;

use bytes::Bytes;
use common::{Client, Running, start, topic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, GroupId, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use sluice_client::{Append, Broker, GroupOffset, TopicPartition};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

fn commit(name: &str, offset: i64) -> OffsetCommitRequest {
    let part = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("by hand")));
    let topics = vec![OffsetCommitRequestTopic::default().with_name(topic("orders")).with_partitions(vec![part])];
    OffsetCommitRequest::default().with_group_id(group(name)).with_topics(topics)
}

fn code(response: &OffsetCommitResponse) -> i16 {
    response.topics[0].partitions[0].error_code
}

/// Offset and metadata of the only partition.
async fn committed(client: &mut Client, name: &str) -> Option<(i64, String)> {
    let request = OffsetFetchRequest::default().with_group_id(group(name)).with_topics(None);
    let answer = client.call(7, &request).await;
    assert_eq!(answer.error_code, 0);
    let part = answer.topics.first()?.partitions.first()?;
    Some((part.committed_offset, part.metadata.as_ref().map(ToString::to_string).unwrap_or_default()))
}

async fn runtime_commits(running: &Running, name: &str, offset: i64) {
    let partition = TopicPartition::new("orders", 0);
    let group_offsets = vec![GroupOffset { group: name.into(), partition, offset, metadata: "runtime".into() }];
    let producer = running.broker.producer("connector").await.expect("it is open");
    let append = Append { group_offsets, ..Append::default() };
    producer.send(append).await.expect("handed over").await.expect("durable");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtimes_commits_and_those_over_the_wire_are_one_set_of_offsets_also_after_a_restart() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    runtime_commits(&running, "sink", 5).await;
    assert_eq!(committed(&mut client, "sink").await, Some((5, "runtime".into())));
    assert_eq!(code(&client.call(7, &commit("sink", 9)).await), 0);
    let seen = running.broker.admin().group_offsets("sink").await.expect("it answers");
    let seen = &seen[&TopicPartition::new("orders", 0)];
    assert_eq!((seen.offset, seen.metadata.as_str()), (9, "by hand"));
    runtime_commits(&running, "sink", 11).await;
    let running = running.restart().await;
    let mut client = running.client().await;
    assert_eq!(committed(&mut client, "sink").await, Some((11, "runtime".into())));
    let listed = client.call(4, &ListGroupsRequest::default()).await;
    let listed: Vec<_> =
        listed.groups.iter().map(|one| (one.group_id.to_string(), one.group_state.to_string())).collect();
    assert_eq!(listed, [("sink".to_owned(), "Empty".to_owned())]);
    running.broker.admin().delete_group_offsets("sink", None).await.expect("it is open");
    assert_eq!(committed(&mut client, "sink").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_partition_that_does_not_exist_are_refused_and_the_others_stand() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    let mut request = commit("readers", 3);
    request.topics[0].partitions.push(OffsetCommitRequestPartition::default().with_partition_index(4));
    let answer = client.call(8, &request).await;
    let codes: Vec<_> =
        answer.topics[0].partitions.iter().map(|part| (part.partition_index, part.error_code)).collect();
    assert_eq!(codes, [(0, 0), (4, 3)]);
    assert_eq!(committed(&mut client, "readers").await, Some((3, "by hand".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_takes_its_offsets_along() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    assert_eq!(code(&client.call(7, &commit("readers", 3)).await), 0);
    running.broker.admin().delete_topic("orders").await.expect("it is there");
    client.create("orders", 1).await;
    assert_eq!(committed(&mut client, "readers").await, None);
}

fn join(member_id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"m"));
    JoinGroupRequest::default()
        .with_group_id(group("readers"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_joins_gets_its_assignment_commits_and_leaves() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 1).await;
    let first = client.call(5, &join("")).await;
    assert_eq!(first.error_code, 79, "a member id is given out first");
    let member = first.member_id.to_string();
    assert!(member.starts_with("test-"), "{member}");
    let joined = client.call(5, &join(&member)).await;
    assert_eq!((joined.error_code, joined.generation_id, joined.leader.as_str()), (0, 1, member.as_str()));
    let assignment =
        SyncGroupRequestAssignment::default().with_member_id(text(&member)).with_assignment(Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group("readers"))
        .with_generation_id(1)
        .with_member_id(text(&member))
        .with_assignments(vec![assignment]);
    let synced = client.call(3, &sync).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    let as_member = |generation: i32| {
        commit("readers", 7).with_generation_id_or_member_epoch(generation).with_member_id(text(&member))
    };
    assert_eq!(code(&client.call(7, &as_member(1)).await), 0);
    assert_eq!(code(&client.call(7, &as_member(0)).await), 22, "an older generation");
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("readers")]);
    assert_eq!(client.call(1, &delete).await.results[0].error_code, 68, "it is not empty");
    let leave = LeaveGroupRequest::default().with_group_id(group("readers")).with_member_id(text(&member));
    assert_eq!(client.call(1, &leave).await.error_code, 0);
    assert_eq!(client.call(1, &delete).await.results[0].error_code, 0);
    assert_eq!(committed(&mut client, "readers").await, None);
}
