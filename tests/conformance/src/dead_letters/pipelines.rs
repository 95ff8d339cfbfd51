//! What fails: each stage at which a sink's record can, and records of every shape.

use serde_json::{Map, Value, json};

use super::pipeline::{LAST, Pipeline, Record};

const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const INTEGER: &str = "org.apache.kafka.connect.converters.IntegerConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const LONG: &str = "org.apache.kafka.connect.converters.LongConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const CONTEXT_OFF: (&str, &str) = ("errors.deadletterqueue.context.headers.enable", "false");

/// All of them.
#[must_use]
pub fn pipelines() -> Vec<Pipeline> {
    vec![
        values_that_are_no_json(),
        values_without_an_envelope(),
        without_context(),
        keys_of_a_wrong_length(),
        both_converters(),
        headers_that_are_no_numbers(),
        headers_that_are_no_json(),
        text_that_is_no_number(),
        a_field_of_no_struct(),
        the_second_of_three(),
        by_simple_names(),
        none_tolerated(),
    ]
}

fn pipeline(name: &'static str, config: &[(&str, &str)], records: Vec<Record>) -> Pipeline {
    let config: Map<String, Value> = config.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    Pipeline { name, partitions: 1, config, records }
}

fn value(bytes: &[u8]) -> Record {
    Record::new(Some(b"key"), Some(bytes))
}

