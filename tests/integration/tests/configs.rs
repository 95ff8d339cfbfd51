//! Every file in `configs/` works as it stands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use sluice_harness::{Hub, Orders, Scratch, Sequence, Sqlite, parquet_integers, until};

const LIMIT: Duration = Duration::from_secs(60);
const EVENTS: u64 = 1_013;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

/// Copies of the examples as they are, but for the one absolute path, which becomes the test's own folder.
fn connector_files(scratch: &Scratch) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(configs().join("connectors"))? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        let copy = scratch.root().join(entry.file_name());
        fs::write(&copy, text.replace("/tmp/sluice-example", &scratch.root().to_string_lossy()))?;
        files.push(copy);
    }
    files.sort();
    Ok(files)
}

#[tokio::test]
async fn the_worker_config_and_every_connector_example_run_together() -> Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.path("test.txt"), "foo\nbar\n")?;
    let mut orders = Orders::create(&scratch.path("shop.db"), 5).await?;
    orders.append(EVENTS).await?;
    let mut hub = Hub::at(scratch.path("data")).folder(scratch.root());
    hub = hub.argument("--config").argument(configs().join("worker.toml").to_string_lossy());
    let files = connector_files(&scratch)?;
    for file in &files {
        hub = hub.argument(file.to_string_lossy());
    }
    let hub = hub.start().await?;
    for file in &files {
        let config: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
        hub.rest().until_running(config["name"].as_str().unwrap_or_default(), 1).await?;
    }
    until("all order events at both destinations", LIMIT, || async {
        let rows = Sqlite::open(&scratch.path("warehouse.db")).await?.integers("SELECT id FROM order_events").await?;
        let objects = parquet_integers(&scratch.path("lake"), "id")?;
        let (table, objects) = (Sequence::compare(EVENTS, rows), Sequence::compare(EVENTS, objects));
        if table.is_exact() && objects.is_exact() { Ok(()) } else { bail!("table {table}; objects {objects}") }
    })
    .await?;
    until("the quickstart's lines", LIMIT, || async {
        let found = fs::read_to_string(scratch.path("test.sink.txt"))?;
        if found == "foo\nbar\n" { Ok(()) } else { bail!("{found:?}") }
    })
    .await
}
