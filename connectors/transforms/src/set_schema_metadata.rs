//! `SetSchemaMetadata`: sets the name and version of the schema.

use crate::smt::{Side, Smt, SmtResult, rejected, replace_null_key, string_key, text};
use arrow_array::Array;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance};
use sluice_data::ConnectBatch;
use sluice_data::schema::{NAME, VERSION, is_schemaless};

pub struct SetSchemaMetadata {
    name: Option<String>,
    version: Option<String>,
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
        let (name, version) = (text(config, "schema.name"), text(config, "schema.version"));
        if name.is_none() && version.is_none() {
            return Err("Neither schema name nor version configured".to_owned());
        }
        Ok(Self { name, version })
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
        side.replace(batch, field.as_ref().clone().with_metadata(metadata), column.clone())
    }
}
