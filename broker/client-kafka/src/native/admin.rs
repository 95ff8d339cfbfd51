//! Admin requests that `rdkafka` does not have: topic ids, incremental configs, group offsets.

use super::consumer::Consumer;
use super::{PartitionList, borrowed, entries, failure_of, millis, taken, text};
use crate::error::Failure;
use rd::rd_kafka_admin_op_t as Op;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use sluice_client::{GroupOffset, TopicId, TopicPartition};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::Duration;

/// A topic, as the cluster's metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub id: TopicId,
    /// In their order.
    pub partitions: Vec<Place>,
}

/// Where a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub partition: i32,
    /// -1: none.
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
}

impl Described {
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// A client of either kind.
pub(super) trait Handle {
    fn handle(&self) -> *mut rd::rd_kafka_t;
}

impl<C: ClientContext> Handle for Client<C> {
    fn handle(&self) -> *mut rd::rd_kafka_t {
        self.native_ptr()
    }
}

pub(super) type Submit<'a> =
    &'a mut dyn FnMut(*mut rd::rd_kafka_t, *const rd::rd_kafka_AdminOptions_t, *mut rd::rd_kafka_queue_t);

/// Sends one request and waits for its answer, which `read` looks at before it is freed.
pub(super) fn request<T>(
    client: &impl Handle,
    op: Op,
    timeout: Duration,
    submit: Submit<'_>,
    read: impl FnOnce(*mut rd::rd_kafka_event_t) -> T,
) -> Result<T, Failure> {
    let rk = client.handle();
    // SAFETY: the client outlives the call; options, queue and event are owned and freed here. The answer comes within the
    // request's own time-out, so the queue is polled somewhat longer.
    unsafe {
        let options = rd::rd_kafka_AdminOptions_new(rk, op);
        let mut reason = [0; 256];
        rd::rd_kafka_AdminOptions_set_request_timeout(options, millis(timeout), reason.as_mut_ptr(), reason.len());
        if matches!(op, Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS) {
            taken(rd::rd_kafka_AdminOptions_set_require_stable_offsets(options, 1));
        }
        let queue = rd::rd_kafka_queue_new(rk);
        submit(rk, options, queue);
        let event = rd::rd_kafka_queue_poll(queue, millis(timeout + Duration::from_secs(5)));
        let answer = if event.is_null() {
            Err(Failure::from(Code::OperationTimedOut))
        } else {
            let code: Code = rd::rd_kafka_event_error(event).into();
            let answer = match code {
                Code::NoError => Ok(read(event)),
                code => Err(Failure { code, reason: borrowed(rd::rd_kafka_event_error_string(event)).to_owned() }),
            };
            rd::rd_kafka_event_destroy(event);
            answer
        };
        rd::rd_kafka_queue_destroy(queue);
        rd::rd_kafka_AdminOptions_destroy(options);
        answer
    }
}

/// One answer per topic that was found or refused. Unlike a client's own look at the metadata, this never creates a topic.
pub(crate) fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Result<BTreeMap<String, Result<Described, Failure>>, Failure> {
    let names: Vec<CString> = topics.iter().map(|topic| text(topic)).collect();
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names are copied into the collection, which the request copies in turn; everything read belongs to the
    // event, which lives while it is read.
    unsafe {
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_DescribeTopics(rk, collection, options, queue),
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_DescribeTopics_result(event);
                let found = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
                (0..count).map(|i| described(*found.add(i))).collect()
            },
        );
        rd::rd_kafka_TopicCollection_destroy(collection);
        answer
    }
}

/// # Safety
/// `topic` is valid.
unsafe fn described(topic: *const rd::rd_kafka_TopicDescription_t) -> (String, Result<Described, Failure>) {
    // SAFETY: by this function's contract; what the getters return lives as long as the topic.
    unsafe {
        let name = borrowed(rd::rd_kafka_TopicDescription_name(topic)).to_owned();
        let failure = failure_of(rd::rd_kafka_TopicDescription_error(topic));
        if failure.code != Code::NoError {
            return (name, Err(failure));
        }
        let mut count = 0;
        let found = rd::rd_kafka_TopicDescription_partitions(topic, &mut count);
        let mut partitions: Vec<Place> = (0..count).map(|i| place(*found.add(i))).collect();
        partitions.sort_by_key(|place| place.partition);
        let uuid = rd::rd_kafka_TopicDescription_topic_id(topic);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&rd::rd_kafka_Uuid_most_significant_bits(uuid).to_be_bytes());
        id[8..].copy_from_slice(&rd::rd_kafka_Uuid_least_significant_bits(uuid).to_be_bytes());
        (name, Ok(Described { id: TopicId(id), partitions }))
    }
}

/// # Safety
/// `partition` is valid.
unsafe fn place(partition: *const rd::rd_kafka_TopicPartitionInfo_t) -> Place {
    // SAFETY: by this function's contract; the nodes live as long as the partition.
    unsafe {
        let ids = |nodes: *mut *const rd::rd_kafka_Node_t, count: usize| {
            (0..count).map(|i| rd::rd_kafka_Node_id(*nodes.add(i))).collect::<Vec<i32>>()
        };
        let (mut isr, mut replicas) = (0, 0);
        let in_sync = rd::rd_kafka_TopicPartitionInfo_isr(partition, &mut isr);
        let all = rd::rd_kafka_TopicPartitionInfo_replicas(partition, &mut replicas);
        let leader = rd::rd_kafka_TopicPartitionInfo_leader(partition);
        Place {
            partition: rd::rd_kafka_TopicPartitionInfo_partition(partition),
            leader: if leader.is_null() { -1 } else { rd::rd_kafka_Node_id(leader) },
            replicas: ids(all, replicas),
            isr: ids(in_sync, isr),
        }
    }
}

