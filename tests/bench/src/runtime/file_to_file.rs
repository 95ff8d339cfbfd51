//! Claim: file → topic → file through JSON goes at five times the rate of Kafka Connect's FileStream connectors, in a tenth of the
//! worker's memory.
//!
//! A source and a sink run at the same time. The file at the end must be, byte for byte, the one at the beginning. Ours syncs
//! every delivery to the file; Connect's sink leaves its file to the operating system.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use sluice_harness::Scratch;

use super::flow::arrival_rate;
use super::side::{Running, Side};
use super::{lines, topic};
use crate::kafka::Class;
use crate::{Bar, Options, Report, median};

const LINES: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(600);
/// Ours at Kafka's durability, theirs, and ours as it is without configuration.
const SIDES: [Side; 3] = [Side::Sluice(Class::PageCache), Side::KafkaConnect, Side::Sluice(Class::Fsync)];

#[derive(Debug, Clone, Copy)]
struct Turn {
    per_second: f64,
    /// Of hub and log, or of worker and broker.
    seconds: f64,
    runtime_peak: f64,
    broker_peak: f64,
}

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let input = Scratch::new()?;
    let file = input.path("access.log");
    let lines = options.sized(LINES);
    lines::write(&file, lines)?;
    let mut turns = [Vec::new(), Vec::new(), Vec::new()];
    for run in 0..options.runs {
        for (side, turns) in SIDES.iter().zip(&mut turns) {
            turns.push(turn(*side, &input, &file, lines).await?);
            eprintln!("run {run}, {side:?}: {:?}", turns[run]);
        }
    }
    let of = |turns: &[Turn], pick: fn(&Turn) -> f64| -> Vec<f64> { turns.iter().map(pick).collect() };
    let [ours, theirs, durable] = turns;
    for (name, turns) in [("ours", &ours), ("ours, fsynced", &durable), ("Connect", &theirs)] {
        report.row(&format!("file to file, {name}: rate"), "k/s", &of(turns, |it| it.per_second / 1e3), Bar::None);
        let per_million: Vec<f64> = turns.iter().map(|it| it.seconds * 1e6 / lines as f64).collect();
        report.row(&format!("file to file, {name} with its log: CPU per M"), "s", &per_million, Bar::None);
        report.row(&format!("file to file, {name}: peak RSS"), "MB", &of(turns, |it| it.runtime_peak), Bar::None);
    }
    report.row("file to file, Connect's broker: peak RSS", "MB", &of(&theirs, |it| it.broker_peak), Bar::None);
    let ratio = |pick: fn(&Turn) -> f64| median(&of(&ours, pick)) / median(&of(&theirs, pick));
    report.row("file to file: our rate / Connect's", "x", &[ratio(|it| it.per_second)], Bar::AtLeast(5.0));
    report.row("file to file: our CPU / Connect's, logs included", "x", &[ratio(|it| it.seconds)], Bar::None);
    let memory = ratio(|it| it.runtime_peak);
    report.row("file to file: our RSS, log included / the worker's", "x", &[memory], Bar::AtMost(0.1));
    Ok(())
}

async fn turn(side: Side, scratch: &Scratch, file: &Path, lines: u64) -> Result<Turn> {
    let running = side.start().await?;
    // A Java process compiles while it runs: nobody is measured before that.
    run(&running, "warm-up", scratch, file, lines).await?;
    run(&running, "measured", scratch, file, lines).await
}

async fn run(running: &Running, name: &str, scratch: &Scratch, file: &Path, lines: u64) -> Result<Turn> {
    let output = scratch.path("out.txt");
    topic::create(&running.address, name)?;
    let (source, sink) = (format!("{name}-source"), format!("{name}-sink"));
    running.create(&sink, &sink_config(&output, name)).await?;
    running.rest().until_running(&sink, 1).await?;
    let before = running.used()?;
    running.create(&source, &source_config(file, name)).await?;
    let count = || Ok(fs::metadata(&output).map_or(0, |found| found.len()) / lines::LINE_BYTES as u64);
    let per_second = arrival_rate(lines, LIMIT, count).await?;
    let after = running.used()?;
    running.delete(&source).await?;
    running.delete(&sink).await?;
    lines::ensure_same(file, &output)?;
    fs::remove_file(&output)?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    Ok(Turn {
        per_second,
        seconds: after.all_seconds_since(&before),
        runtime_peak: megabytes(after.runtime.peak_rss_bytes),
        broker_peak: after.broker.map_or(f64::NAN, |usage| megabytes(usage.peak_rss_bytes)),
    })
}

fn source_config(file: &Path, topic: &str) -> Value {
    with_converters(json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic,
    }))
}

fn sink_config(file: &Path, topic: &str) -> Value {
    with_converters(json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "file": file, "topics": topic,
    }))
}

fn with_converters(mut config: Value) -> Value {
    config["key.converter"] = "org.apache.kafka.connect.storage.StringConverter".into();
    config["value.converter"] = "org.apache.kafka.connect.json.JsonConverter".into();
    config["value.converter.schemas.enable"] = "true".into();
    config
}
