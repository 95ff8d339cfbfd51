//! `ReplaceField`: leaves fields out, keeps only some, renames.

use crate::columns::{Members, Operand, operand, refuse_single};
use crate::schemaless::{Object, OnNull, map_objects};
use crate::smt::{Side, Smt, SmtResult, list, list_key, replace_null_key, replaces_null};
use arrow_schema::Field;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use std::collections::HashMap;
use std::sync::Arc;

const PURPOSE: &str = "field replacement";

pub struct ReplaceField {
    exclude: Vec<String>,
    include: Vec<String>,
    renames: HashMap<String, String>,
    replaces_null: bool,
}

impl Smt for ReplaceField {
    fn config_def() -> ConfigDef {
        let none = || Default::Value(String::new());
        ConfigDef::default()
            .define(list_key("exclude", none(), "Fields to exclude. This takes precedence over the fields to include."))
            .define(list_key("include", none(), "Fields to include. If specified, only these fields will be used."))
            .define(list_key("renames", none(), "Field rename mappings, like foo:bar,abc:xyz."))
            .define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let mut renames = HashMap::new();
        for mapping in list(config, "renames") {
            match mapping.split(':').collect::<Vec<_>>()[..] {
                [from, to] => renames.insert(from.to_owned(), to.to_owned()),
                _ => {
                    return Err(format!(
                        "Invalid value {mapping} for configuration renames: Invalid rename mapping: {mapping}"
                    ));
                }
            };
        }
        let (exclude, include) = (list(config, "exclude"), list(config, "include"));
        Ok(Self { exclude, include, renames, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        match operand(field, column) {
            Operand::Nothing => Ok(batch.clone()),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |_, object| {
                    let members = std::mem::take(object);
                    let kept = members.into_iter().filter(|(name, _)| self.keeps(name));
                    *object = kept.map(|(name, value)| (self.renamed(&name).to_owned(), value)).collect::<Object>();
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) => {
                let all = Members::of(structure, self.replaces_null)?;
                let mut kept = all.clone();
                (kept.fields, kept.columns) = (Vec::new(), Vec::new());
                for (field, column) in all.fields.iter().zip(&all.columns).filter(|(field, _)| self.keeps(field.name()))
                {
                    let field: &Field = field;
                    kept.push(field.clone().with_name(self.renamed(field.name())), column.clone());
                }
                let (field, column) = kept.into_column(field)?;
                side.replace(batch, field, column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

impl ReplaceField {
    fn keeps(&self, name: &String) -> bool {
        !self.exclude.contains(name) && (self.include.is_empty() || self.include.contains(name))
    }

    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.get(name).map_or(name, String::as_str)
    }
}
