//! Claims: a web server's log goes into a topic at a million lines a second, through the WebAssembly connector, fsynced; and the same job
//! with the connector compiled natively behind the same trait is at most 5 % cheaper.
//!
//! This program is the hub, too (`file-to-topic start …`): the same code with and without the sandbox, in one binary. Runs alternate.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{ExitCode, Termination as _};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sluice_bench::{Bar, NATIVE_CLASS, Options, Report, median, records_in_topic, register_native};
use sluice_harness::{AccessLog, Hub, Scratch, Usage, until};

const LINES: u64 = 5_000_000;
const LINE_BYTES: usize = 100;
const LIMIT: Duration = Duration::from_secs(600);
const COMPONENT_CLASS: &str = "FileStreamSource";
const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|argument| argument == "start") {
        return sluice_cli::main_with(register_native);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(measure()).report()
}

async fn measure() -> Result<()> {
    let options = Options::from_arguments()?;
    let lines = options.sized(LINES);
    let input = Scratch::new()?;
    let file = input.path("access.log");
    write_lines(&file, lines)?;
    let (mut component, mut native) = (Runs::default(), Runs::default());
    for run in 0..options.runs {
        // A B, B A, …: a drift of the machine meets both.
        if run % 2 == 0 {
            component.add(COMPONENT_CLASS, &file, lines).await?;
            native.add(NATIVE_CLASS, &file, lines).await?;
        } else {
            native.add(NATIVE_CLASS, &file, lines).await?;
            component.add(COMPONENT_CLASS, &file, lines).await?;
        }
    }
    let time = median(&native.rates) / median(&component.rates);
    let cpu = median(&component.cpu) / median(&native.cpu);
    let mut report = Report::new("file-to-topic", options);
    report.row("rate", "M lines/s", &component.rates, Bar::AtLeast(1.0));
    report.row("CPU per M lines", "s", &component.cpu, Bar::AtMost(1.0));
    report.row("peak RSS", "MB", &component.peaks, Bar::AtMost(100.0));
    report.row("native connector: rate", "M lines/s", &native.rates, Bar::None);
    report.row("native connector: CPU per M lines", "s", &native.cpu, Bar::None);
    report.row("native connector: peak RSS", "MB", &native.peaks, Bar::None);
    report.row("time, WASM against native, of the medians", "times", &[time], Bar::AtMost(1.05));
    report.row("CPU, WASM against native, of the medians", "times", &[cpu], Bar::AtMost(1.05));
    report.finish()
}

#[derive(Default)]
struct Runs {
    rates: Vec<f64>,
    cpu: Vec<f64>,
    peaks: Vec<f64>,
}

impl Runs {
    async fn add(&mut self, class: &str, file: &Path, lines: u64) -> Result<()> {
        let (seconds, usage) = run(class, file, lines).await?;
        self.rates.push(lines as f64 / seconds / 1e6);
        self.cpu.push(usage.cpu_seconds / (lines as f64 / 1e6));
        self.peaks.push(usage.peak_rss_bytes as f64 / 1e6);
        Ok(())
    }
}

async fn run(class: &str, file: &Path, lines: u64) -> Result<(f64, Usage)> {
    let scratch = Scratch::new()?;
    let data = scratch.path("data");
    let hub = Hub::at(&data).program(std::env::current_exe()?).start().await?;
    let before = hub.usage()?;
    let config = json!({
        "connector.class": class, "file": file, "topic": "lines",
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
    hub.terminate().await?;
    let (records, bytes) = records_in_topic(&data, "lines").await?;
    if (records, bytes) != (lines, lines * (LINE_BYTES as u64 - 1)) {
        bail!("{records} records of {bytes} bytes are in the topic, {lines} lines were in the file");
    }
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
