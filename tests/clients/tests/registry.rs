//! Real clients of a schema registry against ours, both ways: they register and serialize and our converters read; our
//! converters write and they read; contents are equal. The registry is in a log of its own and served as the hub serves it.

use anyhow::{Context, Result, ensure};
use arrow_array::{ArrayRef, BinaryArray};
use arrow_schema::Field;
use serde_json::{Value, json};
use sluice_client::Broker;
use sluice_clients::obtain::{self, Obtained};
use sluice_clients::{Client, Report};
use sluice_connect_api::schema_registry::SchemaKind;
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, SchemaRegistry};
use sluice_converters::json::JsonConverter;
use sluice_converters_registry::{RegistryProvider, avro, json_schema, protobuf, registered};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_rest::schema_registry_router;
use sluice_schema_registry::EmbeddedRegistry;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A client under test, and what it can.
struct Candidate {
    name: &'static str,
    obtain: fn() -> Result<Obtained>,
    formats: &'static [&'static str],
}

const CANDIDATES: [Candidate; 2] = [
    Candidate {
        name: "confluent-kafka",
        obtain: || obtain::python("registry.py"),
        formats: &["avro", "json", "protobuf"],
    },
    Candidate {
        name: "@kafkajs/confluent-schema-registry",
        obtain: || obtain::node("registry.mjs"),
        formats: &["avro", "json", "protobuf"],
    },
];

const AVRO: &str = r#"{"type":"record","name":"R","namespace":"org.acme","fields":[
    {"name":"id","type":"long"},{"name":"name","type":["null","string"],"default":null},{"name":"score","type":"double"},
    {"name":"ok","type":"boolean"},{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["b","a"]}},
    {"name":"tags","type":{"type":"array","items":"string"}},{"name":"counts","type":{"type":"map","values":"int"}},
    {"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"n","type":"int"}]}}]}"#;
const JSON_SCHEMA: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"R","type":"object",
    "properties":{"id":{"type":"integer"},"name":{"type":["string","null"]},"score":{"type":"number"},
    "ok":{"type":"boolean"},"kind":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
    "counts":{"type":"object","connect.type":"map","additionalProperties":{"type":"integer"}},
    "inner":{"type":"object","properties":{"n":{"type":"integer"}}}}}"#;
const PROTO: &str = r#"syntax = "proto3"; package org.acme; message R { sint32 id = 1; optional string name = 2; double score = 3;
    bool ok = 4; Kind kind = 5; repeated string tags = 6; map<string, int32> counts = 7; Inner inner = 8;
    enum Kind { b = 0; a = 1; } message Inner { int32 n = 1; } }"#;

fn schema(format: &str) -> &'static str {
    match format {
        "avro" => AVRO,
        "json" => JSON_SCHEMA,
        _ => PROTO,
    }
}

/// As a client's library wants it: confluent-kafka takes a descriptor.
fn schema_for(client: &str, format: &str) -> String {
    match (client, format) {
        ("confluent-kafka", "protobuf") => registered::serialized(PROTO, &[]).expect("the schema is one"),
        _ => schema(format).to_owned(),
    }
}

fn values(format: &str) -> Vec<Value> {
    let kind = |name: &str| json!(name);
    let full = json!({"id": -27, "name": "Zoë", "score": 0.5, "ok": true, "kind": kind("a"), "tags": ["x", ""],
        "counts": {"one": 1, "two": -2}, "inner": {"n": 7}});
    let mut sparse = json!({"id": 1, "name": null, "score": -1e9, "ok": false, "kind": kind("b"), "tags": [],
        "counts": {}, "inner": {"n": 0}});
    if format == "protobuf" {
        sparse.as_object_mut().expect("it is one").remove("name");
    }
    vec![full, sparse]
}

/// The values in the form that a client's library takes.
fn values_for(client: &str, format: &str) -> Vec<Value> {
    let mut values = values(format);
    if format == "protobuf" && client.starts_with('@') {
        for value in &mut values {
            value["kind"] = json!(i32::from(value["kind"] == "a"));
        }
    }
    values
}

