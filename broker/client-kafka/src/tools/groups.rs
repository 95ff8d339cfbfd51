//! Consumer groups and their offsets.

use super::{Cluster, ToolError};
use crate::native::PartitionList;
use crate::native::admin as offsets;
use crate::native::consumer::{EARLIEST, LATEST};
use crate::native::groups as native;
use rdkafka::types::RDKafkaErrorCode as Code;
use sluice_client::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    pub group: String,
    /// Kafka's `Stable`, `Empty`, …
    pub state: String,
    /// `Classic` or `Consumer`.
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDetails {
    pub group: String,
    pub state: String,
    pub assignor: String,
    pub coordinator: String,
    pub members: Vec<GroupMember>,
    /// Those with a committed offset or with a member.
    pub partitions: Vec<GroupPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    pub member_id: String,
    /// `group.instance.id`; empty for a dynamic member.
    pub instance_id: String,
    pub client_id: String,
    pub host: String,
    pub partitions: Vec<TopicPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPartition {
    pub partition: TopicPartition,
    /// `None`: nothing was committed.
    pub committed: Option<i64>,
    /// `None`: the partition is not there any more.
    pub end: Option<i64>,
    pub metadata: String,
    /// Who reads it.
    pub member_id: Option<String>,
}

impl GroupPartition {
    /// Records between the committed offset and the end.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

/// Where a reset moves offsets to, with the names of Kafka's `kafka-consumer-groups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetTo {
    Earliest,
    Latest,
    Current,
    Offset(i64),
    /// By so many, forwards or backwards.
    Shift(i64),
    /// The first record at or after this time, ms since the epoch; the end when there is none.
    Time(i64),
}

impl Cluster {
    /// By name.
    ///
    /// # Errors
    /// [`ToolError`] when a broker of the cluster does not answer.
    pub fn groups(&self) -> Result<Vec<GroupListing>, ToolError> {
        let (found, failure) = native::list(self.client(), self.timeout()).map_err(|it| self.failed(it, "groups"))?;
        if let Some(failure) = failure {
            return Err(self.failed(failure, "groups"));
        }
        let mut groups: Vec<GroupListing> = found
            .into_iter()
            .map(|native::Listed { group, state, kind }| GroupListing { group, state, kind })
            .collect();
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(groups)
    }

    /// # Errors
    /// [`ToolError::UnknownGroup`] and others.
    pub fn describe_group(&self, group: &str) -> Result<GroupDetails, ToolError> {
        let described = self.group_state(group)?;
        let committed = offsets::group_offsets(&self.offsets, group, self.timeout());
        let committed = committed.map_err(|failure| self.failed(failure, group))?;
        let mut partitions: BTreeMap<TopicPartition, GroupPartition> = BTreeMap::new();
        let entry = |partition: &TopicPartition| GroupPartition {
            partition: partition.clone(),
            committed: None,
            end: None,
            metadata: String::new(),
            member_id: None,
        };
        for offset in committed {
            let place = partitions.entry(offset.partition.clone()).or_insert_with(|| entry(&offset.partition));
            (place.committed, place.metadata) = (Some(offset.offset), offset.metadata);
        }
        for member in &described.members {
            for partition in &member.partitions {
                let place = partitions.entry(partition.clone()).or_insert_with(|| entry(partition));
                place.member_id = Some(member.member_id.clone());
            }
        }
        self.add_ends(&mut partitions)?;
        let member = |native::Member { member_id, instance_id, client_id, host, partitions }| GroupMember {
            member_id,
            instance_id,
            client_id,
            host,
            partitions,
        };
        Ok(GroupDetails {
            group: group.to_owned(),
            state: described.state,
            assignor: described.assignor,
            coordinator: described.coordinator,
            members: described.members.into_iter().map(member).collect(),
            partitions: partitions.into_values().collect(),
        })
    }

    /// How many members a group has, of whatever protocol: [`Self::describe_group`] knows consumers only.
    ///
    /// # Errors
    /// [`ToolError`].
    pub fn members_of_any_kind(&self, group: &str) -> Result<usize, ToolError> {
        let groups = self.client().fetch_group_list(Some(group), self.timeout());
        let groups = groups.map_err(|error| self.failed(error.into(), group))?;
        Ok(groups.groups().iter().map(|group| group.members().len()).sum())
    }

    /// A group that has neither members nor offsets is not there: Kafka calls it dead.
    fn group_state(&self, group: &str) -> Result<native::Described, ToolError> {
        let described = native::describe(self.client(), group, self.timeout());
        let described = described.map_err(|failure| self.failed(failure, group))?;
        if described.state == "Dead" {
            return Err(ToolError::UnknownGroup { group: group.to_owned() });
        }
        Ok(described)
    }

    fn add_ends(&self, partitions: &mut BTreeMap<TopicPartition, GroupPartition>) -> Result<(), ToolError> {
        let topics: BTreeSet<_> = partitions.keys().map(|partition| partition.topic.clone()).collect();
        for topic in topics {
            let known = match self.partitions_of(&topic) {
                Ok(known) => known,
                // Its offsets outlived it.
                Err(ToolError::UnknownTopic { .. } | ToolError::Refused { .. }) => continue,
                Err(error) => return Err(error),
            };
            let of_topic = partitions.values_mut().filter(|place| place.partition.topic == topic);
            let mut of_topic: Vec<_> = of_topic.filter(|place| known.contains(&place.partition.partition)).collect();
            let numbers: Vec<i32> = of_topic.iter().map(|place| place.partition.partition).collect();
            let ends = self.list_offsets(&topic, &numbers, LATEST)?;
            for place in &mut of_topic {
                place.end = ends.get(&place.partition.partition).copied();
            }
        }
        Ok(())
    }

    /// What [`Self::alter_group_offsets`] would be given: for each partition the offset committed now, and the new one.
    /// `topics`: which partitions of which topics (none: all of them); no topics: all that the group has offsets of.
    ///
    /// # Errors
    /// [`ToolError::GroupInUse`], [`ToolError::UnknownGroup`] when no topic is named, and others.
    pub fn plan_reset(
        &self,
        group: &str,
        topics: &BTreeMap<String, Vec<i32>>,
        to: ResetTo,
    ) -> Result<Vec<(TopicPartition, Option<i64>, i64)>, ToolError> {
        match self.group_state(group) {
            Ok(described) if !described.members.is_empty() => {
                return Err(ToolError::GroupInUse { group: group.to_owned(), state: described.state });
            }
            // A group may begin with its offsets.
            Err(ToolError::UnknownGroup { .. }) if !topics.is_empty() => {}
            found => drop(found?),
        }
        let committed = offsets::group_offsets(&self.offsets, group, self.timeout());
        let committed = committed.map_err(|failure| self.failed(failure, group))?;
        let committed: BTreeMap<TopicPartition, i64> =
            committed.into_iter().map(|offset| (offset.partition, offset.offset)).collect();
        let mut wanted: BTreeMap<String, Vec<i32>> = topics.clone();
        if topics.is_empty() {
            for partition in committed.keys() {
                wanted.entry(partition.topic.to_string()).or_default().push(partition.partition);
            }
        }
        let mut plan = Vec::new();
        for (topic, chosen) in &wanted {
            let known = self.partitions_of(topic)?;
            for partition in chosen {
                self.check_partition(topic, &known, *partition)?;
            }
            let chosen = if chosen.is_empty() { &known } else { chosen };
            for (partition, target) in self.targets(topic, chosen, to, &committed)? {
                let partition = TopicPartition::new(topic.as_str(), partition);
                let now = committed.get(&partition).copied();
                plan.push((partition, now, target));
            }
        }
        Ok(plan)
    }

    fn targets(
        &self,
        topic: &str,
        partitions: &[i32],
        to: ResetTo,
        committed: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<i32, i64>, ToolError> {
        let bounds = self.bounds(topic, partitions)?;
        let timed = match to {
            ResetTo::Time(ms) => self.list_offsets(topic, partitions, ms)?,
            ResetTo::Earliest => self.list_offsets(topic, partitions, EARLIEST)?,
            _ => BTreeMap::new(),
        };
        let target = |(partition, (start, end)): (&i32, &(i64, i64))| {
            let now = committed.get(&TopicPartition::new(topic, *partition)).copied();
            let target = match to {
                ResetTo::Earliest | ResetTo::Time(_) => {
                    timed.get(partition).copied().filter(|offset| *offset >= 0).unwrap_or(*end)
                }
                ResetTo::Latest => *end,
                ResetTo::Current => now.unwrap_or(*end),
                ResetTo::Offset(offset) => offset,
                ResetTo::Shift(by) => now.unwrap_or(*end).saturating_add(by),
            };
            // As Kafka's tool does: what lies outside becomes the nearest that is there.
            (*partition, target.clamp(*start, (*end).max(*start)))
        };
        Ok(bounds.iter().map(target).collect())
    }

    /// # Errors
    /// [`ToolError::GroupInUse`] and others.
    pub fn alter_group_offsets(&self, group: &str, changes: &[(TopicPartition, i64)]) -> Result<(), ToolError> {
        let mut list = PartitionList::new();
        for (partition, offset) in changes {
            list.add(&partition.topic, partition.partition, *offset, "");
        }
        let altered = native::alter_offsets(self.client(), group, &list, self.timeout());
        altered.map_err(|failure| self.failed(failure, group))
    }

    /// # Errors
    /// [`ToolError::UnknownGroup`], [`ToolError::GroupInUse`] and others.
    pub fn delete_group(&self, group: &str) -> Result<(), ToolError> {
        let deleted = native::delete(self.client(), group, self.timeout());
        deleted.map_err(|failure| self.failed(failure, group))
    }

    /// Forgets what the group committed for these partitions of a topic (none: all that it has). How many there were.
    ///
    /// # Errors
    /// [`ToolError::UnknownGroup`], [`ToolError::Refused`] while a member reads the topic, and others.
    pub fn delete_group_offsets(&self, group: &str, topic: &str, partitions: &[i32]) -> Result<usize, ToolError> {
        self.group_state(group)?;
        let committed = offsets::group_offsets(&self.offsets, group, self.timeout());
        let committed = committed.map_err(|failure| self.failed(failure, group))?;
        let of_topic = committed.iter().map(|offset| &offset.partition).filter(|place| &*place.topic == topic);
        let doomed: Vec<_> =
            of_topic.filter(|place| partitions.is_empty() || partitions.contains(&place.partition)).collect();
        if doomed.is_empty() {
            return Ok(0);
        }
        let mut list = PartitionList::new();
        for place in &doomed {
            list.add(topic, place.partition, 0, "");
        }
        let deleted = offsets::delete_group_offsets(&self.offsets, group, &list, self.timeout());
        deleted.map_err(|failure| match failure.code {
            Code::GroupSubscribedToTopic => {
                ToolError::GroupInUse { group: group.to_owned(), state: format!("a member reads {topic}") }
            }
            _ => self.failed(failure, group),
        })?;
        Ok(doomed.len())
    }
}
