//! What differs between databases, in SQL text.

use crate::schema::{ColumnSource, TargetColumn};
use sluice_plugin_sdk::{Error, Result, Value};

/// Whether names are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    Always,
    Never,
}

/// A database's SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    kind: Kind,
    quoting: Quoting,
}

/// PostgreSQL and MySQL will stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
}

/// A statement that runs once a row, and the batch columns that are its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowStatement {
    pub sql: String,
    pub parameters: Vec<String>,
}

/// The topic partition of a delivery, for columns that hold it.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub topic: &'a str,
    pub partition: i32,
}

impl Dialect {
    pub fn new(_name: &str, quoting: Quoting) -> Self {
        Self { kind: Kind::Sqlite, quoting }
    }

    pub fn quote(self, name: &str) -> String {
        match (self.kind, self.quoting) {
            (Kind::Sqlite, Quoting::Always) => format!("\"{}\"", name.replace('"', "\"\"")),
            (Kind::Sqlite, Quoting::Never) => name.to_owned(),
        }
    }

    /// Whether the rows before a refused one stay, and the transaction goes on. (PostgreSQL: only behind a savepoint.)
    pub fn transaction_survives_refused_rows(self) -> bool {
        match self.kind {
            Kind::Sqlite => true,
        }
    }

    /// Source: Confluent `SqliteDatabaseDialect.getSqlType`; its NUMERIC for logical types is spelled out here, which stores the
    /// same and lets readers know the type.
    pub fn column_type(self, schema: &Value) -> Result<String> {
        let parameter = |name: &str| schema["parameters"][name].as_str().map(str::to_owned);
        let logical = match schema["name"].as_str() {
            Some("org.apache.kafka.connect.data.Decimal") => {
                Some(match (parameter("connect.decimal.precision"), parameter("scale")) {
                    (Some(precision), Some(scale)) => format!("DECIMAL({precision},{scale})"),
                    _ => "NUMERIC".to_owned(),
                })
            }
            Some("org.apache.kafka.connect.data.Date") => Some("DATE".to_owned()),
            Some("org.apache.kafka.connect.data.Time") => Some("TIME".to_owned()),
            Some("org.apache.kafka.connect.data.Timestamp") => Some("TIMESTAMP".to_owned()),
            _ => None,
        };
        if let Some(logical) = logical {
            return Ok(logical);
        }
        Ok(match schema["type"].as_str().unwrap_or_default() {
            "int8" | "int16" | "int32" | "int64" => "INTEGER",
            "boolean" => "BOOLEAN",
            "float" | "double" => "REAL",
            "string" => "TEXT",
            "bytes" => "BLOB",
            other => {
                let message =
                    format!("a field of type {other:?} has no column type: flatten it by the transformation Flatten");
                return Err(Error::rejected("sql.no-type", message));
            }
        }
        .to_owned())
    }

    pub fn create_table(self, table: &str, columns: &[TargetColumn]) -> Result<String> {
        let mut parts = columns.iter().map(|column| self.column_definition(column)).collect::<Result<Vec<_>>>()?;
        let keys: Vec<String> =
            columns.iter().filter(|column| column.is_key).map(|column| self.quote(&column.name)).collect();
        if !keys.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", keys.join(", ")));
        }
        Ok(format!("CREATE TABLE IF NOT EXISTS {} ({})", self.quote(table), parts.join(", ")))
    }

    pub fn add_column(self, table: &str, column: &TargetColumn) -> Result<String> {
        Ok(format!("ALTER TABLE {} ADD COLUMN {}", self.quote(table), self.column_definition(column)?))
    }

    fn column_definition(self, column: &TargetColumn) -> Result<String> {
        let mut text = format!("{} {}", self.quote(&column.name), self.column_type(&column.schema)?);
        if let Some(default) = literal(&column.schema["default"]) {
            text.push_str(&format!(" DEFAULT {default}"));
        }
        if !column.is_optional() {
            text.push_str(" NOT NULL");
        }
        Ok(text)
    }

    pub fn insert(self, table: &str, columns: &[TargetColumn], origin: Origin<'_>) -> RowStatement {
        let names: Vec<String> = columns.iter().map(|column| self.quote(&column.name)).collect();
        let (places, parameters) = places(columns.iter(), origin);
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", self.quote(table), names.join(", "), places.join(", "));
        RowStatement { sql, parameters }
    }

    pub fn upsert(self, table: &str, columns: &[TargetColumn], origin: Origin<'_>) -> RowStatement {
        let RowStatement { sql, parameters } = self.insert(table, columns, origin);
        let keys: Vec<String> =
            columns.iter().filter(|column| column.is_key).map(|column| self.quote(&column.name)).collect();
        let updates: Vec<String> = columns
            .iter()
            .filter(|column| !column.is_key)
            .map(|column| self.quote(&column.name))
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let action =
            if updates.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", updates.join(", ")) };
        RowStatement { sql: format!("{sql} ON CONFLICT ({}) DO {action}", keys.join(", ")), parameters }
    }

    /// `None`: there is nothing but the key, so nothing to update.
    pub fn update(self, table: &str, columns: &[TargetColumn], origin: Origin<'_>) -> Option<RowStatement> {
        let (keys, others): (Vec<&TargetColumn>, Vec<&TargetColumn>) = columns.iter().partition(|column| column.is_key);
        let (set_places, mut parameters) = places(others.iter().copied(), origin);
        let (key_places, key_parameters) = places(keys.iter().copied(), origin);
        parameters.extend(key_parameters);
        let set = self.pairs(&others, &set_places).join(", ");
        let condition = self.pairs(&keys, &key_places).join(" AND ");
        let sql = format!("UPDATE {} SET {set} WHERE {condition}", self.quote(table));
        (!others.is_empty()).then_some(RowStatement { sql, parameters })
    }

    pub fn delete(self, table: &str, keys: &[TargetColumn], origin: Origin<'_>) -> RowStatement {
        let (places, parameters) = places(keys.iter(), origin);
        let condition = self.pairs(&keys.iter().collect::<Vec<_>>(), &places).join(" AND ");
        RowStatement { sql: format!("DELETE FROM {} WHERE {condition}", self.quote(table)), parameters }
    }

    fn pairs(self, columns: &[&TargetColumn], places: &[String]) -> Vec<String> {
        columns.iter().zip(places).map(|(column, place)| format!("{} = {place}", self.quote(&column.name))).collect()
    }
}

