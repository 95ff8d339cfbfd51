//! `ProtobufConverter` as a user meets it: golden bytes, what foreign producers write, refusals, round trips, bytes at random.

mod common;

use arrow_array::BinaryArray;
use common::{Limits, Random, Registry, any_struct, any_value, column, config, payloads, read, write};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_connect_api::schema_registry::{SchemaKind, SchemaReference, SchemaText};
use sluice_connect_api::{Converter, ConverterRole, SchemaRegistry};
use sluice_converters_registry::protobuf;
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};

fn converter(registry: &Registry, pairs: &[(&str, &str)]) -> Box<dyn Converter> {
    protobuf::make(ConverterRole::Value, &config(pairs), &registry.provider()).unwrap()
}

fn proto(text: &str) -> SchemaText {
    SchemaText { kind: SchemaKind::Protobuf, text: text.to_owned(), references: Vec::new() }
}

fn of(kind: SchemaType) -> ConnectSchema {
    ConnectSchema::new(kind)
}

fn structure(name: &str, fields: Vec<(&str, ConnectSchema)>) -> ConnectSchema {
    let fields = fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut schema = ConnectSchema::new(SchemaType::Struct(fields));
    schema.name = Some(name.to_owned());
    schema
}

async fn read_foreign(pairs: &[(&str, &str)], schema: &str, body: &[u8]) -> Result<(ConnectSchema, Value), String> {
    let registry = Registry::open().await;
    let id = registry.registry.register("t-value", &proto(schema), false).await.map_err(|error| error.to_string())?;
    let message = [&[0][..], &id.to_be_bytes(), body].concat();
    let converted = read(&*converter(&registry, pairs), &BinaryArray::from_iter([Some(message)])).await?.remove(0);
    let schema = ConnectSchema::from_field(&converted.field).unwrap().unwrap();
    Ok((schema, payloads(&converted.field, &converted.values).remove(0)))
}

#[tokio::test]
async fn a_message_is_written_as_the_encoding_guide_shows() {
    let registry = Registry::open().await;
    let inner = structure("Test1", vec![("a", of(SchemaType::Int32))]);
    let list = of(SchemaType::Array(Box::new(of(SchemaType::Int32))));
    let schema = structure("test.Test3", vec![("b", of(SchemaType::String)), ("c", inner), ("f", list)]);
    let (field, values) = column(&schema, &[json!({"b": "testing", "c": {"a": 150}, "f": [3, 270, 86942]})]);
    let bytes = write(&*converter(&registry, &[]), &field, &values).await.unwrap();
    // developers.google.com/protocol-buffers, "Encoding": 12 07 …, 08 96 01, 06 03 8e 02 9e a7 05.
    let expected = [
        &[0u8, 0, 0, 0, 1, 0][..],
        &[0x0A, 7],
        b"testing",
        &[0x12, 3, 0x08, 0x96, 0x01],
        &[0x1A, 6, 0x03, 0x8E, 0x02, 0x9E, 0xA7, 0x05],
    ]
    .concat();
    assert_eq!(bytes.value(0), expected);
    let text = registry.registry.find_schema(1).unwrap().text;
    assert_eq!(
        text,
        "syntax = \"proto3\";\npackage test;\n\n\nmessage Test3 {\n  string b = 1;\n  Test1 c = 2;\n  repeated int32 f = 3;\n\n  message Test1 {\n    int32 a = 1;\n  }\n}"
    );
}

