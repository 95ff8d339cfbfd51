//! Topics of either side, filled and read as a Kafka client does it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use sluice_protocol::{RecordBatchBuilder, batches};

use crate::kafka::Connection;

const LEADER_LIMIT: Duration = Duration::from_secs(10);
const BATCH_BYTES: usize = 256 << 10;
const IN_FLIGHT: usize = 5;
const VALUE_BYTES_MAX: i32 = 1 << 20;

/// One partition; returns when it has a leader.
pub fn create(address: &str, topic: &str) -> Result<()> {
    let mut connection = Connection::open(address)?;
    connection.create_topic(topic, 1, &[])?;
    let begin = Instant::now();
    while let Err(error) = connection.end_offset(topic, 0) {
        ensure!(begin.elapsed() < LEADER_LIMIT, "{topic} has no leader: {error:#}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Appends records without keys to partition 0; returns how many were acknowledged by all replicas.
pub fn fill(address: &str, topic: &str, values: impl Iterator<Item = Vec<u8>>) -> Result<u64> {
    let mut connection = Connection::open(address)?;
    let mut builder = RecordBatchBuilder::new(BATCH_BYTES * 2);
    // Older records would be a matter of retention.
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (mut records, mut under_way) = (0, 0);
    let mut values = values.peekable();
    while let Some(value) = values.next() {
        builder.push(now_ms, None, Some(&value)).context("a record of the bench")?;
        records += 1;
        if builder.size_bytes() < BATCH_BYTES && values.peek().is_some() {
            continue;
        }
        if under_way == IN_FLIGHT {
            connection.produced()?;
            under_way -= 1;
        }
        connection.send_produce(topic, 0, -1, &builder.finish())?;
        under_way += 1;
    }
    for _ in 0..under_way {
        connection.produced()?;
    }
    Ok(records)
}

/// The value of the record at offset 0.
pub fn first_value(address: &str, topic: &str) -> Result<Vec<u8>> {
    let mut value = None;
    Connection::open(address)?.fetch(topic, &[(0, 0)], Duration::ZERO, VALUE_BYTES_MAX, |_, bytes| {
        if let Some(batch) = batches(bytes).next() {
            let batch = batch?;
            let first = batch.records()?.next().context("a batch without records")??;
            value = first.value.map(<[u8]>::to_vec);
        }
        Ok(())
    })?;
    value.with_context(|| format!("{topic} begins without a value"))
}
