//! Configurations of every transformation, right ones and wrong ones.

use crate::choices::Choices;
use sluice_connect_api::ConfigMap;

/// Every transformation, with both sides where there are two.
pub const CLASSES: [&str; 29] = [
    "Cast$Key",
    "Cast$Value",
    "DropHeaders",
    "ExtractField$Key",
    "ExtractField$Value",
    "Filter",
    "Flatten$Key",
    "Flatten$Value",
    "HeaderFrom$Key",
    "HeaderFrom$Value",
    "HoistField$Key",
    "HoistField$Value",
    "InsertField$Key",
    "InsertField$Value",
    "InsertHeader",
    "MaskField$Key",
    "MaskField$Value",
    "RegexRouter",
    "ReplaceField$Key",
    "ReplaceField$Value",
    "SetSchemaMetadata$Key",
    "SetSchemaMetadata$Value",
    "TimestampConverter$Key",
    "TimestampConverter$Value",
    "TimestampRouter",
    "ValueToKey",
    "Cast$Value",
    "TimestampConverter$Value",
    "MaskField$Value",
];

const TYPES: [&str; 10] =
    ["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "STRING", "bytes"];

/// Collects keys; each is left out or spoilt now and then.
struct Keys<'a> {
    config: ConfigMap,
    choices: &'a mut Choices,
    names: &'a [String],
}

/// A configuration for `class` that mostly names fields of `names`.
pub fn config_of(class: &str, choices: &mut Choices, names: &[String]) -> ConfigMap {
    let mut keys = Keys { config: ConfigMap::new(), choices, names };
    match class.split('$').next().unwrap_or(class) {
        "Cast" => keys.cast(),
        "DropHeaders" => keys.put("headers", |choices, _| list(choices, &["h", "i", "x"])),
        "ExtractField" => {
            keys.put("field", path);
            keys.maybe("field.syntax.version", 50, &["V1", "V2", "v2", "V2", "V2", "V9"]);
        }
        "Flatten" => keys.maybe("delimiter", 50, &[".", "_", "", "::"]),
        "HeaderFrom" => keys.header_from(),
        "HoistField" => keys.put("field", |choices, names| choices.any_of(names)),
        "InsertField" => keys.insert_field(),
        "InsertHeader" => {
            keys.put("header", |choices, _| choices.pick(&["h", "new", ""]).to_owned());
            keys.put("value.literal", |choices, _| super::header_text(choices));
        }
        "MaskField" => {
            keys.put("fields", fields);
            keys.maybe("replacement", 50, &["7", "1.5", "300", "x", "", "-2e3", "99999999999", " 5", "NaN", "+1"]);
        }
        "RegexRouter" => {
            keys.put("regex", |choices, _| {
                choices
                    .pick(&["orders", "o.*", "(.*)-(.*)", "te|test", "(", "(?<n>[a-z]+).*", "[a-z_]+\\d", ""])
                    .to_owned()
            });
            keys.put("replacement", |choices, _| {
                choices.pick(&["x", "$1", "$2_$1", "${n}", "a\\$1", "$", "", "$0-$0", "$11"]).to_owned()
            });
        }
        "ReplaceField" => keys.replace_field(),
        "SetSchemaMetadata" => {
            keys.maybe("schema.name", 70, &["N", "a.b.C", ""]);
            keys.maybe("schema.version", 60, &["1", "-3", "x", " 7 ", ""]);
        }
        "TimestampConverter" => keys.timestamp_converter(),
        "TimestampRouter" => {
            keys.maybe("topic.format", 60, &["${topic}-${timestamp}", "${timestamp}", "x", "", "${topic}${topic}"]);
            keys.maybe("timestamp.format", 60, &FORMATS);
        }
        "ValueToKey" => keys.put("fields", fields),
        _ => {}
    }
    if !["DropHeaders", "Filter", "InsertHeader", "RegexRouter", "TimestampRouter"].contains(&class) {
        keys.maybe("replace.null.with.default", 40, &["true", "false", "FALSE", "no"]);
    }
    keys.config
}

const FORMATS: [&str; 12] = [
    "yyyyMMdd",
    "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "yyyy-MM-dd",
    "HH:mm:ss",
    "dd MMM yyyy hh:mm a",
    "EEE, d MMMM yyyy",
    "yyyy.DDD",
    "yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "MM/dd/yyyy HH:mm:ss Z",
    "'at' k:m:s",
    "b",
    "yyyy 'x",
];

