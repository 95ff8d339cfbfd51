//! The Connect schema of an Avro schema. Source: Confluent `AvroData.toConnectSchema`.

use super::default::connect_default;
use super::options::*;
use super::schema::{AvroSchema, Enum, Kind, Record, Schema};
use crate::ordered_json::Json;
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};
use std::collections::HashSet;

type Mapped = Result<ConnectSchema, String>;

/// `version` is the schema's in its subject. `None`: the schema of values without a Connect schema.
///
/// # Errors
/// What Connect cannot hold: a type inside itself, null alone, a union with two members of one name.
pub fn to_connect(
    schema: &AvroSchema,
    options: &AvroOptions,
    version: Option<u32>,
) -> Result<Option<ConnectSchema>, String> {
    let root = schema.resolve(&schema.root);
    if root.full_name() == ANYTHING {
        return Ok(None);
    }
    let mut mapping = Mapping { schema, options, within: Vec::new(), unions: 0 };
    let mut connect = mapping.map(root, &Given::default())?;
    if connect.version.is_none() {
        connect.version = version.and_then(|version| i32::try_from(version).ok());
    }
    Ok(Some(connect))
}

/// What a field or a union says about the schema that stands in it.
#[derive(Default, Clone, Copy)]
struct Given<'a> {
    is_optional: bool,
    default: Option<&'a Json>,
    doc: Option<&'a str>,
}

struct Mapping<'a> {
    schema: &'a AvroSchema,
    options: &'a AvroOptions,
    /// Full names of the records around.
    within: Vec<String>,
    unions: usize,
}