/// Every kind of bytes that the reader of JSON meets, with every kind of key and header.
fn json_records() -> Vec<Record> {
    vec![
        value(br#"{"a": 1}"#),
        value(br#"{"a": "#),
        Record::new(None, Some(b"{broken")),
        Record::new(Some(b""), Some(b"]")),
        Record::new(None, None),
        Record::new(Some(b"tombstone"), None),
        Record::new(Some(b"\x00\xff\xfe"), Some(b"\xff\xfe\x00")),
        value(b"nonsense").header("own", Some(b"bytes \x00\xff")),
        value(b"{]").header("twice", Some(b"1")).header("twice", Some(b"2")).header("null", None).header("", Some(b"")),
        value(b"{{").header("\u{fc}ber", Some("\u{df}".as_bytes())),
        // A letter that somebody sent again as it was.
        value(b"[[").header("__connect.errors.topic", Some(b"before")).header("__connect.errors.stage", None),
        value(b"{\"a\":\"\xc3\x28\"}x"),
        value(&[b'['; 300]),
        Record::new(Some(b"the end"), Some(b"{the end")).header("a", Some(b"b")).header(LAST, None),
    ]
}

fn values_that_are_no_json() -> Pipeline {
    let config = [("key.converter", BYTES), ("value.converter", JSON), ("value.converter.schemas.enable", "false")];
    pipeline("value", &config, json_records())
}

fn values_without_an_envelope() -> Pipeline {
    let config = [("key.converter", BYTES), ("value.converter", JSON), ("value.converter.schemas.enable", "true")];
    let mut records = vec![
        value(br#"{"a": 1}"#),
        value(br#"{"schema": {"type": "string"}, "payload": "fine"}"#),
        value(br#"{"schema": {"type": "string"}, "payload": "fine", "more": 1}"#),
        value(br#"{"schema": {"type": "unheard of"}, "payload": 1}"#),
        value(br#"{"schema": {"type": "string", "optional": false}, "payload": null}"#),
        value(b"7"),
        value(b"[]"),
    ];
    records.extend(json_records());
    pipeline("envelope", &config, records)
}

fn without_context() -> Pipeline {
    let config =
        [("key.converter", BYTES), ("value.converter", JSON), ("value.converter.schemas.enable", "false"), CONTEXT_OFF];
    pipeline("plain", &config, json_records())
}

/// In two partitions: the context says which.
fn keys_of_a_wrong_length() -> Pipeline {
    let keys: [Option<&[u8]>; 5] = [Some(b"\x00\x00\x00\x07"), Some(b"\x00\x00\x07"), None, Some(b""), Some(b"five5")];
    let mut records = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        records.push(Record::new(key, Some(b"text")).partition(number as i32 % 2).header("h", Some(b"v")));
        records.push(Record::new(key, None).partition((number as i32 + 1) % 2));
    }
    for partition in 0..2 {
        records.push(Record::new(Some(b"bad"), None).partition(partition).header(LAST, Some(b"")));
    }
    let config = [("key.converter", INTEGER), ("value.converter", STRING)];
    Pipeline { partitions: 2, ..pipeline("key", &config, records) }
}

/// The key comes first.
fn both_converters() -> Pipeline {
    let records = vec![
        Record::new(Some(b"1"), Some(b"2")),
        Record::new(Some(b"{"), Some(b"}")),
        Record::new(Some(b"1"), Some(b"}")),
        Record::new(Some(b"{"), None),
        Record::new(None, Some(b"}")).header(LAST, Some(b"!")),
    ];
    let config = [
        ("key.converter", JSON),
        ("key.converter.schemas.enable", "false"),
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
    ];
    pipeline("both", &config, records)
}

/// After key and value, in the order of the headers.
fn headers_that_are_no_numbers() -> Pipeline {
    let good: &[u8] = b"\0\0\0\0\0\0\x01\x02";
    let records = vec![
        value(b"{}").header("n", Some(good)),
        value(b"{}").header("n", Some(b"258")),
        value(b"{}").header("n", None),
        value(b"{}").header("n", Some(b"")),
        value(b"{}"),
        value(b"{").header("n", Some(b"the value fails first")),
        Record::new(None, None).header("n", Some(b"\xff\xfe")),
        value(b"{}").header("", Some(b"nine bytes")).header("n", Some(good)),
        value(b"{}").header("n", Some(good)).header("n", Some(b"\x01")).header("\u{fc}ber", None),
        value(b"{}").header(LAST, Some(b"last")),
    ];
    let config = [
        ("key.converter", BYTES),
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
        ("header.converter", LONG),
    ];
    pipeline("header", &config, records)
}

fn headers_that_are_no_json() -> Pipeline {
    let records = vec![
        value(b"text").header("own", Some(br#"{"schema": {"type": "int8"}, "payload": 7}"#)),
        value(b"text").header("own", Some(br#"{"schema": {"type": "unheard of"}, "payload": 7}"#)),
        value(b"text").header("own", Some(b"7")),
        value(b"text").header("own", Some(b"{")).header("own", Some(b"}")),
        value(b"text").header("null", None),
        value(b"text").header("\u{fc}", Some("\u{df}".as_bytes())),
        Record::new(Some(b"\xff"), None).header("own", Some(b"\xff")),
        value(b"text").header(LAST, Some(b"[")),
    ];
    let config = [("key.converter", BYTES), ("value.converter", STRING), ("header.converter", "JsonConverter")];
    pipeline("header-json", &config, records)
}

fn text_that_is_no_number() -> Pipeline {
    let records = vec![
        value(b"12"),
        value(b"twelve").header("own", Some(b"1")),
        Record::new(None, Some(b"")),
        Record::new(None, Some(b" 12")),
        value(b"99999999999999999999"),
        value("\u{661}\u{6f2}x".as_bytes()),
        Record::new(Some(b"\xff"), Some(b"1.5")),
        value(b"the last").header(LAST, None),
    ];
    let config = [
        ("key.converter", BYTES),
        ("value.converter", STRING),
        ("transforms", "number"),
        ("transforms.number.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.number.spec", "int32"),
    ];
    pipeline("cast", &config, records)
}

fn a_field_of_no_struct() -> Pipeline {
    let records = vec![
        value(br#"{"schema": {"type": "string"}, "payload": "text"}"#),
        Record::new(None, Some(br#"{"schema": {"type": "int64", "optional": true}, "payload": 5}"#)),
        value(br#"{"schema": {"type": "struct", "fields": [{"field": "a", "type": "int32"}]}, "payload": {"a": 1}}"#),
        Record::new(Some(b"tombstone"), None),
        value(br#"{"schema": {"type": "array", "items": {"type": "int32"}}, "payload": [1]}"#)
            .header("own", None)
            .header(LAST, Some(b"x")),
    ];
    let config = [
        ("key.converter", BYTES),
        ("value.converter", JSON),
        ("transforms", "less"),
        ("transforms.less.type", "org.apache.kafka.connect.transforms.ReplaceField$Value"),
        ("transforms.less.exclude", "a"),
    ];
    pipeline("replace", &config, records)
}

/// The letter holds what was there before the first. A predicate spares the tombstones.
fn the_second_of_three() -> Pipeline {
    let records = vec![
        value(br#"{"n": "5"}"#),
        value(br#"{"n": "five"}"#),
        Record::new(Some(b"tombstone"), None),
        value(br#"{"m": 1}"#),
        Record::new(None, Some(br#"{ "n" : "6x" , "z": [ 1.50 ] }"#)),
        value(br#"{"n": [1]}"#).header("own", Some(b"\x01\x02")),
        value(br#"{"n": "last"}"#).header(LAST, None),
    ];
    let config = [
        ("key.converter", BYTES),
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
        ("transforms", "stamp,number,mask"),
        ("transforms.stamp.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
        ("transforms.stamp.topic.field", "topic"),
        ("transforms.stamp.predicate", "gone"),
        ("transforms.stamp.negate", "true"),
        ("transforms.number.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.number.spec", "n:int32"),
        ("transforms.number.predicate", "gone"),
        ("transforms.number.negate", "true"),
        ("transforms.mask.type", "org.apache.kafka.connect.transforms.HoistField$Value"),
        ("transforms.mask.field", "all"),
        ("predicates", "gone"),
        ("predicates.gone.type", "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"),
    ];
    pipeline("chain", &config, records)
}

/// Converters may be given by their simple names; the context has the full ones.
fn by_simple_names() -> Pipeline {
    let records = vec![
        value(br#"{"n": "five"}"#),
        value(b"{"),
        Record::new(Some(b"abc"), Some(b"{}")),
        value(br#"{"n": "last"}"#).header(LAST, None),
    ];
    let records = records.into_iter().map(|record| {
        let key = record.key.clone().filter(|key| key == b"abc").or_else(|| Some(b"\0\0\0\x01".to_vec()));
        Record { key, ..record }
    });
    let config = [
        ("key.converter", "IntegerConverter"),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("transforms", "number"),
        ("transforms.number.type", "org.apache.kafka.connect.transforms.Cast$Value"),
        ("transforms.number.spec", "n:int32"),
    ];
    pipeline("names", &config, records.collect())
}

/// The record that ends the task is a letter too.
fn none_tolerated() -> Pipeline {
    let records = vec![value(br#"{"a": 1}"#), value(b"{the end").header("own", Some(b"1")).header(LAST, Some(b"y"))];
    let config = [
        ("key.converter", BYTES),
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
        ("errors.tolerance", "none"),
    ];
    pipeline("none", &config, records)
}
