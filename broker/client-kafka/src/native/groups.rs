//! Consumer groups: listing, describing, moving their offsets, deleting.

use super::admin::request;
use super::{PartitionList, borrowed, entries, failure_of, text};
use crate::error::Failure;
use rd::rd_kafka_admin_op_t as Op;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use sluice_client::TopicPartition;
use std::time::Duration;

/// A group, as a broker lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub group: String,
    pub state: String,
    /// `Classic` or `Consumer`.
    pub kind: String,
}

/// A group, as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub state: String,
    pub assignor: String,
    pub coordinator: String,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub member_id: String,
    /// `group.instance.id`; empty for a dynamic member.
    pub instance_id: String,
    pub client_id: String,
    pub host: String,
    pub partitions: Vec<TopicPartition>,
}

/// Every group of every broker that answered; the first failure of those that did not, if any.
pub(crate) fn list<C: ClientContext>(
    client: &Client<C>,
    timeout: Duration,
) -> Result<(Vec<Listed>, Option<Failure>), Failure> {
    // SAFETY: what is read belongs to the event.
    unsafe {
        request(
            client,
            Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_ListConsumerGroups(rk, options, queue),
            |event| {
                let result = rd::rd_kafka_event_ListConsumerGroups_result(event);
                let mut count = 0;
                let failed = rd::rd_kafka_ListConsumerGroups_result_errors(result, &mut count);
                let failure = (count > 0).then(|| failure_of(*failed));
                let found = rd::rd_kafka_ListConsumerGroups_result_valid(result, &mut count);
                ((0..count).map(|i| listed(*found.add(i))).collect(), failure)
            },
        )
    }
}

/// # Safety
/// `group` is valid.
unsafe fn listed(group: *const rd::rd_kafka_ConsumerGroupListing_t) -> Listed {
    // SAFETY: by this function's contract; names of states and types are static.
    unsafe {
        let state = rd::rd_kafka_ConsumerGroupListing_state(group);
        let kind = rd::rd_kafka_ConsumerGroupListing_type(group);
        Listed {
            group: borrowed(rd::rd_kafka_ConsumerGroupListing_group_id(group)).to_owned(),
            state: borrowed(rd::rd_kafka_consumer_group_state_name(state)).to_owned(),
            kind: borrowed(rd::rd_kafka_consumer_group_type_name(kind)).to_owned(),
        }
    }
}

pub(crate) fn describe<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    timeout: Duration,
) -> Result<Described, Failure> {
    let name = text(group);
    let mut names = [name.as_ptr()];
    // SAFETY: the names are copied by the request; what is read belongs to the event.
    unsafe {
        request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
            timeout,
            &mut |rk, options, queue| {
                rd::rd_kafka_DescribeConsumerGroups(rk, names.as_mut_ptr(), names.len(), options, queue);
            },
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_DescribeConsumerGroups_result(event);
                let found = rd::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
                if count == 0 { Err(Code::GroupIdNotFound.into()) } else { described(*found) }
            },
        )?
    }
}

/// # Safety
/// `group` is valid.
unsafe fn described(group: *const rd::rd_kafka_ConsumerGroupDescription_t) -> Result<Described, Failure> {
    // SAFETY: by this function's contract; what the getters return lives as long as the group.
    unsafe {
        let failure = failure_of(rd::rd_kafka_ConsumerGroupDescription_error(group));
        if failure.code != Code::NoError {
            return Err(failure);
        }
        let state = rd::rd_kafka_ConsumerGroupDescription_state(group);
        let count = rd::rd_kafka_ConsumerGroupDescription_member_count(group);
        let members = (0..count).map(|i| member(rd::rd_kafka_ConsumerGroupDescription_member(group, i)));
        let node = rd::rd_kafka_ConsumerGroupDescription_coordinator(group);
        let coordinator = if node.is_null() {
            String::new()
        } else {
            format!("{}:{}", borrowed(rd::rd_kafka_Node_host(node)), rd::rd_kafka_Node_port(node))
        };
        Ok(Described {
            state: borrowed(rd::rd_kafka_consumer_group_state_name(state)).to_owned(),
            assignor: borrowed(rd::rd_kafka_ConsumerGroupDescription_partition_assignor(group)).to_owned(),
            coordinator,
            members: members.collect(),
        })
    }
}

