//! `Filter`: drops every record; meant for use with a predicate.

use crate::smt::{RecordSmt, SmtResult};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;

pub struct Filter;

impl RecordSmt for Filter {
    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn new(_config: &ConfigMap) -> Result<Self, String> {
        Ok(Self)
    }

    fn apply(&self, _batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        Ok(Vec::new())
    }
}
