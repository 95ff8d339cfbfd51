//! A sink none of whose records converts: each becomes a dead letter with all context headers, on both sides.
//!
//! The letters are read back and counted.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_harness::{AccessLog, Scratch};

use super::flow::arrival_rate;
use super::side::{Running, Side};
use super::topic;
use crate::kafka::{Class, Connection, count_records};
use crate::{Bar, Options, Report, median};

const LINES: u64 = 500_000;
const LIMIT: Duration = Duration::from_secs(600);
/// Ours at Kafka's durability, theirs, and ours as it is without configuration.
const SIDES: [Side; 3] = [Side::Sluice(Class::PageCache), Side::KafkaConnect, Side::Sluice(Class::Fsync)];

#[derive(Debug, Clone, Copy)]
struct Turn {
    per_second: f64,
    /// Of hub and log, or of worker and broker.
    seconds: f64,
    runtime_peak: f64,
}

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let lines = options.sized(LINES);
    let mut turns = [Vec::new(), Vec::new(), Vec::new()];
    for run in 0..options.runs {
        for (side, turns) in SIDES.iter().zip(&mut turns) {
            turns.push(turn(*side, lines).await?);
            eprintln!("run {run}, {side:?}: {:?}", turns[run]);
        }
    }
    let of = |turns: &[Turn], pick: fn(&Turn) -> f64| -> Vec<f64> { turns.iter().map(pick).collect() };
    let [ours, theirs, durable] = turns;
    for (name, turns) in [("ours", &ours), ("ours, fsynced", &durable), ("Connect", &theirs)] {
        report.row(&format!("dead letters, {name}: rate"), "k/s", &of(turns, |it| it.per_second / 1e3), Bar::None);
        let per_million: Vec<f64> = turns.iter().map(|it| it.seconds * 1e6 / lines as f64).collect();
        report.row(&format!("dead letters, {name} with its log: CPU per M"), "s", &per_million, Bar::None);
        report.row(&format!("dead letters, {name}: peak RSS"), "MB", &of(turns, |it| it.runtime_peak), Bar::None);
    }
    let faster = median(&of(&ours, |it| it.per_second)) / median(&of(&theirs, |it| it.per_second));
    report.row("dead letters: our rate / Connect's", "x", &[faster], Bar::AtLeast(1.0));
    Ok(())
}

async fn turn(side: Side, lines: u64) -> Result<Turn> {
    let running = side.start().await?;
    topic::create(&running.address, "lines")?;
    let mut log = AccessLog::new(1);
    let acknowledged = topic::fill(&running.address, "lines", (0..lines).map(|_| log.line().into_bytes()))?;
    ensure!(acknowledged == lines, "{acknowledged} of {lines} were acknowledged");
    // A Java process compiles while it runs: nobody is measured before that.
    run(&running, "warm-up", lines).await?;
    run(&running, "measured", lines).await
}

async fn run(running: &Running, name: &str, lines: u64) -> Result<Turn> {
    let output = Scratch::new()?;
    topic::create(&running.address, name)?;
    let mut connection = Connection::open(&running.address)?;
    let before = running.used()?;
    running.create(&format!("{name}-sink"), &config(&output, name)).await?;
    let count = || Ok(u64::try_from(connection.end_offset(name, 0)?)?);
    let per_second = arrival_rate(lines, LIMIT, count).await?;
    let after = running.used()?;
    let found = count_records(&running.address, name, 1)?;
    ensure!(found == lines, "{found} letters of {lines} lines");
    running.delete(&format!("{name}-sink")).await?;
    Ok(Turn {
        per_second,
        seconds: after.all_seconds_since(&before),
        runtime_peak: after.runtime.peak_rss_bytes as f64 / 1e6,
    })
}

/// No line is JSON.
fn config(output: &Scratch, letters: &str) -> Value {
    json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "lines", "file": output.text("refused.txt"),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": letters,
        "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
    })
}
