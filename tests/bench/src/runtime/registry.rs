//! Claims: the Avro converter reads and writes a million orders of ten fields a second on one core, the Protobuf converter 300,000; and two
//! schemas that alternate row by row are read at 200,000.
//!
//! The converters themselves, in this process, over the embedded registry on a log of its own. What was read is written again: the
//! payloads must be the same.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use arrow_array::{Array as _, ArrayRef, BinaryArray};
use arrow_schema::Field;
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, SchemaRegistry};
use sluice_converters_registry::{RegistryProvider, avro, json_schema, protobuf};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_harness::Scratch;
use sluice_schema_registry::EmbeddedRegistry;

use super::columns::{Columns, orders};
use crate::{Bar, Options, Report, median};

const ROWS: i64 = 4_096;
/// Of one run, whose median is the run's value.
const ROUNDS: u64 = 200;
const TOPIC: &str = "orders";
/// Confluent's wire format: a zero byte and the id.
const ID_BYTES: usize = 5;
const ALTERNATING_BAR: Bar = Bar::AtLeast(200.0);

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let scratch = Scratch::new()?;
    let broker = EmbeddedBroker::open(EmbeddedConfig::new(scratch.path("data")))?;
    let registry = Arc::new(EmbeddedRegistry::open(&*broker).await?);
    let provider: RegistryProvider = Arc::new(move |_| Ok(Arc::clone(&registry) as Arc<dyn SchemaRegistry>));
    let (value, none) = (ConverterRole::Value, ConfigMap::new());
    let make = |made: Result<Box<dyn Converter>, String>| made.map_err(|reason| anyhow!(reason));
    let converters = [
        ("Avro", make(avro::make(value, &none, &provider))?, Bar::AtLeast(1_000.0)),
        ("Protobuf", make(protobuf::make(value, &none, &provider))?, Bar::AtLeast(300.0)),
        ("JSON Schema", make(json_schema::make(value, &none, &provider))?, Bar::None),
    ];
    for (name, converter, bar) in converters {
        let bench = Bench::prepare(&*converter, &format!("{TOPIC}-{}", name.replace(' ', "-"))).await?;
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..options.runs {
            for (rate, rates) in bench.run(options)?.into_iter().zip(&mut rates) {
                rates.push(rate);
            }
        }
        let [write, read, alternating] = rates;
        report.row(&format!("{name}, 10 fields, one core: write"), "k/s", &write, bar);
        report.row(&format!("{name}, 10 fields, one core: read"), "k/s", &read, bar);
        report.row(&format!("{name}, two schemas in turn: read"), "k/s", &alternating, ALTERNATING_BAR);
    }
    broker.close();
    Ok(())
}

struct Bench<'a> {
    converter: &'a dyn Converter,
    topic: String,
    field: Field,
    values: ArrayRef,
    /// All under one schema.
    same: BinaryArray,
    /// Every other row under a second.
    alternating: BinaryArray,
}

impl<'a> Bench<'a> {
    async fn prepare(converter: &'a dyn Converter, topic: &str) -> Result<Bench<'a>> {
        let (field, values) = orders(Columns::Ten, 0..ROWS);
        let (longer_field, longer_values) = orders(Columns::WithNote, 0..ROWS);
        let same = write(converter, topic, &field, &values).await?;
        let longer = write(converter, topic, &longer_field, &longer_values).await?;
        let in_turn = (0..same.len()).map(|row| if row % 2 == 0 { same.value(row) } else { longer.value(row) });
        let alternating = BinaryArray::from_iter_values(in_turn);
        for (sent, groups) in [(&same, 1), (&alternating, 2)] {
            converter.prepare_to_connect(topic, sent).await?;
            let read = converter.to_connect_data(topic, sent).map_err(|error| anyhow!(error.message))?;
            ensure!(read.len() == groups, "{} groups were read of {groups} schemas", read.len());
            for converted in &read {
                let again = write(converter, topic, &converted.field, &converted.values).await?;
                let rows = converted.rows.clone().unwrap_or_else(|| (0..ROWS as u32).collect());
                ensure!(again.len() == rows.len(), "{} rows were read of {}", again.len(), rows.len());
                let same = rows.iter().enumerate().all(|(at, row)| payload(&again, at) == payload(sent, *row as usize));
                ensure!(same, "what was read is not what was written");
            }
        }
        Ok(Bench { converter, topic: topic.to_owned(), field, values, same, alternating })
    }

    /// Thousand records a second: written, read, read in turn.
    fn run(&self, options: &Options) -> Result<[f64; 3]> {
        let rounds = options.sized(ROUNDS);
        let written = rate(rounds, || {
            let bytes = self.converter.from_connect_data(&self.topic, &self.field, &self.values, None);
            Ok(black_box(bytes.map_err(|error| anyhow!(error.message))?).len())
        })?;
        let read = |bytes: &BinaryArray| {
            let groups = self.converter.to_connect_data(&self.topic, bytes).map_err(|error| anyhow!(error.message))?;
            Ok(black_box(groups).iter().map(|converted| converted.values.len()).sum())
        };
        Ok([written, rate(rounds, || read(&self.same))?, rate(rounds, || read(&self.alternating))?])
    }
}

async fn write(converter: &dyn Converter, topic: &str, field: &Field, values: &ArrayRef) -> Result<BinaryArray> {
    converter.prepare_from_connect(topic, field).await?;
    converter.from_connect_data(topic, field, values, None).map_err(|error| anyhow!(error.message))
}

/// What stands behind the id of the schema, which may have got another name.
fn payload(bytes: &BinaryArray, row: usize) -> &[u8] {
    &bytes.value(row)[ID_BYTES..]
}

/// The median over the rounds; each must have converted all rows.
fn rate(rounds: u64, mut work: impl FnMut() -> Result<usize>) -> Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        let rows = work()?;
        rates.push(rows as f64 / begin.elapsed().as_secs_f64() / 1e3);
        ensure!(rows == ROWS as usize, "{rows} of {ROWS} rows");
    }
    Ok(median(&rates))
}
