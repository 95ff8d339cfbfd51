//! Every API at every version that is offered: the answer can be written, and a client reads all of it.

mod common;

use common::{Client, Running, batch, produce, start, topic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, Request, StrBytes};
use sluice_server::SUPPORTED_APIS;
use std::collections::BTreeSet;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

struct Asker {
    running: Running,
    asked: BTreeSet<(i16, i16)>,
}

impl Asker {
    /// Asks at each version that can carry the request, each time on a connection of its own.
    async fn ask<R: Request + Encodable>(&mut self, request: R)
    where
        R::Response: std::fmt::Debug,
    {
        let api = SUPPORTED_APIS.iter().find(|api| api.key == R::KEY).expect("it is offered");
        for version in api.min_version..=api.max_version {
            if request.encode(&mut bytes::BytesMut::new(), version).is_err() {
                continue;
            }
            let mut client: Client = self.running.client().await;
            client.call(version, &request).await;
            self.asked.insert((R::KEY, version));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_api_is_answered_at_every_version_that_is_offered() {
    let running = start().await;
    let mut client = running.client().await;
    client.create("orders", 2).await;
    client.call(9, &produce("orders", 0, batch(&["a", "b"]))).await;
    let id = running.broker.topic("orders").map(|topic| uuid::Uuid::from_bytes(topic.id.0)).expect("it is there");
    let mut asker = Asker { running, asked: BTreeSet::new() };
    records(&mut asker, id).await;
    groups(&mut asker).await;
    transactions(&mut asker).await;
    administration(&mut asker, id).await;
    for api in SUPPORTED_APIS {
        for version in api.min_version..=api.max_version {
            assert!(asker.asked.contains(&(api.key, version)), "{} version {version} was not asked", api.name);
        }
    }
}

async fn records(asker: &mut Asker, id: uuid::Uuid) {
    use fetch_request::{FetchPartition, FetchTopic};
    use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    use produce_request::{PartitionProduceData, TopicProduceData};
    for name in ["orders", "nobody"] {
        asker.ask(produce(name, 0, batch(&["c"]))).await;
        asker.ask(common::fetch(name, 0, 0)).await;
        asker.ask(common::fetch(name, 99, 0)).await;
        let parts = vec![ListOffsetsPartition::default().with_timestamp(-1)];
        let topics = vec![ListOffsetsTopic::default().with_name(topic(name)).with_partitions(parts)];
        asker.ask(ListOffsetsRequest::default().with_topics(topics)).await;
        let topics = vec![
            OffsetForLeaderTopic::default()
                .with_topic(topic(name))
                .with_partitions(vec![OffsetForLeaderPartition::default()]),
        ];
        asker.ask(OffsetForLeaderEpochRequest::default().with_topics(topics)).await;
    }
    for id in [id, uuid::Uuid::from_u128(7)] {
        let data = vec![PartitionProduceData::default().with_records(Some(batch(&["d"])))];
        let topics = vec![TopicProduceData::default().with_topic_id(id).with_partition_data(data)];
        asker.ask(ProduceRequest::default().with_acks(-1).with_topic_data(topics)).await;
        let parts = vec![FetchPartition::default().with_partition_max_bytes(1000)];
        let topics = vec![FetchTopic::default().with_topic_id(id).with_partitions(parts)];
        asker.ask(FetchRequest::default().with_max_bytes(1000).with_topics(topics)).await;
    }
    asker.ask(FetchRequest::default().with_session_id(4)).await;
    asker.ask(InitProducerIdRequest::default().with_transactional_id(None)).await;
    asker.ask(InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text("t"))))).await;
}

async fn groups(asker: &mut Asker) {
    use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
    let group = || GroupId(text("g"));
    for name in ["orders", "nobody"] {
        let parts = vec![OffsetCommitRequestPartition::default().with_committed_offset(1)];
        let topics = vec![OffsetCommitRequestTopic::default().with_name(topic(name)).with_partitions(parts)];
        asker.ask(OffsetCommitRequest::default().with_group_id(group()).with_topics(topics)).await;
        let topics = vec![OffsetFetchRequestTopic::default().with_name(topic(name)).with_partition_indexes(vec![0])];
        asker.ask(OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(topics))).await;
        let parts = vec![OffsetDeleteRequestPartition::default()];
        let topics = vec![OffsetDeleteRequestTopic::default().with_name(topic(name)).with_partitions(parts)];
        asker.ask(OffsetDeleteRequest::default().with_group_id(group()).with_topics(topics)).await;
    }
    let all = vec![OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None)];
    asker.ask(OffsetFetchRequest::default().with_groups(all)).await;
    asker.ask(FindCoordinatorRequest::default().with_key(text("g"))).await;
    asker.ask(FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])).await;
    asker.ask(FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]).with_key_type(2)).await;
    // A member that does not exist is refused at once.
    let stranger = JoinGroupRequest::default().with_group_id(group()).with_member_id(text("who"));
    asker.ask(stranger.with_session_timeout_ms(10_000)).await;
    asker.ask(SyncGroupRequest::default().with_group_id(group())).await;
    asker.ask(HeartbeatRequest::default().with_group_id(group())).await;
    asker.ask(LeaveGroupRequest::default().with_group_id(group()).with_member_id(text("who"))).await;
    let gone = leave_group_request::MemberIdentity::default().with_member_id(text("who"));
    asker.ask(LeaveGroupRequest::default().with_group_id(group()).with_members(vec![gone])).await;
    asker.ask(DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("nobody"))])).await;
    asker.ask(ListGroupsRequest::default()).await;
    asker.ask(DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("nobody"))])).await;
}

