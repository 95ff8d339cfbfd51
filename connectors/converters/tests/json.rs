//! `JsonConverter` as a user of the crate sees it: golden bytes, null rules, refusals, round trips.

use arrow_array::builder::{Decimal128Builder, Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int8Array, Int64Array,
    NullArray, StringArray, StructArray, Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;
use sluice_connect_api::{ConfigMap, Converted, Converter};
use sluice_converters::json::JsonConverter;
use sluice_data::schema::{DECIMAL, SCALE, schemaless_json_field, with_tombstones};
use sluice_data::{ConnectSchema, SchemaType};
use std::sync::Arc;

fn converter(config: &[(&str, &str)]) -> JsonConverter {
    let config: ConfigMap = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    JsonConverter::new(&config).unwrap()
}

fn plain() -> JsonConverter {
    converter(&[("schemas.enable", "false")])
}

/// The texts of all rows; `None` for no bytes.
fn write(converter: &JsonConverter, field: &Field, values: &ArrayRef) -> Vec<Option<String>> {
    texts(&converter.from_connect_data("t", field, values, None).unwrap())
}

fn texts(bytes: &BinaryArray) -> Vec<Option<String>> {
    bytes.iter().map(|row| row.map(|row| String::from_utf8(row.to_vec()).unwrap())).collect()
}

fn read(converter: &JsonConverter, rows: &[Option<&str>]) -> Vec<Converted> {
    let bytes = BinaryArray::from_iter(rows.iter().map(|row| row.map(str::as_bytes)));
    converter.to_connect_data("t", &bytes).unwrap()
}

fn read_error(converter: &JsonConverter, row: &str) -> String {
    converter.to_connect_data("t", &BinaryArray::from_iter([Some(row.as_bytes())])).unwrap_err().to_string()
}

fn column(field: Field, values: ArrayRef) -> (Field, ArrayRef) {
    (field, values)
}

#[test]
fn each_type_is_written_in_kafkas_envelope() {
    let int8: ArrayRef = Arc::new(Int8Array::from(vec![12]));
    let cases: Vec<((Field, ArrayRef), &str)> = vec![
        (
            column(Field::new("v", DataType::Int8, false), int8),
            r#"{"schema":{"type":"int8","optional":false},"payload":12}"#,
        ),
        (
            column(Field::new("v", DataType::Float32, true), Arc::new(Float32Array::from(vec![12.34]))),
            r#"{"schema":{"type":"float","optional":true},"payload":12.34}"#,
        ),
        (
            column(Field::new("v", DataType::Float64, false), Arc::new(Float64Array::from(vec![f64::NAN]))),
            r#"{"schema":{"type":"double","optional":false},"payload":"NaN"}"#,
        ),
        (
            column(Field::new("v", DataType::Boolean, false), Arc::new(BooleanArray::from(vec![true]))),
            r#"{"schema":{"type":"boolean","optional":false},"payload":true}"#,
        ),
        (
            column(Field::new("v", DataType::Utf8, false), Arc::new(StringArray::from(vec!["a\"\\\n\u{1f}/é"]))),
            r#"{"schema":{"type":"string","optional":false},"payload":"a\"\\\n\u001F/é"}"#,
        ),
        (
            column(
                Field::new("v", DataType::Binary, false),
                Arc::new(BinaryArray::from(vec![b"test-string".as_slice()])),
            ),
            r#"{"schema":{"type":"bytes","optional":false},"payload":"dGVzdC1zdHJpbmc="}"#,
        ),
        (
            column(Field::new("v", DataType::Date32, false), Arc::new(Date32Array::from(vec![10000]))),
            r#"{"schema":{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1},"payload":10000}"#,
        ),
        (
            column(
                Field::new("v", DataType::Time32(arrow_schema::TimeUnit::Millisecond), false),
                Arc::new(Time32MillisecondArray::from(vec![14_400_000])),
            ),
            r#"{"schema":{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Time","version":1},"payload":14400000}"#,
        ),
        (
            column(
                Field::new("v", sluice_data::schema::timestamp_type(arrow_schema::TimeUnit::Microsecond), false),
                Arc::new(TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC")),
            ),
            r#"{"schema":{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1},"payload":-1}"#,
        ),
    ];
    for ((field, values), expected) in cases {
        assert_eq!(write(&converter(&[]), &field, &values), [Some(expected.to_owned())]);
    }
}

#[test]
fn a_decimal_is_base64_of_its_unscaled_bytes_or_a_number() {
    let schema = ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "2");
    let field = schema.to_field("v").unwrap();
    let unscaled: ArrayRef = Arc::new(BinaryArray::from(vec![&[0u8, 156][..]]));
    let golden = r#"{"schema":{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"payload":"AJw="}"#;
    assert_eq!(write(&converter(&[]), &field, &unscaled), [Some(golden.to_owned())]);
    let numeric = converter(&[("schemas.enable", "false"), ("decimal.format", "numeric")]);
    assert_eq!(write(&numeric, &field, &unscaled), [Some("1.56".to_owned())]);

    let mut decimals = Decimal128Builder::new().with_precision_and_scale(20, 2).unwrap();
    decimals.append_value(156);
    decimals.append_value(-5);
    let decimals: ArrayRef = Arc::new(decimals.finish());
    let field = Field::new("v", DataType::Decimal128(20, 2), false);
    assert_eq!(write(&plain(), &field, &decimals), [Some(r#""AJw=""#.to_owned()), Some(r#""+w==""#.to_owned())]);
    assert_eq!(write(&numeric, &field, &decimals), [Some("1.56".to_owned()), Some("-0.05".to_owned())]);
}

#[test]
fn a_decimal_is_read_from_either_form_and_refused_when_it_does_not_fit() {
    for parameters in [r#"{"scale":"2"}"#, r#"{"scale":"2","connect.decimal.precision":"5"}"#] {
        let message = |payload: &str| {
            format!(
                r#"{{"schema":{{"type":"bytes","name":"{DECIMAL}","version":1,"parameters":{parameters}}},"payload":{payload}}}"#
            )
        };
        let numeric = converter(&[("decimal.format", "NUMERIC"), ("schemas.enable", "false")]);
        for (payload, expected) in
            [(r#""AJw=""#, "1.56"), ("1.56", "1.56"), ("1.5", "1.50"), ("-2e1", "-20.00"), ("1.5600", "1.56")]
        {
            let converted = &read(&converter(&[]), &[Some(&message(payload))])[0];
            assert_eq!(write(&numeric, &converted.field, &converted.values), [Some(expected.to_owned())], "{payload}");
        }
        for payload in ["1.567", "true", r#""""#, r#""*""#, "1e99999", "{}"] {
            let error = read_error(&converter(&[]), &message(payload));
            assert!(error.contains("Decimal") || error.contains("base64"), "{error}");
        }
    }
}

#[test]
fn nested_values_are_written_as_kafka_does() {
    let mut list = ListBuilder::new(Int32Builder::new());
    list.append_value([Some(1), None]);
    let list: ArrayRef = Arc::new(list.finish());
    let field = Field::new("v", list.data_type().clone(), false);
    assert_eq!(write(&plain(), &field, &list), [Some("[1,null]".to_owned())]);

    let mut object = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    object.keys().append_value("k\"");
    object.values().append_value(1);
    object.append(true).unwrap();
    let object: ArrayRef = Arc::new(object.finish());
    assert_eq!(
        write(&plain(), &Field::new("v", object.data_type().clone(), false), &object),
        [Some(r#"{"k\"":1}"#.to_owned())]
    );

    let mut tuples = MapBuilder::new(None, Int32Builder::new(), Int32Builder::new());
    tuples.keys().append_slice(&[1, 2]);
    tuples.values().append_slice(&[10, 20]);
    tuples.append(true).unwrap();
    let tuples: ArrayRef = Arc::new(tuples.finish());
    assert_eq!(
        write(&plain(), &Field::new("v", tuples.data_type().clone(), false), &tuples),
        [Some("[[1,10],[2,20]]".to_owned())]
    );
}

#[test]
fn a_struct_keeps_the_order_of_its_fields_in_schema_and_payload() {
    let values: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("z", DataType::Int64, false)), Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        (Arc::new(Field::new("a", DataType::Utf8, true)), Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef),
    ]));
    let field = Field::new("v", values.data_type().clone(), true);
    let golden = r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"z"},{"type":"string","optional":true,"field":"a"}],"optional":true},"payload":{"z":1,"a":null}}"#;
    assert_eq!(write(&converter(&[]), &field, &values), [Some(golden.to_owned())]);
}

