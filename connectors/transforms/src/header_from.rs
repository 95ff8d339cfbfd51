//! `HeaderFrom`: fields to headers, moved or copied. A header holds the text and the schema of what was in the field.

use crate::columns::{Members, Operand, member_at, operand, refuse_null, refuse_single};
use crate::field_path::{self, FieldPath};
use crate::schemaless::{OnNull, change_at, map_objects, text_at};
use crate::smt::{Side, Smt, SmtResult, list_key, refused, rejected, replace_null_key, replaces_null, string_key};
use arrow_array::Array;
use arrow_schema::Field;
use sluice_connect_api::config_def::{Default, Validator};
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::batch::HEADERS;
use sluice_data::headers::{Header, HeadersBuilder, row_headers};
use sluice_data::{ConnectBatch, ConnectSchema, values};
use std::sync::Arc;

pub struct HeaderFrom {
    fields: Vec<FieldPath>,
    headers: Vec<String>,
    operation: Operation,
    replaces_null: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Move,
    Copy,
}

/// The values of one field: a text for each row, and their schema as JSON.
struct Texts {
    schema: Option<String>,
    rows: Vec<Option<String>>,
}

impl Smt for HeaderFrom {
    fn config_def() -> ConfigDef {
        let operation = Validator::ValidValues { values: vec!["move".into(), "copy".into()], ignore_case: false };
        let def = ConfigDef::default()
            .define(list_key(
                "fields",
                Default::Required,
                "Field names in the record whose values are to be copied or moved to headers.",
            ))
            .define(list_key(
                "headers",
                Default::Required,
                "Header names, in the same order as the field names listed in the fields configuration property.",
            ))
            .define(
                string_key(
                    "operation",
                    Default::Required,
                    "move: the fields leave the key or value. copy: they stay in it too.",
                )
                .validator(operation),
            )
            .define(replace_null_key());
        field_path::with_version_key(def)
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        // One field may go to several headers, and several to one.
        let all = |key: &str| config[key].split(',').map(str::to_owned).filter(|item| !item.is_empty());
        let fields = all("fields").map(|field| field_path::of_config(config, &field)).collect::<Result<Vec<_>, _>>()?;
        let headers: Vec<String> = all("headers").collect();
        if fields.len() != headers.len() {
            return Err("'fields' config must have the same number of elements as 'headers' config.".to_owned());
        }
        let operation = if config["operation"] == "move" { Operation::Move } else { Operation::Copy };
        Ok(Self { fields, headers, operation, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        let purpose = match self.operation {
            Operation::Move => "header move",
            Operation::Copy => "header copy",
        };
        let (texts, moved) = match operand(field, column) {
            Operand::Nothing if column.is_empty() => return Ok(batch.clone()),
            Operand::Nothing => return refuse_null(purpose),
            Operand::Json(_) => self.of_objects(side, batch, purpose)?,
            Operand::Struct(structure) if structure.null_count() > 0 => return refuse_null(purpose),
            Operand::Struct(structure) => {
                let mut texts = Vec::new();
                for path in &self.fields {
                    let found = member_at(field, column, path, self.replaces_null)?;
                    let (member, values) =
                        found.ok_or_else(|| rejected(format!("the field {} does not exist", path.join("."))))?;
                    texts.push(Texts::of_column(&member, &values)?);
                }
                let moved = match self.operation {
                    Operation::Copy => batch.clone(),
                    Operation::Move => {
                        let mut members = Members::of(structure, self.replaces_null)?;
                        for path in &self.fields {
                            members.remove_at(path)?;
                        }
                        let (field, column) = members.into_column(field)?;
                        side.replace(batch, field, column)?
                    }
                };
                (texts, moved)
            }
            Operand::Single => return refuse_single(purpose, column),
        };
        self.with_headers(&moved, &texts)
    }
}

impl HeaderFrom {
    fn of_objects(&self, side: Side, batch: &ConnectBatch, purpose: &str) -> SmtResult<(Vec<Texts>, ConnectBatch)> {
        let (field, column) = side.operand(batch);
        let Operand::Json(objects) = operand(field, column) else { return refuse_single(purpose, column) };
        let mut texts: Vec<Texts> = self.fields.iter().map(|_| Texts { schema: None, rows: Vec::new() }).collect();
        let objects = map_objects(objects, purpose, OnNull::Refuse, |_, object| {
            for (path, texts) in self.fields.iter().zip(&mut texts) {
                let json = text_at(object, path)?;
                let text = json.map(|json| values::json_text(&json)).transpose();
                texts.rows.push(text.map_err(|error| rejected(error.to_string()))?.flatten());
            }
            if self.operation == Operation::Move {
                for path in &self.fields {
                    change_at(object, path, &mut |_| Ok(None))?;
                }
            }
            Ok(())
        })?;
        let moved = match self.operation {
            Operation::Copy => batch.clone(),
            Operation::Move => side.replace(batch, field.as_ref().clone(), Arc::new(objects))?,
        };
        Ok((texts, moved))
    }

    fn with_headers(&self, batch: &ConnectBatch, texts: &[Texts]) -> SmtResult<ConnectBatch> {
        let mut headers = HeadersBuilder::default();
        for row in 0..batch.len() {
            if let Some(existing) = batch.headers() {
                row_headers(existing, row).for_each(|header| headers.push(header));
            }
            for (name, texts) in self.headers.iter().zip(texts) {
                let value = texts.rows[row].as_deref().map(str::as_bytes);
                headers.push(Header { name, value, schema: texts.schema.as_deref() });
            }
            headers.end_row();
        }
        let headers = headers.finish();
        let field = Field::new(HEADERS, headers.data_type().clone(), false);
        batch.with_column(HEADERS, &field, Arc::new(headers)).map_err(|error| rejected(error.to_string()))
    }
}

impl Texts {
    fn of_column(field: &Field, column: &arrow_array::ArrayRef) -> SmtResult<Self> {
        let schema = ConnectSchema::from_field(field).map_err(|error| rejected(error.to_string()))?;
        let schema = schema.map(|schema| {
            let mut json = String::new();
            schema.write_json(&mut json);
            json
        });
        let mut rows = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            let mut text = String::new();
            let is_valid = values::write_row(field, column, row, &mut text).map_err(refused)?;
            rows.push(is_valid.then_some(text));
        }
        Ok(Self { schema, rows })
    }
}
