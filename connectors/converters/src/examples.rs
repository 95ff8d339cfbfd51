//! One example and more of every converter; `tests/pages.rs` runs them and writes the pages from them. An input is a message's
//! bytes, as text or (`0x…`) in hexadecimal; an output the value and, where there is one, its schema.

use sluice_connect_api::Example;

/// The class and what it does.
pub const ABOUT: [(&str, &str); 10] = [
    (crate::json::CLASS, "JSON, with Connect's schema in an envelope or without a schema."),
    (crate::string::CLASS, "Text in UTF-8. Any value is written as Java's `toString` writes it."),
    (crate::byte_array::CLASS, "Bytes as they are."),
    (
        crate::simple_header::CLASS,
        "Texts whose type is guessed; the default for headers, and for headers only. \
         Tasks guess nothing: under it a header's bytes pass as they are.",
    ),
    ("org.apache.kafka.connect.converters.ShortConverter", "A 16-bit integer, big-endian."),
    ("org.apache.kafka.connect.converters.IntegerConverter", "A 32-bit integer, big-endian."),
    ("org.apache.kafka.connect.converters.LongConverter", "A 64-bit integer, big-endian."),
    ("org.apache.kafka.connect.converters.FloatConverter", "A 32-bit float, big-endian."),
    ("org.apache.kafka.connect.converters.DoubleConverter", "A 64-bit float, big-endian."),
    ("org.apache.kafka.connect.converters.BooleanConverter", "One byte, 0 or 1."),
];

macro_rules! example {
    ($class:expr, $about:literal, [$($key:literal = $value:literal),*], $input:literal => $output:literal) => {
        Example { class: $class, about: $about, config: &[$(($key, $value)),*], input: $input, output: $output }
    };
}

pub const EXAMPLES: [Example; 13] = [
    example!(crate::json::CLASS, "A message without a schema.", ["schemas.enable" = "false"],
        r#"{"id":7,"name":"Ada"}"# => r#"{"value":{"id":7,"name":"Ada"}}"#),
    example!(crate::json::CLASS, "A message that brings its schema.", [],
        r#"{"schema":{"type":"struct","fields":[{"field":"id","type":"int32"}]},"payload":{"id":7}}"#
        => r#"{"schema":{"type":"struct","fields":[{"field":"id","type":"int32"}]},"value":{"id":7}}"#),
    example!(crate::json::CLASS, "Messages that are bare, and one schema for all of them.", ["schema.content" = r#"{"type":"struct","fields":[{"field":"id","type":"int32"}]}"#],
        r#"{"id":7}"# => r#"{"schema":{"type":"struct","fields":[{"field":"id","type":"int32"}]},"value":{"id":7}}"#),
    example!(crate::string::CLASS, "A line.", [], "GET /" => r#"{"schema":{"type":"string","optional":true},"value":"GET /"}"#),
    example!(crate::byte_array::CLASS, "Two bytes, shown in Base64.", [], "0x0102" => r#"{"schema":{"type":"bytes","optional":true},"value":"AQI="}"#),
    example!(crate::simple_header::CLASS, "The smallest type that holds a number.", [], "300" => r#"{"schema":{"type":"int16"},"value":300}"#),
    example!(crate::simple_header::CLASS, "A list whose items take the widest type.", [], "[1, 2000]"
        => r#"{"schema":{"type":"array","items":{"type":"int16"}},"value":[1,2000]}"#),
    example!("org.apache.kafka.connect.converters.ShortConverter", "Two bytes.", [], "0x002A" => r#"{"schema":{"type":"int16","optional":true},"value":42}"#),
    example!("org.apache.kafka.connect.converters.IntegerConverter", "Four bytes.", [], "0xFFFFFFFF" => r#"{"schema":{"type":"int32","optional":true},"value":-1}"#),
    example!("org.apache.kafka.connect.converters.LongConverter", "Eight bytes.", [], "0x0000000000000100" => r#"{"schema":{"type":"int64","optional":true},"value":256}"#),
    example!("org.apache.kafka.connect.converters.FloatConverter", "Four bytes.", [], "0x3FC00000" => r#"{"schema":{"type":"float","optional":true},"value":1.5}"#),
    example!("org.apache.kafka.connect.converters.DoubleConverter", "Eight bytes.", [], "0x3FF8000000000000" => r#"{"schema":{"type":"double","optional":true},"value":1.5}"#),
    example!("org.apache.kafka.connect.converters.BooleanConverter", "One byte.", [], "0x01" => r#"{"schema":{"type":"boolean","optional":true},"value":true}"#),
];
