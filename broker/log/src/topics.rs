//! Topics and their partitions, and the records by which the log remembers them.
//!
//! Metadata lives in the log itself, in a topic of its own (id 0) that nobody else sees: record batches of Kafka's
//! format with a key and a value, compacted like any other. Each record is written twice, to partition 0 and to
//! partition 1 with the same offsets, so that one damaged block cannot take a topic away.
//!
//! ```text
//! key: 1, topic id (16)                                value: u16 name length, name, u32 partitions,
//!                                                             u16 settings, per setting u16 length, text, twice
//! key: 2, topic id (16), u32 partition                 value: i64 log start offset, i64 least next offset
//! key: 3, zeros (16)                                   value: i64 producer ids below may have been given out
//! ```
//! Little-endian. No value (a tombstone): the topic was deleted.

use crate::TopicId;
use crate::config::TopicSettings;
use crate::index::PartitionState;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

/// The topic in which the log keeps its metadata.
pub(crate) const METADATA_TOPIC: TopicId = TopicId([0; 16]);
pub(crate) const METADATA_COPIES: i32 = 2;

/// What is known of a topic, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicInfo {
    pub name: Arc<str>,
    pub id: TopicId,
    pub partitions: i32,
    /// Only what was set.
    pub config: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub info: TopicInfo,
    pub settings: TopicSettings,
    pub partitions: Vec<Arc<Partition>>,
}

impl Topic {
    /// # Errors
    /// A sentence about each setting that does not parse.
    pub(crate) fn new(info: TopicInfo, kept: &[Arc<Partition>]) -> Result<Self, String> {
        let settings = TopicSettings::parse(&info.config)?;
        let new = |index| kept.get(index as usize).cloned().unwrap_or_else(|| Partition::new(info.id, index));
        let partitions = (0..info.partitions).map(new).collect();
        Ok(Self { info, settings, partitions })
    }
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub topic: TopicId,
    pub index: i32,
    pub state: RwLock<PartitionState>,
    /// The next offset to assign. Only the writer changes it; ahead of the high watermark while a group syncs.
    pub next_offset: AtomicI64,
    pub deleted: AtomicBool,
    /// The highest log start offset that was asked for; changed under [`Shared::starts`](crate::log::Shared).
    pub start_asked: AtomicI64,
}

impl Partition {
    pub(crate) fn new(topic: TopicId, index: i32) -> Arc<Self> {
        Arc::new(Self {
            topic,
            index,
            state: RwLock::default(),
            next_offset: AtomicI64::new(0),
            deleted: AtomicBool::new(false),
            start_asked: AtomicI64::new(0),
        })
    }
}

/// All topics. A topic is replaced as a whole when it changes; its partitions stay the same objects.
#[derive(Debug, Default)]
pub(crate) struct TopicTable {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

impl TopicTable {
    pub(crate) fn insert(&mut self, topic: Topic) {
        let topic = Arc::new(topic);
        self.by_name.insert(topic.info.name.clone(), topic.clone());
        self.by_id.insert(topic.info.id, topic);
    }

    pub(crate) fn remove(&mut self, id: TopicId) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&topic.info.name);
        Some(topic)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(crate) fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    pub(crate) fn partition(&self, id: TopicId, index: i32) -> Option<&Arc<Partition>> {
        self.by_id.get(&id)?.partitions.get(usize::try_from(index).ok()?)
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }
}

/// One metadata record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MetadataRecord {
    Topic(TopicInfo),
    TopicDeleted(TopicId),
    Partition { topic: TopicId, partition: i32, log_start_offset: i64, next_offset_min: i64 },
    PartitionDeleted { topic: TopicId, partition: i32 },
    ProducerIds { reserved_to: i64 },
}

impl MetadataRecord {
    pub(crate) fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let topic_key = |id: &TopicId| [&[1u8][..], &id.0].concat();
        let partition_key = |id: &TopicId, partition: i32| [&[2u8][..], &id.0, &partition.to_le_bytes()].concat();
        match self {
            Self::Topic(info) => (topic_key(&info.id), Some(encode_topic(info))),
            Self::TopicDeleted(id) => (topic_key(id), None),
            Self::Partition { topic, partition, log_start_offset, next_offset_min } => {
                let value = [log_start_offset.to_le_bytes(), next_offset_min.to_le_bytes()].concat();
                (partition_key(topic, *partition), Some(value))
            }
            Self::PartitionDeleted { topic, partition } => (partition_key(topic, *partition), None),
            Self::ProducerIds { reserved_to } => {
                ([&[3u8][..], &[0; 16]].concat(), Some(reserved_to.to_le_bytes().into()))
            }
        }
    }

    pub(crate) fn decode(mut key: &[u8], value: Option<&[u8]>) -> Option<Self> {
        let kind = take::<1>(&mut key)?[0];
        let id = TopicId(take::<16>(&mut key)?);
        let record = match (kind, value) {
            (1, None) => Self::TopicDeleted(id),
            (1, Some(value)) => Self::Topic(decode_topic(id, value)?),
            (2, value) => {
                let (topic, partition) = (id, i32::from_le_bytes(take(&mut key)?));
                match value {
                    None => Self::PartitionDeleted { topic, partition },
                    Some(mut value) => Self::Partition {
                        topic,
                        partition,
                        log_start_offset: i64::from_le_bytes(take(&mut value)?),
                        next_offset_min: i64::from_le_bytes(take(&mut value)?),
                    },
                }
            }
            (3, Some(mut value)) => Self::ProducerIds { reserved_to: i64::from_le_bytes(take(&mut value)?) },
            _ => return None,
        };
        key.is_empty().then_some(record)
    }
}

fn encode_topic(info: &TopicInfo) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, &info.name);
    out.extend_from_slice(&info.partitions.to_le_bytes());
    out.extend_from_slice(&(info.config.len() as u16).to_le_bytes());
    for (key, value) in &info.config {
        put_text(&mut out, key);
        put_text(&mut out, value);
    }
    out
}

fn decode_topic(id: TopicId, mut value: &[u8]) -> Option<TopicInfo> {
    let name = take_text(&mut value)?.into();
    let partitions = i32::from_le_bytes(take(&mut value)?);
    let settings = u16::from_le_bytes(take(&mut value)?);
    let config = (0..settings)
        .map(|_| Some((take_text(&mut value)?, take_text(&mut value)?)))
        .collect::<Option<BTreeMap<_, _>>>()?;
    (partitions > 0).then_some(TopicInfo { name, id, partitions, config })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names and settings are checked to be shorter than 64 KiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take_text(input: &mut &[u8]) -> Option<String> {
    let len = u16::from_le_bytes(take(input)?);
    let (text, rest) = input.split_at_checked(usize::from(len))?;
    *input = rest;
    String::from_utf8(text.to_vec()).ok()
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_records_come_back_as_they_were_written() {
        let config = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        let (topic, id) = (TopicId([3; 16]), TopicId([3; 16]));
        for record in [
            MetadataRecord::Topic(TopicInfo { name: "a".into(), id, partitions: 3, config }),
            MetadataRecord::TopicDeleted(id),
            MetadataRecord::Partition { topic, partition: 2, log_start_offset: 5, next_offset_min: 9 },
            MetadataRecord::PartitionDeleted { topic, partition: 2 },
            MetadataRecord::ProducerIds { reserved_to: 3000 },
        ] {
            let (key, value) = record.encode();
            assert_eq!(MetadataRecord::decode(&key, value.as_deref()), Some(record));
        }
        assert_eq!(MetadataRecord::decode(&[9; 17], None), None);
        assert_eq!(MetadataRecord::decode(&[1; 16], None), None);
    }
}