/// A place for each column, and the paths of those that are parameters.
fn places<'a>(columns: impl Iterator<Item = &'a TargetColumn>, origin: Origin<'_>) -> (Vec<String>, Vec<String>) {
    let mut parameters = Vec::new();
    let places = columns
        .map(|column| match &column.source {
            ColumnSource::Path(path) => {
                parameters.push(path.clone());
                "?".to_owned()
            }
            ColumnSource::Topic => format!("'{}'", origin.topic.replace('\'', "''")),
            ColumnSource::Partition => origin.partition.to_string(),
        })
        .collect();
    (places, parameters)
}

/// A default as SQL writes it; `None` for one that has no literal.
fn literal(default: &Value) -> Option<String> {
    match default {
        Value::Bool(value) => Some(i32::from(*value).to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SinkConfig;
    use crate::config::tests::config;
    use crate::schema::target_columns;
    use crate::schema::tests::person;
    use sluice_plugin_sdk::json;

    const ORIGIN: Origin<'_> = Origin { topic: "it's", partition: 3 };

    fn columns(pk_mode: &str) -> Vec<TargetColumn> {
        target_columns(&person(), &SinkConfig::parse(&config(&[("pk.mode", pk_mode)])).unwrap()).unwrap()
    }

    fn dialect() -> Dialect {
        Dialect::new("sqlite", Quoting::Always)
    }

    #[test]
    fn statements_are_sqlites() {
        let (none, key) = (columns("none"), columns("record_key"));
        assert_eq!(
            dialect().insert("t", &none, ORIGIN).sql,
            r#"INSERT INTO "t" ("id", "name", "age") VALUES (?, ?, ?)"#
        );
        let upsert = dialect().upsert("t", &key, ORIGIN);
        assert_eq!(
            upsert.sql,
            r#"INSERT INTO "t" ("id", "name", "age") VALUES (?, ?, ?) ON CONFLICT ("id") DO UPDATE SET "name" = excluded."name", "age" = excluded."age""#
        );
        assert_eq!(upsert.parameters, ["key.id", "value.name", "value.age"]);
        assert!(dialect().upsert("t", &key[..1], ORIGIN).sql.ends_with("DO NOTHING"));
        let update = dialect().update("t", &key, ORIGIN).unwrap();
        assert_eq!(update.sql, r#"UPDATE "t" SET "name" = ?, "age" = ? WHERE "id" = ?"#);
        assert_eq!(update.parameters, ["value.name", "value.age", "key.id"]);
        assert_eq!(dialect().update("t", &key[..1], ORIGIN), None);
        assert_eq!(dialect().delete("t", &key[..1], ORIGIN).sql, r#"DELETE FROM "t" WHERE "id" = ?"#);
    }

    #[test]
    fn topic_and_partition_are_constants_of_a_delivery() {
        let insert = dialect().insert("t", &columns("kafka")[..3], ORIGIN);
        assert!(insert.sql.ends_with("VALUES ('it''s', 3, ?)"), "{}", insert.sql);
        assert_eq!(insert.parameters, ["offset"]);
    }

    #[test]
    fn tables_are_made_from_schemas() {
        assert_eq!(
            dialect().create_table("t", &columns("record_key")).unwrap(),
            r#"CREATE TABLE IF NOT EXISTS "t" ("id" INTEGER NOT NULL, "name" TEXT, "age" INTEGER, PRIMARY KEY ("id"))"#
        );
        let mut column = columns("none").remove(1);
        column.schema = json!({"type": "string", "optional": false, "default": "it's"});
        assert_eq!(
            dialect().add_column("t", &column).unwrap(),
            r#"ALTER TABLE "t" ADD COLUMN "name" TEXT DEFAULT 'it''s' NOT NULL"#
        );
    }

    #[test]
    fn every_connect_type_has_a_column_type_or_a_remedy() {
        let of = |schema: Value| dialect().column_type(&schema);
        let decimal = json!({"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
            "parameters": {"scale": "2", "connect.decimal.precision": "10"}});
        assert_eq!(of(decimal).unwrap(), "DECIMAL(10,2)");
        assert_eq!(
            of(json!({"type": "int64", "name": "org.apache.kafka.connect.data.Timestamp"})).unwrap(),
            "TIMESTAMP"
        );
        assert_eq!(of(json!({"type": "float"})).unwrap(), "REAL");
        assert!(of(json!({"type": "array"})).unwrap_err().message.contains("Flatten"));
    }
}
