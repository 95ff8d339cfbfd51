//! Claim: three transformations and JSON with schema cost at most 1.5 µs a record; and a real Connect worker with the same connector
//! has at most a fifth of the rate, for five times the processor.
//!
//! The same file source on both: 1 M lines into a topic. `chained`: HoistField, InsertField, ReplaceField, JsonConverter with schemas;
//! `plain`: nothing, StringConverter. What arrived is read back and counted, and the first record must be the same on both sides.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_harness::Scratch;

use super::flow::arrival_rate;
use super::side::{Running, Side};
use super::{lines, topic};
use crate::kafka::{Class, Connection, count_records};
use crate::{Bar, Options, Report, median};

const LINES: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(600);
const CHAINED: &str = "chained";
const PLAIN: &str = "plain";
/// Ours at Kafka's durability, theirs, and ours as it is without configuration.
const SIDES: [Side; 3] = [Side::Sluice(Class::PageCache), Side::KafkaConnect, Side::Sluice(Class::Fsync)];

/// One job on one side.
#[derive(Debug, Clone, Copy)]
struct Job {
    per_second: f64,
    runtime_seconds: f64,
    all_seconds: f64,
}

#[derive(Debug)]
struct Turn {
    plain: Job,
    chained: Job,
    first: Value,
}

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let input = Scratch::new()?;
    let file = input.path("access.log");
    let lines = options.sized(LINES);
    lines::write(&file, lines)?;
    let mut turns = [Vec::new(), Vec::new(), Vec::new()];
    for run in 0..options.runs {
        for (side, turns) in SIDES.iter().zip(&mut turns) {
            turns.push(turn(*side, &file, lines).await?);
            eprintln!("run {run}, {side:?}: {:?}", turns[run]);
        }
        let firsts = turns.each_ref().map(|turns| &turns[run].first);
        ensure!(firsts.iter().all(|first| *first == firsts[0]), "the sides made different records: {firsts:#?}");
    }
    let [ours, theirs, durable] = turns;
    for (name, turns) in [("ours", &ours), ("ours, fsynced", &durable)] {
        let bar = Bar::AtMost(1.5);
        report.row(&format!("chain over none, {name}: time"), "us", &over_none(turns, |job| 1e6 / job.per_second), bar);
        let processor: Vec<f64> = over_none(turns, |job| job.all_seconds * 1e6 / lines as f64);
        report.row(&format!("chain over none, {name}: CPU"), "us", &processor, bar);
    }
    let name = "chain over none, Connect worker: CPU";
    report.row(name, "us", &over_none(&theirs, |job| job.runtime_seconds * 1e6 / lines as f64), Bar::None);
    let rates = |turns: &[Turn]| -> Vec<f64> { turns.iter().map(|turn| turn.chained.per_second / 1e3).collect() };
    report.row("chain, ours: rate", "k/s", &rates(&ours), Bar::None);
    report.row("chain, ours, fsynced: rate", "k/s", &rates(&durable), Bar::None);
    report.row("chain, Connect: rate", "k/s", &rates(&theirs), Bar::None);
    let faster = median(&rates(&ours)) / median(&rates(&theirs));
    report.row("chain: our rate / Connect's", "x", &[faster], Bar::AtLeast(5.0));
    let of = |turns: &[Turn], seconds: fn(&Job) -> f64| -> Vec<f64> {
        turns.iter().map(|turn| seconds(&turn.chained) * 1e6 / lines as f64).collect()
    };
    let our_seconds = of(&ours, |job| job.all_seconds);
    let worker_seconds = of(&theirs, |job| job.runtime_seconds);
    report.row("chain, ours with its log: CPU per M", "s", &our_seconds, Bar::None);
    report.row("chain, Connect worker: CPU per M", "s", &worker_seconds, Bar::None);
    report.row("chain, Connect and broker: CPU per M", "s", &of(&theirs, |job| job.all_seconds), Bar::None);
    let less = median(&our_seconds) / median(&worker_seconds);
    report.row("chain: our CPU, log included / the worker's", "x", &[less], Bar::AtMost(0.2));
    Ok(())
}

/// What the chain adds in each turn.
fn over_none(turns: &[Turn], of: impl Fn(&Job) -> f64) -> Vec<f64> {
    turns.iter().map(|turn| of(&turn.chained) - of(&turn.plain)).collect()
}

async fn turn(side: Side, file: &Path, lines: u64) -> Result<Turn> {
    let running = side.start().await?;
    // A Java process compiles while it runs: nobody is measured before that.
    run(&running, "warm-up", &chained(file, "warm-up"), lines).await?;
    let plain = run(&running, PLAIN, &plain(file, PLAIN), lines).await?;
    let chained = run(&running, CHAINED, &chained(file, CHAINED), lines).await?;
    let first = serde_json::from_slice(&topic::first_value(&running.address, CHAINED)?)?;
    Ok(Turn { plain, chained, first })
}

async fn run(running: &Running, name: &str, config: &Value, lines: u64) -> Result<Job> {
    topic::create(&running.address, name)?;
    let mut connection = Connection::open(&running.address)?;
    let before = running.used()?;
    running.create(name, config).await?;
    let count = || Ok(u64::try_from(connection.end_offset(name, 0)?)?);
    let per_second = arrival_rate(lines, LIMIT, count).await?;
    let after = running.used()?;
    let found = count_records(&running.address, name, 1)?;
    ensure!(found == lines, "{found} records are in the topic, {lines} lines were in the file");
    running.delete(name).await?;
    Ok(Job {
        per_second,
        runtime_seconds: after.runtime_seconds_since(&before),
        all_seconds: after.all_seconds_since(&before),
    })
}

fn plain(file: &Path, topic: &str) -> Value {
    json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

fn chained(file: &Path, topic: &str) -> Value {
    json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "file": file, "topic": topic,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "transforms": "hoist,insert,rename",
        "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.hoist.field": "line",
        "transforms.insert.type": "org.apache.kafka.connect.transforms.InsertField$Value",
        "transforms.insert.static.field": "host",
        "transforms.insert.static.value": "web-1",
        "transforms.rename.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
        "transforms.rename.renames": "line:message",
    })
}
