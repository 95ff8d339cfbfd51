//! The `.proto` file of a Connect schema. Source: Confluent `ProtobufData.fromConnectSchema`.

use super::ProtobufOptions;
use super::to_connect::{ENUM, TAG, TYPE, UNION_PREFIX};
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

/// # Errors
/// What Protobuf cannot hold: a root that is no struct, lists of lists, names that are none.
pub fn from_connect(connect: &ConnectSchema, options: &ProtobufOptions) -> Result<String, String> {
    let SchemaType::Struct(fields) = &connect.kind else {
        return Err(format!("Unsupported root schema of type {}; Protobuf needs a struct", connect.type_name()));
    };
    let mut printer = Printer { options, imports: BTreeSet::new(), unnamed: 0 };
    let full_name = printer.name(connect);
    let (package, name) =
        full_name.rsplit_once('.').map_or((None, full_name.as_str()), |(package, name)| (Some(package), name));
    let mut body = String::new();
    printer.message(name, fields, 0, &mut body)?;
    let mut out = String::from("syntax = \"proto3\";\n");
    if let Some(package) = package {
        package.split('.').try_for_each(check_name)?;
        let _ = writeln!(out, "package {package};");
    }
    out.push('\n');
    for import in &printer.imports {
        let _ = writeln!(out, "import \"{import}\";");
    }
    out.push_str(&body);
    Ok(out)
}

struct Printer<'a> {
    options: &'a ProtobufOptions,
    imports: BTreeSet<&'static str>,
    unnamed: usize,
}

/// What is written inside a message behind its fields.
#[derive(Default)]
struct Nested {
    messages: HashMap<String, ConnectSchema>,
    text: String,
}

/// How a field's type is written, and the parameters beside it.
struct Typed {
    name: String,
    params: Vec<(&'static str, String)>,
}

impl Typed {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), params: Vec::new() }
    }
}

