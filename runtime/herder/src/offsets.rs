//! Offsets on the user's behalf. Source: KIP-875.

use crate::common_keys::NAME;
use crate::error::HerderError;
use crate::herder::{Herder, Shared, uncancelled};
use crate::state_loop::Message;
use crate::validation::find_connector;
use serde_json::{Map, Value, json};
use sluice_client::{Append, GroupOffset, TopicPartition};
use sluice_connect_api::connector::{ConnectorContext, ConnectorKind};
use sluice_connect_api::{ConfigMap, ErrorKind, SourceOffsetPair};
use sluice_data::{ConnectorName, SourcePartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One partition and where the connector stands in it, as JSON objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorOffset {
    pub partition: Map<String, Value>,
    /// `None` forgets it.
    pub offset: Option<Map<String, Value>>,
}

/// Whether the connector took the new offsets over itself, or only the hub knows of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlteredOffsets {
    WithConnector,
    HubOnly,
}

enum Change {
    Alter(Vec<ConnectorOffset>),
    Reset,
}

impl Herder {
    /// Works in any state.
    ///
    /// # Errors
    /// [`HerderError::ConnectorNotFound`], [`HerderError::BadRequest`] when its class is not installed.
    pub async fn offsets(&self, name: &str) -> Result<Vec<ConnectorOffset>, HerderError> {
        let shared = self.shared();
        let config = shared.of_connector(name, |_, state| state.config.clone()).await?;
        let config = shared.resolved(&config).await?.config;
        let name = ConnectorName::new(name);
        match find_connector(&shared.plugins, &config)?.kind() {
            ConnectorKind::Source => {
                let offsets = shared.offsets.offsets(&name).into_iter();
                let shown = |(partition, offset): (SourcePartition, _)| ConnectorOffset {
                    partition: partition.to_map(),
                    offset: Some(offset),
                };
                Ok(offsets.map(shown).collect())
            }
            ConnectorKind::Sink => {
                let offsets = shared.broker.admin().group_offsets(&consumer_group(&config)).await?;
                Ok(offsets.into_values().map(|offset| sink_offset(&offset.partition, offset.offset)).collect())
            }
        }
    }

    /// # Errors
    /// [`HerderError::ConnectorNotFound`], [`HerderError::NotStopped`], [`HerderError::BadRequest`] for offsets that make
    /// no sense, [`HerderError::OffsetsRefused`] by the connector.
    pub async fn alter_offsets(
        &self,
        name: &str,
        offsets: Vec<ConnectorOffset>,
    ) -> Result<AlteredOffsets, HerderError> {
        if offsets.is_empty() {
            let message = "Partitions / offsets need to be provided for an alter offsets request".to_owned();
            return Err(HerderError::BadRequest { message });
        }
        self.change_offsets(name, Change::Alter(offsets)).await
    }

    /// # Errors
    /// As [`Herder::alter_offsets`].
    pub async fn reset_offsets(&self, name: &str) -> Result<AlteredOffsets, HerderError> {
        self.change_offsets(name, Change::Reset).await
    }

    async fn change_offsets(&self, name: &str, change: Change) -> Result<AlteredOffsets, HerderError> {
        let shared = Arc::clone(self.shared());
        let name = ConnectorName::new(name);
        uncancelled(async move {
            let config = shared.of_connector(name.as_str(), |_, state| state.config.clone()).await?;
            let config = shared.resolved(&config).await?.config;
            let reserved = name.clone();
            if !shared.call(move |state| state.begin_offsets(&reserved)).await? {
                return Err(HerderError::NotStopped { name: name.to_string() });
            }
            let _reservation = Reservation { shared: Arc::clone(&shared), name: name.clone() };
            // First: plans of the old generation must be void before an offset moves back.
            let generation = shared.configs.offsets_generation(&name) + 1;
            match find_connector(&shared.plugins, &config)?.kind() {
                ConnectorKind::Source => shared.change_source(&name, &config, change, generation).await,
                ConnectorKind::Sink => shared.change_sink(&name, &config, change, generation).await,
            }
        })
        .await
    }
}

/// Gives the connector free again.
struct Reservation {
    shared: Arc<Shared>,
    name: ConnectorName,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let name = self.name.clone();
        self.shared.messages.send(Message::Call(Box::new(move |state| state.end_offsets(&name))));
    }
}

impl Shared {
    async fn change_source(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        change: Change,
        generation: u64,
    ) -> Result<AlteredOffsets, HerderError> {
        let offsets: Vec<SourceOffsetPair> = match change {
            Change::Alter(offsets) => {
                offsets.into_iter().map(|one| (SourcePartition::new(&one.partition), one.offset)).collect()
            }
            Change::Reset => self.offsets.offsets(name).into_iter().map(|(partition, _)| (partition, None)).collect(),
        };
        let by_connector = self.ask_connector(name, config, &offsets).await?;
        self.configs.put_offsets_generation(name, generation).await?;
        self.offsets.alter(name, &offsets).await?;
        Ok(by_connector)
    }

