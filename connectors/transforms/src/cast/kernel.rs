//! Numbers to numbers and booleans, a whole column at a time. Everything else goes value by value.

use crate::smt::{SmtResult, refused};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::BooleanBuffer;
use arrow_cast::cast;
use arrow_schema::DataType;
use std::sync::Arc;

/// `None` when the column or the target is no plain number. Java's narrowing: integers lose their high bits, floats saturate at
/// int or long first.
pub fn cast_numbers(column: &ArrayRef, target: &DataType) -> SmtResult<Option<ArrayRef>> {
    Ok(match column.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let wide = cast(column, &DataType::Int64).map_err(refused)?;
            of_long(wide.as_primitive(), target)
        }
        DataType::Float32 | DataType::Float64 => {
            let wide = cast(column, &DataType::Float64).map_err(refused)?;
            of_double(wide.as_primitive(), target)
        }
        _ => None,
    })
}

fn of_long(values: &PrimitiveArray<Int64Type>, target: &DataType) -> Option<ArrayRef> {
    Some(match target {
        DataType::Int8 => Arc::new(values.unary::<_, Int8Type>(|value| value as i8)),
        DataType::Int16 => Arc::new(values.unary::<_, Int16Type>(|value| value as i16)),
        DataType::Int32 => Arc::new(values.unary::<_, Int32Type>(|value| value as i32)),
        DataType::Int64 => Arc::new(values.clone()),
        DataType::Float32 => Arc::new(values.unary::<_, Float32Type>(|value| value as f32)),
        DataType::Float64 => Arc::new(values.unary::<_, Float64Type>(|value| value as f64)),
        DataType::Boolean => {
            let is_set = BooleanBuffer::collect_bool(values.len(), |row| values.values()[row] != 0);
            Arc::new(BooleanArray::new(is_set, values.nulls().cloned()))
        }
        _ => return None,
    })
}

fn of_double(values: &PrimitiveArray<Float64Type>, target: &DataType) -> Option<ArrayRef> {
    Some(match target {
        DataType::Int8 => Arc::new(values.unary::<_, Int8Type>(|value| value as i32 as i8)),
        DataType::Int16 => Arc::new(values.unary::<_, Int16Type>(|value| value as i32 as i16)),
        DataType::Int32 => Arc::new(values.unary::<_, Int32Type>(|value| value as i32)),
        DataType::Int64 => Arc::new(values.unary::<_, Int64Type>(|value| value as i64)),
        DataType::Float32 => Arc::new(values.unary::<_, Float32Type>(|value| value as f32)),
        DataType::Float64 => Arc::new(values.clone()),
        DataType::Boolean => {
            let is_set = BooleanBuffer::collect_bool(values.len(), |row| values.values()[row] as i64 != 0);
            Arc::new(BooleanArray::new(is_set, values.nulls().cloned()))
        }
        _ => return None,
    })
}
