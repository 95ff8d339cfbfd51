//! Connect's `Schema` and the one table that maps it to Arrow fields.
//!
//! | Connect | Arrow | field metadata |
//! | --- | --- | --- |
//! | int8 int16 int32 int64 | Int8 Int16 Int32 Int64 | |
//! | float32 float64 | Float32 Float64 | |
//! | boolean | Boolean | |
//! | string | Utf8 | |
//! | bytes | Binary | |
//! | array | List | the item's own on the item field |
//! | map | Map | the key's and value's own on the entry fields |
//! | struct | Struct | each field's own |
//! | Decimal with `connect.decimal.precision` ≤ 38 / ≤ 76 | Decimal128 / Decimal256 | |
//! | Decimal without precision | Binary, extension `sluice.decimal`: big-endian two's complement, unscaled | extension metadata `{"scale":n}` |
//! | Date | Date32 | |
//! | Time | Time32(ms); Time64(µs) and Time64(ns) are kept and are Time too | |
//! | Timestamp | Timestamp(ms, UTC); µs and ns are kept and are Timestamp too | |
//! | none (schemaless JSON) | Utf8, extension `arrow.json` | |
//! | none (no value at all) | Null | |
//!
//! On the way from Arrow, types of the same meaning are accepted too: UInt8, UInt16 and UInt32 as the next wider integer,
//! LargeUtf8, Utf8View, LargeBinary, BinaryView, FixedSizeBinary and LargeList as their plain forms.
//!
//! Optional is nullable. A column that must hold tombstones under a required schema is nullable with `connect.required`:
//! its nulls are rows without any schema. Name, version, doc, parameters and default are the metadata `connect.name`,
//! `connect.version`, `connect.doc`, `connect.parameters` (JSON object) and `connect.default` (JSON value).
//! Source: Kafka `org.apache.kafka.connect.data.{Schema, Decimal, Date, Time, Timestamp}`.

mod json;
mod payload;

use arrow_schema::{DataType, Field, TimeUnit};
use indexmap::IndexMap;
pub use payload::{integer_to_row, payload_to_row, row_to_integer, row_to_payload};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

pub const NAME: &str = "connect.name";
pub const VERSION: &str = "connect.version";
pub const DOC: &str = "connect.doc";
pub const PARAMETERS: &str = "connect.parameters";
pub const DEFAULT: &str = "connect.default";
/// `true` on a nullable column whose schema is required: its nulls have no schema.
pub const REQUIRED: &str = "connect.required";
/// `true` on a map's keys whose schema is optional, since Arrow's cannot be nullable.
pub const OPTIONAL: &str = "connect.optional";
/// Arrow's own keys for extension types.
pub const EXTENSION_NAME: &str = "ARROW:extension:name";
pub const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
pub const JSON_EXTENSION: &str = "arrow.json";
pub const DECIMAL_EXTENSION: &str = "sluice.decimal";

pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// The parameter that carries a Decimal's scale, and the one that connectors add for its precision.
pub const SCALE: &str = "scale";
pub const PRECISION: &str = "connect.decimal.precision";

/// A Connect schema. Logical types are `int32`, `int64` or `bytes` with one of the four names, as in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectSchema {
    pub kind: SchemaType,
    pub optional: bool,
    pub name: Option<String>,
    pub version: Option<i32>,
    pub doc: Option<String>,
    /// In the order in which they were given: an Avro enum's symbols stand in it.
    pub parameters: IndexMap<String, String>,
    /// In the JSON form of a payload.
    pub default: Option<Value>,
}

/// The kind of a [`ConnectSchema`]. Source: Kafka `Schema.Type`.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaType {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
    Bytes,
    Array(Box<ConnectSchema>),
    Map(Box<ConnectSchema>, Box<ConnectSchema>),
    Struct(Vec<(String, ConnectSchema)>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("field {field:?} has the Arrow type {found}, which Connect has no schema for")]
    UnsupportedType { field: String, found: DataType },
    #[error("schema member {member:?} {problem}")]
    Malformed { member: String, problem: String },
}

impl ConnectSchema {
    #[must_use]
    pub fn new(kind: SchemaType) -> Self {
        Self { kind, optional: false, name: None, version: None, doc: None, parameters: IndexMap::new(), default: None }
    }

    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    #[must_use]
    pub fn named(mut self, name: &str, version: i32) -> Self {
        self.name = Some(name.to_owned());
        self.version = Some(version);
        self
    }

