//! `JsonSchemaConverter` as a user meets it: schemas as Confluent's converter registers them, foreign schemas, round trips.

mod common;

use arrow_array::BinaryArray;
use common::{Limits, Random, Registry, any_struct, any_value, column, config, payloads, read, write};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_connect_api::schema_registry::{SchemaKind, SchemaReference, SchemaText};
use sluice_connect_api::{Converter, ConverterRole, SchemaRegistry};
use sluice_converters_registry::json_schema;
use sluice_data::schema::{DATE, DECIMAL, SCALE};
use sluice_data::{ConnectSchema, SchemaType};

fn converter(registry: &Registry, pairs: &[(&str, &str)]) -> Box<dyn Converter> {
    json_schema::make(ConverterRole::Value, &config(pairs), &registry.provider()).unwrap()
}

fn json_text(text: &str) -> SchemaText {
    SchemaText { kind: SchemaKind::Json, text: text.to_owned(), references: Vec::new() }
}

fn of(kind: SchemaType) -> ConnectSchema {
    ConnectSchema::new(kind)
}

async fn read_foreign(
    pairs: &[(&str, &str)],
    schema: SchemaText,
    body: &str,
) -> Result<(ConnectSchema, Value), String> {
    let registry = Registry::open().await;
    let item = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;
    registry.registry.register("item", &json_text(item), false).await.unwrap();
    let id = registry.registry.register("t-value", &schema, false).await.map_err(|error| error.to_string())?;
    let message = [&[0][..], &id.to_be_bytes(), body.as_bytes()].concat();
    let converted = read(&*converter(&registry, pairs), &BinaryArray::from_iter([Some(message)])).await?.remove(0);
    let schema = ConnectSchema::from_field(&converted.field).unwrap().unwrap();
    Ok((schema, payloads(&converted.field, &converted.values).remove(0)))
}

