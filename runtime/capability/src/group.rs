//! Groups of rows that share the values of some columns.

use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::path::resolve;
use crate::text::write_value;
use crate::view::View;
use arrow_array::{ArrayRef, UInt32Array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, Field};
use sluice_data::ConnectBatch;
use std::collections::HashMap;

/// More columns than anybody groups by; each costs a rendering of every row.
const COLUMNS_MAX: usize = 32;

pub struct Group {
    pub key: Vec<Option<String>>,
    pub rows: ConnectBatch,
}

/// Groups and their rows keep the order of first appearance. Numbers, text and booleans appear as `toString` has them,
/// dates and times as ISO 8601.
///
/// # Errors
/// Rejected `batch.no-column`, `batch.partition-by`.
pub fn partition_by(batch: &ConnectBatch, columns: &[String]) -> Result<Vec<Group>, Error> {
    if columns.len() > COLUMNS_MAX {
        let message = format!("{} columns are more than the {COLUMNS_MAX} that rows can be grouped by", columns.len());
        return Err(CapabilityError::rejected("batch.partition-by", message));
    }
    let resolved = columns.iter().map(|path| resolve(batch, path)).collect::<Result<Vec<_>, _>>()?;
    let texts = resolved.iter().map(|(field, array)| ColumnText::new(field, array));
    let texts = texts.collect::<Result<Vec<_>, _>>().map_err(|error| refused(&error))?;
    let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Option<String>>, Vec<u32>)> = Vec::new();
    let mut scratch = Vec::new();
    for row in 0..batch.len() {
        scratch.clear();
        for text in &texts {
            text.append(&mut scratch, row).map_err(|error| refused(&error))?;
        }
        let number = match numbers.get(&scratch) {
            Some(number) => *number,
            None => {
                let key = texts.iter().map(|text| text.key(row)).collect::<Result<_, _>>();
                groups.push((key.map_err(|error| refused(&error))?, Vec::new()));
                numbers.insert(scratch.clone(), groups.len() - 1);
                groups.len() - 1
            }
        };
        groups[number].1.push(row as u32);
    }
    let cut = groups.into_iter().map(|(key, rows)| Ok(Group { key, rows: rows_of(batch, rows)? }));
    cut.collect()
}

/// Neighbours are a slice of the batch; scattered rows are copied.
fn rows_of(batch: &ConnectBatch, rows: Vec<u32>) -> Result<ConnectBatch, Error> {
    let (first, last) = (rows[0] as usize, rows[rows.len() - 1] as usize);
    if last - first + 1 == rows.len() {
        return Ok(batch.slice(first, rows.len()));
    }
    batch
        .take(&UInt32Array::from(rows))
        .map_err(|error| CapabilityError::rejected("batch.partition-by", error.to_string()))
}

enum ColumnText<'a> {
    Plain(View),
    Temporal(View, ArrayFormatter<'a>),
}

impl<'a> ColumnText<'a> {
    fn new(field: &Field, array: &'a ArrayRef) -> Result<Self, ArrowError> {
        let view = View::new(field, array)?;
        if array.data_type().is_temporal() {
            const OPTIONS: &FormatOptions<'static> = &FormatOptions::new();
            return Ok(Self::Temporal(view, ArrayFormatter::try_new(array.as_ref(), OPTIONS)?));
        }
        Ok(Self::Plain(view))
    }

    /// Something that is equal for equal values only.
    fn append(&self, out: &mut Vec<u8>, row: usize) -> Result<(), ArrowError> {
        let Some(text) = self.key(row)? else {
            out.push(0);
            return Ok(());
        };
        out.push(1);
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn key(&self, row: usize) -> Result<Option<String>, ArrowError> {
        match self {
            Self::Plain(view) | Self::Temporal(view, _) if view.is_null(row) => Ok(None),
            Self::Temporal(_, formatter) => formatter.value(row).try_to_string().map(Some),
            Self::Plain(view) => {
                let mut text = Vec::new();
                write_value(&mut text, view, row);
                Ok(Some(String::from_utf8_lossy(&text).into_owned()))
            }
        }
    }
}

fn refused(error: &ArrowError) -> Error {
    CapabilityError::rejected("batch.partition-by", error.to_string())
}
