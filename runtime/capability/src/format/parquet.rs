//! The format `parquet`: the fields of a struct value become the columns, anything else is one column `value`.

use super::{Options, wrong_option};
use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::state::{BatchEncoder, ByteSink};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use sluice_data::ConnectBatch;
use sluice_data::batch::{KEY, OFFSET, PARTITION, TIMESTAMP, VALUE};
use sluice_data::schema::decimal_scale;
use std::sync::Arc;

/// Rows go to the encoder in pieces of exactly this many: page ends must not depend on how the rows came in.
const PIECE_ROWS: usize = 8192;
/// A row group that holds this much memory is written: many open files stay affordable.
const ROW_GROUP_BYTES: usize = 16 << 20;
const ROW_GROUP_ROWS: usize = 1 << 20;
/// What the footer names as the writer; no version, so that an upgrade rewrites an object with the same bytes.
const CREATED_BY: &str = "sluice";

/// Encodes into row groups.
pub struct ParquetEncoder {
    properties: WriterProperties,
    row_group_bytes: usize,
    metadata_columns: Vec<String>,
    /// Made by the first batch: the schema is not known before.
    writer: Option<Open>,
    output: Box<dyn ByteSink>,
}

struct Open {
    schema: SchemaRef,
    encoder: ArrowWriter<Vec<u8>>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
}

impl ParquetEncoder {
    /// Options: `codec` (snappy by default, zstd, none), `row-group-rows`, `row-group-bytes`, `metadata-columns` (some of
    /// partition, offset, timestamp, key: added as `_partition`, …).
    ///
    /// # Errors
    /// Fatal `writer.option`.
    pub fn open(options: &mut Options, output: Box<dyn ByteSink>) -> Result<Self, Error> {
        let codec = options.take("codec").unwrap_or_else(|| "snappy".into());
        let compression = match codec.as_str() {
            "snappy" => Compression::SNAPPY,
            "zstd" => Compression::ZSTD(ZstdLevel::default()),
            "none" | "uncompressed" => Compression::UNCOMPRESSED,
            _ => return Err(wrong_option("codec", &codec, "snappy, zstd or none")),
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by(CREATED_BY.to_owned())
            .set_max_row_group_row_count(Some(options.take_number("row-group-rows")?.unwrap_or(ROW_GROUP_ROWS)))
            .build();
        let row_group_bytes = options.take_number("row-group-bytes")?.unwrap_or(ROW_GROUP_BYTES);
        let metadata_columns = metadata_columns(options.take("metadata-columns").as_deref())?;
        Ok(Self { properties, row_group_bytes, metadata_columns, writer: None, output })
    }

    fn writer_for(&mut self, schema: &SchemaRef) -> Result<&mut Open, Error> {
        if self.writer.is_none() {
            // The Arrow schema would bring a hash map's random order into the footer.
            let options =
                ArrowWriterOptions::new().with_properties(self.properties.clone()).with_skip_arrow_metadata(true);
            let encoder = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options);
            let encoder = encoder.map_err(|error| refused(&error))?;
            self.writer = Some(Open { schema: schema.clone(), encoder, pending: Vec::new(), pending_rows: 0 });
        }
        let open = self.writer.as_mut().expect("made above");
        if open.schema != *schema {
            let message = "the schema changed within one file: begin a new one";
            return Err(CapabilityError::rejected("writer.schema-changed", message));
        }
        Ok(open)
    }
}

#[async_trait::async_trait]
impl BatchEncoder for ParquetEncoder {
    async fn write(&mut self, batch: &ConnectBatch) -> Result<(), Error> {
        let rows = rows_of(batch, &self.metadata_columns)?;
        let row_group_bytes = self.row_group_bytes;
        let mut begin = 0;
        while begin < rows.num_rows() {
            let open = self.writer_for(rows.schema_ref())?;
            let take = (PIECE_ROWS - open.pending_rows).min(rows.num_rows() - begin);
            open.pending.push(rows.slice(begin, take));
            open.pending_rows += take;
            begin += take;
            if open.pending_rows == PIECE_ROWS {
                let written = open.write_pending(row_group_bytes).map_err(|error| refused(&error))?;
                if !written.is_empty() {
                    self.output.write(written.into()).await?;
                }
            }
        }
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        let buffered =
            self.writer.as_ref().map_or(0, |open| open.encoder.in_progress_size() + open.encoder.inner().len());
        self.output.size_bytes() + buffered as u64
    }