    #[must_use]
    pub fn parameter(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// The Arrow field for this schema.
    ///
    /// # Errors
    /// A Decimal without a valid `scale`.
    pub fn to_field(&self, field_name: &str) -> Result<Field, SchemaError> {
        let mut metadata = self.metadata();
        let data_type = match (&self.kind, self.name.as_deref()) {
            (SchemaType::Bytes, Some(DECIMAL)) => self.decimal_type(&mut metadata)?,
            (SchemaType::Int32, Some(DATE)) => DataType::Date32,
            (SchemaType::Int32, Some(TIME)) => DataType::Time32(TimeUnit::Millisecond),
            (SchemaType::Int64, Some(TIMESTAMP)) => timestamp_type(TimeUnit::Millisecond),
            (SchemaType::Int8, _) => DataType::Int8,
            (SchemaType::Int16, _) => DataType::Int16,
            (SchemaType::Int32, _) => DataType::Int32,
            (SchemaType::Int64, _) => DataType::Int64,
            (SchemaType::Float32, _) => DataType::Float32,
            (SchemaType::Float64, _) => DataType::Float64,
            (SchemaType::Boolean, _) => DataType::Boolean,
            (SchemaType::String, _) => DataType::Utf8,
            (SchemaType::Bytes, _) => DataType::Binary,
            (SchemaType::Array(item), _) => DataType::List(Arc::new(item.to_field("item")?)),
            (SchemaType::Map(key, value), _) => {
                let entries = vec![key.to_map_key()?, value.to_field("value")?];
                let entries = Field::new("entries", DataType::Struct(entries.into()), false);
                DataType::Map(Arc::new(entries), false)
            }
            (SchemaType::Struct(fields), _) => {
                let fields: Result<Vec<Field>, _> = fields.iter().map(|(name, schema)| schema.to_field(name)).collect();
                DataType::Struct(fields?.into())
            }
        };
        Ok(Field::new(field_name, data_type, self.optional).with_metadata(metadata))
    }

    fn to_map_key(&self) -> Result<Field, SchemaError> {
        let field = self.to_field("key")?;
        if !self.optional {
            return Ok(field);
        }
        let mut metadata = field.metadata().clone();
        metadata.insert(OPTIONAL.to_owned(), "true".to_owned());
        Ok(field.with_nullable(false).with_metadata(metadata))
    }

    /// The Connect schema of an Arrow field; `None` for a schemaless one (type Null, or extension `arrow.json`).
    ///
    /// # Errors
    /// [`SchemaError::UnsupportedType`] for an Arrow type outside the table, [`SchemaError::Malformed`] metadata.
    pub fn from_field(field: &Field) -> Result<Option<Self>, SchemaError> {
        if is_schemaless(field) {
            return Ok(None);
        }
        let metadata = field.metadata();
        let mut schema = Self::new(Self::kind_of(field)?);
        let is_optional_key = metadata.get(OPTIONAL).is_some_and(|optional| optional == "true");
        schema.optional = (field.is_nullable() && !holds_tombstones(field)) || is_optional_key;
        schema.name = metadata.get(NAME).cloned();
        schema.version = metadata.get(VERSION).and_then(|version| version.parse().ok());
        schema.doc = metadata.get(DOC).cloned();
        if let Some(parameters) = metadata.get(PARAMETERS) {
            schema.parameters =
                serde_json::from_str(parameters).map_err(|error| malformed(PARAMETERS, error.to_string()))?;
        }
        if let Some(default) = metadata.get(DEFAULT) {
            let default = serde_json::from_str(default).map_err(|error| malformed(DEFAULT, error.to_string()))?;
            schema.default = Some(default);
        }
        schema.name_logical_type(field);
        Ok(Some(schema))
    }

    /// The name that the JSON envelope uses (`float` and `double`, not `float32`).
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            SchemaType::Int8 => "int8",
            SchemaType::Int16 => "int16",
            SchemaType::Int32 => "int32",
            SchemaType::Int64 => "int64",
            SchemaType::Float32 => "float",
            SchemaType::Float64 => "double",
            SchemaType::Boolean => "boolean",
            SchemaType::String => "string",
            SchemaType::Bytes => "bytes",
            SchemaType::Array(_) => "array",
            SchemaType::Map(..) => "map",
            SchemaType::Struct(_) => "struct",
        }
    }

    fn kind_of(field: &Field) -> Result<SchemaType, SchemaError> {
        let child = |field: &Field| {
            let schema = Self::from_field(field)?;
            // Schemaless JSON inside a struct is text to Connect.
            Ok(schema.unwrap_or_else(|| Self::new(SchemaType::String).optional()))
        };
        Ok(match field.data_type() {
            DataType::Int8 => SchemaType::Int8,
            DataType::Int16 | DataType::UInt8 => SchemaType::Int16,
            DataType::Int32 | DataType::UInt16 | DataType::Date32 | DataType::Time32(_) => SchemaType::Int32,
            DataType::Int64 | DataType::UInt32 | DataType::Time64(_) | DataType::Timestamp(..) => SchemaType::Int64,
            DataType::Float32 => SchemaType::Float32,
            DataType::Float64 => SchemaType::Float64,
            DataType::Boolean => SchemaType::Boolean,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SchemaType::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                SchemaType::Bytes
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) => SchemaType::Bytes,
            DataType::List(item) | DataType::LargeList(item) => SchemaType::Array(Box::new(child(item)?)),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    SchemaType::Map(Box::new(child(&fields[0])?), Box::new(child(&fields[1])?))
                }
                _ => return Err(unsupported(field)),
            },
            DataType::Struct(fields) => {
                let fields: Result<Vec<_>, SchemaError> =
                    fields.iter().map(|field| Ok((field.name().clone(), child(field)?))).collect();
                SchemaType::Struct(fields?)
            }
            _ => return Err(unsupported(field)),
        })
    }

    /// Arrow types that are logical types in Connect get its name and version, unless the metadata has a name; a Decimal's
    /// scale and precision are always those of the column.
    fn name_logical_type(&mut self, field: &Field) {
        if matches!(field.data_type(), DataType::Time32(_) | DataType::Time64(_)) {
            self.kind = SchemaType::Int32;
        }
        let (name, scale, precision) = match field.data_type() {
            DataType::Date32 => (DATE, None, None),
            DataType::Time32(_) | DataType::Time64(_) => (TIME, None, None),
            DataType::Timestamp(..) => (TIMESTAMP, None, None),
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                (DECIMAL, Some(scale.to_string()), Some(precision.to_string()))
            }
            DataType::Binary => match decimal_scale(field) {
                Some(scale) => (DECIMAL, Some(scale.to_string()), None),
                None => return,
            },
            _ => return,
        };
        if self.name.is_none() {
            (self.name, self.version) = (Some(name.to_owned()), Some(1));
        }
        self.parameters.extend(scale.map(|scale| (SCALE.to_owned(), scale)));
        self.parameters.extend(precision.map(|precision| (PRECISION.to_owned(), precision)));
    }

    fn decimal_type(&self, metadata: &mut HashMap<String, String>) -> Result<DataType, SchemaError> {
        let scale = self.parameters.get(SCALE).ok_or_else(|| malformed(SCALE, "is missing from a Decimal"))?;
        let scale: i32 = scale.parse().map_err(|_| malformed(SCALE, format!("is {scale:?}, not an integer")))?;
        let precision = self.parameters.get(PRECISION).and_then(|precision| precision.parse::<u8>().ok());
        match (precision, i8::try_from(scale)) {
            (Some(precision @ 1..=38), Ok(scale)) if scale <= precision as i8 => {
                Ok(DataType::Decimal128(precision, scale))
            }
            (Some(precision @ 39..=76), Ok(scale)) if scale <= precision as i8 => {
                Ok(DataType::Decimal256(precision, scale))
            }
            _ => {
                metadata.insert(EXTENSION_NAME.to_owned(), DECIMAL_EXTENSION.to_owned());
                metadata.insert(EXTENSION_METADATA.to_owned(), json!({ "scale": scale }).to_string());
                Ok(DataType::Binary)
            }
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        let mut metadata = HashMap::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                metadata.insert(key.to_owned(), value);
            }
        };
        put(NAME, self.name.clone());
        put(VERSION, self.version.map(|version| version.to_string()));
        put(DOC, self.doc.clone());
        let parameters = || serde_json::to_string(&self.parameters).expect("a map of texts is JSON");
        put(PARAMETERS, (!self.parameters.is_empty()).then(parameters));
        put(DEFAULT, self.default.as_ref().map(Value::to_string));
        metadata
    }
}

