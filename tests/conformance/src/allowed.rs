//! Every difference to Kafka that is meant. `README.md` has them with their reasons; nothing else may be different.

use crate::datum::Datum;
use crate::generate::Case;
use crate::outcome::{Outcome, Record, Typed, WrittenHeader, complete_schema};
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

/// Keys that Kafka's have and ours do not: what the worker says to a converter, not the user.
pub const WORKERS_KEYS: [&str; 1] = ["converter.type"];

/// Keys that ours have and Kafka's do not: paths into what is nested, for every transformation of a field.
pub const OWN_KEYS: [&str; 1] = ["field.syntax.version"];

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
            (_, Outcome::Config(error)) if error.contains("for configuration replacement:") => {
                report.allow(REFUSED_EARLIER);
                None
            }
            (Outcome::Error(error), Outcome::Record(_))
                if case.class.starts_with("SetSchemaMetadata") && error.contains("Cannot list fields") =>
            {
                report.allow(ANY_SCHEMA_IS_NAMED);
                None
            }
            (Outcome::Error(error), Outcome::Record(_))
                if case.class.starts_with("ReplaceField")
                    && ["is not a valid field name", "Invalid Java object"].iter().any(|part| error.contains(part)) =>
            {
                report.allow(NOTHING_RENAMED);
                None
            }
            (Outcome::Record(_), Outcome::Error(error)) if error.contains("no day that a Date can hold") => {
                report.allow(FAR_DATE);
                None
            }
            (Outcome::Error(error), Outcome::Record(_)) if is_rescaled(case, error) => {
                report.allow(DECIMAL_RESCALED);
                None
            }
            (Outcome::Error(_), Outcome::Record(ours)) if passes_null(case, ours) => {
                report.allow(NULL_PASSES);
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
                format!(
                    "config {:?}\n  key   {:?}\n  value {:?}\n  {input:?}\n  kafka {java:?}\n  ours  {ours:?}",
                    case.config, input.key, input.value
                )
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
    let is_hoisted_absence = case.class == "HoistField$Key" && java.key.schema.is_null() && !ours.key.schema.is_null();
    if is_hoisted_absence {
        report.allow(ABSENT_KEY);
        return None;
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
    if class == "Cast"
        && java.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with("org.apache.kafka"))
    {
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
        (Datum::Float(java), Datum::Text(ours))
            if !java.is_finite()
                && ours.parse::<f64>().is_ok_and(|ours| Datum::Float(*java).is_same(&Datum::Float(ours))) =>
        {
            report.allow(NOT_FINITE);
            true
        }
        (Datum::Decimal(java), Datum::Decimal(ours)) if same_decimal(java, ours) => {
            report.allow(DECIMAL_RESCALED);
            true
        }
        (Datum::Decimal(java), Datum::Text(ours)) if java == ours => {
            report.allow(MIXED_MAP);
            true
        }
        (Datum::Map(java), Datum::List(ours)) if java.len() == ours.len() => {
            report.allow(MIXED_MAP);
            java.iter().all(|(key, value)| {
                let pair = Datum::List(vec![key.clone(), value.clone()]);
                ours.iter().any(|ours| same_value(&pair, ours, report))
            })
        }
        (Datum::Text(java), Datum::Text(ours)) if same_float_text(java, ours) => {
            report.allow(FLOAT_TEXT);
            true
        }
        (Datum::Map(java), Datum::Map(ours)) => {
            java.len() == ours.len()
                && java
                    .iter()
                    .zip(ours)
                    .all(|(java, ours)| java.0.is_same(&ours.0) && same_value(&java.1, &ours.1, report))
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

/// The same number, of another scale.
fn same_decimal(java: &str, ours: &str) -> bool {
    let parts = |text: &str| sluice_data::number::decimal_parts(text);
    let Some(((java, java_scale), (ours, ours_scale))) = parts(java).zip(parts(ours)) else { return false };
    let power = |scale: i32| num_bigint::BigInt::from(10).pow(scale.clamp(0, 400) as u32);
    java * power(ours_scale) == ours * power(java_scale)
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
            // Java's maps have no order.
            (Some(java), Some(ours)) => java == ours || same_words(java.as_bytes(), ours.as_bytes()),
            (java, ours) => java == ours,
        };
        // A schema that is not known here was not made by a transformation.
        java.name == ours.name && is_text_same && (ours.schema.is_null() || java.schema == ours.schema)
    };
    java.len() != ours.len() || !java.iter().zip(ours).all(same)
}

/// A null that was not looked at.
fn passes_null(case: &Case, ours: &Record) -> bool {
    let side = if case.class.ends_with("$Key") { &ours.key } else { &ours.value };
    side.value == Datum::Null
        && ["ExtractField", "TimestampConverter"].iter().any(|class| case.class.starts_with(class))
}

fn is_rescaled(case: &Case, error: &str) -> bool {
    case.class.starts_with("MaskField") && error.contains("a decimal of scale")
}

fn is_null_of_optional_parent(case: &Case, error: &str) -> bool {
    case.class.starts_with("ExtractField") && error.contains("null for a required")
}

/// A list as ours are: without empty items and without an item that stands twice (KIP-1161 for all lists).
#[must_use]
pub fn plain_list<'a>(items: &[&'a str]) -> Vec<&'a str> {
    let mut plain: Vec<&str> = Vec::new();
    for item in items.iter().filter(|item| !item.is_empty()) {
        if !plain.contains(item) {
            plain.push(item);
        }
    }
    plain
}

