//! The resource `batch`.

use super::guarded;
use crate::bindings::batches::{self, Column, Group, NamedColumn};
use crate::bindings::errors::Error;
use crate::cast::{TextAsBytes, cast_column};
use crate::column::{from_guest, to_guest};
use crate::error::{CapabilityError, HostResult};
use crate::extreme::{Extreme, extreme};
use crate::path::resolve;
use crate::state::{Batch, GuestState};
use crate::{group, ipc, parse_json, structs};
use arrow_array::{BooleanArray, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::Field;
use serde_json::{Value, json};
use sluice_data::batch::{KEY, VALUE};
use sluice_data::{BatchError, ConnectBatch, ConnectSchema};
use wasmtime::component::Resource;

/// No single operation makes a larger batch: Arrow's offsets end at 2 GiB, and a guest must not multiply what it was given.
const BATCH_BYTES_MAX: u64 = 1 << 30;

type HostBatch = Resource<Batch>;

impl GuestState {
    /// The batch behind a handle. Cloning copies no data.
    ///
    /// # Errors
    /// A handle that is none: a trap.
    pub fn batch(&mut self, handle: &HostBatch) -> wasmtime::Result<ConnectBatch> {
        Ok(self.entered_host().get(handle)?.0.clone())
    }

    /// A new handle for the guest.
    ///
    /// # Errors
    /// When the guest holds too many.
    pub fn push_batch(&mut self, batch: ConnectBatch) -> wasmtime::Result<HostBatch> {
        Ok(self.entered_host().push(Batch(batch))?)
    }

    fn answer(&mut self, made: Result<ConnectBatch, Error>) -> HostResult<HostBatch> {
        match made {
            Ok(batch) => Ok(Ok(self.push_batch(batch)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl batches::Host for GuestState {}

impl batches::HostBatch for GuestState {
    async fn from_columns(
        &mut self,
        topic: String,
        columns: Vec<NamedColumn>,
        schema: Option<String>,
    ) -> HostResult<HostBatch> {
        self.entered_host();
        let made = guarded("from-columns", || structs::from_columns(&topic, columns, schema.as_deref()));
        self.answer(made)
    }

    async fn from_ipc(&mut self, topic: String, ipc: Vec<u8>) -> HostResult<HostBatch> {
        self.entered_host();
        let made = guarded("from-ipc", || ipc::decode(&topic, ipc));
        self.answer(made)
    }

    async fn concat(&mut self, handles: Vec<HostBatch>) -> HostResult<HostBatch> {
        let batches = handles.iter().map(|handle| self.batch(handle)).collect::<wasmtime::Result<Vec<_>>>()?;
        self.answer(concat(&batches))
    }

    async fn length(&mut self, this: HostBatch) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.batch(&this)?.len()).unwrap_or(u32::MAX))
    }

    async fn size_bytes(&mut self, this: HostBatch) -> wasmtime::Result<u64> {
        Ok(self.batch(&this)?.size_bytes() as u64)
    }

    async fn topic(&mut self, this: HostBatch) -> wasmtime::Result<String> {
        Ok(self.batch(&this)?.topic().to_string())
    }

    async fn with_topic(&mut self, this: HostBatch, topic: String) -> wasmtime::Result<HostBatch> {
        let batch = self.batch(&this)?.with_topic(topic);
        self.push_batch(batch)
    }

    async fn schema(&mut self, this: HostBatch) -> wasmtime::Result<String> {
        let batch = self.batch(&this)?;
        Ok(json!({ "key": schema_json(batch.key_field()), "value": schema_json(batch.value_field()) }).to_string())
    }

    async fn tombstones(&mut self, this: HostBatch) -> wasmtime::Result<u32> {
        let batch = self.batch(&this)?;
        Ok(tombstone_mask(&batch).count_set_bits() as u32)
    }

    async fn split_tombstones(&mut self, this: HostBatch) -> wasmtime::Result<(HostBatch, HostBatch)> {
        let batch = self.batch(&this)?;
        let mask = tombstone_mask(&batch);
        let (tombstones, rest) = match mask.count_set_bits() {
            0 => (batch.slice(0, 0), batch),
            all if all == batch.len() => (batch.clone(), batch.slice(0, 0)),
            _ => {
                let rest = batch.filter(&BooleanArray::new(!&mask, None))?;
                (batch.filter(&BooleanArray::new(mask, None))?, rest)
            }
        };
        Ok((self.push_batch(tombstones)?, self.push_batch(rest)?))
    }

    async fn select(&mut self, this: HostBatch, fields: Vec<(String, String)>) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        self.answer(structs::select(&batch, &fields))
    }

    async fn slice(&mut self, this: HostBatch, offset: u32, length: u32) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        let (offset, length) = (offset as usize, length as usize);
        let made = if offset.checked_add(length).is_some_and(|end| end <= batch.len()) {
            Ok(batch.slice(offset, length))
        } else {
            Err(out_of_bounds(format!("rows {offset} to {} are", offset + length), &batch))
        };
        self.answer(made)
    }

    async fn take(&mut self, this: HostBatch, rows: Vec<u32>) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        self.answer(take(&batch, rows))
    }

    async fn filter(&mut self, this: HostBatch, keep: Vec<u8>) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        let made = if keep.len() == batch.len() {
            let keep = BooleanBuffer::collect_bool(keep.len(), |row| keep[row] != 0);
            batch.filter(&BooleanArray::new(keep, None)).map_err(|error| refused("batch.filter", &error))
        } else {
            let message = format!("{} bytes of keep for {} rows", keep.len(), batch.len());
            Err(CapabilityError::rejected("batch.filter", message))
        };
        self.answer(made)
    }

    async fn partition_by(&mut self, this: HostBatch, columns: Vec<String>) -> HostResult<Vec<Group>> {
        let batch = self.batch(&this)?;
        let groups = match guarded("partition-by", || group::partition_by(&batch, &columns)) {
            Ok(groups) => groups,
            Err(error) => return Ok(Err(error)),
        };
        let groups = groups.into_iter().map(|group| Ok(Group { key: group.key, rows: self.push_batch(group.rows)? }));
        groups.collect::<wasmtime::Result<_>>().map(Ok)
    }

    async fn key_from(&mut self, this: HostBatch, path: String) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        let made = resolve(&batch, &path).and_then(|(field, column)| {
            let field = Field::clone(&field).with_nullable(field.is_nullable() || column.null_count() > 0);
            batch.with_column(KEY, &field, column).map_err(|error| refused("batch.key-from", &error))
        });
        self.answer(made)
    }

    async fn cast(&mut self, this: HostBatch, schema: String) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        self.answer(guarded("cast", || cast(&batch, &schema)))
    }

    async fn parse_json(&mut self, this: HostBatch, schema: String) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        let made = guarded("parse-json", || parse_json::parse_json(&batch, &structs::field_of(&schema, VALUE)?));
        self.answer(made)
    }

    async fn with_field(&mut self, this: HostBatch, name: String, column: Column) -> HostResult<HostBatch> {
        let batch = self.batch(&this)?;
        let made = from_guest(&name, column).and_then(|column| structs::with_field(&batch, &name, column));
        self.answer(made)
    }

    async fn min(&mut self, this: HostBatch, path: String) -> HostResult<Option<String>> {
        let batch = self.batch(&this)?;
        Ok(guarded("min", || extreme(&batch, &path, Extreme::Min)))
    }

    async fn max(&mut self, this: HostBatch, path: String) -> HostResult<Option<String>> {
        let batch = self.batch(&this)?;
        Ok(guarded("max", || extreme(&batch, &path, Extreme::Max)))
    }

    async fn last(&mut self, this: HostBatch, path: String) -> HostResult<Option<String>> {
        let batch = self.batch(&this)?;
        Ok(guarded("last", || extreme(&batch, &path, Extreme::Last)))
    }

    async fn column(&mut self, this: HostBatch, path: String) -> HostResult<Column> {
        let batch = self.batch(&this)?;
        Ok(guarded("column", || resolve(&batch, &path).and_then(|(field, column)| to_guest(&field, &column))))
    }

    async fn to_ipc(&mut self, this: HostBatch) -> HostResult<Vec<u8>> {
        let batch = self.batch(&this)?;
        Ok(guarded("to-ipc", || ipc::encode(&batch)))
    }

    async fn drop(&mut self, this: HostBatch) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}

