//! An Avro schema with everything that its JSON says, also what is no part of Avro (`connect.*`).
//!
//! A named type stands where it is defined; elsewhere it is a [`Kind::Ref`] to its full name, so that a type may contain
//! itself. Source: the Avro 1.11 specification; Java `org.apache.avro.Schema`.

use crate::ordered_json::{Json, Members};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub kind: Kind,
    /// Members that Avro gives no meaning, and those of logical types.
    pub props: Members,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(Box<Schema>),
    Map(Box<Schema>),
    Union(Vec<Schema>),
    Record(Arc<Record>),
    Enum(Arc<Enum>),
    Fixed(Arc<Fixed>),
    /// The full name of a type that is defined elsewhere.
    Ref(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    pub namespace: Option<String>,
    pub simple: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<String>,
    pub fields: Vec<RecordField>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RecordField {
    pub name: String,
    pub schema: Schema,
    pub doc: Option<String>,
    pub default: Option<Json>,
    /// `descending` or `ignore`.
    pub order: Option<String>,
    pub aliases: Vec<String>,
    pub props: Members,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Enum {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<String>,
    pub symbols: Vec<String>,
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<String>,
    pub size: usize,
}

/// A whole schema: its root, and every named type in it or in what it refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct AvroSchema {
    pub root: Schema,
    pub names: HashMap<String, Schema>,
}

impl AvroSchema {
    /// The schema itself, where a reference stands.
    #[must_use]
    pub fn resolve<'a>(&'a self, schema: &'a Schema) -> &'a Schema {
        match &schema.kind {
            Kind::Ref(name) => &self.names[name],
            _ => schema,
        }
    }
}

impl Schema {
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, props: Members::new() }
    }

    #[must_use]
    pub fn prop(&self, name: &str) -> Option<&str> {
        self.props.get(name).and_then(Json::as_str)
    }

    #[must_use]
    pub fn logical_type(&self) -> Option<&str> {
        self.prop("logicalType")
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// Source: Java `Schema.getFullName`; for unnamed types the type's name.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.name() {
            Some(name) => name.full(),
            None => match &self.kind {
                Kind::Ref(name) => name.clone(),
                _ => self.type_name().to_owned(),
            },
        }
    }

    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match &self.kind {
            Kind::Record(record) => Some(&record.name),
            Kind::Enum(enumeration) => Some(&enumeration.name),
            Kind::Fixed(fixed) => Some(&fixed.name),
            _ => None,
        }
    }

    #[must_use]
    pub fn doc(&self) -> Option<&str> {
        match &self.kind {
            Kind::Record(record) => record.doc.as_deref(),
            Kind::Enum(enumeration) => enumeration.doc.as_deref(),
            Kind::Fixed(fixed) => fixed.doc.as_deref(),
            _ => None,
        }
    }

    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Record(_) | Kind::Ref(_) => "record",
            Kind::Enum(_) => "enum",
            Kind::Fixed(_) => "fixed",
        }
    }
}

impl Name {
    /// A simple name with a namespace beside it, or a full name that overrides it.
    #[must_use]
    pub fn new(name: &str, namespace: Option<&str>) -> Self {
        match name.rsplit_once('.') {
            Some((namespace, simple)) => {
                Self { namespace: (!namespace.is_empty()).then(|| namespace.to_owned()), simple: simple.to_owned() }
            }
            None => Self {
                namespace: namespace.filter(|namespace| !namespace.is_empty()).map(str::to_owned),
                simple: name.to_owned(),
            },
        }
    }

    #[must_use]
    pub fn full(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.simple),
            None => self.simple.clone(),
        }
    }
}
