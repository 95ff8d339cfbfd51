//! `DropHeaders`: removes every header with one of these names.

use crate::smt::{RecordSmt, SmtResult, list, list_key, rejected};
use arrow_array::Array;
use arrow_schema::Field;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use sluice_data::batch::HEADERS;
use sluice_data::headers::{HeadersBuilder, row_headers};
use std::sync::Arc;

pub struct DropHeaders {
    headers: Vec<String>,
}

impl RecordSmt for DropHeaders {
    fn config_def() -> ConfigDef {
        ConfigDef::default().define(list_key("headers", Default::Required, "The name of the headers to be removed."))
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        Ok(Self { headers: list(config, "headers") })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let Some(headers) = batch.headers() else { return Ok(vec![batch.clone()]) };
        let mut kept = HeadersBuilder::default();
        for row in 0..batch.len() {
            row_headers(headers, row)
                .filter(|header| !self.headers.iter().any(|name| name == header.name))
                .for_each(|header| kept.push(header));
            kept.end_row();
        }
        let kept = kept.finish();
        let field = Field::new(HEADERS, kept.data_type().clone(), false);
        let batch = batch.with_column(HEADERS, &field, Arc::new(kept)).map_err(|error| rejected(error.to_string()))?;
        Ok(vec![batch])
    }
}
