//! One example and more of every transformation and predicate; `tests/pages.rs` runs them and writes the pages from them.

use sluice_connect_api::Example;

/// The class of the page (of two sides the value's), and what it does.
pub const ABOUT: [(&str, &str); 21] = [
    (
        "org.apache.kafka.connect.transforms.Cast$Value",
        "Casts fields, or the whole key or value, to another type, by Java's rules of conversion.",
    ),
    ("org.apache.kafka.connect.transforms.DropHeaders", "Removes every header with one of these names."),
    (
        "org.apache.kafka.connect.transforms.ExtractField$Value",
        "Puts one field in the place of the whole. Null stays null.",
    ),
    ("org.apache.kafka.connect.transforms.Filter", "Drops every record; meant for use with a predicate."),
    (
        "org.apache.kafka.connect.transforms.Flatten$Value",
        "Makes one level of nested structs or maps, the names joined. Arrays stay as they are.",
    ),
    (
        "org.apache.kafka.connect.transforms.HeaderFrom$Value",
        "Moves or copies fields into headers, behind those that are there.",
    ),
    (
        "org.apache.kafka.connect.transforms.HoistField$Value",
        "Wraps the whole into a struct or map of one field. A null is wrapped too.",
    ),
    (
        "org.apache.kafka.connect.transforms.InsertField$Value",
        "Adds where a record is from, when it is from, or a fixed text, as fields.",
    ),
    ("org.apache.kafka.connect.transforms.InsertHeader", "Appends one header. Its type is guessed from the text."),
    (
        "org.apache.kafka.connect.transforms.MaskField$Value",
        "Puts its type's zero, or a replacement, in the place of a field's value. Nulls stay null.",
    ),
    (
        "org.apache.kafka.connect.transforms.RegexRouter",
        "Renames the topic when the whole of its name matches; `$1` stands for a group.",
    ),
    (
        "org.apache.kafka.connect.transforms.ReplaceField$Value",
        "Leaves fields out, keeps only some, renames: first the filter, then the names.",
    ),
    ("org.apache.kafka.connect.transforms.SetSchemaMetadata$Value", "Sets the name and the version of the schema."),
    (
        "org.apache.kafka.connect.transforms.TimestampConverter$Value",
        "Converts times between text, unix time and Connect's Date, Time and Timestamp. Everything is UTC.",
    ),
    (
        "org.apache.kafka.connect.transforms.TimestampRouter",
        "Makes the topic's name from the record's timestamp, in UTC.",
    ),
    ("org.apache.kafka.connect.transforms.ValueToKey", "Makes a new key of some of the value's fields."),
    (
        "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        "True for a record with a header of this name; its value may be null.",
    ),
    ("org.apache.kafka.connect.transforms.predicates.RecordIsTombstone", "True for a record whose value is null."),
    (
        "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "True when the whole of the topic's name matches.",
    ),
    (
        "io.sluice.transforms.Compute$Value",
        "Sets a field to what a [CEL](https://cel.dev) expression says. Not part of Apache Kafka.",
    ),
    (
        "io.sluice.transforms.Filter",
        "Keeps the records for which a [CEL](https://cel.dev) expression is true. Not part of Apache Kafka.",
    ),
];

macro_rules! example {
    ($class:literal, $about:literal, [$($key:literal = $value:literal),*], $input:literal => $output:literal) => {
        Example { class: $class, about: $about, config: &[$(($key, $value)),*], input: $input, output: $output }
    };
}

