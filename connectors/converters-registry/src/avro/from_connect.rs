//! The Avro schema of a Connect schema. Source: Confluent `AvroData.fromConnectSchema`, also for the order of properties.

use super::default::{avro_default, default_name, is_union_schema};
use super::names::{scrub, split};
use super::options::*;
use super::schema::{AvroSchema, Enum, Fixed, Kind, Name, Record, RecordField, Schema};
use crate::ordered_json::{Json, Members};
use indexmap::IndexMap;
use sluice_data::schema::{DATE, DECIMAL, PRECISION, SCALE, TIME, TIMESTAMP};
use sluice_data::{ConnectSchema, SchemaType};
use std::collections::HashMap;
use std::sync::Arc;

type Mapped = Result<Schema, String>;

/// The schema of values without a Connect schema: whatever JSON can say. Source: Confluent `AvroData.ANYTHING_SCHEMA`.
pub const ANYTHING_TEXT: &str = r#"{"type":"record","name":"Anything","namespace":"io.confluent.connect.avro","fields":[{"name":"boolean","type":["null","boolean"],"default":null},{"name":"bytes","type":["null","bytes"],"default":null},{"name":"double","type":["null","double"],"default":null},{"name":"float","type":["null","float"],"default":null},{"name":"int","type":["null","int"],"default":null},{"name":"long","type":["null","long"],"default":null},{"name":"string","type":["null","string"],"default":null},{"name":"array","type":["null",{"type":"array","items":"Anything"}],"default":null},{"name":"map","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","fields":[{"name":"key","type":"Anything"},{"name":"value","type":"Anything"}]}}],"default":null}]}"#;

/// # Errors
/// Two structs of one name, names that Avro does not have (unless `scrub.invalid.names`).
pub fn from_connect(connect: &ConnectSchema, options: &AvroOptions) -> Result<AvroSchema, String> {
    let mut mapping = Mapping { options, named: HashMap::new(), unnamed: Vec::new() };
    let root = mapping.map(connect)?;
    // Parsed again: a name that Avro does not allow, or one that is defined twice, is found here.
    AvroSchema::parse(&super::print::print(&root), &[]).map_err(|error| error.0)
}

struct Mapping<'a> {
    options: &'a AvroOptions,
    /// By full name, what a struct was mapped from.
    named: HashMap<String, ConnectSchema>,
    /// Structs without a name, in order.
    unnamed: Vec<(ConnectSchema, String)>,
}