impl Mapping<'_> {
    fn map(&mut self, schema: &Schema, given: &Given<'_>) -> Mapped {
        let schema = self.schema.resolve(schema);
        if let Some((inner, is_optional)) = self.flattened(schema) {
            // As Confluent's: the default of a union of null and a type is the one in the type's `connect.default`.
            let inner_given = Given { is_optional, default: None, doc: given.doc };
            return self.map(inner, &inner_given);
        }
        let mut connect = self.map_kind(schema)?;
        self.describe(schema, given, &mut connect)?;
        connect.optional |= given.is_optional;
        Ok(connect)
    }

    /// A union that is no more than an optional type, or a type.
    fn flattened<'s>(&self, schema: &'s Schema) -> Option<(&'s Schema, bool)> {
        let Kind::Union(branches) = &schema.kind else { return None };
        match branches.as_slice() {
            [only] if self.options.flatten_singleton_unions => Some((only, false)),
            [null, other] | [other, null] if null.is_null() && !other.is_null() => Some((other, true)),
            _ => None,
        }
    }

    fn map_kind(&mut self, schema: &Schema) -> Mapped {
        let plain = |kind| Ok(ConnectSchema::new(kind));
        let logical = schema.logical_type().map(str::to_lowercase);
        match (&schema.kind, logical.as_deref()) {
            (Kind::Boolean, _) => plain(SchemaType::Boolean),
            (Kind::Float, _) => plain(SchemaType::Float32),
            (Kind::Double, _) => plain(SchemaType::Float64),
            (Kind::String, _) => plain(SchemaType::String),
            (Kind::Bytes, Some("decimal")) => decimal(schema),
            (Kind::Fixed(fixed), Some("decimal")) => Ok(decimal(schema)?.parameter(FIXED_SIZE, fixed.size.to_string())),
            (Kind::Bytes, _) => plain(SchemaType::Bytes),
            (Kind::Fixed(fixed), _) => {
                Ok(ConnectSchema::new(SchemaType::Bytes).parameter(FIXED_SIZE, fixed.size.to_string()))
            }
            (Kind::Int, Some("date")) => Ok(ConnectSchema::new(SchemaType::Int32).named(DATE, 1)),
            (Kind::Int, Some("time-millis")) => Ok(ConnectSchema::new(SchemaType::Int32).named(TIME, 1)),
            (Kind::Int, Some(_)) => plain(SchemaType::Int32),
            (Kind::Int, None) => match schema.prop(PROP_TYPE) {
                None => plain(SchemaType::Int32),
                Some("int8") => plain(SchemaType::Int8),
                Some("int16") => plain(SchemaType::Int16),
                Some(_) => Err("Connect type annotation for Avro int field is null".to_owned()),
            },
            (Kind::Long, Some("timestamp-millis")) => Ok(ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1)),
            (Kind::Long, _) => plain(SchemaType::Int64),
            (Kind::Array(item), _) => self.array(item),
            (Kind::Map(value), _) => {
                let value = self.map(value, &Given::default())?;
                plain(SchemaType::Map(Box::new(ConnectSchema::new(SchemaType::String)), Box::new(value)))
            }
            (Kind::Record(record), _) => self.record(record),
            (Kind::Enum(enumeration), _) => Ok(self.enumeration(enumeration)),
            (Kind::Union(branches), _) => self.union(branches),
            (Kind::Null, _) => Err("Standalone null schemas are not supported by this converter".to_owned()),
            (Kind::Ref(name), _) => Err(format!("{name} is not defined")),
        }
    }

    fn array(&mut self, item: &Schema) -> Mapped {
        let item = self.schema.resolve(item);
        let Some(entry) = map_entry(item) else {
            return Ok(ConnectSchema::new(SchemaType::Array(Box::new(self.map(item, &Given::default())?))));
        };
        let field = |name: &str| entry.fields.iter().find(|field| field.name == name);
        let (Some(key), Some(value), 2) = (field("key"), field("value"), entry.fields.len()) else {
            return Err("Found map encoded as array of key-value pairs, but array elements do not match the expected \
                        format."
                .to_owned());
        };
        let (key, value) = (self.map(&key.schema, &Given::default())?, self.map(&value.schema, &Given::default())?);
        Ok(ConnectSchema::new(SchemaType::Map(Box::new(key), Box::new(value))))
    }

    fn record(&mut self, record: &Record) -> Mapped {
        let name = record.name.full();
        if self.within.contains(&name) {
            return Err(format!("{name} contains itself; recursive types have no place in columns"));
        }
        self.within.push(name);
        let keeps_docs = !self.options.discard_type_doc_default && self.options.connect_meta_data;
        let mut connect = ConnectSchema::new(SchemaType::Struct(Vec::new()));
        if let Some(doc) = record.doc.as_deref().filter(|_| keeps_docs) {
            connect = connect.parameter(RECORD_DOC, doc);
        }
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            if let Some(doc) = field.doc.as_deref().filter(|_| keeps_docs) {
                connect = connect.parameter(&format!("{FIELD_DOC_PREFIX}{}", field.name), doc);
            }
            let given = Given { is_optional: false, default: field.default.as_ref(), doc: field.doc.as_deref() };
            let mut schema =
                self.map(&field.schema, &given).map_err(|problem| format!("field {}: {problem}", field.name))?;
            if let Some(Json::Object(parameters)) = field.props.get(PROP_PARAMETERS)
                && self.options.connect_meta_data
            {
                schema.parameters.extend(parameters.iter().map(|(name, value)| (name.clone(), value.to_text())));
            }
            fields.push((field.name.clone(), schema));
        }
        self.within.pop();
        connect.kind = SchemaType::Struct(fields);
        Ok(connect)
    }

    fn enumeration(&self, enumeration: &Enum) -> ConnectSchema {
        let mut connect = ConnectSchema::new(SchemaType::String);
        if self.options.connect_meta_data {
            let simple = &enumeration.name.simple;
            if let Some(doc) = &enumeration.doc {
                let name = match self.options.discard_type_doc_default {
                    true => PROP_ENUM_DOC.to_owned(),
                    false => format!("{ENUM_DOC_PREFIX}{simple}"),
                };
                connect = connect.parameter(&name, doc);
            }
            if let Some(default) = enumeration.default.as_ref().filter(|_| !self.options.discard_type_doc_default) {
                connect = connect.parameter(&format!("{ENUM_DEFAULT_PREFIX}{simple}"), default);
            }
        }
        let parameter = if self.options.generalized_sum_type_support { GENERALIZED_ENUM } else { ENUM };
        connect = connect.parameter(parameter, enumeration.name.full());
        for (index, symbol) in enumeration.symbols.iter().enumerate() {
            let value = if self.options.generalized_sum_type_support { index.to_string() } else { symbol.clone() };
            connect = connect.parameter(&format!("{parameter}.{symbol}"), value);
        }
        connect
    }

    fn union(&mut self, branches: &[Schema]) -> Mapped {
        let mut connect = ConnectSchema::new(SchemaType::Struct(Vec::new()));
        if self.options.generalized_sum_type_support {
            let name = format!("{GENERALIZED_UNION_PREFIX}{}", self.unions);
            self.unions += 1;
            connect.name = Some(name.clone());
            connect = connect.parameter(GENERALIZED_UNION, name);
        } else {
            connect.name = Some(UNION.to_owned());
        }
        let mut names = HashSet::new();
        let mut members = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate() {
            if branch.is_null() {
                connect.optional = true;
                continue;
            }
            let name = union_member_name(self.schema, branch, index, self.options);
            if !names.insert(name.clone()) {
                return Err(format!("Multiple union schemas map to the Connect union field name {name}"));
            }
            let given = Given { is_optional: true, ..Given::default() };
            members.push((name, self.map(branch, &given)?));
        }
        connect.kind = SchemaType::Struct(members);
        Ok(connect)
    }

    /// What stands beside the type: doc, version, parameters, default, name.
    fn describe(&self, schema: &Schema, given: &Given<'_>, connect: &mut ConnectSchema) -> Result<(), String> {
        if self.options.discard_type_doc_default {
            let doc = given.doc.or(schema.doc()).or(schema.prop(PROP_DOC));
            connect.doc = doc.map(str::to_owned);
            if let Some(doc) = schema.doc().filter(|_| self.options.connect_meta_data) {
                connect.parameters.insert(PROP_RECORD_DOC.to_owned(), doc.to_owned());
            }
        } else if self.options.connect_meta_data {
            connect.doc = schema.prop(PROP_DOC).map(str::to_owned);
        }
        if let Some(version) = schema.props.get(PROP_VERSION) {
            let version = version.as_i64().and_then(|version| i32::try_from(version).ok());
            let version = version.ok_or_else(|| format!("Invalid Connect version found: {version:?}"))?;
            if let Some(own) = connect.version.filter(|own| *own != version) {
                return Err(format!(
                    "Mismatched versions: version already added to SchemaBuilder ({own}) differs from version in \
                     source schema ({version})"
                ));
            }
            connect.version = Some(version);
        }
        self.add_parameters(schema, connect)?;
        self.set_default(schema, given, connect);
        self.set_name(schema, connect)
    }

    fn add_parameters(&self, schema: &Schema, connect: &mut ConnectSchema) -> Result<(), String> {
        if let Some(parameters) = schema.props.get(PROP_PARAMETERS).filter(|_| self.options.connect_meta_data) {
            let Json::Object(parameters) = parameters else {
                return Err(format!("Expected JSON object for schema parameters but found: {parameters}"));
            };
            for (name, value) in parameters {
                let Some(value) = value.as_str() else {
                    return Err(format!("Expected schema parameter values to be strings but found: {value}"));
                };
                connect.parameters.insert(name.clone(), value.to_owned());
            }
        }
        for (name, value) in schema.props.iter().filter(|(name, _)| name.starts_with("avro")) {
            connect.parameters.insert(name.clone(), value.to_text());
        }
        Ok(())
    }

    fn set_default(&self, schema: &Schema, given: &Given<'_>, connect: &mut ConnectSchema) {
        let own = schema.props.get(PROP_DEFAULT);
        if given.default.is_some()
            && own.is_none()
            && !self.options.discard_type_doc_default
            && self.options.connect_meta_data
        {
            connect.parameters.insert(FIELD_DEFAULT_FLAG.to_owned(), "true".to_owned());
        }
        // A default that does not fit is left out, as Confluent's converter does.
        let default = given.default.or(own).filter(|default| **default != Json::Null);
        connect.default =
            default.and_then(|default| connect_default(self.schema, schema, connect, default, self.options));
    }

    fn set_name(&self, schema: &Schema, connect: &mut ConnectSchema) -> Result<(), String> {
        let own = match &schema.kind {
            Kind::Record(_) | Kind::Enum(_) => Some(schema.full_name()),
            // A decimal's fixed has a name only because each fixed has one.
            Kind::Fixed(_) if connect.name.as_deref() != Some(DECIMAL) => Some(schema.full_name()),
            _ => None,
        };
        let name = match schema.props.get(PROP_NAME) {
            Some(Json::String(name)) => Some(name.clone()),
            Some(other) => return Err(format!("Invalid schema name: {other}")),
            None => own,
        };
        let default_name = format!("{NAMESPACE}.{CONNECT_DEFAULT}");
        let Some(name) = name.filter(|name| !name.starts_with(&default_name)) else { return Ok(()) };
        match &connect.name {
            Some(own) if *own != name => Err(format!(
                "Mismatched names: name already added to SchemaBuilder ({own}) differs from name in source schema \
                 ({name})"
            )),
            _ => {
                connect.name = Some(name);
                Ok(())
            }
        }
    }
}

