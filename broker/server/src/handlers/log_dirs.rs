//! DescribeLogDirs: one directory, the size of each partition.

use super::text;
use crate::dispatch::Context;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use std::collections::HashMap;

/// The size of the volume is not looked at. Source: KIP-827.
const UNKNOWN_BYTES: i64 = -1;

pub(crate) fn describe(context: &Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let shared = &context.shared;
    let wanted: Option<HashMap<String, Vec<i32>>> =
        request.topics.map(|topics| topics.into_iter().map(|t| (t.topic.to_string(), t.partitions)).collect());
    let mut topics = Vec::new();
    for topic in shared.readable_topics() {
        let partitions = wanted.as_ref().map(|wanted| wanted.get(&*topic.name));
        if partitions == Some(None) {
            continue;
        }
        let asked = |index: i32| partitions.flatten().is_none_or(|asked| asked.contains(&index));
        let sizes = shared.broker.describe_partitions(&topic.name).unwrap_or_default().into_iter();
        let sizes = sizes.filter(|info| asked(info.partition)).map(|info| {
            DescribeLogDirsPartition::default()
                .with_partition_index(info.partition)
                .with_partition_size(i64::try_from(info.size_bytes).unwrap_or(i64::MAX))
        });
        let name = TopicName(text(&topic.name));
        topics.push(DescribeLogDirsTopic::default().with_name(name).with_partitions(sizes.collect()));
    }
    let mut result = DescribeLogDirsResult::default().with_log_dir(text(&shared.config.log_dir)).with_topics(topics);
    if context.version() >= 4 {
        result = result.with_total_bytes(UNKNOWN_BYTES).with_usable_bytes(UNKNOWN_BYTES);
    }
    DescribeLogDirsResponse::default().with_results(vec![result])
}
