//! Bytes to Connect data and back, by our converters, row by row of one batch.

use crate::datum::Datum;
use crate::outcome::Typed;
use crate::rows::typed;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray};
use arrow_schema::Field;
use serde_json::Value;
use sluice_connect_api::{Converted, Converter};

/// A row's data, or why there is none.
pub type Read = Result<Typed, String>;
/// A row's bytes, or why there are none.
pub type Written = Result<Option<Vec<u8>>, String>;

/// Each row's data, in order. Rows that are bad are found by halves, as the worker does it.
#[must_use]
pub fn read_all(converter: &dyn Converter, bytes: &BinaryArray) -> Vec<Read> {
    match converter.to_connect_data("t", bytes) {
        Ok(groups) => {
            let mut rows: Vec<Read> = vec![Err("the row is in no group".to_owned()); bytes.len()];
            groups.iter().for_each(|group| put(group, bytes, &mut rows));
            rows
        }
        Err(error) if bytes.len() == 1 => vec![Err(error.to_string())],
        Err(_) => {
            let half = bytes.len() / 2;
            let mut rows = read_all(converter, &bytes.slice(0, half));
            rows.extend(read_all(converter, &bytes.slice(half, bytes.len() - half)));
            rows
        }
    }
}

fn put(group: &Converted, bytes: &BinaryArray, rows: &mut [Read]) {
    for index in 0..group.values.len() {
        let row = group.rows.as_ref().map_or(index, |rows| rows[index] as usize);
        let is_tombstone = match &group.tombstones {
            Some(tombstones) => tombstones.value(index),
            None => bytes.is_null(row),
        };
        let nothing = Typed { schema: Value::Null, value: Datum::Null };
        rows[row] = Ok(if is_tombstone { nothing } else { typed(&group.field, &group.values, index) });
    }
}

/// Each row's bytes, in order.
#[must_use]
pub fn write_all(
    converter: &dyn Converter,
    field: &Field,
    values: &ArrayRef,
    tombstones: &BooleanArray,
) -> Vec<Written> {
    match converter.from_connect_data("t", field, values, Some(tombstones)) {
        Ok(bytes) => bytes.iter().map(|bytes| Ok(bytes.map(<[u8]>::to_vec))).collect(),
        Err(error) if values.len() == 1 => vec![Err(error.to_string())],
        Err(_) => {
            let half = values.len() / 2;
            let mut rows = write_all(converter, field, &values.slice(0, half), &tombstones.slice(0, half));
            let rest = values.len() - half;
            rows.extend(write_all(converter, field, &values.slice(half, rest), &tombstones.slice(half, rest)));
            rows
        }
    }
}
