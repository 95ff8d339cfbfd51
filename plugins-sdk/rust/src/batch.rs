//! Batches stay with the host; columns are what a guest may take out or put in.

pub use crate::bindings::imports::sluice::data::batches::{
    Batch, BytesColumn, Column, ColumnValues, Group, NamedColumn,
};

use crate::error::Result;

impl Column {
    fn dense(values: ColumnValues) -> Self {
        Self { values, validity: None }
    }

    #[must_use]
    pub fn boolean(values: impl IntoIterator<Item = bool>) -> Self {
        Self::dense(ColumnValues::Boolean(values.into_iter().map(u8::from).collect()))
    }

    #[must_use]
    pub fn int32(values: Vec<i32>) -> Self {
        Self::dense(ColumnValues::Int32(values))
    }

    #[must_use]
    pub fn int64(values: Vec<i64>) -> Self {
        Self::dense(ColumnValues::Int64(values))
    }

    #[must_use]
    pub fn float64(values: Vec<f64>) -> Self {
        Self::dense(ColumnValues::Float64(values))
    }

    #[must_use]
    pub fn utf8<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::dense(ColumnValues::Utf8(values.into_iter().map(|text| text.as_ref().as_bytes().to_vec()).collect()))
    }

    #[must_use]
    pub fn binary<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::dense(ColumnValues::Binary(values.into_iter().map(|bytes| bytes.as_ref().to_vec()).collect()))
    }

    /// Marks rows as null: one flag a row, true where there is a value.
    #[must_use]
    pub fn valid(mut self, validity: impl IntoIterator<Item = bool>) -> Self {
        self.validity = Some(validity.into_iter().map(u8::from).collect());
        self
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            ColumnValues::Boolean(values) => values.len(),
            ColumnValues::Int32(values) => values.len(),
            ColumnValues::Int64(values) => values.len(),
            ColumnValues::Float64(values) => values.len(),
            ColumnValues::Utf8(values) | ColumnValues::Binary(values) => values.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.validity.as_ref().is_some_and(|validity| validity[row] == 0)
    }

    /// The text in `row`; `None` when it is null or this is no text column.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&str> {
        match &self.values {
            ColumnValues::Utf8(values) if !self.is_null(row) => std::str::from_utf8(values.get(row)).ok(),
            _ => None,
        }
    }

    /// The bytes in `row`; `None` when it is null or this column has none.
    #[must_use]
    pub fn bytes(&self, row: usize) -> Option<&[u8]> {
        match &self.values {
            ColumnValues::Utf8(values) | ColumnValues::Binary(values) if !self.is_null(row) => Some(values.get(row)),
            _ => None,
        }
    }

    /// The whole number in `row`; `None` when it is null or this column has none.
    #[must_use]
    pub fn integer(&self, row: usize) -> Option<i64> {
        match &self.values {
            ColumnValues::Int32(values) if !self.is_null(row) => Some(i64::from(values[row])),
            ColumnValues::Int64(values) if !self.is_null(row) => Some(values[row]),
            _ => None,
        }
    }
}

impl BytesColumn {
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u8] {
        &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Adds a row.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.data.extend_from_slice(bytes);
        self.offsets.push(u32::try_from(self.data.len()).expect("a batch that the host takes is far below 4 GiB"));
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for BytesColumn {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        let mut column = Self { offsets: vec![0], data: Vec::new() };
        for row in rows {
            column.push(row.as_ref());
        }
        column
    }
}

/// A batch out of columns.
///
/// ```
/// use sluice_plugin_sdk::{BatchBuilder, Column};
///
/// let rows = BatchBuilder::new("orders").column("id", Column::int64(vec![1, 2])).column("name", Column::utf8(["a", "b"]));
/// assert_eq!(rows.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    topic: String,
    columns: Vec<NamedColumn>,
    schema: Option<String>,
}

impl BatchBuilder {
    #[must_use]
    pub fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), columns: Vec::new(), schema: None }
    }

    #[must_use]
    pub fn column(mut self, name: &str, column: Column) -> Self {
        self.columns.push(NamedColumn { name: name.to_owned(), column });
        self
    }

    /// Casts the value to this Connect schema (JSON of a struct).
    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        self.schema = Some(schema.to_owned());
        self
    }

    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |named| named.column.len())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands the columns to the host: a struct value, one field a column.
    ///
    /// # Errors
    /// When lengths differ or a value does not fit the schema.
    pub fn build(self) -> Result<Batch> {
        Ok(Batch::from_columns(&self.topic, &self.columns, self.schema.as_deref())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_what_was_put_in() {
        let column = Column::utf8(["a", "", "ccc"]).valid([true, false, true]);
        assert_eq!((column.len(), column.text(0), column.text(1), column.text(2)), (3, Some("a"), None, Some("ccc")));
        assert_eq!(Column::int32(vec![7]).integer(0), Some(7));
        assert_eq!(Column::int32(vec![7]).text(0), None);
    }
}
