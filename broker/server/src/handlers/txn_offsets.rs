//! TxnOffsetCommit: offsets of a group that count when their transaction is committed. Source: KIP-98, KIP-447.

use super::group_offsets::partitions_of;
use super::groups::{ask, optional, owned};
use crate::connection::ConnectionError;
use crate::dispatch::Context;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use sluice_group as group;
use std::collections::HashMap;

/// The producer's epoch and its transaction are checked when the offsets are handed to the log.
pub(crate) async fn commit(
    context: &Context,
    request: TxnOffsetCommitRequest,
) -> Result<TxnOffsetCommitResponse, ConnectionError> {
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let mut codes: HashMap<(String, i32), i16> = HashMap::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let name = topic.name.to_string();
        let known = partitions_of(context, &name);
        let mut partitions = Vec::new();
        for part in &topic.partitions {
            if !(0..known).contains(&part.partition_index) {
                codes.insert((name.clone(), part.partition_index), unknown);
                continue;
            }
            partitions.push(group::CommitOffset {
                partition: part.partition_index,
                offset: part.committed_offset,
                leader_epoch: part.committed_leader_epoch,
                metadata: optional(part.committed_metadata.as_ref()),
            });
        }
        if !partitions.is_empty() {
            topics.push(group::Topic { name, partitions });
        }
    }
    if !topics.is_empty() {
        let (producer_id, producer_epoch) = (request.producer_id.0, request.producer_epoch);
        let asked = group::TxnOffsetCommitRequest {
            group_id: owned(&request.group_id),
            producer: group::ProducerIdAndEpoch { producer_id, producer_epoch },
            generation_id: request.generation_id,
            member_id: owned(&request.member_id),
            group_instance_id: optional(request.group_instance_id.as_ref()),
            topics,
        };
        let answer = ask!(context, TxnOffsetCommit, asked)?;
        for topic in answer.topics {
            codes.extend(topic.partitions.iter().map(|part| ((topic.name.clone(), part.partition), part.error.code())));
        }
    }
    let topics = request.topics.into_iter().map(|topic| {
        let name = topic.name.to_string();
        let partitions = topic.partitions.iter().map(|part| {
            let index = part.partition_index;
            let code = codes.get(&(name.clone(), index)).copied().unwrap_or_default();
            TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        });
        TxnOffsetCommitResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    Ok(TxnOffsetCommitResponse::default().with_topics(topics.collect()))
}