/// What is the same in every language: an absent name is null, a number is a number; in Protobuf a member that is its type's zero may be left out.
fn normal(format: &str, value: &Value) -> Value {
    let is_absent = |member: &Value| match member {
        Value::Null => true,
        _ if format != "protobuf" => false,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "b",
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    };
    let members = match value {
        Value::Object(members) => members,
        Value::Array(items) => return items.iter().map(|item| normal(format, item)).collect(),
        // Some languages have one kind of numbers.
        Value::Number(number) => return json!(number.as_f64()),
        other => return other.clone(),
    };
    let members = members.iter().map(|(name, member)| (name.clone(), normal(format, member)));
    Value::Object(members.filter(|(_, member)| !is_absent(member)).collect())
}

struct Served {
    runtime: Runtime,
    registry: Arc<EmbeddedRegistry>,
    url: String,
}

impl Served {
    fn start(folder: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let broker: Arc<dyn Broker> = EmbeddedBroker::open(EmbeddedConfig::new(folder.join("data")))?;
        let (registry, url) = runtime.block_on(async {
            let registry = Arc::new(EmbeddedRegistry::open(&*broker).await?);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            let url = format!("http://{}", listener.local_addr()?);
            let router = schema_registry_router(Arc::clone(&registry));
            tokio::spawn(sluice_rest::serve(listener, router, std::future::pending()));
            anyhow::Ok((registry, url))
        })?;
        Ok(Self { runtime, registry, url })
    }

    fn converter(&self, format: &str) -> Result<Box<dyn Converter>> {
        let registry = Arc::clone(&self.registry);
        let provider: RegistryProvider = Arc::new(move |_| Ok(Arc::clone(&registry) as Arc<dyn SchemaRegistry>));
        let config = ConfigMap::from([("enhanced.avro.schema.support".to_owned(), "true".to_owned())]);
        let made = match format {
            "avro" => avro::make(ConverterRole::Value, &config, &provider),
            "json" => json_schema::make(ConverterRole::Value, &ConfigMap::new(), &provider),
            _ => protobuf::make(ConverterRole::Value, &ConfigMap::new(), &provider),
        };
        made.map_err(anyhow::Error::msg)
    }

    fn read(&self, format: &str, topic: &str, messages: &[Vec<u8>]) -> Result<(Field, ArrayRef)> {
        let converter = self.converter(format)?;
        let bytes = BinaryArray::from_iter(messages.iter().map(Some));
        self.runtime.block_on(converter.prepare_to_connect(topic, &bytes))?;
        let mut converted = converter.to_connect_data(topic, &bytes)?;
        ensure!(converted.len() == 1, "one schema, one group");
        let only = converted.remove(0);
        Ok(((*only.field).clone(), only.values))
    }

    fn write(&self, format: &str, topic: &str, field: &Field, values: &ArrayRef) -> Result<Vec<Vec<u8>>> {
        let converter = self.converter(format)?;
        self.runtime.block_on(converter.prepare_from_connect(topic, field))?;
        let bytes = converter.from_connect_data(topic, field, values, None)?;
        Ok(bytes.iter().flatten().map(<[u8]>::to_vec).collect())
    }
}

fn payloads(format: &str, field: &Field, values: &ArrayRef) -> Result<Vec<Value>> {
    let options = ConfigMap::from([("schemas.enable".to_owned(), "false".to_owned())]);
    let converter = JsonConverter::new(&options).map_err(anyhow::Error::msg)?;
    let bytes = converter.from_connect_data("t", field, values, None)?;
    bytes.iter().flatten().map(|row| Ok(normal(format, &serde_json::from_slice(row)?))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &Value) -> Result<Vec<u8>> {
    let digits = digits.as_str().context("a message is hexadecimal digits")?;
    (0..digits.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&digits[at..at + 2], 16)?)).collect()
}

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let report = Report::new(filter);
    if let Err(error) = run(&report) {
        report.test("the suite", || Err(error));
    }
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(report: &Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let served = Served::start(folder.path())?;
    for candidate in CANDIDATES {
        let name = candidate.name;
        let mut started = None;
        report.test(&format!("{name}: it is obtained and starts"), || {
            started = Some(match (candidate.obtain)()? {
                Ok(mut command) => {
                    command.arg(&served.url);
                    let log_name = if name.starts_with('@') { "kafkajs-registry" } else { name };
                    Ok(Client::start(log_name, command, folder.path())?)
                }
                Err(missing) => Err(missing),
            });
            Ok(())
        });
        let mut client = match started {
            Some(Ok(client)) => client,
            Some(Err(missing)) => {
                report.skip(&format!("{name}: everything"), &missing.to_string());
                continue;
            }
            None => continue,
        };
        println!("{name} {}", client.version());
        report.test(&format!("{name}: it administers subjects"), || administers(&served, &mut client, name));
        for format in candidate.formats {
            report.test(&format!("{name}: what it serializes as {format} our converter reads, and back"), || {
                there_and_back(&served, &mut client, name, format)
            });
        }
    }
    Ok(())
}

