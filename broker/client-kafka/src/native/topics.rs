//! Topics, their settings and records, with the words that the broker gave its refusals: `rdkafka` drops them.

use super::admin::{Described, describe_topics, request};
use super::{PartitionList, borrowed, entries, text};
use crate::error::Failure;
use rd::rd_kafka_admin_op_t as Op;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::time::Duration;

/// One setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub name: String,
    /// `None`: it is kept secret.
    pub value: Option<String>,
    /// Set for this topic itself.
    pub is_own: bool,
}

/// One topic of [`describe_topics`].
pub(crate) fn describe<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Described, Failure> {
    describe_topics(client, &[topic], timeout)?
        .remove(topic)
        .unwrap_or_else(|| Err(Code::UnknownTopicOrPartition.into()))
}

/// -1 for `partitions` and `replication_factor`: the broker's default (KIP-464).
pub(crate) fn create_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    (partitions, replication_factor): (i32, i32),
    settings: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<(), Failure> {
    let name = text(topic);
    let mut reason = [0 as c_char; 512];
    // SAFETY: the new topic copies what it is given, the request copies it, and it is freed here.
    unsafe {
        let new =
            rd::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replication_factor, reason.as_mut_ptr(), reason.len());
        if new.is_null() {
            return Err(Failure { code: Code::InvalidArgument, reason: borrowed(reason.as_ptr()).to_owned() });
        }
        for (key, value) in settings {
            rd::rd_kafka_NewTopic_set_config(new, text(key).as_ptr(), text(value).as_ptr());
        }
        let mut topics = [new];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_CREATETOPICS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_CreateTopics(rk, topics.as_mut_ptr(), 1, options, queue),
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_CreateTopics_result(event);
                topic_results(rd::rd_kafka_CreateTopics_result_topics(result, &mut count), count)
            },
        );
        rd::rd_kafka_NewTopic_destroy(new);
        answer?
    }
}

pub(crate) fn delete_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<(), Failure> {
    let name = text(topic);
    // SAFETY: as above.
    unsafe {
        let doomed = rd::rd_kafka_DeleteTopic_new(name.as_ptr());
        let mut topics = [doomed];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETETOPICS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_DeleteTopics(rk, topics.as_mut_ptr(), 1, options, queue),
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_DeleteTopics_result(event);
                topic_results(rd::rd_kafka_DeleteTopics_result_topics(result, &mut count), count)
            },
        );
        rd::rd_kafka_DeleteTopic_destroy(doomed);
        answer?
    }
}

/// `total`: how many it will have.
pub(crate) fn create_partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    total: usize,
    timeout: Duration,
) -> Result<(), Failure> {
    let name = text(topic);
    let mut reason = [0 as c_char; 512];
    // SAFETY: as above.
    unsafe {
        let new = rd::rd_kafka_NewPartitions_new(name.as_ptr(), total, reason.as_mut_ptr(), reason.len());
        if new.is_null() {
            return Err(Failure { code: Code::InvalidArgument, reason: borrowed(reason.as_ptr()).to_owned() });
        }
        let mut topics = [new];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_CreatePartitions(rk, topics.as_mut_ptr(), 1, options, queue),
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_CreatePartitions_result(event);
                topic_results(rd::rd_kafka_CreatePartitions_result_topics(result, &mut count), count)
            },
        );
        rd::rd_kafka_NewPartitions_destroy(new);
        answer?
    }
}

/// # Safety
/// `topics` holds `count` valid results.
unsafe fn topic_results(topics: *mut *const rd::rd_kafka_topic_result_t, count: usize) -> Result<(), Failure> {
    for i in 0..count {
        // SAFETY: by this function's contract; the string lives as long as its result.
        let (code, reason) = unsafe {
            let topic = *topics.add(i);
            let reason = borrowed(rd::rd_kafka_topic_result_error_string(topic));
            (Code::from(rd::rd_kafka_topic_result_error(topic)), reason.to_owned())
        };
        if code != Code::NoError {
            return Err(if reason.is_empty() { code.into() } else { Failure { code, reason } });
        }
    }
    Ok(())
}

/// A partition, and the offset that it begins with now.
pub(crate) type LogStart = (i32, Result<i64, Failure>);

/// Removes what lies before each entry's offset (-1: before the end). For each partition, what it begins with now.
pub(crate) fn delete_records<C: ClientContext>(
    client: &Client<C>,
    before: &PartitionList,
    timeout: Duration,
) -> Result<Vec<LogStart>, Failure> {
    // SAFETY: the list is copied; what is read belongs to the event.
    unsafe {
        let doomed = rd::rd_kafka_DeleteRecords_new(before.0);
        let mut requests = [doomed];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETERECORDS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_DeleteRecords(rk, requests.as_mut_ptr(), 1, options, queue),
            |event| {
                let result = rd::rd_kafka_event_DeleteRecords_result(event);
                let partitions = entries(rd::rd_kafka_DeleteRecords_result_offsets(result));
                let outcome = partitions.map(|entry| match entry.code {
                    Code::NoError => (entry.partition, Ok(entry.offset)),
                    code => (entry.partition, Err(Failure::from(code))),
                });
                outcome.collect()
            },
        );
        rd::rd_kafka_DeleteRecords_destroy(doomed);
        answer
    }
}

/// All settings of a topic, by name.
pub(crate) fn topic_settings<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Vec<Setting>, Failure> {
    let name = text(topic);
    // SAFETY: the resource copies its name, the request copies the resource; what is read belongs to the event.
    unsafe {
        let resource =
            rd::rd_kafka_ConfigResource_new(rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr());
        let mut resources = [resource];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_DescribeConfigs(rk, resources.as_mut_ptr(), 1, options, queue),
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_DescribeConfigs_result(event);
                let found = rd::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
                let mut settings = Vec::new();
                for i in 0..count {
                    settings.extend(resource_settings(*found.add(i))?);
                }
                settings.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(settings)
            },
        );
        rd::rd_kafka_ConfigResource_destroy(resource);
        answer?
    }
}

/// # Safety
/// `resource` is valid.
unsafe fn resource_settings(resource: *const rd::rd_kafka_ConfigResource_t) -> Result<Vec<Setting>, Failure> {
    use rd::rd_kafka_ConfigSource_t::RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
    // SAFETY: by this function's contract; what the getters return lives as long as the resource.
    unsafe {
        let code: Code = rd::rd_kafka_ConfigResource_error(resource).into();
        if code != Code::NoError {
            let reason = borrowed(rd::rd_kafka_ConfigResource_error_string(resource)).to_owned();
            return Err(Failure { code, reason });
        }
        let mut count = 0;
        let found = rd::rd_kafka_ConfigResource_configs(resource, &mut count);
        let setting = |i| {
            let entry = *found.add(i);
            let value = rd::rd_kafka_ConfigEntry_value(entry);
            Setting {
                name: borrowed(rd::rd_kafka_ConfigEntry_name(entry)).to_owned(),
                value: (!value.is_null()).then(|| borrowed(value).to_owned()),
                is_own: rd::rd_kafka_ConfigEntry_source(entry) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG,
            }
        };
        Ok((0..count).map(setting).collect())
    }
}
