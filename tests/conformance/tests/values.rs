//! What a text means: `Values.parseString` and the text of what it found, and the values of config keys.

use anyhow::Result;
use serde_json::{Value, json};
use sluice_conformance::allowed::{self, same_words};
use sluice_conformance::choices::{extent, seed};
use sluice_conformance::generate::{config_text, header_text};
use sluice_conformance::outcome::{complete_schema, plain_schema};
use sluice_conformance::peer::peer_or_skip;
use sluice_conformance::report::Report;
use sluice_conformance::{Choices, Datum};
use sluice_connect_api::config_def::{Default as KeyDefault, parse_list};
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance};
use sluice_data::values::parse_string;

const TEXTS_PER_QUESTION: usize = 500;

#[test]
fn a_text_is_guessed_and_written_as_kafka_does() -> Result<()> {
    let Some(mut peer) = peer_or_skip("a_text_is_guessed_and_written_as_kafka_does") else { return Ok(()) };
    let seed = seed();
    let mut choices = Choices::new(seed);
    let mut report = Report::default();
    for _ in 0..extent(6, 60) {
        let texts: Vec<String> = (0..TEXTS_PER_QUESTION).map(|_| header_text(&mut choices)).collect();
        let answer = peer.ask(&json!({"kind": "values", "texts": texts}))?;
        for (text, java) in texts.iter().zip(answer["values"].as_array().expect("an answer has values")) {
            report.compared += 1;
            report.valued += usize::from(java["schema"]["type"] != "string");
            if let Some(problem) = problem(text, java, &mut report) {
                report.differ(problem, || format!("{text:?}\n  kafka {java}\n  ours  {:?}", parse_string(text)));
            }
        }
    }
    report.finish("Values.parseString", seed);
    Ok(())
}

fn problem(text: &str, java: &Value, report: &mut Report) -> Option<&'static str> {
    if java.get("error").is_some() {
        return Some("Kafka fails");
    }
    let parsed = parse_string(text);
    if allowed::has_huge_exponent(&Datum::of_java(&java["value"]), &Datum::of_parsed(&parsed)) {
        report.allow(allowed::HUGE_EXPONENT);
        return None;
    }
    if !Datum::of_java(&java["value"]).is_same(&Datum::of_parsed(&parsed)) {
        return Some("value");
    }
    let schema = parsed.schema().map_or(Value::Null, |schema| plain_schema(&schema.to_json()));
    if complete_schema(&java["schema"]) != schema {
        return Some("schema");
    }
    let written = parsed.to_text();
    let expected = java["text"].as_str();
    if written.as_deref() == expected {
        return None;
    }
    let (written, expected) = (written?, expected?);
    let is_same = same_words(expected.as_bytes(), written.as_bytes())
        || Datum::of_parsed(&parse_string(expected)).is_same(&Datum::of_parsed(&parse_string(&written)));
    if is_same {
        report.allow(allowed::FLOAT_TEXT);
        return None;
    }
    Some("text")
}

#[test]
fn a_config_value_parses_as_kafkas() -> Result<()> {
    let Some(mut peer) = peer_or_skip("a_config_value_parses_as_kafkas") else { return Ok(()) };
    let seed = seed();
    let mut choices = Choices::new(seed);
    let mut report = Report::default();
    let types = [
        ("BOOLEAN", ConfigType::Boolean),
        ("STRING", ConfigType::String),
        ("INT", ConfigType::Int),
        ("SHORT", ConfigType::Short),
        ("LONG", ConfigType::Long),
        ("DOUBLE", ConfigType::Double),
        ("LIST", ConfigType::List),
        ("PASSWORD", ConfigType::Password),
    ];
    for _ in 0..extent(1, 10) {
        for (name, kind) in types {
            let texts: Vec<String> = (0..TEXTS_PER_QUESTION).map(|_| config_text(&mut choices)).collect();
            let answer = peer.ask(&json!({"kind": "config", "type": name, "texts": texts}))?;
            for (text, java) in texts.iter().zip(answer["values"].as_array().expect("an answer has values")) {
                report.compared += 1;
                report.valued += usize::from(java.get("error").is_none());
                let ours = parsed(kind, text);
                if !same_config(kind, java, &ours) {
                    report.differ(name, || format!("{text:?}\n  kafka {java}\n  ours  {ours:?}"));
                }
            }
        }
    }
    report.finish("ConfigDef.parseType", seed);
    Ok(())
}

fn parsed(kind: ConfigType, text: &str) -> Result<String, String> {
    let key = ConfigKey::new("key", kind, KeyDefault::Unset, Importance::High, "");
    let config = ConfigMap::from([("key".to_owned(), text.to_owned())]);
    let value = ConfigDef::default().define(key).validate(&config).remove(0);
    match value.errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(value.value.unwrap_or_default()),
    }
}

fn same_config(kind: ConfigType, java: &Value, ours: &Result<String, String>) -> bool {
    match (java.get("error").and_then(Value::as_str), ours) {
        (Some(java), Err(ours)) => java == ours,
        (None, Ok(ours)) => match (kind, java["text"].as_str()) {
            (ConfigType::Double, Some(java)) => {
                let (java, ours): (f64, f64) = (java.parse().expect("a float"), ours.parse().unwrap_or(f64::MIN));
                Datum::Float(java).is_same(&Datum::Float(ours))
            }
            (ConfigType::List, _) => {
                let items: Vec<&str> =
                    java["list"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                allowed::plain_list(&items) == parse_list(ours)
            }
            (_, java) => java == Some(ours),
        },
        _ => false,
    }
}
