//! Every difference to Kafka that is meant. `README.md` has them with their reasons; nothing else may be different.

use crate::datum::Datum;
use crate::generate::Case;
use crate::outcome::{Outcome, Record, Typed, WrittenHeader};
use crate::report::Report;
use serde_json::Value;

pub const REFUSED_EARLIER: &str = "a configuration that fails every record is refused at the start";
pub const NULL_UNDER_NEW_SCHEMA: &str = "a null moves on under the schema of its batch";
pub const STAYS_OPTIONAL: &str = "an optional struct stays optional";
pub const SCHEMALESS_TIME: &str = "a schemaless time is its milliseconds";
pub const DECIMAL_RESCALED: &str = "a masked decimal has the scale of its schema";
pub const FLOAT_TEXT: &str = "the text of a float is the shortest";
pub const WHOLE_DEFAULT: &str = "a whole key's or value's default is left out";
pub const LOGICAL_NAME: &str = "a logical type's name does not outlive its type";

/// Compares both sides' outcomes of a case.
pub fn compare(case: &Case, java: &[Outcome], ours: &[Outcome], report: &mut Report) {
    let is_hopeless = java.iter().all(|outcome| matches!(outcome, Outcome::Error(_)));
    for (row, (java, ours)) in java.iter().zip(ours).enumerate() {
        report.compared += 1;
        let problem = match (java, ours) {
            (Outcome::Config(_), Outcome::Config(_)) | (Outcome::Error(_), Outcome::Error(_)) => None,
            (Outcome::Dropped, Outcome::Dropped) => None,
            (Outcome::Record(java), Outcome::Record(ours)) => {
                report.valued += 1;
                record(case, java, ours, report)
            }
            (Outcome::Error(_), Outcome::Config(_)) if is_hopeless => {
                report.allow(REFUSED_EARLIER);
                None
            }
            (Outcome::Error(error), Outcome::Record(_)) if is_rescaled(case, error) => {
                report.allow(DECIMAL_RESCALED);
                None
            }
            (Outcome::Error(error), Outcome::Record(_)) if is_null_of_optional_parent(case, error) => {
                report.allow(STAYS_OPTIONAL);
                None
            }
            _ => Some("one fails and the other does not"),
        };
        if let Some(problem) = problem {
            report.differ(&format!("{}: {problem}", case.class), || {
                let input = &case.records[row];
                format!("config {:?}\n  key   {:?}\n  value {:?}\n  {input:?}\n  kafka {java:?}\n  ours  {ours:?}", case.config, input.key, input.value)
            });
        }
    }
}

fn record(case: &Case, java: &Record, ours: &Record, report: &mut Report) -> Option<&'static str> {
    if java.topic != ours.topic {
        return Some("topic");
    }
    if java.partition != ours.partition || java.timestamp != ours.timestamp {
        return Some("partition or timestamp");
    }
    let is_on = |side: &str| case.class.ends_with(side) || case.class == "ValueToKey";
    let key = side(case, &java.key, &ours.key, is_on("$Key"), report).map(|_| "key");
    let value = side(case, &java.value, &ours.value, is_on("$Value"), report);
    key.or(value).or_else(|| headers(&java.headers, &ours.headers, report).then_some("headers"))
}

fn side(case: &Case, java: &Typed, ours: &Typed, is_changed: bool, report: &mut Report) -> Option<&'static str> {
    if !same_value(&java.value, &ours.value, report) {
        return Some("value");
    }
    if java.schema == ours.schema {
        return None;
    }
    if java.value == Datum::Null {
        report.allow(NULL_UNDER_NEW_SCHEMA);
        return None;
    }
    let (mut java, mut ours) = (java.schema.clone(), ours.schema.clone());
    let class = case.class.split('$').next().unwrap_or_default();
    let mut forget = |member: &str, rule: &'static str, only_in_ours: bool, report: &mut Report| {
        if is_changed && java.get(member) != ours.get(member) && (!only_in_ours || java.get(member).is_none()) {
            for schema in [&mut java, &mut ours] {
                schema.as_object_mut().map(|schema| schema.remove(member));
            }
            report.allow(rule);
        }
    };
    if ["InsertField", "ReplaceField", "HeaderFrom", "Flatten", "ExtractField"].contains(&class) {
        forget("optional", STAYS_OPTIONAL, true, report);
    }
    if ["Cast", "TimestampConverter"].contains(&class) {
        forget("default", WHOLE_DEFAULT, false, report);
    }
    if class == "Cast" && java.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with("org.apache.kafka")) {
        for member in ["name", "version", "parameters"] {
            forget_both(&mut java, &mut ours, member);
        }
        report.allow(LOGICAL_NAME);
    }
    (java != ours).then_some("schema")
}

fn forget_both(java: &mut Value, ours: &mut Value, member: &str) {
    for schema in [java, ours] {
        schema.as_object_mut().map(|schema| schema.remove(member));
    }
}

/// Equal, or different as the rules allow.
fn same_value(java: &Datum, ours: &Datum, report: &mut Report) -> bool {
    if java.is_same(ours) {
        return true;
    }
    match (java, ours) {
        (Datum::Ms(java), Datum::Integer(ours)) if i128::from(*java) == *ours => {
            report.allow(SCHEMALESS_TIME);
            true
        }
        (Datum::Text(java), Datum::Text(ours)) if same_float_text(java, ours) => {
            report.allow(FLOAT_TEXT);
            true
        }
        (Datum::Map(java), Datum::Map(ours)) => {
            java.len() == ours.len()
                && java.iter().zip(ours).all(|(java, ours)| {
                    java.0.is_same(&ours.0) && same_value(&java.1, &ours.1, report)
                })
        }
        (Datum::Struct(java), Datum::Struct(ours)) => {
            java.len() == ours.len()
                && java.iter().zip(ours).all(|(java, ours)| java.0 == ours.0 && same_value(java.1, ours.1, report))
        }
        (Datum::List(java), Datum::List(ours)) => {
            java.len() == ours.len() && java.iter().zip(ours).all(|(java, ours)| same_value(java, ours, report))
        }
        _ => false,
    }
}

/// Java before 19 writes one digit more than needed now and then.
pub fn same_float_text(java: &str, ours: &str) -> bool {
    let is_float = |text: &str| text.contains('.') && text.bytes().all(|byte| b"0123456789.-+E".contains(&byte));
    match (java.parse::<f64>(), ours.parse::<f64>()) {
        (Ok(left), Ok(right)) if is_float(java) && is_float(ours) => {
            left == right || ((left as f32) == (right as f32) && java.len().abs_diff(ours.len()) <= 2)
        }
        _ => false,
    }
}

/// Whether they differ.
fn headers(java: &[WrittenHeader], ours: &[WrittenHeader], report: &mut Report) -> bool {
    let same = |(java, ours): (&WrittenHeader, &WrittenHeader)| {
        let is_text_same = match (&java.text, &ours.text) {
            (Some(java), Some(ours)) if java != ours && same_float_text(java, ours) => {
                report.allow(FLOAT_TEXT);
                true
            }
            (java, ours) => java == ours,
        };
        // A schema that is not known here was not made by a transformation.
        java.name == ours.name && is_text_same && (ours.schema.is_null() || java.schema == ours.schema)
    };
    java.len() != ours.len() || !java.iter().zip(ours).all(same)
}

fn is_rescaled(case: &Case, error: &str) -> bool {
    case.class.starts_with("MaskField") && error.contains("a decimal of scale")
}

fn is_null_of_optional_parent(case: &Case, error: &str) -> bool {
    case.class.starts_with("ExtractField") && error.contains("null for a required")
}