pub const EXAMPLES: [Example; 25] = [
    example!("org.apache.kafka.connect.transforms.Cast$Value", "Two fields become numbers.", ["spec" = "amount:float64,count:int32"],
        r#"{"value":{"amount":"9.50","count":"3","id":"x"}}"# => r#"{"value":{"amount":9.5,"count":3,"id":"x"}}"#),
    example!("org.apache.kafka.connect.transforms.Cast$Value", "The whole value becomes a text.", ["spec" = "string"],
        r#"{"value":42}"# => r#"{"value":"42"}"#),
    example!("org.apache.kafka.connect.transforms.DropHeaders", "Internal headers stay out of the target.", ["headers" = "trace,span"],
        r#"{"value":1,"headers":[["trace","t1"],["kind","order"],["span","s1"]]}"# => r#"{"value":1,"headers":[["kind","order"]]}"#),
    example!("org.apache.kafka.connect.transforms.ExtractField$Value", "What a change event holds is taken out of it.", ["field" = "after"],
        r#"{"value":{"before":null,"after":{"id":7}}}"# => r#"{"value":{"id":7}}"#),
    example!("org.apache.kafka.connect.transforms.ExtractField$Value", "A path goes into what is nested.", ["field" = "customer.address.city", "field.syntax.version" = "V2"],
        r#"{"value":{"customer":{"address":{"city":"Bern"}}}}"# => r#"{"value":"Bern"}"#),
    example!("org.apache.kafka.connect.transforms.Filter", "Without a predicate nothing is left.", [],
        r#"{"value":1}"# => "dropped"),
    example!("org.apache.kafka.connect.transforms.Flatten$Value", "A row for a table.", ["delimiter" = "_"],
        r#"{"value":{"id":7,"customer":{"name":"Ada","address":{"city":"Bern"}}}}"# => r#"{"value":{"id":7,"customer_name":"Ada","customer_address_city":"Bern"}}"#),
    example!("org.apache.kafka.connect.transforms.HeaderFrom$Value", "A field moves.", ["fields" = "tenant", "headers" = "tenant", "operation" = "move"],
        r#"{"value":{"tenant":"acme","id":7}}"# => r#"{"value":{"id":7},"headers":[["tenant","acme"]]}"#),
    example!("org.apache.kafka.connect.transforms.HoistField$Value", "A line of a file gets a name.", ["field" = "line"],
        r#"{"value":"GET /"}"# => r#"{"value":{"line":"GET /"}}"#),
    example!("org.apache.kafka.connect.transforms.InsertField$Value", "Where it is from.", ["topic.field" = "source", "static.field" = "hub", "static.value" = "eu1"],
        r#"{"topic":"orders","value":{"id":7}}"# => r#"{"topic":"orders","value":{"id":7,"source":"orders","hub":"eu1"}}"#),
    example!("org.apache.kafka.connect.transforms.InsertHeader", "The same header on every record.", ["header" = "version", "value.literal" = "2"],
        r#"{"value":1}"# => r#"{"value":1,"headers":[["version","2"]]}"#),
    example!("org.apache.kafka.connect.transforms.MaskField$Value", "A text becomes empty and a number 0.", ["fields" = "name,salary"],
        r#"{"value":{"id":7,"name":"Ada","salary":90000}}"# => r#"{"value":{"id":7,"name":"","salary":0}}"#),
    example!("org.apache.kafka.connect.transforms.MaskField$Value", "A replacement for texts.", ["fields" = "card", "replacement" = "****"],
        r#"{"value":{"card":"4111 1111"}}"# => r#"{"value":{"card":"****"}}"#),
    example!("org.apache.kafka.connect.transforms.RegexRouter", "A prefix goes.", ["regex" = "db1\\.public\\.(.*)", "replacement" = "$1"],
        r#"{"topic":"db1.public.orders","value":1}"# => r#"{"topic":"orders","value":1}"#),
    example!("org.apache.kafka.connect.transforms.ReplaceField$Value", "One field less, one with another name.", ["exclude" = "internal", "renames" = "nr:number"],
        r#"{"value":{"nr":7,"internal":true,"city":"Bern"}}"# => r#"{"value":{"number":7,"city":"Bern"}}"#),
    example!("org.apache.kafka.connect.transforms.SetSchemaMetadata$Value", "The schema of an array gets a name.", ["schema.name" = "com.example.Numbers", "schema.version" = "2"],
        r#"{"schema":{"type":"array","items":{"type":"int32"}},"value":[1,2]}"# => r#"{"schema":{"type":"array","items":{"type":"int32"},"name":"com.example.Numbers","version":2},"value":[1,2]}"#),
    example!("org.apache.kafka.connect.transforms.TimestampConverter$Value", "Milliseconds become a text.", ["field" = "at", "target.type" = "string", "format" = "yyyy-MM-dd HH:mm"],
        r#"{"value":{"at":1483425001864}}"# => r#"{"value":{"at":"2017-01-03 06:30"}}"#),
    example!("org.apache.kafka.connect.transforms.TimestampConverter$Value", "A text becomes a Timestamp.", ["field" = "at", "target.type" = "Timestamp", "format" = "yyyy-MM-dd"],
        r#"{"schema":{"type":"struct","fields":[{"type":"string","field":"at"}]},"value":{"at":"1970-01-02"}}"# => r#"{"schema":{"type":"struct","fields":[{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"at"}]},"value":{"at":86400000}}"#),
    example!("org.apache.kafka.connect.transforms.TimestampRouter", "A topic for each month.", ["topic.format" = "${topic}-${timestamp}", "timestamp.format" = "yyyyMM"],
        r#"{"topic":"orders","timestamp":1483425001864,"value":1}"# => r#"{"topic":"orders-201701","timestamp":1483425001864,"value":1}"#),
    example!("org.apache.kafka.connect.transforms.ValueToKey", "A key out of the value.", ["fields" = "id"],
        r#"{"value":{"id":7,"city":"Bern"}}"# => r#"{"key":{"id":7},"value":{"id":7,"city":"Bern"}}"#),
    example!("org.apache.kafka.connect.transforms.predicates.HasHeaderKey", "A header says what is meant.", ["name" = "archive"],
        r#"{"value":1,"headers":[["archive",null]]}"# => "true"),
    example!("org.apache.kafka.connect.transforms.predicates.RecordIsTombstone", "A deletion.", [],
        r#"{"key":7}"# => "true"),
    example!("org.apache.kafka.connect.transforms.predicates.TopicNameMatches", "A part of the name is not enough.", ["pattern" = "orders"],
        r#"{"topic":"orders-eu","value":1}"# => "false"),
    example!("io.sluice.transforms.Compute$Value", "A total out of two fields.", ["field" = "total", "expression" = "value.price * double(value.count)", "type" = "float64"],
        r#"{"value":{"price":2.5,"count":4}}"# => r#"{"value":{"price":2.5,"count":4,"total":10.0}}"#),
    example!("io.sluice.transforms.Filter", "Only what is large.", ["condition" = "has(value.amount) && value.amount > 100"],
        r#"{"value":{"amount":20}}"# => "dropped"),
];
