//! The converters of text, bytes, numbers and booleans.

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, NullArray, StringArray, StructArray,
};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;
use sluice_connect_api::{ConfigMap, Converter, ConverterRole, PluginRegistry};
use sluice_data::schema::schemaless_json_field;
use std::sync::Arc;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

fn converter(class: &str) -> Box<dyn Converter> {
    let registry = PluginRegistry::default();
    sluice_converters::register(&registry);
    registry.converter(class, ConverterRole::Value, &ConfigMap::new()).unwrap()
}

fn write(class: &str, values: ArrayRef) -> Result<BinaryArray, String> {
    let field = Field::new("v", values.data_type().clone(), true);
    converter(class).from_connect_data("t", &field, &values, None).map_err(|error| error.to_string())
}

#[test]
fn text_and_bytes_share_their_buffers_both_ways() {
    let texts = StringArray::from(vec![Some("one"), None, Some("")]);
    let written = write(STRING, Arc::new(texts.clone())).unwrap();
    assert_eq!(written, BinaryArray::from_opt_vec(vec![Some(b"one"), None, Some(b"")]));
    assert_eq!(written.values().as_ptr(), texts.values().as_ptr());
    let read = converter(STRING).to_connect_data("t", &written.slice(0, 2)).unwrap();
    let read = read[0].values.as_any().downcast_ref::<StringArray>().unwrap().clone();
    assert_eq!(read, texts.slice(0, 2));
    assert_eq!(read.values().as_ptr(), texts.values().as_ptr());
}

#[test]
fn bytes_that_are_not_utf8_are_read_with_replacement_characters() {
    let bytes = BinaryArray::from(vec![b"ok".as_slice(), b"a\xffb"]);
    let read = converter(STRING).to_connect_data("t", &bytes).unwrap();
    assert_eq!(read[0].values.as_ref(), &StringArray::from(vec!["ok", "a\u{fffd}b"]) as &dyn Array);
}

#[test]
fn other_values_are_written_as_javas_to_string() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a"), None]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    let structure = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, false)), Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef),
        (Arc::new(Field::new("c", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
    ]);
    let decimal = Decimal128Array::from(vec![1]).with_precision_and_scale(20, 10).unwrap();
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(Int64Array::from(vec![-5])), "-5"),
        (Arc::new(Float64Array::from(vec![1.0])), "1.0"),
        (Arc::new(Float64Array::from(vec![1e7])), "1.0E7"),
        (Arc::new(Float64Array::from(vec![-1.25e-4])), "-1.25E-4"),
        (Arc::new(Float64Array::from(vec![0.001])), "0.001"),
        (Arc::new(Float64Array::from(vec![1234567.5])), "1234567.5"),
        (Arc::new(Float32Array::from(vec![0.1])), "0.1"),
        (Arc::new(Float64Array::from(vec![f64::NEG_INFINITY])), "-Infinity"),
        (Arc::new(Float64Array::from(vec![0.0])), "0.0"),
        (Arc::new(BooleanArray::from(vec![true])), "true"),
        (Arc::new(Date32Array::from(vec![0])), "Thu Jan 01 00:00:00 UTC 1970"),
        (Arc::new(decimal), "1E-10"),
        (Arc::new(list.finish()), "[a, null]"),
        (Arc::new(map.finish()), "{k=v}"),
        (Arc::new(structure), "Struct{a=1,c=x}"),
    ];
    for (values, expected) in cases {
        assert_eq!(write(STRING, values).unwrap(), BinaryArray::from(vec![expected.as_bytes()]));
    }
    let refused = write(STRING, Arc::new(BinaryArray::from(vec![b"x".as_slice()]))).unwrap_err();
    assert!(refused.contains("ByteArrayConverter"), "{refused}");
}

