//! The records that every client has to carry, byte for byte.

use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::Client;

/// Between one record and the next, in milliseconds.
pub const TIMESTAMP_STEP: i64 = 1000;

/// Milliseconds since 1970 of the first record: an hour before the first call, since the broker deletes what is older than its retention.
pub fn first_timestamp() -> i64 {
    static FIRST: OnceLock<i64> = OnceLock::new();
    *FIRST.get_or_init(|| {
        let now = UNIX_EPOCH.elapsed().expect("the clock is past 1970").as_millis();
        i64::try_from(now).expect("milliseconds since 1970 fit") - 3_600_000
    })
}

/// One record as it stands between driver and client. Bytes travel as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: i64,
}

impl Record {
    pub fn to_json(&self) -> Value {
        let headers: Vec<Value> =
            self.headers.iter().map(|(name, value)| json!([name, hex(value.as_deref())])).collect();
        json!({
            "key": hex(self.key.as_deref()), "value": hex(self.value.as_deref()),
            "headers": headers, "timestamp": self.timestamp,
        })
    }

    /// Reads a record as a client tells it.
    ///
    /// # Errors
    /// When the client does not keep to the form.
    pub fn from_json(value: &Value) -> Result<Record> {
        let headers = value["headers"].as_array().context("a record has headers")?;
        let headers = headers
            .iter()
            .map(|header| Ok((header[0].as_str().context("a header has a name")?.to_owned(), bytes(&header[1])?)))
            .collect::<Result<_>>()?;
        Ok(Record {
            key: bytes(&value["key"])?,
            value: bytes(&value["value"])?,
            headers,
            timestamp: value["timestamp"].as_i64().context("a record has a timestamp")?,
        })
    }

    /// What is left of the record when this client has read it.
    pub fn as_read_by(&self, reader: &Client) -> Record {
        let mut record = self.clone();
        if reader.cannot("read-null-header") {
            for (_, value) in &mut record.headers {
                value.get_or_insert_default();
            }
        }
        if reader.cannot("repeated-header-order") {
            record.headers.sort_by(|a, b| a.0.cmp(&b.0));
        }
        record
    }
}

/// The set for a client that writes: everything that a record can be, less what this client cannot express.
pub fn records_of(writer: &Client) -> Vec<Record> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let mut shapes = vec![
        (Some(b"key".to_vec()), Some(b"value".to_vec()), vec![]),
        (None, Some(b"no key".to_vec()), vec![header("one", Some(b"1"))]),
        (Some(every_byte.clone()), Some(every_byte.clone()), vec![header("bytes", Some(&every_byte))]),
        (Some(b"empty".to_vec()), Some(Vec::new()), vec![header("empty", Some(b""))]),
        (Some("Schlüssel".into()), Some("значение 値 🦀".into()), vec![header("naïve 名", Some("ü".as_bytes()))]),
        (
            Some(b"several".to_vec()),
            Some(b"headers".to_vec()),
            vec![header("a", Some(b"1")), header("b", Some(b"2")), header("a", Some(b"3"))],
        ),
        (Some(b"large".to_vec()), Some(large()), vec![header("large", Some(&[7; 4096]))]),
    ];
    if writer.cannot("repeated-header-order") {
        shapes[5].2.sort();
    }
    if !writer.cannot("null-value") {
        shapes.push((Some(b"tombstone".to_vec()), None, vec![header("reason", Some(b"deleted"))]));
    }
    if !writer.cannot("null-header") {
        shapes.push((Some(b"null header".to_vec()), Some(b"v".to_vec()), vec![header("null", None)]));
    }
    if !writer.cannot("empty-key") {
        shapes.push((Some(Vec::new()), Some(b"an empty key".to_vec()), vec![]));
    }
    let steps = (0..).map(|index| first_timestamp() + index * TIMESTAMP_STEP);
    let records = shapes.into_iter().zip(steps);
    records.map(|((key, value, headers), timestamp)| Record { key, value, headers, timestamp }).collect()
}

/// 200 kB that a codec makes smaller, though not to nothing.
fn large() -> Vec<u8> {
    let mut state = 42u32;
    let words: Vec<String> = (0..25_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{:07} ", (state >> 16) % 5000)
        })
        .collect();
    words.concat().into_bytes()
}

fn hex(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn bytes(value: &Value) -> Result<Option<Vec<u8>>> {
    if value.is_null() {
        return Ok(None);
    }
    let digits = value.as_str().context("bytes are hexadecimal digits or null")?.as_bytes();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair)?, 16).map_err(Into::into));
    pairs.collect::<Result<Vec<u8>>>().map(Some)
}
