//! Messages with the schema envelope, grouped by schema.

use super::NOT_JSON;
use super::decoder::{Decoder, ReadError};
use super::defaults;
use super::parser::{JsonResult, Parser};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, NullArray, StringArray};
use arrow_schema::{ArrowError, DataType, Field};
use sluice_connect_api::{ConvertError, Converted};
use sluice_data::ConnectSchema;
use sluice_data::schema::{schemaless_json_field, with_tombstones};
use std::collections::HashMap;
use std::sync::Arc;

const SHAPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain \
                     additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in \
                     your converter configuration.";

/// Every row of `bytes`. With `content` all of them are bare payloads of that schema, also one that looks like an envelope.
///
/// # Errors
/// A row that is no envelope, or whose payload does not fit its schema.
pub fn read_envelopes(
    bytes: &BinaryArray,
    content: Option<&ConnectSchema>,
    use_defaults: bool,
) -> Result<Vec<Converted>, ConvertError> {
    let mut reader = Reader {
        use_defaults,
        rows: bytes.len(),
        groups: Vec::new(),
        by_text: HashMap::new(),
        absent: Vec::new(),
        prefixes: Vec::new(),
    };
    for (row, message) in bytes.iter().enumerate() {
        let row = row as u32;
        match (message, content) {
            (None, _) => reader.push_absent(row),
            (Some(message), Some(content)) => reader.read_with_content(row, message, content)?,
            (Some(message), None) => reader.read(row, message)?,
        }
    }
    reader.finish()
}

struct Reader<'a> {
    use_defaults: bool,
    /// Of the batch; mostly all are of one schema.
    rows: usize,
    groups: Vec<Group>,
    /// From the bytes of a schema to its group.
    by_text: HashMap<&'a [u8], usize>,
    /// Rows without bytes; they belong to the first group.
    absent: Vec<u32>,
    /// Texts up to the payload of rows before, and their groups: mostly the next row starts with one of them.
    prefixes: Vec<(&'a [u8], usize)>,
}

/// Schemas that take turns in a topic are few.
const PREFIXES_MAX: usize = 8;

/// Rows of one schema.
struct Group {
    /// `None`: schemaless.
    schema: Option<ConnectSchema>,
    field: Field,
    column: Column,
    rows: Vec<u32>,
}

enum Column {
    Typed(Decoder),
    Text(Vec<Option<String>>),
}

impl<'a> Reader<'a> {
    fn read(&mut self, row: u32, message: &'a [u8]) -> Result<(), ConvertError> {
        let known = self.prefixes.iter().find(|(prefix, _)| message.starts_with(prefix));
        if let Some((prefix, group)) = known.copied() {
            let mut parser = self.read_payload(row, message, prefix.len(), group)?;
            let is_last = parser.eat(b'}') && parser.end().is_ok();
            return if is_last { Ok(()) } else { Err(ConvertError::new(SHAPE)) };
        }
        let envelope = Envelope::parse(message).map_err(not_json)?.ok_or_else(|| ConvertError::new(SHAPE))?;
        let group = self.group_of(envelope.schema)?;
        if envelope.payload_is_last {
            self.prefixes.truncate(PREFIXES_MAX - 1);
            self.prefixes.insert(0, (&message[..envelope.payload], group));
        }
        self.read_payload(row, message, envelope.payload, group).map(|_| ())
    }

    fn read_with_content(&mut self, row: u32, message: &'a [u8], content: &ConnectSchema) -> Result<(), ConvertError> {
        let group = self.group_for(Some(content.clone()))?;
        let mut parser = self.read_payload(row, message, 0, group)?;
        parser.end().map_err(not_json)
    }

    fn group_of(&mut self, schema_text: &'a [u8]) -> Result<usize, ConvertError> {
        if let Some(group) = self.by_text.get(schema_text) {
            return Ok(*group);
        }
        let json: serde_json::Value =
            serde_json::from_slice(schema_text).map_err(|error| ConvertError::new(format!("{NOT_JSON}{error}")))?;
        let schema = match json.is_null() {
            true => None,
            false => {
                let read = ConnectSchema::from_json(&json).map_err(|error| ConvertError::new(error.to_string()));
                let mut schema = read?;
                defaults::complete(&mut schema, self.use_defaults)?;
                Some(schema)
            }
        };
        let group = self.group_for(schema)?;
        self.by_text.insert(schema_text, group);
        Ok(group)
    }

    fn group_for(&mut self, schema: Option<ConnectSchema>) -> Result<usize, ConvertError> {
        if let Some(group) = self.groups.iter().position(|group| group.schema == schema) {
            return Ok(group);
        }
        let rows = if self.groups.is_empty() { self.rows } else { 0 };
        let mut group = Group::new(schema, self.use_defaults, rows)?;
        if self.groups.is_empty() {
            self.absent.iter().for_each(|row| group.push_absent(*row));
        }
        self.groups.push(group);
        Ok(self.groups.len() - 1)
    }

    fn push_absent(&mut self, row: u32) {
        self.absent.push(row);
        if let Some(first) = self.groups.first_mut() {
            first.push_absent(row);
        }
    }