fn there_and_back(served: &Served, client: &mut Client, name: &str, format: &str) -> Result<()> {
    let topic = format!("{}-{format}", name.replace(['@', '/'], "-"));
    let (schema, given) = (schema_for(name, format), values_for(name, format));
    let asked = json!({"format": format, "topic": topic, "schema": schema, "values": given});
    let answer = client.call("serialize", asked)?;
    let messages = answer["messages"].as_array().context("messages are a list")?;
    let mut messages = messages.iter().map(bytes).collect::<Result<Vec<_>>>()?;
    if format == "protobuf" && name.starts_with('@') {
        // This library leaves out the message indexes, which Confluent's format has; a zero is what they would be.
        messages.iter_mut().for_each(|message| message.insert(5, 0));
    }
    let (field, column) = served.read(format, &topic, &messages)?;
    let read = payloads(format, &field, &column)?;
    let expected: Vec<Value> = values(format).iter().map(|value| normal(format, value)).collect();
    ensure!(read == expected, "our converter read {read:?} and not {expected:?}");

    // Under a subject of its own: our converter's schema need not follow the client's.
    let topic = format!("{topic}-back");
    let written = served.write(format, &topic, &field, &column)?;
    let digits: Vec<String> = written.iter().map(|message| hex(message)).collect();
    let asked = json!({"format": format, "topic": topic, "schema": schema, "messages": digits});
    let answer = client.call("deserialize", asked)?;
    let read: Vec<Value> =
        answer["values"].as_array().context("values are a list")?.iter().map(|value| normal(format, value)).collect();
    ensure!(read == expected, "the client read {read:?} and not {expected:?}");
    Ok(())
}

fn administers(served: &Served, client: &mut Client, name: &str) -> Result<()> {
    let subject = format!("{}-admin", name.replace(['@', '/'], "-"));
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","namespace":"org.acme","fields":[{fields}]}}"#);
    let (first, second) =
        (record(r#"{"name":"a","type":"int"}"#), r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":1}"#);
    let wrong = record(r#"{"name":"a","type":"string"}"#);
    let asked = json!({"subject": subject, "schema": first, "next_schema": record(second), "wrong_schema": wrong});
    let answer = client.call("administer", asked)?;
    let (id, next) = (answer["id"].as_u64().context("an id")?, answer["next"].as_u64().context("an id")?);
    ensure!(next > id, "{answer}");
    let known = served.registry.find_schema(u32::try_from(id)?)?;
    ensure!(known.kind == SchemaKind::Avro && known.text == first, "{known:?}");
    if name == "confluent-kafka" {
        let expected = json!({
            "id": id, "text": serde_json::from_str::<Value>(&first)?, "lookup": 1, "compatible": true, "incompatible": false,
            "next": next, "versions": [1, 2], "latest": 2, "first": id, "listed": true, "level": "BACKWARD",
            "own_level": "FULL", "using": true,
            "errors": [[409, 409], [422, 42201], [404, 40401], [404, 40402], [404, 40403], [422, 42206]],
            "deleted_version": 2, "deleted": [1], "gone": [1, 2],
        });
        ensure!(answer == expected, "{answer} and not {expected}");
    } else {
        let errors = answer["errors"].as_array().context("errors are a list")?;
        let message = |index: usize| errors[index][1].as_str().unwrap_or_default().to_owned();
        ensure!(answer["lookup"] == id && answer["latest"] == next && answer["first"] == id, "{answer}");
        ensure!(message(0).contains("Schema being registered is incompatible"), "{answer}");
        ensure!(message(1).contains("Subject 'none-such' not found."), "{answer}");
        ensure!(message(2).contains("Schema 99999 not found"), "{answer}");
    }
    Ok(())
}
