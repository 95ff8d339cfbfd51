//! Claim: a topic whose two schemas alternate row by row is delivered at 200,000 records a second.
//!
//! Orders of ten columns and of eleven in turn, into a file, fsynced; the same orders under one schema beside it. Each order must
//! be in the file once.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use arrow_array::BinaryArray;
use serde_json::json;
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, SchemaRegistry};
use sluice_converters::json::JsonConverter;
use sluice_converters_registry::{RegistryProvider, avro};
use sluice_harness::Scratch;
use sluice_schema_registry::HttpRegistry;

use super::columns::{Columns, rows};
use super::flow::until_sent;
use super::side::{Running, Side};
use super::topic;
use crate::kafka::Class;
use crate::{Bar, Options, Report};

const ORDERS: u64 = 500_000;
/// Orders that are converted at a time.
const STEP: usize = 4_096;
const LIMIT: Duration = Duration::from_secs(600);
const MIXED: &str = "alternating";
const UNMIXED: &str = "unmixed";

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let orders = options.sized(ORDERS);
    for (name, class) in
        [("Avro", "io.confluent.connect.avro.AvroConverter"), ("JSON", "org.apache.kafka.connect.json.JsonConverter")]
    {
        let running = Side::Sluice(Class::Fsync).start().await?;
        let converter = if name == "Avro" { avro(&running)? } else { json()? };
        fill(&running, &*converter, MIXED, [Columns::Ten, Columns::WithNote], orders).await?;
        fill(&running, &*converter, UNMIXED, [Columns::Ten, Columns::Ten], orders).await?;
        let (mut mixed, mut unmixed) = (Vec::new(), Vec::new());
        for run in 0..options.runs {
            // A B, B A, …: a drift of the machine meets both.
            let order = if run % 2 == 0 { [MIXED, UNMIXED] } else { [UNMIXED, MIXED] };
            for topic in order {
                let rate = deliver(&running, &format!("{topic}-{run}"), topic, class, orders).await?;
                eprintln!("run {run}, {name}, {topic}: {rate:.0} k/s");
                if topic == MIXED { mixed.push(rate) } else { unmixed.push(rate) }
            }
        }
        report.row(&format!("two schemas in turn, {name}, to a file"), "k/s", &mixed, Bar::AtLeast(200.0));
        report.row(&format!("one schema, {name}, to a file"), "k/s", &unmixed, Bar::None);
    }
    Ok(())
}

/// Over the registry in the hub, which then knows the schemas.
fn avro(running: &Running) -> Result<Box<dyn Converter>> {
    let url = format!("http://127.0.0.1:{}", running.rest().port());
    let config = ConfigMap::from_iter([("schema.registry.url".to_owned(), url)]);
    let provider: RegistryProvider =
        Arc::new(|config| Ok(Arc::new(HttpRegistry::new(config)?) as Arc<dyn SchemaRegistry>));
    avro::make(ConverterRole::Value, &config, &provider).map_err(|reason| anyhow!(reason))
}

fn json() -> Result<Box<dyn Converter>> {
    Ok(Box::new(JsonConverter::new(&ConfigMap::new()).map_err(|reason| anyhow!(reason))?))
}

/// Orders from 0 on; those with even ids have the first columns, the others the second.
async fn fill(
    running: &Running,
    converter: &dyn Converter,
    topic: &str,
    columns: [Columns; 2],
    orders: u64,
) -> Result<()> {
    topic::create(&running.address, topic)?;
    let ids: Vec<i64> = (0..orders as i64).collect();
    for ids in ids.chunks(STEP) {
        let mut bytes = Vec::new();
        for (rest, columns) in columns.into_iter().enumerate() {
            let of_these: Vec<i64> = ids.iter().copied().filter(|id| id % 2 == rest as i64).collect();
            bytes.push(write(converter, topic, columns, &of_these).await?);
        }
        let in_turn = (0..ids.len()).map(|row| bytes[row % 2].value(row / 2).to_vec());
        let acknowledged = topic::fill(&running.address, topic, in_turn)?;
        ensure!(acknowledged == ids.len() as u64, "{acknowledged} of {} were acknowledged", ids.len());
    }
    Ok(())
}

async fn write(converter: &dyn Converter, topic: &str, columns: Columns, ids: &[i64]) -> Result<BinaryArray> {
    let (field, values) = rows(columns, ids);
    converter.prepare_from_connect(topic, &field).await?;
    converter.from_connect_data(topic, &field, &values, None).map_err(|error| anyhow!(error.message))
}

/// Thousand records a second.
async fn deliver(running: &Running, name: &str, topic: &str, converter: &str, orders: u64) -> Result<f64> {
    let scratch = Scratch::new()?;
    let output = scratch.path("out.txt");
    let config = json!({
        "connector.class": "FileStreamSink", "file": output, "topics": topic, "value.converter": converter,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    let begin = Instant::now();
    running.create(name, &config).await?;
    until_sent(running.rest(), name, orders, LIMIT).await?;
    let seconds = begin.elapsed().as_secs_f64();
    running.delete(name).await?;
    ensure_delivered(&output, orders)?;
    Ok(orders as f64 / seconds / 1e3)
}

/// Each order once; those of a schema in their order. (The file sink writes a delivery schema by schema.)
fn ensure_delivered(output: &Path, orders: u64) -> Result<()> {
    let lines = BufReader::new(File::open(output).with_context(|| output.display().to_string())?).lines();
    let mut next = [0, 1];
    for line in lines {
        let line = line?;
        let id: u64 = line
            .strip_prefix("Struct{id=")
            .and_then(|rest| rest.split_once(',')?.0.parse().ok())
            .with_context(|| format!("no order: {line}"))?;
        let next = &mut next[(id % 2) as usize];
        ensure!(id == *next, "order {id} where {next} is next");
        *next += 2;
    }
    let delivered = (next[0] + next[1] - 1) / 2;
    ensure!(delivered == orders, "{delivered} of {orders} orders are in the file");
    Ok(())
}
