//! Claim: in the process, a source appends at least 3 M records/s of 100 bytes in batches of 1,000, each acknowledged when fsynced.
//!
//! Each record is encoded for every append, as the runtime does it; sixteen appends are under way. Then the log is opened again
//! and every record is counted. `--scale 1` is a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sluice_bench::{Bar, Options, Report};
use sluice_client::{Acknowledgement, Append, Broker as _, NewTopic, PartitionRecords, TopicPartition};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_harness::{Scratch, Usage};
use sluice_protocol::RecordBatchBuilder;

const RECORDS: usize = 1_000;
const VALUE_BYTES: usize = 100;
const UNDER_WAY: usize = 16;
const KEPT_BYTES: u64 = 2 << 30;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let (mut rates, mut cpus) = (Vec::new(), Vec::new());
    let mut peak = Vec::new();
    for _ in 0..options.runs {
        let scratch = Scratch::new()?;
        let time = Duration::from_secs_f64(60.0 * options.scale);
        let before = Usage::of(std::process::id())?.cpu_seconds;
        let begin = Instant::now();
        let records = append_for(time, &scratch.path("data")).await?;
        rates.push(records as f64 / begin.elapsed().as_secs_f64() / 1e6);
        let usage = Usage::of(std::process::id())?;
        cpus.push((usage.cpu_seconds - before) / (records as f64 / 1e6));
        peak.push(usage.peak_rss_bytes as f64 / 1e6);
        counted(&scratch.path("data"), records).await?;
    }
    let mut report = Report::new("append", options);
    report.row("records of 100 B, fsynced", "M/s", &rates, Bar::AtLeast(3.0));
    report.row("processor for a million, encoding included", "s", &cpus, Bar::None);
    report.row("peak RSS", "MB", &peak, Bar::None);
    report.finish()
}

/// Appends until the time is over and every append is acknowledged; returns their records.
async fn append_for(time: Duration, data: &std::path::Path) -> Result<u64> {
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(data))?;
    // So that a minute does not fill the disk.
    let config = [("retention.bytes".to_owned(), KEPT_BYTES.to_string())].into();
    broker.admin().create_topic(NewTopic { name: "bench".into(), partitions: 1, config }).await?;
    let producer = broker.producer("bench").await?;
    let values: Vec<u8> = (0..RECORDS * VALUE_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let mut under_way: VecDeque<Acknowledgement> = VecDeque::new();
    let (begin, mut sent) = (Instant::now(), 0);
    while begin.elapsed() < time {
        if under_way.len() == UNDER_WAY {
            under_way.pop_front().context("sixteen are under way")?.await?;
        }
        let mut batch = RecordBatchBuilder::new(1 << 20);
        batch.reserve(RECORDS * (VALUE_BYTES + 12));
        for value in values.chunks(VALUE_BYTES) {
            batch.push(sent as i64, None, Some(value))?;
        }
        let records = PartitionRecords { topic: "bench".into(), partition: 0, records: batch.finish() };
        under_way.push_back(producer.send(Append { records: vec![records], group_offsets: Vec::new() }).await?);
        sent += RECORDS as u64;
    }
    for acknowledgement in under_way {
        acknowledgement.await?;
    }
    broker.close();
    Ok(sent)
}

async fn counted(data: &std::path::Path, records: u64) -> Result<()> {
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(data))?;
    let end = broker.consumer().end_offset(&TopicPartition::new("bench", 0)).await?;
    broker.close();
    ensure!(end as u64 == records, "{records} records were acknowledged, the log ends at {end}");
    Ok(())
}
