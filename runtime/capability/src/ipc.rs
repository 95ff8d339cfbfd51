//! Batches as Arrow IPC streams.

use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use sluice_data::batch::{KEY, ROW_ID, VALUE};
use sluice_data::{ConnectBatch, ConnectSchema};
use std::sync::Arc;

/// The whole batch, row ids included.
///
/// # Errors
/// Rejected `batch.ipc` when Arrow cannot encode it.
pub fn encode(batch: &ConnectBatch) -> Result<Vec<u8>, Error> {
    let mut writer = StreamWriter::try_new(Vec::with_capacity(batch.size_bytes() + 1024), batch.records().schema_ref())
        .map_err(|error| refused(&error))?;
    writer.write(batch.records()).map_err(|error| refused(&error))?;
    writer.into_inner().map_err(|error| refused(&error))
}

/// Rows of a guest's stream. Lengths in it are not believed: nothing is allocated for bytes that are not there.
///
/// # Errors
/// Rejected `batch.ipc` for a stream that is damaged or holds types that the record model does not have.
pub fn decode(topic: &str, ipc: Vec<u8>) -> Result<ConnectBatch, Error> {
    let records = decode_records(ipc).map_err(|error| refused(&error))?;
    let schema = records.schema_ref();
    let is_batch = schema.column_with_name(KEY).is_some() && schema.column_with_name(VALUE).is_some();
    let batch = if is_batch { with_every_column(topic, records) } else { as_struct(topic, records) };
    let batch = batch.map_err(|error| refused(&error))?;
    for field in [batch.key_field(), batch.value_field()] {
        ConnectSchema::from_field(field).map_err(|error| CapabilityError::rejected("batch.ipc", error.to_string()))?;
    }
    if batch.row_ids().null_count() > 0 {
        return Err(CapabilityError::rejected("batch.ipc", "the column row_id has null values"));
    }
    Ok(batch)
}

fn decode_records(ipc: Vec<u8>) -> Result<RecordBatch, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut buffer = Buffer::from_vec(ipc);
    let mut batches = Vec::new();
    while !buffer.is_empty() {
        match decoder.decode(&mut buffer)? {
            Some(batch) => batches.push(batch),
            None => break,
        }
    }
    let schema = decoder.schema().ok_or_else(|| ArrowError::IpcError("the stream has no schema".into()))?;
    decoder.finish()?;
    match batches.as_slice() {
        [one] => Ok(one.clone()),
        many => arrow_select::concat::concat_batches(&schema, many),
    }
}

/// Row ids and timestamps may be left out: they take the defaults of the record model.
fn with_every_column(topic: &str, records: RecordBatch) -> Result<ConnectBatch, ArrowError> {
    let schema = records.schema();
    let (value, field) = column(&records, VALUE)?;
    let (key, key_field) = column(&records, KEY)?;
    let defaults = ConnectBatch::builder(topic, &field, value).key(&key_field, key);
    let defaults = defaults.build().map_err(|error| ArrowError::SchemaError(error.to_string()))?;
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let mut columns = records.columns().to_vec();
    for (field, column) in defaults.records().schema_ref().fields().iter().zip(defaults.records().columns()) {
        if schema.column_with_name(field.name()).is_none() {
            fields.push(field.clone());
            columns.push(column.clone());
        }
    }
    let records = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    ConnectBatch::try_new(topic, records).map_err(|error| ArrowError::SchemaError(error.to_string()))
}

fn as_struct(topic: &str, records: RecordBatch) -> Result<ConnectBatch, ArrowError> {
    let schema = records.schema();
    let kept = schema.fields().iter().zip(records.columns()).filter(|(field, _)| field.name() != ROW_ID);
    let (fields, columns): (Vec<_>, Vec<_>) = kept.map(|(field, column)| (field.clone(), column.clone())).unzip();
    let fields = Fields::from(fields);
    let rows: ArrayRef = Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, records.num_rows())?);
    let field = Field::new(VALUE, DataType::Struct(fields), false);
    let batch = ConnectBatch::builder(topic, &field, rows).build();
    let batch = batch.map_err(|error| ArrowError::SchemaError(error.to_string()))?;
    let Ok((ids, id_field)) = column(&records, ROW_ID) else { return Ok(batch) };
    batch.with_column(ROW_ID, &id_field, ids).map_err(|error| ArrowError::SchemaError(error.to_string()))
}

fn column(records: &RecordBatch, name: &str) -> Result<(ArrayRef, Field), ArrowError> {
    let (index, field) = records
        .schema_ref()
        .column_with_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("column {name:?} is missing")))?;
    Ok((records.column(index).clone(), field.clone()))
}

fn refused(error: &ArrowError) -> Error {
    CapabilityError::rejected("batch.ipc", error.to_string())
}
