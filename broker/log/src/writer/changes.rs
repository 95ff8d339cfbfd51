//! Changes of topics: what they do to the table, and the records that say so.

use super::{Answer, Change, Writer};
use crate::error::TopicError;
use crate::prepare;
use crate::queue::{PreparedPart, TopicChange, TopicDone};
use crate::topics::{METADATA_COPIES, MetadataRecord, Partition, Topic, TopicInfo};
use std::sync::Arc;

impl Writer {
    pub(super) fn stage_topic(&mut self, change: TopicChange, done: TopicDone) {
        let name = match &change {
            TopicChange::Create(info) => info.name.to_string(),
            TopicChange::Delete(name) | TopicChange::CreatePartitions(name, _) | TopicChange::AlterConfig(name, _) => {
                name.clone()
            }
        };
        if self.group.changed_topics.contains(&name) {
            self.commit_group();
        }
        let (topic, records, change) = match self.plan_change(change) {
            Ok(plan) => plan,
            Err(error) => return done(Err(error)),
        };
        let parts = self.metadata_parts(&records);
        let may_wait = self.may_wait(None);
        if let Err(error) = self.roll_if_due(may_wait) {
            let reason = self.unavailable(&error).to_string();
            return done(Err(TopicError::Unavailable { reason }));
        }
        self.group.must_sync |= !may_wait;
        for part in &parts {
            self.group.add(part, Vec::new());
        }
        self.group.changed_topics.insert(name);
        self.group.answers.push(Answer::Topic(done, topic, change));
    }

    /// What a change does to the table and which records say so.
    fn plan_change(&self, change: TopicChange) -> Result<(Topic, Vec<MetadataRecord>, Change), TopicError> {
        let topics = self.shared.topics.read();
        let existing = |name: &str| topics.named(name).cloned().ok_or(TopicError::Unknown);
        let put = |info: TopicInfo, kept: &[Arc<Partition>]| {
            let record = MetadataRecord::Topic(info.clone());
            let topic = Topic::new(info, kept).map_err(TopicError::Invalid)?;
            Ok((topic, vec![record], Change::Put))
        };
        match change {
            TopicChange::Create(info) if topics.named(&info.name).is_some() => Err(TopicError::Exists),
            TopicChange::Create(info) => put(info, &[]),
            TopicChange::CreatePartitions(name, partitions) => {
                let topic = existing(&name)?;
                if partitions <= topic.info.partitions {
                    let has = topic.info.partitions;
                    return Err(TopicError::Invalid(format!("it already has {has} partitions; ask for more")));
                }
                put(TopicInfo { partitions, ..topic.info.clone() }, &topic.partitions)
            }
            TopicChange::AlterConfig(name, changes) => {
                let topic = existing(&name)?;
                let mut info = topic.info.clone();
                for (key, value) in changes {
                    match value {
                        Some(value) => info.config.insert(key, value),
                        None => info.config.remove(&key),
                    };
                }
                put(info, &topic.partitions)
            }
            TopicChange::Delete(name) => {
                let topic = existing(&name)?;
                let id = topic.info.id;
                let mut records = vec![MetadataRecord::TopicDeleted(id)];
                records.extend(
                    (0..topic.info.partitions)
                        .map(|partition| MetadataRecord::PartitionDeleted { topic: id, partition }),
                );
                let gone = Topic::new(topic.info.clone(), &topic.partitions).map_err(TopicError::Invalid)?;
                Ok((gone, records, Change::Delete))
            }
        }
    }

    /// The same records for every copy of the metadata.
    pub(super) fn metadata_parts(&self, records: &[MetadataRecord]) -> Vec<PreparedPart> {
        let mut builder = sluice_protocol::RecordBatchBuilder::new(1 << 20);
        let now_ms = self.shared.clock.now_ms();
        for record in records {
            let (key, value) = record.encode();
            builder.push(now_ms, Some(&key), value.as_deref()).expect("a metadata record is far below 1 MiB");
        }
        let bytes = builder.finish();
        let metadata = &self.shared.metadata;
        (0..METADATA_COPIES as usize)
            .map(|copy| {
                prepare::prepare(metadata, &metadata.partitions[copy], copy, bytes.clone())
                    .expect("the builder writes valid batches with keys")
            })
            .collect()
    }
}