    async fn finish(mut self: Box<Self>) -> Result<String, Error> {
        let Some(open) = self.writer.take() else {
            return Err(CapabilityError::rejected("writer.empty", "a parquet file without a row has no schema"));
        };
        let row_group_bytes = self.row_group_bytes;
        let rest = open.close(row_group_bytes).map_err(|error| refused(&error))?;
        self.output.write(rest.into()).await?;
        self.output.finish().await
    }
}

impl Open {
    /// Encodes the pending rows; the answer is what became ready for the output.
    fn write_pending(&mut self, row_group_bytes: usize) -> Result<Vec<u8>, ParquetError> {
        if self.pending_rows > 0 {
            let pending = std::mem::take(&mut self.pending);
            let piece = match pending.as_slice() {
                [one] => one.clone(),
                many => arrow_select::concat::concat_batches(&self.schema, many)?,
            };
            self.pending_rows = 0;
            self.encoder.write(&piece)?;
        }
        if self.encoder.memory_size() >= row_group_bytes {
            self.encoder.flush()?;
        }
        Ok(std::mem::take(self.encoder.inner_mut()))
    }

    fn close(mut self, row_group_bytes: usize) -> Result<Vec<u8>, ParquetError> {
        let mut bytes = self.write_pending(row_group_bytes)?;
        bytes.append(&mut self.encoder.into_inner()?);
        Ok(bytes)
    }
}

/// The columns of the file.
fn rows_of(batch: &ConnectBatch, metadata_columns: &[String]) -> Result<RecordBatch, Error> {
    let (mut fields, mut columns) = value_columns(batch)?;
    for name in metadata_columns {
        let (field, column) = metadata_column(batch, name)?;
        fields.push(field);
        columns.push(column);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.len()));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|error| CapabilityError::rejected("writer.type", error.to_string()))
}

fn value_columns(batch: &ConnectBatch) -> Result<(Vec<Field>, Vec<ArrayRef>), Error> {
    let (field, value) = (batch.value_field(), batch.value());
    if !matches!(field.data_type(), DataType::Struct(_)) {
        let (field, column) = plain(&field.as_ref().clone().with_name(VALUE), value)?;
        return Ok((vec![field], vec![column]));
    }
    if value.null_count() > 0 {
        let message = format!("topic {:?} has a record without a value, which parquet has no row for", batch.topic());
        return Err(CapabilityError::rejected("writer.null-value", message));
    }
    let DataType::Struct(fields) = field.data_type() else { unreachable!("checked above") };
    let pairs = fields.iter().zip(value.as_struct().columns()).map(|(field, column)| plain(field, column));
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    Ok(pairs.into_iter().unzip())
}

fn metadata_column(batch: &ConnectBatch, name: &str) -> Result<(Field, ArrayRef), Error> {
    let prefixed = format!("_{name}");
    match crate::path::resolve(batch, name) {
        Ok((field, column)) => plain(&Field::clone(&field).with_name(prefixed), &column),
        Err(_) => {
            let data_type = if name == PARTITION { DataType::Int32 } else { DataType::Int64 };
            let column = arrow_array::new_null_array(&data_type, batch.len());
            Ok((Field::new(prefixed, data_type, true), column))
        }
    }
}

/// Without the record model's own metadata; decimals without precision get parquet's largest that Arrow has.
fn plain(field: &Field, column: &ArrayRef) -> Result<(Field, ArrayRef), Error> {
    let wanted = plain_field(field);
    let column = crate::cast::cast_column(column, field, &wanted, crate::cast::TextAsBytes::Utf8)?;
    Ok((wanted, column))
}

fn plain_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Binary => match decimal_scale(field).and_then(|scale| i8::try_from(scale).ok()) {
            Some(scale) => DataType::Decimal128(38, scale),
            None => DataType::Binary,
        },
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| plain_field(field)).collect::<Fields>()),
        DataType::List(item) => DataType::List(Arc::new(plain_field(item))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(plain_field(entries)), *sorted),
        other => other.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable())
}

fn metadata_columns(list: Option<&str>) -> Result<Vec<String>, Error> {
    let names = list.into_iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| match name {
            PARTITION | OFFSET | TIMESTAMP | KEY => Ok(name.to_owned()),
            _ => Err(wrong_option("metadata-columns", name, "some of partition, offset, timestamp, key")),
        })
        .collect()
}

fn refused(error: &ParquetError) -> Error {
    CapabilityError::rejected("writer.parquet", error.to_string())
}
