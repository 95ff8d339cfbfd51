//! Columns as formats write them: whatever Arrow type holds a value, one form of it.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::ScalarBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, TimeUnit};

/// Any column of integers, or of a logical type over them, as Connect's integers: temporal ones in milliseconds or days.
///
/// # Errors
/// The column holds no integers.
pub fn integers(column: &ArrayRef) -> Result<ScalarBuffer<i64>, ArrowError> {
    let per_ms = match column.data_type() {
        DataType::Timestamp(unit, _) | DataType::Time64(unit) | DataType::Time32(unit) => Some(*unit),
        _ => None,
    };
    let column = match column.data_type() {
        DataType::Date32 | DataType::Time32(_) => to_type(column, &DataType::Int32)?,
        _ => column.clone(),
    };
    let column = to_type(&column, &DataType::Int64)?;
    let values = column.as_primitive::<Int64Type>();
    Ok(match per_ms {
        Some(TimeUnit::Second) => values.unary::<_, Int64Type>(|value| value.saturating_mul(1000)).values().clone(),
        Some(TimeUnit::Microsecond) => values.unary::<_, Int64Type>(|value| value.div_euclid(1000)).values().clone(),
        Some(TimeUnit::Nanosecond) => {
            values.unary::<_, Int64Type>(|value| value.div_euclid(1_000_000)).values().clone()
        }
        _ => values.values().clone(),
    })
}

/// The column, cast where it is of another type.
///
/// # Errors
/// The cast does not exist.
pub fn to_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == data_type { Ok(column.clone()) } else { cast(column, data_type) }
}
