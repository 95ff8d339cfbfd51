//! What a schema registry offers, whether over HTTP or in this process: schemas by id, and subjects with versions.
//!
//! Source: Confluent's Schema Registry API, whose numbers ([`RegistryError::code`]) and words its clients match on.

use std::fmt;
use std::str::FromStr;

/// The languages that schemas are written in. Source: `schemaType` of the registry's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaKind {
    Avro,
    Json,
    Protobuf,
}

/// Another schema that a schema uses by `name`: an Avro full name, a `.proto` import, a JSON Schema `$ref`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaReference {
    pub name: String,
    pub subject: String,
    pub version: u32,
}

/// A schema as it is registered: its text, and what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaText {
    pub kind: SchemaKind,
    pub text: String,
    pub references: Vec<SchemaReference>,
}

/// One version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectVersion {
    pub subject: String,
    /// From 1.
    pub version: u32,
    /// Unique in the registry; the same schema has the same id in every subject.
    pub id: u32,
    pub schema: SchemaText,
}

/// Which version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSelector {
    Latest,
    Number(u32),
}

/// What a new version of a subject must be able to do. Source: Confluent `CompatibilityLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompatibilityLevel {
    None,
    /// Who knows the new schema reads what was written with the last one.
    Backward,
    BackwardTransitive,
    /// Who knows the last schema reads what is written with the new one.
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

/// Why a registry did not answer as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegistryError {
    /// Confluent's: the HTTP status alone, or the status and two digits (40401: subject not found).
    pub code: u32,
    pub message: String,
}

impl RegistryError {
    /// The registry cannot be reached.
    pub const UNREACHABLE: u32 = 0;

    #[must_use]
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    #[must_use]
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Self::UNREACHABLE, message)
    }

    /// The HTTP status that the code begins with; 503 when nobody answered.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.code {
            Self::UNREACHABLE => 503,
            code @ 1..=999 => code as u16,
            code => (code / 100) as u16,
        }
    }

    /// Whether the same request may succeed later with nobody changing it: the registry is down, slow or overloaded.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self.status(), 408 | 429 | 500..=599)
    }

    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == 404
    }
}

/// Source: Confluent `SchemaRegistryClient`.
#[async_trait::async_trait]
pub trait SchemaRegistry: Send + Sync {
    /// Registers a schema under a subject and gives its id; a schema that stands there already keeps its own.
    /// The id is durable before this returns.
    ///
    /// # Errors
    /// 42201 invalid schema, 409 incompatible with an earlier version, and [`RegistryError::is_retriable`] ones.
    async fn register(&self, subject: &str, schema: &SchemaText, normalize: bool) -> Result<u32, RegistryError>;

    /// Where this schema stands in a subject.
    ///
    /// # Errors
    /// 40401 subject not found, 40403 schema not found in it.
    async fn lookup(
        &self,
        subject: &str,
        schema: &SchemaText,
        normalize: bool,
    ) -> Result<SubjectVersion, RegistryError>;

    /// # Errors
    /// 40403 schema not found.
    async fn schema_by_id(&self, id: u32) -> Result<SchemaText, RegistryError>;

    /// # Errors
    /// 40401 subject not found, 40402 version not found.
    async fn version(&self, subject: &str, version: VersionSelector) -> Result<SubjectVersion, RegistryError>;

    /// Why `schema` could not be the next version of a subject, by that version; empty: it could.
    ///
    /// # Errors
    /// 40401, 40402, 42201.
    async fn check_compatibility(
        &self,
        subject: &str,
        version: VersionSelector,
        schema: &SchemaText,
    ) -> Result<Vec<String>, RegistryError>;

    /// The level of a subject, or the one that holds where a subject has none of its own.
    ///
    /// # Errors
    /// Retriable ones.
    async fn compatibility(&self, subject: Option<&str>) -> Result<CompatibilityLevel, RegistryError>;

    /// # Errors
    /// Retriable ones.
    async fn set_compatibility(&self, subject: Option<&str>, level: CompatibilityLevel) -> Result<(), RegistryError>;
}

impl SchemaKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }
}

impl fmt::Display for SchemaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SchemaKind {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        [Self::Avro, Self::Json, Self::Protobuf]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| RegistryError::new(422, format!("Invalid schema type {text}")))
    }
}

impl CompatibilityLevel {
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Backward,
        Self::BackwardTransitive,
        Self::Forward,
        Self::ForwardTransitive,
        Self::Full,
        Self::FullTransitive,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Whether all earlier versions count, and not only the last.
    #[must_use]
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    #[must_use]
    pub fn is_backward(self) -> bool {
        matches!(self, Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive)
    }

    #[must_use]
    pub fn is_forward(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }
}

impl fmt::Display for CompatibilityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CompatibilityLevel {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let level = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        level.ok_or_else(|| {
            let valid = Self::ALL.map(Self::name).join(", ").to_lowercase();
            let message = format!("Invalid compatibility level. Valid values are {valid}");
            RegistryError::new(42203, message)
        })
    }
}
