//! Producers that send one prepared batch over and over: the broker sets its offsets, the client computes nothing.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use bytes::Bytes;
use sluice_protocol::RecordBatchBuilder;

use super::Connection;

/// What Kafka's producers keep under way on a connection.
const IN_FLIGHT: usize = 5;

/// What each producer sends.
#[derive(Debug, Clone)]
pub struct Load {
    pub topic: String,
    /// One producer each, with a connection of its own.
    pub producers: i32,
    pub record_bytes: usize,
    pub batch_records: usize,
    pub acks: i16,
    pub limit: Limit,
}

/// When producers end.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    Time(Duration),
    /// Batches of each.
    Batches(u64),
}

/// What was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Produced {
    pub records: u64,
    pub seconds: f64,
}

impl Produced {
    pub fn per_second(&self) -> f64 {
        self.records as f64 / self.seconds
    }
}

/// A batch of records without keys; the values are of different bytes, so that nothing compresses them by chance.
///
/// # Panics
/// When it would be larger than a batch may be.
pub fn template(record_bytes: usize, records: usize) -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let mut builder = RecordBatchBuilder::new(64 << 20);
    for record in 0..records {
        let value: Vec<u8> = (0..record_bytes).map(|at| ((at * 31 + record * 17) % 251) as u8).collect();
        builder.push(now as i64, None, Some(&value)).expect("it is small");
    }
    builder.finish()
}

/// Runs the load to its end. The topic exists.
///
/// # Errors
/// Of the first producer that failed.
pub fn produce(address: &str, load: &Load) -> Result<Produced> {
    let batch = template(load.record_bytes, load.batch_records);
    let begin = Instant::now();
    let acknowledged = std::thread::scope(|scope| {
        let batch = &batch;
        let producers: Vec<_> = (0..load.producers)
            .map(|partition| scope.spawn(move || produce_one(address, load, partition, batch, begin)))
            .collect();
        let joined = producers.into_iter().map(|one| one.join().map_err(|_| anyhow!("a producer panicked"))?);
        joined.sum::<Result<u64>>()
    })?;
    Ok(Produced { records: acknowledged * load.batch_records as u64, seconds: begin.elapsed().as_secs_f64() })
}

fn produce_one(address: &str, load: &Load, partition: i32, batch: &[u8], begin: Instant) -> Result<u64> {
    let mut connection = Connection::open(address)?;
    let (mut sent, mut acknowledged) = (0u64, 0u64);
    loop {
        let goes_on = match load.limit {
            Limit::Time(time) => begin.elapsed() < time,
            Limit::Batches(count) => sent < count,
        };
        if !goes_on && acknowledged == sent {
            return Ok(acknowledged);
        }
        if goes_on && sent - acknowledged < IN_FLIGHT as u64 {
            connection.send_produce(&load.topic, partition, load.acks, batch)?;
            sent += 1;
        } else {
            connection.produced()?;
            acknowledged += 1;
        }
    }
}
