//! Columns of variable length while they are collected.

use crate::avro::input::DecodeError;
use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use std::sync::Arc;

/// What a value is thought to take before any was seen.
const VALUE_BYTES_EXPECTED: usize = 16;

pub struct Bytes {
    offsets: Vec<i32>,
    values: Vec<u8>,
}

impl Bytes {
    #[must_use]
    pub fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, values: Vec::with_capacity(rows * VALUE_BYTES_EXPECTED) }
    }

    /// # Errors
    /// [`DecodeError::ColumnTooLarge`].
    #[inline]
    pub fn push(&mut self, value: &[u8]) -> Result<(), DecodeError> {
        self.values.extend_from_slice(value);
        let end = i32::try_from(self.values.len()).map_err(|_| DecodeError::ColumnTooLarge)?;
        self.offsets.push(end);
        Ok(())
    }

    pub fn push_empty(&mut self) {
        self.offsets.push(*self.offsets.last().expect("offsets start with 0"));
    }

    /// # Errors
    /// Never for what was pushed; Arrow checks it all the same.
    pub fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let (offsets, values) = (offset_buffer(self.offsets), Buffer::from_vec(self.values));
        Ok(Arc::new(BinaryArray::try_new(offsets, values, nulls)?))
    }

    /// # Errors
    /// A value that is not UTF-8.
    pub fn finish_strings(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let (offsets, values) = (offset_buffer(self.offsets), Buffer::from_vec(self.values));
        Ok(Arc::new(StringArray::try_new(offsets, values, nulls)?))
    }
}

/// Where a list of `count` items ends.
///
/// # Errors
/// [`DecodeError::ColumnTooLarge`].
pub fn next_offset(offsets: &[i32], count: usize) -> Result<i32, DecodeError> {
    let last = *offsets.last().expect("offsets start with 0") as usize;
    i32::try_from(last + count).map_err(|_| DecodeError::ColumnTooLarge)
}

#[must_use]
pub fn offset_buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}
