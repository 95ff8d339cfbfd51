//! Smallest, largest and last value of a column, as JSON.

use crate::bindings::errors::Error;
use crate::error::CapabilityError;
use crate::json::{DecimalFormat, write_value};
use crate::path::resolve;
use crate::view::View;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_ord::ord::make_comparator;
use arrow_schema::{ArrowError, DataType, Field, SortOptions, TimeUnit};
use sluice_data::ConnectBatch;
use sluice_data::schema::decimal_scale;
use std::cmp::Ordering;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    Min,
    Max,
    Last,
}

/// `None` when there is no row, or no value. Timestamps are microseconds since the epoch, decimals their text in quotes.
///
/// # Errors
/// Rejected `batch.no-column`, or `batch.compare` for a type without an order.
pub fn extreme(batch: &ConnectBatch, path: &str, which: Extreme) -> Result<Option<String>, Error> {
    let (field, array) = resolve(batch, path)?;
    let row = match which {
        Extreme::Last => array.len().checked_sub(1).filter(|row| !array.is_null(*row)),
        Extreme::Min => best_row(&field, &array, Ordering::Less).map_err(|error| refused(&error))?,
        Extreme::Max => best_row(&field, &array, Ordering::Greater).map_err(|error| refused(&error))?,
    };
    row.filter(|_| array.data_type() != &DataType::Null)
        .map(|row| value_json(&field, &array.slice(row, 1)).map_err(|error| refused(&error)))
        .transpose()
}

fn best_row(field: &Field, array: &ArrayRef, wanted: Ordering) -> Result<Option<usize>, ArrowError> {
    let ordered = match decimal_scale(field) {
        // Two's complement bytes have no order of their own.
        Some(scale) => {
            let scale = i8::try_from(scale).map_err(|error| ArrowError::CastError(error.to_string()))?;
            let text: ArrayRef = Arc::new(crate::column::rendered(&View::new(field, array)?, array.len()));
            cast(&text, &DataType::Decimal256(76, scale))?
        }
        None => array.clone(),
    };
    let compare = make_comparator(&ordered, &ordered, SortOptions::default())?;
    let rows = (0..array.len()).filter(|row| !array.is_null(*row));
    Ok(rows.reduce(|best, row| if compare(row, best) == wanted { row } else { best }))
}

fn value_json(field: &Field, value: &ArrayRef) -> Result<String, ArrowError> {
    if matches!(value.data_type(), DataType::Timestamp(..)) {
        let micros = cast(value, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>();
        return Ok(micros.value(0).to_string());
    }
    let view = View::new(field, value)?;
    if let View::Decimal(decimals) = &view {
        return Ok(format!("\"{}\"", decimals.text(0)));
    }
    let mut json = Vec::new();
    write_value(&mut json, &view, 0, DecimalFormat::Numeric);
    Ok(String::from_utf8(json).expect("JSON is UTF-8"))
}

fn refused(error: &ArrowError) -> Error {
    CapabilityError::rejected("batch.compare", error.to_string())
}
