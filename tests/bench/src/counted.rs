//! Counting what stands in the log, by reading it.

use anyhow::{Result, bail};
use sluice_client::{Broker as _, FetchPartition, TopicPartition};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_protocol::batches;
use std::path::Path;
use std::time::Duration;

const FETCH_BYTES: usize = 4 << 20;

/// Reads partition 0 of a topic in the data directory of a hub that was stopped: number of records, and bytes of their values.
///
/// # Errors
/// When the log cannot be opened or read, or an offset is missing.
pub async fn records_in_topic(data: &Path, topic: &str) -> Result<(u64, u64)> {
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(data))?;
    let (consumer, partition) = (broker.consumer(), TopicPartition::new(topic, 0));
    let end = consumer.end_offset(&partition).await?;
    let (mut offset, mut records, mut value_bytes) = (0, 0, 0);
    while offset < end {
        let asked = FetchPartition { partition: partition.clone(), offset, max_bytes: FETCH_BYTES };
        let Some(fetched) = consumer.fetch(&[asked], Duration::ZERO).await.pop() else { bail!("no answer") };
        for batch in batches(&fetched?.records) {
            let batch = batch?;
            for record in batch.records()? {
                let record = record?;
                if record.offset != offset {
                    bail!("offset {} where {offset} is expected", record.offset);
                }
                (offset, records) = (offset + 1, records + 1);
                value_bytes += record.value.map_or(0, <[u8]>::len) as u64;
            }
        }
    }
    broker.close();
    Ok((records, value_bytes))
}
