//! Tables, columns and query shapes.

use super::column_type::{ColumnType, NumericMapping, TimestampGranularity};
use super::raw::{Connection, SqliteError, Storage};
use super::read::result_columns;
use super::write::{WriteError, bind_values};
use crate::bindings::sql::{ColumnInfo, TableInfo, Value};
use sluice_data::ConnectSchema;

pub fn server_version(connection: &Connection) -> Result<String, SqliteError> {
    let rows = rows(connection, "SELECT sqlite_version()", &[])?;
    Ok(rows.into_iter().flatten().flatten().next().unwrap_or_default())
}

/// Tables of the given kinds (`TABLE`, `VIEW`; none: all), by name, without SQLite's own.
pub fn tables(connection: &Connection, kinds: &[String]) -> Result<Vec<TableInfo>, SqliteError> {
    let listing = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' \
                   ORDER BY name";
    let mut tables = Vec::new();
    for row in rows(connection, listing, &[])? {
        let mut row = row.into_iter().map(Option::unwrap_or_default);
        let (name, kind) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
        let kind = match kind.as_str() {
            "view" => "VIEW",
            "table" | "virtual" => "TABLE",
            // A virtual table keeps its content in shadow tables.
            _ => continue,
        };
        if kinds.is_empty() || kinds.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind)) {
            tables.push(TableInfo { catalog: None, schema: None, name, kind: kind.to_owned() });
        }
    }
    Ok(tables)
}

/// The columns of a table or view; `None`: there is none of this name.
pub fn columns(connection: &Connection, table: &TableInfo) -> Result<Option<Vec<ColumnInfo>>, SqliteError> {
    let listing = "SELECT name, type, \"notnull\", pk, dflt_value IS NOT NULL, hidden FROM pragma_table_xinfo(?)";
    let rows = rows(connection, listing, std::slice::from_ref(&table.name))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let key_columns = rows.iter().filter(|row| row.get(3).is_some_and(|pk| pk.as_deref() != Some("0"))).count();
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        let mut row = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || row.next().unwrap_or_default();
        let (name, declared, not_null, key, default, hidden) = (next(), next(), next(), next(), next(), next());
        if hidden == "1" {
            continue;
        }
        let key_position: u32 = key.parse().unwrap_or(0);
        // The rowid under another name: never null, and numbered by SQLite.
        let is_rowid = key_position == 1 && key_columns == 1 && declared.eq_ignore_ascii_case("INTEGER");
        let nullable = not_null == "0" && !is_rowid;
        let column_type = of_declared(Some(&declared));
        columns.push(ColumnInfo {
            schema: schema_json(column_type, nullable),
            name,
            database_type: declared,
            nullable,
            key_position,
            auto_increment: is_rowid,
            has_default: default == "1",
        });
    }
    Ok(Some(columns))
}

/// The columns that a query would give. Those without a declared type are told as optional strings: only rows decide.
pub fn describe_query(connection: &Connection, sql: &str) -> Result<Vec<ColumnInfo>, SqliteError> {
    let statement = connection.prepare(sql)?;
    let columns = result_columns(&statement, connection, NumericMapping::None, TimestampGranularity::ConnectLogical);
    Ok(columns
        .into_iter()
        .map(|column| ColumnInfo {
            schema: schema_json(column.column_type, column.nullable),
            name: column.name,
            database_type: column.declared.unwrap_or_default(),
            nullable: column.nullable,
            key_position: 0,
            auto_increment: column.auto_increment,
            has_default: false,
        })
        .collect())
}

/// SQLite's clock, microseconds since the epoch (it counts milliseconds).
pub fn now(connection: &Connection) -> Result<i64, SqliteError> {
    let mut statement =
        connection.prepare("SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)")?;
    statement.step()?;
    Ok(statement.i64(0).saturating_mul(1_000))
}

fn of_declared(declared: Option<&str>) -> ColumnType {
    ColumnType::of_declared(declared, NumericMapping::None, TimestampGranularity::ConnectLogical)
}

fn schema_json(column_type: ColumnType, nullable: bool) -> String {
    let schema = ConnectSchema::from_field(&column_type.field("column", nullable));
    let schema = schema.ok().flatten().map(|schema| schema.to_json());
    schema.unwrap_or(serde_json::Value::Null).to_string()
}

/// All rows of a small query, as text.
fn rows(connection: &Connection, sql: &str, parameters: &[String]) -> Result<Vec<Vec<Option<String>>>, SqliteError> {
    let mut statement = connection.prepare(sql)?;
    let parameters: Vec<Value> = parameters.iter().cloned().map(Value::Text).collect();
    bind_values(&mut statement, &parameters).map_err(|error| match error {
        WriteError::Sqlite(error) => error,
        other => SqliteError::new(0, other.to_string()),
    })?;
    let mut rows = Vec::new();
    while statement.step()? {
        let text = |index: usize| match statement.storage(index) {
            Storage::Null => None,
            Storage::Integer => Some(statement.i64(index).to_string()),
            Storage::Real => Some(statement.f64(index).to_string()),
            Storage::Text | Storage::Blob => Some(String::from_utf8_lossy(statement.bytes(index)).into_owned()),
        };
        rows.push((0..statement.column_count()).map(text).collect());
    }
    Ok(rows)
}
