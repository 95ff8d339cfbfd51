//! Claim: a hub with five paused connectors takes 30 MB and next to no processor.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use sluice_bench::{Bar, Options, Report};
use sluice_harness::{Hub, Scratch};

const CONNECTORS: usize = 5;
/// Whatever follows the start (caches, idle instances that are replaced) is over by then.
const SETTLE: Duration = Duration::from_secs(40);
const WATCHED: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let (mut memory, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let scratch = Scratch::new()?;
        let hub = Hub::at(scratch.path("data")).start().await?;
        for number in 0..CONNECTORS {
            let (name, file) = (format!("paused-{number}"), scratch.text(&format!("{number}.txt")));
            let config = json!({"connector.class": "FileStreamSource", "file": file, "topic": name});
            hub.rest().create(&name, &config).await?;
            hub.rest().until_running(&name, 1).await?;
            hub.rest().command(&name, "pause").await?;
            hub.rest().until_state(&name, "PAUSED", 1).await?;
        }
        tokio::time::sleep(SETTLE).await;
        let (before, begin) = (hub.usage()?, Instant::now());
        tokio::time::sleep(WATCHED).await;
        let after = hub.usage()?;
        memory.push(after.rss_bytes as f64 / 1e6);
        cpu.push((after.cpu_seconds - before.cpu_seconds) / begin.elapsed().as_secs_f64() * 100.0);
    }
    let mut report = Report::new("idle", options);
    report.row("RSS", "MB", &memory, Bar::AtMost(30.0));
    report.row("CPU, of one core", "%", &cpu, Bar::AtMost(0.2));
    report.finish()
}
