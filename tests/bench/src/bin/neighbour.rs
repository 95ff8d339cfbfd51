//! Claim: a connector keeps its throughput beside guests that misbehave, each of which fails with a reason while the hub answers.
//!
//! For each way to misbehave, several connectors of the hostile example run (and fail, and are restarted) while a log file is read into a
//! topic. The figure is that reading's rate against its rate alone, measured just before.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sluice_bench::{Bar, Options, Report, component};
use sluice_harness::{AccessLog, Hub, Scratch, until};

const LINES: u64 = 2_000_000;
const HOSTILES: usize = 4;
const LIMIT: Duration = Duration::from_secs(300);
const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";
/// Of the rate alone.
const BAR: f64 = 0.9;
const MODES: [&str; 9] =
    ["loop", "trap", "stack", "memory", "output", "log-flood", "ungranted-file", "ungranted-host", "secret-probing"];

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let lines = options.sized(LINES);
    let input = Scratch::new()?;
    let file = input.path("access.log");
    let mut log = AccessLog::new(1);
    std::fs::write(&file, (0..lines).map(|_| log.line() + "\n").collect::<String>())?;
    let mut ratios = vec![Vec::new(); MODES.len()];
    for _ in 0..options.runs {
        for (mode, ratios) in MODES.iter().zip(&mut ratios) {
            let alone = seconds(&file, lines, None).await?;
            let beside = seconds(&file, lines, Some(mode)).await.with_context(|| format!("beside {mode}"))?;
            ratios.push(alone / beside);
        }
    }
    let mut report = Report::new("neighbour", options);
    for (mode, ratios) in MODES.iter().zip(&ratios) {
        report.row(&format!("rate beside {HOSTILES} of {mode}"), "of alone", ratios, Bar::AtLeast(BAR));
    }
    report.finish()
}

/// How long the lines take into their topic, beside hostile connectors or alone.
async fn seconds(file: &Path, lines: u64, mode: Option<&str>) -> Result<f64> {
    let scratch = Scratch::new()?;
    let plugins = scratch.path("plugins");
    std::fs::create_dir_all(&plugins)?;
    std::fs::copy(component("example-hostile")?, plugins.join("example-hostile.wasm"))?;
    std::fs::write(scratch.path("worker.toml"), format!("plugin.path = {:?}\n", plugins.display().to_string()))?;
    let hub = Hub::at(scratch.path("data")).argument("--config").argument(scratch.text("worker.toml")).start().await?;
    let granted = scratch.text("granted.txt");
    for number in 0..mode.map_or(0, |_| HOSTILES) {
        let config = json!({
            "connector.class": "HostileExample", "mode": mode, "path": granted, "topic": "hostile", "secret": "s3cret-value",
        });
        hub.rest().create(&format!("hostile-{number}"), &config).await?;
    }
    // Each has had its first chance to do harm.
    until("every hostile task has failed with a reason", LIMIT, || async {
        for number in 0..mode.map_or(0, |_| HOSTILES) {
            reason(&hub.rest().status(&format!("hostile-{number}")).await?)?;
        }
        Ok(())
    })
    .await?;
    let begin = Instant::now();
    hub.rest().create("lines", &json!({"connector.class": "FileStreamSource", "file": file, "topic": "lines"})).await?;
    until("all lines in the topic", LIMIT, || async {
        let written = hub.rest().metric(WRITTEN, "lines\"").await?.unwrap_or(0);
        if written == lines { Ok(()) } else { bail!("{written} of {lines}") }
    })
    .await?;
    let seconds = begin.elapsed().as_secs_f64();
    let health = hub.rest().get("/health").await?;
    if health.status != 200 {
        bail!("the hub is not well: {health:?}");
    }
    hub.terminate().await?;
    Ok(seconds)
}

/// Why a hostile task failed, which must not name the secret.
fn reason(status: &Value) -> Result<String> {
    let task = &status["tasks"][0];
    let (state, trace) = (task["state"].as_str().unwrap_or_default(), task["trace"].as_str().unwrap_or_default());
    if !matches!(state, "FAILED" | "RESTARTING") || trace.is_empty() {
        bail!("{status}");
    }
    if trace.contains("s3cret-value") {
        bail!("the secret stands in the trace: {trace}");
    }
    Ok(trace.to_owned())
}