impl Printer<'_> {
    fn name(&mut self, connect: &ConnectSchema) -> String {
        connect.name.clone().unwrap_or_else(|| {
            self.unnamed += 1;
            format!("ConnectDefault{}", self.unnamed)
        })
    }

    fn message(
        &mut self,
        name: &str,
        fields: &[(String, ConnectSchema)],
        depth: usize,
        out: &mut String,
    ) -> Result<(), String> {
        check_name(name)?;
        let indent = "  ".repeat(depth);
        let mut nested = Nested::default();
        let mut tags = Tags::new(fields);
        let _ = writeln!(out, "\n{indent}message {name} {{");
        for (field, schema) in fields {
            let written = match union_name(schema) {
                Some(union) => self.oneof(union, schema, &mut tags, depth + 1, &mut nested, out),
                None => self.field(field, schema, tags.of(schema), depth + 1, &mut nested, out),
            };
            written.map_err(|problem| format!("field {field}: {problem}"))?;
        }
        out.push_str(&nested.text);
        let _ = writeln!(out, "{indent}}}");
        Ok(())
    }

    fn oneof(
        &mut self,
        name: &str,
        schema: &ConnectSchema,
        tags: &mut Tags,
        depth: usize,
        nested: &mut Nested,
        out: &mut String,
    ) -> Result<(), String> {
        let SchemaType::Struct(members) = &schema.kind else { return Err("a union must be a struct".to_owned()) };
        let indent = "  ".repeat(depth);
        check_name(name)?;
        let _ = writeln!(out, "{indent}oneof {name} {{");
        for (member, schema) in members {
            let typed = self.typed(schema, depth, nested)?;
            self.write_field("", &typed, member, tags.of(schema), depth + 1, out)?;
        }
        let _ = writeln!(out, "{indent}}}");
        Ok(())
    }

    fn field(
        &mut self,
        name: &str,
        schema: &ConnectSchema,
        tag: u32,
        depth: usize,
        nested: &mut Nested,
        out: &mut String,
    ) -> Result<(), String> {
        let (label, typed) = match &schema.kind {
            SchemaType::Array(item) => match item.kind {
                SchemaType::Array(_) | SchemaType::Map(..) => {
                    return Err("Protobuf has no lists of lists or of maps".to_owned());
                }
                _ => ("repeated ", self.typed(item, depth, nested)?),
            },
            SchemaType::Map(key, value) => ("", self.map(key, value, depth, nested)?),
            _ => {
                let typed = self.typed(schema, depth, nested)?;
                let is_message = matches!(schema.kind, SchemaType::Struct(_)) || typed.name.contains('.');
                let is_labelled = self.options.optional_for_nullables && schema.optional && !is_message;
                (if is_labelled { "optional " } else { "" }, typed)
            }
        };
        self.write_field(label, &typed, name, tag, depth, out)
    }

    fn write_field(
        &mut self,
        label: &str,
        typed: &Typed,
        name: &str,
        tag: u32,
        depth: usize,
        out: &mut String,
    ) -> Result<(), String> {
        check_name(name)?;
        let indent = "  ".repeat(depth);
        let _ = write!(out, "{indent}{label}{} {name} = {tag}", typed.name);
        if !typed.params.is_empty() {
            self.imports.insert("confluent/meta.proto");
            let params = typed.params.iter().map(|(key, value)| format!("{{ key: {key:?}, value: {value:?} }}"));
            let params: Vec<String> = params.collect();
            let _ = write!(out, " [(confluent.field_meta) = {{ params: [{}] }}]", params.join(", "));
        }
        out.push_str(";\n");
        Ok(())
    }

    fn map(
        &mut self,
        key: &ConnectSchema,
        value: &ConnectSchema,
        depth: usize,
        nested: &mut Nested,
    ) -> Result<Typed, String> {
        let is_key = matches!(
            key.kind,
            SchemaType::String
                | SchemaType::Boolean
                | SchemaType::Int8
                | SchemaType::Int16
                | SchemaType::Int32
                | SchemaType::Int64
        );
        if !is_key || matches!(key.name.as_deref(), Some(DATE | TIME | TIMESTAMP)) {
            return Err(format!("Protobuf has no maps whose keys are {}", key.type_name()));
        }
        if matches!(value.kind, SchemaType::Array(_) | SchemaType::Map(..)) {
            return Err("Protobuf has no maps of lists or of maps".to_owned());
        }
        // Its scale would stand nowhere.
        if value.name.as_deref() == Some(DECIMAL) {
            return Err("maps of decimals are not supported as Protobuf yet".to_owned());
        }
        let (key, value) = (self.typed(key, depth, nested)?, self.typed(value, depth, nested)?);
        Ok(Typed::new(&format!("map<{}, {}>", key.name, value.name)))
    }

    fn typed(&mut self, schema: &ConnectSchema, depth: usize, nested: &mut Nested) -> Result<Typed, String> {
        let of_type = |default: &str| {
            let own = schema.parameters.get(TYPE).filter(|own| NUMBERS.contains(&own.as_str()));
            Typed::new(own.map_or(default, String::as_str))
        };
        Ok(match (&schema.kind, schema.name.as_deref()) {
            (SchemaType::Bytes, Some(DECIMAL)) => {
                self.imports.insert("confluent/type/decimal.proto");
                let param =
                    |name: &'static str, key: &str| schema.parameters.get(key).map(|value| (name, value.clone()));
                let params = param("precision", PRECISION).into_iter().chain(param("scale", SCALE)).collect();
                Typed { name: "confluent.type.Decimal".to_owned(), params }
            }
            (SchemaType::Int32, Some(DATE)) => {
                self.imports.insert("google/type/date.proto");
                Typed::new("google.type.Date")
            }
            (SchemaType::Int32, Some(TIME)) => {
                self.imports.insert("google/type/timeofday.proto");
                Typed::new("google.type.TimeOfDay")
            }
            (SchemaType::Int64, Some(TIMESTAMP)) => {
                self.imports.insert("google/protobuf/timestamp.proto");
                Typed::new("google.protobuf.Timestamp")
            }
            (SchemaType::String | SchemaType::Int32, _) if schema.parameters.contains_key(ENUM) => {
                Typed::new(&self.enumeration(schema, depth, nested)?)
            }
            (SchemaType::Int8, _) => {
                Typed { name: "int32".to_owned(), params: vec![("connect.type", "int8".to_owned())] }
            }
            (SchemaType::Int16, _) => {
                Typed { name: "int32".to_owned(), params: vec![("connect.type", "int16".to_owned())] }
            }
            (SchemaType::Int32, _) => of_type("int32"),
            (SchemaType::Int64, _) => of_type("int64"),
            (SchemaType::Float32, _) => Typed::new("float"),
            (SchemaType::Float64, _) => Typed::new("double"),
            (SchemaType::Boolean, _) => Typed::new("bool"),
            (SchemaType::String, _) => Typed::new("string"),
            (SchemaType::Bytes, _) => Typed::new("bytes"),
            (SchemaType::Struct(fields), _) => {
                let full_name = self.name(schema);
                let name = full_name.rsplit('.').next().unwrap_or_default().to_owned();
                match nested.messages.get(&name) {
                    Some(known) if known.kind == schema.kind => {}
                    Some(_) => return Err(format!("two structs are called {name}")),
                    None => {
                        nested.messages.insert(name.clone(), schema.clone());
                        let mut text = String::new();
                        self.message(&name, fields, depth, &mut text)?;
                        nested.text.push_str(&text);
                    }
                }
                Typed::new(&name)
            }
            (SchemaType::Array(_) | SchemaType::Map(..), _) => {
                return Err("Protobuf has no lists of lists or of maps".to_owned());
            }
        })
    }

    fn enumeration(&mut self, schema: &ConnectSchema, depth: usize, nested: &mut Nested) -> Result<String, String> {
        let full_name = schema.name.as_ref().or(schema.parameters.get(ENUM)).cloned().unwrap_or_default();
        let name = full_name.rsplit('.').next().unwrap_or_default().to_owned();
        check_name(&name)?;
        if nested.messages.contains_key(&name) {
            return Ok(name);
        }
        nested.messages.insert(name.clone(), schema.clone());
        let (indent, prefix) = ("  ".repeat(depth), format!("{ENUM}."));
        let _ = writeln!(nested.text, "{indent}enum {name} {{");
        for (symbol, number) in &schema.parameters {
            if let Some(symbol) = symbol.strip_prefix(&prefix) {
                let _ = writeln!(nested.text, "{indent}  {symbol} = {number};");
            }
        }
        let _ = writeln!(nested.text, "{indent}}}");
        Ok(name)
    }
}

