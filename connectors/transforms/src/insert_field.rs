//! `InsertField`: adds where a record is from, when it is from, or a fixed text, as fields.

use crate::columns::{Members, Operand, constant, is_all_null, operand, refuse_single};
use crate::schemaless::{Object, OnNull, map_objects, raw, raw_string};
use crate::smt::{Side, Smt, SmtResult, of_importance, rejected, replace_null_key, replaces_null, string_key};
use arrow_array::{Array, ArrayRef, StringArray, TimestampMillisecondArray};
use arrow_schema::Field;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap, Importance};
use sluice_data::schema::TIMESTAMP;
use sluice_data::{ConnectBatch, ConnectSchema, SchemaType};
use std::sync::Arc;

const PURPOSE: &str = "field insertion";

pub struct InsertField {
    inserts: Vec<(Source, FieldName)>,
    replaces_null: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(String),
}

#[derive(Debug, Clone, PartialEq)]
struct FieldName {
    name: String,
    optional: bool,
}

impl Smt for InsertField {
    fn config_def() -> ConfigDef {
        let medium = |name: &str, what: &str| of_importance(Importance::Medium, string_key(name, Default::Unset, what));
        let suffix = "Suffix with ! to make this a required field, or ? to keep it optional (the default).";
        let key = |name: &str, what: &str| medium(name, &format!("Field name for {what}. {suffix}"));
        ConfigDef::default()
            .define(key("topic.field", "Kafka topic"))
            .define(key("partition.field", "Kafka partition"))
            .define(key("offset.field", "Kafka offset; only applicable to sink connectors"))
            .define(key("timestamp.field", "record timestamp"))
            .define(key("static.field", "static data field"))
            .define(medium("static.value", "Static field value, if field name configured."))
            .define(replace_null_key())
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let static_value = config.get("static.value").cloned();
        let sources = [
            ("topic.field", Source::Topic),
            ("partition.field", Source::Partition),
            ("offset.field", Source::Offset),
            ("timestamp.field", Source::Timestamp),
            ("static.field", Source::Static(static_value.clone().unwrap_or_default())),
        ];
        let inserts: Vec<_> = sources
            .into_iter()
            .filter_map(|(key, source)| Some((source, FieldName::parse(config.get(key)?))))
            .collect();
        if inserts.is_empty() {
            return Err("No field insertion configured".to_owned());
        }
        if config.contains_key("static.field") && static_value.is_none() {
            return Err(
                "Invalid value null for configuration static.value: No value specified for static field".to_owned()
            );
        }
        Ok(Self { inserts, replaces_null: replaces_null(config) })
    }

    fn apply(&self, side: Side, batch: &ConnectBatch) -> SmtResult<ConnectBatch> {
        let (field, column) = side.operand(batch);
        if is_all_null(column) {
            return Ok(batch.clone());
        }
        let is_source = batch.offsets().is_none();
        if is_source && self.inserts.iter().any(|(source, _)| *source == Source::Offset) {
            return Err(rejected(format!(
                "Only SinkRecord supported for [{PURPOSE}] of an offset, found: SourceRecord"
            )));
        }
        match operand(field, column) {
            Operand::Nothing => Ok(batch.clone()),
            Operand::Json(texts) => {
                let texts = map_objects(texts, PURPOSE, OnNull::Pass, |row, object| {
                    self.inserts.iter().for_each(|(source, name)| source.insert(batch, row, &name.name, object));
                    Ok(())
                })?;
                side.replace(batch, field.as_ref().clone(), Arc::new(texts))
            }
            Operand::Struct(structure) => {
                let mut members = Members::of(structure, self.replaces_null)?;
                for (source, name) in &self.inserts {
                    let column = source.column(batch)?;
                    if !name.optional && column.null_count() > 0 {
                        let name = &name.name;
                        return Err(rejected(format!(
                            "the required field {name:?} has no value for every record; end its name with ?"
                        )));
                    }
                    members.push(source.field(name), column);
                }
                let (field, column) = members.into_column(field)?;
                side.replace(batch, field, column)
            }
            Operand::Single => refuse_single(PURPOSE, column),
        }
    }
}

impl FieldName {
    fn parse(text: &str) -> Self {
        match (text.strip_suffix('!'), text.strip_suffix('?')) {
            (Some(name), _) => Self { name: name.to_owned(), optional: false },
            (_, Some(name)) => Self { name: name.to_owned(), optional: true },
            _ => Self { name: text.to_owned(), optional: true },
        }
    }
}

impl Source {
    fn field(&self, name: &FieldName) -> Field {
        let schema = match self {
            Self::Topic | Self::Static(_) => ConnectSchema::new(SchemaType::String),
            Self::Partition => ConnectSchema::new(SchemaType::Int32),
            Self::Offset => ConnectSchema::new(SchemaType::Int64),
            Self::Timestamp => ConnectSchema::new(SchemaType::Int64).named(TIMESTAMP, 1),
        };
        let field = schema.to_field(&name.name).expect("these schemas have a field");
        field.with_nullable(name.optional)
    }

    fn column(&self, batch: &ConnectBatch) -> SmtResult<ArrayRef> {
        let fixed = |text: &str| constant(&StringArray::from(vec![text]), batch.len(), None);
        Ok(match self {
            Self::Topic => fixed(batch.topic())?,
            Self::Static(value) => fixed(value)?,
            Self::Partition => match batch.partitions() {
                Some(partitions) => Arc::new(partitions.clone()),
                None => Arc::new(arrow_array::Int32Array::new_null(batch.len())),
            },
            Self::Offset => Arc::new(batch.offsets().expect("checked by the caller").clone()),
            Self::Timestamp => {
                let times: TimestampMillisecondArray = batch.timestamps().reinterpret_cast();
                Arc::new(times.with_timezone("UTC"))
            }
        })
    }

    fn insert(&self, batch: &ConnectBatch, row: usize, name: &str, object: &mut Object) {
        let number = |value: Option<i64>| value.map(|value| raw(value.to_string()));
        let value = match self {
            Self::Topic => Some(raw_string(batch.topic())),
            Self::Static(value) => Some(raw_string(value)),
            Self::Partition => number(
                batch.partitions().filter(|partitions| partitions.is_valid(row)).map(|found| found.value(row).into()),
            ),
            Self::Offset => number(batch.offsets().map(|offsets| offsets.value(row))),
            Self::Timestamp => number(batch.timestamps().is_valid(row).then(|| batch.timestamps().value(row))),
        };
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    }
}
