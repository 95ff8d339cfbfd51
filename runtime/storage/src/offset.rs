//! [`OffsetBackingStore`]: source offsets at rest. Source: Kafka `KafkaOffsetBackingStore`, record format of 7.5 there:
//!
//! ```text
//! key    ["<connector>",{<partition, members sorted>}]     UTF-8 JSON
//! value  {<offset>}                                        UTF-8 JSON; none (tombstone): the partition is forgotten
//! ```
//! A Connect worker writes the members of a partition in the order that its connector gave them; such keys are replaced on opening,
//! so that a worker's own topic can be gone on with.
//!
//! Source tasks put their offsets into the same atomic append as the records ([`OffsetBackingStore::entries`] and
//! [`OffsetBackingStore::encode`]) and make them visible once it is durable ([`OffsetBackingStore::apply`]).

use crate::{TopicLog, TopicLogConfig, TopicLogEntry, TopicLogError};
use bytes::Bytes;
use serde_json::{Map, Value};
use sluice_client::{Broker, PartitionRecords};
use sluice_connect_api::{OffsetReader, SourceOffsetPair};
use sluice_data::{ConnectorName, SourceOffset, SourcePartition};
use std::sync::Arc;

/// An append has a size.
const REPLACED_AT_ONCE: usize = 1_000;

/// Every connector's source offsets.
pub struct OffsetBackingStore {
    log: TopicLog,
}

impl OffsetBackingStore {
    /// # Errors
    /// As [`TopicLog::open`].
    pub async fn open(broker: &dyn Broker, config: TopicLogConfig) -> Result<Self, TopicLogError> {
        let store = Self { log: TopicLog::open(broker, config).await? };
        store.replace_unsorted_keys().await?;
        Ok(store)
    }

    async fn replace_unsorted_keys(&self) -> Result<(), TopicLogError> {
        let mut replaced = Vec::new();
        for (found, entry) in self.log.entries() {
            let Some(sorted) = sorted_key(&found).filter(|sorted| *sorted != found) else { continue };
            // What the hub has written since is newer.
            if self.log.get(&sorted).is_none() {
                replaced.push(TopicLogEntry::new(sorted, Some(entry.value)));
            }
            replaced.push(TopicLogEntry::new(found, None));
        }
        for some in replaced.chunks(REPLACED_AT_ONCE) {
            self.log.put(some).await?;
        }
        Ok(())
    }

    /// What one connector's tasks may read.
    #[must_use]
    pub fn reader(self: &Arc<Self>, connector: &ConnectorName) -> Arc<dyn OffsetReader> {
        Arc::new(ConnectorOffsets { store: Arc::clone(self), connector: connector.clone() })
    }

    #[must_use]
    pub fn offset(&self, connector: &ConnectorName, partition: &SourcePartition) -> Option<SourceOffset> {
        let value = self.log.get(&key(connector, partition))?;
        parse_object(&value)
    }

    /// Every stored offset of the connector, by partition.
    #[must_use]
    pub fn offsets(&self, connector: &ConnectorName) -> Vec<(SourcePartition, SourceOffset)> {
        let prefix = key_prefix(connector);
        let entries = self.log.entries_with_prefix(prefix.as_bytes());
        let pairs = entries.into_iter().filter_map(|(key, entry)| {
            let partition = key.strip_prefix(prefix.as_bytes())?.strip_suffix(b"]")?;
            let partition = SourcePartition::new(&parse_object(partition)?);
            Some((partition, parse_object(&entry.value)?))
        });
        pairs.collect()
    }

    /// The entries that store `offsets`. Of several for one partition the last counts.
    #[must_use]
    pub fn entries(connector: &ConnectorName, offsets: &[SourceOffsetPair]) -> Vec<TopicLogEntry> {
        let entry = |(partition, offset): &SourceOffsetPair| {
            let value = offset.as_ref().map(|offset| Bytes::from(Value::Object(offset.clone()).to_string()));
            TopicLogEntry::new(key(connector, partition), value)
        };
        offsets.iter().map(entry).collect()
    }

    /// The entries as records for an atomic append.
    ///
    /// # Errors
    /// [`TopicLogError::Entry`] when one offset is too large for a record.
    pub fn encode(&self, entries: &[TopicLogEntry]) -> Result<Vec<PartitionRecords>, TopicLogError> {
        self.log.encode(entries)
    }

    /// Makes entries visible whose append is durable.
    pub fn apply(&self, entries: &[TopicLogEntry]) {
        self.log.apply(entries);
    }

    /// Writes offsets on the user's behalf; they are durable and visible when this returns. The connector's tasks must
    /// not run.
    ///
    /// # Errors
    /// As [`TopicLog::put`].
    pub async fn alter(&self, connector: &ConnectorName, offsets: &[SourceOffsetPair]) -> Result<(), TopicLogError> {
        self.log.put(&Self::entries(connector, offsets)).await
    }
}

struct ConnectorOffsets {
    store: Arc<OffsetBackingStore>,
    connector: ConnectorName,
}

impl OffsetReader for ConnectorOffsets {
    fn offset(&self, partition: &SourcePartition) -> Option<SourceOffset> {
        self.store.offset(&self.connector, partition)
    }

    fn offsets(&self) -> Vec<(SourcePartition, SourceOffset)> {
        self.store.offsets(&self.connector)
    }
}

fn key(connector: &ConnectorName, partition: &SourcePartition) -> Bytes {
    Bytes::from(format!("{}{}]", key_prefix(connector), partition.as_str()))
}

/// `None`: it is no offset's key.
fn sorted_key(found: &[u8]) -> Option<Bytes> {
    let (connector, partition) = serde_json::from_slice::<(String, Map<String, Value>)>(found).ok()?;
    Some(key(&ConnectorName::new(connector), &SourcePartition::new(&partition)))
}

/// What every key of this connector begins with, and no other's.
fn key_prefix(connector: &ConnectorName) -> String {
    format!("[{},", Value::from(connector.as_str()))
}

/// `None` for anything but an object: nobody but the hub writes here, and a foreign import is not worth a crash.
fn parse_object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_stored_as_kafka_connect_stores_it() {
        let partition = SourcePartition::parse(r#"{"filename":"/tmp/a \"b\""}"#).unwrap();
        let offset: SourceOffset = serde_json::from_str(r#"{"position":12}"#).unwrap();
        let connector = ConnectorName::new("my \"file\"");
        let entries = OffsetBackingStore::entries(&connector, &[(partition.clone(), Some(offset)), (partition, None)]);
        let key = r#"["my \"file\"",{"filename":"/tmp/a \"b\""}]"#;
        let expected =
            [TopicLogEntry::new(key, Some(Bytes::from_static(br#"{"position":12}"#))), TopicLogEntry::new(key, None)];
        assert_eq!(entries, expected);
    }
}
