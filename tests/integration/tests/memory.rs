//! What the hub holds in memory when its sinks hold much: one that never answers, one whose batch fills a thousand files.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use sluice_harness::{Hub, Scratch, Sqlite, Usage, parquet_rows, until};
use std::fs;

const ROWS: u64 = 400_000;
/// Items of Datagen's orders: as many files are open at once.
const ITEMS: usize = 999;
const BUDGET_BYTES: u64 = 32 << 20;
/// What a hub may grow to above its size at rest: the budget, a fetch and a poll of each task, and a thousand files' writers.
const GROWTH_BYTES_MAX: u64 = 192 << 20;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_dead_sink_and_a_thousand_open_files_stay_within_the_memory_budget() -> Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.path("worker.properties"), format!("sluice.memory.budget.bytes={BUDGET_BYTES}\n"))?;
    let hub = Hub::at(scratch.path("hub")).argument("--config").argument(scratch.text("worker.properties"));
    let hub = hub.start().await?;
    let at_rest = Usage::of(hub.pid())?.rss_bytes;

    let warehouse = Sqlite::open(&scratch.path("warehouse.db")).await?;
    let dead = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": "orders", "table.name.format": "orders",
        "connection.url": format!("jdbc:sqlite:{}", scratch.path("warehouse.db").display()), "auto.create": "true",
    });
    hub.rest().create("dead", &dead).await?;
    let source = json!({
        "connector.class": "Datagen", "kafka.topic": "orders", "quickstart": "orders", "rows.per.second": "0", "iterations": ROWS,
        "topic.creation.default.partitions": "4", "topic.creation.default.replication.factor": "1",
    });
    hub.rest().create("orders", &source).await?;
    until("a first row in the table", LIMIT, || async {
        if warehouse.count("orders").await? > 0 { Ok(()) } else { bail!("none") }
    })
    .await?;
    // From here on the sink's puts wait for a lock that nobody gives back.
    let locked = Sqlite::open(&scratch.path("warehouse.db")).await?;
    until("the table's lock", LIMIT, || locked.execute("BEGIN EXCLUSIVE")).await?;
    let files = json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "orders", "s3.bucket.name": "lake",
        "store.url": format!("file://{}", scratch.root().display()), "flush.size": "1000000",
        "rotate.schedule.interval.ms": "10000", "timezone": "UTC",
        "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
        "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner", "partition.field.name": "itemid",
    });
    hub.rest().create("files", &files).await?;

    let lake = scratch.path("lake/topics/orders");
    until("every row in a file", LIMIT, || async {
        let mut rows = 0;
        for folder in fs::read_dir(&lake)? {
            rows += parquet_rows(&folder?.path())?;
        }
        if rows == ROWS { Ok(()) } else { bail!("{rows} rows") }
    })
    .await?;
    let folders = fs::read_dir(&lake)?.count();
    let usage = Usage::of(hub.pid())?;
    let grown = usage.peak_rss_bytes.saturating_sub(at_rest);
    eprintln!("{} MiB at rest, {} MiB more at most, {folders} folders", at_rest >> 20, grown >> 20);
    assert_eq!(folders, ITEMS, "one for each item");
    assert!(grown < GROWTH_BYTES_MAX, "the hub grew by {} MiB", grown >> 20);
    assert_eq!(hub.rest().status("dead").await?["tasks"][0]["state"], "RUNNING");
    locked.execute("ROLLBACK").await?;
    until("every row in the table", LIMIT, || async {
        let rows = warehouse.count("orders").await?;
        if rows == ROWS { Ok(()) } else { bail!("{rows} rows") }
    })
    .await
}
