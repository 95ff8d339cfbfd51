//! Decimals between their unscaled bytes and the three Arrow types that hold them.

use crate::avro::input::DecodeError;
use crate::column_bytes::Bytes;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, DecimalType};
use arrow_array::{Array, ArrayRef, BinaryArray, Decimal128Array, Decimal256Array, PrimitiveArray};
use arrow_buffer::{NullBuffer, i256};
use arrow_schema::{ArrowError, DataType, Field};
use sluice_data::number::{minimal, widen};
use sluice_data::schema::decimal_scale;
use std::sync::Arc;

/// Collects unscaled values.
pub enum DecimalColumn {
    Decimal128 { values: Vec<i128>, precision: u8, scale: i8 },
    Decimal256 { values: Vec<i256>, precision: u8, scale: i8 },
    Bytes(Bytes),
}

impl DecimalColumn {
    /// `None`: the field is no decimal.
    #[must_use]
    pub fn new(field: &Field, rows: usize) -> Option<Self> {
        Some(match field.data_type() {
            DataType::Decimal128(precision, scale) => {
                Self::Decimal128 { values: Vec::with_capacity(rows), precision: *precision, scale: *scale }
            }
            DataType::Decimal256(precision, scale) => {
                Self::Decimal256 { values: Vec::with_capacity(rows), precision: *precision, scale: *scale }
            }
            _ => {
                decimal_scale(field)?;
                Self::Bytes(Bytes::new(rows))
            }
        })
    }

    /// Big-endian two's complement.
    ///
    /// # Errors
    /// [`DecodeError::Precision`]; no bytes are no number.
    pub fn push(&mut self, unscaled: &[u8]) -> Result<(), DecodeError> {
        match self {
            Self::Decimal128 { values, precision, .. } => {
                let value = widen::<16>(unscaled).map(i128::from_be_bytes);
                let fits = |value: &i128| Decimal128Type::is_valid_decimal_precision(*value, *precision);
                values.push(value.filter(fits).ok_or(DecodeError::Precision { precision: *precision })?);
            }
            Self::Decimal256 { values, precision, .. } => {
                let value = widen::<32>(unscaled).map(i256::from_be_bytes);
                let fits = |value: &i256| Decimal256Type::is_valid_decimal_precision(*value, *precision);
                values.push(value.filter(fits).ok_or(DecodeError::Precision { precision: *precision })?);
            }
            Self::Bytes(values) if unscaled.is_empty() => {
                let _ = values;
                return Err(DecodeError::Length(0));
            }
            Self::Bytes(values) => values.push(minimal(unscaled))?,
        }
        Ok(())
    }

    pub fn push_empty(&mut self) {
        match self {
            Self::Decimal128 { values, .. } => values.push(0),
            Self::Decimal256 { values, .. } => values.push(i256::ZERO),
            Self::Bytes(values) => values.push_empty(),
        }
    }

    /// # Errors
    /// Never for what was pushed; Arrow checks it all the same.
    pub fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Decimal128 { values, precision, scale } => Arc::new(
                PrimitiveArray::<Decimal128Type>::new(values.into(), nulls)
                    .with_precision_and_scale(precision, scale)?,
            ),
            Self::Decimal256 { values, precision, scale } => Arc::new(
                PrimitiveArray::<Decimal256Type>::new(values.into(), nulls)
                    .with_precision_and_scale(precision, scale)?,
            ),
            Self::Bytes(values) => values.finish(nulls)?,
        })
    }
}

/// Unscaled values of a column, to be written.
pub enum DecimalValues {
    Decimal128(Decimal128Array),
    Decimal256(Decimal256Array),
    Bytes(BinaryArray),
}

impl DecimalValues {
    /// `None`: the column holds no decimals.
    #[must_use]
    pub fn new(field: &Field, column: &ArrayRef) -> Option<Self> {
        Some(match column.data_type() {
            DataType::Decimal128(..) => Self::Decimal128(column.as_primitive().clone()),
            DataType::Decimal256(..) => Self::Decimal256(column.as_primitive().clone()),
            DataType::Binary if decimal_scale(field).is_some() => Self::Bytes(column.as_binary::<i32>().clone()),
            _ => return None,
        })
    }

    /// The value in as few bytes as hold it.
    pub fn with_bytes<T>(&self, row: usize, use_bytes: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Decimal128(values) => use_bytes(minimal(&values.value(row).to_be_bytes())),
            Self::Decimal256(values) => use_bytes(minimal(&values.value(row).to_be_bytes())),
            Self::Bytes(values) => use_bytes(values.value(row)),
        }
    }
}
