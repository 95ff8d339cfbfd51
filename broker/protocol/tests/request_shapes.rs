//! The shapes of requests, compared with the decoder whose lengths they guard.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request, StrBytes};
use proptest::prelude::*;
use sluice_protocol::{ShapeError, check_request};

/// Encodes at every version that has the fields that are set, and walks it: exactly its bytes are taken.
fn check<R: Request + Message + Encodable>(request: &R) -> usize {
    let mut checked = 0;
    for version in R::VERSIONS.min..=R::VERSIONS.max {
        let mut body = BytesMut::new();
        if request.encode(&mut body, version).is_err() {
            continue;
        }
        let taken = check_request(R::KEY, version, &body);
        assert_eq!(taken, Ok(body.len()), "{} version {version}: {body:?}", std::any::type_name::<R>());
        for end in 0..body.len() {
            assert!(check_request(R::KEY, version, &body[..end]).is_err(), "cut at {end}");
        }
        checked += 1;
    }
    checked
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn name() -> TopicName {
    TopicName(text("orders"))
}

#[test]
fn the_shapes_of_records_and_offsets_take_exactly_the_bytes_of_their_requests() {
    use fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
    use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    use produce_request::{PartitionProduceData, TopicProduceData};
    let part = PartitionProduceData::default().with_records(Some(Bytes::from_static(b"records")));
    let topic = TopicProduceData::default().with_partition_data(vec![part.clone(), part]);
    assert_eq!(check(&ProduceRequest::default().with_topic_data(vec![topic.clone().with_name(name())])), 11);
    assert!(check(&ProduceRequest::default().with_topic_data(vec![topic])) > 0);
    let topic = FetchTopic::default().with_partitions(vec![FetchPartition::default().with_partition(3)]);
    assert!(check(&FetchRequest::default().with_topics(vec![topic.clone().with_topic(name())])) >= 9);
    let forgotten = ForgottenTopic::default().with_partitions(vec![1, 2]);
    assert!(check(&FetchRequest::default().with_topics(vec![topic]).with_forgotten_topics_data(vec![forgotten])) > 0);
    let state = ReplicaState::default().with_replica_id(4.into()).with_replica_epoch(2);
    assert!(check(&FetchRequest::default().with_cluster_id(Some(text("me"))).with_replica_state(state)) > 0);
    let parts = vec![ListOffsetsPartition::default()];
    let topic = ListOffsetsTopic::default().with_name(name()).with_partitions(parts);
    assert_eq!(check(&ListOffsetsRequest::default().with_topics(vec![topic])), 10);
    let topics = vec![OffsetForLeaderTopic::default().with_partitions(vec![OffsetForLeaderPartition::default()])];
    assert!(check(&OffsetForLeaderEpochRequest::default().with_topics(topics)) >= 2);
    assert!(check(&InitProducerIdRequest::default()) >= 5);
}

#[test]
fn the_shapes_of_groups_take_exactly_the_bytes_of_their_requests() {
    use join_group_request::JoinGroupRequestProtocol;
    use leave_group_request::MemberIdentity;
    use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
    use sync_group_request::SyncGroupRequestAssignment;
    let parts = vec![OffsetCommitRequestPartition::default().with_committed_metadata(Some(text("m")))];
    let topics = vec![OffsetCommitRequestTopic::default().with_name(name()).with_partitions(parts)];
    assert!(check(&OffsetCommitRequest::default().with_topics(topics)) >= 7);
    let topics = vec![OffsetFetchRequestTopic::default().with_name(name()).with_partition_indexes(vec![1, 2])];
    assert!(check(&OffsetFetchRequest::default().with_topics(Some(topics))) >= 6);
    let topics = vec![OffsetFetchRequestTopics::default().with_name(name()).with_partition_indexes(vec![1, 2])];
    let groups = vec![OffsetFetchRequestGroup::default().with_topics(Some(topics))];
    assert!(check(&OffsetFetchRequest::default().with_groups(groups)) >= 1);
    let protocols = vec![JoinGroupRequestProtocol::default().with_metadata(Bytes::from_static(b"meta"))];
    assert!(check(&JoinGroupRequest::default().with_protocols(protocols)) >= 9);
    let members = vec![MemberIdentity::default().with_member_id(text("m"))];
    assert!(check(&LeaveGroupRequest::default().with_members(members)) >= 3);
    let assignments = vec![SyncGroupRequestAssignment::default().with_assignment(Bytes::from_static(b"a"))];
    assert!(check(&SyncGroupRequest::default().with_assignments(assignments)) >= 5);
    let topics =
        vec![OffsetDeleteRequestTopic::default().with_partitions(vec![OffsetDeleteRequestPartition::default()])];
    assert_eq!(check(&OffsetDeleteRequest::default().with_topics(topics)), 1);
    assert!(check(&FindCoordinatorRequest::default().with_key(text("g"))) >= 4);
    assert!(check(&FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])) >= 3);
    assert_eq!(check(&HeartbeatRequest::default()), 5);
    assert_eq!(check(&DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))])), 7);
    assert!(check(&ListGroupsRequest::default().with_states_filter(vec![text("Stable")])) >= 2);
    assert_eq!(check(&DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))])), 3);
}

