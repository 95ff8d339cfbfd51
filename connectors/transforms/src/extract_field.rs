//! `ExtractField`: puts one field in the place of the whole.

use crate::columns::{Operand, is_all_null, member_at, operand, refuse_single};
use crate::field_path::{self, FieldPath};
use crate::schemaless::{parse, text_at};
use crate::smt::{Side, Smt, SmtResult, of_importance, rejected, replace_null_key, replaces_null, string_key};
use arrow_array::StringArray;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::ConnectBatch;
use sluice_data::schema::holds_tombstones;
use std::sync::Arc;

const PURPOSE: &str = "field extraction";

pub struct ExtractField {
    field: String,
    path: FieldPath,
    replaces_null: bool,
}

impl Smt for ExtractField {
    fn config_def() -> ConfigDef {
        let field = string_key("field", Default::Required, "Field name to extract.");
        let def = ConfigDef::default().define(of_importance(Importance::Medium, field));
        field_path::with_version_key(def).define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let field = config["field"].clone();
        let path = field_path::of_config(config, &field)?;
        Ok(Self { field, path, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_all_null(column) {
            return Ok(batch.clone());
        }
        match operand(field, column) {
            Operand::Nothing => Ok(batch.clone()),
            Operand::Json(texts) => {
                let extract = |text: &str| text_at(&parse(text, PURPOSE)?, &self.path);
                let texts = texts.iter().map(|text| Ok(text.map(extract).transpose()?.flatten()));
                let texts = texts.collect::<SmtResult<StringArray>>()?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(_) => {
                let found = member_at(field, column, &self.path, self.replaces_null)?;
                let (member, column) = found.ok_or_else(|| rejected(format!("Unknown field: {}", self.field)))?;
                let is_nullable = member.is_nullable() || (field.is_nullable() && !holds_tombstones(field));
                side.replace(batch, member.as_ref().clone().with_nullable(is_nullable), column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}