fn decimal(schema: &Schema) -> Mapped {
    let scale = schema.props.get("scale").and_then(Json::as_i64).unwrap_or(0);
    let mut connect = ConnectSchema::new(SchemaType::Bytes).named(DECIMAL, 1).parameter(SCALE, scale.to_string());
    match schema.props.get("precision").map(|precision| (precision, precision.as_i64())) {
        None => {}
        Some((_, Some(precision))) if precision == DECIMAL_PRECISION_DEFAULT => {}
        Some((_, Some(precision))) => connect = connect.parameter(PRECISION, precision.to_string()),
        Some((other, None)) => return Err(format!("precision property must be a JSON Integer and is {other}")),
    }
    Ok(connect)
}

/// The record of an array that stands for a map whose keys are no strings.
#[must_use]
pub fn map_entry(item: &Schema) -> Option<&Record> {
    let Kind::Record(record) = &item.kind else { return None };
    let is_entry = (record.name.namespace.as_deref() == Some(NAMESPACE) && record.name.simple == MAP_ENTRY)
        || item.prop(PROP_INTERNAL_TYPE) == Some(MAP_ENTRY);
    is_entry.then_some(record)
}

/// The name of the struct member that a branch of a union becomes.
#[must_use]
pub fn union_member_name(schema: &AvroSchema, branch: &Schema, index: usize, options: &AvroOptions) -> String {
    if options.generalized_sum_type_support {
        return format!("{GENERALIZED_UNION_FIELD_PREFIX}{index}");
    }
    let branch = schema.resolve(branch);
    match branch.name() {
        Some(name) if options.enhanced_schema_support => name.full(),
        Some(name) => name.simple.clone(),
        None => branch.type_name().to_owned(),
    }
}
