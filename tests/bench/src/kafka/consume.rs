//! Reading a topic from its beginning as fast as it comes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Connection, Fetched};

/// Kafka's default `max.partition.fetch.bytes`.
const PARTITION_BYTES: i32 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Consumed {
    pub records: u64,
    pub bytes: u64,
    pub seconds: f64,
}

/// One consumer over all partitions, from offset 0 to where each ends now.
///
/// # Errors
/// The broker's or the socket's; a record that is missing.
pub fn consume(address: &str, topic: &str, partitions: i32) -> Result<Consumed> {
    let mut connection = Connection::open(address)?;
    let ends = (0..partitions).map(|part| connection.end_offset(topic, part)).collect::<Result<Vec<i64>>>()?;
    let mut next = vec![0i64; ends.len()];
    let (mut records, mut bytes) = (0, 0);
    let begin = Instant::now();
    loop {
        let wanted: Vec<(i32, i64)> = (0..partitions)
            .map(|part| (part, next[part as usize]))
            .filter(|(part, at)| *at < ends[*part as usize])
            .collect();
        if wanted.is_empty() {
            break;
        }
        connection.fetch(topic, &wanted, Duration::from_millis(500), PARTITION_BYTES, |partition, batches| {
            let at = &mut next[partition as usize];
            let fetched = Fetched::of(batches, *at);
            *at = fetched.next_offset;
            records += fetched.records;
            bytes += fetched.bytes as u64;
            Ok(())
        })?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let offsets: i64 = ends.iter().sum();
    ensure!(records as i64 == offsets, "{records} records were read, {offsets} offsets were given out");
    Ok(Consumed { records, bytes, seconds })
}

/// What stands in the topic, read to its end.
///
/// # Errors
/// As [`consume`].
pub fn count_records(address: &str, topic: &str, partitions: i32) -> Result<u64> {
    Ok(consume(address, topic, partitions)?.records)
}
