//! Avro schemas from JSON. Source: Java `Schema.Parser`, whose refusals are kept: names, duplicates, symbols, unions, defaults.

use super::schema::{AvroSchema, Enum, Fixed, Kind, Name, Record, RecordField, Schema};
use crate::ordered_json::{Json, Members};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How deep a schema may nest. JSON itself is read to 128.
const DEPTH_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

fn refuse<T>(problem: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError(problem.into()))
}

impl AvroSchema {
    /// `references` are the texts of what the schema uses by name, those that others need first.
    ///
    /// # Errors
    /// Text that is no Avro schema.
    pub fn parse(text: &str, references: &[&str]) -> Result<Self, ParseError> {
        let mut parser = Parser::default();
        for reference in references {
            parser.parse_text(reference)?;
        }
        let root = parser.parse_text(text)?;
        let schema = Self { root, names: parser.names };
        schema.check_defaults(&schema.root)?;
        Ok(schema)
    }

    fn check_defaults(&self, schema: &Schema) -> Result<(), ParseError> {
        match &schema.kind {
            Kind::Array(item) | Kind::Map(item) => self.check_defaults(item),
            Kind::Union(branches) => branches.iter().try_for_each(|branch| self.check_defaults(branch)),
            Kind::Record(record) => record.fields.iter().try_for_each(|field| {
                if let Some(default) = &field.default
                    && !self.is_valid_default(&field.schema, default)
                {
                    let kind = schema_json(&field.schema);
                    return refuse(format!("Invalid default for field {}: {default} not a {kind}", field.name));
                }
                self.check_defaults(&field.schema)
            }),
            _ => Ok(()),
        }
    }

    /// Whether `value` can stand as a default of this type; for a union, of any of its branches.
    #[must_use]
    pub fn is_valid_default(&self, schema: &Schema, value: &Json) -> bool {
        match (&self.resolve(schema).kind, value) {
            (Kind::Null, Json::Null) | (Kind::Boolean, Json::Bool(_)) => true,
            (Kind::Int, value) => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            (Kind::Long, value) => value.as_i64().is_some(),
            (Kind::Float | Kind::Double, Json::Number(_)) | (Kind::String, Json::String(_)) => true,
            (Kind::Float | Kind::Double, Json::String(text)) => matches!(&**text, "NaN" | "Infinity" | "-Infinity"),
            (Kind::Bytes, Json::String(text)) => text.chars().all(|character| u32::from(character) < 256),
            (Kind::Fixed(fixed), Json::String(text)) => text.chars().count() == fixed.size,
            (Kind::Enum(enumeration), Json::String(text)) => enumeration.symbols.contains(text),
            (Kind::Array(item), Json::Array(items)) => items.iter().all(|value| self.is_valid_default(item, value)),
            (Kind::Map(item), Json::Object(members)) => {
                members.values().all(|value| self.is_valid_default(item, value))
            }
            (Kind::Record(record), Json::Object(members)) => record.fields.iter().all(|field| {
                let value = members.get(&field.name).or(field.default.as_ref());
                value.is_some_and(|value| self.is_valid_default(&field.schema, value))
            }),
            (Kind::Union(branches), value) => branches.iter().any(|branch| self.is_valid_default(branch, value)),
            _ => false,
        }
    }
}

fn schema_json(schema: &Schema) -> String {
    super::print::print(schema)
}

#[derive(Default)]
struct Parser {
    names: HashMap<String, Schema>,
    /// Named types whose definition has begun.
    begun: HashSet<String>,
    depth: usize,
}

impl Parser {
    fn parse_text(&mut self, text: &str) -> Result<Schema, ParseError> {
        let trimmed = text.trim();
        // As Java's parser: a bare name of a type is a schema too.
        let json = match trimmed.starts_with(['{', '[', '"']) {
            true => Json::parse(trimmed).map_err(|error| ParseError(format!("the schema is no JSON: {error}")))?,
            false => Json::String(trimmed.to_owned()),
        };
        self.schema(&json, None)
    }

