//! What the tests of the formats share: a registry in a log of its own, and random schemas with random values.

#![allow(dead_code, reason = "each test program uses a part")]

use arrow_array::{ArrayRef, BinaryArray};
use arrow_schema::Field;
use serde_json::{Map, Value, json};
use sluice_client::Broker;
use sluice_connect_api::{ConfigMap, Converted, Converter, SchemaRegistry};
use sluice_converters::json::JsonConverter;
use sluice_converters_registry::RegistryProvider;
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_schema_registry::EmbeddedRegistry;
use std::sync::Arc;

pub struct Registry {
    pub registry: Arc<EmbeddedRegistry>,
    pub broker: Arc<dyn Broker>,
    _folder: tempfile::TempDir,
}

impl Registry {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker: Arc<dyn Broker> = EmbeddedBroker::open(EmbeddedConfig::new(folder.path().join("data"))).unwrap();
        let registry = Arc::new(EmbeddedRegistry::open(&*broker).await.unwrap());
        Self { registry, broker, _folder: folder }
    }

    pub fn provider(&self) -> RegistryProvider {
        let registry = Arc::clone(&self.registry);
        Arc::new(move |_| Ok(Arc::clone(&registry) as Arc<dyn SchemaRegistry>))
    }
}

pub fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn write(converter: &dyn Converter, field: &Field, values: &ArrayRef) -> Result<BinaryArray, String> {
    converter.prepare_from_connect("t", field).await.map_err(|error| error.to_string())?;
    converter.from_connect_data("t", field, values, None).map_err(|error| error.message)
}

pub async fn read(converter: &dyn Converter, bytes: &BinaryArray) -> Result<Vec<Converted>, String> {
    converter.prepare_to_connect("t", bytes).await.map_err(|error| error.to_string())?;
    converter.to_connect_data("t", bytes).map_err(|error| error.message)
}

/// Columns of a schema from values in the JSON form of payloads.
pub fn column(schema: &ConnectSchema, rows: &[Value]) -> (Field, ArrayRef) {
    let content = schema.to_json().to_string();
    let converter =
        JsonConverter::new(&config(&[("schema.content", &content), ("replace.null.with.default", "false")])).unwrap();
    let texts: Vec<String> = rows.iter().map(Value::to_string).collect();
    let bytes = BinaryArray::from_iter(texts.iter().map(|text| Some(text.as_bytes())));
    let mut converted = converter.to_connect_data("t", &bytes).unwrap();
    // The parameters of the field itself are in their own order.
    (schema.to_field("value").unwrap(), converted.remove(0).values)
}

/// A column as payloads again.
pub fn payloads(field: &Field, values: &ArrayRef) -> Vec<Value> {
    let options = config(&[("schemas.enable", "false"), ("replace.null.with.default", "false")]);
    let bytes = JsonConverter::new(&options).unwrap().from_connect_data("t", field, values, None).unwrap();
    bytes.iter().map(|row| row.map_or(Value::Null, |row| serde_json::from_slice(row).unwrap())).collect()
}

/// Splitmix: the same seed, the same choices.
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, count: u64) -> u64 {
        self.draw() % count
    }
}

/// What a format can hold of Connect.
#[derive(Clone, Copy)]
pub struct Limits {
    pub maps_with_other_keys: bool,
    pub nullable_items: bool,
    pub nested_lists: bool,
}

/// A struct with up to six fields, at most `depth` deep.
pub fn any_struct(random: &mut Random, names: &mut u32, depth: u32, limits: Limits) -> ConnectSchema {
    let count = 1 + random.below(6);
    let fields = (0..count).map(|index| (format!("f{index}"), any_schema(random, names, depth, limits)));
    let fields: Vec<_> = fields.collect();
    *names += 1;
    let mut schema = ConnectSchema::new(SchemaType::Struct(fields));
    schema.name = Some(format!("org.test.R{names}"));
    schema
}

