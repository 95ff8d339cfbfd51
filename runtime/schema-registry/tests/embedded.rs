//! The registry in the log: its records byte for byte, what survives a restart, ids, compatibility, deletion, import.

use bytes::Bytes;
use sluice_client::{Append, Broker, FetchPartition, NewTopic, PartitionRecords, TopicPartition};
use sluice_connect_api::schema_registry::{
    CompatibilityLevel, SchemaKind, SchemaReference, SchemaText, VersionSelector,
};
use sluice_connect_api::{RegistryError, SchemaRegistry};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_protocol::{RecordBatchBuilder, batches};
use sluice_schema_registry::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn broker(folder: &Path) -> Arc<dyn Broker> {
    EmbeddedBroker::open(EmbeddedConfig::new(folder.join("data"))).unwrap()
}

async fn open(broker: &Arc<dyn Broker>) -> EmbeddedRegistry {
    EmbeddedRegistry::open(&**broker).await.unwrap()
}

fn avro(text: &str) -> SchemaText {
    SchemaText { kind: SchemaKind::Avro, text: text.to_owned(), references: Vec::new() }
}

fn record(fields: &str) -> SchemaText {
    avro(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#))
}

const A: &str = r#"{"name":"a","type":"int"}"#;
const B: &str = r#"{"name":"b","type":"int"}"#;
const B_DEFAULT: &str = r#"{"name":"b","type":"int","default":1}"#;

fn code<T: std::fmt::Debug>(answer: Result<T, RegistryError>) -> u32 {
    answer.unwrap_err().code
}

/// Keys and values as text, in the order of the log.
async fn records(broker: &Arc<dyn Broker>) -> Vec<(String, Option<String>)> {
    let fetch = FetchPartition { partition: TopicPartition::new(SCHEMAS_TOPIC, 0), offset: 0, max_bytes: 1 << 24 };
    let bytes = broker.consumer().fetch(&[fetch], Duration::ZERO).await.remove(0).unwrap().records;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = Vec::new();
    for batch in batches(&bytes) {
        let records = batch.unwrap().records().unwrap().map(Result::unwrap);
        found.extend(records.map(|record| (text(record.key.unwrap()), record.value.map(text))));
    }
    found
}

#[tokio::test]
async fn records_are_those_of_confluents_registry() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let registry = open(&broker).await;
    let item = avro(r#"{"type":"enum","name":"E","symbols":["x"]}"#);
    registry.register("it\"em", &item, false).await.unwrap();
    let references = vec![SchemaReference { name: "E".to_owned(), subject: "it\"em".to_owned(), version: 1 }];
    let using = SchemaText { references, ..record(r#"{"name":"e","type":"E"}"#) };
    registry.register("s", &using, false).await.unwrap();
    registry.set_level(None, Some(CompatibilityLevel::Full)).await.unwrap();
    registry.set_level(Some("s"), Some(CompatibilityLevel::None)).await.unwrap();
    registry.set_level(Some("s"), None).await.unwrap();
    registry.set_mode(Some("s"), Some(Mode::ReadOnly), false).await.unwrap();
    registry.set_mode(Some("s"), None, false).await.unwrap();
    registry.delete_subject("s", false).await.unwrap();
    registry.delete_subject("s", true).await.unwrap();
    let schema = r#""schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"e\",\"type\":\"E\"}]}""#;
    let reference = r#""references":[{"name":"E","subject":"it\"em","version":1}]"#;
    let expected: Vec<(String, Option<String>)> = vec![
        (
            r#"{"keytype":"SCHEMA","subject":"it\"em","version":1,"magic":1}"#.into(),
            Some(r#"{"subject":"it\"em","version":1,"id":1,"schema":"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"x\"]}","deleted":false}"#.into()),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#.into(),
            Some(format!(r#"{{"subject":"s","version":1,"id":2,{reference},{schema},"deleted":false}}"#)),
        ),
        (
            r#"{"keytype":"CONFIG","subject":null,"magic":0}"#.into(),
            Some(r#"{"compatibilityLevel":"FULL"}"#.into()),
        ),
        (
            r#"{"keytype":"CONFIG","subject":"s","magic":0}"#.into(),
            Some(r#"{"compatibilityLevel":"NONE"}"#.into()),
        ),
        (r#"{"keytype":"CONFIG","subject":"s","magic":0}"#.into(), None),
        (r#"{"keytype":"MODE","subject":"s","magic":0}"#.into(), Some(r#"{"mode":"READONLY"}"#.into())),
        (r#"{"keytype":"MODE","subject":"s","magic":0}"#.into(), None),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#.into(),
            Some(format!(r#"{{"subject":"s","version":1,"id":2,{reference},{schema},"deleted":true}}"#)),
        ),
        (r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#.into(), None),
        (r#"{"keytype":"NOOP","magic":0}"#.into(), Some(r#"{"idMax":2}"#.into())),
    ];
    assert_eq!(records(&broker).await, expected);
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_no_id_is_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let broker = broker(folder.path());
        let registry = open(&broker).await;
        assert_eq!(registry.register("a", &record(A), false).await, Ok(1));
        assert_eq!(registry.register("b", &record(A), false).await, Ok(1), "the same schema, the same id");
        assert_eq!(registry.register("a", &record(&format!("{A},{B_DEFAULT}")), false).await, Ok(2));
        assert_eq!(registry.register("a", &record(A), false).await, Ok(1), "it stands there already");
        assert_eq!(registry.register("gone", &avro(r#""int""#), false).await, Ok(3));
        registry.delete_subject("gone", false).await.unwrap();
        registry.delete_subject("gone", true).await.unwrap();
        registry.set_level(Some("b"), Some(CompatibilityLevel::Forward)).await.unwrap();
        registry.set_mode(None, Some(Mode::ReadWrite), false).await.unwrap();
        registry.delete_version("a", VersionSelector::Number(1), false).await.unwrap();
        registry.all_versions("", true, false)
    };
    let broker = broker(folder.path());
    let registry = open(&broker).await;
    assert_eq!(registry.all_versions("", true, false), before);
    assert_eq!(registry.versions("a", false, false), Ok(vec![2]));
    assert_eq!(registry.versions("a", true, false), Ok(vec![1, 2]));
    assert_eq!(registry.level(Some("b")), Ok(CompatibilityLevel::Forward));
    assert_eq!(registry.register("new", &avro(r#""long""#), false).await, Ok(4), "3 was given, and may be in messages");
    assert_eq!(registry.find_schema(1).unwrap(), record(A));
}

#[tokio::test]
async fn a_hundred_clients_at_once_get_one_id_for_each_schema() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let registry = Arc::new(open(&broker).await);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..100 {
        let registry = Arc::clone(&registry);
        clients.spawn(async move {
            let number = client % 10;
            let schema = avro(&format!(r#"{{"type":"fixed","name":"F{number}","size":1}}"#));
            (number, registry.register(&format!("s{}", client % 7), &schema, false).await)
        });
    }
    registry.set_level(None, Some(CompatibilityLevel::None)).await.unwrap();
    let mut ids = std::collections::BTreeMap::<i32, std::collections::BTreeSet<u32>>::new();
    while let Some(answer) = clients.join_next().await {
        match answer.unwrap() {
            (number, Ok(id)) => drop(ids.entry(number).or_default().insert(id)),
            (_, Err(error)) => assert_eq!(error.code, 409, "one that came before the level was set: {error}"),
        }
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    let all: std::collections::BTreeSet<u32> = ids.values().flatten().copied().collect();
    assert_eq!(all.len(), ids.len(), "{ids:?}");
    assert_eq!(open(&broker).await.all_versions("", true, false), registry.all_versions("", true, false));
}

/// From the table of Confluent's documentation, and each level's own.
#[tokio::test]
async fn levels_of_compatibility_allow_what_they_say() {
    use CompatibilityLevel::*;
    let optional = format!("{A},{B_DEFAULT}");
    let required = format!("{A},{B}");
    // Level, versions in order, the next one, whether it may come.
    let cases: [(CompatibilityLevel, &[&str], &str, bool); 14] = [
        (Backward, &[A], &optional, true),
        (Backward, &[A], &required, false),
        (Backward, &[&required], A, true),
        (Backward, &[A, &optional], &required, true),
        (BackwardTransitive, &[A, &optional], &required, false),
        (Forward, &[A], &required, true),
        (Forward, &[&required], A, false),
        (Forward, &[&optional], A, true),
        (ForwardTransitive, &[&required, &optional], A, false),
        (Full, &[A], &optional, true),
        (Full, &[A], &required, false),
        (Full, &[&required], A, false),
        (FullTransitive, &[A, &optional], &required, false),
        (None, &[A], r#"{"name":"a","type":"string"}"#, true),
    ];
    for (level, versions, next, may_come) in cases {
        let folder = tempfile::tempdir().unwrap();
        let broker = broker(folder.path());
        let registry = open(&broker).await;
        registry.set_level(Some("s"), Some(None)).await.unwrap();
        for version in versions {
            registry.register("s", &record(version), false).await.unwrap();
        }
        registry.set_level(Some("s"), Some(level)).await.unwrap();
        let answer = registry.register("s", &record(next), false).await;
        assert_eq!(answer.is_ok(), may_come, "{level} after {versions:?} comes {next}: {answer:?}");
        assert!(may_come || answer.unwrap_err().code == 409);
    }
}

/// Reader, writer, the kind of difference. Source: Java `TestSchemaCompatibility` and its siblings, by case.
#[test]
fn schemas_are_compatible_as_avro_defines_it() {
    let rec = |fields: &str| record(fields).text;
    let int_field = |kind: &str| rec(&format!(r#"{{"name":"a","type":{kind}}}"#));
    let cases: Vec<(String, String, Option<&str>)> = vec![
        (r#""long""#.into(), r#""int""#.into(), None),
        (r#""int""#.into(), r#""long""#.into(), Some("TYPE_MISMATCH")),
        (r#""double""#.into(), r#""float""#.into(), None),
        (r#""float""#.into(), r#""double""#.into(), Some("TYPE_MISMATCH")),
        (r#""string""#.into(), r#""bytes""#.into(), None),
        (r#""bytes""#.into(), r#""string""#.into(), None),
        (r#"["int","string"]"#.into(), r#""int""#.into(), None),
        (r#""int""#.into(), r#"["int"]"#.into(), None),
        (r#""int""#.into(), r#"["int","string"]"#.into(), Some("TYPE_MISMATCH")),
        (r#"["int"]"#.into(), r#"["int","string"]"#.into(), Some("MISSING_UNION_BRANCH")),
        (r#"["null","long"]"#.into(), r#"["null","int"]"#.into(), None),
        (
            int_field(r#"{"type":"array","items":"int"}"#),
            int_field(r#"{"type":"array","items":"long"}"#),
            Some("/fields/0/type/items"),
        ),
        (
            int_field(r#"{"type":"map","values":"int"}"#),
            int_field(r#"{"type":"map","values":"string"}"#),
            Some("/fields/0/type/values"),
        ),
        (
            r#"{"type":"fixed","name":"F","size":2}"#.into(),
            r#"{"type":"fixed","name":"F","size":3}"#.into(),
            Some("FIXED_SIZE_MISMATCH"),
        ),
        (
            r#"{"type":"fixed","name":"F","size":2}"#.into(),
            r#"{"type":"fixed","name":"G","size":2}"#.into(),
            Some("NAME_MISMATCH"),
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["a"]}"#.into(),
            r#"{"type":"enum","name":"E","symbols":["a","b"]}"#.into(),
            Some("MISSING_ENUM_SYMBOLS"),
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["a"],"default":"a"}"#.into(),
            r#"{"type":"enum","name":"E","symbols":["a","b"]}"#.into(),
            None,
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["b","a"]}"#.into(),
            r#"{"type":"enum","name":"E","symbols":["a"]}"#.into(),
            None,
        ),
        (rec(r#"{"name":"b","type":"int","aliases":["a"]}"#), rec(A), None),
        (rec(B), rec(A), Some("READER_FIELD_MISSING_DEFAULT_VALUE")),
        (r#"{"type":"record","name":"S","aliases":["R"],"fields":[]}"#.into(), rec(A), None),
        (
            r#"{"type":"record","name":"x.R","fields":[]}"#.into(),
            r#"{"type":"record","name":"y.R","fields":[]}"#.into(),
            None,
        ),
        (
            r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]},{"name":"v","type":"long"}]}"#
                .into(),
            r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]},{"name":"v","type":"int"}]}"#
                .into(),
            None,
        ),
        (
            r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]},{"name":"v","type":"int"}]}"#
                .into(),
            r#"{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]},{"name":"v","type":"long"}]}"#
                .into(),
            Some("TYPE_MISMATCH"),
        ),
    ];
    for (reader, writer, expected) in cases {
        use sluice_converters_registry::registered::{Whole, differences};
        let whole = |text| Whole { text, references: &[] };
        let found = differences(SchemaKind::Avro, whole(&reader), whole(&writer)).unwrap();
        match expected {
            None => assert!(found.is_empty(), "{reader} reads {writer}: {found:?}"),
            Some(expected) => {
                assert!(found.iter().any(|text| text.contains(expected)), "{reader} / {writer}: {found:?}")
            }
        }
    }
}

#[tokio::test]
async fn each_refusal_has_confluents_code() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let registry = open(&broker).await;
    let number = VersionSelector::Number;
    assert_eq!(code(registry.versions("s", false, false)), 40401);
    assert_eq!(code(registry.find("s", &record(A), false, false)), 40401);
    registry.register("s", &record(A), false).await.unwrap();
    assert_eq!(code(registry.find("s", &record(B), false, false)), 40403);
    assert_eq!(code(registry.find_version("s", number(2), false)), 40402);
    assert_eq!(code(registry.find_schema(9)), 40403);
    assert_eq!(code(registry.register("s", &avro("{"), false).await), 42201);
    let dangling = vec![SchemaReference { name: "X".to_owned(), subject: "x".to_owned(), version: 1 }];
    assert_eq!(code(registry.register("s", &SchemaText { references: dangling, ..record(A) }, false).await), 42201);
    assert_eq!(code(registry.register("s", &record(B), false).await), 409);
    assert_eq!(code(registry.level(Some("s"))), 40408);
    assert_eq!(code(registry.mode(Some("s"))), 40409);
    assert_eq!(code(registry.delete_subject("s", true).await), 40405);
    assert_eq!(code(registry.delete_version("s", number(1), true).await), 40407);
    assert_eq!(code(registry.delete_version("s", number(7), false).await), 40402);
    assert_eq!(code(registry.delete_subject("x", false).await), 40401);
    let references = vec![SchemaReference { name: "R".to_owned(), subject: "s".to_owned(), version: 1 }];
    let using = SchemaText { references, ..avro(r#"{"type":"array","items":"R"}"#) };
    let id = registry.register("u", &using, false).await.unwrap();
    assert_eq!(registry.referenced_by("s", number(1)), Ok(vec![id]));
    assert_eq!(code(registry.delete_subject("s", false).await), 42206);
    registry.delete_subject("u", false).await.unwrap();
    assert_eq!(registry.delete_version("s", VersionSelector::Latest, false).await, Ok(1));
    assert_eq!(code(registry.delete_version("s", number(1), false).await), 40406);
    assert_eq!(code(registry.delete_subject("s", false).await), 40404);
    assert_eq!(registry.register("s", &record(A), false).await, Ok(1), "a schema that comes again keeps its id");
    assert_eq!(registry.versions("s", false, false), Ok(vec![2]), "under a new version");
    registry.set_mode(Some("s"), Some(Mode::ReadOnly), false).await.unwrap();
    assert_eq!(code(registry.register("s", &record(A), false).await), 42205);
    assert_eq!(code(registry.delete_subject("s", false).await), 42205);
    assert_eq!(code(registry.set_mode(None, Some(Mode::Import), false).await), 42205);
    registry.register("other", &record(A), false).await.unwrap();
}

#[tokio::test]
async fn a_schema_is_one_whatever_its_blanks_and_another_with_another_doc() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let registry = open(&broker).await;
    registry.set_level(None, Some(CompatibilityLevel::None)).await.unwrap();
    let spaced = avro("{ \"fields\" : [ {\"type\":\"int\", \"name\":\"a\"} ], \"name\":\"R\", \"type\":\"record\" }");
    assert_eq!(registry.register("s", &record(A), false).await, Ok(1));
    assert_eq!(registry.register("s", &spaced, false).await, Ok(1));
    let documented = record(r#"{"name":"a","type":"int","doc":"d"}"#);
    assert_eq!(registry.register("s", &documented, false).await, Ok(2));
    let in_order = avro(r#"{"type":"record","name":"n.R","fields":[],"x":1,"b":2}"#);
    let other_order = avro(r#"{"type":"record","name":"R","namespace":"n","fields":[],"b":2,"x":1}"#);
    let first = registry.register("t", &in_order, true).await.unwrap();
    assert_eq!(registry.register("t", &other_order, true).await, Ok(first), "normal form");
    assert_ne!(registry.register("t", &other_order, false).await, Ok(first));
}

/// As `kafka-console-producer` would copy a Confluent registry's topic.
#[tokio::test]
async fn a_topic_of_a_confluent_registry_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path());
    let compact = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    broker.admin().create_topic(NewTopic { name: SCHEMAS_TOPIC.into(), partitions: 1, config: compact }).await.unwrap();
    let mut builder = RecordBatchBuilder::new(1 << 20);
    let lines = [
        (r#"{"keytype":"NOOP","magic":0}"#, None),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            Some(r#"{"subject":"s","version":1,"id":7,"md5":"kA==","schema":"\"string\"","deleted":false}"#),
        ),
        (r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#, Some(r#"{"subject":"s","version":1}"#)),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some(
                r#"{"subject":"s","version":2,"id":9,"schemaType":"AVRO","references":[],"metadata":null,"ruleSet":null,"schema":"\"int\"","deleted":false}"#,
            ),
        ),
        (
            r#"{"keytype":"CONFIG","subject":null,"magic":0}"#,
            Some(r#"{"compatibilityLevel":"FULL","normalize":false}"#),
        ),
        (r#"{"keytype":"CONTEXT","tenant":"default","context":".","magic":0}"#, Some(r#"{"tenant":"default"}"#)),
        ("no json", Some("at all")),
    ];
    for (key, value) in lines {
        builder.push(1, Some(key.as_bytes()), value.map(str::as_bytes)).unwrap();
    }
    let records: Bytes = builder.finish();
    let records = vec![PartitionRecords { topic: SCHEMAS_TOPIC.into(), partition: 0, records }];
    let producer = broker.producer("import").await.unwrap();
    producer.send(Append { records, group_offsets: Vec::new() }).await.unwrap().await.unwrap();
    let registry = open(&broker).await;
    assert_eq!(registry.versions("s", false, false), Ok(vec![2]));
    assert_eq!(registry.versions("s", true, true), Ok(vec![1]));
    assert_eq!(registry.find_schema(7).unwrap(), avro(r#""string""#));
    assert_eq!(registry.level(None), Ok(CompatibilityLevel::Full));
    assert_eq!(registry.register("t", &record(A), false).await, Ok(10));
    registry.set_mode(Some("i"), Some(Mode::Import), false).await.unwrap();
    let asked = Registering { id: Some(50), version: Some(4), normalize: false };
    let stored = registry.register_version("i", &record(B), &asked).await.unwrap();
    assert_eq!((stored.id, stored.version), (50, 4));
    let asked = Registering { id: Some(7), ..Registering::default() };
    assert_eq!(code(registry.register_version("i", &record(A), &asked).await), 42205, "7 is another schema's");
}