impl Mapping<'_> {
    fn map(&mut self, connect: &ConnectSchema) -> Mapped {
        if is_union_schema(connect) {
            return self.union(connect);
        }
        let base = self.required(connect)?;
        if !connect.optional {
            return Ok(base);
        }
        let null = Schema::new(Kind::Null);
        // A default must fit the first branch.
        let has_default = connect.default.as_ref().is_some_and(|default| !default.is_null());
        let branches = if has_default { vec![base, null] } else { vec![null, base] };
        Ok(Schema::new(Kind::Union(branches)))
    }

    /// The schema without its optionality.
    fn required(&mut self, connect: &ConnectSchema) -> Mapped {
        let mut connect_type = None;
        let mut schema = match &connect.kind {
            SchemaType::Int8 => {
                connect_type = Some("int8");
                Schema::new(Kind::Int)
            }
            SchemaType::Int16 => {
                connect_type = Some("int16");
                Schema::new(Kind::Int)
            }
            SchemaType::Int32 => Schema::new(Kind::Int),
            SchemaType::Int64 => Schema::new(Kind::Long),
            SchemaType::Float32 => Schema::new(Kind::Float),
            SchemaType::Float64 => Schema::new(Kind::Double),
            SchemaType::Boolean => Schema::new(Kind::Boolean),
            SchemaType::String => self.string(connect),
            SchemaType::Bytes => self.bytes(connect)?,
            SchemaType::Array(item) => Schema::new(Kind::Array(Box::new(self.map(item)?))),
            SchemaType::Map(key, value) => self.map_of(connect, key, value)?,
            SchemaType::Struct(fields) => match self.known_struct(connect)? {
                Some(reference) => return Ok(reference),
                None => self.record(connect, fields)?,
            },
        };
        if self.options.connect_meta_data {
            self.add_meta_data(connect, connect_type, &mut schema);
        }
        add_logical_type(connect, &mut schema);
        for (name, value) in connect.parameters.iter().filter(|(name, _)| name.starts_with("avro")) {
            schema.props.insert(name.clone(), value.as_str().into());
        }
        Ok(schema)
    }

    fn string(&self, connect: &ConnectSchema) -> Schema {
        let parameter = if self.options.generalized_sum_type_support { GENERALIZED_ENUM } else { ENUM };
        let keeps_enums = self.options.generalized_sum_type_support || self.options.enhanced_schema_support;
        let Some(full_name) = connect.parameters.get(parameter).filter(|_| keeps_enums) else {
            return Schema::new(Kind::String);
        };
        let prefix = format!("{parameter}.");
        let symbols = connect.parameters.keys().filter_map(|name| name.strip_prefix(&prefix));
        let symbols = symbols.map(str::to_owned).collect();
        let of_connect = connect.name.as_deref().unwrap_or(full_name);
        let simple = of_connect.rsplit('.').next().unwrap_or(of_connect);
        let get = |name: &str| connect.parameters.get(name).cloned();
        let (doc, default) = match self.options.discard_type_doc_default {
            true => (get(PROP_ENUM_DOC), None),
            false => (get(&format!("{ENUM_DOC_PREFIX}{simple}")), get(&format!("{ENUM_DEFAULT_PREFIX}{simple}"))),
        };
        let name = Name::new(full_name, None);
        Schema::new(Kind::Enum(Arc::new(Enum { name, doc, aliases: Vec::new(), symbols, default })))
    }

    fn bytes(&mut self, connect: &ConnectSchema) -> Mapped {
        let size = connect.parameters.get(FIXED_SIZE).filter(|_| connect.name.is_some());
        let mut schema = match size {
            Some(size) => {
                let size = size.parse().map_err(|_| format!("{FIXED_SIZE} is {size:?}, not a size"))?;
                let name = split(connect.name.as_deref().unwrap_or_default(), self.options);
                Schema::new(Kind::Fixed(Arc::new(Fixed { name, doc: None, aliases: Vec::new(), size })))
            }
            None => Schema::new(Kind::Bytes),
        };
        if connect.name.as_deref() == Some(DECIMAL) {
            let (precision, scale) = precision_and_scale(connect)?;
            schema.props.insert("scale".into(), scale.into());
            schema.props.insert("precision".into(), precision.into());
        }
        Ok(schema)
    }

    fn map_of(&mut self, connect: &ConnectSchema, key: &ConnectSchema, value: &ConnectSchema) -> Mapped {
        let is_avro_map = key.kind == SchemaType::String && (!key.optional || self.options.allow_optional_map_keys);
        if is_avro_map {
            return Ok(Schema::new(Kind::Map(Box::new(self.map(value)?))));
        }
        let mut props = Members::new();
        let name = match &connect.name {
            Some(name) => {
                props.insert(PROP_INTERNAL_TYPE.into(), MAP_ENTRY.into());
                split(name, self.options)
            }
            None => Name::new(MAP_ENTRY, Some(NAMESPACE)),
        };
        let fields = vec![self.field("key", key, None)?, self.field("value", value, None)?];
        let record = Record { name, doc: None, aliases: Vec::new(), fields };
        let entry = Schema { kind: Kind::Record(Arc::new(record)), props };
        Ok(Schema::new(Kind::Array(Box::new(entry))))
    }

    /// A struct that came before is a reference to it.
    fn known_struct(&mut self, connect: &ConnectSchema) -> Result<Option<Schema>, String> {
        let mut required = connect.clone();
        required.optional = false;
        let Some(name) = &connect.name else {
            let known = self.unnamed.iter().find(|(known, _)| *known == required);
            return Ok(known.map(|(_, name)| Schema::new(Kind::Ref(name.clone()))));
        };
        let full = split(name, self.options).full();
        match self.named.get(&full) {
            // A default belongs to a field and not to the type.
            Some(known) if known.kind == required.kind => Ok(Some(Schema::new(Kind::Ref(full)))),
            Some(_) => Err(format!("Can't redefine: {full}")),
            None => {
                self.named.insert(full, required);
                Ok(None)
            }
        }
    }

    fn record(&mut self, connect: &ConnectSchema, fields: &[(String, ConnectSchema)]) -> Mapped {
        let name = match &connect.name {
            Some(name) => split(name, self.options),
            None => {
                let (namespace, simple) = default_name(self.unnamed.len() + 1);
                let name = Name { namespace, simple };
                let mut required = connect.clone();
                required.optional = false;
                self.unnamed.push((required, name.full()));
                name
            }
        };
        let discards = self.options.discard_type_doc_default;
        let doc = connect.parameters.get(if discards { PROP_RECORD_DOC } else { RECORD_DOC }).cloned();
        let mut members = Vec::with_capacity(fields.len());
        for (field_name, schema) in fields {
            let of_parameters = connect.parameters.get(&format!("{FIELD_DOC_PREFIX}{field_name}"));
            let doc = if discards { None } else { of_parameters.cloned() };
            let field = self.field(&scrub(field_name, self.options), schema, doc);
            members.push(field.map_err(|problem| format!("field {field_name}: {problem}"))?);
        }
        let record = Record { name, doc, aliases: Vec::new(), fields: members };
        Ok(Schema::new(Kind::Record(Arc::new(record))))
    }

    fn field(&mut self, name: &str, connect: &ConnectSchema, doc: Option<String>) -> Result<RecordField, String> {
        let schema = self.map(connect)?;
        let default = match connect.default.as_ref().filter(|default| !default.is_null()) {
            Some(default) => avro_default(connect, default, self.options),
            None => connect.optional.then_some(Json::Null),
        };
        let doc = if self.options.discard_type_doc_default { connect.doc.clone() } else { doc };
        let mut props = Members::new();
        if matches!(&schema.kind, Kind::Ref(_)) && self.options.connect_meta_data {
            self.add_parameters(&connect.parameters, &mut props);
        }
        Ok(RecordField { name: name.to_owned(), schema, doc, default, order: None, aliases: Vec::new(), props })
    }

    fn union(&mut self, connect: &ConnectSchema) -> Mapped {
        let SchemaType::Struct(members) = &connect.kind else {
            return Err("a union must be a struct".to_owned());
        };
        let mut branches = Vec::with_capacity(members.len() + 1);
        if connect.optional {
            branches.push(Schema::new(Kind::Null));
        }
        for (name, member) in members {
            let branch = if is_union_schema(member) { self.union(member) } else { self.required(member) };
            branches.push(branch.map_err(|problem| format!("union member {name}: {problem}"))?);
        }
        Ok(Schema::new(Kind::Union(branches)))
    }

    fn add_meta_data(&self, connect: &ConnectSchema, connect_type: Option<&str>, schema: &mut Schema) {
        let props = &mut schema.props;
        if let Some(doc) = &connect.doc {
            props.insert(PROP_DOC.into(), doc.as_str().into());
        }
        if let Some(version) = connect.version {
            props.insert(PROP_VERSION.into(), i64::from(version).into());
        }
        self.add_parameters(&connect.parameters, props);
        let stands_at_field =
            !self.options.discard_type_doc_default && connect.parameters.contains_key(FIELD_DEFAULT_FLAG);
        if let Some(default) = connect.default.as_ref().filter(|default| !default.is_null() && !stands_at_field)
            && let Some(default) = avro_default(connect, default, self.options)
        {
            props.insert(PROP_DEFAULT.into(), default);
        }
        if let Some(name) = &connect.name {
            props.insert(PROP_NAME.into(), name.as_str().into());
        }
        if let Some(connect_type) = connect_type {
            props.insert(PROP_TYPE.into(), connect_type.into());
        }
    }

    fn add_parameters(&self, parameters: &IndexMap<String, String>, props: &mut Members) {
        let kept = |name: &str| self.options.discard_type_doc_default || name != FIELD_DEFAULT_FLAG;
        let kept = parameters.iter().filter(|(name, _)| kept(name));
        let kept: Members = kept.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        if !kept.is_empty() {
            props.insert(PROP_PARAMETERS.into(), Json::Object(kept));
        }
    }
}

fn precision_and_scale(connect: &ConnectSchema) -> Result<(i64, i64), String> {
    let number = |name: &str, default: i64| match connect.parameters.get(name) {
        Some(text) => text.parse().map_err(|_| format!("{name} of a Decimal is {text:?}, not a number")),
        None => Ok(default),
    };
    Ok((number(PRECISION, DECIMAL_PRECISION_DEFAULT)?, number(SCALE, 0)?))
}

fn add_logical_type(connect: &ConnectSchema, schema: &mut Schema) {
    let logical = match (connect.name.as_deref(), &connect.kind) {
        (Some(DECIMAL), SchemaType::Bytes) => "decimal",
        (Some(DATE), SchemaType::Int32) => "date",
        (Some(TIME), SchemaType::Int32) => "time-millis",
        (Some(TIMESTAMP), SchemaType::Int64) => "timestamp-millis",
        _ => return,
    };
    schema.props.insert("logicalType".into(), logical.into());
}