fn any_schema(random: &mut Random, names: &mut u32, depth: u32, limits: Limits) -> ConnectSchema {
    let kinds = if depth == 0 { 13 } else { 16 };
    let schema = match random.below(kinds) {
        0 => ConnectSchema::new(SchemaType::Int8),
        1 => ConnectSchema::new(SchemaType::Int16),
        2 => ConnectSchema::new(SchemaType::Int32),
        3 => ConnectSchema::new(SchemaType::Int64),
        4 => ConnectSchema::new(SchemaType::Float32),
        5 => ConnectSchema::new(SchemaType::Float64),
        6 => ConnectSchema::new(SchemaType::Boolean),
        7 => ConnectSchema::new(SchemaType::String),
        8 => ConnectSchema::new(SchemaType::Bytes),
        9 => ConnectSchema::new(SchemaType::Int32).named(DATE, 1),
        10 => ConnectSchema::new(SchemaType::Int32).named(TIME, 1),
        11 => ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1),
        12 => {
            let decimal = ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "2");
            match random.below(3) {
                0 => decimal,
                1 => decimal.parameter(PRECISION, "20"),
                _ => decimal.parameter(PRECISION, "50"),
            }
        }
        13 => {
            let mut item = any_schema(random, names, if limits.nested_lists { depth - 1 } else { 0 }, limits);
            item.optional &= limits.nullable_items;
            ConnectSchema::new(SchemaType::Array(Box::new(item)))
        }
        14 => {
            let kind = if limits.maps_with_other_keys && random.below(3) == 0 {
                SchemaType::Int32
            } else {
                SchemaType::String
            };
            *names += 1;
            let name = format!("org.test.M{names}");
            let mut value = any_schema(random, names, if limits.nested_lists { depth - 1 } else { 0 }, limits);
            value.optional &= limits.nullable_items;
            let mut map =
                ConnectSchema::new(SchemaType::Map(Box::new(ConnectSchema::new(kind.clone())), Box::new(value)));
            map.name = (kind == SchemaType::Int32).then_some(name);
            map
        }
        _ => any_struct(random, names, depth - 1, limits),
    };
    if random.below(2) == 0 { schema.optional() } else { schema }
}

pub fn any_value(random: &mut Random, schema: &ConnectSchema) -> Value {
    if schema.optional && random.below(3) == 0 {
        return Value::Null;
    }
    let text =
        |random: &mut Random| "aé\u{10FFFF}\"\\0".chars().cycle().take(random.below(9) as usize).collect::<String>();
    match (&schema.kind, schema.name.as_deref()) {
        (SchemaType::Bytes, Some(DECIMAL)) => {
            // Minimal two's complement of a number that fits 20 digits.
            let number = (random.draw() as i64) >> random.below(63);
            let bytes = number.to_be_bytes();
            json!(base64(sluice_data::number::minimal(&bytes)))
        }
        (SchemaType::Int32, Some(TIME)) => json!(random.below(86_400_000)),
        // Within the years that Protobuf's date and chrono know.
        (SchemaType::Int32, Some(DATE)) => json!((random.draw() as i32 >> random.below(32)) % 90_000_000),
        (SchemaType::Int8, _) => json!(random.draw() as i8),
        (SchemaType::Int16, _) => json!(random.draw() as i16),
        (SchemaType::Int32, _) => json!((random.draw() >> random.below(64)) as i32),
        (SchemaType::Int64, _) => json!((random.draw() as i64) >> random.below(64)),
        (SchemaType::Float32, _) => json!(random.draw() as i32 as f32 / 1024.0),
        (SchemaType::Float64, _) => json!(random.draw() as i64 as f64 / 1024.0),
        (SchemaType::Boolean, _) => json!(random.below(2) == 0),
        (SchemaType::String, _) => json!(text(random)),
        (SchemaType::Bytes, _) => json!(base64(text(random).as_bytes())),
        (SchemaType::Array(item), _) => (0..random.below(4)).map(|_| any_value(random, item)).collect(),
        (SchemaType::Map(key, value), _) if key.kind == SchemaType::String => {
            let members: Map<String, Value> = (0..random.below(4))
                .map(|index| (format!("{index}{}", text(random)), any_value(random, value)))
                .collect();
            Value::Object(members)
        }
        (SchemaType::Map(_, value), _) => {
            (0..random.below(4)).map(|index| json!([index, any_value(random, value)])).collect()
        }
        (SchemaType::Struct(fields), _) => {
            let members = fields.iter().map(|(name, schema)| (name.clone(), any_value(random, schema)));
            Value::Object(members.collect())
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