#[test]
fn the_shapes_of_administration_take_exactly_the_bytes_of_their_requests() {
    use create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
    use create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
    use delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use delete_topics_request::DeleteTopicState;
    use describe_configs_request::DescribeConfigsResource;
    use describe_log_dirs_request::DescribableLogDirTopic;
    use describe_topic_partitions_request::{Cursor, TopicRequest};
    use metadata_request::MetadataRequestTopic;
    let topic = MetadataRequestTopic::default().with_name(Some(name()));
    assert_eq!(check(&MetadataRequest::default().with_topics(Some(vec![topic]))), 14);
    let topic = CreatableTopic::default()
        .with_name(name())
        .with_assignments(vec![CreatableReplicaAssignment::default().with_broker_ids(vec![1.into()])])
        .with_configs(vec![CreatableTopicConfig::default().with_name(text("k")).with_value(Some(text("v")))]);
    assert_eq!(check(&CreateTopicsRequest::default().with_topics(vec![topic])), 6);
    let assignments = Some(vec![CreatePartitionsAssignment::default().with_broker_ids(vec![1.into(), 2.into()])]);
    let topic = CreatePartitionsTopic::default().with_name(name()).with_assignments(assignments);
    assert_eq!(check(&CreatePartitionsRequest::default().with_topics(vec![topic])), 4);
    let resource = DescribeConfigsResource::default().with_configuration_keys(Some(vec![text("a"), text("b")]));
    assert_eq!(check(&DescribeConfigsRequest::default().with_resources(vec![resource])), 4);
    let configs = vec![alter_configs_request::AlterableConfig::default().with_name(text("k"))];
    let resource = alter_configs_request::AlterConfigsResource::default().with_configs(configs);
    assert_eq!(check(&AlterConfigsRequest::default().with_resources(vec![resource])), 3);
    let configs = vec![incremental_alter_configs_request::AlterableConfig::default().with_name(text("k"))];
    let resource = incremental_alter_configs_request::AlterConfigsResource::default().with_configs(configs);
    assert_eq!(check(&IncrementalAlterConfigsRequest::default().with_resources(vec![resource])), 2);
    let topic = DeleteRecordsTopic::default().with_partitions(vec![DeleteRecordsPartition::default()]);
    assert_eq!(check(&DeleteRecordsRequest::default().with_topics(vec![topic])), 3);
    assert!(check(&DeleteTopicsRequest::default().with_topic_names(vec![name()])) >= 5);
    assert!(check(&DeleteTopicsRequest::default().with_topics(vec![DeleteTopicState::default()])) >= 1);
    let topics = Some(vec![DescribableLogDirTopic::default().with_partitions(vec![1])]);
    assert_eq!(check(&DescribeLogDirsRequest::default().with_topics(topics)), 4);
    let cursor = Some(Cursor::default().with_topic_name(name()));
    let topics = vec![TopicRequest::default().with_name(name())];
    assert_eq!(check(&DescribeTopicPartitionsRequest::default().with_topics(topics).with_cursor(cursor)), 1);
    assert_eq!(check(&DescribeClusterRequest::default()), 3);
    assert_eq!(check(&ListConfigResourcesRequest::default()), 2);
    assert_eq!(check(&ApiVersionsRequest::default()), 5);
    assert!(check(&ElectLeadersRequest::default()) >= 2);
    assert!(check(&AlterPartitionReassignmentsRequest::default()) >= 1);
    assert_eq!(check(&ListPartitionReassignmentsRequest::default()), 1);
}

