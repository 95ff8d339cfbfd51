//! A Connect schema as the `schema` member of Kafka's `JsonConverter` envelope.

use super::{ConnectSchema, SchemaError, SchemaType, malformed};
use serde_json::{Map, Value, json};

/// Makes JSON of the default value of a schema.
pub type DefaultText<'a> = &'a dyn Fn(&ConnectSchema, &Value) -> String;

impl ConnectSchema {
    /// The JSON form of Kafka's `JsonConverter` envelope.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("type".into(), self.type_name().into());
        match &self.kind {
            SchemaType::Array(item) => {
                json.insert("items".into(), item.to_json());
            }
            SchemaType::Map(key, value) => {
                json.insert("keys".into(), key.to_json());
                json.insert("values".into(), value.to_json());
            }
            SchemaType::Struct(fields) => {
                json.insert("fields".into(), fields.iter().map(|(name, schema)| field_json(name, schema)).collect());
            }
            _ => {}
        }
        json.insert("optional".into(), self.optional.into());
        if let Some(name) = &self.name {
            json.insert("name".into(), name.as_str().into());
        }
        if let Some(version) = self.version {
            json.insert("version".into(), version.into());
        }
        if let Some(doc) = &self.doc {
            json.insert("doc".into(), doc.as_str().into());
        }
        if !self.parameters.is_empty() {
            json.insert("parameters".into(), json!(self.parameters));
        }
        if let Some(default) = &self.default {
            json.insert("default".into(), default.clone());
        }
        Value::Object(json)
    }

    /// Appends [`ConnectSchema::to_json`] with the members in the order in which Kafka writes them.
    pub fn write_json(&self, out: &mut String) {
        self.write_json_with(out, &|_, default| default.to_string());
    }

    /// As [`ConnectSchema::write_json`]; `default_text` makes JSON of the default value of a schema.
    pub fn write_json_with(&self, out: &mut String, default_text: DefaultText<'_>) {
        self.write_members(out, default_text);
        out.push('}');
    }

    /// Reads the JSON form of Kafka's `JsonConverter` envelope.
    ///
    /// # Errors
    /// [`SchemaError::Malformed`], naming the member.
    pub fn from_json(json: &Value) -> Result<Self, SchemaError> {
        let object = json.as_object().ok_or_else(|| malformed("schema", "must be an object"))?;
        let mut schema = Self::new(Self::kind_from_json(object)?);
        schema.optional = object.get("optional").and_then(Value::as_bool).unwrap_or(false);
        schema.name = object.get("name").and_then(Value::as_str).map(str::to_owned);
        schema.doc = object.get("doc").and_then(Value::as_str).map(str::to_owned);
        if let Some(version) = object.get("version").filter(|version| !version.is_null()) {
            let version = version.as_i64().and_then(|version| i32::try_from(version).ok());
            schema.version = Some(version.ok_or_else(|| malformed("version", "must be an integer"))?);
        }
        if let Some(parameters) = object.get("parameters").filter(|parameters| !parameters.is_null()) {
            let parameters = parameters.as_object().ok_or_else(|| malformed("parameters", "must be an object"))?;
            for (name, value) in parameters {
                let value = value.as_str().ok_or_else(|| malformed("parameters", "must hold strings"))?;
                schema.parameters.insert(name.clone(), value.to_owned());
            }
        }
        if object.get("default").is_some_and(Value::is_null) && !schema.optional {
            return Err(malformed("default", "must not be null: the schema is not optional"));
        }
        schema.default = object.get("default").filter(|default| !default.is_null()).cloned();
        Ok(schema)
    }

    fn write_members(&self, out: &mut String, default_text: DefaultText<'_>) {
        out.push_str("{\"type\":\"");
        out.push_str(self.type_name());
        out.push('"');
        match &self.kind {
            SchemaType::Array(item) => {
                out.push_str(",\"items\":");
                item.write_json_with(out, default_text);
            }
            SchemaType::Map(key, value) => {
                out.push_str(",\"keys\":");
                key.write_json_with(out, default_text);
                out.push_str(",\"values\":");
                value.write_json_with(out, default_text);
            }
            SchemaType::Struct(fields) => {
                out.push_str(",\"fields\":[");
                for (index, (name, schema)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    schema.write_members(out, default_text);
                    push_member(out, "field", &name.as_str().into());
                    out.push('}');
                }
                out.push(']');
            }
            _ => {}
        }
        push_member(out, "optional", &self.optional.into());
        if let Some(name) = &self.name {
            push_member(out, "name", &name.as_str().into());
        }
        if let Some(version) = self.version {
            push_member(out, "version", &version.into());
        }
        if let Some(doc) = &self.doc {
            push_member(out, "doc", &doc.as_str().into());
        }
        if !self.parameters.is_empty() {
            push_member(out, "parameters", &json!(self.parameters));
        }
        if let Some(default) = &self.default {
            out.push_str(",\"default\":");
            out.push_str(&default_text(self, default));
        }
    }

    fn kind_from_json(object: &Map<String, Value>) -> Result<SchemaType, SchemaError> {
        let member = |name: &str| {
            let value = object.get(name).ok_or_else(|| malformed(name, "is missing"))?;
            Self::from_json(value).map(Box::new)
        };
        let kind = object.get("type").and_then(Value::as_str).ok_or_else(|| malformed("type", "is missing"))?;
        Ok(match kind {
            "int8" => SchemaType::Int8,
            "int16" => SchemaType::Int16,
            "int32" => SchemaType::Int32,
            "int64" => SchemaType::Int64,
            "float" | "float32" => SchemaType::Float32,
            "double" | "float64" => SchemaType::Float64,
            "boolean" => SchemaType::Boolean,
            "string" => SchemaType::String,
            "bytes" => SchemaType::Bytes,
            "array" => SchemaType::Array(member("items")?),
            "map" => SchemaType::Map(member("keys")?, member("values")?),
            "struct" => {
                let fields = object.get("fields").and_then(Value::as_array);
                let fields = fields.ok_or_else(|| malformed("fields", "is missing"))?;
                let fields: Result<Vec<_>, SchemaError> = fields.iter().map(struct_field_from_json).collect();
                SchemaType::Struct(fields?)
            }
            other => return Err(malformed("type", format!("is {other:?}, which is no Connect type"))),
        })
    }
}

fn push_member(out: &mut String, name: &str, value: &Value) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    out.push_str(&value.to_string());
}

fn field_json(name: &str, schema: &ConnectSchema) -> Value {
    let mut json = schema.to_json();
    json.as_object_mut().expect("a schema is an object").insert("field".into(), name.into());
    json
}

fn struct_field_from_json(json: &Value) -> Result<(String, ConnectSchema), SchemaError> {
    let name = json.get("field").and_then(Value::as_str).ok_or_else(|| malformed("field", "is missing"))?;
    Ok((name.to_owned(), ConnectSchema::from_json(json)?))
}
