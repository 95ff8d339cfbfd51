//! A text to a value. Source: Kafka `Values.parseString`, whose two inner parsers these follow rule by rule: what they make of
//! unfinished lists, blanks and escapes is what existing headers mean.

use super::merge::{Common, Merger};
use super::{EntrySchemas, Parsed};
use crate::date_format::DateFormat;
use crate::number;
use num_bigint::BigInt;
use std::sync::LazyLock;

/// Lists and maps within each other; Kafka has no limit but the stack's.
const DEPTH_MAX: usize = 64;
/// A number like `1e999999999` must not allocate its digits.
const EXPONENT_MAX: i32 = 1000;

static DATE_FORMAT: LazyLock<DateFormat> = LazyLock::new(|| format("yyyy-MM-dd"));
static TIME_FORMAT: LazyLock<DateFormat> = LazyLock::new(|| format("HH:mm:ss.SSS'Z'"));
static TIMESTAMP_FORMAT: LazyLock<DateFormat> = LazyLock::new(|| format("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"));

fn format(pattern: &str) -> DateFormat {
    DateFormat::new(pattern).expect("the pattern is right")
}

/// Guesses the type of a text. Never fails: what is nothing else is a string.
#[must_use]
pub fn parse_string(text: &str) -> Parsed {
    if text.is_empty() {
        return Parsed::String(String::new());
    }
    let mut parser = ValueParser { tokens: Tokens::new(text), depth: 0 };
    // A text that ends in the middle of something is no list and no map.
    parser.parse(false).unwrap_or_else(|_| Parsed::String(text.to_owned()))
}

/// Not a value of this form: the caller tries the next one. Kafka: `DataException`.
struct Refused;

type ParseResult = Result<Parsed, Refused>;

struct ValueParser<'a> {
    tokens: Tokens<'a>,
    depth: usize,
}

impl ValueParser<'_> {
    fn parse(&mut self, embedded: bool) -> ParseResult {
        if !self.tokens.has_next() {
            return Ok(Parsed::Null);
        }
        if embedded && self.tokens.can_consume("\"") {
            return Ok(self.quoted());
        }
        for (literal, value) in
            [("null", Parsed::Null), ("true", Parsed::Boolean(true)), ("false", Parsed::Boolean(false))]
        {
            let start = self.tokens.mark();
            if self.tokens.can_consume(literal) && (embedded || !self.tokens.has_next()) {
                return Ok(value);
            }
            self.tokens.rewind_to(start);
        }
        let start = self.tokens.mark();
        match self.nested() {
            Ok(Some(nested)) => return Ok(nested),
            // Blanks in front of the next token are lost, as in Kafka.
            Ok(None) => {}
            Err(Refused) => self.tokens.rewind_to(start),
        }
        let token = self.tokens.next();
        if is_blank(token) {
            return Ok(Parsed::String(token.to_owned()));
        }
        self.scalar(embedded, java_trim(token))
    }

    /// `None` when this is neither a list nor a map.
    fn nested(&mut self) -> Result<Option<Parsed>, Refused> {
        if self.depth == DEPTH_MAX {
            return Err(Refused);
        }
        self.depth += 1;
        let nested = if self.tokens.can_consume("[") {
            self.list().map(Some)
        } else if self.tokens.can_consume("{") {
            self.map().map(Some)
        } else {
            Ok(None)
        };
        self.depth -= 1;
        nested
    }

    fn scalar(&mut self, embedded: bool, token: &str) -> ParseResult {
        let first = token.chars().next().unwrap_or(' ');
        if first.is_ascii_digit()
            && let Some(temporal) = self.temporal_of_tokens(token)
        {
            return Ok(temporal);
        }
        if (first.is_ascii_digit() || first == '+' || first == '-')
            && let Some(number) = parse_number(token)
        {
            return Ok(number);
        }
        if embedded { Err(Refused) } else { Ok(Parsed::String(self.tokens.original.to_owned())) }
    }

    /// An unescaped colon ends a token, so that a time is five of them.
    fn temporal_of_tokens(&mut self, token: &str) -> Option<Parsed> {
        let start = self.tokens.mark();
        if let Some(rest) = self.tokens.next_several(4)
            && let Some(temporal) = parse_temporal(&format!("{token}{rest}"))
        {
            return Some(temporal);
        }
        self.tokens.rewind_to(start);
        parse_temporal(token)
    }

    fn quoted(&mut self) -> Parsed {
        let mut content = String::new();
        while self.tokens.has_next() {
            if self.tokens.can_consume("\"") {
                break;
            }
            content.push_str(self.tokens.next());
        }
        parse_temporal(&content).unwrap_or(Parsed::String(content))
    }

    fn list(&mut self) -> ParseResult {
        let mut items = Vec::new();
        let mut merger = Merger::default();
        while self.tokens.has_next() {
            if self.tokens.can_consume("]") {
                let common = merger.common();
                let items = common.align(items).ok_or(Refused)?;
                return Ok(Parsed::List(items, common.schema.map(Box::new)));
            }
            if self.tokens.can_consume(",") {
                return Err(Refused);
            }
            let item = self.parse(true)?;
            merger.merge(&item);
            items.push(item);
            let position = self.tokens.mark();
            if self.tokens.can_consume("]") {
                self.tokens.rewind_to(position);
            } else if !self.tokens.can_consume(",") {
                return Err(Refused);
            }
        }
        Err(Refused)
    }

    fn map(&mut self) -> ParseResult {
        let mut entries: Vec<(Parsed, Parsed)> = Vec::new();
        let (mut keys, mut values) = (Merger::default(), Merger::default());
        while self.tokens.has_next() {
            if self.tokens.can_consume("}") {
                return finish_map(entries, keys.common(), values.common());
            }
            if self.tokens.can_consume(",") {
                return Err(Refused);
            }
            let key = self.parse(true)?;
            if key == Parsed::Null || !self.tokens.can_consume(":") {
                return Err(Refused);
            }
            let value = self.parse(true)?;
            keys.merge(&key);
            values.merge(&value);
            put(&mut entries, key, value);
            self.tokens.can_consume(",");
        }
        Err(Refused)
    }
}