impl Keys<'_> {
    /// Sets a key, but sometimes forgets it.
    fn put(&mut self, key: &str, value: impl FnOnce(&mut Choices, &[String]) -> String) {
        let value = value(self.choices, self.names);
        if !self.choices.percent(2) {
            self.config.insert(key.to_owned(), value);
        }
    }

    fn maybe(&mut self, key: &str, percent: usize, values: &[&str]) {
        if self.choices.percent(percent) {
            self.config.insert(key.to_owned(), self.choices.pick(values).to_owned());
        }
    }

    fn cast(&mut self) {
        self.put("spec", |choices, names| {
            if choices.percent(20) {
                return choices.pick(&TYPES).to_owned();
            }
            let mapping = |choices: &mut Choices| match choices.below(40) {
                0 => "a:b:c".to_owned(),
                1 => "int8".to_owned(),
                2 => "a:nothing".to_owned(),
                3 => "a:".to_owned(),
                _ => format!("{}:{}", choices.any_of(names), choices.pick(&TYPES[..9])),
            };
            let count = choices.between(1, 3);
            (0..count).map(|_| mapping(choices)).collect::<Vec<_>>().join(", ")
        });
    }

    fn header_from(&mut self) {
        let count = self.choices.between(1, 3) as usize;
        let fields: Vec<String> = (0..count).map(|_| self.choices.any_of(self.names)).collect();
        let headers: Vec<&str> = (0..count).map(|_| self.choices.any_of(&["h", "new", "k", "l"])).collect();
        self.config.insert("fields".into(), fields.join(","));
        self.put("headers", |_, _| headers.join(","));
        self.put("operation", |choices, _| choices.pick(&["move", "copy", "copy", "move", "steal"]).to_owned());
    }

    fn insert_field(&mut self) {
        for key in ["topic.field", "partition.field", "offset.field", "timestamp.field", "static.field"] {
            if self.choices.percent(35) {
                let suffix = self.choices.pick(&["", "!", "?"]);
                let name =
                    if self.choices.percent(80) { "new".to_owned() + key } else { self.choices.any_of(self.names) };
                self.config.insert(key.to_owned(), name + suffix);
            }
        }
        if self.config.contains_key("static.field") {
            self.put("static.value", |choices, _| choices.pick(&["x", "", " y ", "12"]).to_owned());
        }
    }

    fn replace_field(&mut self) {
        for key in ["exclude", "include"] {
            if self.choices.percent(40) {
                self.put(key, fields);
            }
        }
        if self.choices.percent(50) {
            self.put("renames", |choices, names| {
                let mapping = |choices: &mut Choices, number: i64| match choices.below(30) {
                    0 => "a:".to_owned(),
                    1 => "a".to_owned(),
                    2 => "a:b:c".to_owned(),
                    3 => format!("{}:{}", choices.any_of(names), choices.any_of(names)),
                    _ => format!("{}:to{number}", choices.any_of(names)),
                };
                (0..choices.between(1, 2)).map(|number| mapping(choices, number)).collect::<Vec<_>>().join(",")
            });
        }
    }

    fn timestamp_converter(&mut self) {
        if self.choices.percent(80) {
            self.put("field", |choices, names| choices.any_of(names));
        }
        self.put("target.type", |choices, _| {
            choices.pick(&["string", "unix", "Date", "Time", "Timestamp", "unix", "Timestamp", "date"]).to_owned()
        });
        self.maybe("format", 85, &FORMATS);
        self.maybe("unix.precision", 50, &["seconds", "milliseconds", "microseconds", "nanoseconds", "years"]);
    }
}

fn list(choices: &mut Choices, of: &[&str]) -> String {
    let count = choices.between(0, 2);
    (0..count).map(|_| choices.pick(of)).collect::<Vec<_>>().join(" , ")
}

fn fields(choices: &mut Choices, names: &[String]) -> String {
    let least = i64::from(!choices.percent(5));
    let count = choices.between(least, 3);
    (0..count).map(|_| choices.any_of(names)).collect::<Vec<_>>().join(",")
}

fn path(choices: &mut Choices, names: &[String]) -> String {
    match choices.below(10) {
        0 => format!("{}.{}", choices.any_of(names), choices.any_of(names)),
        1 => format!("`{}`.{}", choices.any_of(names), choices.any_of(names)),
        2 => choices.pick(&["`a", "a.", "", "`a`b", "`a\\`.b`", "`a.b`", ".a", "a..b", "`a`b`.c"]).to_owned(),
        _ => choices.any_of(names),
    }
}
