//! Texts: headers, config values, JSON documents that are right or nearly so.

use super::{NAMES, Shape, payload_of, schema_of, schemaless, timestamp};
use crate::choices::Choices;
use serde_json::{Value, json};
use sluice_data::date_format::DateFormat;

/// What somebody writes into a header.
pub fn header_text(choices: &mut Choices) -> String {
    match choices.below(10) {
        0..=4 => value_text(choices, 2),
        5 => spoilt(choices, 2),
        6 => {
            let pieces = ["[", "]", "{", "}", ",", ":", "\"", "\\", " ", "1", "a", "null", "true", "é", "-", ".", "Z"];
            (0..choices.below(8)).map(|_| choices.pick(&pieces)).collect()
        }
        7 => format!("{}{}{}", choices.pick(&["", " ", "\t"]), value_text(choices, 1), choices.pick(&["", " ", "x"])),
        _ => choices
            .any_of(&["", " ", "null", "true", "false", "TRUE", "NULL", "abc", "[]", "{}", "\"", "a:b"])
            .to_owned(),
    }
}

fn value_text(choices: &mut Choices, depth: usize) -> String {
    match choices.below(if depth == 0 { 8 } else { 11 }) {
        0 => choices.between(-200, 200).to_string(),
        1 => choices.between(i64::MIN, i64::MAX).to_string(),
        2 => format!("{}.{}", choices.between(-100_000, 100_000), choices.below(1000)),
        3 => choices.any_of(&NUMBERS).to_owned(),
        4 => temporal_text(choices),
        5 => choices.pick(&["null", "true", "false"]).to_owned(),
        6 | 7 => format!("\"{}\"", choices.pick(&["x", "", "a,b", "a\\\"b", "2020-01-02", "12:13:14.123Z", "]", "1"])),
        8 | 9 => {
            let items: Vec<String> = (0..choices.below(4)).map(|_| value_text(choices, depth - 1)).collect();
            format!("[{}]", items.join(choices.pick(&[",", ", ", " ,"])))
        }
        _ => {
            let entry = |choices: &mut Choices| {
                let colon = choices.pick(&[":", " : "]);
                format!("{}{colon}{}", value_text(choices, 0), value_text(choices, depth - 1))
            };
            let entries: Vec<String> = (0..choices.below(4)).map(|_| entry(choices)).collect();
            format!("{{{}}}", entries.join(choices.pick(&[",", ", "])))
        }
    }
}

const NUMBERS: [&str; 20] = [
    "1.0",
    "1e3",
    "1E3",
    "+7",
    "-0",
    "0.1234567891",
    "1.5e300",
    "1.5e-300",
    "1e40",
    "1e100",
    "99999999999999999999",
    ".5",
    "5.",
    "1.2.3",
    "--1",
    "+",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "0x10",
];

fn temporal_text(choices: &mut Choices) -> String {
    let pattern = choices.pick(&[
        "yyyy-MM-dd",
        "HH:mm:ss.SSS'Z'",
        "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
        "yyyy-M-d",
        "HH\\:mm\\:ss.SSS'Z'",
        "yyyy-MM-dd'T'HH\\:mm\\:ss.SSS'Z'",
        "yyyy-MM-dd HH:mm:ss",
    ]);
    let pattern = pattern.replace('\\', "'\\'");
    let text = DateFormat::new(&pattern).expect("the pattern is right").format(timestamp(choices));
    if choices.percent(10) { text.replacen(['0', '1'], "9", 1) } else { text }
}

/// A value with one character too few, or too many.
fn spoilt(choices: &mut Choices, depth: usize) -> String {
    let mut characters: Vec<char> = value_text(choices, depth).chars().collect();
    if characters.is_empty() {
        return String::new();
    }
    let at = choices.below(characters.len());
    if choices.percent(50) {
        characters.remove(at);
    } else {
        characters.insert(at, choices.any_of(&[',', '"', ']', '}', ':', '\\', ' ', '7']));
    }
    characters.into_iter().collect()
}

/// A value of a config key.
pub fn config_text(choices: &mut Choices) -> String {
    let number = match choices.below(4) {
        0 => choices.between(-40_000, 40_000).to_string(),
        1 => choices.between(i64::MIN, i64::MAX).to_string(),
        2 => choices.any_of(&NUMBERS).to_owned(),
        _ => format!("{}", choices.between(-1000, 1000) as f64 / 8.0),
    };
    let text = match choices.below(6) {
        0 | 1 => number,
        2 => choices
            .pick(&["true", "False", "TRUE", "yes", "", " ", "1", "0", "null", "1,2", "x", "1d", "NaN", "Infinity"])
            .to_owned(),
        3 => {
            let items = (0..choices.below(5)).map(|_| choices.pick(&["a", "b", "", " c ", "a b", "é"]));
            items.collect::<Vec<_>>().join(choices.pick(&[",", " , ", ",,"]))
        }
        _ => choices.any_of(&NAMES).to_owned(),
    };
    format!("{}{text}{}", choices.pick(&["", "", " ", "\t"]), choices.pick(&["", "", " ", "\n"]))
}

/// A message as `JsonConverter` may find it, right or nearly so, and whether it is right. With `envelope` it has a schema.
pub fn json_bytes(choices: &mut Choices, envelope: bool) -> (Option<Vec<u8>>, bool) {
    if choices.percent(5) {
        return (choices.percent(50).then(Vec::new), false);
    }
    let mut document = if envelope {
        let schema = schema_of(choices, Shape::Any, 2, false);
        let payload = payload_of(choices, &schema);
        json!({"schema": schema, "payload": payload})
    } else {
        schemaless(choices, 2, false)
    };
    let is_changed = choices.percent(25);
    if is_changed {
        mutate(choices, &mut document);
    }
    let mut text = document.to_string().into_bytes();
    let is_cut = choices.percent(5);
    if is_cut {
        let at = choices.below(text.len());
        text.remove(at);
    }
    (Some(text), !is_changed && !is_cut)
}

/// Puts something else in one place.
fn mutate(choices: &mut Choices, document: &mut Value) {
    let replacement = choices.any_of(&[
        Value::Null,
        json!(1),
        json!("x"),
        json!(true),
        json!([1]),
        json!({"a": 1}),
        json!(1.5),
        json!(300),
        json!("AQI="),
    ]);
    match document {
        Value::Object(members) if !members.is_empty() && choices.percent(85) => {
            let name = members.keys().nth(choices.below(members.len())).cloned().expect("there is one");
            match choices.below(6) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert("extra".into(), replacement)),
                _ => mutate(choices, &mut members[&name]),
            }
        }
        Value::Array(items) if !items.is_empty() && choices.percent(85) => {
            let at = choices.below(items.len());
            mutate(choices, &mut items[at]);
        }
        other => *other = replacement,
    }
}
