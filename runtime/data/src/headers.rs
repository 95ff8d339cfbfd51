//! Record headers as one Arrow column: an ordered multi-map per row.
//!
//! ```text
//! headers: List<Struct { name: Utf8, value: Binary (nullable), schema: Utf8 (nullable) }>
//! ```
//! `value` holds the converted bytes as they stand in the log; `schema` the Connect schema of what they were converted
//! from, as JSON, where one is known.

use arrow_array::builder::{BinaryBuilder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ListArray, StructArray};
use arrow_schema::{DataType, Field, Fields};

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
