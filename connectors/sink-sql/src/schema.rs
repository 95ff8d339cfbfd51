//! Which columns a batch fills, from its Connect schemas.

use crate::config::{PkMode, SinkConfig};
use sluice_plugin_sdk::{Error, Result, Value};

/// The default names of Confluent's `pk.mode=kafka`.
const KAFKA_COLUMNS: [&str; 3] = ["__connect_topic", "__connect_partition", "__connect_offset"];

/// A column of the target table.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetColumn {
    pub name: String,
    pub source: ColumnSource,
    /// Connect schema, for its type.
    pub schema: Value,
    pub is_key: bool,
}

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSource {
    /// A path in the batch.
    Path(String),
    Topic,
    Partition,
}

impl TargetColumn {
    pub fn is_optional(&self) -> bool {
        !self.is_key && self.schema["optional"] == true
    }
}

/// The columns for a batch with this schema (`{"key":…,"value":…}`): key columns first.
///
/// # Errors
/// Rejected: records of another schema may be written.
pub fn target_columns(schema: &Value, config: &SinkConfig) -> Result<Vec<TargetColumn>> {
    let mut columns = key_columns(schema, config)?;
    let value_fields = struct_fields(&schema["value"]).ok_or_else(no_struct)?;
    for (name, field) in value_fields {
        let is_wanted =
            config.fields_whitelist.is_empty() || config.fields_whitelist.iter().any(|listed| listed == name);
        if is_wanted && !columns.iter().any(|column| column.name == name) {
            columns.push(column(name, format!("value.{name}"), field, false));
        }
    }
    if columns.is_empty() {
        return Err(Error::rejected(
            "sql.no-columns",
            "no field is left to write: check fields.whitelist and the record's schema",
        ));
    }
    Ok(columns)
}

/// The primary key's columns.
pub fn key_columns(schema: &Value, config: &SinkConfig) -> Result<Vec<TargetColumn>> {
    match config.pk_mode {
        PkMode::None => Ok(Vec::new()),
        PkMode::Kafka => Ok(kafka_columns(&config.pk_fields)),
        PkMode::RecordKey => match struct_fields(&schema["key"]) {
            Some(fields) => chosen(&fields, "key", &config.pk_fields),
            None if schema["key"].is_null() => Err(Error::rejected(
                "sql.no-key",
                "pk.mode=record_key needs a key with a schema: use a key converter with schemas, or the transformation ValueToKey",
            )),
            None => match config.pk_fields.as_slice() {
                [name] => Ok(vec![column(name, "key".to_owned(), &schema["key"], true)]),
                _ => Err(Error::rejected("sql.no-key", "a primitive key needs exactly one name in pk.fields")),
            },
        },
        PkMode::RecordValue => {
            let fields = struct_fields(&schema["value"]).ok_or_else(no_struct)?;
            chosen(&fields, "value", &config.pk_fields)
        }
    }
}

fn kafka_columns(names: &[String]) -> Vec<TargetColumn> {
    let name = |index: usize| names.get(index).map_or(KAFKA_COLUMNS[index], String::as_str).to_owned();
    let column = |index: usize, source: ColumnSource, kind: &str| TargetColumn {
        name: name(index),
        source,
        schema: sluice_plugin_sdk::json!({ "type": kind, "optional": false }),
        is_key: true,
    };
    vec![
        column(0, ColumnSource::Topic, "string"),
        column(1, ColumnSource::Partition, "int32"),
        column(2, ColumnSource::Path("offset".to_owned()), "int64"),
    ]
}

fn chosen(fields: &[(&str, &Value)], side: &str, names: &[String]) -> Result<Vec<TargetColumn>> {
    if names.is_empty() {
        return Ok(fields.iter().map(|(name, field)| column(name, format!("{side}.{name}"), field, true)).collect());
    }
    let find = |name: &String| {
        let field = fields.iter().find(|(field, _)| field == name).ok_or_else(|| {
            Error::rejected("sql.no-key", format!("the record's {side} has no field {name:?}, which pk.fields names"))
        })?;
        Ok(column(name, format!("{side}.{name}"), field.1, true))
    };
    names.iter().map(find).collect()
}

