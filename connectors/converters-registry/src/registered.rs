//! What a registry must know of the languages in which schemas are written.

use crate::avro::compatibility::incompatibilities;
use crate::avro::print::{print, print_normalized};
use crate::avro::schema::AvroSchema;
use sluice_connect_api::schema_registry::SchemaKind;

/// The text under which a schema is stored: equal schemas have equal texts.
///
/// # Errors
/// The text is no schema of this kind.
pub fn canonical(
    kind: SchemaKind,
    text: &str,
    references: &[(String, String)],
    normalize: bool,
) -> Result<String, String> {
    match kind {
        SchemaKind::Avro => {
            let schema = avro(text, references)?;
            Ok(if normalize { print_normalized(&schema.root) } else { print(&schema.root) })
        }
        SchemaKind::Json => crate::json_schema::canonical(text),
        SchemaKind::Protobuf => crate::protobuf::schema::canonical(text, references),
    }
}

/// A schema with the texts of what it refers to.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    pub text: &'a str,
    pub references: &'a [(String, String)],
}

/// Why who knows `reader` could not read what is written with `writer`; empty: they can. Each text has `%s` twice, for the
/// side that the reader is on and for the other.
///
/// # Errors
/// One of them is no schema of this kind.
pub fn differences(kind: SchemaKind, reader: Whole<'_>, writer: Whole<'_>) -> Result<Vec<String>, String> {
    match kind {
        SchemaKind::Avro => {
            Ok(incompatibilities(&avro(reader.text, reader.references)?, &avro(writer.text, writer.references)?))
        }
        // Their checks come later.
        SchemaKind::Json | SchemaKind::Protobuf => Ok(Vec::new()),
    }
}

/// Whether [`differences`] looks at schemas of this kind at all.
#[must_use]
pub fn has_compatibility_checks(kind: SchemaKind) -> bool {
    kind == SchemaKind::Avro
}

/// A Protobuf schema as Confluent's API gives it with `format=serialized`: its descriptor, in base64.
///
/// # Errors
/// The text is no such schema.
pub fn serialized(text: &str, references: &[(String, String)]) -> Result<String, String> {
    crate::protobuf::schema::serialized(text, references)
}

fn avro(text: &str, references: &[(String, String)]) -> Result<AvroSchema, String> {
    let references: Vec<&str> = references.iter().map(|(_, text)| text.as_str()).collect();
    AvroSchema::parse(text, &references).map_err(|error| error.0)
}
