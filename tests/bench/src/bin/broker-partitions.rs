//! Claim: 10,000 partitions cost little: memory, the time of a restart until a record is fetched, and throughput beside ten.
//!
//! `--scale 1`: a minute of produce over each. The restart is a SIGKILL behind the load.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sluice_bench::kafka::{Connection, Fetched, template};
use sluice_bench::{Bar, Options, Report};
use sluice_harness::{Hub, Scratch, free_port};

const MANY: i32 = 10_000;
const FEW: i32 = 10;
const RECORD_BYTES: usize = 1_000;
const BATCH_RECORDS: usize = 16;
const IN_FLIGHT: u64 = 16;
/// So that neither fills the disk.
const KEPT_BYTES: u64 = 2 << 30;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let time = Duration::from_secs_f64(60.0 * options.scale);
    let (mut rss, mut restart, mut share) = (Vec::new(), Vec::new(), Vec::new());
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let scratch = Scratch::new()?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let hub = Hub::at(scratch.path("data")).argument("--kafka-listen").argument(&address).start().await?;
        Connection::open(&address)?.create_topic("few", FEW, &[("retention.bytes", &kept(FEW))])?;
        few.push(produce(&address, "few", FEW, time)?);
        Connection::open(&address)?.create_topic("many", MANY, &[("retention.bytes", &kept(MANY))])?;
        many.push(produce(&address, "many", MANY, time)?);
        share.push(many.last().copied().unwrap_or(0.0) / few.last().copied().unwrap_or(1.0) * 100.0);
        rss.push(hub.usage()?.rss_bytes as f64 / 1e6);
        let begin = Instant::now();
        let _hub = hub.kill()?.start_without_waiting()?;
        restart.push(first_fetch(&address, begin)?);
    }
    let mut report = Report::new("broker-partitions", options);
    report.row("10 partitions, 1 KB, fsynced", "k/s", &few, Bar::None);
    report.row("10,000 partitions", "k/s", &many, Bar::None);
    report.row("10,000 beside 10", "%", &share, Bar::AtLeast(80.0));
    report.row("RSS with 10,010 partitions", "MB", &rss, Bar::AtMost(100.0));
    report.row("SIGKILL to first fetch", "s", &restart, Bar::AtMost(2.0));
    report.finish()
}

fn kept(partitions: i32) -> String {
    (KEPT_BYTES / partitions as u64).to_string()
}

/// Thousands of records a second, one batch to each partition in turn, from two producers.
fn produce(address: &str, topic: &str, partitions: i32, time: Duration) -> Result<f64> {
    let batch = template(RECORD_BYTES, BATCH_RECORDS);
    let begin = Instant::now();
    let batches = std::thread::scope(|scope| -> Result<u64> {
        let batch = &batch;
        let producers: Vec<_> = (0..2)
            .map(|half| {
                scope.spawn(move || -> Result<u64> {
                    let mut connection = Connection::open(address)?;
                    let (mut sent, mut acknowledged) = (0u64, 0u64);
                    while begin.elapsed() < time {
                        let partition = (sent as i32 * 2 + half) % partitions;
                        connection.send_produce(topic, partition, -1, batch)?;
                        sent += 1;
                        if sent - acknowledged >= IN_FLIGHT {
                            connection.produced()?;
                            acknowledged += 1;
                        }
                    }
                    while acknowledged < sent {
                        connection.produced()?;
                        acknowledged += 1;
                    }
                    Ok(sent)
                })
            })
            .collect();
        let mut batches = 0;
        for producer in producers {
            batches += producer.join().map_err(|_| anyhow::anyhow!("a producer panicked"))??;
        }
        Ok(batches)
    })?;
    Ok(batches as f64 * BATCH_RECORDS as f64 / begin.elapsed().as_secs_f64() / 1e3)
}

/// Seconds from `begin` until the last record of the last partition is here.
fn first_fetch(address: &str, begin: Instant) -> Result<f64> {
    let limit = Duration::from_secs(60);
    let mut connection = loop {
        match Connection::open(address) {
            Ok(connection) => break connection,
            Err(error) if begin.elapsed() > limit => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let end = connection.end_offset("many", MANY - 1)?;
    ensure!(end > 0, "nothing is in the last partition");
    let mut records = 0;
    connection.fetch("many", &[(MANY - 1, end - 1)], Duration::from_secs(1), 1 << 20, |_, batches| {
        records += Fetched::of(batches, end - 1).records;
        Ok(())
    })?;
    ensure!(records == 1, "{records} records where one is expected");
    Ok(begin.elapsed().as_secs_f64())
}
