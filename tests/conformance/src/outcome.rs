//! What became of one record, on either side.

use crate::datum::Datum;
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The configuration was refused.
    Config(String),
    Error(String),
    Dropped,
    Record(Box<Record>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub topic: String,
    pub partition: Option<i64>,
    pub timestamp: Option<i64>,
    pub key: Typed,
    pub value: Typed,
    pub headers: Vec<WrittenHeader>,
}

/// A value and its schema in the envelope's form; no schema is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    pub schema: Value,
    pub value: Datum,
}

#[derive(Debug, Clone, PartialEq)]
pub struct WrittenHeader {
    pub name: String,
    pub text: Option<String>,
    /// Null when there is none, or it is not known.
    pub schema: Value,
}

impl Outcome {
    /// # Panics
    /// When the Java program's answer has another form.
    #[must_use]
    pub fn of_java(json: &Value) -> Self {
        if json.is_null() {
            return Self::Dropped;
        }
        if let Some(error) = json.get("error") {
            return Self::Error(error.as_str().unwrap_or_default().to_owned());
        }
        let header = |header: &Value| WrittenHeader {
            name: header["name"].as_str().expect("a header has a name").to_owned(),
            text: header["text"].as_str().map(str::to_owned),
            schema: plain_schema(&header["schema"]),
        };
        Self::Record(Box::new(Record {
            topic: json["topic"].as_str().expect("a record has a topic").to_owned(),
            partition: json["partition"].as_i64(),
            timestamp: json["timestamp"].as_i64(),
            key: Typed::of_java(&json["key"]),
            value: Typed::of_java(&json["value"]),
            headers: json["headers"].as_array().expect("a record has headers").iter().map(header).collect(),
        }))
    }
}

impl Typed {
    #[must_use]
    pub fn of_java(json: &Value) -> Self {
        Self { schema: plain_schema(&json["schema"]), value: Datum::of_java(&json["value"]) }
    }

    /// Whether there is neither a value nor a schema.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.schema.is_null() && self.value == Datum::Null
    }
}

/// The same schema without members that say nothing, and with one form of numbers.
#[must_use]
pub fn plain_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut plain = Map::new();
            let is_float32 = members.get("type").is_some_and(|kind| kind == "float");
            for (name, value) in members {
                let is_silent = value.is_null() || (name == "optional" && value == false);
                // Of a float32 Java may have written one digit more.
                let shortest = |value: f64| (value as f32).to_string().parse::<f64>().unwrap_or(value);
                match value.as_f64() {
                    Some(default) if is_float32 && name == "default" => {
                        plain.insert(name.clone(), shortest(default).into());
                    }
                    _ if is_silent => {}
                    _ => drop(plain.insert(name.clone(), plain_schema(value))),
                }
            }
            Value::Object(plain)
        }
        Value::Array(items) => items.iter().map(plain_schema).collect(),
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

/// As [`plain_schema`], and null when something in it has no schema: Kafka's lists and maps of nothing but nulls.
#[must_use]
pub fn complete_schema(schema: &Value) -> Value {
    fn is_complete(schema: &Value) -> bool {
        let has = |name: &str| schema.get(name).is_some_and(is_complete);
        match schema["type"].as_str() {
            Some("array") => has("items"),
            Some("map") => has("keys") && has("values"),
            _ => true,
        }
    }
    let plain = plain_schema(schema);
    if is_complete(&plain) { plain } else { Value::Null }
}
