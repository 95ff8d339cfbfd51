//! `InsertHeader`: appends one header, its value guessed from the text as `SimpleHeaderConverter` does.

use crate::smt::{RecordSmt, SmtResult, rejected, string_key};
use arrow_array::Array;
use arrow_schema::Field;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::batch::HEADERS;
use sluice_data::headers::{Header, HeadersBuilder, row_headers};
use sluice_data::{ConnectBatch, values};
use std::sync::Arc;

pub struct InsertHeader {
    header: String,
    value: Option<String>,
    schema: Option<String>,
}

impl RecordSmt for InsertHeader {
    fn config_def() -> ConfigDef {
        ConfigDef::default().define(string_key("header", Default::Required, "The name of the header.")).define(
            string_key(
                "value.literal",
                Default::Required,
                "The literal value that is to be set as the header value on all records.",
            ),
        )
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let value = values::parse_string(&config["value.literal"]);
        let schema = value.schema().map(|schema| {
            let mut text = String::new();
            schema.write_json(&mut text);
            text
        });
        Ok(Self { header: config["header"].clone(), value: value.to_text(), schema })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let inserted = Header {
            name: &self.header,
            value: self.value.as_deref().map(str::as_bytes),
            schema: self.schema.as_deref(),
        };
        let mut headers = HeadersBuilder::default();
        for row in 0..batch.len() {
            if let Some(existing) = batch.headers() {
                row_headers(existing, row).for_each(|header| headers.push(header));
            }
            headers.push(inserted);
            headers.end_row();
        }
        let headers = headers.finish();
        let field = Field::new(HEADERS, headers.data_type().clone(), false);
        let batch =
            batch.with_column(HEADERS, &field, Arc::new(headers)).map_err(|error| rejected(error.to_string()))?;
        Ok(vec![batch])
    }
}
