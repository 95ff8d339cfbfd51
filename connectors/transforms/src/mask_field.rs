//! `MaskField`: puts its type's zero, or a fixed replacement, in the place of a field's value. Nulls stay null.

use crate::columns::{Members, Operand, constant, is_all_null, operand, refuse_null, refuse_single};
use crate::field_path::{self, FieldPath, list_of_config};
use crate::schemaless::{OnNull, change_at, kind, map_objects, raw_string};
use crate::smt::{
    Side, Smt, SmtResult, list_key, of_importance, refused, rejected, replace_null_key, replaces_null, string_key,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, ListArray, MapArray, StringArray,
    StructArray, new_empty_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::schema::{DEFAULT, decimal_scale, integer_to_row};
use sluice_data::{ConnectBatch, number};
use std::sync::Arc;

const PURPOSE: &str = "mask fields";

pub struct MaskField {
    fields: Vec<FieldPath>,
    replacement: Option<String>,
    replaces_null: bool,
}

impl Smt for MaskField {
    fn config_def() -> ConfigDef {
        let replacement =
            "Custom value replacement, that will be applied to all fields (numeric or non-empty string values only).";
        let def = ConfigDef::default()
            .define(list_key("fields", Default::Required, "Names of fields to mask."))
            .define(
                of_importance(Importance::Low, string_key("replacement", Default::Unset, replacement))
                    .validator(Validator::NonEmpty),
            )
            .define(replace_null_key());
        field_path::with_version_key(def)
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let replacement = config.get("replacement").cloned();
        Ok(Self { fields: list_of_config(config, "fields")?, replacement, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        match operand(field, column) {
            Operand::Nothing if column.is_empty() => Ok(batch.clone()),
            Operand::Nothing => refuse_null(PURPOSE),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Refuse, |_, object| {
                    for path in &self.fields {
                        change_at(object, path, &mut |text| self.mask_text(text.unwrap_or("null")).map(Some))?;
                    }
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) if structure.null_count() > 0 => refuse_null(PURPOSE),
            Operand::Struct(structure) => {
                let mut members = Members::of(structure, self.replaces_null)?;
                for path in &self.fields {
                    members.change_at(path, &mut |member, column| {
                        if is_all_null(column) {
                            return Ok((member.clone(), column.clone()));
                        }
                        let masked = self.masked(member)?;
                        Ok((member.clone(), constant(&masked, column.len(), column.logical_nulls().as_ref())?))
                    })?;
                }
                // The schema stays what it was, its default too.
                let (mut masked, column) = members.into_column(field)?;
                if let Some(default) = field.metadata().get(DEFAULT) {
                    let mut metadata = masked.metadata().clone();
                    metadata.insert(DEFAULT.to_owned(), default.clone());
                    masked = masked.with_metadata(metadata);
                }
                side.replace(batch, masked, column)
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

    fn mask_text(&self, text: &str) -> SmtResult<String> {
        let is_float = text.contains(['.', 'e', 'E']);
        Ok(match (kind(text), &self.replacement) {
            ("null", _) => "null".to_owned(),
            ("number", None) => if is_float { "0.0" } else { "0" }.to_owned(),
            ("number", Some(replacement)) if is_float => {
                let value = parse_float(replacement)?;
                if !value.is_finite() {
                    return Err(unparsable(replacement));
                }
                number::float_text(&format!("{value:e}"))
            }
            ("number", Some(replacement)) => parse_long(replacement)?.to_string(),
            ("string", replacement) => raw_string(replacement.as_deref().unwrap_or_default()).get().to_owned(),
            (found, Some(_)) => {
                return Err(rejected(format!("Cannot mask value of type {found} with custom replacement.")));
            }
            ("boolean", None) => "false".to_owned(),
            ("array", None) => "[]".to_owned(),
            _ => "{}".to_owned(),
        })
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
        number => integer_to_row(0, number).ok_or_else(cannot)?,
    })
}

/// Source: Kafka `MaskField.REPLACEMENT_MAPPING_FUNC`.
fn replaced(field: &Field, replacement: &str) -> SmtResult<ArrayRef> {
    let cannot = || {
        let found = field.data_type();
        rejected(format!("Cannot mask value of type {found} with custom replacement."))
    };
    let fitting = |value: i64| integer_to_row(value, field.data_type()).ok_or_else(cannot);
    Ok(match field.data_type() {
        DataType::Utf8 => Arc::new(StringArray::from(vec![replacement])),
        DataType::Binary if decimal_scale(field).is_some() => {
            let unscaled = number::parse(replacement, decimal_scale(field).unwrap_or_default());
            let unscaled = unscaled.ok_or_else(|| unparsable(replacement))?;
            Arc::new(BinaryArray::from(vec![unscaled.to_signed_bytes_be().as_slice()]))
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => {
            let payload = serde_json::from_str(replacement).ok().filter(serde_json::Value::is_number);
            let row = payload.and_then(|payload| sluice_data::schema::payload_to_row(field, &payload));
            row.ok_or_else(|| unparsable(replacement))?
        }
        DataType::Float32 => Arc::new(Float32Array::from(vec![parse_float(replacement)? as f32])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![parse_float(replacement)?])),
        // Java narrows: what does not fit loses its high bits.
        DataType::Int8 => fitting((parse_long(replacement)? as i8).into())?,
        DataType::Int16 => fitting((parse_long(replacement)? as i16).into())?,
        DataType::Int32 => fitting((parse_long(replacement)? as i32).into())?,
        DataType::Int64 => fitting(parse_long(replacement)?)?,
        data_type if data_type.is_unsigned_integer() => {
            integer_to_row(parse_long(replacement)?, data_type).ok_or_else(|| unparsable(replacement))?
        }
        _ => return Err(cannot()),
    })
}

/// Source: Kafka `Values.asLong`: the fraction is dropped.
fn parse_long(replacement: &str) -> SmtResult<i64> {
    number::long_of_decimal(replacement).ok_or_else(|| unparsable(replacement))
}

/// Source: Kafka `Values.asDouble`.
fn parse_float(replacement: &str) -> SmtResult<f64> {
    number::is_decimal(replacement).then(|| replacement.parse().ok()).flatten().ok_or_else(|| unparsable(replacement))
}

fn unparsable(replacement: &str) -> sluice_connect_api::ConnectError {
    rejected(format!("Unable to convert {replacement} (replacement) to number"))
}
