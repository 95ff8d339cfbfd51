//! How a record is printed: kcat's escapes, or JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sluice_client_kafka::tools::ConsumedRecord;

/// What stands for a null.
const NULL: &[u8] = b"NULL";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Value,
    Key,
    Headers,
    Topic,
    Partition,
    Offset,
    Timestamp,
    ValueSize,
    KeySize,
}

/// A format, taken apart. Source: kcat's `-f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

impl Format {
    /// # Errors
    /// A sentence about what is no escape.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            let piece = match character {
                '%' => match rest.next() {
                    Some('%') => None,
                    Some('v' | 's') => Some(Piece::Value),
                    Some('k') => Some(Piece::Key),
                    Some('h') => Some(Piece::Headers),
                    Some('t') => Some(Piece::Topic),
                    Some('p') => Some(Piece::Partition),
                    Some('o') => Some(Piece::Offset),
                    Some('T') => Some(Piece::Timestamp),
                    Some('S') => Some(Piece::ValueSize),
                    Some('K') => Some(Piece::KeySize),
                    other => {
                        let found = other.map(String::from).unwrap_or_default();
                        return Err(format!("%{found} is no part of a format; see sluice consume --help"));
                    }
                },
                '\\' => {
                    literal.extend(escaped(&mut rest)?);
                    continue;
                }
                other => {
                    literal.extend(other.encode_utf8(&mut [0; 4]).bytes());
                    continue;
                }
            };
            match piece {
                None => literal.push(b'%'),
                Some(piece) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self(pieces))
    }

    pub fn write(&self, record: &ConsumedRecord<'_>, out: &mut Vec<u8>) {
        let size = |bytes: Option<&[u8]>| bytes.map_or("-1".to_owned(), |bytes| bytes.len().to_string());
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend(text),
                Piece::Value => out.extend(record.value.unwrap_or(NULL)),
                Piece::Key => out.extend(record.key.unwrap_or(NULL)),
                Piece::Headers => write_headers(record, out),
                Piece::Topic => out.extend(record.topic.as_bytes()),
                Piece::Partition => out.extend(record.partition.to_string().bytes()),
                Piece::Offset => out.extend(record.offset.to_string().bytes()),
                Piece::Timestamp => out.extend(record.timestamp.unwrap_or(-1).to_string().bytes()),
                Piece::ValueSize => out.extend(size(record.value).bytes()),
                Piece::KeySize => out.extend(size(record.key).bytes()),
            }
        }
    }
}

/// What follows a backslash.
fn escaped(rest: &mut std::str::Chars<'_>) -> Result<Vec<u8>, String> {
    Ok(match rest.next() {
        Some('n') => vec![b'\n'],
        Some('t') => vec![b'\t'],
        Some('r') => vec![b'\r'],
        Some('0') => vec![0],
        Some('\\') => vec![b'\\'],
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
            vec![byte.ok_or_else(|| format!("\\x{digits} is no byte; write two hexadecimal digits"))?]
        }
        other => {
            let found = other.map(String::from).unwrap_or_default();
            return Err(format!("\\{found} is no escape of a format; \\\\ is a backslash"));
        }
    })
}

/// Backslash escapes in text that is no format: separators.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '\\' {
            out.extend(escaped(&mut rest)?);
        } else {
            out.extend(character.encode_utf8(&mut [0; 4]).bytes());
        }
    }
    Ok(out)
}

fn write_headers(record: &ConsumedRecord<'_>, out: &mut Vec<u8>) {
    for (number, (name, value)) in record.headers.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend(name.as_bytes());
        out.push(b'=');
        out.extend(value.unwrap_or(NULL));
    }
}

/// One line, without its end.
pub fn to_json(record: &ConsumedRecord<'_>) -> Value {
    let mut object = Map::new();
    object.insert("topic".into(), json!(record.topic));
    object.insert("partition".into(), json!(record.partition));
    object.insert("offset".into(), json!(record.offset));
    object.insert("timestamp".into(), json!(record.timestamp));
    let kind = match (record.timestamp, record.is_append_time) {
        (None, _) => "NoTimestampType",
        (_, true) => "LogAppendTime",
        (_, false) => "CreateTime",
    };
    object.insert("timestamp_type".into(), json!(kind));
    put_bytes(&mut object, "key", "key_encoding", record.key);
    put_bytes(&mut object, "value", "value_encoding", record.value);
    let header = |(name, value): &(&str, Option<&[u8]>)| {
        let mut header = Map::from_iter([("name".to_owned(), json!(name))]);
        put_bytes(&mut header, "value", "encoding", *value);
        Value::Object(header)
    };
    object.insert("headers".into(), record.headers.iter().map(header).collect());
    Value::Object(object)
}

fn put_bytes(object: &mut Map<String, Value>, member: &str, encoding: &str, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        object.insert(member.into(), Value::Null);
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => drop(object.insert(member.into(), json!(text))),
        Err(_) => {
            object.insert(member.into(), json!(STANDARD.encode(bytes)));
            object.insert(encoding.into(), json!("base64"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ConsumedRecord<'static> {
        ConsumedRecord {
            topic: "orders",
            partition: 3,
            offset: 42,
            timestamp: Some(1_700_000_000_000),
            is_append_time: false,
            key: Some(b"k"),
            value: None,
            headers: vec![("a", Some(b"1")), ("a", None), ("b", Some(&[0xff]))],
        }
    }

    fn written(format: &str, record: &ConsumedRecord<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Format::parse(format).unwrap().write(record, &mut out);
        out
    }

    #[test]
    fn every_escape_stands_for_its_part_of_the_record() {
        let text = written("%t-%p@%o %T [%K:%k] [%S:%v] 100%%\\t\\x41\\\\\\n", &record());
        assert_eq!(text, b"orders-3@42 1700000000000 [1:k] [-1:NULL] 100%\tA\\\n");
        assert_eq!(written("%h", &record()), b"a=1,a=NULL,b=\xff");
        assert_eq!(written("%s|%v", &ConsumedRecord { value: Some(b"x"), ..record() }), b"x|x");
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for bad in ["%z", "%", "\\q", "\\x4", "\\"] {
            assert!(Format::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(unescape("\\t|\\x00"), Ok(vec![b'\t', b'|', 0]));
    }

    #[test]
    fn json_keeps_nulls_and_bytes_that_are_no_text() {
        let record = ConsumedRecord { key: Some(&[0xc3, 0x28]), ..record() };
        let json = to_json(&record);
        assert_eq!((&json["key"], &json["key_encoding"]), (&json!("wyg="), &json!("base64")));
        assert_eq!(json["value"], Value::Null);
        assert!(json.get("value_encoding").is_none());
        let headers = json!([{ "name": "a", "value": "1" }, { "name": "a", "value": null }, { "name": "b", "value": "/w==", "encoding": "base64" }]);
        assert_eq!(json["headers"], headers);
        assert_eq!(json["timestamp_type"], "CreateTime");
    }
}
