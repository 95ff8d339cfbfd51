//! Bare payloads of a known schema: what `JsonConverter` puts into its envelope, for formats that keep the schema elsewhere.

use super::DecimalFormat;
use super::decoder::Decoder;
use super::parser::Parser;
use super::read::{not_json, refuse_column, refuse_payload};
use super::write::{Encoder, WriteOptions};
use arrow_array::ArrayRef;
use arrow_schema::Field;
use sluice_connect_api::ConvertError;
use sluice_data::ConnectSchema;

/// One column from payloads; `None`: no bytes, which is null. `field` is the one that `schema` maps to.
///
/// # Errors
/// A payload that does not fit the schema.
pub fn read_payloads<'a>(
    schema: &ConnectSchema,
    field: &Field,
    use_defaults: bool,
    payloads: impl Iterator<Item = Option<&'a [u8]>>,
) -> Result<ArrayRef, ConvertError> {
    let mut decoder = Decoder::new(schema, field, use_defaults, payloads.size_hint().0);
    for payload in payloads {
        let Some(payload) = payload else {
            decoder.append_null();
            continue;
        };
        let mut parser = Parser::new(payload);
        decoder.read(&mut parser).map_err(refuse_payload)?;
        parser.end().map_err(not_json)?;
    }
    decoder.finish().map_err(refuse_column)
}

/// Writes the rows of one column as payloads.
pub struct PayloadEncoder(Encoder);

impl PayloadEncoder {
    /// # Errors
    /// When the column's type has no Connect schema.
    pub fn new(
        field: &Field,
        column: &ArrayRef,
        decimal_format: DecimalFormat,
        replace_null_with_default: bool,
    ) -> Result<Self, ConvertError> {
        Ok(Self(Encoder::new(field, column, WriteOptions { decimal_format, replace_null_with_default })?))
    }

    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// Appends row `row`.
    ///
    /// # Errors
    /// A null where the schema is required and has no default.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        self.0.write(row, out)
    }
}
