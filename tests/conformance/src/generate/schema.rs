//! Schemas in the envelope's form and payloads that fit them.

use super::{NAMES, timestamp};
use crate::choices::Choices;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Any,
    Struct,
}

const TEXTS: [&str; 20] = [
    "",
    "x",
    "true",
    "TRUE",
    "false",
    "12",
    "-7",
    "300",
    "+5",
    "1.5",
    " 2 ",
    "1e3",
    "NaN",
    "2020-01-02",
    "null",
    "é€😀",
    "a\"b\\c",
    "{",
    "1f",
    "2020-01-02T03:04:05.678Z",
];

/// A schema. With `times`, fields that hold times are many.
pub fn schema_of(choices: &mut Choices, shape: Shape, depth: usize, times: bool) -> Value {
    let kind = match shape {
        Shape::Struct => "struct",
        Shape::Any if times && choices.percent(70) => choices.pick(&["timestamp", "date", "time", "int64", "string"]),
        Shape::Any => choices.pick(&[
            "int8",
            "int16",
            "int32",
            "int64",
            "float",
            "double",
            "boolean",
            "string",
            "string",
            "bytes",
            "date",
            "time",
            "timestamp",
            "decimal",
            "array",
            "map",
            "struct",
        ]),
    };
    let kind = if depth == 0 && ["array", "map", "struct"].contains(&kind) { "int32" } else { kind };
    let mut schema = Map::new();
    let mut logical = |kind: &str, name: &str| {
        schema.insert("type".into(), kind.into());
        schema.insert("name".into(), name.into());
        schema.insert("version".into(), 1.into());
    };
    match kind {
        "date" => logical("int32", DATE),
        "time" => logical("int32", TIME),
        "timestamp" => logical("int64", TIMESTAMP),
        "decimal" => {
            logical("bytes", DECIMAL);
            let mut parameters = Map::from_iter([(SCALE.to_owned(), choices.between(0, 4).to_string().into())]);
            if choices.percent(40) {
                parameters.insert(PRECISION.into(), choices.any_of(&["9", "20", "50"]).into());
            }
            schema.insert("parameters".into(), parameters.into());
        }
        plain => {
            schema.insert("type".into(), plain.into());
            describe(choices, &mut schema);
        }
    }
    match kind {
        "array" => drop(schema.insert("items".into(), schema_of(choices, Shape::Any, depth - 1, false))),
        "map" => {
            let key = if choices.percent(80) { json!({"type": "string"}) } else { json!({"type": "int32"}) };
            schema.insert("keys".into(), key);
            schema.insert("values".into(), schema_of(choices, Shape::Any, depth - 1, false));
        }
        "struct" => {
            let mut names = NAMES.to_vec();
            let count = choices.between(1, 5);
            let mut fields = Vec::new();
            for _ in 0..count {
                let name = names.remove(choices.below(names.len()));
                let mut field = schema_of(choices, Shape::Any, depth - 1, times);
                field["field"] = name.into();
                fields.push(field);
            }
            schema.insert("fields".into(), fields.into());
        }
        _ => {}
    }
    finish(choices, schema, shape, depth)
}

/// Optional or not, and with a default now and then, which must fit.
fn finish(choices: &mut Choices, mut schema: Map<String, Value>, shape: Shape, depth: usize) -> Value {
    schema.insert("optional".into(), choices.percent(if shape == Shape::Struct { 20 } else { 45 }).into());
    // A whole record's default says nothing about a record; a field's does. Kafka's envelope cannot carry one of a struct.
    let is_struct = schema["type"] == "struct";
    if shape == Shape::Any && !is_struct && depth < 2 && choices.percent(15) {
        let mut required = schema.clone();
        required.insert("optional".into(), false.into());
        let default = payload_of(choices, &required.into());
        schema.insert("default".into(), default);
    }
    schema.into()
}

fn describe(choices: &mut Choices, schema: &mut Map<String, Value>) {
    if choices.percent(20) {
        schema.insert("name".into(), choices.any_of(&["Foo", "com.example.Bar"]).into());
        schema.insert("version".into(), choices.between(1, 3).into());
    }
    if choices.percent(10) {
        schema.insert("doc".into(), "what it is".into());
    }
    if choices.percent(10) {
        schema.insert("parameters".into(), json!({"p": "q"}));
    }
}

