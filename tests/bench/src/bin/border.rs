//! Claim: the sandbox's border costs next to nothing: 1,000 rows to a guest, which reads two columns of them, and back.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field};
use sluice_bench::{Bar, Options, Report, component, processor_nanoseconds};
use sluice_connect_api::plugins::TransformationPlugin;
use sluice_connect_api::{ConfigMap, Transformation};
use sluice_data::ConnectBatch;
use sluice_plugin_host::{GuestLimits, HostConfig, PluginHost};

const ROWS: usize = 1_000;
const CALLS: u64 = 5_000;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let calls = options.sized(CALLS);
    let cache = tempfile::tempdir()?;
    let config = HostConfig { cache_dir: cache.path().join("cache"), limits: GuestLimits::default() };
    let host = PluginHost::new(config, Vec::new())?;
    let plugin = host.load_file(&component("example-transform-filter")?).await?;
    let keys = [("number.field", "id"), ("text.field", "name"), ("number.min", "10")];
    let config: ConfigMap = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut transformation = plugin.transformation(&config).await.context("the filter opens")?;
    let (full, one) = (batch(ROWS)?, batch(1)?);
    let (mut per_record, mut processor, mut per_call) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let before = processor_nanoseconds()?;
        per_record.push(nanoseconds(&mut *transformation, &full, calls).await? / ROWS as f64);
        processor.push((processor_nanoseconds()? - before) as f64 / (calls * ROWS as u64) as f64);
        per_call.push(nanoseconds(&mut *transformation, &one, calls).await? / 1_000.0);
    }
    let mut report = Report::new("border", options);
    report.row("1,000 rows, two columns read", "ns/record", &per_record, Bar::AtMost(100.0));
    report.row("the same, processor", "ns/record", &processor, Bar::None);
    report.row("one row, two columns read", "µs/call", &per_call, Bar::None);
    report.finish()
}

async fn nanoseconds(transformation: &mut dyn Transformation, batch: &ConnectBatch, calls: u64) -> Result<f64> {
    let begin = Instant::now();
    for _ in 0..calls {
        let answer = transformation.apply(batch).await?;
        anyhow::ensure!(answer.len() == 1, "one batch in, one batch out");
    }
    Ok(begin.elapsed().as_nanos() as f64 / calls as f64)
}

/// About 190 bytes a row in six typed columns, as in the measurements that the design rests on.
fn batch(rows: usize) -> Result<ConnectBatch> {
    let numbers = 0..rows as i64;
    let names = StringArray::from_iter_values(numbers.clone().map(|row| format!("name-{row:027}")));
    let texts = StringArray::from_iter_values(numbers.clone().map(|row| format!("{row:0100}")));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(numbers.clone()))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(numbers.clone()))),
        ("name", Arc::new(names)),
        ("text", Arc::new(texts)),
        ("amount", Arc::new(Float64Array::from_iter_values(numbers.clone().map(|row| row as f64)))),
        ("paid", Arc::new(BooleanArray::from_iter(numbers.map(|row| Some(row % 2 == 0))))),
    ];
    let column =
        |(name, values): (&str, ArrayRef)| (Arc::new(Field::new(name, values.data_type().clone(), false)), values);
    let value = StructArray::from(columns.into_iter().map(column).collect::<Vec<_>>());
    let field = Field::new("value", DataType::Struct(value.fields().clone()), false);
    Ok(ConnectBatch::builder("border", &field, Arc::new(value)).build()?)
}