fn column(name: &str, path: String, schema: &Value, is_key: bool) -> TargetColumn {
    TargetColumn { name: name.to_owned(), source: ColumnSource::Path(path), schema: schema.clone(), is_key }
}

fn struct_fields(schema: &Value) -> Option<Vec<(&str, &Value)>> {
    let fields = (schema["type"] == "struct").then(|| schema["fields"].as_array())??;
    Some(fields.iter().filter_map(|field| Some((field["field"].as_str()?, field))).collect())
}

fn no_struct() -> Error {
    Error::rejected(
        "sql.no-struct",
        "the record's value has no fields with a schema: use a value converter with schemas (for instance JsonConverter with \
         schemas.enable=true)",
    )
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::config::tests::config;
    use sluice_plugin_sdk::json;

    pub fn person() -> Value {
        json!({
            "key": {"type": "struct", "optional": false, "fields": [{"field": "id", "type": "int64", "optional": false}]},
            "value": {"type": "struct", "optional": false, "fields": [
                {"field": "id", "type": "int64", "optional": false},
                {"field": "name", "type": "string", "optional": true},
                {"field": "age", "type": "int32", "optional": true},
            ]},
        })
    }

    fn columns(given: &[(&str, &str)], schema: &Value) -> Result<Vec<String>> {
        let config = SinkConfig::parse(&config(given)).unwrap();
        let shown = |column: TargetColumn| {
            let key = if column.is_key { "!" } else { "" };
            match column.source {
                ColumnSource::Path(path) => format!("{key}{}={path}", column.name),
                other => format!("{key}{}={other:?}", column.name),
            }
        };
        Ok(target_columns(schema, &config)?.into_iter().map(shown).collect())
    }

    #[test]
    fn each_pk_mode_has_its_columns() {
        assert_eq!(columns(&[], &person()).unwrap(), ["id=value.id", "name=value.name", "age=value.age"]);
        assert_eq!(
            columns(&[("pk.mode", "record_key")], &person()).unwrap(),
            ["!id=key.id", "name=value.name", "age=value.age"]
        );
        assert_eq!(
            columns(&[("pk.mode", "record_value"), ("pk.fields", "name"), ("fields.whitelist", "age")], &person())
                .unwrap(),
            ["!name=value.name", "age=value.age"]
        );
        assert_eq!(
            columns(&[("pk.mode", "kafka"), ("fields.whitelist", "age")], &person()).unwrap(),
            ["!__connect_topic=Topic", "!__connect_partition=Partition", "!__connect_offset=offset", "age=value.age"]
        );
    }

    #[test]
    fn a_primitive_key_needs_one_name() {
        let mut schema = person();
        schema["key"] = json!({"type": "string", "optional": false});
        assert_eq!(columns(&[("pk.mode", "record_key"), ("pk.fields", "code")], &schema).unwrap()[0], "!code=key");
        assert!(columns(&[("pk.mode", "record_key")], &schema).is_err());
    }

    #[test]
    fn records_without_fields_are_rejected_with_the_remedy() {
        let schema = json!({"key": null, "value": {"type": "string", "optional": true}});
        assert!(columns(&[], &schema).unwrap_err().message.contains("converter with schemas"));
        assert!(
            columns(&[], &json!({"key": null, "value": null})).unwrap_err().message.contains("converter with schemas")
        );
        let missing = columns(&[("pk.mode", "record_key")], &schema).unwrap_err();
        assert!(missing.message.contains("key converter"), "{missing}");
        let wrong = columns(&[("pk.mode", "record_value"), ("pk.fields", "uuid")], &person()).unwrap_err();
        assert!(wrong.message.contains("uuid"), "{wrong}");
    }
}