/// A payload that fits the schema; null where that may be.
///
/// # Panics
/// When this is no schema.
pub fn payload_of(choices: &mut Choices, schema: &Value) -> Value {
    if schema["optional"] == true && choices.percent(20) {
        return Value::Null;
    }
    let mut within = |low: i64, high: i64| {
        if choices.percent(30) {
            choices.any_of(&[low, high, 0, 1, -1]).clamp(low, high)
        } else {
            choices.between(low, high)
        }
    };
    match (schema["type"].as_str().expect("a schema has a type"), schema["name"].as_str()) {
        (_, Some(DATE)) => within(-200_000, 200_000).into(),
        (_, Some(TIME)) => within(0, 86_399_999).into(),
        (_, Some(TIMESTAMP)) => timestamp(choices).into(),
        (_, Some(DECIMAL)) => {
            let unscaled = within(-9_999_999, 9_999_999);
            let bytes = num_bigint::BigInt::from(unscaled).to_signed_bytes_be();
            STANDARD.encode(bytes).into()
        }
        ("int8", _) => within(i8::MIN.into(), i8::MAX.into()).into(),
        ("int16", _) => within(i16::MIN.into(), i16::MAX.into()).into(),
        ("int32", _) => within(i32::MIN.into(), i32::MAX.into()).into(),
        ("int64", _) if choices.percent(50) => timestamp(choices).into(),
        ("int64", _) => choices.between(i64::MIN, i64::MAX).into(),
        ("float", _) => {
            // Few digits: of more, Java before 19 may write one too many.
            let value = match choices.below(4) {
                0 => choices.any_of(&[0.0, 0.5, -1.5, 1e10, -3e38, 1e-5]),
                _ => choices.between(-99_999, 99_999) as f32 / choices.any_of(&[1.0, 2.0, 10.0, 100.0]),
            };
            value.to_string().parse::<f64>().expect("a float").into()
        }
        ("double", _) => float(choices).into(),
        ("boolean", _) => choices.percent(50).into(),
        ("string", _) => text(choices).into(),
        ("bytes", _) => {
            let bytes: Vec<u8> = (0..choices.below(5)).map(|_| choices.bits() as u8).collect();
            STANDARD.encode(bytes).into()
        }
        ("array", _) => (0..choices.below(4)).map(|_| payload_of(choices, &schema["items"])).collect(),
        ("map", _) if schema["keys"]["type"] == "string" => {
            let entry = |choices: &mut Choices| (text(choices), payload_of(choices, &schema["values"]));
            (0..choices.below(4)).map(|_| entry(choices)).collect::<Map<String, Value>>().into()
        }
        ("map", _) => {
            let entry = |key: usize| json!([key, payload_of(choices, &schema["values"])]);
            (0..3).map(entry).collect()
        }
        ("struct", _) => {
            let fields = schema["fields"].as_array().expect("a struct has fields").iter();
            let member = |field: &Value| {
                (field["field"].as_str().expect("a field has a name").to_owned(), payload_of(choices, field))
            };
            fields.map(member).collect::<Map<String, Value>>().into()
        }
        (other, _) => panic!("no type {other}"),
    }
}

/// A value without a schema: objects most of the time.
pub fn schemaless(choices: &mut Choices, depth: usize, times: bool) -> Value {
    match choices.below(if depth == 2 { 10 } else { 8 }) {
        0 => choices.percent(50).into(),
        1 if depth < 2 => Value::Null,
        2 => float(choices).into(),
        3 if times => timestamp(choices).into(),
        3 => choices.between(-1000, 1000).into(),
        4 if depth > 0 => (0..choices.below(3)).map(|_| schemaless(choices, depth - 1, false)).collect(),
        5 | 8 | 9 if depth > 0 => object(choices, depth, times),
        6 if times => timestamp(choices).into(),
        _ => text(choices).into(),
    }
}

fn object(choices: &mut Choices, depth: usize, times: bool) -> Value {
    let member = |choices: &mut Choices| {
        let is_time = times && choices.percent(70);
        (choices.any_of(&NAMES).to_owned(), schemaless(choices, depth - 1, is_time))
    };
    (0..choices.below(6)).map(|_| member(choices)).collect::<Map<String, Value>>().into()
}

fn text(choices: &mut Choices) -> String {
    choices.any_of(&TEXTS).to_owned()
}

/// A float that is finite, and not so rare that both sides' texts are long.
fn float(choices: &mut Choices) -> f64 {
    match choices.below(6) {
        0 => choices.any_of(&[0.0, 0.25, 0.5, -1.5, 1e10, -1e19, 3.4e38, 1e-5, 123_456_789.125]),
        1 => choices.between(-1000, 1000) as f64,
        _ => choices.between(-1_000_000, 1_000_000) as f64 / choices.any_of(&[2.0, 4.0, 10.0, 1000.0]),
    }
}
