//! What a text means when nothing says its type: `SimpleHeaderConverter`'s guess, and the text of the guess.
//!
//! Source: Kafka `org.apache.kafka.connect.data.Values.parseString` and `convertToString`.

use chrono::{DateTime, NaiveDate, NaiveTime};
use num_bigint::BigInt;
use sluice_data::number;
use sluice_data::schema::{DATE, DECIMAL, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};

const DATE_FORMAT: &str = "%Y-%m-%d";
const TIME_FORMAT: &str = "%H:%M:%S%.3fZ";
const TIMESTAMP_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";
/// Lists and maps within each other; Kafka has no limit but the stack's.
const DEPTH_MAX: usize = 64;

/// A guessed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Guess {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    /// Unscaled value and scale.
    Decimal(BigInt, i32),
    /// Days since the epoch.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    String(String),
    List(Vec<Guess>),
    Map(Vec<(Guess, Guess)>),
}

/// Guesses the type of a text. Never fails: what is nothing else is a string.
#[must_use]
pub fn parse(text: &str) -> Guess {
    let trimmed = text.trim();
    match trimmed {
        "null" => return Guess::Null,
        "" => return Guess::String(text.to_owned()),
        _ => {}
    }
    let mut parser = Parser { rest: trimmed };
    match parser.value(0) {
        Some(guess) if parser.rest.trim_start().is_empty() => guess,
        _ => Guess::String(text.to_owned()),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn eat(&mut self, token: char) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `None` when there is no value; an unquoted string is none.
    fn value(&mut self, depth: usize) -> Option<Guess> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.eat('"') {
            return self.quoted();
        }
        if self.eat('[') {
            return self.list(depth);
        }
        if self.eat('{') {
            return self.map(depth);
        }
        self.rest = self.rest.trim_start();
        // A timestamp holds colons, so it is tried before the text is cut at one.
        for length in [24, 13, 10] {
            if let Some(token) = self.rest.get(..length)
                && let Some(guess) = temporal(token)
                && self.rest[length..].trim_start().chars().next().is_none_or(|next| ",:]}".contains(next))
            {
                self.rest = &self.rest[length..];
                return Some(guess);
            }
        }
        let end = self.rest.find([',', ':', ']', '}']).unwrap_or(self.rest.len());
        let token = self.rest[..end].trim();
        let guess = match token {
            "null" => Guess::Null,
            "true" => Guess::Boolean(true),
            "false" => Guess::Boolean(false),
            _ => parse_number(token)?,
        };
        self.rest = &self.rest[end..];
        Some(guess)
    }

    fn quoted(&mut self) -> Option<Guess> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(Guess::String(text));
                }
                '\\' => text.push(characters.next()?.1),
                other => text.push(other),
            }
        }
        None
    }

    fn list(&mut self, depth: usize) -> Option<Guess> {
        let mut items = Vec::new();
        if self.eat(']') {
            return Some(Guess::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.eat(',') {
                return self.eat(']').then_some(Guess::List(items));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Guess> {
        let mut entries = Vec::new();
        if self.eat('}') {
            return Some(Guess::Map(entries));
        }
        loop {
            let key = self.value(depth + 1).filter(|key| *key != Guess::Null)?;
            // An entry without a value is one with null.
            let value = if self.eat(':') { self.value(depth + 1)? } else { Guess::Null };
            entries.push((key, value));
            if !self.eat(',') {
                return self.eat('}').then_some(Guess::Map(entries));
            }
        }
    }
}

fn temporal(token: &str) -> Option<Guess> {
    const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("the epoch is a date");
    if !token.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match token.len() {
        10 => {
            let date = NaiveDate::parse_from_str(token, DATE_FORMAT).ok()?;
            Some(Guess::Date(i32::try_from(date.signed_duration_since(EPOCH).num_days()).ok()?))
        }
        13 => {
            let time = NaiveTime::parse_from_str(token, TIME_FORMAT).ok()?;
            Some(Guess::Time(i32::try_from(time.signed_duration_since(NaiveTime::MIN).num_milliseconds()).ok()?))
        }
        _ => {
            let time = chrono::NaiveDateTime::parse_from_str(token, TIMESTAMP_FORMAT).ok()?;
            Some(Guess::Timestamp(time.and_utc().timestamp_millis()))
        }
    }
}

/// The smallest type that holds the number; a fraction becomes float32 whenever that is finite, and loses digits.
fn parse_number(token: &str) -> Option<Guess> {
    let first = token.strip_prefix(['+', '-']).unwrap_or(token).chars().next()?;
    if !(first.is_ascii_digit() || first == '.') || !token.chars().all(|next| "+-.eE0123456789".contains(next)) {
        return None;
    }
    let float: f64 = token.parse().ok()?;
    if let Some(integer) = number::parse(token.strip_prefix('+').unwrap_or(token), 0) {
        let Ok(integer) = i64::try_from(&integer) else { return Some(Guess::Decimal(integer, 0)) };
        return Some(if let Ok(value) = i8::try_from(integer) {
            Guess::Int8(value)
        } else if let Ok(value) = i16::try_from(integer) {
            Guess::Int16(value)
        } else if let Ok(value) = i32::try_from(integer) {
            Guess::Int32(value)
        } else {
            Guess::Int64(integer)
        });
    }
    let narrow = float as f32;
    match (narrow.is_finite(), float.is_finite()) {
        (true, _) => Some(Guess::Float32(narrow)),
        (false, true) => Some(Guess::Float64(float)),
        _ => None,
    }
}

impl Guess {
    /// `None` for null, and for a list or map of several types.
    #[must_use]
    pub fn schema(&self) -> Option<ConnectSchema> {
        let plain = |kind| Some(ConnectSchema::new(kind));
        match self {
            Self::Null => None,
            Self::Boolean(_) => plain(SchemaType::Boolean),
            Self::Int8(_) => plain(SchemaType::Int8),
            Self::Int16(_) => plain(SchemaType::Int16),
            Self::Int32(_) => plain(SchemaType::Int32),
            Self::Int64(_) => plain(SchemaType::Int64),
            Self::Float32(_) => plain(SchemaType::Float32),
            Self::Float64(_) => plain(SchemaType::Float64),
            Self::String(_) => plain(SchemaType::String),
            Self::Decimal(_, scale) => {
                Some(ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, scale.to_string()))
            }
            Self::Date(_) => Some(ConnectSchema::new(SchemaType::Int32).named(DATE, 1)),
            Self::Time(_) => Some(ConnectSchema::new(SchemaType::Int32).named(TIME, 1)),
            Self::Timestamp(_) => Some(ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1)),
            Self::List(items) => plain(SchemaType::Array(Box::new(common_schema(items.iter())?))),
            Self::Map(entries) => {
                let keys = common_schema(entries.iter().map(|(key, _)| key))?;
                let values = common_schema(entries.iter().map(|(_, value)| value))?;
                plain(SchemaType::Map(Box::new(keys), Box::new(values)))
            }
        }
    }

    /// The text that a header holds; `None` for null. A string stands as it is, but quoted within a list or map.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::String(text) => Some(text.clone()),
            other => Some(other.embedded()),
        }
    }

    fn embedded(&self) -> String {
        let joined = |items: Vec<String>| items.join(",");
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Int8(value) => value.to_string(),
            Self::Int16(value) => value.to_string(),
            Self::Int32(value) => value.to_string(),
            Self::Int64(value) => value.to_string(),
            Self::Float32(value) => number::float_text(&format!("{value:e}")),
            Self::Float64(value) => number::float_text(&format!("{value:e}")),
            Self::Decimal(unscaled, scale) => number::to_text(&unscaled.to_string(), *scale),
            Self::Date(days) => timestamp_text(i64::from(*days) * 86_400_000, DATE_FORMAT),
            Self::Time(ms) => timestamp_text(i64::from(*ms), TIME_FORMAT),
            Self::Timestamp(ms) => timestamp_text(*ms, TIMESTAMP_FORMAT),
            Self::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            Self::List(items) => format!("[{}]", joined(items.iter().map(Self::embedded).collect())),
            Self::Map(entries) => {
                let entry = |(key, value): &(Self, Self)| format!("{}:{}", key.embedded(), value.embedded());
                format!("{{{}}}", joined(entries.iter().map(entry).collect()))
            }
        }
    }
}

/// The schema of all that are not null; among integers and among floats the widest.
fn common_schema<'a>(guesses: impl Iterator<Item = &'a Guess>) -> Option<ConnectSchema> {
    const WIDTHS: [SchemaType; 6] = [
        SchemaType::Int8,
        SchemaType::Int16,
        SchemaType::Int32,
        SchemaType::Int64,
        SchemaType::Float32,
        SchemaType::Float64,
    ];
    let mut common: Option<ConnectSchema> = None;
    for guess in guesses.filter(|guess| **guess != Guess::Null) {
        let schema = guess.schema()?;
        common = match common {
            None => Some(schema),
            Some(common) if common == schema => Some(common),
            Some(common) => {
                let width = |schema: &ConnectSchema| WIDTHS.iter().position(|kind| *kind == schema.kind);
                if width(&common)? >= width(&schema)? { Some(common) } else { Some(schema) }
            }
        };
    }
    common
}

fn timestamp_text(ms: i64, format: &str) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(|| ms.to_string(), |time| time.format(format).to_string())
}
