//! Connect's schema to Arrow and to the JSON envelope, and back.

use arrow_schema::{DataType, Field, TimeUnit};
use proptest::prelude::*;
use sluice_data::schema::{
    DATE, DECIMAL, DECIMAL_EXTENSION, EXTENSION_NAME, PRECISION, SCALE, TIME, TIMESTAMP, decimal_scale,
    holds_tombstones, is_json, is_schemaless, schemaless_json_field, timestamp_type, with_tombstones,
};
use sluice_data::{ConnectSchema, SchemaError, SchemaType};
use std::collections::HashMap;

fn decimal(parameters: &[(&str, &str)]) -> ConnectSchema {
    let schema = ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1);
    parameters.iter().fold(schema, |schema, (name, value)| schema.parameter(name, *value))
}

fn text(schema: &ConnectSchema) -> String {
    let mut text = String::new();
    schema.write_json(&mut text);
    text
}

#[test]
fn each_row_of_the_mapping_table_holds_both_ways() {
    let of = ConnectSchema::new;
    let logical = |kind, name| ConnectSchema::new(kind).named(name, 1);
    for (schema, data_type) in [
        (of(SchemaType::Int8), DataType::Int8),
        (of(SchemaType::Int16), DataType::Int16),
        (of(SchemaType::Int32), DataType::Int32),
        (of(SchemaType::Int64), DataType::Int64),
        (of(SchemaType::Float32), DataType::Float32),
        (of(SchemaType::Float64), DataType::Float64),
        (of(SchemaType::Boolean), DataType::Boolean),
        (of(SchemaType::String), DataType::Utf8),
        (of(SchemaType::Bytes), DataType::Binary),
        (logical(SchemaType::Int32, DATE), DataType::Date32),
        (logical(SchemaType::Int32, TIME), DataType::Time32(TimeUnit::Millisecond)),
        (logical(SchemaType::Int64, TIMESTAMP), timestamp_type(TimeUnit::Millisecond)),
        (decimal(&[(SCALE, "2"), (PRECISION, "38")]), DataType::Decimal128(38, 2)),
        (decimal(&[(SCALE, "-2"), (PRECISION, "5")]), DataType::Decimal128(5, -2)),
        (decimal(&[(SCALE, "2"), (PRECISION, "39")]), DataType::Decimal256(39, 2)),
        (decimal(&[(SCALE, "2"), (PRECISION, "77")]), DataType::Binary),
        (decimal(&[(SCALE, "9"), (PRECISION, "5")]), DataType::Binary),
        (decimal(&[(SCALE, "1000")]), DataType::Binary),
        // The logical names mean nothing on other types.
        (logical(SchemaType::Int64, DATE), DataType::Int64),
        (logical(SchemaType::String, DECIMAL), DataType::Utf8),
    ] {
        for schema in [schema.clone(), schema.optional()] {
            let field = schema.to_field("f").unwrap();
            assert_eq!((field.data_type(), field.is_nullable()), (&data_type, schema.optional));
            assert_eq!(ConnectSchema::from_field(&field).unwrap(), Some(schema));
        }
    }
}

#[test]
fn arrow_types_of_the_same_meaning_have_their_schema() {
    let utf8 = DataType::Utf8;
    for (data_type, expected, name) in [
        (DataType::UInt8, "int16", None),
        (DataType::UInt16, "int32", None),
        (DataType::UInt32, "int64", None),
        (DataType::LargeUtf8, "string", None),
        (DataType::Utf8View, "string", None),
        (DataType::LargeBinary, "bytes", None),
        (DataType::BinaryView, "bytes", None),
        (DataType::FixedSizeBinary(3), "bytes", None),
        (DataType::LargeList(Field::new("item", utf8, true).into()), "array", None),
        (DataType::Date32, "int32", Some(DATE)),
        (DataType::Time64(TimeUnit::Nanosecond), "int32", Some(TIME)),
        (DataType::Timestamp(TimeUnit::Microsecond, None), "int64", Some(TIMESTAMP)),
        (DataType::Decimal256(50, 3), "bytes", Some(DECIMAL)),
    ] {
        let schema = ConnectSchema::from_field(&Field::new("f", data_type, false)).unwrap().unwrap();
        assert_eq!((schema.type_name(), schema.name.as_deref()), (expected, name));
    }
    for data_type in [DataType::UInt64, DataType::Float16, DataType::Duration(TimeUnit::Second)] {
        let error = ConnectSchema::from_field(&Field::new("f", data_type.clone(), false)).unwrap_err();
        assert_eq!(error, SchemaError::UnsupportedType { field: "f".to_owned(), found: data_type });
    }
}