async fn transactions(asker: &mut Asker) {
    use add_partitions_to_txn_request::AddPartitionsToTxnTopic;
    use describe_producers_request::TopicRequest;
    use txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
    let id = || TransactionalId(text("t"));
    for name in ["orders", "nobody"] {
        let topics = vec![AddPartitionsToTxnTopic::default().with_name(topic(name)).with_partitions(vec![0])];
        let request = AddPartitionsToTxnRequest::default().with_v3_and_below_transactional_id(id());
        asker.ask(request.with_v3_and_below_topics(topics)).await;
        let parts = vec![TxnOffsetCommitRequestPartition::default()];
        let topics = vec![TxnOffsetCommitRequestTopic::default().with_name(topic(name)).with_partitions(parts)];
        let request = TxnOffsetCommitRequest::default().with_transactional_id(id()).with_group_id(GroupId(text("g")));
        asker.ask(request.with_generation_id(-1).with_topics(topics)).await;
        let asked = TopicRequest::default().with_name(topic(name)).with_partition_indexes(vec![0]);
        asker.ask(DescribeProducersRequest::default().with_topics(vec![asked])).await;
    }
    asker.ask(AddOffsetsToTxnRequest::default().with_transactional_id(id()).with_group_id(GroupId(text("g")))).await;
    asker.ask(EndTxnRequest::default().with_transactional_id(id())).await;
    asker.ask(DescribeTransactionsRequest::default().with_transactional_ids(vec![id()])).await;
    asker.ask(ListTransactionsRequest::default()).await;
}

async fn administration(asker: &mut Asker, id: uuid::Uuid) {
    use create_partitions_request::CreatePartitionsTopic;
    use create_topics_request::CreatableTopic;
    use delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use delete_topics_request::DeleteTopicState;
    use describe_configs_request::DescribeConfigsResource;
    use metadata_request::MetadataRequestTopic;
    let named = |name: &str| vec![MetadataRequestTopic::default().with_name(Some(topic(name)))];
    for topics in [None, Some(Vec::new()), Some(named("orders")), Some(named("not/legal"))] {
        asker.ask(MetadataRequest::default().with_topics(topics)).await;
    }
    for id in [id, uuid::Uuid::from_u128(7)] {
        let topics = vec![MetadataRequestTopic::default().with_name(None).with_topic_id(id)];
        asker.ask(MetadataRequest::default().with_topics(Some(topics))).await;
    }
    asker.ask(DescribeTopicPartitionsRequest::default().with_response_partition_limit(1)).await;
    asker.ask(ApiVersionsRequest::default()).await;
    for name in ["new", "orders", "__mine"] {
        let new = CreatableTopic::default().with_name(topic(name)).with_num_partitions(1).with_replication_factor(3);
        asker.ask(CreateTopicsRequest::default().with_topics(vec![new])).await;
        let more = CreatePartitionsTopic::default().with_name(topic(name)).with_count(4).with_assignments(None);
        asker.ask(CreatePartitionsRequest::default().with_topics(vec![more])).await;
        let parts = vec![DeleteRecordsPartition::default().with_offset(1)];
        let topics = vec![DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(parts)];
        asker.ask(DeleteRecordsRequest::default().with_topics(topics)).await;
        for kind in [2, 4, 9] {
            let name = if kind == 4 { "1".to_owned() } else { name.to_owned() };
            let name = StrBytes::from_string(name);
            let asked = DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(name.clone())
                .with_configuration_keys(None);
            asker.ask(DescribeConfigsRequest::default().with_resources(vec![asked])).await;
            let asked = alter_configs_request::AlterConfigsResource::default();
            let asked = asked.with_resource_type(kind).with_resource_name(name.clone());
            asker.ask(AlterConfigsRequest::default().with_resources(vec![asked])).await;
            let asked = incremental_alter_configs_request::AlterConfigsResource::default();
            let asked = asked.with_resource_type(kind).with_resource_name(name);
            asker.ask(IncrementalAlterConfigsRequest::default().with_resources(vec![asked])).await;
        }
    }
    asker.ask(DescribeLogDirsRequest::default().with_topics(None)).await;
    asker.ask(DescribeClusterRequest::default()).await;
    asker.ask(DescribeClusterRequest::default().with_endpoint_type(2)).await;
    asker.ask(ListConfigResourcesRequest::default()).await;
    asker.ask(DeleteTopicsRequest::default().with_topic_names(vec![topic("new"), topic("nobody")])).await;
    let states = [id, uuid::Uuid::from_u128(7)].map(|id| DeleteTopicState::default().with_name(None).with_topic_id(id));
    asker.ask(DeleteTopicsRequest::default().with_topics(states.to_vec())).await;
}
