//! The Connect schema of a JSON Schema. Source: Confluent `JsonSchemaData.toConnectSchema`.

use super::JsonSchemaOptions;
use super::derive::{ENUM, NULL_MARKER};
use crate::ordered_json::{Json, Members};
use sluice_data::{ConnectSchema, SchemaType};
use std::collections::HashMap;

type Mapped = Result<ConnectSchema, String>;

/// `references` are texts by the names under which `$ref` names them.
///
/// # Errors
/// What Connect cannot hold, and what is not supported yet.
pub fn to_connect(text: &str, references: &[(String, String)], options: &JsonSchemaOptions) -> Mapped {
    let parse = |text: &str| Json::parse(text).map_err(|error| format!("the schema is no JSON: {error}"));
    let root = parse(text)?;
    let mut documents = HashMap::new();
    for (name, text) in references {
        documents.insert(name.as_str(), parse(text)?);
    }
    let mapping = Mapping { documents: &documents, options };
    mapping.map(Place { schema: &root, document: &root }, false, &mut Vec::new())
}

struct Mapping<'a> {
    documents: &'a HashMap<&'a str, Json>,
    options: &'a JsonSchemaOptions,
}

/// A schema, and the document in which `#/…` is looked for.
#[derive(Clone, Copy)]
struct Place<'a> {
    schema: &'a Json,
    document: &'a Json,
}

impl<'a> Place<'a> {
    fn at(self, schema: &'a Json) -> Self {
        Self { schema, ..self }
    }
}

impl<'a> Mapping<'a> {
    /// `within`: the references that are being followed.
    fn map(&self, place: Place<'a>, force_optional: bool, within: &mut Vec<String>) -> Mapped {
        let Json::Object(members) = place.schema else {
            return Err(format!("a schema that is {} has no form in Connect", place.schema));
        };
        if let Some(reference) = members.get("$ref").and_then(Json::as_str) {
            if within.iter().any(|known| known == reference) {
                return Err(format!("{reference} contains itself; recursive types have no place in columns"));
            }
            within.push(reference.to_owned());
            let mapped = self.map(self.referred(reference, place)?, force_optional, within);
            within.pop();
            return mapped;
        }
        if let Some((inner, is_optional)) = self.alternative(place, members)? {
            return self.map(inner, force_optional || is_optional, within);
        }
        let mut connect = self.kind(place, members, within)?;
        describe(members, &mut connect)?;
        connect.optional |= force_optional || is_nullable(members);
        Ok(connect)
    }

    fn referred(&self, reference: &str, place: Place<'a>) -> Result<Place<'a>, String> {
        let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let document = match name {
            "" => place.document,
            name => self.documents.get(name).ok_or_else(|| format!("{name} is not among the references"))?,
        };
        let mut schema = document;
        for part in pointer.split('/').filter(|part| !part.is_empty()) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let found = schema.as_object().and_then(|members| members.get(&part));
            schema = found.ok_or_else(|| format!("{reference} names nothing"))?;
        }
        Ok(Place { schema, document })
    }

    /// A combination that is no more than a type, or null and a type.
    fn alternative(&self, place: Place<'a>, members: &'a Members) -> Result<Option<(Place<'a>, bool)>, String> {
        for name in ["oneOf", "anyOf"] {
            let Some(branches) = members.get(name).and_then(Json::as_array) else { continue };
            let is_null = |schema: &&Json| {
                schema.as_object().is_some_and(|members| members.get("type").and_then(Json::as_str) == Some("null"))
            };
            let others: Vec<&Json> = branches.iter().filter(|branch| !is_null(branch)).collect();
            return match others.as_slice() {
                [only] => Ok(Some((place.at(only), others.len() < branches.len()))),
                _ => Err(format!("{name} of several types is not supported yet")),
            };
        }
        match members.get("allOf").and_then(Json::as_array) {
            Some([only]) => Ok(Some((place.at(only), false))),
            Some(_) => Err("allOf is not supported yet".to_owned()),
            None => Ok(None),
        }
    }

