//! `Cast`: fields, or the whole key or value, to another primitive type, by Java's rules of conversion.

mod kernel;
mod scalar;

use crate::columns::{Members, Operand, is_all_null, operand, refuse_single};
use crate::field_path::{self, FieldPath};
use crate::schemaless::{OnNull, change_at, map_objects};
use crate::smt::{Side, Smt, SmtResult, list_key, rejected, replace_null_key, replaces_null, split_colons};
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field};
use scalar::Scalar;
use sluice_connect_api::config_def::{Default, parse_list};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use sluice_data::schema::{
    DATE, DECIMAL, DEFAULT, DOC, NAME, PARAMETERS, REQUIRED, TIME, TIMESTAMP, VERSION, payload_to_row, row_to_payload,
};
use std::collections::HashMap;
use std::sync::Arc;

const PURPOSE: &str = "cast types";
const TYPES: [(&str, DataType); 8] = [
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("boolean", DataType::Boolean),
    ("string", DataType::Utf8),
];

pub struct Cast {
    fields: HashMap<FieldPath, DataType>,
    whole: Option<DataType>,
    replaces_null: bool,
}

impl Smt for Cast {
    fn config_def() -> ConfigDef {
        let documentation = "List of fields and the type to cast them to, of the form field1:type,field2:type; or one \
                             type alone to cast the entire value. Valid types are int8, int16, int32, int64, float32, \
                             float64, boolean, and string.";
        let def = ConfigDef::default().define(list_key("spec", Default::Required, documentation));
        field_path::with_version_key(def.define(replace_null_key()))
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let spec = &config["spec"];
        let invalid = |reason: &str| format!("Invalid value {spec} for configuration spec: {reason}");
        let data_type = |name: &str| {
            let known = TYPES.iter().find(|(known, _)| *known == name.trim().to_ascii_lowercase());
            known.map(|(_, data_type)| data_type.clone()).ok_or_else(|| {
                let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
                invalid(&format!(
                    "Cast transformation does not support casting to {name}; supported types are {}",
                    names.join(", ")
                ))
            })
        };
        let (mut fields, mut whole) = (HashMap::new(), None);
        for mapping in parse_list(spec) {
            match split_colons(mapping)[..] {
                [name] => whole = Some(data_type(name)?),
                [field, name] => drop(fields.insert(field_path::of_config(config, field.trim())?, data_type(name)?)),
                _ => return Err(invalid(&format!("Invalid cast mapping: {mapping}"))),
            }
        }
        if whole.is_some() && parse_list(spec).len() > 1 {
            return Err(invalid(
                "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec",
            ));
        }
        Ok(Self { fields, whole, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_all_null(column) {
            return Ok(batch.clone());
        }
        match (operand(field, column), &self.whole) {
            (Operand::Nothing, _) => Ok(batch.clone()),
            (Operand::Json(texts), Some(target)) => {
                let cast = |text: &str| Scalar::of_json(text)?.to_json(target);
                let texts = texts.iter().map(|text| text.map(cast).transpose()).collect::<SmtResult<StringArray>>()?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            (Operand::Json(texts), None) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |_, object| {
                    for (path, target) in &self.fields {
                        change_at(object, path, &mut |text| match text {
                            None | Some("null") => Ok(Some("null".to_owned())),
                            Some(text) => Scalar::of_json(text)?.to_json(target).map(Some),
                        })?;
                    }
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            (_, Some(target)) => {
                let (cast, column) = cast_column(field, column, target)?;
                let field = with_description(cast, field);
                side.replace(batch, field, column)
            }
            (Operand::Struct(structure), None) => {
                let mut members = Members::of(structure, self.replaces_null)?;
                for (path, target) in &self.fields {
                    members.change_at(path, &mut |field, column| cast_column(field, column, target))?;
                }
                let (field, column) = members.into_column(field)?;
                side.replace(batch, field, column)
            }
            (Operand::Single, None) => refuse_single(PURPOSE, column),
        }
    }
}

/// The optional flag and the default (cast too) stay, name and parameters do not.
fn cast_column(field: &Field, column: &ArrayRef, target: &DataType) -> SmtResult<(Field, ArrayRef)> {
    let mut metadata = HashMap::new();
    if let Some(default) = field.metadata().get(DEFAULT) {
        metadata.insert(DEFAULT.to_owned(), cast_default(field, default, target)?);
    }
    if let Some(required) = field.metadata().get(REQUIRED) {
        metadata.insert(REQUIRED.to_owned(), required.clone());
    }
    let column = cast_values(field, column, target)?;
    Ok((Field::new(field.name(), target.clone(), field.is_nullable()).with_metadata(metadata), column))
}

/// A default in the JSON form of a payload, cast too.
fn cast_default(field: &Field, default: &str, target: &DataType) -> SmtResult<String> {
    let unusable = || rejected(format!("the default of field {:?} cannot be cast: {default}", field.name()));
    let payload = serde_json::from_str(default).map_err(|_| unusable())?;
    let row = cast_values(field, &payload_to_row(field, &payload).ok_or_else(unusable)?, target)?;
    let cast = Field::new(field.name(), target.clone(), true);
    Ok(row_to_payload(&cast, &row, 0).ok_or_else(unusable)?.to_string())
}

/// The whole key or value keeps what describes its schema, but not a logical type's name, which its new type does not have.
fn with_description(cast: Field, original: &Field) -> Field {
    let mut metadata = cast.metadata().clone();
    let is_logical =
        original.metadata().get(NAME).is_some_and(|name| [DATE, TIME, TIMESTAMP, DECIMAL].contains(&name.as_str()));
    for key in [NAME, VERSION, DOC, PARAMETERS] {
        if let (Some(value), false) = (original.metadata().get(key), is_logical) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    cast.with_metadata(metadata)
}

fn cast_values(field: &Field, column: &ArrayRef, target: &DataType) -> SmtResult<ArrayRef> {
    if let Some(numbers) = kernel::cast_numbers(column, target)? {
        return Ok(numbers);
    }
    Ok(match target {
        DataType::Int8 => numbers::<Int8Type>(field, column, |value| value.to_integer(8).map(|value| value as i8))?,
        DataType::Int16 => numbers::<Int16Type>(field, column, |value| value.to_integer(16).map(|value| value as i16))?,
        DataType::Int32 => numbers::<Int32Type>(field, column, |value| value.to_integer(32).map(|value| value as i32))?,
        DataType::Int64 => numbers::<Int64Type>(field, column, |value| value.to_integer(64))?,
        DataType::Float32 => numbers::<Float32Type>(field, column, Scalar::to_float32)?,
        DataType::Float64 => numbers::<Float64Type>(field, column, Scalar::to_float64)?,
        DataType::Boolean => {
            let mut values = BooleanBuilder::with_capacity(column.len());
            for row in 0..column.len() {
                values.append_option(Scalar::of(field, column, row)?.map(|value| value.to_boolean()).transpose()?);
            }
            Arc::new(values.finish())
        }
        _ => {
            let mut values = StringBuilder::new();
            for row in 0..column.len() {
                values.append_option(Scalar::of(field, column, row)?.map(|value| value.to_text()).transpose()?);
            }
            Arc::new(values.finish())
        }
    })
}

fn numbers<T: ArrowPrimitiveType>(
    field: &Field,
    column: &ArrayRef,
    cast: impl Fn(&Scalar) -> SmtResult<T::Native>,
) -> SmtResult<ArrayRef> {
    let mut values = PrimitiveBuilder::<T>::with_capacity(column.len());
    for row in 0..column.len() {
        values.append_option(Scalar::of(field, column, row)?.map(|value| cast(&value)).transpose()?);
    }
    Ok(Arc::new(values.finish()))
}

fn unsupported(found: impl std::fmt::Display) -> sluice_connect_api::ConnectError {
    rejected(format!("Unexpected type in Cast transformation: {found}"))
}