    /// The parser stands behind the payload.
    fn read_payload(
        &mut self,
        row: u32,
        message: &'a [u8],
        at: usize,
        group: usize,
    ) -> Result<Parser<'a>, ConvertError> {
        let group = &mut self.groups[group];
        group.rows.push(row);
        let mut parser = Parser::new(message);
        parser.at = at;
        match &mut group.column {
            Column::Typed(decoder) => decoder.read(&mut parser).map_err(refuse_payload)?,
            Column::Text(texts) => texts.push(schemaless_text(&mut parser).map_err(not_json)?),
        }
        Ok(parser)
    }

    fn finish(self) -> Result<Vec<Converted>, ConvertError> {
        let Self { groups, absent, .. } = self;
        if groups.is_empty() {
            let field = Arc::new(Field::new("value", DataType::Null, true));
            let values = Arc::new(NullArray::new(absent.len()));
            return Ok(vec![Converted { rows: None, field, values, tombstones: None }]);
        }
        let is_only = groups.len() == 1;
        let mut absent = Some(absent);
        groups.into_iter().map(|group| group.finish(absent.take().unwrap_or_default(), is_only)).collect()
    }
}

impl Group {
    fn new(schema: Option<ConnectSchema>, use_defaults: bool, rows: usize) -> Result<Self, ConvertError> {
        let (field, column) = match &schema {
            Some(schema) => {
                let field = schema.to_field("value").map_err(|error| ConvertError::new(error.to_string()))?;
                let decoder = Decoder::new(schema, &field, use_defaults, rows);
                (field, Column::Typed(decoder))
            }
            None => (schemaless_json_field("value"), Column::Text(Vec::new())),
        };
        Ok(Self { schema, field, column, rows: Vec::new() })
    }

    fn push_absent(&mut self, row: u32) {
        self.rows.push(row);
        match &mut self.column {
            Column::Typed(decoder) => decoder.append_null(),
            Column::Text(texts) => texts.push(None),
        }
    }

    /// `absent` are those of its rows that had no bytes.
    fn finish(self, absent: Vec<u32>, is_only: bool) -> Result<Converted, ConvertError> {
        let values = match self.column {
            Column::Typed(decoder) => decoder.finish().map_err(refuse_column)?,
            Column::Text(texts) => Arc::new(StringArray::from(texts)) as ArrayRef,
        };
        let tombstones = (values.null_count() != absent.len()).then(|| {
            let is_absent = |row: &u32| Some(absent.binary_search(row).is_ok());
            BooleanArray::from_iter(self.rows.iter().map(is_absent))
        });
        let field = Arc::new(if absent.is_empty() { self.field } else { with_tombstones(self.field) });
        Ok(Converted { rows: (!is_only).then_some(self.rows), field, values, tombstones })
    }
}

/// Where schema and payload stand in a message.
struct Envelope<'a> {
    schema: &'a [u8],
    /// The first byte of the payload.
    payload: usize,
    /// Nothing but the end of the envelope stands behind the payload.
    payload_is_last: bool,
}

impl<'a> Envelope<'a> {
    /// `None` for JSON of another shape.
    fn parse(message: &'a [u8]) -> JsonResult<Option<Self>> {
        let (mut schema, mut payload, mut payload_is_last, mut members) = (None, None, false, 0);
        let mut parser = Parser::new(message);
        if !parser.eat(b'{') {
            parser.skip()?;
            parser.end()?;
            return Ok(None);
        }
        if !parser.eat(b'}') {
            loop {
                let name = parser.text()?;
                parser.expect(b':', "expected a colon")?;
                parser.peek();
                let start = parser.at;
                parser.skip()?;
                payload_is_last = &*name == b"payload";
                match &*name {
                    b"schema" => schema = Some(parser.span(start)),
                    b"payload" => payload = Some(start),
                    _ => {}
                }
                members += 1;
                if !parser.eat(b',') {
                    parser.expect(b'}', "expected a comma or the end of the object")?;
                    break;
                }
            }
        }
        parser.end()?;
        Ok(match (schema, payload) {
            (Some(schema), Some(payload)) if members == 2 => Some(Self { schema, payload, payload_is_last }),
            _ => None,
        })
    }
}

fn schemaless_text(parser: &mut Parser<'_>) -> JsonResult<Option<String>> {
    parser.peek();
    let start = parser.at;
    parser.skip()?;
    let mut text = parser.span(start).to_vec();
    for zero in parser.leading_zeros.iter().rev() {
        text.remove(zero - start);
    }
    match String::from_utf8(text) {
        Ok(text) => Ok((text != "null").then_some(text)),
        Err(_) => parser.error("the text is not UTF-8"),
    }
}

pub fn not_json(error: super::parser::JsonError) -> ConvertError {
    ConvertError::new(format!("{NOT_JSON}{error}"))
}

pub fn refuse_payload(error: Box<ReadError>) -> ConvertError {
    ConvertError::new(error.to_string())
}

pub fn refuse_column(error: ArrowError) -> ConvertError {
    ConvertError::new(format!("{NOT_JSON}{error}"))
}
