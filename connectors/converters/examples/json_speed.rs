//! What `JsonConverter` costs per row of eight columns: `cargo run --release -p sluice-converters --example json_speed`.

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_schema::Field;
use sluice_connect_api::{ConfigMap, Converter};
use sluice_converters::json::JsonConverter;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const ROWS: i64 = 4096;
const ROUNDS: u32 = 200;

fn main() {
    let (field, values) = orders();
    for schemas_enable in ["true", "false"] {
        let config = ConfigMap::from([("schemas.enable".to_owned(), schemas_enable.to_owned())]);
        let converter = JsonConverter::new(&config).expect("the configuration is right");
        let bytes = converter.from_connect_data("orders", &field, &values, None).expect("the batch can be written");
        let size = bytes.value_data().len() as i64 / ROWS;
        let write = ns_per_row(|| {
            black_box(converter.from_connect_data("orders", &field, &values, None).expect("as before"));
        });
        let read = ns_per_row(|| {
            black_box(converter.to_connect_data("orders", &bytes).expect("what was written can be read"));
        });
        println!("schemas.enable={schemas_enable}: {size} bytes a row, write {write} ns, read {read} ns");
    }
}

fn ns_per_row(mut work: impl FnMut()) -> u128 {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() / ROWS as u128
        })
        .collect();
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

fn orders() -> (Field, ArrayRef) {
    let name = |row: i64| format!("customer number {row} of Bern");
    let comment = |row: i64| (row % 3 != 0).then(|| format!("deliver \"soon\" {row}"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("quantity", Arc::new(Int32Array::from_iter_values((0..ROWS).map(|row| row as i32 % 50)))),
        ("price", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 * 1.37)))),
        ("paid", Arc::new((0..ROWS).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>())),
        ("customer", Arc::new(StringArray::from_iter_values((0..ROWS).map(name)))),
        ("comment", Arc::new((0..ROWS).map(comment).collect::<StringArray>())),
        ("due", Arc::new(Date32Array::from_iter_values((0..ROWS).map(|row| row as i32)))),
        ("at", {
            let times = (0..ROWS).map(|row| 1_700_000_000_000 + row * 1000);
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
        }),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, column)| (Arc::new(Field::new(name, column.data_type().clone(), true)), column));
    let values: ArrayRef = Arc::new(StructArray::from(columns.collect::<Vec<_>>()));
    (Field::new("value", values.data_type().clone(), false), values)
}