fn schema_json(field: &Field) -> Value {
    ConnectSchema::from_field(field).ok().flatten().map_or(Value::Null, |schema| schema.to_json())
}

fn tombstone_mask(batch: &ConnectBatch) -> BooleanBuffer {
    BooleanBuffer::collect_bool(batch.len(), |row| batch.is_tombstone(row))
}

fn concat(batches: &[ConnectBatch]) -> Result<ConnectBatch, Error> {
    let wrong = |message: String| CapabilityError::rejected("batch.concat", message);
    let first = batches.first().ok_or_else(|| wrong("there are no batches to join".into()))?;
    let bytes: u64 = batches.iter().map(|batch| batch.size_bytes() as u64).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(wrong(format!("{bytes} bytes are more than the {BATCH_BYTES_MAX} of one batch")));
    }
    for batch in batches {
        if batch.topic() != first.topic() {
            return Err(wrong(format!("topics {:?} and {:?} do not make one batch", first.topic(), batch.topic())));
        }
        if batch.records().schema_ref() != first.records().schema_ref() {
            return Err(wrong(format!("batches of topic {:?} have different schemas: cast them first", first.topic())));
        }
    }
    ConnectBatch::concat(batches).map_err(|error| refused("batch.concat", &error))
}

fn take(batch: &ConnectBatch, rows: Vec<u32>) -> Result<ConnectBatch, Error> {
    if let Some(row) = rows.iter().find(|row| **row as usize >= batch.len()) {
        return Err(out_of_bounds(format!("row {row} is"), batch));
    }
    // Rows that are named again and again could make any amount of data from a small batch.
    let bytes_at_most = (batch.size_bytes() as u64).saturating_mul(rows.len() as u64);
    if bytes_at_most > BATCH_BYTES_MAX && has_duplicates(&rows, batch.len()) {
        let message = "so large a batch can be taken from only without naming a row twice";
        return Err(CapabilityError::rejected("batch.take", message));
    }
    batch.take(&UInt32Array::from(rows)).map_err(|error| refused("batch.take", &error))
}