pub const STRICT_JSON: &str = "a payload that does not fit its schema is an error, not 0, false or null";
pub const NULL_WITHOUT_SCHEMA: &str = "what is not there has no schema";
pub const ANY_SCHEMA_IS_NAMED: &str = "every schema can be named, not only that of a struct";
pub const ABSENT_KEY: &str = "a key that is not there is a null under the optional schema of its batch";
pub const NULL_PASSES: &str = "a null passes where Kafka looks at its schema first";
pub const MIXED_MAP: &str = "a map whose keys have several types is a list of pairs";
pub const FAR_DATE: &str = "a Date has 32 bits of days";
pub const NOTHING_RENAMED: &str = "renaming a field that is not there changes nothing";
pub const NOT_FINITE: &str = "a schemaless float that is not finite is its name";
pub const SCHEMALESS_TEXT: &str = "schemaless data is written as its JSON text";
pub const BYTES_AS_TEXT: &str = "bytes are no text";
pub const MIXED_LIST: &str = "a list of dates, times and timestamps has no schema";
pub const HUGE_EXPONENT: &str = "a number of more than a thousand zeros is text";

/// Of more places, before or behind the point, a number is no Decimal here.
const PLACES_MAX: i32 = 1_000;

/// A text that is such a number, and stayed one.
#[must_use]
pub fn has_huge_exponent(java: &Datum, ours: &Datum) -> bool {
    let (Datum::Decimal(_), Datum::Text(text)) = (java, ours) else { return false };
    sluice_data::number::decimal_parts(text).is_some_and(|(_, scale)| scale.abs() > PLACES_MAX)
}

/// Whether a list or map holds an instant that is not of the kind that its schema names: a date is a whole day, a time is within one,
/// and a timestamp is hardly ever either.
fn is_of_several_kinds(java: &Typed) -> bool {
    const DAY_MS: i64 = 86_400_000;
    let schema = java.schema.to_string();
    let is_named = |name: &str| schema.contains(&format!("org.apache.kafka.connect.data.{name}\""));
    let is_stranger = |ms: i64| {
        let (is_date, is_time) = (ms % DAY_MS == 0, (0..DAY_MS).contains(&ms));
        (is_named("Date") && !is_date)
            || (is_named("Time") && !is_time)
            || (is_named("Timestamp") && (is_date || is_time))
    };
    matches!(java.value, Datum::List(_) | Datum::Map(_)) && any_instant(&java.value, &is_stranger)
}

fn any_instant(value: &Datum, is_so: &dyn Fn(i64) -> bool) -> bool {
    match value {
        Datum::Ms(ms) => is_so(*ms),
        Datum::List(items) => items.iter().any(|item| any_instant(item, is_so)),
        Datum::Map(entries) => entries.iter().any(|(key, value)| any_instant(key, is_so) || any_instant(value, is_so)),
        _ => false,
    }
}

