//! JSON text into typed columns of a Connect schema.

use crate::bindings::errors::Error;
use crate::cast::{TextAsBytes, cast_column};
use crate::error::CapabilityError;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field};
use sluice_data::ConnectBatch;
use std::sync::Arc;

/// Parses the value, JSON text, into `wanted`. Members that `wanted` does not have are left out, missing optional ones are null;
/// bytes are base64; decimals numbers or their text; dates, times and timestamps Connect's integers or ISO 8601 text.
///
/// # Errors
/// Rejected `batch.parse-json`, with `row:<id>` of the first row that does not fit.
pub fn parse_json(batch: &ConnectBatch, wanted: &Field) -> Result<ConnectBatch, Error> {
    let text = match batch.value().data_type() {
        DataType::Utf8 => batch.value().as_string::<i32>(),
        other => {
            let message = format!("the value of topic {:?} is {other}, not JSON text", batch.topic());
            return Err(CapabilityError::rejected("batch.parse-json", message));
        }
    };
    let wire = Arc::new(wire_field(wanted).with_nullable(wanted.is_nullable() || text.null_count() > 0));
    let parsed = decode(&wire, text, 0..text.len()).map_err(|(row, error)| {
        let row = row.or_else(|| first_refused(&wire, text)).unwrap_or(0);
        let id = batch.row_ids().value(row);
        CapabilityError::rejected("batch.parse-json", format!("row:{id} does not fit the schema: {error}"))
    })?;
    let target = wanted.clone().with_nullable(wire.is_nullable());
    let values = cast_column(&parsed, &wire, &target, TextAsBytes::Base64)?;
    batch
        .with_column(sluice_data::batch::VALUE, &target, values)
        .map_err(|error| CapabilityError::rejected("batch.parse-json", error.to_string()))
}

/// The error and, when it is known, its row.
type Refused = (Option<usize>, ArrowError);

fn decode(wire: &Arc<Field>, text: &StringArray, rows: std::ops::Range<usize>) -> Result<ArrayRef, Refused> {
    let builder =
        ReaderBuilder::new_with_field(wire.clone()).with_coerce_primitive(true).with_batch_size(rows.len().max(1));
    let mut decoder = builder.build_decoder().map_err(|error| (None, error))?;
    for (fed, row) in rows.clone().enumerate() {
        let line = if text.is_null(row) { "null" } else { text.value(row) };
        for bytes in [line.as_bytes(), b"\n"] {
            let read = decoder.decode(bytes).map_err(|error| (Some(row), error))?;
            if read != bytes.len() && !bytes[read..].iter().all(u8::is_ascii_whitespace) {
                return Err((Some(row), ArrowError::JsonError("there is more than one value".into())));
            }
        }
        if decoder.has_partial_record() || decoder.len() != fed + 1 {
            let problem =
                if decoder.len() > fed + 1 { "there is more than one value" } else { "the text ends too early" };
            return Err((Some(row), ArrowError::JsonError(problem.into())));
        }
    }
    let batch = decoder.flush().map_err(|error| (None, error))?;
    Ok(batch.map_or_else(|| arrow_array::new_empty_array(wire.data_type()), |batch| batch.column(0).clone()))
}

/// Types are checked for all rows at once and the message names none: ask row by row.
fn first_refused(wire: &Arc<Field>, text: &StringArray) -> Option<usize> {
    (0..text.len()).find(|row| decode(wire, text, *row..row + 1).is_err())
}

/// What the JSON reader gives where it has no form of its own: bytes and decimals without precision arrive as text.
fn wire_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Binary => return Field::new(field.name(), DataType::Utf8, field.is_nullable()),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| wire_field(field)).collect()),
        DataType::List(item) => DataType::List(Arc::new(wire_field(item))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(wire_field(entries)), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}