fn has_duplicates(rows: &[u32], length: usize) -> bool {
    let mut seen = vec![false; length];
    rows.iter().any(|row| std::mem::replace(&mut seen[*row as usize], true))
}

/// `{"key": S, "value": S}`; what is null or missing stays as it is.
fn cast(batch: &ConnectBatch, schema: &str) -> Result<ConnectBatch, Error> {
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| CapabilityError::rejected("batch.schema", format!("the schema is not JSON: {error}")))?;
    let mut made = batch.clone();
    for name in [KEY, VALUE] {
        let Some(wanted) = schema.get(name).filter(|wanted| !wanted.is_null()) else { continue };
        let wanted = structs::field_of_json(wanted, name)?;
        let (field, column) = resolve(batch, name)?;
        let column = cast_column(&column, &field, &wanted, TextAsBytes::Utf8)?;
        made = made.with_column(name, &wanted, column).map_err(|error| refused("batch.cast", &error))?;
    }
    Ok(made)
}

fn out_of_bounds(what: String, batch: &ConnectBatch) -> Error {
    let message = format!("{what} outside of the batch's {} rows", batch.len());
    CapabilityError::rejected("batch.out-of-bounds", message)
}

fn refused(code: &str, error: &BatchError) -> Error {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    CapabilityError::rejected(code, format!("{error}{source}"))
}
