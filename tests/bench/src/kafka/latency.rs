//! From the moment a batch is sent to the moment a consumer has it, at a steady rate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::wire::BATCH_HEADER_BYTES;
use super::{Connection, Fetched, template};

/// Milliseconds between two batches of the producer.
const TICK: Duration = Duration::from_millis(2);
/// What comes before is warming up.
const WARM_UP: Duration = Duration::from_secs(2);

/// In milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latencies {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// What the producer really sent.
    pub records_per_second: f64,
}

/// Sends `records_per_second` records of `record_bytes` to partition 0 for a time and consumes them meanwhile.
///
/// # Errors
/// The broker's or the socket's.
pub fn latencies(
    address: &str,
    topic: &str,
    (record_bytes, records_per_second): (usize, f64),
    acks: i16,
    time: Duration,
) -> Result<Latencies> {
    let batch_records = (records_per_second * TICK.as_secs_f64()).round().max(1.0) as usize;
    let epoch = Instant::now();
    let done = AtomicBool::new(false);
    let (sent, samples) = std::thread::scope(|scope| {
        let consumer = scope.spawn(|| receive(address, topic, epoch, &done));
        let sent = send(address, topic, template(record_bytes, batch_records).to_vec(), acks, epoch, time);
        done.store(true, Ordering::Release);
        let samples = consumer.join().map_err(|_| anyhow!("the consumer panicked"))??;
        anyhow::Ok((sent?, samples))
    })?;
    let mut sorted: Vec<u64> = samples.into_iter().filter(|(at, _)| *at > WARM_UP).map(|(_, micros)| micros).collect();
    sorted.sort_unstable();
    let quantile = |share: f64| -> Result<f64> {
        let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        Ok(*sorted.get(at).context("nothing was received after the warm-up")? as f64 / 1_000.0)
    };
    Ok(Latencies {
        p50: quantile(0.5)?,
        p99: quantile(0.99)?,
        p999: quantile(0.999)?,
        records_per_second: (sent * batch_records as u64) as f64 / time.as_secs_f64(),
    })
}

/// The time since `epoch` stands in the first eight bytes of each batch's first value.
fn send(address: &str, topic: &str, mut batch: Vec<u8>, acks: i16, epoch: Instant, time: Duration) -> Result<u64> {
    let mut connection = Connection::open(address)?;
    let value = first_value(&batch).context("a batch has a record")?;
    let (mut sent, mut acknowledged) = (0u64, 0u64);
    let begin = Instant::now();
    while begin.elapsed() < time {
        let due = TICK * u32::try_from(sent)?;
        match due.checked_sub(begin.elapsed()) {
            Some(early) => std::thread::sleep(early),
            None if sent - acknowledged >= 64 => {
                connection.produced()?;
                acknowledged += 1;
            }
            None => {}
        }
        // A batch that is late counts from when it was due: a stall of the broker is not forgiven.
        let stamp = (begin + due).duration_since(epoch).as_nanos() as u64;
        batch[value..value + 8].copy_from_slice(&stamp.to_be_bytes());
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        connection.send_produce(topic, 0, acks, &batch)?;
        sent += 1;
        if sent - acknowledged > 32 {
            connection.produced()?;
            acknowledged += 1;
        }
    }
    while acknowledged < sent {
        connection.produced()?;
        acknowledged += 1;
    }
    Ok(sent)
}

/// When each batch was here, and how many microseconds after it was due.
fn receive(address: &str, topic: &str, epoch: Instant, done: &AtomicBool) -> Result<Vec<(Duration, u64)>> {
    let mut connection = Connection::open(address)?;
    let (mut next, mut samples) = (0, Vec::new());
    loop {
        let ends = done.load(Ordering::Acquire).then(|| connection.end_offset(topic, 0)).transpose()?;
        if ends.is_some_and(|end| next >= end) {
            return Ok(samples);
        }
        connection.fetch(topic, &[(0, next)], Duration::from_millis(100), 1 << 20, |_, batches| {
            let now = epoch.elapsed();
            let mut rest = batches;
            while let Some(stamp) = first_stamp(rest) {
                let due = Duration::from_nanos(stamp);
                samples.push((now, now.saturating_sub(due).as_micros() as u64));
                let size = 12 + u32::from_be_bytes(rest[8..12].try_into()?) as usize;
                rest = rest.get(size..).unwrap_or_default();
            }
            next = Fetched::of(batches, next).next_offset;
            Ok(())
        })?;
    }
}

fn first_stamp(batch: &[u8]) -> Option<u64> {
    let size = 12 + u32::from_be_bytes(batch.get(8..12)?.try_into().ok()?) as usize;
    let at = first_value(batch.get(..size)?)?;
    Some(u64::from_be_bytes(batch.get(at..at + 8)?.try_into().ok()?))
}

/// Behind the record's length, attributes, time delta, offset delta, key length (−1) and value length.
fn first_value(batch: &[u8]) -> Option<usize> {
    let mut at = BATCH_HEADER_BYTES;
    let varint = |at: &mut usize| -> Option<()> {
        while *batch.get(*at)? >= 0x80 {
            *at += 1;
        }
        *at += 1;
        Some(())
    };
    varint(&mut at)?;
    at += 1;
    for _ in 0..4 {
        varint(&mut at)?;
    }
    Some(at)
}
