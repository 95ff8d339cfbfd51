//! `ExtractField`: puts one field in the place of the whole.

use crate::columns::{Operand, operand, refuse_single, under, with_default};
use crate::field_path;
use crate::schemaless::parse;
use crate::smt::{Side, Smt, SmtResult, rejected, replace_null_key, replaces_null, string_key};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{DataType, FieldRef};
use serde_json::value::RawValue;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use std::sync::Arc;

const PURPOSE: &str = "field extraction";

pub struct ExtractField {
    field: String,
    path: Vec<String>,
    replaces_null: bool,
}

impl Smt for ExtractField {
    fn config_def() -> ConfigDef {
        let versions = Validator::ValidValues { values: vec!["V1".into(), "V2".into()], ignore_case: true };
        let version =
            "V1: the field is one name. V2: names joined by dots, with backticks around those that hold dots.";
        ConfigDef::default()
            .define(string_key("field", Default::Required, "Field name to extract.").validator(Validator::Any))
            .define(string_key("field.syntax.version", Default::Value("V1".into()), version).validator(versions))
            .define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let field = config["field"].clone();
        let path = field_path::parse(&field, &config["field.syntax.version"].to_uppercase())?;
        Ok(Self { field, path, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        match operand(field, column) {
            Operand::Nothing => Ok(batch.clone()),
            Operand::Json(texts) => {
                let texts = texts.iter().map(|text| text.map_or(Ok(None), |text| self.extract_text(text)));
                let texts = texts.collect::<SmtResult<StringArray>>()?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(_) => {
                let (field, column) = self.extract_column(field, column)?;
                side.replace(batch, field.as_ref().clone(), column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

impl ExtractField {
    fn extract_column(&self, field: &FieldRef, column: &ArrayRef) -> SmtResult<(FieldRef, ArrayRef)> {
        let (mut field, mut column) = (field.clone(), column.clone());
        for name in &self.path {
            let DataType::Struct(fields) = field.data_type() else {
                return Err(rejected(format!("Unknown field: {}", self.field)));
            };
            let Some((index, member)) = fields.find(name) else {
                return Err(rejected(format!("Unknown field: {}", self.field)));
            };
            let structure = column.as_struct();
            let mut values = structure.column(index).clone();
            if self.replaces_null {
                values = with_default(member, &values)?;
            }
            values = under(structure, &values)?;
            let is_nullable =
                member.is_nullable() || (field.is_nullable() && !sluice_data::schema::holds_tombstones(&field));
            (field, column) = (Arc::new(member.as_ref().clone().with_nullable(is_nullable)), values);
        }
        Ok((field, column))
    }

    /// `None` when a name on the way is missing.
    fn extract_text(&self, text: &str) -> SmtResult<Option<String>> {
        let mut text = text.to_owned();
        for (depth, name) in self.path.iter().enumerate() {
            if depth > 0 && !text.starts_with('{') {
                return Ok(None);
            }
            let Some(member) = parse(&text, PURPOSE)?.swap_remove(name) else { return Ok(None) };
            text = RawValue::get(&member).to_owned();
        }
        Ok((text != "null").then_some(text))
    }
}
