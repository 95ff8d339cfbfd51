//! Avro schemas as text, in Java's order of members: two registrations of one schema are equal as text.
//! Source: Java `Schema.toString`.

use super::schema::{Kind, Name, RecordField, Schema};
use crate::ordered_json::{Json, Members};
use std::collections::HashMap;

/// The schema on one line; each named type is written out where it comes first.
#[must_use]
pub fn print(schema: &Schema) -> String {
    Printer::default().json(schema, None).to_string()
}

/// As [`print`] with full names everywhere and members that Avro does not know in alphabetical order.
/// Source: Confluent `AvroSchema.normalize`.
#[must_use]
pub fn print_normalized(schema: &Schema) -> String {
    let mut printer = Printer { is_normalized: true, ..Printer::default() };
    printer.json(schema, None).to_string()
}

#[derive(Default)]
struct Printer {
    /// Definitions by full name. One that differs is written out again, for whoever reads the text to refuse.
    written: HashMap<String, Schema>,
    is_normalized: bool,
}

impl Printer {
    fn json(&mut self, schema: &Schema, namespace: Option<&str>) -> Json {
        let mut members = Members::new();
        match &schema.kind {
            Kind::Ref(name) => return self.reference(name, namespace),
            Kind::Union(branches) => {
                return Json::Array(branches.iter().map(|branch| self.json(branch, namespace)).collect());
            }
            Kind::Array(item) => {
                members.insert("type".into(), "array".into());
                members.insert("items".into(), self.json(item, namespace));
            }
            Kind::Map(value) => {
                members.insert("type".into(), "map".into());
                members.insert("values".into(), self.json(value, namespace));
            }
            Kind::Record(record) => {
                if self.is_written(schema) {
                    return self.reference(&record.name.full(), namespace);
                }
                self.begin("record", &record.name, record.doc.as_deref(), namespace, &mut members);
                let fields = record.fields.iter().map(|field| self.field(field, record.name.namespace.as_deref()));
                let fields = fields.collect();
                members.insert("fields".into(), Json::Array(fields));
            }
            Kind::Enum(enumeration) => {
                if self.is_written(schema) {
                    return self.reference(&enumeration.name.full(), namespace);
                }
                self.begin("enum", &enumeration.name, enumeration.doc.as_deref(), namespace, &mut members);
                members.insert("symbols".into(), texts(&enumeration.symbols));
                if let Some(default) = &enumeration.default {
                    members.insert("default".into(), default.as_str().into());
                }
            }
            Kind::Fixed(fixed) => {
                if self.is_written(schema) {
                    return self.reference(&fixed.name.full(), namespace);
                }
                self.begin("fixed", &fixed.name, fixed.doc.as_deref(), namespace, &mut members);
                members.insert("size".into(), (fixed.size as i64).into());
            }
            _ if schema.props.is_empty() => return schema.type_name().into(),
            _ => {
                members.insert("type".into(), schema.type_name().into());
            }
        }
        self.add_props(&schema.props, &mut members);
        let aliases: &[String] = match &schema.kind {
            Kind::Record(record) => &record.aliases,
            Kind::Enum(enumeration) => &enumeration.aliases,
            Kind::Fixed(fixed) => &fixed.aliases,
            _ => &[],
        };
        if !aliases.is_empty() {
            members.insert("aliases".into(), texts(aliases));
        }
        Json::Object(members)
    }

    fn is_written(&mut self, schema: &Schema) -> bool {
        let name = schema.full_name();
        let is_written = self.written.get(&name).is_some_and(|written| written == schema);
        if !is_written {
            self.written.insert(name, schema.clone());
        }
        is_written
    }

    fn reference(&self, name: &str, namespace: Option<&str>) -> Json {
        let own = Name::new(name, None);
        match own.namespace.as_deref() == namespace && !self.is_normalized {
            true => own.simple.as_str().into(),
            false => name.into(),
        }
    }

    fn begin(&mut self, kind: &str, name: &Name, doc: Option<&str>, namespace: Option<&str>, members: &mut Members) {
        members.insert("type".into(), kind.into());
        if self.is_normalized {
            members.insert("name".into(), name.full().as_str().into());
        } else {
            members.insert("name".into(), name.simple.as_str().into());
            if name.namespace.as_deref() != namespace {
                members.insert("namespace".into(), name.namespace.as_deref().unwrap_or_default().into());
            }
        }
        if let Some(doc) = doc {
            members.insert("doc".into(), doc.into());
        }
    }

    fn field(&mut self, field: &RecordField, namespace: Option<&str>) -> Json {
        let mut members = Members::new();
        members.insert("name".into(), field.name.as_str().into());
        members.insert("type".into(), self.json(&field.schema, namespace));
        if let Some(doc) = &field.doc {
            members.insert("doc".into(), doc.as_str().into());
        }
        if let Some(default) = &field.default {
            members.insert("default".into(), default.clone());
        }
        if let Some(order) = &field.order {
            members.insert("order".into(), order.as_str().into());
        }
        if !field.aliases.is_empty() {
            members.insert("aliases".into(), texts(&field.aliases));
        }
        self.add_props(&field.props, &mut members);
        Json::Object(members)
    }

    fn add_props(&self, props: &Members, members: &mut Members) {
        let mut props: Vec<(&String, &Json)> = props.iter().collect();
        if self.is_normalized {
            props.sort_by_key(|(name, _)| *name);
        }
        members.extend(props.into_iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

fn texts(texts: &[String]) -> Json {
    Json::Array(texts.iter().map(|text| text.as_str().into()).collect())
}
