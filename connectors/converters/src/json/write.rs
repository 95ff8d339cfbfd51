//! Columns to JSON text, row by row through encoders that are made once per batch.

use super::DecimalFormat;
use super::parser::{Parser, plain_len};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter};
use sluice_connect_api::ConvertError;
use sluice_data::column;
use sluice_data::number;
use sluice_data::schema::{DECIMAL, SCALE, decimal_scale, is_json};
use sluice_data::{ConnectSchema, SchemaError, SchemaType};

/// How values are written; from the converter's configuration.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    pub decimal_format: DecimalFormat,
    pub replace_null_with_default: bool,
}

/// Writes the rows of one column, and of the columns inside it.
pub struct Encoder {
    nulls: Option<NullBuffer>,
    /// What a null is written as; `None`: it must not be null.
    null_text: Option<Vec<u8>>,
    name: String,
    values: Values,
}

enum Values {
    Nothing,
    Integer(ScalarBuffer<i64>),
    Float32(ScalarBuffer<f32>),
    Float64(ScalarBuffer<f64>),
    Boolean(BooleanArray),
    String(StringArray),
    /// Text that is JSON already.
    Json(StringArray),
    Bytes(BinaryArray),
    Decimal128(Decimal128Array, i32, DecimalFormat),
    Decimal256(Decimal256Array, i32, DecimalFormat),
    DecimalBytes(BinaryArray, i32, DecimalFormat),
    List(OffsetBuffer<i32>, Box<Encoder>),
    /// Offsets, keys, values.
    Map(OffsetBuffer<i32>, Box<Encoder>, Box<Encoder>),
    /// Like `Map` with keys of type string.
    Object(OffsetBuffer<i32>, StringArray, Box<Encoder>),
    /// Each with the text in front of its value: `{"name":` or `,"name":`.
    Struct(Vec<(Vec<u8>, Encoder)>),
}

impl Encoder {
    /// # Errors
    /// When the column's type has no Connect schema.
    pub fn new(field: &Field, column: &ArrayRef, options: WriteOptions) -> Result<Self, ConvertError> {
        let schema = ConnectSchema::from_field(field).map_err(refuse_schema)?;
        Self::of_schema(schema.as_ref(), field, column, options)
    }

    /// As [`Encoder::new`], with the field's schema at hand.
    pub fn of_schema(
        schema: Option<&ConnectSchema>,
        field: &Field,
        column: &ArrayRef,
        options: WriteOptions,
    ) -> Result<Self, ConvertError> {
        let Some(schema) = schema else {
            let values = if is_json(field) {
                Values::Json(to_type(column, &DataType::Utf8)?.as_string::<i32>().clone())
            } else {
                Values::Nothing
            };
            return Ok(Self {
                nulls: column.nulls().cloned(),
                null_text: Some(b"null".to_vec()),
                name: field.name().clone(),
                values,
            });
        };
        Self::typed(schema, field, column, options)
    }

    /// `schema` is the field's; a schemaless field inside a struct is an optional string to Connect.
    fn typed(
        schema: &ConnectSchema,
        field: &Field,
        column: &ArrayRef,
        options: WriteOptions,
    ) -> Result<Self, ConvertError> {
        let default = schema.default.as_ref().filter(|_| options.replace_null_with_default);
        let null_text = match default {
            Some(default) => Some(default_text(schema, default, options.decimal_format).into_bytes()),
            None => schema.optional.then(|| b"null".to_vec()),
        };
        let values = Values::new(schema, field, column, options)?;
        Ok(Self { nulls: column.logical_nulls(), null_text, name: field.name().clone(), values })
    }

    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends row `row`.
    ///
    /// # Errors
    /// A null where the schema is required and has no default; schemaless text that is not JSON.
    #[inline]
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        if self.is_null(row) {
            let text = self.null_text.as_ref().ok_or_else(|| {
                ConvertError::new(format!(
                    "Conversion error: null value for field that is required and has no default value: {:?}",
                    self.name
                ))
            })?;
            out.extend_from_slice(text);
            return Ok(());
        }
        self.values.write(row, out)
    }
}

