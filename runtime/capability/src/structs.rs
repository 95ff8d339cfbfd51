//! Struct values made and changed field by field.

use crate::bindings::batches::NamedColumn;
use crate::bindings::errors::Error;
use crate::cast::{TextAsBytes, cast_column};
use crate::column::from_guest;
use crate::error::CapabilityError;
use crate::path::resolve;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray, new_null_array};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use parking_lot::RwLock;
use serde_json::Value;
use sluice_data::batch::VALUE;
use sluice_data::schema::is_schemaless;
use sluice_data::{ConnectBatch, ConnectSchema};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// More fields than any table has; beyond it something is wrong.
const FIELDS_MAX: usize = 10_000;
/// Schemas that are remembered, and the longest text of one.
const KNOWN_MAX: usize = 256;
const KNOWN_BYTES_MAX: usize = 16 << 10;

/// By their text, the value fields that guests asked for: a guest gives the same one with every batch. All guests share them, and when
/// there are too many, all are forgotten.
static KNOWN: LazyLock<RwLock<HashMap<String, FieldRef>>> = LazyLock::new(RwLock::default);

/// The Arrow field of a Connect schema in JSON.
///
/// # Errors
/// Rejected `batch.schema`.
pub fn field_of(schema: &str, name: &str) -> Result<Field, Error> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| bad_schema(format!("is not JSON: {error}")))?;
    field_of_json(&schema, name)
}

/// [`field_of`] a value, parsed once.
fn value_field_of(schema: &str) -> Result<FieldRef, Error> {
    if let Some(field) = KNOWN.read().get(schema) {
        return Ok(Arc::clone(field));
    }
    let field = Arc::new(field_of(schema, VALUE)?);
    if schema.len() <= KNOWN_BYTES_MAX {
        let mut known = KNOWN.write();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(schema.to_owned(), Arc::clone(&field));
    }
    Ok(field)
}

/// # Errors
/// As [`field_of`].
pub fn field_of_json(schema: &Value, name: &str) -> Result<Field, Error> {
    let schema = ConnectSchema::from_json(schema).map_err(|error| bad_schema(error.to_string()))?;
    schema.to_field(name).map_err(|error| bad_schema(error.to_string()))
}

/// A struct value of a guest's columns, cast to `schema` when there is one.
///
/// # Errors
/// Rejected `batch.column`, `batch.schema`, `batch.cast`.
pub fn from_columns(topic: &str, columns: Vec<NamedColumn>, schema: Option<&str>) -> Result<ConnectBatch, Error> {
    check_field_count(columns.len())?;
    let mut named: Vec<(String, ArrayRef)> = Vec::with_capacity(columns.len());
    for NamedColumn { name, column } in columns {
        if named.iter().any(|(other, _)| *other == name) {
            return Err(CapabilityError::rejected("batch.column", format!("column {name:?} is there twice")));
        }
        let array = from_guest(&name, column)?;
        named.push((name, array));
    }
    let rows = named.first().map_or(0, |(_, array)| array.len());
    if let Some((name, array)) = named.iter().find(|(_, array)| array.len() != rows) {
        let message = format!("column {name:?} has {} rows, the first column {rows}", array.len());
        return Err(CapabilityError::rejected("batch.column", message));
    }
    let (field, values) = match schema {
        Some(schema) => shaped(named, &*value_field_of(schema)?, rows)?,
        None => {
            let fields: Fields = named
                .iter()
                .map(|(name, array)| Field::new(name, array.data_type().clone(), array.null_count() > 0))
                .collect();
            let arrays = named.into_iter().map(|(_, array)| array).collect();
            make_struct(&Field::new(VALUE, DataType::Null, false), fields, arrays, rows)?
        }
    };
    let built = ConnectBatch::builder(topic, &field, values).build();
    built.map_err(|error| CapabilityError::rejected("batch.column", error.to_string()))
}

fn shaped(named: Vec<(String, ArrayRef)>, wanted: &Field, rows: usize) -> Result<(Field, ArrayRef), Error> {
    let DataType::Struct(fields) = wanted.data_type() else {
        return Err(bad_schema(format!("is {}, not a struct of the columns", wanted.data_type())));
    };
    if let Some((name, _)) = named.iter().find(|(name, _)| fields.find(name).is_none()) {
        return Err(bad_schema(format!("has no field for the column {name:?}")));
    }
    let arrays = fields.iter().map(|field| match named.iter().find(|(name, _)| name == field.name()) {
        Some((name, array)) => {
            let from = Field::new(name, array.data_type().clone(), true);
            cast_column(array, &from, field, TextAsBytes::Utf8)
        }
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), rows)),
        None => Err(bad_schema(format!("requires the field {:?}, for which there is no column", field.name()))),
    });
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    make_struct(wanted, fields.clone(), arrays, rows)
}

