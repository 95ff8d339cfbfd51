//! Claim: a thousand connectors that have each delivered a batch and are idle take 100 MB more than none.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sluice_bench::{Bar, Options, Report};
use sluice_harness::{Hub, Scratch, until};

const CONNECTORS: u64 = 1_000;
const LINES: u64 = 1_000;
const LIMIT: Duration = Duration::from_secs(600);
/// An idle instance is replaced after 30 s.
const SETTLE: Duration = Duration::from_secs(45);
const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let connectors = options.sized(CONNECTORS);
    let (mut memory, mut peaks, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let scratch = Scratch::new()?;
        let text: String = (0..LINES).map(|line| format!("line {line} of a file that many read\n")).collect();
        fs::write(scratch.path("lines.txt"), text)?;
        let hub = Hub::at(scratch.path("data")).start().await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let idle = hub.usage()?.rss_bytes;
        let begin = Instant::now();
        for number in 0..connectors {
            let (name, file) = (format!("c{number}"), scratch.text("lines.txt"));
            let config =
                json!({"connector.class": "FileStreamSource", "file": file, "topic": format!("t{}", number % 50)});
            hub.rest().create(&name, &config).await?;
        }
        let expected = connectors * LINES;
        until("a batch from each connector", LIMIT, || async {
            let written = hub.rest().metric(WRITTEN, "c").await?.unwrap_or(0);
            if written == expected { Ok(()) } else { bail!("{written} of {expected} records") }
        })
        .await?;
        seconds.push(begin.elapsed().as_secs_f64());
        tokio::time::sleep(SETTLE).await;
        let usage = hub.usage()?;
        memory.push((usage.rss_bytes.saturating_sub(idle)) as f64 / 1e6);
        peaks.push(usage.peak_rss_bytes as f64 / 1e6);
    }
    let mut report = Report::new("thousand-connectors", options);
    report.row("RSS over idle", "MB", &memory, Bar::AtMost(100.0));
    report.row("peak RSS", "MB", &peaks, Bar::None);
    report.row("create until all have delivered", "s", &seconds, Bar::None);
    report.finish()
}