/// Compares what was read out of bytes; the answer names the problem.
pub fn read(
    class: &str,
    java: &Result<Typed, String>,
    ours: &Result<Typed, String>,
    is_right: bool,
    report: &mut Report,
) -> Option<&'static str> {
    match (java, ours) {
        (Err(_), Err(_)) => None,
        (Ok(java), Ok(ours))
            if class.ends_with("SimpleHeaderConverter") && has_huge_exponent(&java.value, &ours.value) =>
        {
            report.allow(HUGE_EXPONENT);
            None
        }
        (Ok(java), Ok(ours)) => {
            if !same_value(&java.value, &ours.value, report) {
                return Some("value");
            }
            if class.ends_with("SimpleHeaderConverter") && ours.schema.is_null() && is_of_several_kinds(java) {
                report.allow(MIXED_LIST);
                return None;
            }
            if java.value == Datum::Null && ours.schema.is_null() && !class.ends_with("JsonConverter") {
                report.allow(NULL_WITHOUT_SCHEMA);
                return None;
            }
            (complete_schema(&java.schema) != ours.schema).then_some("schema")
        }
        (Ok(_), Err(_)) if class.ends_with("JsonConverter") && !is_right => {
            report.allow(STRICT_JSON);
            None
        }
        (Ok(_), Err(_)) => Some("only ours fails"),
        (Err(_), Ok(_)) => Some("only Kafka's fails"),
    }
}

/// Compares the bytes that were written.
pub fn written(
    class: &str,
    is_schemaless: bool,
    java: &Result<Option<Vec<u8>>, String>,
    ours: &Result<Option<Vec<u8>>, String>,
    report: &mut Report,
) -> Option<&'static str> {
    match (java, ours) {
        (Err(_), Err(_)) => None,
        (Ok(java), Ok(ours)) if java == ours => None,
        (Ok(Some(_)), Ok(Some(ours)))
            if is_schemaless && class.ends_with("StringConverter") && serde_json::from_slice::<Value>(ours).is_ok() =>
        {
            report.allow(SCHEMALESS_TEXT);
            None
        }
        (Ok(Some(java)), Ok(Some(ours))) => {
            let is_same = match class.rsplit('.').next() {
                Some("JsonConverter") => same_json(java, ours),
                _ => same_words(java, ours),
            };
            (!is_same).then_some("bytes")
        }
        (Ok(Some(java)), Err(_)) if class.ends_with("StringConverter") && holds(java, b"[B@") => {
            report.allow(BYTES_AS_TEXT);
            None
        }
        _ => Some("one fails or is null and the other is not"),
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The same document: order of members and form of numbers do not count.
fn same_json(java: &[u8], ours: &[u8]) -> bool {
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    match (parsed(java), parsed(ours)) {
        (Some(java), Some(ours)) => same_document(&java, &ours),
        _ => false,
    }
}

fn same_document(java: &Value, ours: &Value) -> bool {
    match (java, ours) {
        (Value::Number(java), Value::Number(ours)) => {
            // Of a float32 Java may have written one digit more.
            let (java, ours) = (java.as_f64().unwrap_or(f64::NAN), ours.as_f64().unwrap_or(0.0));
            java == ours || (java as f32 == ours as f32 && (java - ours).abs() <= java.abs() * 1e-7)
        }
        (Value::Array(java), Value::Array(ours)) => {
            java.len() == ours.len() && java.iter().zip(ours).all(|(java, ours)| same_document(java, ours))
        }
        (Value::Object(java), Value::Object(ours)) => {
            java.len() == ours.len()
                && java.iter().all(|(name, java)| ours.get(name).is_some_and(|ours| same_document(java, ours)))
        }
        _ => java == ours,
    }
}

/// The same words in any order, since Java's maps have none; floats by their value.
pub fn same_words(java: &[u8], ours: &[u8]) -> bool {
    let words = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut words: Vec<String> = text.split([',', ' ', '=', '{', '}', '[', ']', ':']).map(str::to_owned).collect();
        words.sort();
        words
    };
    let (java, ours) = (words(java), words(ours));
    java.len() == ours.len() && java.iter().zip(&ours).all(|(java, ours)| java == ours || same_float_text(java, ours))
}
