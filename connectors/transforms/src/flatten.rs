//! `Flatten`: nested structs (with a schema) or objects (without) to one level, the names joined. Lists stay as they are.

use crate::columns::{Members, Operand, is_all_null, operand, refuse_single, under, with_default};
use crate::schemaless::{Object, OnNull, kind, map_objects, parse};
use crate::smt::{Side, Smt, SmtResult, of_importance, rejected, string_key};
use arrow_array::StructArray;
use arrow_array::cast::AsArray;
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use serde_json::Value;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::ConnectBatch;
use sluice_data::schema::{DEFAULT, holds_tombstones};
use std::sync::Arc;

const PURPOSE: &str = "flattening";

pub struct Flatten {
    delimiter: String,
}

impl Smt for Flatten {
    fn config_def() -> ConfigDef {
        let documentation = "Delimiter to insert between field names from the input record when generating field names \
                             for the output record.";
        let key = string_key("delimiter", Default::Value(".".into()), documentation);
        ConfigDef::default().define(of_importance(Importance::Medium, key))
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        Ok(Self { delimiter: config["delimiter"].clone() })
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
                    let nested = std::mem::take(object);
                    self.flatten_object(nested, "", object)
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) => {
                let mut flat = Members::of(structure, false)?;
                (flat.fields, flat.columns) = (Vec::new(), Vec::new());
                let parent = Parent {
                    prefix: String::new(),
                    is_optional: field.is_nullable() && !holds_tombstones(field),
                    default: default_of(field),
                    nulls: None,
                };
                self.flatten_struct(structure, &parent, &mut flat)?;
                let (field, column) = flat.into_column(field)?;
                side.replace(batch, field, column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

/// What a member takes from the structs that it was in.
struct Parent {
    prefix: String,
    is_optional: bool,
    default: Option<Value>,
    nulls: Option<NullBuffer>,
}

impl Flatten {
    fn flatten_struct(&self, structure: &StructArray, parent: &Parent, out: &mut Members) -> SmtResult<()> {
        for (field, column) in structure.fields().iter().zip(structure.columns()) {
            let name = self.joined(&parent.prefix, field.name());
            let inherited = || parent.default.as_ref()?.get(field.name()).filter(|value| !value.is_null()).cloned();
            let default = default_of(field).or_else(inherited);
            let is_optional = parent.is_optional || field.is_nullable();
            match column.data_type() {
                DataType::Struct(_) => {
                    let nulls = NullBuffer::union(parent.nulls.as_ref(), column.nulls());
                    let parent = Parent { prefix: name, is_optional, default, nulls };
                    self.flatten_struct(column.as_struct(), &parent, out)?;
                }
                DataType::Map(..) => {
                    return Err(rejected(format!(
                        "Flatten transformation does not support MAP for record with schemas (for field {name})."
                    )));
                }
                _ => {
                    let mut metadata = field.metadata().clone();
                    if let Some(default) = default {
                        metadata.insert(DEFAULT.to_owned(), default.to_string());
                    }
                    let values = under(parent.nulls.as_ref(), &with_default(field, column)?)?;
                    let flat = Field::new(name, field.data_type().clone(), is_optional).with_metadata(metadata);
                    out.push(flat, values);
                }
            }
        }
        Ok(())
    }

    fn flatten_object(&self, nested: Object, prefix: &str, out: &mut Object) -> SmtResult<()> {
        for (name, value) in nested {
            let name = self.joined(prefix, &name);
            match kind(value.get()) {
                "object" => self.flatten_object(parse(value.get(), PURPOSE)?, &name, out)?,
                _ => drop(out.insert(name, value)),
            }
        }
        Ok(())
    }

    fn joined(&self, prefix: &str, name: &str) -> String {
        if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{}{name}", self.delimiter) }
    }
}

fn default_of(field: &Field) -> Option<Value> {
    serde_json::from_str(field.metadata().get(DEFAULT)?).ok()
}