/// # Safety
/// `member` is valid.
unsafe fn member(member: *const rd::rd_kafka_MemberDescription_t) -> Member {
    // SAFETY: by this function's contract; what the getters return lives as long as the member.
    unsafe {
        let assignment = rd::rd_kafka_MemberDescription_assignment(member);
        let partitions = if assignment.is_null() {
            Vec::new()
        } else {
            let list = entries(rd::rd_kafka_MemberAssignment_partitions(assignment));
            list.map(|entry| TopicPartition::new(entry.topic, entry.partition)).collect()
        };
        Member {
            member_id: borrowed(rd::rd_kafka_MemberDescription_consumer_id(member)).to_owned(),
            instance_id: borrowed(rd::rd_kafka_MemberDescription_group_instance_id(member)).to_owned(),
            client_id: borrowed(rd::rd_kafka_MemberDescription_client_id(member)).to_owned(),
            host: borrowed(rd::rd_kafka_MemberDescription_host(member)).to_owned(),
            partitions,
        }
    }
}

/// Commits each entry's offset for a group that has no members.
pub(crate) fn alter_offsets<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    offsets: &PartitionList,
    timeout: Duration,
) -> Result<(), Failure> {
    let name = text(group);
    // SAFETY: name and list are copied; what is read belongs to the event.
    unsafe {
        let altered = rd::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), offsets.0);
        let mut requests = [altered];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
            timeout,
            &mut |rk, options, queue| {
                rd::rd_kafka_AlterConsumerGroupOffsets(rk, requests.as_mut_ptr(), 1, options, queue);
            },
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_AlterConsumerGroupOffsets_result(event);
                group_results(rd::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &mut count), count)
            },
        );
        rd::rd_kafka_AlterConsumerGroupOffsets_destroy(altered);
        answer?
    }
}

pub(crate) fn delete<C: ClientContext>(client: &Client<C>, group: &str, timeout: Duration) -> Result<(), Failure> {
    let name = text(group);
    // SAFETY: the name is copied; what is read belongs to the event.
    unsafe {
        let doomed = rd::rd_kafka_DeleteGroup_new(name.as_ptr());
        let mut requests = [doomed];
        let answer = request(
            client,
            Op::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
            timeout,
            &mut |rk, options, queue| rd::rd_kafka_DeleteGroups(rk, requests.as_mut_ptr(), 1, options, queue),
            |event| {
                let mut count = 0;
                let result = rd::rd_kafka_event_DeleteGroups_result(event);
                group_results(rd::rd_kafka_DeleteGroups_result_groups(result, &mut count), count)
            },
        );
        rd::rd_kafka_DeleteGroup_destroy(doomed);
        answer?
    }
}

/// # Safety
/// `groups` holds `count` valid results.
unsafe fn group_results(groups: *mut *const rd::rd_kafka_group_result_t, count: usize) -> Result<(), Failure> {
    for i in 0..count {
        // SAFETY: by this function's contract.
        unsafe {
            let group = *groups.add(i);
            let failure = failure_of(rd::rd_kafka_group_result_error(group));
            if failure.code != Code::NoError {
                return Err(failure);
            }
            let refused =
                entries(rd::rd_kafka_group_result_partitions(group)).find(|entry| entry.code != Code::NoError);
            if let Some(entry) = refused {
                let reason = format!("{}-{}: {}", entry.topic, entry.partition, entry.code);
                return Err(Failure { code: entry.code, reason });
            }
        }
    }
    Ok(())
}
