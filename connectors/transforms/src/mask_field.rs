//! `MaskField`: puts its type's zero, or a fixed replacement, in the place of a field's value. Nulls stay null.

use crate::columns::{Members, Operand, constant, integer_as, operand, refuse_null, refuse_single};
use crate::schemaless::{OnNull, kind, map_objects, raw, raw_string};
use crate::smt::{
    Side, Smt, SmtResult, list, list_key, refused, rejected, replace_null_key, replaces_null, string_key,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, StringArray, StructArray, new_empty_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use serde_json::value::RawValue;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::schema::decimal_scale;
use sluice_data::{ConnectBatch, number};
use std::sync::Arc;

const PURPOSE: &str = "mask fields";

pub struct MaskField {
    fields: Vec<String>,
    replacement: Option<String>,
    replaces_null: bool,
}

impl Smt for MaskField {
    fn config_def() -> ConfigDef {
        let replacement =
            "Custom value replacement, that will be applied to all fields (numeric or non-empty string values only).";
        ConfigDef::default()
            .define(list_key("fields", Default::Required, "Names of fields to mask."))
            .define(string_key("replacement", Default::Unset, replacement).validator(Validator::NonEmpty))
            .define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let replacement = config.get("replacement").cloned();
        Ok(Self { fields: list(config, "fields"), replacement, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        match operand(field, column) {
            Operand::Nothing if column.is_empty() => Ok(batch.clone()),
            Operand::Nothing => refuse_null(PURPOSE),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Refuse, |_, object| {
                    for name in &self.fields {
                        let masked = match object.get(name) {
                            Some(value) => self.mask_text(value.get())?,
                            None => raw("null".to_owned()),
                        };
                        object.insert(name.clone(), masked);
                    }
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) if structure.null_count() > 0 => refuse_null(PURPOSE),
            Operand::Struct(structure) => {
                let mut members = Members::of(structure, self.replaces_null)?;
                for index in 0..members.fields.len() {
                    if !self.fields.contains(members.fields[index].name()) {
                        continue;
                    }
                    let column = &members.columns[index];
                    let masked = self.masked(&members.fields[index])?;
                    members.columns[index] = constant(&masked, column.len(), column.logical_nulls().as_ref())?;
                }
                let (field, column) = members.into_column(field)?;
                side.replace(batch, field, column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

impl MaskField {
    /// What a field's values become, one row.
    fn masked(&self, field: &Field) -> SmtResult<ArrayRef> {
        match &self.replacement {
            Some(replacement) => replaced(field, replacement),
            None => zero(field),
        }
    }

    fn mask_text(&self, text: &str) -> SmtResult<Box<RawValue>> {
        let is_float = text.contains(['.', 'e', 'E']);
        let masked = match (kind(text), &self.replacement) {
            ("null", _) => "null".to_owned(),
            ("number", None) => if is_float { "0.0" } else { "0" }.to_owned(),
            ("number", Some(replacement)) => {
                let is_valid = if is_float {
                    replacement.parse::<f64>().is_ok_and(f64::is_finite)
                } else {
                    replacement.parse::<i64>().is_ok()
                };
                if !is_valid {
                    return Err(unparsable(replacement, "a number"));
                }
                let value = if is_float {
                    replacement.parse::<f64>().map(|value| value.to_string())
                } else {
                    Ok(replacement.clone())
                };
                value.map_err(|_| unparsable(replacement, "a number"))?
            }
            ("string", replacement) => return Ok(raw_string(replacement.as_deref().unwrap_or_default())),
            (found, Some(_)) => {
                return Err(rejected(format!("Cannot mask value of type {found} with custom replacement.")));
            }
            ("boolean", None) => "false".to_owned(),
            ("array", None) => "[]".to_owned(),
            _ => "{}".to_owned(),
        };
        Ok(raw(masked))
    }
}

/// Source: Kafka `MaskField.PRIMITIVE_VALUE_MAPPING`.
fn zero(field: &Field) -> SmtResult<ArrayRef> {
    let cannot = || rejected(format!("Cannot mask value of type: {}", field.data_type()));
    Ok(match field.data_type() {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![false])),
        DataType::Utf8 => Arc::new(StringArray::from(vec![""])),
        DataType::Binary if decimal_scale(field).is_some() => Arc::new(BinaryArray::from(vec![&[0u8][..]])),
        DataType::List(item) => {
            let nothing = new_empty_array(item.data_type());
            Arc::new(ListArray::try_new(item.clone(), OffsetBuffer::new_zeroed(1), nothing, None).map_err(refused)?)
        }
        DataType::Map(entries, sorted) => {
            let nothing = new_empty_array(entries.data_type());
            let nothing: &StructArray = nothing.as_any().downcast_ref().ok_or_else(cannot)?;
            let map = MapArray::try_new(entries.clone(), OffsetBuffer::new_zeroed(1), nothing.clone(), None, *sorted);
            Arc::new(map.map_err(refused)?)
        }
        DataType::Struct(_) | DataType::Binary => return Err(cannot()),
        number => integer_as(0, number).ok_or_else(cannot)?,
    })
}

/// Source: Kafka `MaskField.REPLACEMENT_MAPPING_FUNC`.
fn replaced(field: &Field, replacement: &str) -> SmtResult<ArrayRef> {
    let text: ArrayRef = Arc::new(StringArray::from(vec![replacement]));
    match field.data_type() {
        DataType::Utf8 => Ok(text),
        DataType::Binary if decimal_scale(field).is_some() => {
            let unscaled = number::parse(replacement, decimal_scale(field).unwrap_or_default());
            let unscaled = unscaled.ok_or_else(|| unparsable(replacement, "a decimal of this scale"))?;
            Ok(Arc::new(BinaryArray::from(vec![unscaled.to_signed_bytes_be().as_slice()])))
        }
        data_type if data_type.is_numeric() => {
            let value = cast(&text, data_type).map_err(refused)?;
            if value.is_null(0) { Err(unparsable(replacement, &data_type.to_string())) } else { Ok(value) }
        }
        other => Err(rejected(format!("Cannot mask value of type {other} with custom replacement."))),
    }
}

fn unparsable(replacement: &str, wanted: &str) -> sluice_connect_api::ConnectError {
    rejected(format!("Unable to convert {replacement} (replacement) to {wanted}"))
}
