//! `header.converter`: what headers are in the log and in a batch.

use crate::support::*;
use sluice_client::{Append, PartitionRecords};
use sluice_protocol::RecordBatchBuilder;
use sluice_worker::{ConverterConfig, SystemClock, WorkerConfig};
use std::sync::Arc;
use tempfile::{TempDir, tempdir};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const LONG: &str = "org.apache.kafka.connect.converters.LongConverter";
const INT64: &str = r#"{"type":"int64","optional":true}"#;

const TOLERANT: [(&str, &str); 3] = [
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

type Given<'a> = (&'a str, Option<&'a [u8]>);

async fn start() -> (Hub, TempDir) {
    let folder = tempdir().unwrap();
    (Hub::start(&open_broker(folder.path())).await, folder)
}

/// A source of as many records as there are lists of headers, and what of it lies in the log.
async fn written(entries: &[(&str, &str)], headers: &[&[BatchHeader]]) -> (Hub, TempDir, Vec<Record>) {
    let (hub, folder) = start().await;
    let count = headers.len() as i64;
    let headers = (0..).zip(headers.iter().map(|headers| headers.to_vec()));
    hub.counter.0.change(|script| script.headers = headers.collect());
    hub.counter.give(count, count);
    hub.run(source_spec(entries)).await;
    hub.counter.until_committed(count).await;
    let records = hub.read("numbers", 0).await;
    (hub, folder, records)
}

/// Records `v-0`, `v-1`, … with these headers.
async fn produce(hub: &Hub, headers: &[&[Given<'_>]]) {
    hub.create_topic("numbers", 1).await;
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for (number, headers) in headers.iter().enumerate() {
        let value = format!("v-{number}");
        builder.push_with_headers(1_000, None, Some(value.as_bytes()), headers.iter().copied()).unwrap();
    }
    let records = vec![PartitionRecords { topic: "numbers".into(), partition: 0, records: builder.finish() }];
    let producer = hub.broker.producer("test").await.unwrap();
    producer.send(Append { records, group_offsets: Vec::new() }).await.unwrap().await.unwrap();
}

fn delivered(hub: &Hub, offset: i64) -> Vec<BatchHeader> {
    hub.target.0.look(|state| state.headers[&offset].clone())
}

/// Without those that name the error.
fn original(letter: &Record) -> Vec<(&str, &str)> {
    let headers = letter.headers.iter().filter(|(name, _)| !name.starts_with("__connect.errors."));
    headers.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn error<'a>(letter: &'a Record, name: &str) -> &'a str {
    let name = format!("__connect.errors.{name}");
    &letter.headers.iter().find(|(header, _)| *header == name).unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_headers_are_what_the_header_converter_makes_of_their_values() {
    let headers = [
        BatchHeader::new("number", Some(b"7"), Some(INT64)),
        BatchHeader::new("text", Some(b"7"), None),
        BatchHeader::new("bytes", Some(b"\xff"), None),
        BatchHeader::new("nothing", None, None),
        BatchHeader::new("no number", None, Some(INT64)),
        BatchHeader::new(
            "list",
            Some(b"[1.5,null]"),
            Some(r#"{"type":"array","items":{"type":"double","optional":true}}"#),
        ),
    ];
    let inserted = [
        ("header.converter", JSON),
        ("transforms", "insert"),
        ("transforms.insert.type", "InsertHeader"),
        ("transforms.insert.header", "inserted"),
        ("transforms.insert.value.literal", "true"),
    ];
    let (_hub, _folder, records) = written(&inserted, &[&headers, &[], &headers[..1]]).await;
    let number = r#"{"schema":{"type":"int64","optional":true},"payload":7}"#;
    let boolean = r#"{"schema":{"type":"boolean","optional":false},"payload":true}"#;
    let headers = |index: usize| -> Vec<(&str, &str)> {
        records[index].headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    };
    assert_eq!(
        headers(0),
        [
            ("number", number),
            ("text", r#"{"schema":{"type":"string","optional":true},"payload":"7"}"#),
            ("bytes", r#"{"schema":{"type":"bytes","optional":true},"payload":"/w=="}"#),
            ("nothing", ""),
            ("no number", r#"{"schema":{"type":"int64","optional":true},"payload":null}"#),
            (
                "list",
                r#"{"schema":{"type":"array","items":{"type":"double","optional":true},"optional":false},"payload":[1.5,null]}"#
            ),
            ("inserted", boolean),
        ]
    );
    assert_eq!(headers(1), [("inserted", boolean)]);
    assert_eq!(headers(2), [("number", number), ("inserted", boolean)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_numbers_are_the_bytes_of_a_number_converter() {
    let header = BatchHeader::new("n", Some(b"258"), Some(INT64));
    let (_hub, _folder, records) = written(&[("header.converter", LONG)], &[&[header]]).await;
    assert_eq!(records[0].headers, [("n".to_owned(), "\0\0\0\0\0\0\x01\x02".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_header_that_is_not_converted_makes_its_record_a_dead_letter_and_no_other() {
    let good = [BatchHeader::new("n", Some(b"1"), Some(INT64))];
    let bad = [good[0].clone(), BatchHeader::new("n", Some(b"many"), None)];
    let entries = [&TOLERANT[..], &[("header.converter", "LongConverter")]].concat();
    let (hub, _folder, records) = written(&entries, &[&good, &bad, &good, &[]]).await;
    assert_eq!(values(&records), ["n-0", "n-2", "n-3"]);
    let letters = hub.read("dead", 0).await;
    assert_eq!(values(&letters), ["n-1"]);
    assert_eq!(original(&letters[0]), [("n", "1"), ("n", "many")]);
    assert_eq!((error(&letters[0], "stage"), error(&letters[0], "class.name")), ("HEADER_CONVERTER", LONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sinks_headers_have_the_text_and_the_schema_of_what_the_header_converter_reads() {
    let (hub, _folder) = start().await;
    let number = br#"{"schema":{"type":"int64","optional":true},"payload":7}"#;
    let list = br#"{"schema":{"type":"array","items":{"type":"string"}},"payload":["a","b\""]}"#;
    let date =
        br#"{"schema":{"type":"int32","name":"org.apache.kafka.connect.data.Date","version":1},"payload":18000}"#;
    let null = br#"{"schema":{"type":"int64","optional":true},"payload":null}"#;
    let given: &[Given<'_>] = &[
        ("number", Some(number)),
        ("list", Some(list)),
        ("nothing", None),
        ("number", Some(date)),
        ("null", Some(null)),
    ];
    produce(&hub, &[given, &[], &given[..1]]).await;
    hub.run(sink_spec(&[("header.converter", JSON)], &[])).await;
    hub.target.until_rows(3).await;
    let number = BatchHeader::new("number", Some(b"7"), Some(INT64));
    let list_schema = r#"{"type":"array","items":{"type":"string","optional":false},"optional":false}"#;
    let date_schema = r#"{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1}"#;
    assert_eq!(
        delivered(&hub, 0),
        [
            number.clone(),
            BatchHeader::new("list", Some(br#"["a","b\""]"#), Some(list_schema)),
            BatchHeader::new("nothing", None, None),
            BatchHeader::new("number", Some(b"2019-04-14"), Some(date_schema)),
            BatchHeader::new("null", None, Some(INT64)),
        ]
    );
    assert_eq!((delivered(&hub, 1), delivered(&hub, 2)), (vec![], vec![number]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_without_a_header_converter_has_the_workers() {
    let folder = tempdir().unwrap();
    let config = WorkerConfig { header_converter: ConverterConfig::new(LONG), ..worker_config() };
    let hub = Hub::start_with(&open_broker(folder.path()), config, Arc::new(SystemClock::default())).await;
    produce(&hub, &[&[("n", Some(b"\0\0\0\0\0\0\x01\x02"))]]).await;
    hub.run(sink_spec(&[], &[])).await;
    hub.target.until_rows(1).await;
    assert_eq!(delivered(&hub, 0), [BatchHeader::new("n", Some(b"258"), Some(INT64))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sinks_header_that_is_not_converted_makes_its_record_a_dead_letter_and_no_other() {
    let (hub, _folder) = start().await;
    let good: &[Given<'_>] = &[("n", Some(b"\0\0\0\0\0\0\0\x01"))];
    produce(&hub, &[good, &[("n", Some(b"\0\x01")), ("null", None)], &[], good]).await;
    let id = hub.run(sink_spec(&[&TOLERANT[..], &[("header.converter", "LongConverter")]].concat(), &[])).await;
    hub.target.until_rows(3).await;
    hub.worker.stop_task(&id).await;
    assert_eq!(hub.target.rows(), [(0, "v-0".into()), (2, "v-2".into()), (3, "v-3".into())]);
    let letters = hub.read("dead", 0).await;
    assert_eq!(values(&letters), ["v-1"]);
    assert_eq!(original(&letters[0]), [("n", "\0\x01"), ("null", "")]);
    assert_eq!((error(&letters[0], "stage"), error(&letters[0], "class.name")), ("HEADER_CONVERTER", LONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_converted_ends_a_task_that_tolerates_nothing() {
    let (hub, _folder) = start().await;
    produce(&hub, &[&[("n", Some(b"\0\x01"))]]).await;
    hub.run(sink_spec(&[("header.converter", LONG)], &[])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("HEADER_CONVERTER") && failure.contains(LONG), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_the_bytes_that_they_are_when_nobody_names_a_converter() {
    let digits = BatchHeader::new("n", Some(b"0.1234567890123"), None);
    let given =
        [digits.clone(), BatchHeader::new("b", Some(b"\xff\0"), None), BatchHeader::new("s", Some(b"x"), Some("?"))];
    let (hub, _folder, records) = written(&[], &[&given]).await;
    let text = |text: &str| text.to_owned();
    let expected = [(text("n"), text("0.1234567890123")), (text("b"), text("\u{fffd}\0")), (text("s"), text("x"))];
    assert_eq!(records[0].headers, expected);
    hub.run({
        let mut spec = sink_spec(&[], &[]);
        spec.id.connector = sluice_data::ConnectorName::new("sink");
        spec
    })
    .await;
    hub.target.until_rows(1).await;
    let schemaless = |header: &BatchHeader| BatchHeader { schema: None, ..header.clone() };
    assert_eq!(delivered(&hub, 0), given.iter().map(schemaless).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_converter_that_is_not_there_fails_the_task_with_its_reason() {
    let (hub, _folder) = start().await;
    hub.run(source_spec(&[("header.converter", "SimpleHeaderConvertr")])).await;
    let failure = hub.heard.failure().await;
    assert!(failure.contains("SimpleHeaderConvertr") && failure.contains("nearest"), "{failure}");
}
