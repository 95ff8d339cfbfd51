//! What happens to connectors while they run: a new version of their plugin, one that is broken, a cause that does not go away.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sluice_harness::{Hub, HubOptions, Scratch, until};
use sluice_integration::{component, with_version};

const LIMIT: Duration = Duration::from_secs(60);
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

/// A file whose lines go through a topic into another file.
struct Copy {
    scratch: Scratch,
    written: u32,
}

impl Copy {
    fn new() -> Result<Copy> {
        let scratch = Scratch::new()?;
        fs::create_dir(scratch.path("plugins"))?;
        let config = format!(
            "plugin.path={}\nsluice.plugin.upgrade.probation.ms=50\nsluice.task.restart.backoff.ms=1\nsluice.task.restart.max.attempts=3\n",
            scratch.text("plugins")
        );
        fs::write(scratch.path("worker.properties"), config)?;
        fs::write(scratch.path("in.txt"), "")?;
        Ok(Copy { scratch, written: 0 })
    }

    fn options(&self) -> HubOptions {
        Hub::at(self.scratch.path("hub")).argument("--config").argument(self.scratch.text("worker.properties"))
    }

    fn source(&self) -> Value {
        json!({
            "connector.class": "FileStreamSource", "file": self.scratch.text("in.txt"), "topic": "lines",
            "value.converter": STRING,
        })
    }

    fn sink(&self, file: &Path) -> Value {
        json!({"connector.class": "FileStreamSink", "topics": "lines", "file": file, "value.converter": STRING})
    }

    fn write(&mut self, lines: u32) -> Result<()> {
        let mut text = String::new();
        for _ in 0..lines {
            self.written += 1;
            writeln!(text, "line {}", self.written)?;
        }
        let mut file = OpenOptions::new().append(true).open(self.scratch.path("in.txt"))?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// Waits until every line has arrived, and finds each once and in order.
    async fn arrives(&self, out: &Path) -> Result<()> {
        until("every line", LIMIT, || async {
            let lines = fs::read_to_string(out)?.lines().count();
            if lines >= self.written as usize { Ok(()) } else { bail!("{lines} lines") }
        })
        .await?;
        ensure!(fs::read_to_string(out)? == fs::read_to_string(self.scratch.path("in.txt"))?, "not every line once");
        Ok(())
    }

    fn install(&self, name: &str, component: &[u8]) -> Result<()> {
        let partial = self.scratch.path("partial");
        fs::write(&partial, component)?;
        Ok(fs::rename(partial, self.scratch.path("plugins").join(name))?)
    }
}

/// Waits until the connector's status is so.
async fn until_status(hub: &Hub, name: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    let path = format!("/connectors/{name}/status");
    until(&format!("another status of {name}"), LIMIT, || async {
        let status = hub.rest().get(&path).await?.ok()?;
        if is_so(&status) { Ok(status) } else { bail!("{status}") }
    })
    .await
}

fn runs(status: &Value, version: &str) -> bool {
    status["connector"]["version"] == version
        && status["tasks"][0]["version"] == version
        && status["tasks"][0]["state"] == "RUNNING"
}

#[tokio::test]
async fn a_plugin_is_upgraded_while_it_runs_and_goes_back_when_the_next_version_fails() -> Result<()> {
    let mut copy = Copy::new()?;
    let out = copy.scratch.path("out.txt");
    let hub = copy.options().start().await?;
    hub.rest().create("in", &copy.source()).await?;
    hub.rest().create("out", &copy.sink(&out)).await?;
    copy.write(100)?;
    copy.arrives(&out).await?;
    let shipped = until_status(&hub, "in", |status| status["tasks"][0]["state"] == "RUNNING").await?;
    let shipped = shipped["connector"]["version"].as_str().context("a version")?.to_owned();

    copy.install("newer.wasm", &with_version(component("sluice-source-file.wasm")?, &shipped, "0.9.9")?)?;
    until_status(&hub, "in", |status| runs(status, "0.9.9")).await?;
    copy.write(100)?;
    copy.arrives(&out).await?;

    copy.install("broken.wasm", &component("example-broken-upgrade.wasm")?)?;
    let rolled_back = |status: &Value| {
        let trace = status["connector"]["trace"].as_str().unwrap_or_default();
        runs(status, "0.9.9") && trace.contains("9.0.0") && trace.contains("rolled back to 0.9.9")
    };
    let status = until_status(&hub, "in", rolled_back).await?;
    assert!(
        status["connector"]["trace"].as_str().is_some_and(|trace| trace.contains("cannot read anything")),
        "{status}"
    );
    copy.write(100)?;
    copy.arrives(&out).await?;

    let hub = hub.kill()?.start().await?;
    copy.write(100)?;
    copy.arrives(&out).await?;
    until_status(&hub, "in", |status| runs(status, "0.9.9")).await?;
    Ok(())
}

#[tokio::test]
async fn a_task_that_fails_again_and_again_is_left_alone_until_somebody_restarts_it() -> Result<()> {
    let mut copy = Copy::new()?;
    let (out, late) = (copy.scratch.path("out.txt"), copy.scratch.path("later/late.txt"));
    let hub = copy.options().start().await?;
    hub.rest().create("in", &copy.source()).await?;
    hub.rest().create("late", &copy.sink(&late)).await?;
    hub.rest().create("out", &copy.sink(&out)).await?;
    let gave_up = |status: &Value| {
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
        status["tasks"][0]["state"] == "FAILED" && trace.contains("failed again after 3 restarts in a row")
    };
    let status = until_status(&hub, "late", gave_up).await?;
    assert_eq!(status["connector"]["state"], "RUNNING", "{status}");
    copy.write(100)?;
    copy.arrives(&out).await?;

    fs::create_dir(copy.scratch.path("later"))?;
    hub.rest().post("/connectors/late/restart?includeTasks=true&onlyFailed=true", &Value::Null).await?.ok()?;
    copy.arrives(&late).await
}
