//! `ReplaceField`: leaves fields out, keeps only some, renames.

use crate::columns::{Members, Operand, is_all_null, operand, refuse_single};
use crate::field_path::{self, FieldPath, list_of_config};
use crate::schemaless::{Object, OnNull, kind, map_objects, parse, raw, to_text};
use crate::smt::{Side, Smt, SmtResult, list, list_key, of_importance, replace_null_key, replaces_null, split_colons};
use arrow_array::cast::AsArray;
use arrow_array::{Array, StructArray};
use arrow_schema::{DataType, Field};
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::ConnectBatch;
use std::collections::HashMap;
use std::sync::Arc;

const PURPOSE: &str = "field replacement";

pub struct ReplaceField {
    exclude: Vec<FieldPath>,
    include: Vec<FieldPath>,
    /// What the last name of a path becomes.
    renames: HashMap<FieldPath, String>,
    replaces_null: bool,
}

impl Smt for ReplaceField {
    fn config_def() -> ConfigDef {
        let optional = |name: &str, documentation: &str| {
            of_importance(Importance::Medium, list_key(name, Default::Value(String::new()), documentation))
        };
        let def = ConfigDef::default()
            .define(optional("exclude", "Fields to exclude. This takes precedence over the fields to include."))
            .define(optional("include", "Fields to include. If specified, only these fields will be used."))
            .define(optional("renames", "Field rename mappings, like foo:bar,abc:xyz."))
            .define(replace_null_key());
        field_path::with_version_key(def)
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let mut renames = HashMap::new();
        for mapping in list(config, "renames") {
            match split_colons(&mapping)[..] {
                [from, to] => renames.insert(field_path::of_config(config, from)?, to.to_owned()),
                _ => {
                    return Err(format!(
                        "Invalid value {mapping} for configuration renames: Invalid rename mapping: {mapping}"
                    ));
                }
            };
        }
        let (exclude, include) = (list_of_config(config, "exclude")?, list_of_config(config, "include")?);
        Ok(Self { exclude, include, renames, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_all_null(column) {
            return Ok(batch.clone());
        }
        match operand(field, column) {
            Operand::Nothing => Ok(batch.clone()),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |_, object| {
                    *object = self.replace_object(std::mem::take(object), &mut Vec::new())?;
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) => {
                let kept = self.replace_struct(structure, self.replaces_null, &mut Vec::new())?;
                let (field, column) = kept.into_column(field)?;
                side.replace(batch, field, column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

/// What becomes of a field.
enum Fate {
    Dropped,
    Kept,
    /// Only some of what is in it: a path that is named leads into it.
    Entered,
}

impl ReplaceField {
    /// `path` holds the names on the way to this struct.
    fn replace_struct(&self, structure: &StructArray, defaults: bool, path: &mut FieldPath) -> SmtResult<Members> {
        let all = Members::of(structure, defaults)?;
        let mut kept = all.clone();
        (kept.fields, kept.columns) = (Vec::new(), Vec::new());
        for (field, column) in all.fields.iter().zip(&all.columns) {
            path.push(field.name().clone());
            let renamed = self.renamed(path).to_owned();
            match (self.fate(path), column.data_type()) {
                (Fate::Dropped, _) => {}
                (Fate::Entered, DataType::Struct(_)) => {
                    let inner = self.replace_struct(column.as_struct(), false, path)?;
                    let (field, column) = inner.into_column(field)?;
                    kept.push(field.with_name(renamed), column);
                }
                _ => kept.push(Field::clone(field).with_name(renamed), column.clone()),
            }
            path.pop();
        }
        Ok(kept)
    }

    fn replace_object(&self, object: Object, path: &mut FieldPath) -> SmtResult<Object> {
        let mut kept = Object::default();
        for (name, value) in object {
            path.push(name);
            let renamed = self.renamed(path).to_owned();
            match self.fate(path) {
                Fate::Dropped => {}
                Fate::Entered if kind(value.get()) == "object" => {
                    let inner = self.replace_object(parse(value.get(), PURPOSE)?, path)?;
                    kept.insert(renamed, raw(to_text(&inner)));
                }
                _ => drop(kept.insert(renamed, value)),
            }
            path.pop();
        }
        Ok(kept)
    }

    fn fate(&self, path: &[String]) -> Fate {
        let leads_into = |other: &FieldPath| other.len() > path.len() && other.starts_with(path);
        let is_under = |other: &FieldPath| path.starts_with(other);
        if self.exclude.iter().any(|other| other == path) {
            return Fate::Dropped;
        }
        let is_included = self.include.is_empty() || self.include.iter().any(is_under);
        if !is_included && !self.include.iter().any(leads_into) {
            return Fate::Dropped;
        }
        let is_entered = !is_included || self.exclude.iter().chain(self.renames.keys()).any(leads_into);
        if is_entered { Fate::Entered } else { Fate::Kept }
    }

    fn renamed<'a>(&'a self, path: &'a [String]) -> &'a str {
        let own = path.last().map_or("", String::as_str);
        self.renames.get(path).map_or(own, String::as_str)
    }
}
