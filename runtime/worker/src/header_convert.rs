//! `header.converter`: the values of headers to the log's bytes and back, all headers of a batch in one column of each schema.
//!
//! `SimpleHeaderConverter`, the default, writes the text that a header's column holds anyway: bytes pass as they are. What
//! type a text has is guessed by nobody then, and digits that Kafka's guess of a float would lose are kept.

use crate::config::{ConverterConfig, SIMPLE_HEADER_CONVERTER};
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray, StringArray, UInt32Array, new_empty_array};
use arrow_schema::{DataType, Field};
use arrow_select::concat::concat;
use arrow_select::take::take;
use indexmap::IndexMap;
use sluice_connect_api::{ConvertError, Converted, Converter, ConverterRole, PluginError, PluginRegistry};
use sluice_data::ConnectSchema;
use sluice_data::headers::{all_headers, with_values};
use sluice_data::schema::payload_to_row;
use sluice_data::values::{read_text, write_row};
use std::sync::Arc;

pub(crate) struct HeaderConverter {
    pub class: Arc<str>,
    /// `None`: bytes pass as they are.
    converter: Option<Box<dyn Converter>>,
}

/// What the value of a header is, as far as its column says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind<'a> {
    /// A Connect schema as JSON.
    Schema(&'a str),
    Text,
    Bytes,
}

impl HeaderConverter {
    /// # Errors
    /// A class that is unknown, no header converter, or refuses its configuration.
    pub fn build(config: &ConverterConfig, plugins: &PluginRegistry) -> Result<Self, PluginError> {
        let converter = plugins.converter(&config.class, ConverterRole::Header, &config.config)?;
        let class = plugins.full_name(&config.class);
        let converter = (class != SIMPLE_HEADER_CONVERTER).then_some(converter);
        Ok(Self { class: class.into(), converter })
    }

    /// The headers with the bytes that their values have in the log; `None`: they are those already.
    #[expect(clippy::wrong_self_convention, reason = "Kafka's name: HeaderConverter.fromConnectHeader")]
    pub fn from_connect_headers(
        &self,
        topic: &str,
        headers: Option<&ListArray>,
    ) -> Result<Option<ListArray>, ConvertError> {
        let (Some(converter), Some(headers)) = (self.converter.as_deref(), headers) else { return Ok(None) };
        let (names, values, schemas) = all_headers(headers);
        if names.is_empty() {
            return Ok(None);
        }
        let mut bytes: Vec<Option<(usize, usize)>> = vec![None; names.len()];
        let mut columns = Vec::new();
        for (kind, rows) in kinds(&values, &schemas) {
            let (field, column) = column(&kind, &values, &rows)
                .map_err(|reason| ConvertError::new(format!("header {:?}: {reason}", names.value(rows[0] as usize))))?;
            let converted = converter.from_connect_data(topic, &field, &column, None)?;
            check_length(converted.len(), rows.len())?;
            rows.iter().enumerate().for_each(|(index, row)| bytes[*row as usize] = Some((columns.len(), index)));
            columns.push(converted);
        }
        let value = |place: Option<(usize, usize)>| {
            let (column, index) = place?;
            let column: &BinaryArray = &columns[column];
            column.is_valid(index).then(|| column.value(index))
        };
        let values: BinaryArray = bytes.iter().map(|place| value(*place)).collect();
        Ok(Some(with_values(headers, values, StringArray::new_null(names.len()))))
    }

    /// The headers with the texts and schemas of the values whose bytes they hold; `None`: the bytes are the texts.
    pub fn to_connect_headers(
        &self,
        topic: &str,
        headers: Option<&ListArray>,
    ) -> Result<Option<ListArray>, ConvertError> {
        let (Some(converter), Some(headers)) = (self.converter.as_deref(), headers) else { return Ok(None) };
        let (_, bytes, _) = all_headers(headers);
        // No bytes are nothing under no schema, in every format.
        if bytes.null_count() == bytes.len() {
            return Ok(None);
        }
        let groups = converter.to_connect_data(topic, &bytes)?;
        let mut places: Vec<Option<(usize, usize)>> = vec![None; bytes.len()];
        let mut schemas = Vec::with_capacity(groups.len());
        for (number, group) in groups.iter().enumerate() {
            schemas.push(schema_json(group)?);
            match &group.rows {
                Some(rows) => {
                    rows.iter().enumerate().for_each(|(index, row)| places[*row as usize] = Some((number, index)));
                }
                None => places.iter_mut().enumerate().for_each(|(row, place)| *place = Some((number, row))),
            }
        }
        let (mut values, mut value_schemas, mut text) = (BinaryBuilder::new(), StringBuilder::new(), String::new());
        for (row, place) in places.into_iter().enumerate() {
            let Some((number, index)) = place.filter(|_| bytes.is_valid(row)) else {
                values.append_null();
                value_schemas.append_null();
                continue;
            };
            text.clear();
            let group = &groups[number];
            match write_row(&group.field, &group.values, index, &mut text) {
                Ok(is_valid) => values.append_option(is_valid.then_some(&text)),
                Err(error) => return Err(ConvertError::new(error.to_string())),
            }
            value_schemas.append_option(schemas[number].as_deref());
        }
        Ok(Some(with_values(headers, values.finish(), value_schemas.finish())))
    }
}

