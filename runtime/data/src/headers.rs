//! Record headers as one Arrow column: an ordered multi-map per row.
//!
//! ```text
//! headers: List<Struct { name: Utf8, value: Binary (nullable), schema: Utf8 (nullable) }>
//! ```
//! `value` holds the text of a Connect value, as [`write_row`](crate::values::write_row) writes it, and `schema` its Connect
//! schema as JSON, where one is known; without a schema the bytes are what they are. Where records become those of the log,
//! behind `header.converter`, `value` holds the log's bytes.

use arrow_array::builder::{BinaryBuilder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, ListArray, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Fields};
use std::sync::Arc;

/// The struct fields of one header.
#[must_use]
pub fn header_fields() -> Fields {
    Fields::from(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
        Field::new("schema", DataType::Utf8, true),
    ])
}

/// The type of the `headers` column.
#[must_use]
pub fn headers_type() -> DataType {
    DataType::List(Field::new("item", DataType::Struct(header_fields()), false).into())
}

/// One header, borrowed from its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: Option<&'a [u8]>,
    pub schema: Option<&'a str>,
}

/// The headers of row `row`, in order.
pub fn row_headers(headers: &ListArray, row: usize) -> impl Iterator<Item = Header<'_>> + Clone {
    let range = headers.value_offsets()[row] as usize..headers.value_offsets()[row + 1] as usize;
    let entries: &StructArray = headers.values().as_struct();
    let names = entries.column(0).as_string::<i32>();
    let values = entries.column(1).as_binary::<i32>();
    let schemas = entries.column(2).as_string::<i32>();
    range.map(move |index| Header {
        name: names.value(index),
        value: values.is_valid(index).then(|| values.value(index)),
        schema: schemas.is_valid(index).then(|| schemas.value(index)),
    })
}

/// The headers of all rows one behind the other: names, values, schemas.
#[must_use]
pub fn all_headers(headers: &ListArray) -> (StringArray, BinaryArray, StringArray) {
    let (first, last) = (headers.value_offsets()[0] as usize, headers.value_offsets()[headers.len()] as usize);
    let entries: StructArray = headers.values().as_struct().slice(first, last - first);
    let text = |column: usize| entries.column(column).as_string::<i32>().clone();
    (text(0), entries.column(1).as_binary::<i32>().clone(), text(2))
}

/// Headers of the same rows and names with other values and schemas, in the order of [`all_headers`].
///
/// # Panics
/// When there are more or fewer of them than headers.
#[must_use]
pub fn with_values(headers: &ListArray, values: BinaryArray, schemas: StringArray) -> ListArray {
    let (names, _, _) = all_headers(headers);
    let entries = StructArray::new(header_fields(), vec![Arc::new(names), Arc::new(values), Arc::new(schemas)], None);
    let lengths = headers.value_offsets().windows(2).map(|ends| (ends[1] - ends[0]) as usize);
    let item = Field::new("item", DataType::Struct(header_fields()), false).into();
    ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(entries), None)
}

/// Builds a `headers` column row by row.
pub struct HeadersBuilder(ListBuilder<StructBuilder>);

impl Default for HeadersBuilder {
    fn default() -> Self {
        let entries = StructBuilder::new(
            header_fields(),
            vec![Box::new(StringBuilder::new()), Box::new(BinaryBuilder::new()), Box::new(StringBuilder::new())],
        );
        Self(ListBuilder::new(entries).with_field(Field::new("item", DataType::Struct(header_fields()), false)))
    }
}

impl HeadersBuilder {
    /// Adds a header to the row that is being built.
    pub fn push(&mut self, header: Header<'_>) {
        let entries = self.0.values();
        entries.field_builder::<StringBuilder>(0).expect("the name column").append_value(header.name);
        entries.field_builder::<BinaryBuilder>(1).expect("the value column").append_option(header.value);
        entries.field_builder::<StringBuilder>(2).expect("the schema column").append_option(header.schema);
        entries.append(true);
    }

    pub fn end_row(&mut self) {
        self.0.append(true);
    }

    #[must_use]
    pub fn finish(mut self) -> ListArray {
        self.0.finish()
    }
}