#[test]
fn nulls_and_tombstones_follow_the_table() {
    let nulls: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    let optional = Field::new("v", DataType::Utf8, true);
    let nothing: ArrayRef = Arc::new(NullArray::new(1));
    let untyped = Field::new("v", DataType::Null, true);
    for converter in [&plain(), &converter(&[])] {
        assert_eq!(write(converter, &untyped, &nothing), [None]);
        assert_eq!(write(converter, &schemaless_json_field("v"), &nulls), [None]);
        let marked = converter.from_connect_data("t", &optional, &nulls, Some(&vec![true].into())).unwrap();
        assert_eq!(texts(&marked), [None]);
        let required = with_tombstones(Field::new("v", DataType::Utf8, false));
        assert_eq!(write(converter, &required, &nulls), [None]);
    }
    assert_eq!(write(&plain(), &optional, &nulls), [Some("null".to_owned())]);
    let envelope = r#"{"schema":{"type":"string","optional":true},"payload":null}"#;
    assert_eq!(write(&converter(&[]), &optional, &nulls), [Some(envelope.to_owned())]);

    let mut schema = ConnectSchema::new(SchemaType::String).optional();
    schema.default = Some("d".into());
    let defaulted = schema.to_field("v").unwrap();
    assert_eq!(write(&plain(), &defaulted, &nulls), [Some("\"d\"".to_owned())]);
    let kept = converter(&[("schemas.enable", "false"), ("replace.null.with.default", "false")]);
    assert_eq!(write(&kept, &defaulted, &nulls), [Some("null".to_owned())]);
}