    fn schema(&mut self, json: &Json, namespace: Option<&str>) -> Result<Schema, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return refuse(format!("the schema nests deeper than {DEPTH_MAX}"));
        }
        let schema = match json {
            Json::String(name) => self.by_name(name, namespace),
            Json::Array(branches) => self.union(branches, namespace),
            Json::Object(members) => self.object(members, namespace),
            _ => refuse(format!("No type: {json}")),
        };
        self.depth -= 1;
        schema
    }

    fn by_name(&self, name: &str, namespace: Option<&str>) -> Result<Schema, ParseError> {
        if let Some(kind) = primitive(name) {
            return Ok(Schema::new(kind));
        }
        let full = Name::new(name, namespace).full();
        // Without a namespace of its own a name may also be one outside any namespace.
        let known = [full, name.to_owned()].into_iter().find(|name| self.begun.contains(name));
        match known {
            Some(full) => Ok(Schema::new(Kind::Ref(full))),
            None => refuse(format!("Undefined name: {}", Json::from(name))),
        }
    }

    fn union(&mut self, branches: &[Json], namespace: Option<&str>) -> Result<Schema, ParseError> {
        let mut seen = HashSet::new();
        let mut schemas = Vec::with_capacity(branches.len());
        for branch in branches {
            let schema = self.schema(branch, namespace)?;
            if matches!(schema.kind, Kind::Union(_)) {
                return refuse("Nested union: a union may not immediately contain another");
            }
            let name = schema.full_name();
            if !seen.insert(name.clone()) {
                return refuse(format!("Duplicate in union: {name}"));
            }
            schemas.push(schema);
        }
        Ok(Schema::new(Kind::Union(schemas)))
    }

    fn object(&mut self, members: &Members, namespace: Option<&str>) -> Result<Schema, ParseError> {
        let kind = match members.get("type") {
            Some(Json::String(kind)) => kind.as_str(),
            // `{"type": {…}}` is the inner schema.
            Some(inner) => return self.schema(inner, namespace),
            None => return refuse(format!("No type: {}", Json::Object(members.clone()))),
        };
        let child = |name: &str| members.get(name).ok_or_else(|| ParseError(format!("{kind} has no {name}")));
        let (kind, known): (Kind, &[&str]) = match kind {
            "record" | "error" => return self.record(members, namespace),
            "enum" => return self.enumeration(members, namespace),
            "fixed" => return self.fixed(members, namespace),
            "array" => (Kind::Array(Box::new(self.schema(child("items")?, namespace)?)), &["type", "items"]),
            "map" => (Kind::Map(Box::new(self.schema(child("values")?, namespace)?)), &["type", "values"]),
            other => match primitive(other) {
                Some(kind) => (kind, &["type"]),
                None => return self.by_name(other, namespace),
            },
        };
        Ok(Schema { kind, props: props(members, known) })
    }

    fn record(&mut self, members: &Members, namespace: Option<&str>) -> Result<Schema, ParseError> {
        let name = self.begin(members, namespace)?;
        let Some(fields) = members.get("fields").and_then(Json::as_array) else {
            return refuse(format!("Record has no fields: {}", name.full()));
        };
        let mut seen = HashSet::new();
        let mut parsed = Vec::with_capacity(fields.len());
        for field in fields {
            let field = self.field(field, name.namespace.as_deref())?;
            if !seen.insert(field.name.clone()) {
                return refuse(format!("Duplicate field {} in record {}", field.name, name.full()));
            }
            parsed.push(field);
        }
        let (doc, aliases) = (text(members, "doc"), aliases(members));
        let record = Record { name, doc, aliases, fields: parsed };
        let known = ["type", "name", "namespace", "doc", "fields", "aliases"];
        Ok(self.define(Schema { kind: Kind::Record(Arc::new(record)), props: props(members, &known) }))
    }

    fn field(&mut self, json: &Json, namespace: Option<&str>) -> Result<RecordField, ParseError> {
        let Some(members) = json.as_object() else { return refuse(format!("a field is no object: {json}")) };
        let Some(name) = text(members, "name") else { return refuse(format!("No field name: {json}")) };
        check_name(&name)?;
        let Some(schema) = members.get("type") else { return refuse(format!("No field type: {name}")) };
        let schema = self.schema(schema, namespace)?;
        let known = ["name", "type", "doc", "default", "order", "aliases"];
        Ok(RecordField {
            schema,
            doc: text(members, "doc"),
            default: members.get("default").cloned(),
            order: text(members, "order").filter(|order| order != "ascending"),
            aliases: aliases(members),
            props: props(members, &known),
            name,
        })
    }

    fn enumeration(&mut self, members: &Members, namespace: Option<&str>) -> Result<Schema, ParseError> {
        let name = self.begin(members, namespace)?;
        let Some(symbols) = members.get("symbols").and_then(Json::as_array) else {
            return refuse(format!("Enum has no symbols: {}", name.full()));
        };
        let mut seen = HashSet::new();
        let mut texts = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let Some(symbol) = symbol.as_str() else { return refuse(format!("a symbol is no text: {symbol}")) };
            check_name(symbol)?;
            if !seen.insert(symbol) {
                return refuse(format!("Duplicate enum symbol: {symbol}"));
            }
            texts.push(symbol.to_owned());
        }
        let default = text(members, "default");
        if let Some(default) = &default
            && !texts.contains(default)
        {
            return refuse(format!("The Enum Default: {default} is not in the enum symbol set: {texts:?}"));
        }
        let (doc, aliases) = (text(members, "doc"), aliases(members));
        let enumeration = Enum { name, doc, aliases, symbols: texts, default };
        let known = ["type", "name", "namespace", "doc", "symbols", "default", "aliases"];
        Ok(self.define(Schema { kind: Kind::Enum(Arc::new(enumeration)), props: props(members, &known) }))
    }

    fn fixed(&mut self, members: &Members, namespace: Option<&str>) -> Result<Schema, ParseError> {
        let name = self.begin(members, namespace)?;
        let size = members.get("size").and_then(Json::as_i64).and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| i32::try_from(*size).is_ok()) else {
            return refuse(format!("Invalid or no size: {}", name.full()));
        };
        let fixed = Fixed { name, doc: text(members, "doc"), aliases: aliases(members), size };
        let known = ["type", "name", "namespace", "doc", "size", "aliases"];
        Ok(self.define(Schema { kind: Kind::Fixed(Arc::new(fixed)), props: props(members, &known) }))
    }

    fn begin(&mut self, members: &Members, namespace: Option<&str>) -> Result<Name, ParseError> {
        let Some(name) = text(members, "name") else {
            return refuse(format!("No name in schema: {}", Json::Object(members.clone())));
        };
        let own = text(members, "namespace");
        let name = Name::new(&name, own.as_deref().or(namespace));
        check_name(&name.simple)?;
        name.namespace.iter().flat_map(|namespace| namespace.split('.')).try_for_each(check_name)?;
        if primitive(&name.full()).is_some() {
            return refuse(format!("Schemas may not be named after primitives: {}", name.full()));
        }
        if !self.begun.insert(name.full()) {
            return refuse(format!("Can't redefine: {}", name.full()));
        }
        Ok(name)
    }

    fn define(&mut self, schema: Schema) -> Schema {
        self.names.insert(schema.full_name(), schema.clone());
        schema
    }
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

/// # Errors
/// A name that is none in Avro.
pub fn check_name(name: &str) -> Result<(), ParseError> {
    let mut characters = name.chars();
    let Some(first) = characters.next() else { return refuse("Empty name") };
    if !(first.is_alphabetic() || first == '_') {
        return refuse(format!("Illegal initial character: {name}"));
    }
    if characters.all(|character| character.is_alphanumeric() || character == '_') {
        return Ok(());
    }
    refuse(format!("Illegal character in: {name}"))
}

fn text(members: &Members, name: &str) -> Option<String> {
    members.get(name).and_then(Json::as_str).map(str::to_owned)
}

fn aliases(members: &Members) -> Vec<String> {
    let aliases = members.get("aliases").and_then(Json::as_array).unwrap_or_default();
    aliases.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn props(members: &Members, known: &[&str]) -> Members {
    let others = members.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}