/// A field that holds schemaless JSON text.
#[must_use]
pub fn schemaless_json_field(name: &str) -> Field {
    let metadata = HashMap::from([(EXTENSION_NAME.to_owned(), JSON_EXTENSION.to_owned())]);
    Field::new(name, DataType::Utf8, true).with_metadata(metadata)
}

/// Whether the field has no Connect schema: schemaless JSON, or nothing at all.
#[must_use]
pub fn is_schemaless(field: &Field) -> bool {
    field.data_type() == &DataType::Null || is_json(field)
}

/// Whether the field holds schemaless JSON text.
#[must_use]
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_NAME).is_some_and(|name| name == JSON_EXTENSION)
}

/// The same schema for a column that also holds tombstones: nullable, and still required to Connect when it was.
#[must_use]
pub fn with_tombstones(field: Field) -> Field {
    if field.is_nullable() {
        return field;
    }
    let mut metadata = field.metadata().clone();
    metadata.insert(REQUIRED.to_owned(), "true".to_owned());
    field.with_nullable(true).with_metadata(metadata)
}

/// Whether the nulls of this column have no schema, see [`with_tombstones`].
#[must_use]
pub fn holds_tombstones(field: &Field) -> bool {
    field.metadata().get(REQUIRED).is_some_and(|required| required == "true")
}

/// The scale of a decimal without precision; `None` when the field is not one.
#[must_use]
pub fn decimal_scale(field: &Field) -> Option<i32> {
    let metadata = field.metadata();
    if metadata.get(EXTENSION_NAME)? != DECIMAL_EXTENSION {
        return None;
    }
    let extension: Value = serde_json::from_str(metadata.get(EXTENSION_METADATA)?).ok()?;
    i32::try_from(extension.get("scale")?.as_i64()?).ok()
}

/// The Arrow type of a Connect Timestamp in `unit`.
#[must_use]
pub fn timestamp_type(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn malformed(member: &str, problem: impl Into<String>) -> SchemaError {
    SchemaError::Malformed { member: member.to_owned(), problem: problem.into() }
}

fn unsupported(field: &Field) -> SchemaError {
    SchemaError::UnsupportedType { field: field.name().clone(), found: field.data_type().clone() }
}
