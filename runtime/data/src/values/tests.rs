use super::{Parsed, json_text, parse_string, read_text, write_row};
use crate::ConnectSchema;
use crate::schema::{DATE, DECIMAL, TIME, TIMESTAMP, payload_to_row, row_to_payload};
use proptest::prelude::*;
use serde_json::{Value, json};

fn text(text: &str) -> Parsed {
    Parsed::String(text.to_owned())
}

#[test]
fn a_texts_type_is_guessed_as_kafka_does() {
    for (header, expected) in [
        ("null", Parsed::Null),
        ("", text("")),
        (" ", text(" ")),
        ("true", Parsed::Boolean(true)),
        ("TRUE", text("TRUE")),
        ("127", Parsed::Int8(127)),
        ("-129", Parsed::Int16(-129)),
        ("+32768", Parsed::Int32(32768)),
        ("2147483648", Parsed::Int64(2_147_483_648)),
        ("9223372036854775808", Parsed::Decimal("9223372036854775808".parse().unwrap(), 0)),
        ("1.0", Parsed::Int8(1)),
        ("1e3", Parsed::Int16(1000)),
        ("0.1234567891", Parsed::Float32(0.123_456_79)),
        ("1.5e300", Parsed::Float64(1.5e300)),
        ("1.5e-300", Parsed::Float32(0.0)),
        (".5", text(".5")),
        ("1.2.3", text("1.2.3")),
        ("12 monkeys", text("12 monkeys")),
        ("2019-08-23", Parsed::Date(18_131 * 86_400_000)),
        ("2019-13-23", Parsed::Date(18_284 * 86_400_000)),
        ("14:34:54.346Z", Parsed::Time(52_494_346)),
        ("2019-08-23T14:34:54.346Z", Parsed::Timestamp(1_566_570_894_346)),
        ("[unquoted]", text("[unquoted]")),
        ("[1,", text("[1,")),
        ("[1,,2]", text("[1,,2]")),
        ("[1,null]", text("[1,null]")),
        ("[[],null]", text("[[],null]")),
        ("{null:1}", text("{null:1}")),
        ("{a", text("{a")),
        ("{\"a\"}", text("{\"a\"}")),
    ] {
        assert_eq!(parse_string(header), expected, "{header}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(parse_string(&deep), text(&deep));
}

#[test]
fn a_lists_items_take_the_widest_of_their_types() {
    let list = parse_string("[1, 2000]");
    assert_eq!(list.schema().unwrap().to_json()["items"]["type"], "int16");
    let Parsed::List(items, _) = list else { panic!("a list") };
    assert_eq!(items, [Parsed::Int16(1), Parsed::Int16(2000)]);
    assert_eq!(parse_string("[1, 2.5]").schema().unwrap().to_json()["items"]["type"], "float");
    assert_eq!(parse_string("[1, \"x\"]").schema(), None);
    assert!(matches!(parse_string("[null]"), Parsed::List(items, None) if items == [Parsed::Null]));
    let map = parse_string("{\"a\":{\"b\":[true]}}");
    assert_eq!(map.to_text().unwrap(), "{\"a\":{\"b\":[true]}}");
}

#[test]
fn a_schemaless_value_has_a_text() {
    for (json, expected) in [
        ("null", None),
        ("\"a\\\"b\"", Some("a\"b")),
        ("1.50", Some("1.5")),
        (r#"{"a":[1,"b",null]}"#, Some("{\"a\":[1,\"b\",null]}")),
    ] {
        assert_eq!(json_text(json).unwrap().as_deref(), expected);
    }
}

/// Texts of every type that can be guessed.
fn guessable() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?[0-9]{1,18}",
        // Few enough digits that float32 does not round them to an integer.
        "[+-]?[0-9]{1,2}\\.[0-9]{0,3}[1-9](e-[1-9])?",
        "true|false",
        "\"[a-z,:\\]}]{0,5}\"",
        "20[0-9]{2}-0[1-9]-1[0-9]",
        "20[0-9]{2}-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][1-9]\\.[0-9]{3}Z",
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec((inner.clone(), inner), 0..3).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_value(text in "\\PC*") {
        let parsed = parse_string(&text);
        let _ = parsed.schema();
        if let Parsed::String(found) = &parsed {
            prop_assert_eq!(found.trim(), text.trim());
        }
    }

    #[test]
    fn what_a_text_says_is_guessed_the_same_again(text in guessable()) {
        let parsed = parse_string(&text);
        if !matches!(parsed, Parsed::String(_) | Parsed::Null) {
            // A list of numbers keeps its widest type only as long as one of them needs it.
            prop_assert_eq!(parse_string(&parsed.to_text().unwrap()).to_text(), parsed.to_text());
        }
    }
}

/// The text of a payload under its schema, and what is read back from it.
fn text_and_back(schema: &Value, payload: &Value) -> (String, Option<Value>) {
    let schema = ConnectSchema::from_json(schema).unwrap();
    let field = schema.to_field("f").unwrap();
    let row = payload_to_row(&field, payload).unwrap_or_else(|| panic!("{payload} under {}", schema.to_json()));
    let mut text = String::new();
    assert!(write_row(&field, &row, 0, &mut text).unwrap());
    let read = read_text(&schema, &text);
    let back = read.and_then(|payload| row_to_payload(&field, &payload_to_row(&field, &payload)?, 0));
    (text, back)
}

#[test]
fn the_text_of_a_value_of_every_type_reads_back() {
    let optional_int = json!({"type": "int32", "optional": true});
    let text = json!({"type": "string"});
    let date = json!({"type": "int32", "name": DATE});
    let timestamp = json!({"type": "int64", "name": TIMESTAMP});
    let decimal = json!({"type": "bytes", "name": DECIMAL, "parameters": {"scale": "2"}});
    for (schema, payload, expected) in [
        (json!({"type": "int8"}), json!(-7), "-7"),
        (json!({"type": "int64"}), json!(i64::MIN), "-9223372036854775808"),
        (json!({"type": "float"}), json!(0.1), "0.1"),
        (json!({"type": "double"}), json!(0.123_456_789_123_456_78), "0.12345678912345678"),
        (json!({"type": "double"}), json!("-Infinity"), "-Infinity"),
        (json!({"type": "boolean"}), json!(false), "false"),
        (text.clone(), json!("[1, \"x\"]"), "[1, \"x\"]"),
        (text.clone(), json!(""), ""),
        (json!({"type": "bytes"}), json!("AQI="), "AQI="),
        (decimal.clone(), json!("gA=="), "-1.28"),
        (date.clone(), json!(18_000), "2019-04-14"),
        (json!({"type": "int32", "name": TIME}), json!(86_399_999), "23:59:59.999Z"),
        (timestamp.clone(), json!(1_566_570_894_346_i64), "2019-08-23T14:34:54.346Z"),
        (timestamp.clone(), json!(1_566_518_400_000_i64), "2019-08-23"),
        (json!({"type": "array", "items": optional_int}), json!([1, null, -3]), "[1,null,-3]"),
        (json!({"type": "array", "items": text}), json!(["null", "a\"b", ",]"]), "[\"null\",\"a\\\"b\",\",]\"]"),
        (json!({"type": "array", "items": timestamp}), json!([1_566_570_894_346_i64]), "[2019-08-23T14:34:54.346Z]"),
        (json!({"type": "array", "items": decimal}), json!([]), "[]"),
        (json!({"type": "map", "keys": date, "values": text}), json!([[18_000, "\\"]]), "{2019-04-14:\"\\\\\"}"),
        (
            json!({"type": "map", "keys": timestamp, "values": optional_int}),
            json!([[1_566_570_894_346_i64, 5]]),
            "{2019-08-23T14:34:54.346Z:5}",
        ),
        (
            json!({"type": "struct", "fields": [
                {"type": "bytes", "field": "a:\"", "optional": true},
                {"type": "struct", "field": "b", "fields": [{"type": "double", "field": "c"}]}
            ]}),
            json!({"a:\"": null, "b": {"c": 1.5}}),
            "{\"a:\\\"\":null,\"b\":{\"c\":1.5}}",
        ),
    ] {
        let (text, back) = text_and_back(&schema, &payload);
        assert_eq!(text, expected);
        assert_eq!(back, Some(payload), "{text} under {schema}");
    }
}

#[test]
fn a_text_that_does_not_say_its_value_is_refused() {
    let named = |kind: &str, name: &str| json!({"type": kind, "name": name});
    for (schema, text) in [
        (json!({"type": "int32"}), "1.5"),
        (json!({"type": "boolean"}), "yes"),
        (named("int32", DATE), "00:00:00.000Z"),
        (named("int64", TIMESTAMP), "12:34:56.789Z"),
        (json!({"type": "array", "items": {"type": "int8"}}), "[1,2"),
        (json!({"type": "array", "items": {"type": "int8"}}), "[1]]"),
        (json!({"type": "map", "keys": {"type": "string"}, "values": {"type": "int8"}}), "{a:1}"),
        (json!({"type": "struct", "fields": [{"type": "int8", "field": "a"}]}), "{\"b\":1}"),
    ] {
        let schema = ConnectSchema::from_json(&schema).unwrap();
        assert_eq!(read_text(&schema, text), None, "{text}");
    }
}