#[test]
fn schemaless_json_is_written_as_its_text() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(r#""a\n""#), Some(r#"{"a":1}"#), None]));
    let written = converter(STRING).from_connect_data("t", &schemaless_json_field("v"), &texts, None).unwrap();
    assert_eq!(written, BinaryArray::from_opt_vec(vec![Some(b"a\n"), Some(br#"{"a":1}"#), None]));
}

#[test]
fn tombstones_are_null_in_every_format() {
    let tombstones = BooleanArray::from(vec![true, false]);
    let columns: [(&str, ArrayRef); 4] = [
        (STRING, Arc::new(StringArray::from(vec!["a", "b"]))),
        (BYTES, Arc::new(BinaryArray::from(vec![b"a".as_slice(), b"b"]))),
        ("org.apache.kafka.connect.converters.LongConverter", Arc::new(Int64Array::from(vec![1, 2]))),
        ("org.apache.kafka.connect.converters.BooleanConverter", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    for (class, values) in columns {
        let field = Field::new("v", values.data_type().clone(), true);
        let written = converter(class).from_connect_data("t", &field, &values, Some(&tombstones)).unwrap();
        assert_eq!((written.is_null(0), written.is_null(1)), (true, false), "{class}");
        assert_eq!(write(class, Arc::new(NullArray::new(2))).unwrap().null_count(), 2, "{class}");
    }
}

#[test]
fn numbers_are_big_endian_of_fixed_width() {
    let cases: Vec<(&str, ArrayRef, &[u8])> = vec![
        ("Short", Arc::new(Int16Array::from(vec![-2])), &[0xFF, 0xFE]),
        ("Integer", Arc::new(Int32Array::from(vec![1])), &[0, 0, 0, 1]),
        ("Long", Arc::new(Int64Array::from(vec![258])), &[0, 0, 0, 0, 0, 0, 1, 2]),
        ("Float", Arc::new(Float32Array::from(vec![1.0])), &[0x3F, 0x80, 0, 0]),
        ("Double", Arc::new(Float64Array::from(vec![-2.0])), &[0xC0, 0, 0, 0, 0, 0, 0, 0]),
        ("Boolean", Arc::new(BooleanArray::from(vec![true])), &[1]),
    ];
    for (name, values, expected) in cases {
        let class = format!("org.apache.kafka.connect.converters.{name}Converter");
        let written = write(&class, values.clone()).unwrap();
        assert_eq!(written, BinaryArray::from(vec![expected]), "{name}");
        let read = converter(&class).to_connect_data("t", &written).unwrap();
        assert_eq!(&read[0].values, &values, "{name}");
        let long = BinaryArray::from(vec![&[0u8; 9][..]]);
        let error = converter(&class).to_connect_data("t", &long).unwrap_err().to_string();
        assert_eq!(error, format!("Failed to deserialize {}: the value has 9 bytes", name.to_lowercase()));
        let error = write(&class, Arc::new(StringArray::from(vec!["1"]))).unwrap_err();
        assert!(error.starts_with(&format!("Failed to serialize to {}", name.to_lowercase())), "{error}");
    }
    let two = BinaryArray::from(vec![&[2u8][..]]);
    assert!(converter("BooleanConverter").to_connect_data("t", &two).is_err());
}

#[test]
fn byte_array_converter_refuses_what_is_not_bytes() {
    let error = write(BYTES, Arc::new(StringArray::from(vec!["x"]))).unwrap_err();
    assert_eq!(error, "Invalid schema type for ByteArrayConverter: STRING");
}

#[test]
fn byte_array_converter_takes_a_null_of_a_decimal_whose_schema_is_one_of_bytes() {
    let decimals =
        |value| Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(9, 2).unwrap()) as ArrayRef;
    assert_eq!(write(BYTES, decimals(None)).unwrap().iter().collect::<Vec<_>>(), [None]);
    let error = write(BYTES, decimals(Some(1))).unwrap_err();
    assert!(error.contains("is not bytes"), "{error}");
}

#[test]
fn another_encoding_than_utf8_is_refused() {
    let registry = PluginRegistry::default();
    sluice_converters::register(&registry);
    let config = ConfigMap::from([("converter.encoding".to_owned(), "UTF-16".to_owned())]);
    let error = registry.converter(STRING, ConverterRole::Key, &config).err().unwrap().to_string();
    assert!(error.contains("converter.encoding") && error.contains("UTF-8"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(rows in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..12)), 1..4)) {
        let bytes = BinaryArray::from_iter(rows.iter().map(Option::as_ref));
        for name in ["Short", "Integer", "Long", "Float", "Double", "Boolean", "ByteArray", "String"] {
            let _ = converter(&format!("{name}Converter")).to_connect_data("t", &bytes);
        }
        prop_assert!(converter(STRING).to_connect_data("t", &bytes).is_ok());
        let back = &converter(BYTES).to_connect_data("t", &bytes).unwrap()[0];
        prop_assert_eq!(write(BYTES, back.values.clone()).unwrap(), bytes);
    }

    #[test]
    fn text_comes_back_as_it_was(texts in proptest::collection::vec(proptest::option::of(any::<String>()), 0..5)) {
        let texts = StringArray::from(texts);
        let written = write(STRING, Arc::new(texts.clone())).unwrap();
        let read = converter(STRING).to_connect_data("t", &written).unwrap();
        prop_assert_eq!(read[0].values.as_ref(), &texts as &dyn Array);
    }
}