#[tokio::test]
async fn logical_types_are_the_well_known_messages() {
    let registry = Registry::open().await;
    let schema = structure(
        "L",
        vec![
            ("small", of(SchemaType::Int8)),
            ("day", of(SchemaType::Int32).named(DATE, 1)),
            ("time", of(SchemaType::Int32).named(TIME, 1)),
            ("at", of(SchemaType::Int64).named(TIMESTAMP, 1)),
            ("price", of(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "2").parameter(PRECISION, "10")),
        ],
    );
    let row = json!({"small": -1, "day": 19000, "time": 3_723_004, "at": -1, "price": "hQ=="});
    let (field, values) = column(&schema, std::slice::from_ref(&row));
    let converter = converter(&registry, &[]);
    let bytes = write(&*converter, &field, &values).await.unwrap();
    let expected = [
        &[0u8, 0, 0, 0, 1, 0][..],
        &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        &[0x12, 7, 0x08, 0xE6, 0x0F, 0x10, 1, 0x18, 8],
        &[0x1A, 11, 0x08, 1, 0x10, 2, 0x18, 3, 0x20, 0x80, 0x92, 0xF4, 0x01],
    ]
    .concat();
    assert_eq!(bytes.value(0)[..expected.len()], expected, "{:02x?}", bytes.value(0));
    let converted = read(&*converter, &bytes).await.unwrap().remove(0);
    assert_eq!(payloads(&converted.field, &converted.values), [row]);
    let text = registry.registry.find_schema(1).unwrap().text;
    assert!(text.contains("import \"google/type/timeofday.proto\";"), "{text}");
    assert!(text.contains(r#"confluent.type.Decimal price = 5 [(confluent.field_meta) = { params: [{ key: "precision", value: "10" }, { key: "scale", value: "2" }] }];"#), "{text}");
}

const FOREIGN: &str = r#"
    syntax = "proto3";
    package org.acme;
    import "google/protobuf/timestamp.proto";
    message Other { string name = 1; }
    message Order {
      sint64 id = 1;
      Kind kind = 2;
      repeated string tags = 3;
      map<string, int32> counts = 4;
      oneof what { string text = 5; Item item = 6; }
      optional double weight = 7;
      bytes raw = 8;
      fixed32 hash = 9;
      Item first = 2000;
      bool on = 11;
      google.protobuf.Timestamp at = 12;
      message Item { int32 n = 1; int32 m = 2; }
      enum Kind { NONE = 0; SOME = 5; }
    }"#;

#[tokio::test]
async fn what_foreign_producers_write_is_read_as_confluents_converter_reads_it() {
    let body = [
        &[2u8, 2][..], // indexes: one, the second message
        &[0x08, 53],
        &[0x10, 5],
        &[0x1A, 1, b'x', 0x1A, 1, b'y'],
        &[0x22, 5, 0x0A, 1, b'a', 0x10, 7],
        &[0x2A, 1, b'q'],    // text, which the next of the oneof replaces
        &[0x32, 2, 0x08, 1], // item
        &[0x32, 2, 0x10, 2], // and more of it
        &[0x4D, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x82, 0x7D, 2, 0x08, 9],
        &[0xF8, 0x01, 1], // field 31, unknown
    ]
    .concat();
    let (connect, value) = read_foreign(&[], FOREIGN, &body).await.unwrap();
    let expected = json!({
        "what_0": {"text": null, "item": {"n": 1, "m": 2}}, "id": -27, "kind": "SOME", "tags": ["x", "y"],
        "counts": {"a": 7}, "weight": null, "raw": "", "hash": 4_294_967_295u32, "first": {"n": 9, "m": 0},
        "on": false, "at": null,
    });
    assert_eq!(value, expected);
    assert_eq!(connect.name.as_deref(), Some("Order"));
    assert_eq!(connect.version, Some(1));
    let SchemaType::Struct(fields) = &connect.kind else { panic!() };
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["what_0", "id", "kind", "tags", "counts", "weight", "raw", "hash", "first", "on", "at"]);
    assert_eq!(fields[1].1.parameters["io.confluent.connect.protobuf.Tag"], "1");
    assert_eq!(fields[1].1.parameters["io.confluent.connect.protobuf.Type"], "sint64");
    assert_eq!(fields[2].1.parameters["io.confluent.connect.protobuf.Enum.SOME"], "5");
    let (_, empty) = read_foreign(&[], FOREIGN, &[2, 2]).await.unwrap();
    assert_eq!((&empty["what_0"], &empty["kind"], &empty["tags"]), (&Value::Null, &json!("NONE"), &json!([])));
    let (_, other) = read_foreign(&[], FOREIGN, &[0, 0x0A, 1, b'z']).await.unwrap();
    assert_eq!(other, json!({"name": "z"}));
}

#[tokio::test]
async fn what_came_in_goes_out_with_its_numbers_and_types() {
    let registry = Registry::open().await;
    let id = registry.registry.register("in", &proto(FOREIGN), false).await.unwrap();
    let body = [0x08, 53, 0x10, 5, 0x1A, 1, b'x', 0x22, 5, 0x0A, 1, b'a', 0x10, 7, 0x32, 2, 0x08, 1, 0x4D, 1, 0, 0, 0];
    let bytes = BinaryArray::from_iter([Some([&[0][..], &id.to_be_bytes(), &[2, 2], &body].concat())]);
    let converter = converter(&registry, &[]);
    let converted = read(&*converter, &bytes).await.unwrap().remove(0);
    let again = write(&*converter, &converted.field, &converted.values).await.unwrap();
    assert_eq!(again.value(0)[6..], body);
}

#[tokio::test]
async fn what_is_no_message_of_the_schema_is_refused_with_a_reason() {
    let schema = "syntax = \"proto3\"; message M { string s = 1; int32 i = 2; repeated fixed32 f = 3; }";
    let cases: [(&[u8], &str); 8] = [
        (&[], "the message indexes are cut off"),
        (&[4, 0], "the message indexes are cut off"),
        (&[2, 2], "name no message"),
        (&[0, 0x0A, 5, b'a'], "ends in the middle"),
        (&[0, 0x0A, 1, 0xFF], "UTF"),
        (&[0, 0x0F], "wire type 7"),
        (&[0, 0x0C], "a group does not end"),
        (&[0, 0x1A, 3, 1, 2, 3], "ends in the middle"),
    ];
    for (body, reason) in cases {
        let refused = read_foreign(&[], schema, body).await.unwrap_err();
        assert!(refused.contains(reason), "{body:?}: {refused}");
    }
    let decimal =
        "syntax = \"proto3\"; import \"confluent/type/decimal.proto\"; message D { confluent.type.Decimal d = 1; }";
    let refused = read_foreign(&[], decimal, &[0, 0x0A, 5, 0x0A, 1, 5, 0x18, 2]).await.unwrap_err();
    assert!(refused.contains("a decimal of scale 2, where the field has 0"), "{refused}");
    let recursive = "syntax = \"proto3\"; message N { N next = 1; }";
    let refused = read_foreign(&[], recursive, &[0]).await.unwrap_err();
    assert!(refused.contains("N contains itself"), "{refused}");
    let registry = Registry::open().await;
    let (field, values) = column(&of(SchemaType::Int64), &[json!(1)]);
    let refused = write(&*converter(&registry, &[]), &field, &values).await.unwrap_err();
    assert!(refused.contains("Unsupported root schema of type int64"), "{refused}");
}

#[tokio::test]
async fn a_registry_knows_texts_descriptors_and_references() {
    use base64::Engine;
    let registry = Registry::open().await;
    let registry = &registry.registry;
    let item = "syntax = \"proto3\"; package n; message Item { int32 n = 1; }";
    registry.register("item", &proto(item), false).await.unwrap();
    let order = "syntax = \"proto3\"; package n; import \"item.proto\"; message Order { Item item = 1; }";
    assert_eq!(registry.register("order", &proto(order), false).await.unwrap_err().code, 42201);
    let references = vec![SchemaReference { name: "item.proto".to_owned(), subject: "item".to_owned(), version: 1 }];
    let id = registry.register("order", &SchemaText { references, ..proto(order) }, false).await.unwrap();
    let serialized = registry.formatted(registry.find_schema(id).unwrap(), Some("serialized")).unwrap();
    assert!(base64::engine::general_purpose::STANDARD.decode(&serialized.text).is_ok());
    let again = registry.register("other", &serialized, false).await.unwrap();
    let text = registry.find_schema(again).unwrap().text;
    let printed =
        "syntax = \"proto3\";\npackage n;\n\nimport \"item.proto\";\n\nmessage Order {\n  .n.Item item = 1;\n}\n";
    assert_eq!(text, printed);
    assert_eq!(registry.register("bad", &proto("message {"), false).await.unwrap_err().code, 42201);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

const HOLDS: Limits = Limits { maps_with_other_keys: true, nullable_items: false, nested_lists: false };

/// Null lists and maps come back as empty ones; a zero without presence as what an absent field reads as.
fn as_protobuf_keeps_it(schema: &ConnectSchema, value: &Value) -> Value {
    match (&schema.kind, value) {
        (SchemaType::Array(_), Value::Null) => json!([]),
        (SchemaType::Map(key, _), Value::Null) if key.kind == SchemaType::String => json!({}),
        (SchemaType::Map(..), Value::Null) => json!([]),
        (SchemaType::Array(item), Value::Array(items)) => {
            items.iter().map(|value| as_protobuf_keeps_it(item, value)).collect()
        }
        (SchemaType::Map(_, item), Value::Object(members)) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), as_protobuf_keeps_it(item, value))).collect(),
        ),
        (SchemaType::Map(_, item), Value::Array(pairs)) => {
            pairs.iter().map(|pair| json!([pair[0], as_protobuf_keeps_it(item, &pair[1])])).collect()
        }
        (SchemaType::Struct(fields), Value::Object(members)) => Value::Object(
            fields.iter().map(|(name, schema)| (name.clone(), as_protobuf_keeps_it(schema, &members[name]))).collect(),
        ),
        (_, value) => value.clone(),
    }
}

