//! `HoistField`: wraps the whole into a struct (with a schema) or an object (without) of one field. A null is wrapped too.

use crate::columns::{Members, Operand, operand};
use crate::schemaless::{Object, raw, to_text};
use crate::smt::{Side, Smt, SmtResult, of_importance, rejected, string_key};
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, StringArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::ConnectBatch;
use sluice_data::batch::TOMBSTONE;
use sluice_data::schema::{REQUIRED, holds_tombstones, is_schemaless, schemaless_json_field};
use std::sync::Arc;

pub struct HoistField {
    field: String,
}

impl Smt for HoistField {
    fn config_def() -> ConfigDef {
        let documentation = "Field name for the single field that will be created in the resulting Struct or Map.";
        let key = string_key("field", Default::Required, documentation);
        ConfigDef::default().define(of_importance(Importance::Medium, key))
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        Ok(Self { field: config["field"].clone() })
    }

    /// Rows without a schema become objects, those with one structs: parts in order, since order counts.
    fn apply_all(&self, side: Side, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let (field, column) = side.operand(batch);
        let is_absent = |row: usize| match side {
            Side::Key => holds_tombstones(field) && column.is_null(row),
            Side::Value => !is_schemaless(field) && batch.is_tombstone(row),
        };
        let absent: Vec<bool> = (0..batch.len()).map(is_absent).collect();
        if !absent.contains(&true) {
            return self.apply(side, batch).map(|batch| vec![batch]);
        }
        let (mut parts, mut start) = (Vec::new(), 0);
        for end in 1..=batch.len() {
            if end < batch.len() && absent[end] == absent[start] {
                continue;
            }
            let part = batch.slice(start, end - start);
            let part = if absent[start] { without_schema(side, &part)? } else { with_schema(side, &part)? };
            parts.push(self.apply(side, &part)?);
            start = end;
        }
        Ok(parts)
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        let wrapped = match operand(field, column) {
            Operand::Nothing => {
                let texts: ArrayRef =
                    Arc::new(StringArray::from_iter_values((0..column.len()).map(|_| self.wrap("null"))));
                side.replace(batch, schemaless_json_field("value"), texts)?
            }
            Operand::Json(texts) => {
                let texts: ArrayRef =
                    Arc::new(StringArray::from_iter_values(texts.iter().map(|text| self.wrap(text.unwrap_or("null")))));
                side.replace(batch, field.as_ref().clone(), texts)?
            }
            Operand::Struct(_) | Operand::Single => {
                let mut members = Members::empty(column.len());
                members.push(field.as_ref().clone().with_name(&self.field), column.clone());
                let (field, column) = members.into_column(&Field::new("value", DataType::Null, false))?;
                side.replace(batch, field, column)?
            }
        };
        // What was a tombstone has a value now.
        if side == Side::Value && wrapped.tombstones().is_some() {
            let none: ArrayRef = Arc::new(BooleanArray::from(vec![false; batch.len()]));
            let field = Field::new(TOMBSTONE, DataType::Boolean, false);
            return wrapped.with_column(TOMBSTONE, &field, none).map_err(|error| rejected(error.to_string()));
        }
        Ok(wrapped)
    }
}

impl HoistField {
    fn wrap(&self, text: &str) -> String {
        to_text(&Object::from([(self.field.clone(), raw(text.to_owned()))]))
    }
}

/// The same rows, all of them null, as null of no type.
fn without_schema(side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
    let nothing: ArrayRef = Arc::new(NullArray::new(batch.len()));
    side.replace(batch, Field::new("value", DataType::Null, true), nothing)
}

/// The same rows, none of them without a schema.
fn with_schema(side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
    let (field, column) = side.operand(batch);
    let mut metadata = field.metadata().clone();
    let was_required = metadata.remove(REQUIRED).is_some();
    let is_nullable = field.is_nullable() && !was_required;
    side.replace(batch, field.as_ref().clone().with_nullable(is_nullable).with_metadata(metadata), column.clone())
}