#[tokio::test]
async fn records_and_schemas_are_written_as_confluents_converter_writes_them() {
    let registry = Registry::open().await;
    let map = of(SchemaType::Map(Box::new(of(SchemaType::String)), Box::new(of(SchemaType::Float64))));
    let mut schema = of(SchemaType::Struct(vec![
        ("id".to_owned(), of(SchemaType::Int32)),
        ("name".to_owned(), of(SchemaType::String).optional()),
        ("day".to_owned(), of(SchemaType::Int32).named(DATE, 1)),
        ("price".to_owned(), of(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "2")),
        ("by".to_owned(), map),
    ]));
    schema.name = Some("Order".to_owned());
    let row = json!({"id": 5, "name": null, "day": 1, "price": "AQ==", "by": {"a": 0.5}});
    let (field, values) = column(&schema, &[row]);
    let bytes = write(&*converter(&registry, &[]), &field, &values).await.unwrap();
    let expected = [&[0u8, 0, 0, 0, 1][..], br#"{"id":5,"name":null,"day":1,"price":"AQ==","by":{"a":0.5}}"#].concat();
    assert_eq!(bytes.value(0), expected);
    let text = registry.registry.find_schema(1).unwrap().text;
    let expected = r#"{"type":"object","properties":{"id":{"type":"integer","connect.type":"int32","connect.index":0},"name":{"oneOf":[{"type":"null"},{"type":"string"}],"connect.index":1},"day":{"type":"integer","title":"org.apache.kafka.connect.data.Date","connect.type":"int32","connect.version":1,"connect.index":2},"price":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.version":1,"connect.parameters":{"scale":"2"},"connect.index":3},"by":{"type":"object","additionalProperties":{"type":"number","connect.type":"float64"},"connect.type":"map","connect.index":4}},"title":"Order"}"#;
    assert_eq!(text, expected);
}

#[tokio::test]
async fn foreign_schemas_are_read_as_confluents_converter_reads_them() {
    let schema = r##"{"$schema":"http://json-schema.org/draft-07/schema#","title":"User","type":"object",
        "properties":{"name":{"type":"string","description":"who"},"age":{"type":"integer"},"score":{"type":["number","null"]},
            "kind":{"enum":["a","b"]},"tags":{"type":"array","items":{"type":"string"}},"home":{"$ref":"#/definitions/Place"},
            "item":{"$ref":"item.json"}},
        "required":["name"],"definitions":{"Place":{"type":"object","properties":{"zip":{"type":"string","default":"0"}}}}}"##;
    let references = vec![SchemaReference { name: "item.json".to_owned(), subject: "item".to_owned(), version: 1 }];
    let schema = SchemaText { references, ..json_text(schema) };
    let body = r#"{"name":"x","age":3,"score":null,"kind":"b","tags":["t"],"home":{},"item":{"n":1},"more":true}"#;
    let (connect, value) = read_foreign(&[], schema.clone(), body).await.unwrap();
    let expected = json!({"name": "x", "age": 3, "score": null, "kind": "b", "tags": ["t"], "home": {"zip": "0"}, "item": {"n": 1}});
    assert_eq!(value, expected);
    assert_eq!((connect.name.as_deref(), connect.version), (Some("User"), Some(1)));
    let SchemaType::Struct(fields) = &connect.kind else { panic!() };
    assert_eq!(fields[0].1.doc.as_deref(), Some("who"));
    assert_eq!(fields[1].1, of(SchemaType::Int64));
    assert_eq!(fields[3].1.parameters["io.confluent.connect.json.Enum.b"], "b");
    let refused = read_foreign(&[], schema.clone(), r#"{"name":"x"}"#).await.unwrap_err();
    assert!(refused.contains("Invalid null value for required INT64 field"), "{refused}");
    let (_, value) =
        read_foreign(&[("use.optional.for.nonrequired", "true")], schema, r#"{"name":"x"}"#).await.unwrap();
    assert_eq!((&value["name"], &value["age"], &value["home"]), (&json!("x"), &Value::Null, &Value::Null));
}

#[tokio::test]
async fn what_has_no_form_in_columns_is_refused_by_name() {
    let cases = [
        (r#"{"oneOf":[{"type":"string"},{"type":"integer"}]}"#, "oneOf of several types is not supported yet"),
        (r#"{"allOf":[{"type":"object"},{"type":"object"}]}"#, "allOf is not supported yet"),
        (r#"{"type":["string","integer"]}"#, "several types is not supported yet"),
        (r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##, "# contains itself"),
        (r##"{"$ref":"#/definitions/X"}"##, "names nothing"),
    ];
    for (schema, reason) in cases {
        let refused = read_foreign(&[], json_text(schema), "1").await.unwrap_err();
        assert!(refused.contains(reason), "{schema}: {refused}");
    }
    let broken = read_foreign(&[], json_text(r#"{"type":"integer"}"#), "{").await.unwrap_err();
    assert!(broken.starts_with("Failed to deserialize data for topic t to JSON Schema: "), "{broken}");
    for schema in ["{", "5", r#"{"type":"x"}"#, r#"{"properties":[]}"#, r#"{"oneOf":[]}"#, r#"{"required":"a"}"#] {
        let registry = Registry::open().await;
        assert_eq!(
            registry.registry.register("s", &json_text(schema), false).await.unwrap_err().code,
            42201,
            "{schema}"
        );
    }
}

#[tokio::test]
async fn a_schema_is_one_whatever_its_blanks_and_keeps_the_order_of_its_members() {
    let registry = Registry::open().await;
    let with_blanks = json_text(r#"{ "type" : "object", "properties": {"b":{}, "a":{}} }"#);
    assert_eq!(registry.registry.register("s", &with_blanks, false).await, Ok(1));
    let without = json_text(r#"{"type":"object","properties":{"b":{},"a":{}}}"#);
    assert_eq!(registry.registry.register("s", &without, false).await, Ok(1));
    assert_eq!(registry.registry.find_schema(1).unwrap().text, r#"{"type":"object","properties":{"b":{},"a":{}}}"#);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

const HOLDS: Limits = Limits { maps_with_other_keys: false, nullable_items: true, nested_lists: true };

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_json_schema_holds_comes_back(seed in any::<u64>(), numeric in any::<bool>()) {
        let mut random = Random(seed);
        let schema = any_struct(&mut random, &mut 0, 3, HOLDS);
        let rows: Vec<Value> = (0..random.below(20) + 1).map(|_| any_value(&mut random, &schema)).collect();
        let (field, values) = column(&schema, &rows);
        block_on(async {
            let registry = Registry::open().await;
            let format = if numeric { "NUMERIC" } else { "BASE64" };
            let converter = converter(&registry, &[("decimal.format", format)]);
            let bytes = write(&*converter, &field, &values).await.unwrap();
            let converted = read(&*converter, &bytes).await.unwrap().remove(0);
            let mut back = ConnectSchema::from_field(&converted.field).unwrap().unwrap();
            back.version = None;
            assert_eq!(back, schema);
            assert_eq!(payloads(&converted.field, &converted.values), payloads(&field, &values));
        });
    }
}