    async fn ask_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        offsets: &[SourceOffsetPair],
    ) -> Result<AlteredOffsets, HerderError> {
        let factory = find_connector(&self.plugins, config)?;
        let context = ConnectorContext { name: name.clone(), config: config.clone() };
        let altered = async { factory.connector(&context).await?.alter_offsets(config, offsets).await };
        match altered.await {
            Ok(true) => Ok(AlteredOffsets::WithConnector),
            Ok(false) => Ok(AlteredOffsets::HubOnly),
            Err(error) if error.kind == ErrorKind::Rejected => {
                Err(HerderError::BadRequest { message: error.to_string() })
            }
            Err(error) => Err(HerderError::OffsetsRefused { message: error.to_string() }),
        }
    }

    async fn change_sink(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        change: Change,
        generation: u64,
    ) -> Result<AlteredOffsets, HerderError> {
        let group = consumer_group(config);
        let offsets = match change {
            Change::Alter(offsets) => parse_sink_offsets(&offsets)?,
            Change::Reset => BTreeMap::new(),
        };
        let admin = self.broker.admin();
        // A typo would wait for records for ever.
        for partition in offsets.iter().filter(|(_, offset)| offset.is_some()).map(|(partition, _)| partition) {
            let topic = admin.describe_topic(&partition.topic).await?;
            if topic.is_none_or(|topic| partition.partition >= topic.partitions) {
                let message = format!("There is no partition {} of a topic {}", partition.partition, partition.topic);
                return Err(HerderError::BadRequest { message });
            }
        }
        self.configs.put_offsets_generation(name, generation).await?;
        if offsets.is_empty() {
            admin.delete_group_offsets(&group, None).await?;
            return Ok(AlteredOffsets::WithConnector);
        }
        let dropped: Vec<TopicPartition> =
            offsets.iter().filter(|(_, offset)| offset.is_none()).map(|(partition, _)| partition.clone()).collect();
        if !dropped.is_empty() {
            admin.delete_group_offsets(&group, Some(dropped)).await?;
        }
        let moved = offsets.into_iter().filter_map(|(partition, offset)| {
            Some(GroupOffset { group: group.clone(), partition, offset: offset?, metadata: String::new() })
        });
        let append = Append { records: Vec::new(), group_offsets: moved.collect() };
        if !append.is_empty() {
            let producer = self.broker.producer(&format!("sluice-offsets-{name}")).await?;
            producer.send(append).await?.await?;
        }
        // The hub keeps all of a sink's progress, its plans included: there is nothing else to move.
        Ok(AlteredOffsets::WithConnector)
    }
}

/// `connect-<name>`, unless the connector says otherwise.
pub(crate) fn consumer_group(config: &ConfigMap) -> String {
    let own = config.get("consumer.override.group.id").cloned();
    own.unwrap_or_else(|| format!("connect-{}", config.get(NAME).map_or("", String::as_str)))
}

fn sink_offset(partition: &TopicPartition, offset: i64) -> ConnectorOffset {
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    ConnectorOffset {
        partition: object(json!({ "kafka_topic": *partition.topic, "kafka_partition": partition.partition })),
        offset: Some(object(json!({ "kafka_offset": offset }))),
    }
}

/// Source: Kafka `SinkUtils.parseSinkConnectorOffsets`; numbers may be text.
fn parse_sink_offsets(offsets: &[ConnectorOffset]) -> Result<BTreeMap<TopicPartition, Option<i64>>, HerderError> {
    let parsed = offsets.iter().map(|one| Ok((sink_partition(&one.partition)?, kafka_offset(one.offset.as_ref())?)));
    parsed.collect::<Result<_, String>>().map_err(|message| HerderError::BadRequest { message })
}

fn sink_partition(partition: &Map<String, Value>) -> Result<TopicPartition, String> {
    let (Some(topic), Some(number_of)) = (partition.get("kafka_topic"), partition.get("kafka_partition")) else {
        let keys = "'kafka_topic' and 'kafka_partition'";
        return Err(format!("The partition for a sink connector offset must contain the keys {keys}"));
    };
    let topic = match topic {
        Value::Null => return Err("Kafka topic names must be valid strings and may not be null".to_owned()),
        topic => plain(topic),
    };
    if number_of.is_null() {
        return Err("Kafka partitions must be valid numbers and may not be null".to_owned());
    }
    let index = number(number_of).and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        let given = plain(number_of);
        format!("Failed to parse the following Kafka partition value in the provided offsets: '{given}'. Partition values for sink connectors need to be integers.")
    })?;
    if index < 0 {
        return Err(format!("There is no partition {index}"));
    }
    Ok(TopicPartition::new(topic, index))
}

fn kafka_offset(offset: Option<&Map<String, Value>>) -> Result<Option<i64>, String> {
    let Some(offset) = offset else { return Ok(None) };
    let given = offset
        .get("kafka_offset")
        .ok_or("The offset for a sink connector should either be null or contain the key 'kafka_offset'")?;
    let parsed = number(given).ok_or_else(|| {
        let given = plain(given);
        format!("Failed to parse the following Kafka offset value in the provided offsets: '{given}'. Offset values for sink connectors need to be integers.")
    })?;
    if parsed < 0 { Err(format!("There is no offset {parsed}")) } else { Ok(Some(parsed)) }
}

/// As Java's `String.valueOf`.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
