//! `Filter` and `Compute` by expression: what they see of a record, and what they say when it does not work.

use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use futures_util::FutureExt;
use sluice_connect_api::{ConfigMap, PluginRegistry};
use sluice_data::headers::{Header, HeadersBuilder};
use sluice_data::schema::schemaless_json_field;
use sluice_data::{ConnectBatch, ConnectSchema};
use std::sync::Arc;

const FILTER: &str = "io.sluice.transforms.Filter";
const COMPUTE: &str = "io.sluice.transforms.Compute$Value";

fn apply(class: &str, config: &[(&str, &str)], batch: &ConnectBatch) -> Result<Vec<ConnectBatch>, String> {
    let registry = PluginRegistry::default();
    sluice_transforms::register(&registry);
    let config: ConfigMap = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let made = registry.transformation(class, &config).now_or_never().unwrap();
    let mut made = made.map_err(|error| format!("config: {error}"))?;
    made.apply(batch).now_or_never().unwrap().map_err(|error| error.to_string())
}

/// Four schemaless records with keys, headers, partitions and timestamps of their own.
fn records() -> ConnectBatch {
    let values: ArrayRef = Arc::new(StringArray::from(vec![
        Some(r#"{"amount":50,"name":"a"}"#),
        Some(r#"{"amount":150,"name":"b","tags":["x"]}"#),
        None,
        Some(r#"{"amount":1.5}"#),
    ]));
    let mut headers = HeadersBuilder::default();
    for row in 0..4 {
        let value = if row == 1 { Some(&b"yes"[..]) } else { None };
        headers.push(Header { name: "h", value, schema: None });
        headers.end_row();
    }
    let keys: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
    ConnectBatch::builder("orders", &schemaless_json_field("value"), values)
        .key(&Field::new("key", DataType::Int32, false), keys)
        .headers(headers.finish())
        .partitions(Int32Array::from(vec![Some(0), Some(1), None, Some(0)]))
        .timestamps(Int64Array::from(vec![Some(0), Some(86_400_000), None, Some(1)]))
        .build()
        .unwrap()
}

fn kept(condition: &str) -> Result<Vec<i64>, String> {
    let batches = apply(FILTER, &[("condition", condition)], &records())?;
    Ok(batches.iter().flat_map(|batch| batch.row_ids().values().to_vec()).collect())
}

#[test]
fn a_condition_sees_the_whole_record() {
    for (condition, expected) in [
        ("value != null && value.amount > 100.0", vec![1]),
        ("value == null", vec![2]),
        ("key >= 3", vec![2, 3]),
        ("topic == 'orders' && partition == 0", vec![0, 3]),
        ("headers['h'] == 'yes'", vec![1]),
        ("timestamp == timestamp('1970-01-02T00:00:00Z')", vec![1]),
        ("value != null && has(value.tags) && value.tags.exists(tag, tag == 'x')", vec![1]),
        ("true", vec![0, 1, 2, 3]),
        ("false", vec![]),
    ] {
        assert_eq!(kept(condition).as_deref(), Ok(&expected[..]), "{condition}");
    }
}

#[test]
fn an_expression_that_does_not_fit_says_why() {
    for (condition, expected) in [
        ("value.", "config: "),
        ("", "config: "),
        ("amount > 1", "there is no variable amount; there are key, value, headers"),
        ("key", "neither true nor false"),
        ("value.name == 'a'", "name"),
        ("key > 'a'", "key > 'a'"),
    ] {
        let error = kept(condition).unwrap_err();
        assert!(error.contains(expected), "{condition}: {error}");
    }
    let (field, expression) = (("field", "f"), ("expression", "key"));
    for (config, expected) in [
        (vec![field, expression], "Missing required configuration \"type\""),
        (vec![field, expression, ("type", "bytes")], "String must be one of (case insensitive): INT8"),
        (vec![field, ("expression", "1 +"), ("type", "int8")], "configuration expression"),
        (vec![field, ("expression", "key * 100"), ("type", "int8")], "not Int8"),
        (vec![field, ("expression", "'x'"), ("type", "int64")], "not Int64"),
    ] {
        let error = apply(COMPUTE, &config, &records()).unwrap_err();
        assert!(error.contains(expected), "{config:?}: {error}");
    }
}

#[test]
fn a_simple_name_means_kafkas_filter() {
    assert!(apply("Filter", &[], &records()).unwrap().is_empty());
}

fn json(batch: &ConnectBatch) -> Vec<Option<String>> {
    let texts = batch.value().as_any().downcast_ref::<StringArray>().unwrap();
    texts.iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn a_field_is_computed_for_each_record_that_has_a_value() {
    let config = [("field", "k"), ("expression", "string(key) + topic"), ("type", "string")];
    let computed = apply(COMPUTE, &config, &records()).unwrap();
    assert_eq!(
        json(&computed[0]),
        [
            Some(r#"{"amount":50,"name":"a","k":"1orders"}"#.to_owned()),
            Some(r#"{"amount":150,"name":"b","tags":["x"],"k":"2orders"}"#.to_owned()),
            None,
            Some(r#"{"amount":1.5,"k":"4orders"}"#.to_owned()),
        ]
    );
    let config = [("field", "amount"), ("expression", "timestamp"), ("type", "int64")];
    let computed = apply(COMPUTE, &config, &records().slice(0, 1)).unwrap();
    assert_eq!(json(&computed[0]), [Some(r#"{"amount":0,"name":"a"}"#.to_owned())]);
}

#[test]
fn a_computed_field_has_a_schema() {
    let a: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let structure = StructArray::from(vec![(Arc::new(Field::new("a", DataType::Int64, false)), a)]);
    let field = Field::new("value", structure.data_type().clone(), false);
    let batch = ConnectBatch::builder("t", &field, Arc::new(structure)).build().unwrap();
    let config = [("field", "half"), ("expression", "double(value.a) / 2.0"), ("type", "float32")];
    let computed = apply(COMPUTE, &config, &batch).unwrap().remove(0);
    let schema = ConnectSchema::from_field(computed.value_field()).unwrap().unwrap().to_json();
    assert_eq!((&schema["fields"][1]["field"], &schema["fields"][1]["type"]), (&"half".into(), &"float".into()));
    assert_eq!(schema["fields"][1]["optional"], true);
    let values = computed.value().as_any().downcast_ref::<StructArray>().unwrap().column(1).clone();
    assert_eq!(values.as_any().downcast_ref::<arrow_array::Float32Array>().unwrap().values(), &[0.5, 1.0]);
}