#[test]
fn a_decimals_scale_is_the_columns_not_the_metadatas() {
    let field = decimal(&[(SCALE, "2"), (PRECISION, "10")]).to_field("f").unwrap();
    let cast = field.with_data_type(DataType::Decimal128(20, 4));
    let schema = ConnectSchema::from_field(&cast).unwrap().unwrap();
    assert_eq!(schema, decimal(&[(SCALE, "4"), (PRECISION, "20")]));
}

#[test]
fn a_decimal_without_precision_is_an_extension_type() {
    let field = decimal(&[(SCALE, "7")]).to_field("f").unwrap();
    assert_eq!(field.metadata()[EXTENSION_NAME], DECIMAL_EXTENSION);
    assert_eq!(decimal_scale(&field), Some(7));
    assert_eq!(decimal_scale(&Field::new("f", DataType::Binary, false)), None);
    let bare = HashMap::from([
        (EXTENSION_NAME.to_owned(), DECIMAL_EXTENSION.to_owned()),
        ("ARROW:extension:metadata".to_owned(), r#"{"scale":7}"#.to_owned()),
    ]);
    let bare = Field::new("f", DataType::Binary, false).with_metadata(bare);
    assert_eq!(ConnectSchema::from_field(&bare).unwrap(), Some(decimal(&[(SCALE, "7")])));
    for scale in [None, Some("x")] {
        let parameters: Vec<_> = scale.iter().map(|scale| (SCALE, *scale)).collect();
        assert!(
            matches!(decimal(&parameters).to_field("f"), Err(SchemaError::Malformed { member, .. }) if member == SCALE)
        );
    }
}

#[test]
fn schemaless_fields_have_no_schema_and_are_text_within_a_struct() {
    let json = schemaless_json_field("j");
    assert!(is_json(&json) && is_schemaless(&json));
    assert_eq!(ConnectSchema::from_field(&json).unwrap(), None);
    assert_eq!(ConnectSchema::from_field(&Field::new("n", DataType::Null, true)).unwrap(), None);
    let within = Field::new("s", DataType::Struct(vec![json].into()), false);
    let schema = ConnectSchema::from_field(&within).unwrap().unwrap();
    assert_eq!(
        text(&schema),
        r#"{"type":"struct","fields":[{"type":"string","optional":true,"field":"j"}],"optional":false}"#
    );
}

#[test]
fn a_required_schema_stays_required_in_a_column_with_tombstones() {
    let required = Field::new("f", DataType::Int32, false);
    let mixed = with_tombstones(required.clone());
    assert!(mixed.is_nullable() && holds_tombstones(&mixed));
    assert_eq!(ConnectSchema::from_field(&mixed), ConnectSchema::from_field(&required));
    let optional = with_tombstones(required.with_nullable(true));
    assert!(!holds_tombstones(&optional));
}

#[test]
fn the_envelopes_schema_has_kafkas_members_in_kafkas_order() {
    let mut price = decimal(&[(SCALE, "2")]).optional();
    price.doc = Some("in CHF".to_owned());
    price.default = Some("AA==".into());
    let tags = ConnectSchema::new(SchemaType::Map(
        Box::new(ConnectSchema::new(SchemaType::String)),
        Box::new(ConnectSchema::new(SchemaType::Array(Box::new(ConnectSchema::new(SchemaType::Float32))))),
    ));
    let schema = ConnectSchema::new(SchemaType::Struct(vec![("price".into(), price), ("tags".into(), tags)]));
    let golden = concat!(
        r#"{"type":"struct","fields":["#,
        r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"#,
        r#""doc":"in CHF","parameters":{"scale":"2"},"default":"AA==","field":"price"},"#,
        r#"{"type":"map","keys":{"type":"string","optional":false},"#,
        r#""values":{"type":"array","items":{"type":"float","optional":false},"optional":false},"#,
        r#""optional":false,"field":"tags"}],"optional":false,"name":"Order","version":3}"#,
    );
    assert_eq!(text(&schema.named("Order", 3)), golden);
}

#[test]
fn a_malformed_schema_names_its_member() {
    for (json, member) in [
        ("1", "schema"),
        ("{}", "type"),
        (r#"{"type":"int"}"#, "type"),
        (r#"{"type":"array"}"#, "items"),
        (r#"{"type":"map","keys":{"type":"string"}}"#, "values"),
        (r#"{"type":"struct"}"#, "fields"),
        (r#"{"type":"struct","fields":[{"type":"int8"}]}"#, "field"),
        (r#"{"type":"int8","version":"x"}"#, "version"),
        (r#"{"type":"int8","version":3000000000}"#, "version"),
        (r#"{"type":"int8","parameters":[]}"#, "parameters"),
        (r#"{"type":"int8","parameters":{"a":1}}"#, "parameters"),
    ] {
        let error = ConnectSchema::from_json(&serde_json::from_str(json).unwrap()).unwrap_err();
        assert!(matches!(&error, SchemaError::Malformed { member: found, .. } if found == member), "{json}: {error}");
    }
}

fn leaf() -> impl Strategy<Value = ConnectSchema> {
    let of = |kind: SchemaType, default: serde_json::Value| {
        proptest::option::of(Just(default)).prop_map(move |default| {
            let mut schema = ConnectSchema::new(kind.clone());
            schema.default = default;
            schema
        })
    };
    prop_oneof![
        of(SchemaType::Int8, 1.into()),
        of(SchemaType::Int16, 300.into()),
        of(SchemaType::Int32, (-1).into()),
        of(SchemaType::Int64, i64::MAX.into()),
        of(SchemaType::Float32, 1.5.into()),
        of(SchemaType::Float64, 1e300.into()),
        of(SchemaType::Boolean, false.into()),
        of(SchemaType::String, "a\"b".into()),
        of(SchemaType::Bytes, "AQI=".into()),
        prop_oneof![
            Just(ConnectSchema::new(SchemaType::Int32).named(DATE, 1)),
            Just(ConnectSchema::new(SchemaType::Int32).named(TIME, 1)),
            Just(ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1)),
        ],
        (any::<i16>(), proptest::option::of(1..100u8)).prop_map(|(scale, precision)| {
            let schema = decimal(&[(SCALE, &scale.to_string())]);
            precision.map_or(schema.clone(), |precision| schema.parameter(PRECISION, precision.to_string()))
        }),
    ]
}

fn any_schema() -> impl Strategy<Value = ConnectSchema> {
    let described =
        (leaf(), any::<bool>(), proptest::option::of(("\\PC*", any::<i32>())), proptest::option::of("\\PC*"));
    let described = described.prop_map(|(mut schema, optional, name, doc)| {
        schema.optional = optional;
        schema.doc = doc;
        if let (None, Some((name, version))) = (&schema.name, name) {
            schema = schema.named(&name, version).parameter("é", "\u{0}");
        }
        schema
    });
    described.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| ConnectSchema::new(SchemaType::Array(Box::new(item)))),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| ConnectSchema::new(SchemaType::Map(
                Box::new(key),
                Box::new(value)
            ))
            .optional()),
            proptest::collection::vec(("\\PC*", inner), 0..4)
                .prop_map(|fields| { ConnectSchema::new(SchemaType::Struct(fields)).named("Struct", 2) }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_comes_back_from_arrow(schema in any_schema()) {
        let field = schema.to_field("f").unwrap();
        prop_assert_eq!(ConnectSchema::from_field(&field).unwrap(), Some(schema));
    }

    #[test]
    fn any_schema_comes_back_from_json(schema in any_schema()) {
        prop_assert_eq!(&ConnectSchema::from_json(&schema.to_json()).unwrap(), &schema);
        let written: serde_json::Value = serde_json::from_str(&text(&schema)).unwrap();
        prop_assert_eq!(written, schema.to_json());
    }
}
