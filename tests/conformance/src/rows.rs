//! Generated records to one of our batches, through our transformation, and its rows back as outcomes.

use crate::datum::Datum;
use crate::generate::Case;
use crate::outcome::{Outcome, Record, Typed, WrittenHeader, plain_schema};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int32Array, Int64Array};
use arrow_schema::Field;
use futures_util::FutureExt;
use serde_json::Value;
use sluice_connect_api::{ConfigMap, Converter, PluginRegistry, Transformation};
use sluice_converters::json::JsonConverter;
use sluice_data::headers::{Header, HeadersBuilder, row_headers};
use sluice_data::schema::is_schemaless;
use sluice_data::{ConnectBatch, ConnectSchema};

/// One batch of all records of a case.
///
/// # Panics
/// When the generated records do not fit their schema.
#[must_use]
pub fn batch_of(case: &Case) -> ConnectBatch {
    let rows = case.records.len();
    let (value_field, values, tombstones) =
        column_and_tombstones(case.records.iter().map(|record| record.value.as_deref()));
    let (key_field, keys) = column_of(case.records.iter().map(|record| record.key.as_deref()));
    let mut headers = HeadersBuilder::default();
    for record in &case.records {
        for (name, text) in &record.headers {
            headers.push(Header { name, value: text.as_deref().map(str::as_bytes), schema: None });
        }
        headers.end_row();
    }
    let timestamps: Int64Array = case.records.iter().map(|record| record.timestamp).collect();
    let partitions: Int32Array = case.records.iter().map(|record| record.partition).collect();
    let tombstones = tombstones_of(&value_field, &values, tombstones);
    let builder = ConnectBatch::builder(case.topic.as_str(), &value_field, values)
        .key(&key_field, keys)
        .timestamps(timestamps)
        .partitions(partitions)
        .headers(headers.finish())
        .tombstones(tombstones);
    let builder = if case.is_sink { builder.offsets(Int64Array::from_iter_values(0..rows as i64)) } else { builder };
    builder.build().expect("the columns make a batch")
}

/// A schemaless null is a tombstone too.
fn tombstones_of(field: &Field, values: &ArrayRef, absent: BooleanArray) -> BooleanArray {
    if !is_schemaless(field) {
        return absent;
    }
    let nulls = values.logical_nulls();
    (0..values.len()).map(|row| Some(nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)))).collect()
}

/// A column of envelopes, `None` for tombstones.
///
/// # Panics
/// When they do not fit their schema, or have several.
#[must_use]
pub fn column_of<'a>(envelopes: impl Iterator<Item = Option<&'a str>>) -> (Field, ArrayRef) {
    let (field, values, _) = column_and_tombstones(envelopes);
    (field, values)
}

/// As [`column_of`], with the rows that are nothing at all.
///
/// # Panics
/// As [`column_of`].
#[must_use]
pub fn column_and_tombstones<'a>(envelopes: impl Iterator<Item = Option<&'a str>>) -> (Field, ArrayRef, BooleanArray) {
    let bytes: BinaryArray = envelopes.collect();
    let converted = envelopes_converter().to_connect_data("t", &bytes).unwrap_or_else(|error| {
        panic!("{error}: {:?}", bytes.iter().flatten().map(String::from_utf8_lossy).collect::<Vec<_>>())
    });
    let [converted] = &converted[..] else { panic!("one schema") };
    let tombstones: BooleanArray = bytes.iter().map(|bytes| Some(bytes.is_none())).collect();
    (converted.field.as_ref().clone(), converted.values.clone(), tombstones)
}

fn envelopes_converter() -> JsonConverter {
    let config = ConfigMap::from([("replace.null.with.default".to_owned(), "false".to_owned())]);
    JsonConverter::new(&config).expect("the config is right")
}

/// Each record's outcome, in order.
///
/// # Panics
/// When a transformation loses a row's id.
#[must_use]
pub fn transformed(registry: &PluginRegistry, case: &Case) -> Vec<Outcome> {
    let class = format!("org.apache.kafka.connect.transforms.{}", case.class);
    let made = registry.transformation(&class, &case.config).now_or_never().expect("native ones do not wait");
    let mut transformation = match made {
        Ok(transformation) => transformation,
        Err(error) => return vec![Outcome::Config(error.to_string()); case.records.len()],
    };
    let mut outcomes = vec![Outcome::Dropped; case.records.len()];
    apply(&mut *transformation, &batch_of(case), &mut outcomes);
    outcomes
}

/// As the worker's chain does it: rows that are bad are found by halves.
fn apply(transformation: &mut dyn Transformation, batch: &ConnectBatch, outcomes: &mut [Outcome]) {
    match transformation.apply(batch).now_or_never().expect("native ones do not wait") {
        Ok(batches) => {
            for batch in batches {
                for row in 0..batch.len() {
                    outcomes[batch.row_ids().value(row) as usize] = Outcome::Record(Box::new(record_of(&batch, row)));
                }
            }
        }
        Err(error) if batch.len() == 1 => {
            outcomes[batch.row_ids().value(0) as usize] = Outcome::Error(error.to_string());
        }
        Err(_) => {
            let half = batch.len() / 2;
            apply(transformation, &batch.slice(0, half), outcomes);
            apply(transformation, &batch.slice(half, batch.len() - half), outcomes);
        }
    }
}

fn record_of(batch: &ConnectBatch, row: usize) -> Record {
    let value = typed(batch.value_field(), batch.value(), row);
    // What a tombstone is, the batch says.
    let value = if batch.is_tombstone(row) { Typed { schema: Value::Null, value: Datum::Null } } else { value };
    let header = |header: Header<'_>| WrittenHeader {
        name: header.name.to_owned(),
        text: header.value.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        schema: header.schema.map_or(Value::Null, |schema| {
            plain_schema(&serde_json::from_str(schema).expect("a header's schema is JSON"))
        }),
    };
    let number = |column: Option<&Int32Array>| {
        column.filter(|column| column.is_valid(row)).map(|column| i64::from(column.value(row)))
    };
    Record {
        topic: batch.topic().to_string(),
        partition: number(batch.partitions()),
        timestamp: batch.timestamps().is_valid(row).then(|| batch.timestamps().value(row)),
        key: typed(batch.key_field(), batch.key(), row),
        value,
        headers: batch.headers().map(|headers| row_headers(headers, row).map(header).collect()).unwrap_or_default(),
    }
}

/// A row's value and its schema.
///
/// # Panics
/// For a column outside the table of schemas.
#[must_use]
pub fn typed(field: &Field, column: &ArrayRef, row: usize) -> Typed {
    let schema = ConnectSchema::from_field(field).expect("the column has a schema");
    let value = Datum::of_row(field, column, row);
    Typed { schema: schema.map_or(Value::Null, |schema| plain_schema(&schema.to_json())), value }
}