pub(crate) fn alter_topic_config<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    changes: &BTreeMap<String, Option<String>>,
    timeout: Duration,
) -> Result<(), Failure> {
    use rd::rd_kafka_AlterConfigOpType_t::{RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE, RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET};
    let name = text(topic);
    // SAFETY: names and values are copied into the resource, which the request copies and which is freed here.
    unsafe {
        let resource =
            rd::rd_kafka_ConfigResource_new(rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr());
        for (key, value) in changes {
            let key = text(key);
            let value = value.as_deref().map(text);
            let (op, value) = match &value {
                Some(value) => (RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, value.as_ptr()),
                None => (RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE, std::ptr::null()),
            };
            if let Some(refused) =
                taken(rd::rd_kafka_ConfigResource_add_incremental_config(resource, key.as_ptr(), op, value))
            {
                rd::rd_kafka_ConfigResource_destroy(resource);
                return Err(Failure { code: Code::InvalidConfig, ..refused.failure });
            }
        }
        let mut resources = [resource];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS,
            timeout,
            &mut |rk, options, queue| {
                rd::rd_kafka_IncrementalAlterConfigs(rk, resources.as_mut_ptr(), 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_IncrementalAlterConfigs_result(event);
                let altered = rd::rd_kafka_IncrementalAlterConfigs_result_resources(result, &mut count);
                for i in 0..count {
                    let code: Code = rd::rd_kafka_ConfigResource_error(*altered.add(i)).into();
                    if code != Code::NoError {
                        let reason = borrowed(rd::rd_kafka_ConfigResource_error_string(*altered.add(i)));
                        return Err(Failure { code, reason: reason.to_owned() });
                    }
                }
                Ok(())
            },
        );
        rd::rd_kafka_ConfigResource_destroy(resource);
        answer?
    }
}

/// Every offset that the group has committed; none when there is no such group.
///
/// Asked through a consumer: librdkafka (2.12.1) answers a coordinator that has moved by looking for that of its own group, and a client
/// without one ends the process there (`rd_kafka_handle_OffsetFetch`, `rk_cgrp` is null).
pub(crate) fn group_offsets(client: &Consumer, group: &str, timeout: Duration) -> Result<Vec<GroupOffset>, Failure> {
    let name = text(group);
    // SAFETY: the name is copied; no list of partitions means all of them. What is read belongs to the event.
    unsafe {
        let asked = rd::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), std::ptr::null());
        let mut requests = [asked];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
            timeout,
            &mut |rk, options, queue| {
                rd::rd_kafka_ListConsumerGroupOffsets(rk, requests.as_mut_ptr(), 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_ListConsumerGroupOffsets_result(event);
                let groups = rd::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &mut count);
                let mut offsets = Vec::new();
                for i in 0..count {
                    let failure = failure_of(rd::rd_kafka_group_result_error(*groups.add(i)));
                    match failure.code {
                        Code::NoError => {}
                        Code::GroupIdNotFound => continue,
                        _ => return Err(failure),
                    }
                    for entry in entries(rd::rd_kafka_group_result_partitions(*groups.add(i))) {
                        if entry.code == Code::NoError && entry.offset >= 0 {
                            offsets.push(GroupOffset {
                                group: group.to_owned(),
                                partition: TopicPartition::new(entry.topic, entry.partition),
                                offset: entry.offset,
                                metadata: String::from_utf8_lossy(entry.metadata).into_owned(),
                            });
                        }
                    }
                }
                Ok(offsets)
            },
        );
        rd::rd_kafka_ListConsumerGroupOffsets_destroy(asked);
        answer?
    }
}

/// Offsets that are not there, and groups that are not there, count as deleted. Through a consumer, as [`group_offsets`].
pub(crate) fn delete_group_offsets(
    client: &Consumer,
    group: &str,
    partitions: &PartitionList,
    timeout: Duration,
) -> Result<(), Failure> {
    let name = text(group);
    // SAFETY: name and list are copied. What is read belongs to the event.
    unsafe {
        let doomed = rd::rd_kafka_DeleteConsumerGroupOffsets_new(name.as_ptr(), partitions.0);
        let mut requests = [doomed];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS,
            timeout,
            &mut |rk, options, queue| {
                rd::rd_kafka_DeleteConsumerGroupOffsets(rk, requests.as_mut_ptr(), 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_DeleteConsumerGroupOffsets_result(event);
                let groups = rd::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &mut count);
                for i in 0..count {
                    let failure = failure_of(rd::rd_kafka_group_result_error(*groups.add(i)));
                    match failure.code {
                        Code::NoError => {}
                        Code::GroupIdNotFound => continue,
                        _ => return Err(failure),
                    }
                    let refused = entries(rd::rd_kafka_group_result_partitions(*groups.add(i))).find(|entry| {
                        !matches!(entry.code, Code::NoError | Code::UnknownTopicOrPartition | Code::UnknownTopicId)
                    });
                    if let Some(entry) = refused {
                        let reason = format!("{}-{}: {}", entry.topic, entry.partition, entry.code);
                        return Err(Failure { code: entry.code, reason });
                    }
                }
                Ok(())
            },
        );
        rd::rd_kafka_DeleteConsumerGroupOffsets_destroy(doomed);
        answer?
    }
}