/// Which headers are of one kind; those without value and schema are of none.
fn kinds<'a>(values: &BinaryArray, schemas: &'a StringArray) -> IndexMap<Kind<'a>, Vec<u32>> {
    let mut kinds: IndexMap<Kind<'_>, Vec<u32>> = IndexMap::new();
    for row in 0..values.len() {
        let kind = match (schemas.is_valid(row), values.is_valid(row)) {
            (true, _) => Kind::Schema(schemas.value(row)),
            (false, true) if std::str::from_utf8(values.value(row)).is_ok() => Kind::Text,
            (false, true) => Kind::Bytes,
            (false, false) => continue,
        };
        kinds.entry(kind).or_default().push(row as u32);
    }
    kinds
}

/// The values of one kind as a column of its schema.
fn column(kind: &Kind<'_>, values: &BinaryArray, rows: &[u32]) -> Result<(Field, ArrayRef), String> {
    let schema = match kind {
        Kind::Bytes => {
            let bytes = take(values, &UInt32Array::from(rows.to_vec()), None).map_err(|error| error.to_string())?;
            return Ok((Field::new("value", DataType::Binary, true), bytes));
        }
        Kind::Text => return Ok((Field::new("value", DataType::Utf8, true), texts(values, rows)?)),
        Kind::Schema(json) => {
            let json = serde_json::from_str(json).map_err(|error| format!("its schema is not JSON: {error}"))?;
            ConnectSchema::from_json(&json).map_err(|error| error.to_string())?
        }
    };
    let field = schema.to_field("value").map_err(|error| error.to_string())?;
    if field.data_type() == &DataType::Utf8 {
        return Ok((field, texts(values, rows)?));
    }
    let parse = |row: &u32| {
        let bytes = values.is_valid(*row as usize).then(|| values.value(*row as usize));
        let text =
            bytes.map(std::str::from_utf8).transpose().map_err(|error| format!("its value is no text: {error}"))?;
        let payload = text.map_or(Some(serde_json::Value::Null), |text| read_text(&schema, text));
        let row = payload.and_then(|payload| payload_to_row(&field, &payload));
        row.ok_or_else(|| format!("{} is no {}", text.unwrap_or("null"), described(&schema)))
    };
    let parsed: Vec<ArrayRef> = rows.iter().map(parse).collect::<Result<_, _>>()?;
    let parsed: Vec<&dyn Array> = parsed.iter().map(AsRef::as_ref).collect();
    let column = match parsed.is_empty() {
        true => new_empty_array(field.data_type()),
        false => concat(&parsed).map_err(|error| error.to_string())?,
    };
    Ok((field, column))
}

fn texts(values: &BinaryArray, rows: &[u32]) -> Result<ArrayRef, String> {
    let bytes = take(values, &UInt32Array::from(rows.to_vec()), None).map_err(|error| error.to_string())?;
    let (offsets, bytes, nulls) = bytes.as_binary::<i32>().clone().into_parts();
    let texts = StringArray::try_new(offsets, bytes, nulls);
    texts.map(|texts| Arc::new(texts) as ArrayRef).map_err(|error| format!("its value is no text: {error}"))
}

fn described(schema: &ConnectSchema) -> &str {
    schema.name.as_deref().unwrap_or(schema.type_name())
}

fn schema_json(group: &Converted) -> Result<Option<String>, ConvertError> {
    let schema = ConnectSchema::from_field(&group.field).map_err(|error| ConvertError::new(error.to_string()))?;
    Ok(schema.map(|schema| {
        let mut json = String::new();
        schema.write_json(&mut json);
        json
    }))
}

fn check_length(found: usize, expected: usize) -> Result<(), ConvertError> {
    if found == expected {
        return Ok(());
    }
    Err(ConvertError::new(format!("the converter gave {found} values for {expected} headers")))
}
