//! A hub with one file connector at each end, started again and again: how long until REST answers, until a new line has arrived.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sluice_harness::{Hub, HubOptions, Scratch, until};

const LIMIT: Duration = Duration::from_secs(600);

/// The job while its hub is stopped.
pub struct StartJob {
    input: PathBuf,
    output: PathBuf,
    options: HubOptions,
    lines: u64,
}

/// One start, in milliseconds from exec.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StartTimes {
    pub answers_ms: f64,
    pub delivers_ms: f64,
}

impl StartJob {
    /// Creates the connectors, lets them deliver one line, and stops the hub.
    pub async fn create(scratch: &Scratch) -> Result<StartJob> {
        let (input, output) = (scratch.path("in.txt"), scratch.path("out.txt"));
        fs::write(&input, "line 0\n")?;
        let hub = Hub::at(scratch.path("data")).start().await?;
        hub.rest()
            .create("source", &json!({"connector.class": "FileStreamSource", "file": input, "topic": "t"}))
            .await?;
        hub.rest().create("sink", &json!({"connector.class": "FileStreamSink", "file": output, "topics": "t"})).await?;
        until_last_line(&output, "line 0").await?;
        let options = hub.options();
        hub.terminate().await?;
        Ok(StartJob { input, output, options, lines: 0 })
    }

    pub fn data(&self) -> &Path {
        self.options.data()
    }

    /// Adds a line, starts the hub, waits for the line at the other end, and stops the hub.
    pub async fn start(&mut self) -> Result<StartTimes> {
        self.lines += 1;
        let line = format!("line {}", self.lines);
        writeln!(OpenOptions::new().append(true).open(&self.input)?, "{line}")?;
        let begin = Instant::now();
        let hub = self.options.clone().start().await?;
        until_last_line(&self.output, &line).await?;
        let delivers_ms = begin.elapsed().as_secs_f64() * 1e3;
        let answers_ms = hub.ready_after.as_secs_f64() * 1e3;
        hub.terminate().await?;
        Ok(StartTimes { answers_ms, delivers_ms })
    }
}

async fn until_last_line(path: &Path, line: &str) -> Result<()> {
    until(line, LIMIT, || async {
        let text = fs::read_to_string(path)?;
        if text.lines().last() == Some(line) { Ok(()) } else { bail!("{:?}", text.lines().last()) }
    })
    .await
}
