//! Claim: exactly once costs a sink at most 5 %: the plan of each delivery is journalled before it is made, and without
//! (`SLUICE_PLAN=off`, and for the table no offsets in it either) records arrive at least once.
//!
//! The topic is filled once; each run starts the hub on it again, with a connector of another name, in turn with and without.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_harness::{Hub, HubOptions, Scratch, Sequence, Sqlite, free_port, parquet_integers};

use super::flow::until_sent;
use super::topic;
use crate::{Bar, Options, Report, median};

/// Of each delivery, and so the number of rows is a multiple of it.
const DELIVERY_ROWS: u64 = 10_000;
const ROWS: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Promise {
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Objects,
    Table,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
struct Took {
    seconds: f64,
    processor: f64,
}

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let rows = options.sized(ROWS).next_multiple_of(DELIVERY_ROWS);
    let scratch = Scratch::new()?;
    let hub = filled(&scratch, rows).await?;
    for (target, name) in [(Target::Objects, "Parquet"), (Target::Table, "SQLite")] {
        let (mut once, mut perhaps_twice) = (Vec::new(), Vec::new());
        for number in 0..options.runs {
            // A B, B A, …: a drift of the machine meets both.
            let order = [Promise::ExactlyOnce, Promise::AtLeastOnce];
            let order = if number % 2 == 0 { order } else { [order[1], order[0]] };
            for promise in order {
                let took = run(&hub, target, promise, rows).await?;
                eprintln!("run {number}, {name}, {promise:?}: {took:?}");
                if promise == Promise::ExactlyOnce { once.push(took) } else { perhaps_twice.push(took) }
            }
        }
        let rates = |all: &[Took]| -> Vec<f64> { all.iter().map(|took| rows as f64 / took.seconds / 1e3).collect() };
        report.row(&format!("exactly once into {name}: rate"), "k/s", &rates(&once), Bar::None);
        report.row(&format!("at least once into {name}: rate"), "k/s", &rates(&perhaps_twice), Bar::None);
        let over = |of: fn(&Took) -> f64| {
            let values = |all: &[Took]| -> Vec<f64> { all.iter().map(of).collect() };
            [(median(&values(&once)) / median(&values(&perhaps_twice)) - 1.0) * 100.0]
        };
        report.row(&format!("exactly once into {name}: slower by"), "%", &over(|took| took.seconds), Bar::AtMost(5.0));
        report.row(&format!("exactly once into {name}: more CPU"), "%", &over(|took| took.processor), Bar::None);
    }
    Ok(())
}

/// A hub that was stopped, with all rows in its topic.
async fn filled(scratch: &Scratch, rows: u64) -> Result<HubOptions> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let options = Hub::at(scratch.path("data"));
    let hub = options.clone().argument("--kafka-listen").argument(&address).start().await?;
    topic::create(&address, "events")?;
    let acknowledged = topic::fill(&address, "events", (1..=rows).map(event))?;
    ensure!(acknowledged == rows, "{acknowledged} of {rows} were acknowledged");
    hub.terminate().await?;
    Ok(options)
}

fn event(id: u64) -> Vec<u8> {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"field":"id","type":"int64"}},{{"field":"customer","type":"string"}},{{"field":"price","type":"double"}}]}},"payload":{{"id":{id},"customer":"customer-{}","price":{}.5}}}}"#,
        id * 7919 % 50_000,
        id * 37 % 40_000
    )
    .into_bytes()
}

async fn run(hub: &HubOptions, target: Target, promise: Promise, rows: u64) -> Result<Took> {
    let output = Scratch::new()?;
    let mut options = hub.clone();
    if promise == Promise::AtLeastOnce {
        options = options.environment("SLUICE_PLAN", "off");
    }
    let hub = options.start().await?;
    let before = hub.usage()?.cpu_seconds;
    // Its group is new, so it begins at the beginning.
    let name = format!("{}", output.root().file_name().unwrap_or_default().display());
    let begin = Instant::now();
    hub.rest().create(&name, &config(target, promise, &output)).await?;
    until_sent(hub.rest(), &name, rows, LIMIT).await?;
    let took = Took { seconds: begin.elapsed().as_secs_f64(), processor: hub.usage()?.cpu_seconds - before };
    hub.rest().delete(&format!("/connectors/{name}")).await?.ok()?;
    hub.terminate().await?;
    let arrived = match target {
        Target::Objects => parquet_integers(&output.path("lake"), "id")?,
        Target::Table => {
            let database = Sqlite::open(&output.path("events.db")).await?;
            let ids = database.integers("SELECT id FROM events").await?;
            database.close().await;
            ids
        }
    };
    let sequence = Sequence::compare(rows, arrived);
    ensure!(sequence.is_exact(), "{target:?}, {promise:?}: {sequence}");
    Ok(took)
}

fn config(target: Target, promise: Promise, output: &Scratch) -> Value {
    match target {
        Target::Objects => json!({
            "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "events",
            "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
            "store.url": format!("file://{}", output.root().display()), "s3.bucket.name": "lake",
            "flush.size": DELIVERY_ROWS.to_string(),
        }),
        Target::Table => {
            let mut config = json!({
                "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": "events",
                "connection.url": format!("jdbc:sqlite:{}", output.text("events.db")),
                "insert.mode": "insert", "auto.create": "true", "batch.size": DELIVERY_ROWS.to_string(),
            });
            if promise == Promise::AtLeastOnce {
                config["sluice.offsets.table"] = "".into();
            }
            config
        }
    }
}