fn finish_map(entries: Vec<(Parsed, Parsed)>, key: Common, value: Common) -> ParseResult {
    // Without a common key nothing is converted, as in Kafka.
    let value = if key.exists { value } else { Common { exists: false, schema: None } };
    let (keys, values): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    let (keys, values) = (key.align(keys).ok_or(Refused)?, value.align(values).ok_or(Refused)?);
    let mut converted = Vec::with_capacity(keys.len());
    for (key, value) in keys.into_iter().zip(values) {
        put(&mut converted, key, value);
    }
    let schemas = EntrySchemas { key: key.schema.map(Box::new), value: value.schema.map(Box::new) };
    Ok(Parsed::Map(converted, schemas))
}

/// A later value of the same key takes the place of the earlier one.
fn put(entries: &mut Vec<(Parsed, Parsed)>, key: Parsed, value: Parsed) {
    match entries.iter_mut().find(|(existing, _)| *existing == key) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
}

/// The forms are told apart by their length.
fn parse_temporal(token: &str) -> Option<Parsed> {
    let token = token.replace("\\:", ":");
    match token.encode_utf16().count() {
        13 => TIME_FORMAT.parse(&token).map(Parsed::Time),
        24 => TIMESTAMP_FORMAT.parse(&token).map(Parsed::Timestamp),
        10 => DATE_FORMAT.parse(&token).map(Parsed::Date),
        _ => None,
    }
}

/// The smallest integer that holds the number; a fraction becomes float32 whenever that is finite, and loses digits.
fn parse_number(token: &str) -> Option<Parsed> {
    let (unscaled, scale) = number::decimal_parts(token).filter(|(_, scale)| scale.abs() <= EXPONENT_MAX)?;
    let ten_to = |exponent: i32| BigInt::from(10).pow(exponent as u32);
    let integer = if scale <= 0 {
        Some(&unscaled * ten_to(-scale))
    } else {
        let power = ten_to(scale);
        let quotient = &unscaled / &power;
        (&quotient * &power == unscaled).then_some(quotient)
    };
    if let Some(integer) = integer
        && let Ok(integer) = i64::try_from(&integer)
    {
        return Some(if let Ok(value) = i8::try_from(integer) {
            Parsed::Int8(value)
        } else if let Ok(value) = i16::try_from(integer) {
            Parsed::Int16(value)
        } else if let Ok(value) = i32::try_from(integer) {
            Parsed::Int32(value)
        } else {
            Parsed::Int64(integer)
        });
    }
    let (narrow, wide): (f32, f64) = (token.parse().ok()?, token.parse().ok()?);
    Some(match scale {
        0 => Parsed::Decimal(unscaled, 0),
        _ if narrow.is_finite() => Parsed::Float32(narrow),
        _ if wide.is_finite() => Parsed::Float64(wide),
        _ => Parsed::Decimal(unscaled, scale),
    })
}

/// Java's `String.trim`: without anything up to the blank at both ends.
#[must_use]
pub fn java_trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

fn is_blank(text: &str) -> bool {
    java_trim(text).is_empty()
}

/// The text cut at the delimiters that are not escaped. Source: Kafka `Values.Parser`.
struct Tokens<'a> {
    original: &'a str,
    at: usize,
    next: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    fn new(original: &'a str) -> Self {
        Self { original, at: 0, next: None }
    }

    fn mark(&self) -> usize {
        self.at - self.next.map_or(0, str::len)
    }

    fn rewind_to(&mut self, position: usize) {
        self.at = position;
        self.next = None;
    }

    fn has_next(&self) -> bool {
        self.next.is_some() || self.has_more()
    }

    fn has_more(&self) -> bool {
        self.at < self.original.len()
    }

    fn next(&mut self) -> &'a str {
        self.next.take().unwrap_or_else(|| self.consume())
    }

    /// The text of the next `count` tokens; `None`, and nothing consumed, when there are fewer.
    fn next_several(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind_to(start);
                return None;
            }
            self.next();
        }
        Some(&self.original[start..self.at])
    }

    fn consume(&mut self) -> &'a str {
        let start = self.at;
        let mut is_escaped = false;
        while let Some(byte) = self.original.as_bytes().get(self.at) {
            match byte {
                b'\\' => is_escaped = !is_escaped,
                b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"' if !is_escaped => {
                    self.at += usize::from(start == self.at);
                    break;
                }
                _ => is_escaped = false,
            }
            self.at += 1;
        }
        &self.original[start..self.at]
    }

    /// Consumes the next token that is not blank when it is `expected`, blanks around it not counted.
    fn can_consume(&mut self, expected: &str) -> bool {
        if self.next.is_none() {
            if !self.has_next() {
                return false;
            }
            self.next = Some(self.consume());
        }
        while self.next.is_some_and(is_blank) && self.has_more() {
            self.next = Some(self.consume());
        }
        let found = self.next.is_some_and(|token| java_trim(token) == expected);
        if found {
            self.next = None;
        }
        found
    }
}
