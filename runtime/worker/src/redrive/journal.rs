//! [`RedriveJournal`]: which letters were asked to be sent again, and how they fared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_client::{PartitionRecords, TopicId};
use sluice_data::ConnectorName;
use sluice_storage::{TopicLog, TopicLogEntry, TopicLogError};
use std::sync::Arc;

/// A letter's place in its queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    pub queue: String,
    pub partition: i32,
    pub offset: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedriveState {
    /// To be tried, or being tried.
    Requested,
    Delivered,
    Failed,
}

/// What the user wants instead of what the letter holds. Bytes are base64 in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// `Some(None)`: no key.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_bytes")]
    pub key: Option<Option<Vec<u8>>>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_bytes")]
    pub value: Option<Option<Vec<u8>>>,
    /// All headers, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<(String, Option<String>)>>,
}

/// What the journal knows of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveEntry {
    pub state: RedriveState,
    /// Of a queue that was deleted and made again, older entries mean other letters.
    pub queue_id: String,
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub at_ms: i64,
}

impl RedriveEntry {
    #[must_use]
    pub fn requested(queue_id: TopicId, edited: Option<Edit>, at_ms: i64) -> Self {
        let queue_id = crate::sink_plan::topic_id_text(queue_id);
        Self { state: RedriveState::Requested, queue_id, attempts: 1, edited, reason: None, at_ms }
    }

    /// Whether it speaks of this queue, and not of an older one of its name.
    #[must_use]
    pub fn is_of(&self, queue_id: TopicId) -> bool {
        self.queue_id == crate::sink_plan::topic_id_text(queue_id)
    }
}

/// Every connector's letters that were sent again.
#[derive(Clone)]
pub struct RedriveJournal {
    log: Arc<TopicLog>,
}

impl RedriveJournal {
    /// In the topic that holds the batch plans: a letter that is sent again is a planned delivery of one record.
    #[must_use]
    pub fn new(log: Arc<TopicLog>) -> Self {
        Self { log }
    }

    #[must_use]
    pub fn get(&self, connector: &ConnectorName, letter: &LetterId) -> Option<RedriveEntry> {
        let value = self.log.get(&key(connector, letter))?;
        serde_json::from_slice(&value).ok()
    }

    /// Those that have no end yet, of every connector.
    #[must_use]
    pub fn unfinished(&self) -> Vec<(ConnectorName, LetterId)> {
        let entries = self.log.entries().into_iter();
        let unfinished = entries.filter(|(_, stored)| {
            let entry = serde_json::from_slice::<RedriveEntry>(&stored.value);
            entry.is_ok_and(|entry| entry.state == RedriveState::Requested)
        });
        unfinished.filter_map(|(key, _)| parse_key(&key)).collect()
    }

    /// Durable and visible when this returns.
    ///
    /// # Errors
    /// As [`TopicLog::put`].
    pub(crate) async fn put(
        &self,
        connector: &ConnectorName,
        letter: &LetterId,
        entry: &RedriveEntry,
    ) -> Result<(), TopicLogError> {
        self.log.put(&[log_entry(connector, letter, entry)]).await
    }

    /// As [`RedriveJournal::put`], for several at once: all or none.
    ///
    /// # Errors
    /// As [`TopicLog::put`].
    pub async fn put_all(
        &self,
        connector: &ConnectorName,
        entries: &[(LetterId, RedriveEntry)],
    ) -> Result<(), TopicLogError> {
        let entries: Vec<_> = entries.iter().map(|(letter, entry)| log_entry(connector, letter, entry)).collect();
        self.log.put(&entries).await
    }

    /// For somebody else's append; call [`RedriveJournal::apply`] when it is durable.
    ///
    /// # Errors
    /// As [`TopicLog::encode`].
    pub(crate) fn encode(&self, entry: &TopicLogEntry) -> Result<Vec<PartitionRecords>, TopicLogError> {
        self.log.encode(std::slice::from_ref(entry))
    }

    pub(crate) fn apply(&self, entry: TopicLogEntry) {
        self.log.apply(&[entry]);
    }
}

pub(crate) fn log_entry(connector: &ConnectorName, letter: &LetterId, entry: &RedriveEntry) -> TopicLogEntry {
    let value = serde_json::to_vec(entry).expect("text and numbers are JSON");
    TopicLogEntry::new(key(connector, letter), Some(value.into()))
}

fn key(connector: &ConnectorName, letter: &LetterId) -> Bytes {
    serde_json::json!([connector.as_str(), letter.queue, letter.partition, letter.offset]).to_string().into()
}

fn parse_key(key: &[u8]) -> Option<(ConnectorName, LetterId)> {
    let (connector, queue, partition, offset) = serde_json::from_slice::<(String, String, i32, i64)>(key).ok()?;
    Some((ConnectorName::new(connector), LetterId { queue, partition, offset }))
}

/// `null` is no bytes at all, which is not the same as none given.
mod optional_bytes {
    use super::{Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::option_option, clippy::ref_option, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(bytes: &Option<Option<Vec<u8>>>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = bytes.as_ref().and_then(|bytes| bytes.as_ref().map(|bytes| STANDARD.encode(bytes)));
        text.serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "serde's signature")]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Vec<u8>>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let bytes = text.map(|text| STANDARD.decode(text)).transpose().map_err(serde::de::Error::custom)?;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_with_edited_bytes_and_edited_nothing() {
        for value in [None, Some(None), Some(Some(vec![0, 255, 1]))] {
            let headers = Some(vec![("h".to_owned(), None)]);
            let edited = Some(Edit { key: Some(None), value, headers });
            let entry = RedriveEntry::requested(TopicId([7; 16]), edited, 12);
            let read: RedriveEntry = serde_json::from_slice(&serde_json::to_vec(&entry).unwrap()).unwrap();
            assert_eq!(read, entry);
        }
    }

    #[test]
    fn a_letters_key_reads_back_whatever_the_names_hold() {
        let letter = LetterId { queue: "dead \"letters\"".into(), partition: 3, offset: 12 };
        let connector = ConnectorName::new("a,b]");
        assert_eq!(parse_key(&key(&connector, &letter)), Some((connector, letter)));
    }
}
