//! Values of one Connect schema as values of another.

use crate::bindings::errors::Error;
use crate::column::rendered;
use crate::error::CapabilityError;
use crate::view::{Decimals, View};
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal256Type;
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray, MapArray, StructArray, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};
use base64::Engine;
use sluice_data::schema::{decimal_scale, is_json};
use std::sync::Arc;

/// What text becomes where bytes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextAsBytes {
    Utf8,
    Base64,
}

/// `array` of `from` as values of `to`: structs by field name, nested values as JSON text where text is wanted.
///
/// # Errors
/// Rejected `batch.cast`, naming the field.
pub fn cast_column(array: &ArrayRef, from: &Field, to: &Field, bytes: TextAsBytes) -> Result<ArrayRef, Error> {
    let cast = convert(array, from, to, bytes).map_err(|error| {
        let (from, to_type) = (from.data_type(), to.data_type());
        CapabilityError::rejected(
            "batch.cast",
            format!("column {:?} cannot become {to_type} from {from}: {error}", to.name()),
        )
    })?;
    if !to.is_nullable() && cast.logical_null_count() > 0 {
        let message = format!("column {:?} has null values, but its schema is not optional", to.name());
        return Err(CapabilityError::rejected("batch.cast", message));
    }
    Ok(cast)
}

fn convert(array: &ArrayRef, from: &Field, to: &Field, bytes: TextAsBytes) -> Result<ArrayRef, ArrowError> {
    let same_extension = decimal_scale(from) == decimal_scale(to) && is_json(from) == is_json(to);
    if array.data_type() == to.data_type() && same_extension {
        return Ok(array.clone());
    }
    match (array.data_type(), to.data_type()) {
        (DataType::Null, wanted) => return Ok(new_null_array(wanted, array.len())),
        (DataType::Struct(_), DataType::Struct(fields)) => return convert_struct(array, fields, bytes),
        (DataType::List(item), DataType::List(wanted)) => {
            let list = array.as_list::<i32>();
            let items = convert(list.values(), item, wanted, bytes)?;
            let list = ListArray::try_new(wanted.clone(), list.offsets().clone(), items, list.nulls().cloned())?;
            return Ok(Arc::new(list));
        }
        (DataType::Map(entries, _), DataType::Map(wanted, sorted)) => {
            return convert_map(array, entries, wanted, *sorted, bytes);
        }
        _ => {}
    }
    if is_json(to) && !is_json(from) {
        return Ok(Arc::new(rendered(&View::new(from, array)?, array.len())));
    }
    if array.data_type().is_nested() && to.data_type() == &DataType::Utf8 {
        return Ok(Arc::new(rendered(&View::new(from, array)?, array.len())));
    }
    if let Some(scale) = decimal_scale(to) {
        return unscaled(array, from, scale);
    }
    if decimal_scale(from).is_some() {
        let text: ArrayRef = Arc::new(rendered(&View::new(from, array)?, array.len()));
        return strict(&text, to.data_type());
    }
    convert_scalar(array, to.data_type(), bytes)
}

fn convert_scalar(array: &ArrayRef, to: &DataType, bytes: TextAsBytes) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), to) {
        (DataType::Utf8, DataType::Binary) if bytes == TextAsBytes::Base64 => base64_column(array),
        // Connect's integers for these are milliseconds, whatever finer unit is kept inside.
        (DataType::Timestamp(_, zone), DataType::Int64) => {
            let millis = strict(array, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
            strict(&millis, to)
        }
        (DataType::Time64(_), DataType::Int32 | DataType::Int64) => {
            let millis = strict(array, &DataType::Time32(TimeUnit::Millisecond))?;
            strict(&strict(&millis, &DataType::Int32)?, to)
        }
        _ => strict(array, to),
    }
}

fn convert_struct(array: &ArrayRef, wanted: &Fields, bytes: TextAsBytes) -> Result<ArrayRef, ArrowError> {
    let parent = array.as_struct();
    let columns = wanted.iter().map(|field| match parent.fields().find(field.name()) {
        Some((index, from)) => convert(parent.column(index), from, field, bytes),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), array.len())),
        None => Err(ArrowError::CastError(format!("the field {:?} is missing", field.name()))),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let nulls = parent.nulls().cloned();
    Ok(Arc::new(StructArray::try_new_with_length(wanted.clone(), columns, nulls, array.len())?))
}

fn convert_map(
    array: &ArrayRef,
    entries: &FieldRef,
    wanted: &FieldRef,
    sorted: bool,
    bytes: TextAsBytes,
) -> Result<ArrayRef, ArrowError> {
    let map = array.as_map();
    let (DataType::Struct(from), DataType::Struct(to)) = (entries.data_type(), wanted.data_type()) else {
        return Err(ArrowError::CastError("a map without entries".into()));
    };
    let keys = convert(map.keys(), &from[0], &to[0], bytes)?;
    let values = convert(map.values(), &from[1], &to[1], bytes)?;
    let entries = StructArray::try_new(to.clone(), vec![keys, values], None)?;
    let map = MapArray::try_new(wanted.clone(), map.offsets().clone(), entries, map.nulls().cloned(), sorted)?;
    Ok(Arc::new(map))
}

/// Any number as unscaled bytes of `scale`.
fn unscaled(array: &ArrayRef, from: &Field, scale: i32) -> Result<ArrayRef, ArrowError> {
    let arrow_scale =
        i8::try_from(scale).map_err(|_| ArrowError::CastError(format!("the scale {scale} is too large")))?;
    let text: ArrayRef = match View::new(from, array)? {
        View::Text(text) => Arc::new(text),
        other => Arc::new(rendered(&other, array.len())),
    };
    let decimals = strict(&text, &DataType::Decimal256(76, arrow_scale))?;
    let decimals = Decimals::Large(decimals.as_primitive::<Decimal256Type>().clone());
    let rows = (0..array.len()).map(|row| array.is_valid(row).then(|| decimals.unscaled_bytes(row)));
    Ok(Arc::new(BinaryArray::from_iter(rows)))
}

fn base64_column(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let decoded = array.as_string::<i32>().iter().map(|text| {
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text);
        text.map(decode).transpose().map_err(|error| ArrowError::CastError(format!("not base64: {error}")))
    });
    Ok(Arc::new(decoded.collect::<Result<BinaryArray, _>>()?))
}

fn strict(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}
