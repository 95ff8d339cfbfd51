use super::{Parsed, json_text, parse_string};
use proptest::prelude::*;

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
