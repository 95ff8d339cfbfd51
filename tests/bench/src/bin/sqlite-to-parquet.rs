//! Claim: a table goes through a topic as JSON into Parquet at 150,000 rows a second.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sluice_bench::{Bar, Options, Report};
use sluice_harness::{Hub, Scratch, Sequence, Sqlite, Usage, parquet_integers, parquet_rows, until};

const ROWS: u64 = 1_000_003;
const LIMIT: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let rows = options.sized(ROWS);
    let input = Scratch::new()?;
    fill(&input.path("shop.db"), rows).await?;
    let (mut rates, mut cpu, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let (seconds, usage) = run(&input.path("shop.db"), rows).await?;
        rates.push(rows as f64 / seconds / 1e3);
        cpu.push(usage.cpu_seconds / (rows as f64 / 1e6));
        peaks.push(usage.peak_rss_bytes as f64 / 1e6);
    }
    let mut report = Report::new("sqlite-to-parquet", options);
    report.row("rate", "k rows/s", &rates, Bar::AtLeast(150.0));
    report.row("CPU per M rows", "s", &cpu, Bar::None);
    report.row("peak RSS", "MB", &peaks, Bar::AtMost(150.0));
    report.finish()
}

async fn fill(path: &Path, rows: u64) -> Result<()> {
    let database = Sqlite::open(path).await?;
    database
        .execute(&format!(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, quantity INTEGER NOT NULL,
                price REAL NOT NULL, country TEXT NOT NULL, session INTEGER NOT NULL, note TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO events SELECT i, 'customer-' || (i * 7919 % 50000), 'item ' || (i * 31 % 997), 1 + i % 5,
                (i * 37 % 40000) / 100.0, substr('DEFRITESPLNL', 1 + 2 * (i % 6), 2), i * 2654435761 % 4294967296,
                CASE i % 4 WHEN 0 THEN NULL ELSE 'leave it at the door' END FROM n;"
        ))
        .await?;
    database.close().await;
    Ok(())
}

async fn run(database: &Path, rows: u64) -> Result<(f64, Usage)> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let before = hub.usage()?;
    let source = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
        "connection.url": format!("jdbc:sqlite:{}", database.display()),
        "mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "events", "topic.prefix": "",
        "batch.max.rows": "5000", "poll.interval.ms": "10",
    });
    let sink = json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "events",
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
        "store.url": format!("file://{}", scratch.root().display()), "s3.bucket.name": "lake",
        "flush.size": "100000", "rotate.schedule.interval.ms": "1000", "timezone": "UTC",
    });
    let objects = scratch.path("lake").join("topics").join("events");
    let begin = Instant::now();
    hub.rest().create("sink", &sink).await?;
    hub.rest().create("source", &source).await?;
    until("all rows in Parquet", LIMIT, || async {
        let arrived = parquet_rows(&objects)?;
        if arrived >= rows { Ok(()) } else { bail!("{arrived} of {rows}; {}", hub.rest().status("sink").await?) }
    })
    .await?;
    let seconds = begin.elapsed().as_secs_f64();
    let after = hub.usage()?;
    let sequence = Sequence::compare(rows, parquet_integers(&objects, "id")?);
    if !sequence.is_exact() {
        bail!("{sequence}");
    }
    Ok((seconds, Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after }))
}