impl Values {
    fn new(
        schema: &ConnectSchema,
        field: &Field,
        column: &ArrayRef,
        options: WriteOptions,
    ) -> Result<Self, ConvertError> {
        let format = options.decimal_format;
        Ok(match (&schema.kind, column.data_type()) {
            (_, DataType::Null) => Self::Nothing,
            (_, DataType::Decimal128(_, scale)) => {
                Self::Decimal128(column.as_primitive::<Decimal128Type>().clone(), i32::from(*scale), format)
            }
            (_, DataType::Decimal256(_, scale)) => {
                Self::Decimal256(column.as_primitive::<Decimal256Type>().clone(), i32::from(*scale), format)
            }
            (SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64, _) => {
                Self::Integer(integers(column)?)
            }
            (SchemaType::Float32, _) => Self::Float32(column.as_primitive::<Float32Type>().values().clone()),
            (SchemaType::Float64, _) => Self::Float64(column.as_primitive::<Float64Type>().values().clone()),
            (SchemaType::Boolean, _) => Self::Boolean(column.as_boolean().clone()),
            (SchemaType::String, _) => Self::String(to_type(column, &DataType::Utf8)?.as_string::<i32>().clone()),
            (SchemaType::Bytes, _) => {
                let bytes = to_type(column, &DataType::Binary)?.as_binary::<i32>().clone();
                match decimal_scale(field) {
                    Some(scale) => Self::DecimalBytes(bytes, scale, format),
                    None => Self::Bytes(bytes),
                }
            }
            (SchemaType::Array(item), _) => Self::list(item, column, options)?,
            (SchemaType::Map(key, value), _) => Self::map(key, value, column, options)?,
            (SchemaType::Struct(fields), _) => Self::structure(fields, column, options)?,
        })
    }

    fn list(item: &ConnectSchema, column: &ArrayRef, options: WriteOptions) -> Result<Self, ConvertError> {
        let column = match column.data_type() {
            DataType::LargeList(item) => to_type(column, &DataType::List(item.clone()))?,
            _ => column.clone(),
        };
        let list = column.as_list::<i32>();
        let DataType::List(field) = list.data_type() else { unreachable!("a list has the type list") };
        let items = Encoder::typed(item, field, list.values(), options)?;
        Ok(Self::List(list.offsets().clone(), Box::new(items)))
    }

    fn map(
        key: &ConnectSchema,
        value: &ConnectSchema,
        column: &ArrayRef,
        options: WriteOptions,
    ) -> Result<Self, ConvertError> {
        let map = column.as_map();
        let (key_field, value_field) = map.entries_fields();
        let values = Box::new(Encoder::typed(value, value_field, map.values(), options)?);
        if key.kind == SchemaType::String {
            let keys = to_type(map.keys(), &DataType::Utf8)?.as_string::<i32>().clone();
            return Ok(Self::Object(map.offsets().clone(), keys, values));
        }
        let keys = Encoder::typed(key, key_field, map.keys(), options)?;
        Ok(Self::Map(map.offsets().clone(), Box::new(keys), values))
    }

    fn structure(
        fields: &[(String, ConnectSchema)],
        column: &ArrayRef,
        options: WriteOptions,
    ) -> Result<Self, ConvertError> {
        let structure = column.as_struct();
        let mut members = Vec::with_capacity(fields.len());
        let columns = structure.fields().iter().zip(structure.columns());
        for (index, ((name, schema), (field, column))) in fields.iter().zip(columns).enumerate() {
            let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
            write_string(name, &mut prefix);
            prefix.push(b':');
            members.push((prefix, Encoder::typed(schema, field, column, options)?));
        }
        Ok(Self::Struct(members))
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        match self {
            Self::Nothing => out.extend_from_slice(b"null"),
            Self::Integer(values) => infallible(CompactFormatter.write_i64(out, values[row])),
            Self::Float32(values) if values[row].is_finite() => {
                infallible(CompactFormatter.write_f32(out, values[row]));
            }
            Self::Float32(values) => write_not_finite(f64::from(values[row]), out),
            Self::Float64(values) if values[row].is_finite() => {
                infallible(CompactFormatter.write_f64(out, values[row]));
            }
            Self::Float64(values) => write_not_finite(values[row], out),
            Self::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Self::String(values) => write_string(values.value(row), out),
            Self::Json(values) => return write_json(values.value(row), out),
            Self::Bytes(values) => write_base64(values.value(row), out),
            Self::Decimal128(values, scale, format) => {
                let unscaled = values.value(row);
                match format {
                    DecimalFormat::Base64 => write_base64(number::minimal(&unscaled.to_be_bytes()), out),
                    DecimalFormat::Numeric => out.extend(number::to_text(&unscaled.to_string(), *scale).bytes()),
                }
            }
            Self::Decimal256(values, scale, format) => {
                let unscaled = values.value(row);
                match format {
                    DecimalFormat::Base64 => write_base64(number::minimal(&unscaled.to_be_bytes()), out),
                    DecimalFormat::Numeric => out.extend(number::to_text(&unscaled.to_string(), *scale).bytes()),
                }
            }
            Self::DecimalBytes(values, scale, format) => {
                let bytes = values.value(row);
                match format {
                    DecimalFormat::Base64 => write_base64(bytes, out),
                    DecimalFormat::Numeric => {
                        let unscaled = BigInt::from_signed_bytes_be(bytes).to_string();
                        out.extend(number::to_text(&unscaled, *scale).bytes());
                    }
                }
            }
            nested => return nested.write_nested(row, out),
        }
        Ok(())
    }

