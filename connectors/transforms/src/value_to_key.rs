//! `ValueToKey`: a new key of some of the value's fields.

use crate::columns::{Members, Operand, operand, refuse_null, refuse_single};
use crate::schemaless::{Object, OnNull, map_objects, raw};
use crate::smt::{RecordSmt, Side, SmtResult, list, list_key, rejected, replace_null_key, replaces_null};
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
    fields: Vec<String>,
    replaces_null: bool,
}

impl RecordSmt for ValueToKey {
    fn config_def() -> ConfigDef {
        let fields = "Field names on the record value to extract as the record key.";
        ConfigDef::default().define(list_key("fields", Default::Required, fields)).define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        Ok(Self { fields: list(config, "fields"), replaces_null: replaces_null(config) })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let (field, column) = Side::Value.operand(batch);
        let keyed = match operand(field, column) {
            Operand::Nothing if !column.is_empty() => return refuse_null(PURPOSE),
            Operand::Nothing => batch.clone(),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Refuse, |_, object| {
                    let member = |name: &String| object.get(name).cloned().unwrap_or_else(|| raw("null".to_owned()));
                    *object = self.fields.iter().map(|name| (name.clone(), member(name))).collect::<Object>();
                    Ok(())
                })?;
                Side::Key.replace(batch, schemaless_json_field(KEY), Arc::new(texts))?
            }
            Operand::Struct(structure) if structure.null_count() > 0 => return refuse_null(PURPOSE),
            Operand::Struct(structure) => {
                let members = Members::of(structure, self.replaces_null)?;
                let mut key = Members::empty(structure.len());
                for name in &self.fields {
                    let Some(index) = members.position(name) else {
                        return Err(rejected(format!("Field does not exist: {name}")));
                    };
                    key.push(members.fields[index].as_ref().clone(), members.columns[index].clone());
                }
                let (field, column) = key.into_column(&Field::new(KEY, DataType::Null, false))?;
                Side::Key.replace(batch, field, column)?
            }
            Operand::Single => return refuse_single(PURPOSE, column),
        };
        Ok(vec![keyed])
    }
}
