//! `Cast`: fields, or the whole key or value, to another primitive type, by Java's rules of conversion.

mod scalar;

use crate::columns::{Members, Operand, operand, refuse_single};
use crate::schemaless::{OnNull, map_objects, raw};
use crate::smt::{Side, Smt, SmtResult, list_key, rejected, replace_null_key, replaces_null};
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field};
use scalar::Scalar;
use sluice_connect_api::config_def::{Default, parse_list};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use sluice_data::schema::{DEFAULT, REQUIRED};
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
    fields: HashMap<String, DataType>,
    whole: Option<DataType>,
    replaces_null: bool,
}

impl Smt for Cast {
    fn config_def() -> ConfigDef {
        let documentation = "List of fields and the type to cast them to, of the form field1:type,field2:type; or one \
                             type alone to cast the entire value. Valid types are int8, int16, int32, int64, float32, \
                             float64, boolean, and string.";
        ConfigDef::default().define(list_key("spec", Default::Required, documentation)).define(replace_null_key())
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
            match mapping.split(':').collect::<Vec<_>>()[..] {
                [name] => whole = Some(data_type(name)?),
                [field, name] => drop(fields.insert(field.trim().to_owned(), data_type(name)?)),
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
        match (operand(field, column), &self.whole) {
            (Operand::Nothing, _) => Ok(batch.clone()),
            (Operand::Json(texts), Some(target)) => {
                let cast = |text: &str| Scalar::of_json(text)?.to_json(target);
                let texts = texts.iter().map(|text| text.map(cast).transpose()).collect::<SmtResult<StringArray>>()?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            (Operand::Json(texts), None) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |_, object| {
                    for (name, target) in &self.fields {
                        let text = match object.get(name).map(|value| value.get()) {
                            None | Some("null") => "null".to_owned(),
                            Some(text) => Scalar::of_json(text)?.to_json(target)?,
                        };
                        object.insert(name.clone(), raw(text));
                    }
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            (_, Some(target)) => {
                let (field, column) = cast_column(field, column, target)?;
                side.replace(batch, field, column)
            }
            (Operand::Struct(structure), None) => {
                let mut members = Members::of(structure, self.replaces_null)?;
                for index in 0..members.fields.len() {
                    if let Some(target) = self.fields.get(members.fields[index].name()) {
                        let (field, column) = cast_column(&members.fields[index], &members.columns[index], target)?;
                        members.fields[index] = Arc::new(field);
                        members.columns[index] = column;
                    }
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
    let column = match target {
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
    };
    let mut metadata = HashMap::new();
    if let Some(default) = field.metadata().get(DEFAULT) {
        metadata.insert(DEFAULT.to_owned(), Scalar::of_json(default)?.to_json(target)?);
    }
    if let Some(required) = field.metadata().get(REQUIRED) {
        metadata.insert(REQUIRED.to_owned(), required.clone());
    }
    Ok((Field::new(field.name(), target.clone(), field.is_nullable()).with_metadata(metadata), column))
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
