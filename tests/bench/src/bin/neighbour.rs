//! Claim: a connector keeps its throughput beside guests that misbehave, each of which fails with a reason while the hub answers.
//!
//! For each way to misbehave, several connectors of the hostile example run, fail, and are restarted, while generated rows are to flow into a
//! topic at a rate that takes a good part of a core. The figure is the rate that was reached. (A neighbour that wants the whole machine shares
//! the processor with a guest that spins until its deadline, as it would with any busy connector.)

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sluice_bench::{Bar, Options, Report, component};
use sluice_harness::{Hub, Scratch, until};

/// Rows a second.
const RATE: f64 = 100_000.0;
const WATCHED: Duration = Duration::from_secs(5);
const HOSTILES: usize = 4;
const LIMIT: Duration = Duration::from_secs(60);
const WRITTEN: &str = "kafka_connect_source_task_metrics_source_record_write_total";
/// Of what it reaches alone.
const BAR: f64 = 0.98;
const MODES: [&str; 9] =
    ["loop", "trap", "stack", "memory", "output", "log-flood", "ungranted-file", "ungranted-host", "secret-probing"];

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let mut alone = Vec::new();
    let mut beside = vec![Vec::new(); MODES.len()];
    for _ in 0..options.runs {
        alone.push(rate(None).await?);
        for (mode, rates) in MODES.iter().zip(&mut beside) {
            rates.push(rate(Some(mode)).await.with_context(|| format!("beside {mode}"))?);
        }
    }
    let mut report = Report::new("neighbour", options);
    report.row("alone", "k rows/s", &alone, Bar::None);
    let bar = BAR * sluice_bench::median(&alone);
    for (mode, rates) in MODES.iter().zip(&beside) {
        report.row(&format!("beside {HOSTILES} of {mode}"), "k rows/s", rates, Bar::AtLeast(bar.floor()));
    }
    report.finish()
}

/// Thousand rows a second that arrive in the topic.
async fn rate(mode: Option<&str>) -> Result<f64> {
    let scratch = Scratch::new()?;
    let plugins = scratch.path("plugins");
    std::fs::create_dir_all(&plugins)?;
    std::fs::copy(component("example-hostile")?, plugins.join("example-hostile.wasm"))?;
    std::fs::write(scratch.path("worker.toml"), format!("plugin.path = {:?}\n", plugins.display().to_string()))?;
    let hub = Hub::at(scratch.path("data")).argument("--config").argument(scratch.text("worker.toml")).start().await?;
    let neighbour = json!({
        "connector.class": "Datagen", "kafka.topic": "orders", "quickstart": "orders", "rows.per.second": RATE.to_string(),
    });
    hub.rest().create("neighbour", &neighbour).await?;
    let hostiles: Vec<String> = (0..mode.map_or(0, |_| HOSTILES)).map(|number| format!("hostile-{number}")).collect();
    for name in &hostiles {
        let config = json!({
            "connector.class": "HostileExample", "mode": mode, "path": scratch.text("granted.txt"), "secret": "s3cret-value",
        });
        hub.rest().create(name, &config).await?;
    }
    until("rows in the topic", LIMIT, || async { if written(&hub).await? > 0 { Ok(()) } else { bail!("none") } })
        .await?;
    let (before, begin) = (written(&hub).await?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let rate = (written(&hub).await? - before) as f64 / begin.elapsed().as_secs_f64();
    // What failed, failed with a reason; and a hub that answers is well.
    until("every hostile task has failed", LIMIT, || async {
        for name in &hostiles {
            check_reason(&hub.rest().status(name).await?)?;
        }
        Ok(())
    })
    .await?;
    let health = hub.rest().get("/health").await?;
    if health.status != 200 {
        bail!("the hub is not well: {health:?}");
    }
    hub.terminate().await?;
    Ok(rate / 1e3)
}

async fn written(hub: &Hub) -> Result<u64> {
    Ok(hub.rest().metric(WRITTEN, "neighbour\"").await?.unwrap_or(0))
}

/// Why a hostile task failed, which must not name the secret.
fn check_reason(status: &Value) -> Result<()> {
    let task = &status["tasks"][0];
    let (state, trace) = (task["state"].as_str().unwrap_or_default(), task["trace"].as_str().unwrap_or_default());
    if !matches!(state, "FAILED" | "RESTARTING") || trace.is_empty() {
        bail!("{status}");
    }
    if trace.contains("s3cret-value") {
        bail!("the secret stands in the trace: {trace}");
    }
    Ok(())
}