    fn write_nested(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        match self {
            Self::Struct(members) => {
                for (prefix, encoder) in members {
                    out.extend_from_slice(prefix);
                    encoder.write(row, out)?;
                }
                out.extend_from_slice(if members.is_empty() { b"{}" } else { b"}" });
            }
            Self::List(offsets, items) => {
                out.push(b'[');
                separated(offsets, row, out, |index, out| items.write(index, out))?;
                out.push(b']');
            }
            Self::Object(offsets, keys, values) => {
                out.push(b'{');
                separated(offsets, row, out, |index, out| {
                    write_string(keys.value(index), out);
                    out.push(b':');
                    values.write(index, out)
                })?;
                out.push(b'}');
            }
            Self::Map(offsets, keys, values) => {
                out.push(b'[');
                separated(offsets, row, out, |index, out| {
                    out.push(b'[');
                    keys.write(index, out)?;
                    out.push(b',');
                    values.write(index, out)?;
                    out.push(b']');
                    Ok(())
                })?;
                out.push(b']');
            }
            _ => unreachable!("scalars are written by the caller"),
        }
        Ok(())
    }
}

/// A default value, which a schema keeps in the form of a payload with decimals in Base64, in the wanted form.
pub fn default_text(schema: &ConnectSchema, default: &Value, format: DecimalFormat) -> String {
    let joined = |parts: Vec<String>, [open, close]: [char; 2]| format!("{open}{}{close}", parts.join(","));
    let named = |name: &str, text: String| format!("{}:{text}", Value::from(name));
    match (&schema.kind, default) {
        (SchemaType::Bytes, Value::String(base64)) if schema.name.as_deref() == Some(DECIMAL) => {
            let scale = schema.parameters.get(SCALE).and_then(|scale| scale.parse().ok());
            match (format, scale, STANDARD.decode(base64)) {
                (DecimalFormat::Numeric, Some(scale), Ok(bytes)) => {
                    number::to_text(&BigInt::from_signed_bytes_be(&bytes).to_string(), scale)
                }
                _ => default.to_string(),
            }
        }
        (SchemaType::Array(item), Value::Array(values)) => {
            joined(values.iter().map(|value| default_text(item, value, format)).collect(), ['[', ']'])
        }
        (SchemaType::Map(_, of), Value::Object(entries)) => {
            let entries = entries.iter().map(|(key, value)| named(key, default_text(of, value, format)));
            joined(entries.collect(), ['{', '}'])
        }
        (SchemaType::Map(key_of, value_of), Value::Array(entries)) => {
            let entry = |entry: &Value| match entry.as_array().map(Vec::as_slice) {
                Some([key, value]) => {
                    format!("[{},{}]", default_text(key_of, key, format), default_text(value_of, value, format))
                }
                _ => entry.to_string(),
            };
            joined(entries.iter().map(entry).collect(), ['[', ']'])
        }
        (SchemaType::Struct(fields), Value::Object(members)) => {
            let member = |(name, value): (&String, &Value)| {
                let of = fields.iter().find(|(field, _)| field == name);
                named(name, of.map_or_else(|| value.to_string(), |(_, of)| default_text(of, value, format)))
            };
            joined(members.iter().map(member).collect(), ['{', '}'])
        }
        _ => default.to_string(),
    }
}

/// Writes the entries of row `row` with commas between them.
fn separated(
    offsets: &OffsetBuffer<i32>,
    row: usize,
    out: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    let start = offsets[row] as usize;
    for index in start..offsets[row + 1] as usize {
        if index > start {
            out.push(b',');
        }
        write(index, out)?;
    }
    Ok(())
}

fn integers(column: &ArrayRef) -> Result<ScalarBuffer<i64>, ConvertError> {
    column::integers(column).map_err(refuse_column)
}

fn to_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ConvertError> {
    column::to_type(column, data_type).map_err(refuse_column)
}

fn refuse_column(error: ArrowError) -> ConvertError {
    ConvertError::new(format!("the column cannot be written: {error}"))
}

/// Appends `text` as a JSON string. Source: Jackson's default escapes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let plain = plain_len(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(special) = rest.get(plain) else { break };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

fn write_json(text: &str, out: &mut Vec<u8>) -> Result<(), ConvertError> {
    let mut parser = Parser::new(text.as_bytes());
    parser
        .skip()
        .and_then(|()| parser.end())
        .map_err(|error| ConvertError::new(format!("the schemaless value is not JSON: {error}")))?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("the slice has the encoded length");
    out.truncate(start + written);
    out.push(b'"');
}

/// Source: Jackson `QUOTE_NON_NUMERIC_NUMBERS`.
fn write_not_finite(value: f64, out: &mut Vec<u8>) {
    let text = match value {
        value if value.is_nan() => "\"NaN\"",
        value if value > 0.0 => "\"Infinity\"",
        _ => "\"-Infinity\"",
    };
    out.extend_from_slice(text.as_bytes());
}

fn infallible(result: std::io::Result<()>) {
    result.expect("writing into memory does not fail");
}

pub fn refuse_schema(error: SchemaError) -> ConvertError {
    ConvertError::new(error.to_string())
}