/// Fields of the value in a new order, under new names; an empty name keeps the last part of the path.
///
/// # Errors
/// Rejected `batch.no-column`, `batch.select`.
pub fn select(batch: &ConnectBatch, wanted: &[(String, String)]) -> Result<ConnectBatch, Error> {
    check_field_count(wanted.len())?;
    let nulls = batch.value().logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let mut fields: Vec<FieldRef> = Vec::with_capacity(wanted.len());
    let mut columns = Vec::with_capacity(wanted.len());
    for (path, rename) in wanted {
        let (field, column) = resolve(batch, path)?;
        let name = if rename.is_empty() { field.name() } else { rename };
        if fields.iter().any(|other| other.name() == name) {
            return Err(CapabilityError::rejected("batch.select", format!("the field {name:?} is selected twice")));
        }
        let nullable = field.is_nullable() || column.null_count() > 0;
        fields.push(Arc::new(Field::clone(&field).with_name(name).with_nullable(nullable)));
        columns.push(column);
    }
    let fields = Fields::from(fields);
    let rows = StructArray::try_new_with_length(fields.clone(), columns, nulls, batch.len())
        .map_err(|error| CapabilityError::rejected("batch.select", error.to_string()))?;
    let mut field = Field::clone(batch.value_field()).with_data_type(DataType::Struct(fields));
    if is_schemaless(batch.value_field()) {
        field = field.with_metadata(HashMap::new());
    }
    replace_value(batch, &field, Arc::new(rows))
}

/// Puts `column` in the place of a field of the value, cast to its type, or adds it.
///
/// # Errors
/// Rejected `batch.column`, `batch.cast`.
pub fn with_field(batch: &ConnectBatch, name: &str, column: ArrayRef) -> Result<ConnectBatch, Error> {
    let wrong = |message: String| CapabilityError::rejected("batch.column", message);
    if column.len() != batch.len() {
        return Err(wrong(format!("column {name:?} has {} rows, the batch {}", column.len(), batch.len())));
    }
    let value = batch.value_field();
    let DataType::Struct(fields) = value.data_type() else {
        return Err(wrong(format!("the value of topic {:?} is {}, not a struct", batch.topic(), value.data_type())));
    };
    let mut fields: Vec<FieldRef> = fields.iter().cloned().collect();
    let mut columns = batch.value().as_struct().columns().to_vec();
    let given = Field::new(name, column.data_type().clone(), column.null_count() > 0);
    match fields.iter().position(|field| field.name() == name) {
        Some(index) => {
            let field = Field::clone(&fields[index]).with_nullable(fields[index].is_nullable() || given.is_nullable());
            columns[index] = cast_column(&column, &given, &field, TextAsBytes::Utf8)?;
            fields[index] = Arc::new(field);
        }
        None => {
            check_field_count(fields.len() + 1)?;
            fields.push(Arc::new(given));
            columns.push(column);
        }
    }
    let fields = Fields::from(fields);
    let nulls = batch.value().nulls().cloned();
    let rows = StructArray::try_new_with_length(fields.clone(), columns, nulls, batch.len());
    let rows = rows.map_err(|error| wrong(error.to_string()))?;
    replace_value(batch, &Field::clone(value).with_data_type(DataType::Struct(fields)), Arc::new(rows))
}

fn make_struct(field: &Field, fields: Fields, arrays: Vec<ArrayRef>, rows: usize) -> Result<(Field, ArrayRef), Error> {
    let values = StructArray::try_new_with_length(fields.clone(), arrays, None, rows)
        .map_err(|error| CapabilityError::rejected("batch.column", error.to_string()))?;
    Ok((field.clone().with_data_type(DataType::Struct(fields)), Arc::new(values)))
}

fn replace_value(batch: &ConnectBatch, field: &Field, values: ArrayRef) -> Result<ConnectBatch, Error> {
    let nullable = field.is_nullable() || values.null_count() > 0;
    batch
        .with_column(VALUE, &field.clone().with_nullable(nullable), values)
        .map_err(|error| CapabilityError::rejected("batch.column", error.to_string()))
}

fn check_field_count(count: usize) -> Result<(), Error> {
    if count <= FIELDS_MAX {
        return Ok(());
    }
    Err(CapabilityError::rejected(
        "batch.column",
        format!("{count} fields are more than the {FIELDS_MAX} of one struct"),
    ))
}

fn bad_schema(problem: String) -> Error {
    CapabilityError::rejected("batch.schema", format!("the schema {problem}"))
}
