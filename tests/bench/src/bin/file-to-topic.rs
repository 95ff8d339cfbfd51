//! Claim: a web server's log goes into a topic at a million lines a second, through the WebAssembly connector, fsynced.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sluice_bench::{Bar, Options, Report};
use sluice_harness::{AccessLog, Hub, Scratch, Usage, until};

const LINES: u64 = 5_000_000;
const LINE_BYTES: usize = 100;
const LIMIT: Duration = Duration::from_secs(600);
const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let lines = options.sized(LINES);
    let input = Scratch::new()?;
    write_lines(&input.path("access.log"), lines)?;
    let (mut rates, mut cpu, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let (seconds, usage) = run(&input.path("access.log"), lines).await?;
        rates.push(lines as f64 / seconds / 1e6);
        cpu.push(usage.cpu_seconds / (lines as f64 / 1e6));
        peaks.push(usage.peak_rss_bytes as f64 / 1e6);
    }
    let mut report = Report::new("file-to-topic", options);
    report.row("rate", "M lines/s", &rates, Bar::AtLeast(1.0));
    report.row("CPU per M lines", "s", &cpu, Bar::AtMost(1.0));
    report.row("peak RSS", "MB", &peaks, Bar::AtMost(100.0));
    report.finish()
}

async fn run(file: &Path, lines: u64) -> Result<(f64, Usage)> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let before = hub.usage()?;
    let config = json!({
        "connector.class": "FileStreamSource", "file": file, "topic": "lines",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    let begin = Instant::now();
    hub.rest().create("lines", &config).await?;
    // The counter counts acknowledged records: what it shows is in the log and fsynced.
    until("all lines in the topic", LIMIT, || async {
        let written = hub.rest().metric(WRITTEN, "lines\"").await?.unwrap_or(0);
        if written == lines { Ok(()) } else { bail!("{written} of {lines}") }
    })
    .await?;
    let seconds = begin.elapsed().as_secs_f64();
    let after = hub.usage()?;
    Ok((seconds, Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after }))
}

fn write_lines(path: &Path, lines: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut log = AccessLog::new(1);
    for _ in 0..lines {
        let mut line = log.line();
        line.truncate(LINE_BYTES - 1);
        writeln!(file, "{line:-<width$}", width = LINE_BYTES - 1)?;
    }
    Ok(file.flush()?)
}