/// Types that a parameter may name for an integer.
const NUMBERS: [&str; 9] =
    ["sint32", "sfixed32", "uint32", "fixed32", "uint64", "sint64", "fixed64", "sfixed64", "int64"];

/// The oneof that a struct stands for.
pub fn union_name(schema: &ConnectSchema) -> Option<&str> {
    let name = schema.name.as_deref()?.strip_prefix(UNION_PREFIX)?;
    Some(name.rsplit('.').next().unwrap_or(name))
}

/// Field numbers: those that the schema carries, and free ones for the rest.
struct Tags {
    used: HashSet<u32>,
    next: u32,
}

impl Tags {
    fn new(fields: &[(String, ConnectSchema)]) -> Self {
        let mut used = HashSet::new();
        for (_, schema) in fields {
            used.extend(own_tag(schema));
            if let (Some(_), SchemaType::Struct(members)) = (union_name(schema), &schema.kind) {
                used.extend(members.iter().filter_map(|(_, schema)| own_tag(schema)));
            }
        }
        Self { used, next: 1 }
    }

    fn of(&mut self, schema: &ConnectSchema) -> u32 {
        if let Some(tag) = own_tag(schema) {
            return tag;
        }
        // 19000 to 19999 are Protobuf's own.
        while !self.used.insert(self.next) || (19_000..20_000).contains(&self.next) {
            self.next += 1;
        }
        self.next
    }
}

fn own_tag(schema: &ConnectSchema) -> Option<u32> {
    schema.parameters.get(TAG)?.parse().ok()
}

fn check_name(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let is_first = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if is_first && characters.all(|character| character.is_ascii_alphanumeric() || character == '_') {
        return Ok(());
    }
    Err(format!("{name:?} is no name in Protobuf"))
}