#[test]
fn the_shapes_of_transactions_take_exactly_the_bytes_of_their_requests() {
    use add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
    use describe_producers_request::TopicRequest;
    use txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
    use write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
    let topic = AddPartitionsToTxnTopic::default().with_partitions(vec![1, 2]);
    assert!(check(&AddPartitionsToTxnRequest::default().with_v3_and_below_topics(vec![topic.clone()])) >= 4);
    let transaction = AddPartitionsToTxnTransaction::default().with_topics(vec![topic]);
    assert!(check(&AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])) >= 1);
    assert!(check(&AddOffsetsToTxnRequest::default()) >= 4);
    assert!(check(&EndTxnRequest::default()) >= 5);
    let topics =
        vec![TxnOffsetCommitRequestTopic::default().with_partitions(vec![TxnOffsetCommitRequestPartition::default()])];
    assert!(check(&TxnOffsetCommitRequest::default().with_topics(topics)) >= 5);
    let topics = vec![WritableTxnMarkerTopic::default().with_partition_indexes(vec![1])];
    let markers = vec![WritableTxnMarker::default().with_topics(topics)];
    assert!(check(&WriteTxnMarkersRequest::default().with_markers(markers)) >= 1);
    let topics = vec![TopicRequest::default().with_partition_indexes(vec![1])];
    assert_eq!(check(&DescribeProducersRequest::default().with_topics(topics)), 1);
    let ids = vec![TransactionalId::default()];
    assert_eq!(check(&DescribeTransactionsRequest::default().with_transactional_ids(ids)), 1);
    assert!(check(&ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing")])) >= 2);
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused_before_anything_is_allocated() {
    let claims = |count: i32| check_request(3, 1, &count.to_be_bytes());
    assert_eq!(claims(i32::MAX), Err(ShapeError::BadCount { count: i64::from(i32::MAX), available_bytes: 0 }));
    assert_eq!(claims(-2), Err(ShapeError::BadCount { count: -2, available_bytes: 0 }));
    assert_eq!(claims(-1), Ok(4));
    // Metadata version 1: topics without a name, two bytes each.
    let mut many = 200_001i32.to_be_bytes().to_vec();
    many.resize(4 + 2 * 200_001, 0);
    assert_eq!(check_request(3, 1, &many), Err(ShapeError::TooManyElements));
    assert_eq!(check_request(999, 0, &[]), Err(ShapeError::UnknownApi { api_key: 999 }));
}

fn decode(api: ApiKey, version: i16, body: &[u8]) {
    let mut bytes = Bytes::copy_from_slice(body);
    // Whether it succeeds does not matter, only that it ends without a panic.
    let _ = match api {
        ApiKey::Fetch => FetchRequest::decode(&mut bytes, version).is_ok(),
        ApiKey::Produce => ProduceRequest::decode(&mut bytes, version).is_ok(),
        ApiKey::Metadata => MetadataRequest::decode(&mut bytes, version).is_ok(),
        ApiKey::CreateTopics => CreateTopicsRequest::decode(&mut bytes, version).is_ok(),
        ApiKey::OffsetFetch => OffsetFetchRequest::decode(&mut bytes, version).is_ok(),
        _ => JoinGroupRequest::decode(&mut bytes, version).is_ok(),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_passes_is_decoded_without_a_panic(
        which in 0usize..6,
        version in 0i16..19,
        body in proptest::collection::vec(prop_oneof![4 => 0u8..4, 1 => any::<u8>()], 0..120),
    ) {
        use ApiKey::{CreateTopics, Fetch, JoinGroup, Metadata, OffsetFetch, Produce};
        let api = [Fetch, Produce, Metadata, CreateTopics, OffsetFetch, JoinGroup][which];
        let versions = api.valid_versions();
        if (versions.min..=versions.max).contains(&version) && check_request(api as i16, version, &body).is_ok() {
            decode(api, version, &body);
        }
    }
}
