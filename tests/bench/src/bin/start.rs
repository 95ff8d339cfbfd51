//! Claim: with a warm cache the hub answers 100 ms after its start and has delivered a record after 250 ms.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sluice_bench::{Bar, Options, Report};
use sluice_harness::{Hub, Scratch, until};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let scratch = Scratch::new()?;
    let (input, output) = (scratch.path("in.txt"), scratch.path("out.txt"));
    fs::write(&input, "line 0\n")?;
    let mut hub = Hub::at(scratch.path("data")).start().await?;
    hub.rest().create("source", &json!({"connector.class": "FileStreamSource", "file": input, "topic": "t"})).await?;
    hub.rest().create("sink", &json!({"connector.class": "FileStreamSink", "file": output, "topics": "t"})).await?;
    until_last_line(&output, "line 0").await?;
    let (mut answers, mut deliveries) = (Vec::new(), Vec::new());
    for run in 1..=options.runs {
        let hub_options = hub.options();
        hub.terminate().await?;
        let line = format!("line {run}");
        writeln!(OpenOptions::new().append(true).open(&input)?, "{line}")?;
        let begin = Instant::now();
        hub = hub_options.start().await?;
        answers.push(hub.ready_after.as_secs_f64() * 1e3);
        until_last_line(&output, &line).await?;
        deliveries.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let mut report = Report::new("start", options);
    report.row("exec to REST answers", "ms", &answers, Bar::AtMost(100.0));
    report.row("exec to first record delivered", "ms", &deliveries, Bar::AtMost(250.0));
    report.finish()
}

async fn until_last_line(path: &std::path::Path, line: &str) -> Result<()> {
    until(line, LIMIT, || async {
        let text = fs::read_to_string(path)?;
        if text.lines().last() == Some(line) { Ok(()) } else { bail!("{:?}", text.lines().last()) }
    })
    .await
}
