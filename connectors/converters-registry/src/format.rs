//! What a format with registered schemas must be able to do; [`crate::RegistryConverter`] does the rest.

use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::Field;
use sluice_connect_api::ConvertError;
use sluice_connect_api::schema_registry::{SchemaKind, SchemaText};

/// A schema with the texts of all that it refers to, each behind what it needs itself.
#[derive(Debug, Clone)]
pub struct WholeSchema {
    pub schema: SchemaText,
    /// By the name under which it is referred to.
    pub references: Vec<(String, String)>,
}

/// The schema of a column's values, in this format.
#[derive(Debug, Clone)]
pub struct Derived {
    pub schema: SchemaText,
    /// The full name of the record, for subjects that are named by it.
    pub record: Option<String>,
}

/// Messages of one schema.
pub struct Messages<'a> {
    pub bytes: &'a BinaryArray,
    pub rows: &'a [u32],
    /// How long the frame in front of each is.
    pub header: usize,
}

impl<'a> Messages<'a> {
    /// Without their frames; `None`: no bytes at all.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + '_ {
        let (bytes, header) = (self.bytes, self.header);
        self.rows.iter().map(move |row| {
            let row = *row as usize;
            bytes.is_valid(row).then(|| &bytes.value(row)[header..])
        })
    }
}

/// Writes the rows of one column.
pub trait RowEncoder {
    fn is_null(&self, row: usize) -> bool;

    /// # Errors
    /// The row has no place in the schema.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError>;
}

pub trait Format: Send + Sync + 'static {
    /// For messages: `Avro`, `Protobuf`, `JSON Schema`.
    const NAME: &'static str;
    const KIND: SchemaKind;
    type Reader: Send + Sync;
    type Writer: Send + Sync;

    /// `version` is the schema's in its subject, where that is known.
    ///
    /// # Errors
    /// A schema that is none, or that Connect cannot hold.
    fn reader(&self, schema: &WholeSchema, version: Option<u32>) -> Result<Self::Reader, String>;

    /// How long what stands between the id and the payload is.
    ///
    /// # Errors
    /// It is not what this format has there.
    fn selector(&self, _body: &[u8]) -> Result<usize, String> {
        Ok(0)
    }

    /// # Errors
    /// A message that is not of this schema.
    fn read(
        &self,
        reader: &Self::Reader,
        selector: &[u8],
        messages: &Messages<'_>,
    ) -> Result<(Field, ArrayRef), ConvertError>;

    /// # Errors
    /// A schema that this format has no form for.
    fn derive(&self, field: &Field) -> Result<Derived, String>;

    /// Why who knows `reader` could not read what is written with `writer`; empty: they can.
    fn incompatibilities(&self, reader: &WholeSchema, writer: &WholeSchema) -> Vec<String>;

    /// # Errors
    /// Columns of this field cannot be written with this schema.
    fn writer(&self, schema: &WholeSchema, field: &Field) -> Result<Self::Writer, String>;

    /// What stands between the id and the payload.
    fn selector_of<'a>(&self, _writer: &'a Self::Writer) -> &'a [u8] {
        &[]
    }

    /// # Errors
    /// The column cannot be written with the writer's schema.
    fn rows<'a>(
        &'a self,
        writer: &'a Self::Writer,
        field: &Field,
        values: &ArrayRef,
    ) -> Result<Box<dyn RowEncoder + 'a>, ConvertError>;
}
