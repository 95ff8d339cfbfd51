//! What the converters with a registry cost per row of ten columns:
//! `cargo run --release -p sluice-converters-registry --example registry_speed`.

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array,
    StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_schema::Field;
use sluice_connect_api::schema_registry::{CompatibilityLevel, SchemaText, SubjectVersion, VersionSelector};
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, RegistryError, SchemaRegistry};
use sluice_converters_registry::{RegistryProvider, avro, json_schema, protobuf};
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const ROWS: i64 = 4096;
const ROUNDS: u32 = 200;

/// Ids in memory: a registry is asked once, and what it costs is not measured here.
#[derive(Default)]
struct InMemory(Mutex<Vec<SchemaText>>);

#[async_trait::async_trait]
impl SchemaRegistry for InMemory {
    async fn register(&self, _: &str, schema: &SchemaText, _: bool) -> Result<u32, RegistryError> {
        let mut schemas = self.0.lock().expect("nobody panics");
        schemas.push(schema.clone());
        Ok(schemas.len() as u32)
    }

    async fn lookup(&self, subject: &str, _: &SchemaText, _: bool) -> Result<SubjectVersion, RegistryError> {
        Err(RegistryError::new(40401, subject))
    }

    async fn schema_by_id(&self, id: u32) -> Result<SchemaText, RegistryError> {
        let schemas = self.0.lock().expect("nobody panics");
        schemas.get(id as usize - 1).cloned().ok_or_else(|| RegistryError::new(40403, "not found"))
    }

    async fn version(&self, subject: &str, _: VersionSelector) -> Result<SubjectVersion, RegistryError> {
        Err(RegistryError::new(40401, subject))
    }

    async fn check_compatibility(
        &self,
        _: &str,
        _: VersionSelector,
        _: &SchemaText,
    ) -> Result<Vec<String>, RegistryError> {
        Ok(Vec::new())
    }

    async fn compatibility(&self, _: Option<&str>) -> Result<CompatibilityLevel, RegistryError> {
        Ok(CompatibilityLevel::None)
    }

    async fn set_compatibility(&self, _: Option<&str>, _: CompatibilityLevel) -> Result<(), RegistryError> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let registry = Arc::new(InMemory::default());
    let provider: RegistryProvider = Arc::new(move |_| Ok(Arc::clone(&registry) as Arc<dyn SchemaRegistry>));
    let (field, values) = orders();
    let converters: [(&str, Box<dyn Converter>); 3] = [
        ("Avro", avro::make(ConverterRole::Value, &ConfigMap::new(), &provider).expect("no keys are right")),
        ("Protobuf", protobuf::make(ConverterRole::Value, &ConfigMap::new(), &provider).expect("no keys are right")),
        (
            "JSON Schema",
            json_schema::make(ConverterRole::Value, &ConfigMap::new(), &provider).expect("no keys are right"),
        ),
    ];
    for (name, converter) in converters {
        // Under two subjects: two ids of two equal schemas.
        converter.prepare_from_connect("a", &field).await.expect("the schema can be registered");
        converter.prepare_from_connect("b", &field).await.expect("the schema can be registered");
        let write =
            |topic| converter.from_connect_data(topic, &field, &values, None).expect("the batch can be written");
        let (one, two) = (write("a"), write("b"));
        let alternating = BinaryArray::from_iter_values(
            (0..one.len()).map(|row| if row % 2 == 0 { one.value(row) } else { two.value(row) }),
        );
        converter.prepare_to_connect("a", &alternating).await.expect("both schemas are known");
        let size = one.value_data().len() as i64 / ROWS;
        let written = ns_per_row(|| drop(black_box(write("a"))));
        let read = |bytes: &BinaryArray| {
            black_box(converter.to_connect_data("a", bytes).expect("what was written can be read"));
        };
        let (same, mixed) = (ns_per_row(|| read(&one)), ns_per_row(|| read(&alternating)));
        let per_second = |ns: u128| 1_000_000_000 / ns.max(1) / 1000;
        println!(
            "{name}: {size} bytes a row; write {written} ns ({}k/s), read {same} ns ({}k/s), read with two ids in turn {mixed} ns ({}k/s)",
            per_second(written),
            per_second(same),
            per_second(mixed)
        );
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
        ("weight", Arc::new(Float32Array::from_iter_values((0..ROWS).map(|row| row as f32 * 0.5)))),
        ("paid", Arc::new((0..ROWS).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>())),
        ("customer", Arc::new(StringArray::from_iter_values((0..ROWS).map(name)))),
        ("comment", Arc::new((0..ROWS).map(comment).collect::<StringArray>())),
        ("city", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("city {}", row % 100))))),
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
