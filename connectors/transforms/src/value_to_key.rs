//! `ValueToKey`: a new key of some of the value's fields.

use crate::columns::{Members, Operand, member_at, operand, refuse_null, refuse_single};
use crate::field_path::{self, FieldPath, list_of_config};
use crate::schemaless::{Object, OnNull, map_objects, raw, text_at};
use crate::smt::{RecordSmt, Side, SmtResult, list_key, rejected, replace_null_key, replaces_null};
use arrow_array::Array;
use arrow_schema::{DataType, Field};
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use sluice_data::batch::KEY;
use sluice_data::schema::schemaless_json_field;
use std::sync::Arc;

const PURPOSE: &str = "copying fields from value to key";

pub struct ValueToKey {
    fields: Vec<FieldPath>,
    replaces_null: bool,
}

impl RecordSmt for ValueToKey {
    fn config_def() -> ConfigDef {
        let fields = "Field names on the record value to extract as the record key.";
        let def = ConfigDef::default().define(list_key("fields", Default::Required, fields)).define(replace_null_key());
        field_path::with_version_key(def)
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        Ok(Self { fields: list_of_config(config, "fields")?, replaces_null: replaces_null(config) })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let (field, column) = Side::Value.operand(batch);
        let keyed = match operand(field, column) {
            Operand::Nothing if !column.is_empty() => return refuse_null(PURPOSE),
            Operand::Nothing => batch.clone(),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Refuse, |_, object| {
                    let mut key = Object::default();
                    for path in &self.fields {
                        let text = text_at(object, path)?.unwrap_or_else(|| "null".to_owned());
                        key.insert(last_name(path), raw(text));
                    }
                    *object = key;
                    Ok(())
                })?;
                Side::Key.replace(batch, schemaless_json_field(KEY), Arc::new(texts))?
            }
            Operand::Struct(structure) if structure.null_count() > 0 => return refuse_null(PURPOSE),
            Operand::Struct(structure) => {
                let mut key = Members::empty(structure.len());
                for path in &self.fields {
                    let found = member_at(field, column, path, self.replaces_null)?;
                    let (member, values) =
                        found.ok_or_else(|| rejected(format!("Field does not exist: {}", path.join("."))))?;
                    key.push(member.as_ref().clone().with_name(last_name(path)), values);
                }
                let (field, column) = key.into_column(&Field::new(KEY, DataType::Null, false))?;
                Side::Key.replace(batch, field, column)?
            }
            Operand::Single => return refuse_single(PURPOSE, column),
        };
        Ok(vec![keyed])
    }
}

/// A nested field stands in the key under its own name.
fn last_name(path: &FieldPath) -> String {
    path.last().cloned().unwrap_or_default()
}
