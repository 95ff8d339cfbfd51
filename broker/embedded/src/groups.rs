//! Committed group offsets: records of `__consumer_offsets` in Kafka's own format, and the map they add up to.
//!
//! ```text
//! key    i16 version = 1, string group, string topic, i32 partition
//! value  i16 version = 3, i64 offset, i32 leader epoch = -1, string metadata, i64 commit timestamp
//! ```
//! Big-endian; a string is an i16 length and UTF-8. No value: the offset was deleted.
//! Source: Kafka's `OffsetCommitKey.json` and `OffsetCommitValue.json`.

use crate::Random;
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_client::{GroupOffset, TopicPartition};
use sluice_log::{Log, LogReadError, OpenError, TopicId, TopicInfo};
use sluice_protocol::{RecordBatchBuilder, batches};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;

pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

pub(crate) struct Groups {
    pub topic: TopicId,
    committed: Mutex<HashMap<String, BTreeMap<TopicPartition, GroupOffset>>>,
}

/// One change of a group: an offset, or its removal.
pub(crate) enum GroupChange {
    Commit(GroupOffset),
    Delete(String, TopicPartition),
}

impl Groups {
    /// Creates the topic when it is missing, and loads what it holds.
    pub(crate) fn open(log: &Log, random: &Random) -> Result<Self, OpenError> {
        let topic = match log.topic_id(OFFSETS_TOPIC) {
            Some(id) => id,
            None => create(log, TopicId(random()))?,
        };
        let groups = Self { topic, committed: Mutex::default() };
        groups.load(log)?;
        Ok(groups)
    }

    fn load(&self, log: &Log) -> Result<(), OpenError> {
        let failed = |error: LogReadError| OpenError::Damaged {
            name: OFFSETS_TOPIC.into(),
            reason: match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
        };
        let (mut offset, end) = log.offsets(self.topic, 0).map_err(failed)?;
        while offset < end {
            let read = log.read(self.topic, 0, offset, 1 << 20).map_err(failed)?;
            let mut next = end;
            for batch in batches(&read.records).flatten() {
                next = batch.last_offset() + 1;
                for record in batch.records().into_iter().flatten().flatten() {
                    if let Some(change) = record.key.and_then(|key| decode(key, record.value)) {
                        self.apply(change);
                    }
                }
            }
            offset = next;
        }
        Ok(())
    }

    pub(crate) fn apply(&self, change: GroupChange) {
        let mut committed = self.committed.lock();
        match change {
            GroupChange::Commit(offset) => {
                committed.entry(offset.group.clone()).or_default().insert(offset.partition.clone(), offset);
            }
            GroupChange::Delete(group, partition) => {
                if let Some(offsets) = committed.get_mut(&group) {
                    offsets.remove(&partition);
                    if offsets.is_empty() {
                        committed.remove(&group);
                    }
                }
            }
        }
    }

    pub(crate) fn offsets(&self, group: &str) -> BTreeMap<TopicPartition, GroupOffset> {
        self.committed.lock().get(group).cloned().unwrap_or_default()
    }
}

fn create(log: &Log, id: TopicId) -> Result<TopicId, OpenError> {
    let config = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let (answer, outcome) = mpsc::channel();
    let info = TopicInfo { name: OFFSETS_TOPIC.into(), id, partitions: 1, config };
    log.create_topic(info, move |outcome| drop(answer.send(outcome)));
    let failed = |reason: String| OpenError::Io {
        action: "create",
        name: OFFSETS_TOPIC.into(),
        source: std::io::Error::other(reason),
    };
    match outcome.recv() {
        Ok(Ok(info)) => Ok(info.id),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("the log's writer has stopped".into())),
    }
}

/// One batch with every change.
pub(crate) fn encode(changes: &[GroupChange], now_ms: i64) -> Bytes {
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for change in changes {
        let (key, value) = match change {
            GroupChange::Commit(offset) => {
                (encode_key(&offset.group, &offset.partition), Some(encode_value(offset, now_ms)))
            }
            GroupChange::Delete(group, partition) => (encode_key(group, partition), None),
        };
        builder.push(now_ms, Some(&key), value.as_deref()).expect("strings are at most 32 KiB each, far below 1 MiB");
    }
    builder.finish()
}

fn encode_key(group: &str, partition: &TopicPartition) -> Vec<u8> {
    let mut key = 1i16.to_be_bytes().to_vec();
    put_string(&mut key, group);
    put_string(&mut key, &partition.topic);
    key.extend_from_slice(&partition.partition.to_be_bytes());
    key
}

fn encode_value(offset: &GroupOffset, now_ms: i64) -> Vec<u8> {
    let mut value = 3i16.to_be_bytes().to_vec();
    value.extend_from_slice(&offset.offset.to_be_bytes());
    value.extend_from_slice(&(-1i32).to_be_bytes());
    put_string(&mut value, &offset.metadata);
    value.extend_from_slice(&now_ms.to_be_bytes());
    value
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    let len = i16::try_from(text.len()).expect("checked when the append was handed over");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn decode(mut key: &[u8], value: Option<&[u8]>) -> Option<GroupChange> {
    // Version 2 keys are group metadata, which the classic protocol will write here too.
    if !matches!(i16::from_be_bytes(take(&mut key)?), 0 | 1) {
        return None;
    }
    let group = take_string(&mut key)?;
    let topic = take_string(&mut key)?;
    let partition = TopicPartition::new(topic, i32::from_be_bytes(take(&mut key)?));
    let Some(mut value) = value else { return Some(GroupChange::Delete(group, partition)) };
    let version = i16::from_be_bytes(take(&mut value)?);
    let offset = i64::from_be_bytes(take(&mut value)?);
    if version >= 3 {
        take::<4>(&mut value)?;
    }
    let metadata = take_string(&mut value)?;
    Some(GroupChange::Commit(GroupOffset { group, partition, offset, metadata }))
}

fn take_string(input: &mut &[u8]) -> Option<String> {
    let len = usize::try_from(i16::from_be_bytes(take(input)?)).ok()?;
    let (text, rest) = input.split_at_checked(len)?;
    *input = rest;
    String::from_utf8(text.to_vec()).ok()
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*bytes)
}
