//! ListOffsets and OffsetForLeaderEpoch.

use crate::dispatch::Context;
use crate::error::WireError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use sluice_log::TopicId;

/// `isolation.level=read_committed`.
const READ_COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// Source: KIP-734.
const MAX_TIMESTAMP: i64 = -3;
/// Everything is local here. Source: KIP-405.
const EARLIEST_LOCAL: i64 = -4;
/// Nothing is tiered here. Source: KIP-1005.
const LATEST_TIERED: i64 = -5;

pub(crate) fn list(context: &Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed = request.isolation_level == READ_COMMITTED;
    let topics = request.topics.into_iter().map(|topic| {
        let place = context.readable(&topic.name);
        let partitions = topic.partitions.iter().map(|part| {
            let found = place.clone().and_then(|id| find(context, id, part, committed));
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(part.partition_index);
            match found {
                Ok((timestamp, offset)) => {
                    let epoch = if offset < 0 { -1 } else { context.shared.broker.leader_epoch() };
                    let answer = answer.with_timestamp(timestamp).with_offset(offset);
                    if context.version() >= 4 { answer.with_leader_epoch(epoch) } else { answer }
                }
                Err(error) => answer.with_error_code(error.code).with_timestamp(-1).with_offset(-1),
            }
        });
        ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Timestamp and offset; -1 where there is none. Who reads committed records only sees the log end at the last stable
/// offset.
fn find(
    context: &Context,
    topic: TopicId,
    part: &ListOffsetsPartition,
    committed: bool,
) -> Result<(i64, i64), WireError> {
    context.check_leader_epoch(part.current_leader_epoch)?;
    let broker = &context.shared.broker;
    let (start, end) = broker.offsets(topic, part.partition_index)?;
    let end = if committed { broker.last_stable_offset(topic, part.partition_index)? } else { end };
    Ok(match part.timestamp {
        LATEST => (-1, end),
        EARLIEST | EARLIEST_LOCAL => (-1, start),
        LATEST_TIERED => (-1, -1),
        MAX_TIMESTAMP => broker.max_timestamp(topic, part.partition_index)?.unwrap_or((-1, -1)),
        timestamp if timestamp < 0 => {
            let message = format!("timestamp {timestamp} stands for nothing that is known");
            return Err(WireError::new(ResponseError::UnsupportedVersion, message));
        }
        timestamp => match broker.offset_for_time(topic, part.partition_index, timestamp)? {
            Some((offset, timestamp)) if offset < end => (timestamp, offset),
            _ => (-1, -1),
        },
    })
}

pub(crate) fn for_leader_epoch(
    context: &Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let place = context.readable(&topic.topic);
        let partitions = topic.partitions.iter().map(|part| {
            let found = place.clone().and_then(|id| {
                context.check_leader_epoch(part.current_leader_epoch)?;
                Ok(context.shared.broker.end_offset_for_epoch(id, part.partition, part.leader_epoch)?)
            });
            let answer = EpochEndOffset::default().with_partition(part.partition);
            match found {
                Ok((epoch, end_offset)) => answer.with_leader_epoch(epoch).with_end_offset(end_offset),
                Err(error) => answer.with_error_code(error.code).with_leader_epoch(-1).with_end_offset(-1),
            }
        });
        OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(topic.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
