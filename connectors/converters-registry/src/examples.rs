//! One example and more of every converter; `tests/pages.rs` runs them in a registry that is empty, and writes the pages from
//! them. An input is a value with its schema; an output the message's bytes and what stands in the registry then.

use sluice_connect_api::Example;

/// The class and what it does.
pub const ABOUT: [(&str, &str); 3] = [
    (crate::avro::CLASS, "Avro, in Confluent's wire format: a zero byte, the schema's id in four bytes, the record."),
    (
        crate::protobuf::CLASS,
        "Protobuf, in Confluent's wire format: a zero byte, the schema's id in four bytes, which message of the schema it is, the message.",
    ),
    (
        crate::json_schema::CLASS,
        "JSON whose schema is registered, in Confluent's wire format: a zero byte, the schema's id in four bytes, JSON.",
    ),
];

/// The topic of every example.
pub const TOPIC: &str = "orders";

const ORDER: &str = r#"{"schema":{"type":"struct","name":"shop.Order","fields":[{"field":"id","type":"int32"},{"field":"name","type":"string","optional":true}]},"value":{"id":7,"name":"Ada"}}"#;

const fn order(
    class: &'static str,
    about: &'static str,
    config: &'static [(&'static str, &'static str)],
    output: &'static str,
) -> Example {
    Example { class, about, config, input: ORDER, output }
}

pub const EXAMPLES: [Example; 6] = [
    order(
        crate::avro::CLASS,
        "A record with two fields.",
        &[],
        r#"{"message":"0x00000000010E0206416461","registry":{"id":1,"subject":"orders-value","schema":{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"},{"name":"name","type":["null","string"],"default":null}],"connect.name":"shop.Order"}}}"#,
    ),
    order(
        crate::avro::CLASS,
        "A schema of which only Avro's own properties are written.",
        &[("connect.meta.data", "false")],
        r#"{"message":"0x00000000010E0206416461","registry":{"id":1,"subject":"orders-value","schema":{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"},{"name":"name","type":["null","string"],"default":null}]}}}"#,
    ),
    order(
        crate::avro::CLASS,
        "A subject for each record type.",
        &[("value.subject.name.strategy", "io.confluent.kafka.serializers.subject.RecordNameStrategy")],
        r#"{"message":"0x00000000010E0206416461","registry":{"id":1,"subject":"shop.Order","schema":{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"},{"name":"name","type":["null","string"],"default":null}],"connect.name":"shop.Order"}}}"#,
    ),
    order(
        crate::protobuf::CLASS,
        "A record with two fields.",
        &[],
        r#"{"message":"0x00000000010008071203416461","registry":{"id":1,"subject":"orders-value","schema":"syntax = \"proto3\";\npackage shop;\n\n\nmessage Order {\n  int32 id = 1;\n  string name = 2;\n}"}}"#,
    ),
    order(
        crate::protobuf::CLASS,
        "Absent values told from empty ones.",
        &[("optional.for.nullables", "true")],
        r#"{"message":"0x00000000010008071203416461","registry":{"id":1,"subject":"orders-value","schema":"syntax = \"proto3\";\npackage shop;\n\n\nmessage Order {\n  int32 id = 1;\n  optional string name = 2;\n}"}}"#,
    ),
    order(
        crate::json_schema::CLASS,
        "A record with two fields.",
        &[],
        r#"{"message":"0x00000000017B226964223A372C226E616D65223A22416461227D","registry":{"id":1,"subject":"orders-value","schema":{"type":"object","title":"shop.Order","properties":{"id":{"type":"integer","connect.index":0,"connect.type":"int32"},"name":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string"}]}}}}}"#,
    ),
];
