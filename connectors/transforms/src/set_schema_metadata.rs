//! `SetSchemaMetadata`: sets the name and version of the schema.

use crate::columns::with_default;
use crate::smt::{Side, Smt, SmtResult, refused, rejected, replace_null_key, replaces_null, string_key};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray};
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance};
use sluice_data::ConnectBatch;
use sluice_data::schema::{NAME, VERSION, is_schemaless};
use std::sync::Arc;

pub struct SetSchemaMetadata {
    name: Option<String>,
    version: Option<String>,
    replaces_null: bool,
}

impl Smt for SetSchemaMetadata {
    fn config_def() -> ConfigDef {
        let version = "Schema version to set.";
        ConfigDef::default()
            .define(string_key("schema.name", Default::Unset, "Schema name to set."))
            .define(ConfigKey::new("schema.version", ConfigType::Int, Default::Unset, Importance::High, version))
            .define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let (name, version) = (config.get("schema.name").cloned(), config.get("schema.version").cloned());
        if name.is_none() && version.is_none() {
            return Err("Neither schema name nor version configured".to_owned());
        }
        Ok(Self { name, version, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_schemaless(field) {
            return match column.logical_null_count() == column.len() {
                true => Ok(batch.clone()),
                false => Err(rejected(
                    "Schema required for [updating schema metadata]; set schemas.enable=true on the converter",
                )),
            };
        }
        let mut metadata = field.metadata().clone();
        if let Some(name) = &self.name {
            metadata.insert(NAME.to_owned(), name.clone());
        }
        if let Some(version) = &self.version {
            metadata.insert(VERSION.to_owned(), version.clone());
        }
        let column = if self.replaces_null { with_member_defaults(column)? } else { column.clone() };
        side.replace(batch, field.as_ref().clone().with_metadata(metadata), column)
    }
}

/// A struct whose null members are their defaults; anything else as it is.
fn with_member_defaults(column: &ArrayRef) -> SmtResult<ArrayRef> {
    let Some(structure) = column.as_struct_opt() else { return Ok(column.clone()) };
    let members = structure.fields().iter().zip(structure.columns());
    let members = members.map(|(field, member)| with_default(field, member)).collect::<SmtResult<Vec<_>>>()?;
    let nulls = structure.nulls().cloned();
    let rebuilt = StructArray::try_new_with_length(structure.fields().clone(), members, nulls, structure.len());
    Ok(Arc::new(rebuilt.map_err(refused)?))
}
