//! Source partitions and offsets in Confluent's form, so that stored offsets can be carried over.

use crate::dialect::days_of;
use sluice_plugin_sdk::{Column, Error, Result, Value, json};

/// Up to where a table was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub incrementing: Option<i64>,
    pub timestamp_ms: Option<i64>,
}

impl Position {
    pub fn from_json(offset: &Value) -> Self {
        Self { incrementing: offset["incrementing"].as_i64(), timestamp_ms: offset["timestamp"].as_i64() }
    }

    pub fn to_json(self) -> Value {
        let mut offset = json!({});
        if let Some(incrementing) = self.incrementing {
            offset["incrementing"] = incrementing.into();
        }
        if let Some(timestamp) = self.timestamp_ms {
            offset["timestamp"] = timestamp.into();
            offset["timestamp_nanos"] = (timestamp.rem_euclid(1_000) * 1_000_000).into();
        }
        offset
    }
}

pub fn table_partition(table: &str) -> Value {
    json!({ "protocol": "1", "table": table })
}

/// Confluent's partition of a custom query.
pub fn query_partition() -> Value {
    json!({ "query": "query" })
}

/// Whether an offset that a user wants to set makes sense here.
pub fn check(partition: Option<&Value>, offset: Option<&Value>) -> Result<()> {
    let refuse = |message: String| Err(Error::fatal("offset.malformed", message));
    let partition = partition.and_then(Value::as_object);
    if !partition.is_some_and(|partition| partition.contains_key("table") || partition.contains_key("query")) {
        return refuse(
            "a partition must be {\"protocol\":\"1\",\"table\":\"<name>\"} or {\"query\":\"query\"}".to_owned(),
        );
    }
    let Some(offset) = offset else { return Ok(()) };
    let Some(members) = offset.as_object() else { return refuse(format!("offset {offset} must be an object")) };
    for (name, value) in members {
        if !matches!(name.as_str(), "incrementing" | "timestamp" | "timestamp_nanos") || !value.is_i64() {
            return refuse(format!(
                "offset member {name:?} must be incrementing, timestamp or timestamp_nanos, with an integer"
            ));
        }
    }
    Ok(())
}

/// What a column of timestamps holds, as it reaches the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampForm {
    Days,
    Millis,
    Micros,
    Nanos,
}

impl TimestampForm {
    /// From the column's Connect schema and the granularity that was asked for.
    pub fn of(schema: &Value, granularity: &str) -> Self {
        let name = schema["name"].as_str().unwrap_or_default();
        match (name, granularity) {
            ("org.apache.kafka.connect.data.Date", _) => Self::Days,
            ("org.apache.kafka.connect.data.Timestamp", "micros_long" | "micros_string") => Self::Micros,
            ("org.apache.kafka.connect.data.Timestamp", "nanos_long" | "nanos_string") => Self::Nanos,
            _ => Self::Millis,
        }
    }

    /// Milliseconds since the epoch, rounded as the database rounds; `None` when it is null.
    pub fn ms(self, column: &Column, row: usize) -> Option<i64> {
        let number = match column.integer(row) {
            Some(number) => number,
            None => {
                let text = column.text(row)?;
                match text.parse() {
                    Ok(number) => number,
                    Err(_) => return ms_of_text(text),
                }
            }
        };
        Some(match self {
            Self::Days => number.saturating_mul(86_400_000),
            Self::Millis => number,
            Self::Micros => number.saturating_add(500).div_euclid(1_000),
            Self::Nanos => number.saturating_add(500_000).div_euclid(1_000_000),
        })
    }
}

/// `YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]]][Z|±HH:MM]`, rounded to milliseconds.
fn ms_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let days = days_of(number(0..4)?, number(5..7)?, number(8..10)?);
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return Some(days * 86_400_000);
    }
    let rest = rest.strip_prefix(['T', ' '])?;
    let (time, zone_minutes) = match rest.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => match rest.rfind(['+', '-']) {
            Some(at) => {
                let (hours, minutes) = rest.get(at + 1..)?.split_once(':')?;
                let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
                (&rest[..at], if rest[at..].starts_with('-') { -minutes } else { minutes })
            }
            None => (rest, 0),
        },
    };
    let mut parts = time.split(':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok()?;
    let ms = (seconds * 1_000.0 + 0.5).floor() as i64;
    Some(days * 86_400_000 + (hours * 60 + minutes - zone_minutes) * 60_000 + ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_confluents_form() {
        let position = Position { incrementing: Some(7), timestamp_ms: Some(1_234) };
        let offset = json!({"incrementing": 7, "timestamp": 1_234, "timestamp_nanos": 234_000_000});
        assert_eq!(position.to_json(), offset);
        assert_eq!(Position::from_json(&offset), position);
        assert_eq!(Position { incrementing: Some(7), timestamp_ms: None }.to_json(), json!({"incrementing": 7}));
        assert_eq!(Position::from_json(&json!({})), Position::default());
    }

    #[test]
    fn offsets_that_make_no_sense_are_refused() {
        assert!(check(Some(&table_partition("t")), Some(&json!({"incrementing": 3}))).is_ok());
        assert!(check(Some(&query_partition()), None).is_ok());
        assert!(check(Some(&json!({"filename": "x"})), None).is_err());
        assert!(check(Some(&table_partition("t")), Some(&json!({"incrementing": "3"}))).is_err());
        assert!(check(Some(&table_partition("t")), Some(&json!({"position": 3}))).is_err());
    }

    #[test]
    fn timestamps_become_milliseconds_from_every_form() {
        let ms = |form: TimestampForm, column: Column| form.ms(&column, 0);
        assert_eq!(ms(TimestampForm::Days, Column::int32(vec![1])), Some(86_400_000));
        assert_eq!(ms(TimestampForm::Micros, Column::int64(vec![1_500])), Some(2));
        assert_eq!(ms(TimestampForm::Nanos, Column::utf8(["1500000"])), Some(2));
        assert_eq!(ms(TimestampForm::Millis, Column::utf8(["1970-01-01T00:00:01.0006Z"])), Some(1_001));
        assert_eq!(ms(TimestampForm::Millis, Column::utf8(["1970-01-01 02:00:00+02:00"])), Some(0));
        assert_eq!(ms(TimestampForm::Millis, Column::utf8(["1970-01-02"])), Some(86_400_000));
        assert_eq!(ms(TimestampForm::Millis, Column::utf8(["x"]).valid([false])), None);
    }
}
