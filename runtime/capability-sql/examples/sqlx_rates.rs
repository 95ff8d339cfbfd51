//! Rows a second through this crate and through sqlx, on one database file: 8 columns, read into Arrow batches or just fetched,
//! and inserted in one transaction. `cargo run --release -p sluice-capability-sql --example sqlx_rates [ROWS]`

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, StructArray};
use arrow_schema::{DataType, Field};
use futures_util::TryStreamExt;
use sluice_capability_sql::backend::Backend;
use sluice_capability_sql::bindings::sql::{Binding, QueryOptions};
use sluice_capability_sql::config::SqliteTarget;
use sluice_capability_sql::{SqlCeiling, SqliteBackend};
use sluice_data::ConnectBatch;
use sqlx::{ConnectOptions, Row};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const COLUMNS: [&str; 8] = ["id", "account", "amount", "rate", "name", "city", "note", "seen"];
const DDL: &str = "(id INTEGER PRIMARY KEY, account INTEGER, amount REAL, rate REAL, name TEXT, city TEXT, note TEXT, seen TIMESTAMP)";
const BATCH: i64 = 1_000;

#[tokio::main]
async fn main() {
    let rows: i64 = std::env::args().nth(1).map_or(1_000_000, |rows| rows.parse().expect("a number of rows"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rates.db");
    report("insert, this crate", rows, insert(&path, "ours", rows).await);
    report("read,   this crate", rows, read(&path).await);
    report("insert, sqlx", rows, insert_sqlx(&path, rows).await);
    for buffer in [50, 1_024] {
        report(&format!("read,   sqlx, row buffer {buffer}"), rows, read_sqlx(&path, buffer).await);
    }
}

fn report(what: &str, rows: i64, seconds: f64) {
    println!("{what:<32} {:>9.0} rows/s", rows as f64 / seconds);
}

fn backend(path: &Path) -> SqliteBackend {
    SqliteBackend::new(SqliteTarget::new(path), SqlCeiling::default())
}

async fn insert(path: &Path, table: &str, rows: i64) -> f64 {
    let mut connection = backend(path).connect().await.expect("a connection");
    connection.execute(format!("CREATE TABLE {table} {DDL}"), vec![]).await.expect("a table");
    let bindings: Vec<Binding> = COLUMNS
        .iter()
        .map(|column| Binding { column: (*column).to_owned(), path: format!("value.{column}") })
        .collect();
    let batches: Vec<ConnectBatch> = (0..rows / BATCH).map(|batch| batch_from(batch * BATCH)).collect();
    let start = Instant::now();
    let mut transaction = connection.begin().await.expect("a transaction");
    for batch in batches {
        transaction.copy_in(batch, table.to_owned(), bindings.clone()).await.expect("rows");
    }
    transaction.commit().await.expect("a commit");
    start.elapsed().as_secs_f64()
}

async fn read(path: &Path) -> f64 {
    let mut connection = backend(path).connect().await.expect("a connection");
    let options = QueryOptions {
        topic: "t".to_owned(),
        max_rows: BATCH as u32,
        max_bytes: 0,
        numeric_mapping: String::new(),
        timestamp_granularity: String::new(),
    };
    let start = Instant::now();
    let mut cursor = connection.query("SELECT * FROM ours".to_owned(), vec![], options).await.expect("a cursor");
    let mut rows = 0;
    while let Some(batch) = cursor.next().await.expect("rows") {
        rows += batch.len();
    }
    assert!(rows > 0);
    start.elapsed().as_secs_f64()
}

async fn insert_sqlx(path: &Path, rows: i64) -> f64 {
    let mut connection = sqlx_connection(path, 50).await;
    let create = sqlx::AssertSqlSafe(format!("CREATE TABLE theirs {DDL}"));
    sqlx::query(create).execute(&mut connection).await.expect("a table");
    let start = Instant::now();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("a transaction");
    for id in 0..rows {
        let insert = sqlx::query("INSERT INTO theirs VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
        let insert = insert.bind(id).bind(id % 997).bind(id as f64 * 0.5).bind(0.25).bind(format!("name {id}"));
        let insert = insert.bind("Amsterdam").bind("a note of some forty characters, about").bind(id);
        insert.execute(&mut connection).await.expect("a row");
    }
    sqlx::query("COMMIT").execute(&mut connection).await.expect("a commit");
    start.elapsed().as_secs_f64()
}

async fn read_sqlx(path: &Path, buffer: usize) -> f64 {
    let mut connection = sqlx_connection(path, buffer).await;
    let start = Instant::now();
    let mut rows = sqlx::query("SELECT * FROM ours").fetch(&mut connection);
    let (mut integers, mut floats, mut texts) = (Int64Builder::new(), Float64Builder::new(), StringBuilder::new());
    while let Some(row) = rows.try_next().await.expect("rows") {
        for column in [0, 1, 7] {
            integers.append_value(row.get_unchecked(column));
        }
        for column in [2, 3] {
            floats.append_value(row.get_unchecked(column));
        }
        for column in [4, 5, 6] {
            texts.append_value(row.get_unchecked::<&str, _>(column));
        }
    }
    start.elapsed().as_secs_f64()
}

async fn sqlx_connection(path: &Path, buffer: usize) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).row_buffer_size(buffer);
    options.connect().await.expect("a connection")
}

fn batch_from(first: i64) -> ConnectBatch {
    let ids = || first..first + BATCH;
    let integers = |value: fn(i64) -> i64| Arc::new(Int64Array::from_iter_values(ids().map(value))) as ArrayRef;
    let mut amounts = Float64Builder::new();
    let mut rates = Float64Builder::new();
    let (mut names, mut cities, mut notes) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    for id in ids() {
        amounts.append_value(id as f64 * 0.5);
        rates.append_value(0.25);
        names.append_value(format!("name {id}"));
        cities.append_value("Amsterdam");
        notes.append_value("a note of some forty characters, about");
    }
    let columns: Vec<ArrayRef> = vec![
        integers(|id| id),
        integers(|id| id % 997),
        Arc::new(amounts.finish()),
        Arc::new(rates.finish()),
        Arc::new(names.finish()),
        Arc::new(cities.finish()),
        Arc::new(notes.finish()),
        integers(|id| id),
    ];
    let fields: Vec<Field> = COLUMNS
        .iter()
        .zip(&columns)
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let field = Field::new("value", DataType::Struct(fields.clone().into()), false);
    let value = StructArray::new(fields.into(), columns, None);
    ConnectBatch::builder("t", &field, Arc::new(value)).row_ids_from(first).build().expect("a batch")
}
