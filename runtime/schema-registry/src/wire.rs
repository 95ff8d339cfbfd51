//! Bodies of the REST API, for the server and the client. Source: Confluent `client.rest.entities`.

use serde::{Deserialize, Serialize};
use sluice_connect_api::RegistryError;
use sluice_connect_api::schema_registry::{SchemaKind, SchemaReference, SchemaText, SubjectVersion};

/// What both sides send and take.
pub const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reference {
    pub name: String,
    pub subject: String,
    pub version: u32,
}

/// A schema without or with its place. Members that clients do not send are not asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// -1 and 0 of some clients mean: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Absent: AVRO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<Reference>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_id: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error_code: u32,
    pub message: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompatibilityCheck {
    pub is_compatible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<String>>,
}

/// What a level is set with, and what that answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConfigUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigBody {
    pub compatibility_level: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModeBody {
    pub mode: String,
}

impl SchemaBody {
    #[must_use]
    pub fn of_schema(schema: &SchemaText) -> Self {
        let references = schema.references.iter().map(|reference| Reference {
            name: reference.name.clone(),
            subject: reference.subject.clone(),
            version: reference.version,
        });
        Self {
            schema_type: (schema.kind != SchemaKind::Avro).then(|| schema.kind.name().to_owned()),
            references: (!schema.references.is_empty()).then(|| references.collect()),
            schema: Some(schema.text.clone()),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn of_version(found: &SubjectVersion) -> Self {
        Self {
            subject: Some(found.subject.clone()),
            version: Some(found.version.into()),
            id: Some(found.id.into()),
            ..Self::of_schema(&found.schema)
        }
    }

    /// # Errors
    /// 42201 without a schema, 422 of a type that does not exist.
    pub fn into_schema(self) -> Result<SchemaText, RegistryError> {
        let kind = self.schema_type.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("AVRO").parse()?;
        let text = self.schema.filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| RegistryError::new(crate::INVALID_SCHEMA, "Empty schema"))?;
        let references = self.references.unwrap_or_default().into_iter().map(|reference| SchemaReference {
            name: reference.name,
            subject: reference.subject,
            version: reference.version,
        });
        Ok(SchemaText { kind, text, references: references.collect() })
    }

    /// # Errors
    /// An answer of a registry that lacks what it must have.
    pub fn into_version(self) -> Result<SubjectVersion, RegistryError> {
        let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        let (Some(subject), Some(version), Some(id)) = (self.subject.clone(), number(self.version), number(self.id))
        else {
            return Err(RegistryError::new(502, "the registry's answer has no subject, version and id"));
        };
        Ok(SubjectVersion { subject, version, id, schema: self.into_schema()? })
    }
}