#[test]
fn schemaless_json_keeps_its_text_and_tells_null_from_absent() {
    let rows = [Some(" {\"a\": 1.50} "), None, Some("null"), Some(""), Some("[007, -00.5]")];
    let converted = &read(&plain(), &rows)[0];
    assert_eq!(*converted.field, schemaless_json_field("value"));
    let expected = StringArray::from(vec![Some(" {\"a\": 1.50} "), None, None, None, Some("[7, -0.5]")]);
    assert_eq!(converted.values.as_ref(), &expected as &dyn Array);
    let tombstones = converted.tombstones.clone().unwrap();
    assert_eq!(tombstones, BooleanArray::from(vec![false, true, false, true, false]));
    let written =
        plain().from_connect_data("t", &converted.field, &converted.values, converted.tombstones.as_ref()).unwrap();
    assert_eq!(texts(&written)[2].as_deref(), Some("null"));
    assert_eq!(texts(&written)[1], None);
}

#[test]
fn schemaless_json_shares_the_buffer_of_its_bytes() {
    let bytes = BinaryArray::from(vec![b"{\"a\":1}".as_slice(), b"2"]);
    let converted = &plain().to_connect_data("t", &bytes).unwrap()[0];
    let texts = converted.values.as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!(texts.values().as_ptr(), bytes.values().as_ptr());
}

#[test]
fn text_that_is_no_json_is_refused_with_its_place() {
    for (text, place) in [
        ("{", "byte 1"),
        ("{\"a\":1} x", "byte 8"),
        ("[1,]", "byte 3"),
        ("\"a\nb\"", "byte 2"),
        ("nul", "byte 0"),
        ("1.", "byte 2"),
        ("\"\\ud800\"", "surrogate"),
        ("+1", "byte 0"),
        ("{a:1}", "byte 1"),
        ("\"open", "byte 5"),
        ("-", "byte 1"),
    ] {
        for converter in [plain(), converter(&[])] {
            let error = read_error(&converter, text);
            assert!(error.starts_with("Converting byte[] to Kafka Connect data failed"), "{text}: {error}");
            assert!(error.contains(place), "{text}: {error}");
        }
    }
    let deep = "[".repeat(5000);
    assert!(read_error(&plain(), &deep).contains("nested too deeply"));
    let not_utf8 = BinaryArray::from(vec![b"\"\xff\"".as_slice()]);
    assert!(plain().to_connect_data("t", &not_utf8).is_err());
}

