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
use super::turns::{Turn, Turns};
use crate::kafka::{Connection, count_records};
use crate::{Bar, Options, Report};

const LINES: u64 = 500_000;
const LIMIT: Duration = Duration::from_secs(600);

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let lines = options.sized(LINES);
    let turns = Turns::take(options, async |side| turn(side, lines).await).await?;
    turns.report("dead letters", lines, report);
    let faster = turns.ratio(|it| it.per_second);
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
    Ok(Turn::new(per_second, &before, &after))
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
