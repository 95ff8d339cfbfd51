//! `AvroConverter` as a user meets it: schemas as Confluent's converter registers them, golden bytes, what foreign producers
//! write, refusals, round trips, bytes at random.

mod common;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, StringArray};
use arrow_schema::{DataType, Field};
use common::{Limits, Random, Registry, any_struct, any_value, column, config, payloads, read, write};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_connect_api::schema_registry::{SchemaKind, SchemaReference, SchemaText};
use sluice_connect_api::{Converter, ConverterRole, SchemaRegistry};
use sluice_converters_registry::avro;
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP, schemaless_json_field};
use sluice_data::{ConnectSchema, SchemaType};
use std::sync::Arc;

fn converter(registry: &Registry, pairs: &[(&str, &str)]) -> Box<dyn Converter> {
    avro::make(ConverterRole::Value, &config(pairs), &registry.provider()).unwrap()
}

fn avro_text(text: &str) -> SchemaText {
    SchemaText { kind: SchemaKind::Avro, text: text.to_owned(), references: Vec::new() }
}

fn structure(fields: Vec<(&str, ConnectSchema)>) -> ConnectSchema {
    ConnectSchema::new(SchemaType::Struct(fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()))
}

fn of(kind: SchemaType) -> ConnectSchema {
    ConnectSchema::new(kind)
}

/// The schema that one value of `schema` is registered under.
async fn registered(pairs: &[(&str, &str)], schema: &ConnectSchema, value: Value) -> String {
    let registry = Registry::open().await;
    let (field, values) = column(schema, &[value]);
    write(&*converter(&registry, pairs), &field, &values).await.unwrap();
    registry.registry.find_schema(1).unwrap().text
}

/// Reads one message that a foreign producer wrote with `schema`.
async fn read_foreign(pairs: &[(&str, &str)], schema: &str, body: &[u8]) -> Result<(ConnectSchema, Value), String> {
    let registry = Registry::open().await;
    let id =
        registry.registry.register("t-value", &avro_text(schema), false).await.map_err(|error| error.to_string())?;
    let message = [&[0][..], &id.to_be_bytes(), body].concat();
    let bytes = BinaryArray::from_iter([Some(message)]);
    let converted = read(&*converter(&registry, pairs), &bytes).await?.remove(0);
    let schema = ConnectSchema::from_field(&converted.field).unwrap().unwrap();
    Ok((schema, payloads(&converted.field, &converted.values).remove(0)))
}

#[tokio::test]
async fn a_record_is_written_as_the_specification_shows() {
    let registry = Registry::open().await;
    let mut schema = structure(vec![("a", of(SchemaType::Int64)), ("b", of(SchemaType::String))]);
    schema.name = Some("test".to_owned());
    let (field, values) = column(&schema, &[json!({"a": 27, "b": "foo"})]);
    let bytes = write(&*converter(&registry, &[]), &field, &values).await.unwrap();
    // Avro 1.11, "Complex Types": 36 06 66 6f 6f.
    assert_eq!(bytes.value(0), [0, 0, 0, 0, 1, 0x36, 0x06, 0x66, 0x6f, 0x6f]);
}