/// Lists of lists and maps of lists are not drawn: Protobuf has none.
fn holds(schema: &ConnectSchema) -> bool {
    let is_collection = |schema: &ConnectSchema| matches!(schema.kind, SchemaType::Array(_) | SchemaType::Map(..));
    match &schema.kind {
        SchemaType::Array(item) => !is_collection(item) && holds(item),
        SchemaType::Map(_, value) => !is_collection(value) && value.name.as_deref() != Some(DECIMAL) && holds(value),
        SchemaType::Struct(fields) => fields.iter().all(|(_, schema)| holds(schema)),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_protobuf_holds_comes_back(seed in any::<u64>()) {
        let mut random = Random(seed);
        let schema = any_struct(&mut random, &mut 0, 3, HOLDS);
        prop_assume!(holds(&schema));
        let rows: Vec<Value> = (0..random.below(20) + 1).map(|_| any_value(&mut random, &schema)).collect();
        let (field, values) = column(&schema, &rows);
        let rows: Vec<Value> = payloads(&field, &values).iter().map(|row| as_protobuf_keeps_it(&schema, row)).collect();
        block_on(async {
            let registry = Registry::open().await;
            let converter = converter(&registry, &[("optional.for.nullables", "true")]);
            let bytes = write(&*converter, &field, &values).await.unwrap();
            let converted = read(&*converter, &bytes).await.unwrap().remove(0);
            assert_eq!(payloads(&converted.field, &converted.values), rows);
        });
    }

    #[test]
    fn bytes_at_random_never_panic(
        rows in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..4),
        keys in proptest::collection::vec(prop::sample::select(vec![0x08u8, 0x10, 0x1A, 0x22, 0x2A, 0x32, 0x39, 0x42, 0x4D, 0x62]), 1..8),
    ) {
        block_on(async {
            let registry = Registry::open().await;
            let id = registry.registry.register("t-value", &proto(FOREIGN), false).await.unwrap();
            let converter = converter(&registry, &[]);
            let rows = rows.iter().map(|row| {
                // Some look like fields.
                let fields: Vec<u8> = keys.iter().zip(row).flat_map(|(key, byte)| [*key, *byte & 0x83]).collect();
                Some([&[0][..], &id.to_be_bytes(), &[2, 2], &fields, row].concat())
            });
            let _ = read(&*converter, &BinaryArray::from_iter(rows)).await;
        });
    }
}
