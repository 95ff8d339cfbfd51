//! Cases out of a seed: schemas, values that fit them, configurations, texts.

mod config;
mod schema;
mod text;

use crate::choices::Choices;
use serde_json::{Value, json};
use sluice_connect_api::ConfigMap;

pub use config::{CLASSES, config_of};
pub use schema::{Shape, payload_of, schema_of, schemaless};
pub use text::{config_text, header_text, json_bytes};

/// Names of fields, so few that configs meet them.
pub const NAMES: [&str; 8] = ["a", "b", "c", "d", "a.b", "ts", "x y", "é"];

/// One configuration and the records that are sent through it.
#[derive(Debug, Clone)]
pub struct Case {
    pub class: String,
    pub config: ConfigMap,
    pub topic: String,
    pub is_sink: bool,
    pub records: Vec<Input>,
}

/// One record. Key and value are envelopes with the schema of their case, or nothing at all.
#[derive(Debug, Clone)]
pub struct Input {
    pub key: Option<String>,
    pub value: Option<String>,
    pub partition: Option<i32>,
    pub timestamp: Option<i64>,
    pub headers: Vec<(String, Option<String>)>,
}

impl Case {
    /// A case for `class`, with or without the side behind `$`.
    pub fn new(class: &str, choices: &mut Choices, records: usize) -> Self {
        let needs_time = class.starts_with("TimestampConverter");
        let value_schema = choices.percent(70).then(|| {
            let shape = if choices.percent(85) { Shape::Struct } else { Shape::Any };
            schema_of(choices, shape, 2, needs_time)
        });
        let key_schema = if class.ends_with("$Key") {
            value_schema.clone()
        } else {
            choices.percent(50).then(|| schema_of(choices, Shape::Any, 1, false))
        };
        let mut names = field_names(value_schema.as_ref());
        names.extend(NAMES.map(str::to_owned));
        let config = config_of(class, choices, &names);
        let key_nulls = if class.ends_with("$Key") { 10 } else { 40 };
        let is_sink = choices.percent(50);
        let record = |choices: &mut Choices| Input {
            key: side(choices, key_schema.as_ref(), key_nulls, needs_time),
            value: side(choices, value_schema.as_ref(), 10, needs_time),
            partition: (is_sink || choices.percent(70)).then(|| choices.between(0, 9) as i32),
            timestamp: choices.percent(80).then(|| timestamp(choices)),
            headers: headers(choices),
        };
        let records = (0..records).map(|_| record(choices)).collect();
        let topic = choices.pick(&["orders", "a-b.c", "test", "x_1", "${timestamp}"]).to_owned();
        Self { class: class.to_owned(), config, topic, is_sink, records }
    }

    /// The question for the Java program.
    #[must_use]
    pub fn question(&self) -> Value {
        let record = |(row, record): (usize, &Input)| {
            json!({
                "topic": self.topic, "partition": record.partition, "timestamp": record.timestamp,
                "offset": self.is_sink.then_some(row), "key": record.key, "value": record.value, "headers": record.headers,
            })
        };
        let records: Vec<Value> = self.records.iter().enumerate().map(record).collect();
        json!({"kind": "transform", "class": self.class, "config": self.config, "records": records})
    }
}

fn field_names(schema: Option<&Value>) -> Vec<String> {
    let fields = schema.and_then(|schema| schema["fields"].as_array());
    let name = |field: &Value| field["field"].as_str().map(str::to_owned);
    // Twice: a config shall meet what is there more often than not.
    let names: Vec<String> = fields.into_iter().flatten().filter_map(name).collect();
    [names.clone(), names].concat()
}

fn side(choices: &mut Choices, schema: Option<&Value>, nulls: usize, times: bool) -> Option<String> {
    if choices.percent(nulls) {
        return None;
    }
    Some(match schema {
        Some(schema) => json!({"schema": schema, "payload": payload_of(choices, schema)}).to_string(),
        None => json!({"schema": null, "payload": schemaless(choices, 2, times)}).to_string(),
    })
}

/// Around the epoch, today, and far away.
pub fn timestamp(choices: &mut Choices) -> i64 {
    match choices.below(8) {
        0 => choices.any_of(&[0, 86_400_000, -86_400_000, 1]),
        1 => choices.between(-13_000_000_000_000, 0),
        2 => choices.between(0, 20_000) * 86_400_000,
        _ => choices.between(0, 4_000_000_000_000),
    }
}

fn headers(choices: &mut Choices) -> Vec<(String, Option<String>)> {
    // Texts that Kafka reads and writes again as they are.
    let texts = [Some("abc"), Some("12"), Some("true"), None, Some("2020-01-02"), Some("[1,2]")];
    (0..choices.below(3))
        .map(|_| (choices.pick(&["h", "i", "j"]).to_owned(), choices.any_of(&texts).map(str::to_owned)))
        .collect()
}