/// What Confluent's `AvroData` makes of these, by its rules.
#[tokio::test]
async fn schemas_are_registered_as_confluents_converter_registers_them() {
    let logical = structure(vec![
        ("small", of(SchemaType::Int8)),
        ("day", of(SchemaType::Int32).named(DATE, 1)),
        ("time", of(SchemaType::Int32).named(TIME, 1).optional()),
        ("at", of(SchemaType::Int64).named(TIMESTAMP, 1)),
        ("price", of(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "2")),
        ("sum", of(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "3").parameter(PRECISION, "10")),
    ]);
    let row = json!({"small": 1, "day": 1, "time": null, "at": 1, "price": "AQ==", "sum": "AQ=="});
    let expected = r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"small","type":{"type":"int","connect.type":"int8"}},{"name":"day","type":{"type":"int","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}},{"name":"time","type":["null",{"type":"int","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Time","logicalType":"time-millis"}],"default":null},{"name":"at","type":{"type":"long","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}},{"name":"price","type":{"type":"bytes","scale":2,"precision":64,"connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}},{"name":"sum","type":{"type":"bytes","scale":3,"precision":10,"connect.version":1,"connect.parameters":{"scale":"3","connect.decimal.precision":"10"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}}]}"#;
    assert_eq!(registered(&[], &logical, row.clone()).await, expected);

    let mut with_default = of(SchemaType::Int32).optional();
    with_default.default = Some(json!(7));
    let mut inner = structure(vec![("x", with_default)]).optional();
    inner.name = Some("org.acme.Inner".to_owned());
    inner.version = Some(3);
    inner.doc = Some("what it is".to_owned());
    let text = of(SchemaType::String);
    let nested = structure(vec![
        ("one", inner.clone()),
        ("two", inner),
        ("by_name", of(SchemaType::Map(Box::new(text.clone()), Box::new(of(SchemaType::Float64).optional())))),
        ("by_id", of(SchemaType::Map(Box::new(of(SchemaType::Int32)), Box::new(text)))),
    ]);
    let row = json!({"one": null, "two": {"x": null}, "by_name": {}, "by_id": [[1, "a"]]});
    let expected = r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"one","type":["null",{"type":"record","name":"Inner","namespace":"org.acme","fields":[{"name":"x","type":[{"type":"int","connect.default":7},"null"],"default":7}],"connect.doc":"what it is","connect.version":3,"connect.name":"org.acme.Inner"}],"default":null},{"name":"two","type":["null","org.acme.Inner"],"default":null},{"name":"by_name","type":{"type":"map","values":["null","double"]}},{"name":"by_id","type":{"type":"array","items":{"type":"record","name":"MapEntry","fields":[{"name":"key","type":"int"},{"name":"value","type":"string"}]}}}]}"#;
    assert_eq!(registered(&[], &nested, row).await, expected);
    assert_eq!(registered(&[("connect.meta.data", "false")], &of(SchemaType::Int16), json!(1)).await, r#""int""#);
    assert_eq!(registered(&[], &of(SchemaType::String).optional(), json!("a")).await, r#"["null","string"]"#);
}

#[tokio::test]
async fn names_that_avro_does_not_allow_are_refused_or_scrubbed() {
    let mut schema = structure(vec![("a b-c", of(SchemaType::Int32)), ("1st", of(SchemaType::Int32))]);
    schema.name = Some("my.odd-name".to_owned());
    let row = json!({"a b-c": 1, "1st": 2});
    let scrubbed =
        registered(&[("scrub.invalid.names", "true"), ("connect.meta.data", "false")], &schema, row.clone()).await;
    assert_eq!(
        scrubbed,
        r#"{"type":"record","name":"odd_name","namespace":"my","fields":[{"name":"a_b_c","type":"int"},{"name":"x1st","type":"int"}]}"#
    );
    let registry = Registry::open().await;
    let (field, values) = column(&schema, &[row]);
    let refused = write(&*converter(&registry, &[]), &field, &values).await.unwrap_err();
    assert!(refused.contains("Illegal character in: odd-name"), "{refused}");
    assert!(registry.registry.subjects("", true, false).is_empty());
}

#[tokio::test]
async fn two_types_of_one_name_are_refused() {
    let map = |value| of(SchemaType::Map(Box::new(of(SchemaType::Int32)), Box::new(of(value))));
    let same = structure(vec![("a", map(SchemaType::Int64)), ("b", map(SchemaType::Int64))]);
    let row = json!({"a": [[1, 2]], "b": []});
    let text = registered(&[], &same, row.clone()).await;
    assert!(text.ends_with(r#"{"name":"b","type":{"type":"array","items":"MapEntry"}}]}"#), "{text}");
    let registry = Registry::open().await;
    let other = structure(vec![("a", map(SchemaType::Int64)), ("b", map(SchemaType::String))]);
    let (field, values) = column(&other, &[row]);
    let refused = write(&*converter(&registry, &[]), &field, &values).await.unwrap_err();
    assert!(refused.contains("Can't redefine: io.confluent.connect.avro.MapEntry"), "{refused}");
}

#[tokio::test]
async fn what_foreign_producers_write_is_read_as_confluents_converter_reads_it() {
    let schema = r#"{"type":"record","name":"Order","namespace":"org.acme","doc":"an order","fields":[
        {"name":"id","type":"long","doc":"its id"},
        {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["b","a"]}},
        {"name":"hash","type":{"type":"fixed","name":"Hash","size":2}},
        {"name":"price","type":{"type":"fixed","name":"Price","size":4,"logicalType":"decimal","precision":9,"scale":2}},
        {"name":"what","type":["null","string",{"type":"record","name":"Item","fields":[{"name":"n","type":"int"}]}]},
        {"name":"note","type":["string","null"],"default":"none"},
        {"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},
        {"name":"tags","type":{"type":"array","items":"string"}}]}"#;
    let body = [
        &[54u8][..],                  // id 27
        &[2],                         // kind: the second symbol
        &[0xAB, 0xCD],                // hash
        &[0xFF, 0xFF, 0xFF, 0x85],    // price -1.23
        &[4, 10],                     // the third branch, n 5
        &[2],                         // null
        &[2],                         // 1 µs
        &[3, 8, 2, b'x', 2, b'y', 0], // a block of -2 items with its size
    ]
    .concat();
    let (connect, value) = read_foreign(&[], schema, &body).await.unwrap();
    let expected = json!({"id": 27, "kind": "a", "hash": "q80=", "price": "hQ==", "what": {"string": null, "Item": {"n": 5}},
        "note": null, "micros": 1, "tags": ["x", "y"]});
    assert_eq!(value, expected);
    assert_eq!(connect.name.as_deref(), Some("org.acme.Order"));
    assert_eq!(connect.version, Some(1), "the version of the schema in its subject");
    assert_eq!(connect.parameters["io.confluent.connect.avro.record.doc"], "an order");
    assert_eq!(connect.parameters["io.confluent.connect.avro.field.doc.id"], "its id");
    let SchemaType::Struct(fields) = &connect.kind else { panic!("{connect:?}") };
    let kind = &fields[1].1;
    assert_eq!(kind.name.as_deref(), Some("org.acme.Kind"));
    let symbols: Vec<&str> = kind.parameters.keys().map(String::as_str).collect();
    let prefix = "io.confluent.connect.avro.Enum";
    assert_eq!(symbols, [prefix.to_owned(), format!("{prefix}.b"), format!("{prefix}.a")], "symbols keep their order");
    assert_eq!(fields[4].1.name.as_deref(), Some("io.confluent.connect.avro.Union"));
    assert_eq!(fields[6].1, of(SchemaType::Int64));
}

#[tokio::test]
async fn an_enum_and_a_union_go_out_as_they_came_in_with_enhanced_support() {
    let text = r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"kind","type":{"type":"enum","name":"Kind","doc":"which","symbols":["b","a"],"default":"b"}},{"name":"what","type":["null","long",{"type":"record","name":"Item","fields":[{"name":"n","type":"int"}]}]},{"name":"hash","type":{"type":"fixed","name":"Hash","size":2}}]}"#;
    let registry = Registry::open().await;
    let pairs = [("enhanced.avro.schema.support", "true"), ("connect.meta.data", "true")];
    let id = registry.registry.register("in-value", &avro_text(text), false).await.unwrap();
    let body = [&[0][..], &id.to_be_bytes(), &[2, 4, 10, 1, 2]].concat();
    let second = [&[0][..], &id.to_be_bytes(), &[0, 0, 3, 4]].concat();
    let bytes = BinaryArray::from_iter([Some(body), Some(second)]);
    let converter = converter(&registry, &pairs);
    let converted = read(&*converter, &bytes).await.unwrap().remove(0);
    let again = write(&*converter, &converted.field, &converted.values).await.unwrap();
    assert_eq!(&again.value(0)[5..], &bytes.value(0)[5..]);
    assert_eq!(&again.value(1)[5..], &bytes.value(1)[5..]);
    let out = registry.registry.find_schema(2).unwrap().text;
    assert!(out.contains(r#""type":"enum","name":"Kind","doc":"which","symbols":["b","a"],"default":"b""#), "{out}");
    assert!(out.contains(r#"["null","long",{"type":"record","name":"Item""#), "{out}");
    assert!(out.contains(r#"{"type":"fixed","name":"Hash","size":2"#), "{out}");
}

#[tokio::test]
async fn what_columns_cannot_hold_is_refused_with_a_reason() {
    let recursive = r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#;
    let refused = read_foreign(&[], recursive, &[0]).await.unwrap_err();
    assert!(refused.contains("Node contains itself"), "{refused}");
    let null = read_foreign(&[], r#""null""#, &[]).await.unwrap_err();
    assert!(null.contains("Standalone null schemas are not supported"), "{null}");
    let cases: [(&str, &[u8], &str); 9] = [
        (r#""string""#, &[4, b'a'], "ends in the middle"),
        (r#""string""#, &[2, 0xFF], "UTF"),
        (r#""string""#, &[1], "a length or count of -1"),
        (r#""int""#, &[0x80, 0x80, 0x80, 0x80, 0x80, 1], "does not fit"),
        (r#""long""#, &[0xFF; 10], "longer than its type"),
        (r#""boolean""#, &[2], "a boolean is 0x02"),
        (r#"["null","long"]"#, &[4], "branch 2"),
        (r#"{"type":"array","items":"long"}"#, &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0], "is impossible"),
        (r#""long""#, &[2, 2], "1 bytes are left"),
    ];
    for (schema, body, reason) in cases {
        let refused = read_foreign(&[], schema, body).await.unwrap_err();
        assert!(refused.starts_with("Failed to deserialize data for topic t to Avro: "), "{refused}");
        assert!(refused.contains(reason), "{schema}: {refused}");
    }
}

/// Items without bytes: their count is all that there is, so it must not be believed.
#[tokio::test]
async fn a_count_of_items_that_take_no_bytes_is_bounded_by_the_message() {
    let schema = r#"{"type":"array","items":{"type":"record","name":"Empty","fields":[]}}"#;
    let mut body = Vec::new();
    for _ in 0..100 {
        body.extend_from_slice(&[0xFE, 0xFF, 0x03]);
    }
    body.push(0);
    let refused = read_foreign(&[], schema, &body).await.unwrap_err();
    assert!(refused.contains("is impossible"), "{refused}");
    let (_, value) = read_foreign(&[], schema, &[6, 0]).await.unwrap();
    assert_eq!(value, json!([{}, {}, {}]));
}

#[tokio::test]
async fn rows_of_several_ids_and_none_come_back_in_groups() {
    let registry = Registry::open().await;
    let one = registry.registry.register("t-value", &avro_text(r#""long""#), false).await.unwrap();
    registry.registry.set_level(None, Some("NONE".parse().unwrap())).await.unwrap();
    let two = registry.registry.register("t-value", &avro_text(r#"["null","string"]"#), false).await.unwrap();
    let long = |value: u8| Some([&[0][..], &one.to_be_bytes(), &[value * 2]].concat());
    let text = |text: &str| Some([&[0][..], &two.to_be_bytes(), &[2, 2], text.as_bytes()].concat());
    let null = Some([&[0][..], &two.to_be_bytes(), &[0]].concat());
    let bytes = BinaryArray::from_iter([long(1), text("a"), None, long(2), null, text("b"), None]);
    let converted = read(&*converter(&registry, &[]), &bytes).await.unwrap();
    assert_eq!(converted.len(), 2);
    let [first, second] = converted.as_slice() else { panic!() };
    assert_eq!(first.rows, Some(vec![0, 2, 3, 6]));
    let values = first.values.as_primitive::<Int64Type>();
    assert_eq!(values.iter().collect::<Vec<_>>(), [Some(1), None, Some(2), None]);
    assert!(first.tombstones.is_none() && first.field.is_nullable());
    assert!(!ConnectSchema::from_field(&first.field).unwrap().unwrap().optional, "required, and holds tombstones");
    assert_eq!(second.rows, Some(vec![1, 4, 5]));
    assert_eq!(second.values.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), None, Some("b")]);
    let tombstones = second.tombstones.as_ref().unwrap();
    assert_eq!(tombstones.iter().collect::<Vec<_>>(), [Some(false); 3], "a null that was written is none");
}

#[tokio::test]
async fn a_message_of_no_known_schema_is_rejected_and_the_others_can_still_be_read() {
    let registry = Registry::open().await;
    let converter = converter(&registry, &[]);
    let unknown = BinaryArray::from_iter([Some(&[0u8, 0, 0, 0, 9, 2][..])]);
    let refused = read(&*converter, &unknown).await.unwrap_err();
    assert!(refused.contains("schema id 9: schema registry: Schema 9 not found (error code 40403)"), "{refused}");
    for bytes in [&b"{}"[..], &[0, 0, 0], &[1, 0, 0, 0, 1, 2], &[]] {
        let refused = read(&*converter, &BinaryArray::from_iter([Some(bytes)])).await.unwrap_err();
        assert_eq!(refused, "Failed to deserialize data for topic t to Avro: Unknown magic byte!");
    }
    let json = SchemaText { kind: SchemaKind::Json, text: r#"{"type":"object"}"#.to_owned(), references: Vec::new() };
    if let Ok(id) = registry.registry.register("j", &json, false).await {
        let message = [&[0][..], &id.to_be_bytes(), b"{}"].concat();
        let refused = read(&*converter, &BinaryArray::from_iter([Some(message)])).await.unwrap_err();
        assert!(refused.contains("the schema is of type JSON, and this is the Avro converter"), "{refused}");
    }
}

#[tokio::test]
async fn an_incompatible_schema_is_a_rejected_record_that_says_why() {
    let registry = Registry::open().await;
    let converter = converter(&registry, &[]);
    let record = |fields| {
        let mut schema = structure(fields);
        schema.name = Some("R".to_owned());
        schema
    };
    let (field, values) = column(&record(vec![("a", of(SchemaType::Int32))]), &[json!({"a": 1})]);
    write(&*converter, &field, &values).await.unwrap();
    let schema = record(vec![("a", of(SchemaType::Int32)), ("b", of(SchemaType::String))]);
    let (field, values) = column(&schema, &[json!({"a": 1, "b": "x"})]);
    let refused = write(&*converter, &field, &values).await.unwrap_err();
    assert!(refused.starts_with("Failed to serialize Avro data from topic t: schema registry: Schema being registered is incompatible with an earlier schema for subject \"t-value\", details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'b'}, {oldSchemaVersion: 1}, "), "{refused}");
    assert!(refused.ends_with("{validateFields: 'false', compatibility: 'BACKWARD'}] (error code 409)"), "{refused}");
}

#[tokio::test]
async fn subjects_are_named_by_the_strategy() {
    let mut record = structure(vec![("a", of(SchemaType::Int32))]);
    record.name = Some("org.acme.R".to_owned());
    let (field, values) = column(&record, &[json!({"a": 1})]);
    let package = "io.confluent.kafka.serializers.subject.";
    for (strategy, subject) in [
        ("TopicNameStrategy", "t-value"),
        ("RecordNameStrategy", "org.acme.R"),
        ("TopicRecordNameStrategy", "t-org.acme.R"),
    ] {
        let registry = Registry::open().await;
        let class = format!("{package}{strategy}");
        let converter = converter(&registry, &[("value.subject.name.strategy", &class)]);
        write(&*converter, &field, &values).await.unwrap();
        assert_eq!(registry.registry.subjects("", false, false), [subject]);
    }
    let registry = Registry::open().await;
    let key = avro::make(ConverterRole::Key, &config(&[]), &registry.provider()).unwrap();
    let (field, values) = column(&of(SchemaType::Int64), &[json!(5)]);
    assert_eq!(write(&*key, &field, &values).await.unwrap().value(0), [0, 0, 0, 0, 1, 10]);
    assert_eq!(registry.registry.subjects("", false, false), ["t-key"]);
    let class = format!("{package}RecordNameStrategy");
    let by_record = converter(&registry, &[("value.subject.name.strategy", &class)]);
    let refused = write(&*by_record, &field, &values).await.unwrap_err();
    assert!(refused.contains("must only be a record schema"), "{refused}");
    assert!(
        avro::make(ConverterRole::Key, &config(&[("key.subject.name.strategy", "x.Y")]), &registry.provider()).is_err()
    );
}

#[tokio::test]
async fn without_auto_register_only_what_stands_there_is_written() {
    let registry = Registry::open().await;
    let mut record = structure(vec![("a", of(SchemaType::Int32))]);
    record.name = Some("R".to_owned());
    let (field, values) = column(&record, &[json!({"a": 3})]);
    let off = ("auto.register.schemas", "false");
    let refused = write(&*converter(&registry, &[off]), &field, &values).await.unwrap_err();
    assert!(refused.contains("Subject 't-value' not found. (error code 40401)"), "{refused}");
    let wider = r#"{"type":"record","name":"R","fields":[{"name":"more","type":"string","default":"d"},{"name":"a","type":["null","long"]}]}"#;
    registry.registry.register("t-value", &avro_text(wider), false).await.unwrap();
    let latest = converter(&registry, &[off, ("use.latest.version", "true")]);
    // more "d", the second branch, 3.
    assert_eq!(write(&*latest, &field, &values).await.unwrap().value(0), [0, 0, 0, 0, 1, 2, b'd', 2, 6]);
    let by_id = converter(&registry, &[off, ("use.schema.id", "1")]);
    assert_eq!(write(&*by_id, &field, &values).await.unwrap().value(0)[..5], [0, 0, 0, 0, 1]);
    let needs_more = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"z","type":"int"}]}"#;
    registry.registry.set_level(None, Some("NONE".parse().unwrap())).await.unwrap();
    registry.registry.register("t-value", &avro_text(needs_more), false).await.unwrap();
    let latest = converter(&registry, &[off, ("use.latest.version", "true")]);
    let refused = write(&*latest, &field, &values).await.unwrap_err();
    assert!(refused.contains("Incompatible schema: ") && refused.contains("'z'"), "{refused}");
}

#[tokio::test]
async fn a_schema_that_refers_to_others_is_read_with_them() {
    let registry = Registry::open().await;
    let item = r#"{"type":"record","name":"Item","namespace":"n","fields":[{"name":"n","type":"int"}]}"#;
    registry.registry.register("item", &avro_text(item), false).await.unwrap();
    let order = r#"{"type":"record","name":"Order","namespace":"n","fields":[{"name":"item","type":"Item"},{"name":"other","type":"n.Item"}]}"#;
    let references = vec![SchemaReference { name: "n.Item".to_owned(), subject: "item".to_owned(), version: 1 }];
    let order = SchemaText { references, ..avro_text(order) };
    let id = registry.registry.register("t-value", &order, false).await.unwrap();
    let message = [&[0][..], &id.to_be_bytes(), &[2, 4]].concat();
    let converted =
        read(&*converter(&registry, &[]), &BinaryArray::from_iter([Some(message)])).await.unwrap().remove(0);
    assert_eq!(payloads(&converted.field, &converted.values), [json!({"item": {"n": 1}, "other": {"n": 2}})]);
}

#[tokio::test]
async fn values_without_a_schema_come_back_as_they_were() {
    let registry = Registry::open().await;
    let converter = converter(&registry, &[]);
    let texts = [r#"{"a":[1,-2.5,"x",null,true,{}],"b":{"c":[]}}"#, "5", "\"t\"", "[]"];
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let field = schemaless_json_field("value");
    let bytes = write(&*converter, &field, &values).await.unwrap();
    // `Anything` with the sixth member set, a long.
    assert_eq!(bytes.value(1), [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 10, 0, 0, 0]);
    let converted = read(&*converter, &bytes).await.unwrap().remove(0);
    assert_eq!(*converted.field, field);
    let texts: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let read: Vec<Value> =
        converted.values.as_string::<i32>().iter().map(|text| serde_json::from_str(text.unwrap()).unwrap()).collect();
    assert_eq!(read, texts);
}

#[tokio::test]
async fn a_null_is_no_bytes_and_a_null_where_none_may_be_is_refused() {
    let registry = Registry::open().await;
    let converter = converter(&registry, &[]);
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let bytes = write(&*converter, &Field::new("value", DataType::Int64, true), &values).await.unwrap();
    assert_eq!((bytes.value(0), bytes.is_null(1)), (&[0u8, 0, 0, 0, 1, 2, 2][..], true));
    let mut with_default = of(SchemaType::Int32).optional();
    with_default.default = Some(json!(7));
    let (field, values) = column(&structure(vec![("x", with_default)]), &[json!({"x": null})]);
    let written = write(&*converter, &field, &values).await.unwrap_err();
    assert!(written.contains("incompatible"), "another type under the same subject: {written}");
    for (pairs, body) in [(vec![], vec![0u8, 14]), (vec![("ignore.default.for.nullables", "true")], vec![2])] {
        let registry = Registry::open().await;
        let converter = self::converter(&registry, &pairs);
        assert_eq!(write(&*converter, &field, &values).await.unwrap().value(0)[5..], body);
    }
}

#[tokio::test]
async fn decimals_keep_their_digits_in_every_width() {
    let registry = Registry::open().await;
    let converter = converter(&registry, &[]);
    let decimal = of(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "2").parameter(PRECISION, "5");
    let (field, values) = column(&decimal, &[json!("AYaf")]);
    let bytes = write(&*converter, &field, &values).await.unwrap();
    assert_eq!(bytes.value(0)[5..], [6, 0x01, 0x86, 0x9F]);
    let back = read(&*converter, &bytes).await.unwrap().remove(0).values;
    assert_eq!(back.as_primitive::<Decimal128Type>().value(0), 99_999);
    // 6 digits, written by somebody who does not look at the precision.
    let schema = r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#;
    let refused = read_foreign(&[], schema, &[6, 0x0F, 0x42, 0x40]).await.unwrap_err();
    assert!(refused.contains("does not fit 5 digits"), "{refused}");
    let (_, value) = read_foreign(&[], schema, &[2, 0x85]).await.unwrap();
    assert_eq!(value, json!("hQ=="));
}

const ALL: Limits = Limits { maps_with_other_keys: true, nullable_items: true, nested_lists: true };

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_connect_holds_comes_back(seed in any::<u64>(), enhanced in any::<bool>()) {
        let mut random = Random(seed);
        let schema = any_struct(&mut random, &mut 0, 3, ALL);
        let rows: Vec<Value> = (0..random.below(20) + 1).map(|_| any_value(&mut random, &schema)).collect();
        let (field, values) = column(&schema, &rows);
        block_on(async {
            let registry = Registry::open().await;
            let enhanced = enhanced.to_string();
            let converter = converter(&registry, &[("enhanced.avro.schema.support", &enhanced)]);
            let bytes = write(&*converter, &field, &values).await.unwrap();
            let converted = read(&*converter, &bytes).await.unwrap().remove(0);
            let mut back = ConnectSchema::from_field(&converted.field).unwrap().unwrap();
            // The registry's version, which the schema did not have.
            back.version = None;
            assert_eq!(back, schema);
            assert_eq!(payloads(&converted.field, &converted.values), payloads(&field, &values));
        });
    }

    #[test]
    fn bytes_that_were_broken_never_panic(
        seed in any::<u64>(),
        breaks in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut random = Random(seed);
        let schema = any_struct(&mut random, &mut 0, 3, ALL);
        let rows: Vec<Value> = (0..4).map(|_| any_value(&mut random, &schema)).collect();
        let (field, values) = column(&schema, &rows);
        block_on(async {
            let registry = Registry::open().await;
            let converter = converter(&registry, &[]);
            let bytes = write(&*converter, &field, &values).await.unwrap();
            let broken = bytes.iter().flatten().map(|message| {
                let mut message = message.to_vec();
                for (index, byte) in &breaks {
                    let at = 5 + index.index(message.len().max(6) - 5);
                    if let Some(place) = message.get_mut(at) {
                        *place = *byte;
                    }
                }
                if breaks.len() % 2 == 0 {
                    message.truncate(5 + cut.index(message.len() - 4));
                }
                Some(message)
            });
            // Right or refused; never more memory than a few times the message.
            let _ = read(&*converter, &BinaryArray::from_iter(broken)).await;
        });
    }

    #[test]
    fn schema_texts_at_random_are_schemas_or_refused(
        text in r#"[\{\}\[\]":,a-z0-9 \.]{0,60}"#,
        parts in proptest::collection::vec(prop::sample::select(vec![
            "{\"type\":\"record\",\"name\":\"A\",\"fields\":[", "{\"name\":\"f\",\"type\":", "\"A\"", "\"int\"", "]}", "}",
            "[", "]", ",", "{\"type\":\"array\",\"items\":", "\"null\"", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"]}",
        ]), 0..14),
    ) {
        let _ = sluice_converters_registry::registered::canonical(SchemaKind::Avro, &text, &[], false);
        let text = parts.concat();
        if let Ok(canonical) = sluice_converters_registry::registered::canonical(SchemaKind::Avro, &text, &[], false) {
            let again = sluice_converters_registry::registered::canonical(SchemaKind::Avro, &canonical, &[], false);
            prop_assert_eq!(again.unwrap(), canonical);
        }
    }
}
