//! Every transformation as a user configures it: one record in, as JSON; what comes out, as JSON.

use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, Int64Array};
use arrow_schema::{DataType, Field};
use futures_util::FutureExt;
use sluice_connect_api::{ConfigMap, Converter, ErrorKind, PluginRegistry};
use sluice_converters::json::JsonConverter;
use sluice_data::ConnectBatch;
use sluice_data::headers::{Header, HeadersBuilder, row_headers};
use sluice_data::schema::with_tombstones;

/// `Jan 3 2017`, of Kafka's own test.
const TIMESTAMP_MS: i64 = 1_483_425_001_864;

fn converter(schemas: bool) -> JsonConverter {
    let config = [
        ("schemas.enable", if schemas { "true" } else { "false" }),
        ("replace.null.with.default", "false"),
        ("decimal.format", "NUMERIC"),
    ];
    JsonConverter::new(&config.map(|(key, value)| (key.to_owned(), value.to_owned())).into()).unwrap()
}

/// A column out of one message; without a schema in front it is schemaless, `-` is a tombstone.
fn column(schema: &str, payload: &str) -> (Field, ArrayRef) {
    let (with_schema, message) = match (schema, payload) {
        (_, "-") => (true, None),
        ("", payload) => (false, Some(payload.to_owned())),
        (schema, payload) => (true, Some(format!(r#"{{"schema":{schema},"payload":{payload}}}"#))),
    };
    let bytes = BinaryArray::from_iter([message]);
    let converted = converter(with_schema).to_connect_data("t", &bytes).unwrap().remove(0);
    (converted.field.as_ref().clone(), converted.values)
}

/// A record of topic `test`, partition 3, offset 42.
fn record(schema: &str, payload: &str) -> ConnectBatch {
    let (field, values) = column(schema, payload);
    ConnectBatch::builder("test", &field, values)
        .timestamp_ms(TIMESTAMP_MS)
        .partitions(Int32Array::from(vec![3]))
        .offsets(Int64Array::from(vec![42]))
        .build()
        .unwrap()
}

fn apply(class: &str, config: &str, batch: &ConnectBatch) -> Result<Vec<ConnectBatch>, String> {
    let registry = PluginRegistry::default();
    sluice_transforms::register(&registry);
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let config: ConfigMap = config
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .collect();
    let made = registry.transformation(&class, &config).now_or_never().unwrap();
    let mut transformation = made.map_err(|error| format!("config: {error}"))?;
    let applied = transformation.apply(batch).now_or_never().unwrap();
    applied.map_err(|error| {
        assert_eq!(error.kind, ErrorKind::Rejected);
        error.to_string()
    })
}

fn text(field: &Field, values: &ArrayRef) -> String {
    let bytes = converter(false).from_connect_data("t", field, values, None).unwrap();
    if bytes.is_null(0) { "-".to_owned() } else { String::from_utf8(bytes.value(0).to_vec()).unwrap() }
}

/// The value that comes out, or the error.
fn value_of(class: &str, config: &str, schema: &str, payload: &str) -> String {
    match apply(class, config, &record(schema, payload)) {
        Ok(batches) => text(batches[0].value_field(), batches[0].value()),
        Err(error) => error,
    }
}

/// Class, config, schema, payload, and the value that comes out or how the error starts.
#[track_caller]
fn check(cases: &[(&str, &str, &str, &str, &str)]) {
    for (class, config, schema, payload, expected) in cases {
        let found = value_of(class, config, schema, payload);
        // An error is given by a part of its text, which has blanks; a value is given whole.
        let is_error = expected.contains(' ') && !expected.starts_with(['{', '[', '"']);
        let is_expected = if is_error { found.contains(expected) } else { found == *expected };
        assert!(is_expected, "{class} {config} of {schema} {payload}\n expected {expected}\n    found {found}");
    }
}

const PERSON: &str = r#"{"type":"struct","name":"Person","fields":[{"type":"int32","field":"id"},{"type":"string","optional":true,"field":"name"},{"type":"string","optional":true,"default":"ch","field":"land"}]}"#;

#[test]
fn regex_router_renames_what_matches_whole() {
    for (config, expected) in [
        ("regex=test;replacement=other", "other"),
        ("regex=es;replacement=other", "test"),
        ("regex=(t)(e).*;replacement=$2$1-x", "et-x"),
        ("regex=(.*)st;replacement=$1_1", "te_1"),
        ("regex=(.*)st;replacement=$11", "te1"),
        ("regex=(?<a>.*)st;replacement=${a}\\$1", "te$1"),
        ("regex=te|test;replacement=x", "xst"),
    ] {
        let batches = apply("RegexRouter", config, &record("", "1")).unwrap();
        assert_eq!(&**batches[0].topic(), expected, "{config}");
    }
    for config in ["regex=(;replacement=x", "regex=a;replacement=$1", "regex=a", "regex=a;replacement=x$"] {
        assert!(apply("RegexRouter", config, &record("", "1")).unwrap_err().starts_with("config:"), "{config}");
    }
}

#[test]
fn timestamp_router_splits_a_batch_by_topic_and_keeps_row_ids() {
    let batches = apply("TimestampRouter", "", &record("", "1")).unwrap();
    assert_eq!(&**batches[0].topic(), "test-20170103");
    let format = "topic.format=${timestamp}_${topic};timestamp.format=yyyy-MM-dd'T'HH:mm:ss.SSS''EEE";
    let batches = apply("TimestampRouter", format, &record("", "1")).unwrap();
    assert_eq!(&**batches[0].topic(), "2017-01-03T06:30:01.864'Tue_test");

    let day = 86_400_000;
    let rows = |times: Vec<Option<i64>>| {
        let values: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(0..times.len() as i64));
        let field = Field::new("v", DataType::Int64, false);
        ConnectBatch::builder("t", &field, values).timestamps(times.into()).row_ids_from(10).build().unwrap()
    };
    let batches = apply("TimestampRouter", "", &rows(vec![Some(0), Some(day), Some(1)])).unwrap();
    let found: Vec<_> =
        batches.iter().map(|batch| (batch.topic().to_string(), batch.row_ids().values().to_vec())).collect();
    assert_eq!(found, [("t-19700101".to_owned(), vec![10, 12]), ("t-19700102".to_owned(), vec![11])]);
    assert!(apply("TimestampRouter", "", &rows(vec![None])).unwrap_err().starts_with("Timestamp missing on record 10"));
    assert!(apply("TimestampRouter", "timestamp.format=b", &rows(vec![])).unwrap_err().contains("Illegal pattern"));
}

#[test]
fn insert_field_adds_what_is_known_of_the_record() {
    let all = "topic.field=t!;partition.field=p;offset.field=o?;timestamp.field=at;static.field=s;static.value=x";
    check(&[
        (
            "InsertField$Value",
            all,
            "",
            r#"{"a": 1.50}"#,
            r#"{"a":1.50,"t":"test","p":3,"o":42,"at":1483425001864,"s":"x"}"#,
        ),
        (
            "InsertField$Value",
            all,
            PERSON,
            r#"{"id":1}"#,
            r#"{"id":1,"name":null,"land":"ch","t":"test","p":3,"o":42,"at":1483425001864,"s":"x"}"#,
        ),
        ("InsertField$Value", all, "", "-", "-"),
        ("InsertField$Key", all, "", "1", "1"),
        ("InsertField$Value", "topic.field=id", PERSON, r#"{"id":1}"#, "field name duplication id"),
        ("InsertField$Value", "topic.field=a", "", r#"{"a":1}"#, r#"{"a":"test"}"#),
        (
            "InsertField$Value",
            "topic.field=a",
            "",
            "5",
            "Only Map objects supported in absence of schema for [field insertion], found: number",
        ),
        (
            "InsertField$Value",
            "topic.field=a",
            r#"{"type":"int8"}"#,
            "5",
            "Only Struct objects supported for [field insertion]",
        ),
        ("InsertField$Value", "", "", "1", "config: "),
        ("InsertField$Value", "static.field=a", "", "1", "No value specified for static field"),
    ]);
    let config = "topic.field=t!;timestamp.field=at;partition.field=p;offset.field=o";
    let batches = apply("InsertField$Value", config, &record(PERSON, r#"{"id":1}"#)).unwrap();
    let schema = sluice_data::ConnectSchema::from_field(batches[0].value_field()).unwrap().unwrap().to_json();
    let fields = schema["fields"].as_array().unwrap();
    assert_eq!(schema["name"], "Person");
    assert_eq!((&fields[3]["type"], &fields[3]["optional"]), (&"string".into(), &false.into()));
    assert_eq!((&fields[4]["type"], &fields[4]["optional"]), (&"int32".into(), &true.into()));
    assert_eq!(fields[5]["type"], "int64");
    assert_eq!(
        (&fields[6]["name"], &fields[6]["optional"]),
        (&"org.apache.kafka.connect.data.Timestamp".into(), &true.into())
    );
}

#[test]
fn insert_field_has_no_offset_for_a_source_record() {
    let (field, values) = column("", "{}");
    let batch = ConnectBatch::builder("test", &field, values).build().unwrap();
    let error = apply("InsertField$Value", "offset.field=o", &batch).unwrap_err();
    assert!(error.contains("Only SinkRecord supported"), "{error}");
    let inserted = apply("InsertField$Value", "timestamp.field=at;partition.field=p", &batch).unwrap();
    assert_eq!(text(inserted[0].value_field(), inserted[0].value()), "{}");
    let (field, values) = column(PERSON, r#"{"id":1}"#);
    let batch = ConnectBatch::builder("test", &field, values).build().unwrap();
    assert!(apply("InsertField$Value", "timestamp.field=at!", &batch).unwrap_err().contains("\"at\""));
}

#[test]
fn replace_field_filters_first_and_renames_then() {
    check(&[
        ("ReplaceField$Value", "exclude=name,nothing;renames=id:nr", PERSON, r#"{"id":1}"#, r#"{"nr":1,"land":"ch"}"#),
        ("ReplaceField$Value", "include=id,name;exclude=name", PERSON, r#"{"id":1}"#, r#"{"id":1}"#),
        (
            "ReplaceField$Value",
            "include=name;replace.null.with.default=false",
            PERSON,
            r#"{"id":1}"#,
            r#"{"name":null}"#,
        ),
        ("ReplaceField$Value", "exclude=b;renames=a:c", "", r#"{"b":1,"a":[1, 2]}"#, r#"{"c":[1, 2]}"#),
        ("ReplaceField$Value", "exclude=id,name,land", PERSON, r#"{"id":1}"#, "{}"),
        ("ReplaceField$Value", "exclude=a", PERSON, "-", "-"),
        ("ReplaceField$Value", "exclude=a", "", "null", "-"),
        ("ReplaceField$Value", "renames=a", "", "{}", "Invalid rename mapping: a"),
        ("ReplaceField$Value", "renames=id:name", PERSON, r#"{"id":1}"#, "field name duplication name"),
        (
            "ReplaceField$Value",
            "include=a",
            "",
            "[1]",
            "Only Map objects supported in absence of schema for [field replacement], found: array",
        ),
    ]);
}

const NESTED: &str = r#"{"type":"struct","fields":[{"type":"struct","optional":true,"field":"a","fields":[{"type":"int32","field":"b.c"}]}]}"#;

#[test]
fn extract_field_takes_one_field_or_a_path_to_it() {
    check(&[
        ("ExtractField$Value", "field=id", PERSON, r#"{"id":7}"#, "7"),
        ("ExtractField$Value", "field=land", PERSON, r#"{"id":7}"#, "\"ch\""),
        ("ExtractField$Value", "field=nope", PERSON, r#"{"id":7}"#, "Unknown field: nope"),
        ("ExtractField$Value", "field=id", PERSON, "-", "-"),
        ("ExtractField$Value", "field=a", "", r#"{"a":{"b":1.0}}"#, r#"{"b":1.0}"#),
        ("ExtractField$Value", "field=b", "", r#"{"a":1}"#, "-"),
        ("ExtractField$Value", "field=a.b", "", r#"{"a":{"b":1}}"#, "-"),
        ("ExtractField$Value", "field=a.b;field.syntax.version=V2", "", r#"{"a":{"b":1}}"#, "1"),
        ("ExtractField$Value", "field=a.b.c;field.syntax.version=v2", "", r#"{"a":{"b":1}}"#, "nested field access"),
        ("ExtractField$Value", "field=x.b;field.syntax.version=V2", "", r#"{"a":{"b":1}}"#, "-"),
        ("ExtractField$Value", "field=a.`b.c`;field.syntax.version=V2", NESTED, r#"{"a":{"b.c":5}}"#, "5"),
        ("ExtractField$Value", "field=a.`b.c`;field.syntax.version=V2", NESTED, "{}", "null"),
        ("ExtractField$Value", "field=a.`b.c;field.syntax.version=V2", NESTED, "{}", "config: "),
        ("ExtractField$Value", "field=a;field.syntax.version=V3", NESTED, "{}", "config: "),
        ("ExtractField$Value", "field=a", "", "1", "Only Map objects supported"),
    ]);
}

#[test]
fn value_to_key_makes_a_key_of_fields() {
    let key_of = |config: &str, schema: &str, payload: &str| match apply("ValueToKey", config, &record(schema, payload))
    {
        Ok(batches) => text(batches[0].key_field(), batches[0].key()),
        Err(error) => error,
    };
    assert_eq!(key_of("fields=id,land", PERSON, r#"{"id":1}"#), r#"{"id":1,"land":"ch"}"#);
    assert_eq!(key_of("fields=land;replace.null.with.default=false", PERSON, r#"{"id":1}"#), r#"{"land":null}"#);
    assert_eq!(key_of("fields=nope", PERSON, r#"{"id":1}"#), "Field does not exist: nope");
    assert_eq!(key_of("fields=b,c", "", r#"{"a":0,"b":1}"#), r#"{"b":1,"c":null}"#);
    for (schema, payload) in [("", "-"), ("", "null"), (PERSON, "-"), (r#"{"type":"int8"}"#, "1")] {
        assert!(key_of("fields=a", schema, payload).contains("copying fields from value to key"));
    }
    assert!(key_of("fields=", "", "{}").starts_with("config:"));
}

#[test]
fn hoist_field_wraps_even_null() {
    check(&[
        ("HoistField$Value", "field=m", r#"{"type":"int32"}"#, "5", r#"{"m":5}"#),
        ("HoistField$Value", "field=m", "", "[5]", r#"{"m":[5]}"#),
        ("HoistField$Value", "field=m", "", "-", r#"{"m":null}"#),
        ("HoistField$Value", "field=m", "", "null", r#"{"m":null}"#),
        ("HoistField$Value", "", "", "1", "config: "),
    ]);
    let batch = record("", "1");
    let key = apply(
        "HoistField$Key",
        "field=k",
        &batch.with_column("key", batch.value_field(), batch.value().clone()).unwrap(),
    )
    .unwrap();
    assert_eq!(text(key[0].key_field(), key[0].key()), r#"{"k":1}"#);
}

const EVERYTHING: &str = r#"{"type":"struct","fields":[{"type":"int8","field":"i8","optional":true},{"type":"int64","field":"i64"},{"type":"float","field":"f"},{"type":"double","field":"d"},{"type":"boolean","field":"b"},{"type":"string","field":"s"},{"type":"bytes","field":"bytes"},{"type":"int32","name":"org.apache.kafka.connect.data.Date","version":1,"field":"date"},{"type":"int32","name":"org.apache.kafka.connect.data.Time","version":1,"field":"time"},{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"at"},{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"dec"},{"type":"array","items":{"type":"int32"},"field":"list"},{"type":"map","keys":{"type":"string"},"values":{"type":"int32"},"field":"map"}]}"#;
const ALL: &str = r#"{"i8":null,"i64":300,"f":1.5,"d":-2.7,"b":true,"s":"TRUE","bytes":"AQI=","date":1,"time":1000,"at":86400000,"dec":12.34,"list":[1],"map":{"a":1}}"#;

#[test]
fn mask_field_puts_the_zero_of_each_type() {
    let masked = r#"{"i8":null,"i64":0,"f":0.0,"d":0.0,"b":false,"s":"","bytes":"AQI=","date":0,"time":0,"at":0,"dec":0.00,"list":[],"map":{}}"#;
    check(&[
        ("MaskField$Value", "fields=i8,i64,f,d,b,s,date,time,at,dec,list,map,nope", EVERYTHING, ALL, masked),
        ("MaskField$Value", "fields=bytes", EVERYTHING, ALL, "Cannot mask value of type: Binary"),
        (
            "MaskField$Value",
            "fields=a,b,c,d,e,f,g",
            "",
            r#"{"a":1,"b":1.5,"c":"x","d":true,"e":[1],"f":{"x":1},"h":1}"#,
            r#"{"a":0,"b":0.0,"c":"","d":false,"e":[],"f":{},"h":1,"g":null}"#,
        ),
        (
            "MaskField$Value",
            "fields=a,b,c;replacement=7",
            "",
            r#"{"a":1,"b":1.5,"c":"x"}"#,
            r#"{"a":7,"b":7.0,"c":"7"}"#,
        ),
        ("MaskField$Value", "fields=a;replacement=x", "", r#"{"a":1}"#, "Unable to convert x (replacement)"),
        (
            "MaskField$Value",
            "fields=a;replacement=7",
            "",
            r#"{"a":true}"#,
            "Cannot mask value of type boolean with custom replacement.",
        ),
        ("MaskField$Value", "fields=a;replacement=", "", r#"{"a":true}"#, "config: "),
        ("MaskField$Value", "fields=", "", r#"{"a":true}"#, "config: "),
        ("MaskField$Value", "fields=a", "", "-", "mask fields"),
        ("MaskField$Value", "fields=a", PERSON, "-", "mask fields"),
        ("MaskField$Value", "fields=date;replacement=1", EVERYTHING, ALL, "with custom replacement."),
        ("MaskField$Value", "fields=i64;replacement=x", EVERYTHING, ALL, "Unable to convert x (replacement)"),
        (
            "MaskField$Value",
            "fields=id,name;replacement=9",
            PERSON,
            r#"{"id":1,"name":"x"}"#,
            r#"{"id":9,"name":"9","land":"ch"}"#,
        ),
    ]);
    let found = value_of("MaskField$Value", "fields=i64,dec,s,f;replacement=5", EVERYTHING, ALL);
    assert!(
        found.starts_with(r#"{"i8":null,"i64":5,"f":5.0,"#)
            && found.contains(r#""s":"5""#)
            && found.contains(r#""dec":5.00"#),
        "{found}"
    );
}

#[test]
fn set_schema_metadata_names_the_schema() {
    let batches =
        apply("SetSchemaMetadata$Value", "schema.name=foo;schema.version=42", &record(PERSON, r#"{"id":1}"#)).unwrap();
    let schema = sluice_data::ConnectSchema::from_field(batches[0].value_field()).unwrap().unwrap();
    assert_eq!((schema.name.as_deref(), schema.version), (Some("foo"), Some(42)));
    let batches = apply("SetSchemaMetadata$Value", "schema.version=2", &record(PERSON, r#"{"id":1}"#)).unwrap();
    let schema = sluice_data::ConnectSchema::from_field(batches[0].value_field()).unwrap().unwrap();
    assert_eq!((schema.name.as_deref(), schema.version), (Some("Person"), Some(2)));
    check(&[
        ("SetSchemaMetadata$Value", "schema.name=foo", "", "-", "-"),
        ("SetSchemaMetadata$Value", "schema.name=foo", "", "1", "Schema required for [updating schema metadata]"),
        ("SetSchemaMetadata$Value", "", "", "1", "Neither schema name nor version configured"),
        ("SetSchemaMetadata$Value", "schema.version=x", "", "1", "Not a number of type INT"),
    ]);
}

fn header_texts(batch: &ConnectBatch) -> Vec<(String, Option<String>)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    row_headers(batch.headers().unwrap(), 0).map(|header| (header.name.to_owned(), header.value.map(text))).collect()
}

#[test]
fn headers_are_dropped_by_name_and_appended() {
    let mut headers = HeadersBuilder::default();
    for (name, value) in [("a", Some("1")), ("b", None), ("a", Some("2")), ("c", Some("3"))] {
        headers.push(Header { name, value: value.map(str::as_bytes), schema: None });
    }
    headers.end_row();
    let headers = headers.finish();
    let field = Field::new("headers", headers.data_type().clone(), false);
    let batch = record("", "1").with_column("headers", &field, std::sync::Arc::new(headers)).unwrap();
    let kept = apply("DropHeaders", "headers=a,x", &batch).unwrap();
    assert_eq!(header_texts(&kept[0]), [("b".to_owned(), None), ("c".to_owned(), Some("3".to_owned()))]);
    let more = apply("InsertHeader", "header=b;value.literal=1.0", &kept[0]).unwrap();
    assert_eq!(header_texts(&more[0])[2], ("b".to_owned(), Some("1".to_owned())));
    let null = apply("InsertHeader", "header=n;value.literal=null", &record("", "1")).unwrap();
    assert_eq!(header_texts(&null[0]), [("n".to_owned(), None)]);
    assert!(apply("DropHeaders", "", &record("", "1")).is_err());
    assert!(apply("DropHeaders", "headers=a", &record("", "1")).unwrap()[0].headers().is_none());
    assert!(apply("InsertHeader", "header=a", &record("", "1")).is_err());
}

#[test]
fn filter_drops_every_record() {
    assert!(apply("Filter", "", &record("", "1")).unwrap().is_empty());
}

#[test]
fn cast_follows_javas_conversions() {
    let int = |kind: &str| format!(r#"{{"type":"{kind}"}}"#);
    let cases: Vec<(&str, &str, String, &str, &str)> = vec![
        ("Cast$Value", "spec=int8", int("int32"), "300", "44"),
        ("Cast$Value", "spec=int8", int("double"), "1e10", "-1"),
        ("Cast$Value", "spec=int32", int("double"), "1e10", "2147483647"),
        ("Cast$Value", "spec=int64", int("double"), "-2.9", "-2"),
        ("Cast$Value", "spec=int8", int("string"), "\"300\"", "out of range"),
        ("Cast$Value", "spec=int8", int("string"), "\"x\"", "out of range"),
        ("Cast$Value", "spec=int64", int("string"), "\"-3\"", "-3"),
        ("Cast$Value", "spec=boolean", int("double"), "0.5", "false"),
        ("Cast$Value", "spec=boolean", int("int8"), "-1", "true"),
        ("Cast$Value", "spec=boolean", int("string"), "\"TrUe\"", "true"),
        ("Cast$Value", "spec=boolean", int("string"), "\"1\"", "false"),
        ("Cast$Value", "spec=float32", int("double"), "0.1", "0.1"),
        ("Cast$Value", "spec=float64", int("boolean"), "true", "1.0"),
        ("Cast$Value", "spec=float64", int("string"), "\"x\"", "no number"),
        ("Cast$Value", "spec=string", int("double"), "1e10", "\"1.0E10\""),
        ("Cast$Value", "spec=string", int("bytes"), "\"AQI=\"", "\"AQI=\""),
        ("Cast$Value", "spec=int8", int("bytes"), "\"AQI=\"", "Unexpected type in Cast transformation: bytes"),
        ("Cast$Value", "spec=string", int("boolean"), "true", "\"true\""),
        ("Cast$Value", "spec=int8", int("int32"), "-", "-"),
        ("Cast$Value", "spec=int8", String::new(), "-", "-"),
        ("Cast$Value", "spec=string", String::new(), "1.50", "\"1.5\""),
        ("Cast$Value", "spec=int32", String::new(), "\"12\"", "12"),
        ("Cast$Value", "spec=int8", String::new(), "[1]", "Unexpected type in Cast transformation: array"),
        ("Cast$Value", "spec=a:int8, b:string", String::new(), r#"{"a":300,"c":1}"#, r#"{"a":44,"c":1,"b":null}"#),
        (
            "Cast$Value",
            "spec=i64:string,d:int8,s:boolean,date:int64,time:string,at:string,dec:int32,i8:string,b:int16",
            EVERYTHING.to_owned(),
            ALL,
            r#"{"i8":null,"i64":"300","f":1.5,"d":-2,"b":1,"s":true,"bytes":"AQI=","date":1,"time":"00:00:01.000Z","at":"1970-01-02","dec":12,"list":[1],"map":{"a":1}}"#,
        ),
        (
            "Cast$Value",
            "spec=dec:string,date:string",
            EVERYTHING.to_owned(),
            ALL,
            r#"{"i8":null,"i64":300,"f":1.5,"d":-2.7,"b":true,"s":"TRUE","bytes":"AQI=","date":"1970-01-02","time":1000,"at":86400000,"dec":"12.34","list":[1],"map":{"a":1}}"#,
        ),
        ("Cast$Value", "spec=list:string", EVERYTHING.to_owned(), ALL, "Unexpected type in Cast transformation"),
    ];
    for (class, config, schema, payload, expected) in &cases {
        check(&[(class, config, schema, payload, expected)]);
    }
    for spec in ["", "bytes", "a:b:c", "a:int8,string", "a:nothing"] {
        assert!(value_of("Cast$Value", &format!("spec={spec}"), "", "1").starts_with("config:"), "{spec}");
    }
    let defaulted = r#"{"type":"struct","fields":[{"type":"int32","optional":true,"default":300,"field":"a"}]}"#;
    let batches = apply("Cast$Value", "spec=a:string", &record(defaulted, r#"{"a":null}"#)).unwrap();
    let schema = sluice_data::ConnectSchema::from_field(batches[0].value_field()).unwrap().unwrap().to_json();
    let field = &schema["fields"][0];
    assert_eq!(
        (&field["type"], &field["optional"], &field["default"]),
        (&"string".into(), &true.into(), &"300".into())
    );
    assert_eq!(text(batches[0].value_field(), batches[0].value()), r#"{"a":"300"}"#);
}

#[test]
fn a_null_row_of_a_batch_passes_beside_the_others() {
    let (field, values) = column(PERSON, r#"{"id":1,"name":"x"}"#);
    let (_, nothing) = column(PERSON, r#"{"id":2,"name":"y"}"#);
    let both = arrow_select::concat::concat(&[&values, &arrow_array::new_null_array(nothing.data_type(), 1)]).unwrap();
    let batch =
        ConnectBatch::builder("t", &with_tombstones(field), both).tombstones(vec![false, true].into()).build().unwrap();
    for (class, config) in [
        ("InsertField$Value", "static.field=s!;static.value=x"),
        ("ReplaceField$Value", "exclude=name"),
        ("ExtractField$Value", "field=id"),
        ("Cast$Value", "spec=id:string"),
        ("SetSchemaMetadata$Value", "schema.name=x"),
    ] {
        let out = &apply(class, config, &batch).unwrap()[0];
        assert_eq!((out.value().is_null(0), out.value().is_null(1)), (false, true), "{class}");
        assert!(out.is_tombstone(1) && !out.is_tombstone(0));
        let schema = sluice_data::ConnectSchema::from_field(out.value_field()).unwrap().unwrap();
        assert!(!schema.optional, "{class}");
    }
}

#[test]
fn an_unknown_transformation_names_the_nearest() {
    let error = apply("MaskFeild$Value", "", &record("", "1")).unwrap_err();
    assert!(error.contains("MaskField$Value"), "{error}");
}

const NESTED_RECORD: &str = r#"{"type":"struct","fields":[{"type":"struct","optional":true,"field":"a","default":{"b":7},"fields":[{"type":"int32","field":"b","default":5},{"type":"array","items":{"type":"int8"},"field":"l","optional":true}]},{"type":"string","field":"c"}]}"#;

#[test]
fn flatten_joins_the_names_of_what_is_nested() {
    check(&[
        ("Flatten$Value", "", NESTED_RECORD, r#"{"a":{"b":1,"l":[2]},"c":"x"}"#, r#"{"a.b":1,"a.l":[2],"c":"x"}"#),
        ("Flatten$Value", "delimiter=_", NESTED_RECORD, r#"{"a":null,"c":"x"}"#, r#"{"a_b":null,"a_l":null,"c":"x"}"#),
        (
            "Flatten$Value",
            "",
            "",
            r#"{"a":{"b":{"c":1.50},"e":{}},"d":[{"x":1}],"n":null}"#,
            r#"{"a.b.c":1.50,"d":[{"x":1}],"n":null}"#,
        ),
        ("Flatten$Value", "", "", "-", "-"),
        ("Flatten$Value", "", NESTED_RECORD, "-", "-"),
        (
            "Flatten$Value",
            "",
            "",
            "[1]",
            "Only Map objects supported in absence of schema for [flattening], found: array",
        ),
        ("Flatten$Value", "", r#"{"type":"int8"}"#, "1", "Only Struct objects supported for [flattening]"),
        (
            "Flatten$Value",
            "",
            r#"{"type":"struct","fields":[{"type":"map","keys":{"type":"string"},"values":{"type":"int8"},"field":"m"}]}"#,
            r#"{"m":{}}"#,
            "Flatten transformation does not support MAP for record with schemas (for field m).",
        ),
    ]);
    let batches = apply("Flatten$Value", "", &record(NESTED_RECORD, r#"{"a":null,"c":"x"}"#)).unwrap();
    let schema = sluice_data::ConnectSchema::from_field(batches[0].value_field()).unwrap().unwrap().to_json();
    assert_eq!((&schema["fields"][0]["optional"], &schema["fields"][0]["default"]), (&true.into(), &5.into()));
    assert_eq!(schema["fields"][2]["optional"], false);
}

#[test]
fn header_from_copies_or_moves_fields() {
    let record_with_null = r#"{"id":7,"name":null}"#;
    let copied =
        apply("HeaderFrom$Value", "fields=id,land;headers=a,b;operation=copy", &record(PERSON, record_with_null))
            .unwrap();
    assert_eq!(
        header_texts(&copied[0]),
        [("a".to_owned(), Some("7".to_owned())), ("b".to_owned(), Some("ch".to_owned()))]
    );
    assert_eq!(
        row_headers(copied[0].headers().unwrap(), 0).next().unwrap().schema,
        Some(r#"{"type":"int32","optional":false}"#)
    );
    let moved =
        apply("HeaderFrom$Value", "fields=id,x;headers=a,b;operation=move", &record("", r#"{"id":[1,"q"],"z":1}"#))
            .unwrap();
    assert_eq!(header_texts(&moved[0]), [("a".to_owned(), Some("[1,\"q\"]".to_owned())), ("b".to_owned(), None)]);
    assert_eq!(text(moved[0].value_field(), moved[0].value()), r#"{"z":1}"#);
    check(&[
        (
            "HeaderFrom$Value",
            "fields=id;headers=a;operation=move",
            PERSON,
            record_with_null,
            r#"{"name":null,"land":"ch"}"#,
        ),
        ("HeaderFrom$Value", "fields=nope;headers=a;operation=copy", PERSON, record_with_null, "does not exist"),
        ("HeaderFrom$Value", "fields=id;headers=a;operation=copy", PERSON, "-", "header copy"),
        ("HeaderFrom$Value", "fields=id;headers=a,b;operation=copy", PERSON, "-", "same number of elements"),
        ("HeaderFrom$Value", "fields=id;headers=a;operation=steal", PERSON, "-", "config: "),
        (
            "HeaderFrom$Value",
            "fields=a.b;headers=h;operation=move;field.syntax.version=V2",
            "",
            r#"{"a":{"b":1,"c":2}}"#,
            r#"{"a":{"c":2}}"#,
        ),
    ]);
}

#[test]
fn timestamp_converter_goes_between_all_forms() {
    let at = r#"{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1}"#;
    let field =
        r#"{"type":"struct","fields":[{"type":"string","optional":true,"field":"at"},{"type":"int8","field":"x"}]}"#;
    check(&[
        ("TimestampConverter$Value", "target.type=unix", at, "1483425001864", "1483425001864"),
        ("TimestampConverter$Value", "target.type=unix;unix.precision=seconds", at, "-1999", "-1"),
        ("TimestampConverter$Value", "target.type=Date", at, "-1", "-1"),
        ("TimestampConverter$Value", "target.type=Time", at, "-1", "86399999"),
        (
            "TimestampConverter$Value",
            "target.type=string;format=yyyy-MM-dd HH",
            at,
            "1483425001864",
            "\"2017-01-03 06\"",
        ),
        (
            "TimestampConverter$Value",
            "target.type=Timestamp;unix.precision=microseconds",
            r#"{"type":"int64"}"#,
            "1999",
            "1",
        ),
        (
            "TimestampConverter$Value",
            "field=at;target.type=Timestamp;format=yyyy-MM-dd",
            field,
            r#"{"at":"1970-01-02","x":1}"#,
            r#"{"at":86400000,"x":1}"#,
        ),
        (
            "TimestampConverter$Value",
            "field=at;target.type=unix;format=yyyy",
            field,
            r#"{"at":null,"x":1}"#,
            r#"{"at":null,"x":1}"#,
        ),
        (
            "TimestampConverter$Value",
            "field=at;target.type=unix;format=yyyy",
            field,
            r#"{"at":"x","x":1}"#,
            "Could not parse timestamp",
        ),
        (
            "TimestampConverter$Value",
            "field=at;target.type=unix",
            field,
            r#"{"at":"1","x":1}"#,
            "needs the format option",
        ),
        ("TimestampConverter$Value", "field=x;target.type=unix", field, r#"{"at":"1","x":1}"#, "known timestamp type"),
        ("TimestampConverter$Value", "field=a;target.type=string;format=yyyy", "", r#"{"a":0}"#, r#"{"a":"1970"}"#),
        ("TimestampConverter$Value", "field=a;target.type=Date", "", r#"{"b":0}"#, r#"{"b":0,"a":null}"#),
        ("TimestampConverter$Value", "target.type=unix", "", "1.5", "does not support number objects as timestamps"),
        ("TimestampConverter$Value", "target.type=unix", "", "-", "-"),
        ("TimestampConverter$Value", "target.type=string", at, "1", "requires format option"),
        ("TimestampConverter$Value", "target.type=unix;format=b", at, "1", "config: "),
        ("TimestampConverter$Value", "target.type=date", at, "1", "config: "),
        ("TimestampConverter$Value", "target.type=unix;unix.precision=years", at, "1", "config: "),
    ]);
}

#[test]
fn every_field_can_be_a_path() {
    let nested = r#"{"a":{"b":"2","c":{"d":3}},"e":4}"#;
    check(&[
        ("Cast$Value", "spec=a.b:int8;field.syntax.version=V2", "", nested, r#"{"a":{"b":2,"c":{"d":3}},"e":4}"#),
        ("MaskField$Value", "fields=a.c.d;field.syntax.version=V2", "", nested, r#"{"a":{"b":"2","c":{"d":0}},"e":4}"#),
        ("ReplaceField$Value", "exclude=a.c;field.syntax.version=V2", "", nested, r#"{"a":{"b":"2"},"e":4}"#),
        ("ReplaceField$Value", "include=a.c.d;field.syntax.version=V2", "", nested, r#"{"a":{"c":{"d":3}}}"#),
        (
            "ReplaceField$Value",
            "renames=a.b:x;field.syntax.version=V2",
            "",
            nested,
            r#"{"a":{"x":"2","c":{"d":3}},"e":4}"#,
        ),
        (
            "ReplaceField$Value",
            "exclude=a.l;field.syntax.version=V2",
            NESTED_RECORD,
            r#"{"a":{"b":1,"l":[2]},"c":"x"}"#,
            r#"{"a":{"b":1},"c":"x"}"#,
        ),
        (
            "MaskField$Value",
            "fields=a.b;field.syntax.version=V2",
            NESTED_RECORD,
            r#"{"a":{"b":1,"l":[2]},"c":"x"}"#,
            r#"{"a":{"b":0,"l":[2]},"c":"x"}"#,
        ),
        (
            "Cast$Value",
            "spec=a.b:string;field.syntax.version=V2",
            NESTED_RECORD,
            r#"{"a":{"b":1,"l":null},"c":"x"}"#,
            r#"{"a":{"b":"1","l":null},"c":"x"}"#,
        ),
        (
            "Cast$Value",
            "spec=c.b:string;field.syntax.version=V2",
            NESTED_RECORD,
            r#"{"a":null,"c":"x"}"#,
            "nested field access of c",
        ),
        (
            "TimestampConverter$Value",
            "field=a.c.d;target.type=string;format=S;field.syntax.version=V2",
            "",
            nested,
            r#"{"a":{"b":"2","c":{"d":"3"}},"e":4}"#,
        ),
    ]);
}