#[test]
fn anything_but_schema_and_payload_is_refused() {
    for text in [
        "{}",
        "1",
        "[]",
        r#"{"schema":{"type":"int8"}}"#,
        r#"{"payload":1}"#,
        r#"{"schema":null,"payload":1,"extra":2}"#,
        r#"{"schema":null,"schema":null,"payload":1}"#,
    ] {
        assert!(read_error(&converter(&[]), text).contains("set schemas.enable=false"), "{text}");
    }
    let good = r#"{"schema":{"type":"int8"},"payload":1}"#;
    let bad = r#"{"schema":{"type":"int8"},"payload":1,"extra":2}"#;
    let bytes = BinaryArray::from(vec![good.as_bytes(), bad.as_bytes()]);
    let error = converter(&[]).to_connect_data("t", &bytes).unwrap_err();
    assert!(error.to_string().contains("may not contain additional fields"));
}

#[test]
fn rows_are_grouped_by_schema_whatever_its_blanks_and_order() {
    let rows = [
        None,
        Some(r#"{"schema":{"type":"int32","optional":true},"payload":1}"#),
        Some(r#"{"schema":{"type":"string"},"payload":"x"}"#),
        Some(r#"{ "payload" : null , "schema" : {"optional":true, "type":"int32"} }"#),
        Some(r#"{"schema":null,"payload":{"a":01}}"#),
        None,
    ];
    let groups = read(&converter(&[]), &rows);
    let of = |index: usize| (groups[index].rows.clone().unwrap(), groups[index].values.clone());
    assert_eq!(groups.len(), 3);
    let (rows, values) = of(0);
    assert_eq!(rows, [0, 1, 3, 5]);
    assert_eq!(values.as_ref(), &arrow_array::Int32Array::from(vec![None, Some(1), None, None]) as &dyn Array);
    assert_eq!(groups[0].tombstones, Some(vec![true, false, false, true].into()));
    assert_eq!(of(1).0, [2]);
    assert_eq!(of(2).1.as_ref(), &StringArray::from(vec![r#"{"a":1}"#]) as &dyn Array);
    assert!(sluice_data::schema::is_json(&groups[2].field));
}

#[test]
fn tombstones_alone_have_no_schema() {
    let converted = &read(&converter(&[]), &[None, None])[0];
    assert_eq!((converted.field.data_type(), converted.values.len()), (&DataType::Null, 2));
}

#[test]
fn a_required_schema_stays_required_beside_a_tombstone() {
    let message = r#"{"schema":{"type":"int32"},"payload":1}"#;
    let converted = &read(&converter(&[]), &[Some(message), None])[0];
    assert!(converted.field.is_nullable());
    assert!(!ConnectSchema::from_field(&converted.field).unwrap().unwrap().optional);
    let written = write(&converter(&[]), &converted.field, &converted.values);
    assert_eq!(written, [Some(r#"{"schema":{"type":"int32","optional":false},"payload":1}"#.to_owned()), None]);
}

#[test]
fn a_decimals_default_is_written_in_the_format_of_decimals() {
    let decimal = ConnectSchema { default: Some("AIWCXA==".into()), ..ConnectSchema::new(SchemaType::Bytes) }
        .named(DECIMAL, 1)
        .parameter(SCALE, "1")
        .optional();
    let field = decimal.to_field("v").unwrap();
    let nulls = arrow_array::new_null_array(field.data_type(), 1);
    let numeric = converter(&[("decimal.format", "NUMERIC")]);
    let written = write(&numeric, &field, &nulls)[0].clone().unwrap();
    assert!(written.contains(r#""default":874966.0"#) && written.ends_with(r#""payload":874966.0}"#), "{written}");
    let base64 = write(&converter(&[]), &field, &nulls)[0].clone().unwrap();
    assert!(base64.contains(r#""default":"AIWCXA==""#) && base64.ends_with(r#""payload":"AIWCXA=="}"#), "{base64}");
}

const ORDER: &str = r#"{"type":"struct","fields":[{"type":"int32","field":"id"},{"type":"struct","optional":true,"field":"at","fields":[{"type":"string","optional":true,"default":"Bern","field":"city"}]}]}"#;

#[test]
fn missing_members_read_as_null_or_default_or_are_refused_by_name() {
    let message = |payload: &str| format!(r#"{{"schema":{ORDER},"payload":{payload}}}"#);
    let text = |payload: &str, config: &[(&str, &str)]| {
        let converted = &read(&converter(config), &[Some(&message(payload))])[0];
        let keep = converter(&[("schemas.enable", "false"), ("replace.null.with.default", "false")]);
        write(&keep, &converted.field, &converted.values)[0].clone().unwrap()
    };
    assert_eq!(text(r#"{"id":1}"#, &[]), r#"{"id":1,"at":null}"#);
    assert_eq!(text(r#"{"at":{},"more":[{}],"id":1}"#, &[]), r#"{"id":1,"at":{"city":"Bern"}}"#);
    assert_eq!(text(r#"{"id":1.0,"at":{"city":null}}"#, &[]), r#"{"id":1,"at":{"city":"Bern"}}"#);
    let keep = [("replace.null.with.default", "false")];
    assert_eq!(text(r#"{"id":1e2,"at":{"city":null}}"#, &keep), r#"{"id":100,"at":{"city":null}}"#);
    for (payload, expected) in [
        ("{}", "Invalid null value for required INT32 field (field \"id\")"),
        (r#"{"id":null}"#, "Invalid null value for required INT32 field (field \"id\")"),
        (r#"{"id":"1"}"#, "expected an integer but found STRING (field \"id\")"),
        (r#"{"id":1.5}"#, "1.5 is no integer"),
        (r#"{"id":3000000000}"#, "3000000000 is no integer from -2147483648 to 2147483647 (field \"id\")"),
        (r#"{"id":1,"at":{"city":5}}"#, "(field \"at.city\")"),
        (r#"{"id":1,"id":2}"#, "stands twice"),
        ("[]", "Structs should be encoded as JSON objects, but found ARRAY"),
        ("null", "Invalid null value for required STRUCT field"),
    ] {
        let error = read_error(&converter(&[]), &message(payload));
        assert!(error.contains(expected), "{payload}: {error}");
    }
}

#[test]
fn a_schema_content_stands_for_the_missing_envelope() {
    let converter = converter(&[("schema.content", r#"{"type":"int32"}"#)]);
    let groups = read(&converter, &[Some("1"), Some(" 2 "), None]);
    let expected = arrow_array::Int32Array::from(vec![Some(1), Some(2), None]);
    assert_eq!(groups[0].values.as_ref(), &expected as &dyn Array);
    // Kafka takes an envelope for a payload then, and this one is no integer.
    for message in [r#"{"schema":{"type":"int32"},"payload":2}"#, "1 2"] {
        assert!(converter.to_connect_data("t", &BinaryArray::from_iter_values([message])).is_err(), "{message}");
    }
}

#[test]
fn a_wrong_configuration_names_every_wrong_key() {
    let config: ConfigMap =
        [("schemas.enable", "maybe"), ("decimal.format", "HEX")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let error = JsonConverter::new(&config).unwrap_err();
    assert!(error.contains("schemas.enable") && error.contains("decimal.format"), "{error}");
}

#[test]
fn timestamps_of_any_unit_read_back_in_milliseconds() {
    let values: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_500]).with_timezone("UTC"));
    let field = Field::new("v", values.data_type().clone(), false);
    let bytes = converter(&[]).from_connect_data("t", &field, &values, None).unwrap();
    let read = &converter(&[]).to_connect_data("t", &bytes).unwrap()[0];
    let expected = TimestampMillisecondArray::from(vec![1]).with_timezone("UTC");
    assert_eq!(read.values.as_ref(), &expected as &dyn Array);
}

/// A schema, and JSON payloads that fit it.
fn typed_payload() -> impl Strategy<Value = (ConnectSchema, String)> {
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let leaf = prop_oneof![
        any::<i8>().prop_map(|v| (ConnectSchema::new(SchemaType::Int8), v.to_string())),
        any::<i16>().prop_map(|v| (ConnectSchema::new(SchemaType::Int16), v.to_string())),
        any::<i32>().prop_map(|v| (ConnectSchema::new(SchemaType::Int32), v.to_string())),
        any::<i64>().prop_map(|v| (ConnectSchema::new(SchemaType::Int64), v.to_string())),
        any::<f64>()
            .prop_filter("finite", |v| v.is_finite())
            .prop_map(|v| { (ConnectSchema::new(SchemaType::Float64), serde_json::Value::from(v).to_string()) }),
        any::<bool>().prop_map(|v| (ConnectSchema::new(SchemaType::Boolean), v.to_string())),
        any::<String>().prop_map(move |v| (ConnectSchema::new(SchemaType::String), text(&v))),
        any::<i128>().prop_map(|v| {
            let schema = ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, "0");
            (schema, v.to_string())
        }),
    ];
    let leaf = (leaf, any::<bool>(), 0..10u8).prop_map(|((mut schema, text), optional, null)| {
        schema.optional = optional;
        let text = if optional && null == 0 { "null".to_owned() } else { text };
        (schema, text)
    });
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec((any::<String>(), inner.clone()), 0..5).prop_map(move |members| {
                let mut fields: Vec<(String, ConnectSchema)> = Vec::new();
                let mut payload = String::from("{");
                for (name, (schema, text)) in members {
                    if fields.iter().any(|(other, _)| *other == name) {
                        continue;
                    }
                    payload += if fields.is_empty() { "" } else { "," };
                    payload += &format!("{}:{text}", serde_json::Value::from(name.as_str()));
                    fields.push((name, schema));
                }
                (ConnectSchema::new(SchemaType::Struct(fields)), payload + "}")
            }),
            (inner.clone(), 0..3usize).prop_map(|((schema, text), count)| {
                let payload = vec![text; count].join(",");
                (ConnectSchema::new(SchemaType::Array(Box::new(schema))), format!("[{payload}]"))
            }),
            (any::<String>(), inner.clone()).prop_map(|(key, (schema, text))| {
                let keys = Box::new(ConnectSchema::new(SchemaType::String));
                let payload = format!("{{{}:{text}}}", serde_json::Value::from(key.as_str()));
                (ConnectSchema::new(SchemaType::Map(keys, Box::new(schema))), payload)
            }),
            (any::<i32>(), inner).prop_map(|(key, (schema, text))| {
                let keys = Box::new(ConnectSchema::new(SchemaType::Int32));
                (ConnectSchema::new(SchemaType::Map(keys, Box::new(schema))), format!("[[{key},{text}]]"))
            }),
        ]
    })
}

/// Mostly bytes that mean something in JSON.
fn json_byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), proptest::sample::select(br#"{}[]":,0123-.eE\unltrfas "#.to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_written_again((schema, payload) in typed_payload()) {
        let mut text = String::new();
        schema.write_json(&mut text);
        let message = format!(r#"{{"schema":{text},"payload":{payload}}}"#);
        let converter = converter(&[("decimal.format", "NUMERIC")]);
        let bytes = BinaryArray::from(vec![message.as_bytes(); 3]);
        let read = converter.to_connect_data("t", &bytes).unwrap();
        let written = converter.from_connect_data("t", &read[0].field, &read[0].values, None).unwrap();
        let parse = |row: &[u8]| serde_json::from_slice::<serde_json::Value>(row).unwrap();
        let expected = parse(message.as_bytes());
        for row in &written {
            prop_assert_eq!(parse(row.unwrap()), expected.clone());
        }
        let again = converter.to_connect_data("t", &written).unwrap();
        prop_assert_eq!(&again[0].values, &read[0].values);
        prop_assert_eq!(&again[0].field, &read[0].field);
    }

    #[test]
    fn random_bytes_never_panic(rows in proptest::collection::vec(proptest::collection::vec(json_byte(), 0..40), 1..4)) {
        let bytes = BinaryArray::from_iter(rows.iter().map(Some));
        let _ = plain().to_connect_data("t", &bytes);
        let _ = converter(&[]).to_connect_data("t", &bytes);
    }

    #[test]
    fn broken_json_never_panics(
        (schema, payload) in typed_payload(),
        breaks in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut text = String::new();
        schema.write_json(&mut text);
        let mut message = format!(r#"{{"schema":{text},"payload":{payload}}}"#).into_bytes();
        let good = message.clone();
        for (index, byte) in breaks {
            let index = index.index(message.len());
            message[index] = byte;
        }
        let bytes = BinaryArray::from(vec![good.as_slice(), message.as_slice()]);
        let _ = converter(&[]).to_connect_data("t", &bytes);
        let accepted = plain().to_connect_data("t", &BinaryArray::from(vec![message.as_slice()]));
        let is_json = serde_json::from_slice::<serde_json::Value>(&message).is_ok();
        prop_assert!(accepted.is_ok() || !is_json);
    }
}
