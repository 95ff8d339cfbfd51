//! Header converters: which classes there are, and what the simple one makes of texts.

use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int32Array};
use arrow_schema::{DataType, Field};
use serde_json::{Value, json};
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, PluginError, PluginRegistry};
use sluice_converters::simple_header::{CLASS, SimpleHeaderConverter};
use sluice_data::ConnectSchema;
use sluice_data::schema::row_to_payload;
use std::sync::Arc;

fn registry() -> PluginRegistry {
    let registry = PluginRegistry::default();
    sluice_converters::register(&registry);
    registry
}

#[test]
fn every_converter_takes_headers_and_the_simple_one_nothing_else() {
    let registry = registry();
    let kinds = |class: &str| -> Vec<&str> {
        registry.list().iter().filter(|plugin| plugin.class == class).map(|plugin| plugin.kind).collect()
    };
    assert_eq!(kinds(sluice_converters::json::CLASS), ["converter", "header_converter"]);
    assert_eq!(kinds(CLASS), ["header_converter"]);
    for plugin in registry.list() {
        assert!(
            registry.converter(&plugin.class, ConverterRole::Header, &ConfigMap::new()).is_ok(),
            "{}",
            plugin.class
        );
    }
    let refused = registry.converter(CLASS, ConverterRole::Value, &ConfigMap::new()).err().unwrap();
    assert_eq!(
        refused,
        PluginError::WrongKind { class: CLASS.to_owned(), expected: "converter", found: "header_converter" }
    );
}

#[test]
fn a_list_of_a_date_and_a_time_has_no_type_that_would_change_one_of_them() {
    let text: &[u8] = br"[1969-12-31,15\:23\:52.916Z]";
    let groups = SimpleHeaderConverter.to_connect_data("t", &BinaryArray::from(vec![text])).unwrap();
    assert_eq!(ConnectSchema::from_field(&groups[0].field).unwrap(), None);
    let value = row_to_payload(&groups[0].field, &groups[0].values, 0).unwrap();
    assert_eq!(value, json!([-86_400_000, 55_432_916]));
}

#[test]
fn headers_are_grouped_by_the_type_that_their_texts_have() {
    let texts: [Option<&[u8]>; 6] =
        [Some(b"1"), Some(b"abc"), None, Some(b"2"), Some(b"[1,\"x\"]"), Some(b"{1:2,\"a\":3}")];
    let groups = SimpleHeaderConverter.to_connect_data("t", &texts.into_iter().collect::<BinaryArray>()).unwrap();
    let found: Vec<(Vec<u32>, Value, Vec<Value>)> = groups
        .into_iter()
        .map(|group| {
            let schema = ConnectSchema::from_field(&group.field).unwrap();
            let values = (0..group.values.len()).map(|row| row_to_payload(&group.field, &group.values, row).unwrap());
            let kind = schema.map_or(Value::Null, |schema| schema.type_name().into());
            (group.rows.unwrap(), kind, values.collect())
        })
        .collect();
    assert_eq!(
        found,
        [
            (vec![0, 3], json!("int8"), vec![json!(1), json!(2)]),
            (vec![1], json!("string"), vec![json!("abc")]),
            (vec![2, 4, 5], Value::Null, vec![Value::Null, json!([1, "x"]), json!([[1, 2], ["a", 3]])]),
        ]
    );
}

#[test]
fn a_headers_text_is_that_of_its_value() {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(9)]));
    let field = Field::new("value", DataType::Int32, true);
    let tombstones = BooleanArray::from(vec![false, false, true]);
    let bytes = SimpleHeaderConverter.from_connect_data("t", &field, &values, Some(&tombstones)).unwrap();
    assert_eq!(bytes.iter().collect::<Vec<_>>(), [Some(&b"7"[..]), None, None]);
}
