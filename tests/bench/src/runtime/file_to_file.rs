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
use super::turns::{Turn, Turns, of};
use super::{lines, topic};
use crate::{Bar, Options, Report};

const LINES: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(600);

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let input = Scratch::new()?;
    let file = input.path("access.log");
    let lines = options.sized(LINES);
    lines::write(&file, lines)?;
    let turns = Turns::take(options, async |side| turn(side, &input, &file, lines).await).await?;
    turns.report("file to file", lines, report);
    let broker = of(&turns.theirs, |it| it.broker_peak);
    report.row("file to file, Connect's broker: peak RSS", "MB", &broker, Bar::None);
    let faster = turns.ratio(|it| it.per_second);
    report.row("file to file: our rate / Connect's", "x", &[faster], Bar::AtLeast(5.0));
    report.row("file to file: our CPU / Connect's, logs included", "x", &[turns.ratio(|it| it.seconds)], Bar::None);
    let memory = turns.ratio(|it| it.runtime_peak);
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
    Ok(Turn::new(per_second, &before, &after))
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