    fn kind(&self, place: Place<'a>, members: &'a Members, within: &mut Vec<String>) -> Mapped {
        let plain = |kind| Ok(ConnectSchema::new(kind));
        let connect_type = members.get("connect.type").and_then(Json::as_str);
        if let Some(values) = members.get("enum").and_then(Json::as_array) {
            return Ok(enumeration(values));
        }
        match (type_of(members)?, connect_type) {
            ("boolean", _) => plain(SchemaType::Boolean),
            (_, Some("int8")) => plain(SchemaType::Int8),
            (_, Some("int16")) => plain(SchemaType::Int16),
            (_, Some("int32")) => plain(SchemaType::Int32),
            (_, Some("int64")) => plain(SchemaType::Int64),
            (_, Some("float32")) => plain(SchemaType::Float32),
            (_, Some("float64")) => plain(SchemaType::Float64),
            ("string" | "number", Some("bytes")) => plain(SchemaType::Bytes),
            ("integer", None) => plain(SchemaType::Int64),
            ("number", None) => plain(SchemaType::Float64),
            ("string", _) => plain(SchemaType::String),
            ("array", connect_type) => self.array(place, members, connect_type, within),
            ("object", Some("map")) => {
                let value = members.get("additionalProperties").ok_or("a map has no additionalProperties")?;
                let value = self.map(place.at(value), false, within)?;
                plain(SchemaType::Map(Box::new(ConnectSchema::new(SchemaType::String)), Box::new(value)))
            }
            ("object", _) => self.object(place, members, within),
            (kind, connect_type) => {
                Err(format!("type {kind} with connect.type {connect_type:?} has no form in Connect"))
            }
        }
    }

    fn array(
        &self,
        place: Place<'a>,
        members: &'a Members,
        connect_type: Option<&str>,
        within: &mut Vec<String>,
    ) -> Mapped {
        if connect_type == Some("map") {
            return Err("a map whose keys are no strings is not supported as JSON Schema yet".to_owned());
        }
        let items = members.get("items").ok_or("Array schema did not specify the items type")?;
        let item = self.map(place.at(items), false, within)?;
        Ok(ConnectSchema::new(SchemaType::Array(Box::new(item))))
    }

    fn object(&self, place: Place<'a>, members: &'a Members, within: &mut Vec<String>) -> Mapped {
        let properties = members.get("properties").and_then(Json::as_object);
        let required = members.get("required").and_then(Json::as_array).unwrap_or_default();
        let mut fields = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            let is_required = required.iter().any(|required| required.as_str() == Some(name));
            let is_optional = self.options.use_optional_for_nonrequired && !is_required;
            let schema = self.map(place.at(property), is_optional, within);
            let schema = schema.map_err(|problem| format!("property {name}: {problem}"))?;
            let index = property.as_object().and_then(|members| members.get("connect.index")).and_then(Json::as_i64);
            fields.push((index.unwrap_or(fields.len() as i64), (name.clone(), schema)));
        }
        fields.sort_by_key(|(index, _)| *index);
        Ok(ConnectSchema::new(SchemaType::Struct(fields.into_iter().map(|(_, field)| field).collect())))
    }
}

/// The type beside null.
fn type_of(members: &Members) -> Result<&str, String> {
    match members.get("type") {
        Some(Json::String(kind)) => Ok(kind),
        Some(Json::Array(kinds)) => {
            let mut others = kinds.iter().filter_map(Json::as_str).filter(|kind| *kind != "null");
            match (others.next(), others.next()) {
                (Some(only), None) => Ok(only),
                _ => Err("a schema of several types is not supported yet".to_owned()),
            }
        }
        _ if members.contains_key("properties") => Ok("object"),
        _ => Err("a schema without a type has no form in Connect".to_owned()),
    }
}

fn is_nullable(members: &Members) -> bool {
    let kinds = members.get("type").and_then(Json::as_array).unwrap_or_default();
    kinds.iter().any(|kind| kind.as_str() == Some("null"))
}

fn enumeration(values: &[Json]) -> ConnectSchema {
    let mut connect = ConnectSchema::new(SchemaType::String).parameter(ENUM, "");
    for value in values {
        let symbol = if *value == Json::Null { NULL_MARKER.to_owned() } else { value.to_text() };
        connect = connect.parameter(&format!("{ENUM}.{symbol}"), symbol);
    }
    connect.optional = values.contains(&Json::Null);
    connect
}

fn describe(members: &Members, connect: &mut ConnectSchema) -> Result<(), String> {
    let text = |name: &str| members.get(name).and_then(Json::as_str).map(str::to_owned);
    connect.name = text("title");
    connect.doc = text("description");
    if let Some(version) = members.get("connect.version") {
        let version = version.as_i64().and_then(|version| i32::try_from(version).ok());
        connect.version = Some(version.ok_or("connect.version is no number")?);
    }
    if let Some(Json::Object(parameters)) = members.get("connect.parameters") {
        connect.parameters.extend(parameters.iter().map(|(name, value)| (name.clone(), value.to_text())));
    }
    connect.default = members.get("default").filter(|default| **default != Json::Null).map(Into::into);
    Ok(())
}
