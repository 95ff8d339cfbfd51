//! Kafka's own quickstart: the configs of its distribution, Java class names and relative paths unchanged.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use sluice_harness::{Hub, Scratch, until};

const LIMIT: Duration = Duration::from_secs(60);

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/connectors").join(name)
}

/// As `echo … >>` does: writing the file anew would truncate it first, and a truncated file is rightly read from its start.
fn append(path: &Path, text: &str) -> Result<()> {
    Ok(fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?)
}

async fn until_file_holds(path: &Path, expected: &str) -> Result<()> {
    until(&format!("{expected:?} in {}", path.display()), LIMIT, || async {
        let found = fs::read_to_string(path)?;
        if found == expected { Ok(()) } else { bail!("{found:?}") }
    })
    .await
}

async fn until_committed(hub: &Hub, sink: &str, offset: i64) -> Result<()> {
    until(&format!("{sink} has committed {offset}"), LIMIT, || async {
        let offsets = hub.rest().offsets(sink).await?;
        if offsets["offsets"][0]["offset"]["kafka_offset"] == offset { Ok(()) } else { bail!("{offsets}") }
    })
    .await
}

#[tokio::test]
async fn the_quickstart_of_kafka_runs_unchanged_from_the_command_line() -> Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.path("test.txt"), "foo\nbar\n")?;
    let (source, sink) = (config("file-source.json"), config("file-sink.json"));
    let hub = Hub::at(scratch.path("data")).folder(scratch.root());
    let hub = hub.argument(source.to_string_lossy()).argument(sink.to_string_lossy()).start().await?;
    until_file_holds(&scratch.path("test.sink.txt"), "foo\nbar\n").await?;
    append(&scratch.path("test.txt"), "Another line\n")?;
    until_file_holds(&scratch.path("test.sink.txt"), "foo\nbar\nAnother line\n").await?;
    hub.rest().until_running("local-file-source", 1).await?;
    hub.rest().until_running("local-file-sink", 1).await
}

#[tokio::test]
async fn the_same_configs_are_accepted_over_rest_and_survive_a_restart() -> Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.path("test.txt"), "foo\nbar\n")?;
    let hub = Hub::at(scratch.path("data")).folder(scratch.root()).start().await?;
    for name in ["file-source.json", "file-sink.json"] {
        let body: Value = serde_json::from_str(&fs::read_to_string(config(name))?)?;
        let answer = hub.rest().post("/connectors", &body).await?;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.json()?["name"], body["name"]);
    }
    until_file_holds(&scratch.path("test.sink.txt"), "foo\nbar\n").await?;
    // The sink delivers at least once: killed before its offsets are committed, it would rightly write both lines again.
    until_committed(&hub, "local-file-sink", 2).await?;
    let hub = hub.kill_and_restart().await?;
    assert_eq!(hub.rest().connectors().await?.len(), 2);
    append(&scratch.path("test.txt"), "Another line\n")?;
    until_file_holds(&scratch.path("test.sink.txt"), "foo\nbar\nAnother line\n").await
}
