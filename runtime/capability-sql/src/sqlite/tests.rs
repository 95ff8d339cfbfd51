use super::*;
use crate::backend::Transaction as _;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use sluice_data::ConnectSchema;

struct Fixture {
    folder: tempfile::TempDir,
    connection: Box<dyn backend::Connection>,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = connect(&folder.path().join("test.db"), |_| {}).await;
        Self { folder, connection }
    }

    async fn with(statements: &[&str]) -> Self {
        let mut fixture = Self::new().await;
        for statement in statements {
            fixture.connection.execute((*statement).to_owned(), vec![]).await.expect(statement);
        }
        fixture
    }

    async fn all(&mut self, sql: &str, options: QueryOptions) -> Result<Vec<ConnectBatch>, Error> {
        let mut cursor = self.connection.query(sql.to_owned(), vec![], options).await?;
        let mut batches = Vec::new();
        while let Some(batch) = cursor.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }

    async fn one(&mut self, sql: &str) -> ConnectBatch {
        self.all(sql, options(1_000)).await.unwrap().remove(0)
    }

    async fn count(&mut self, sql: &str) -> i64 {
        column(&self.one(sql).await, 0).as_primitive::<Int64Type>().value(0)
    }
}

async fn connect(path: &std::path::Path, change: impl FnOnce(&mut SqliteTarget)) -> Box<dyn backend::Connection> {
    let mut target = SqliteTarget::new(path);
    change(&mut target);
    SqliteBackend::new(target, SqlCeiling::default()).connect().await.unwrap()
}

fn options(max_rows: u32) -> QueryOptions {
    QueryOptions {
        topic: "t".to_owned(),
        max_rows,
        max_bytes: 0,
        numeric_mapping: String::new(),
        timestamp_granularity: String::new(),
    }
}

fn column(batch: &ConnectBatch, index: usize) -> &ArrayRef {
    batch.value().as_struct().column(index)
}

fn schema(batch: &ConnectBatch) -> serde_json::Value {
    ConnectSchema::from_field(batch.value_field()).unwrap().unwrap().to_json()
}

fn people(ids: impl IntoIterator<Item = i64>) -> ConnectBatch {
    let ids = Int64Array::from_iter_values(ids);
    let names = StringArray::from_iter_values(ids.values().iter().map(|id| format!("name {id}")));
    let fields = vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)];
    let offsets = ids.clone();
    let value = StructArray::new(fields.clone().into(), vec![Arc::new(ids), Arc::new(names)], None);
    let field = Field::new("value", DataType::Struct(fields.into()), false);
    ConnectBatch::builder("people", &field, Arc::new(value)).offsets(offsets).build().unwrap()
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

fn details(error: Error) -> (&'static str, String, String) {
    match error {
        Error::Retriable(details) => ("retriable", details.code, details.message),
        Error::Rejected(details) => ("rejected", details.code, details.message),
        Error::Fatal(details) => ("fatal", details.code, details.message),
    }
}

const INSERT: &str = "INSERT INTO people (id, name) VALUES (?, ?)";

#[tokio::test]
async fn declared_types_decide_the_schema_and_values_arrive_in_it() {
    let mut fixture = Fixture::with(&[
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(10) NOT NULL, price DECIMAL(10,2), weight REAL, ok BOOLEAN, \
         born DATE, seen TIMESTAMP, body BLOB)",
        "INSERT INTO item VALUES (1, 'a', '12.50', 1.5, 1, '1970-01-02', '1970-01-01 00:00:01.5', x'00ff'), \
         (2, 'b', 3, 2, 0, 86400000, 1500, NULL), (3, 'c', NULL, NULL, NULL, NULL, NULL, '')",
    ])
    .await;
    let batch = fixture.one("SELECT * FROM item ORDER BY id").await;
    assert_eq!(column(&batch, 0).as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!(column(&batch, 2).as_primitive::<Decimal128Type>().value(0), 1250);
    assert_eq!(column(&batch, 2).as_primitive::<Decimal128Type>().value(1), 300);
    assert_eq!(column(&batch, 3).as_primitive::<Float64Type>().value(1), 2.0);
    assert!(column(&batch, 4).as_boolean().value(0) && !column(&batch, 4).as_boolean().value(1));
    for row in 0..2 {
        assert_eq!(column(&batch, 5).as_primitive::<Date32Type>().value(row), 1);
        assert_eq!(column(&batch, 6).as_primitive::<TimestampMillisecondType>().value(row), 1500);
    }
    assert_eq!(column(&batch, 7).as_binary::<i32>().value(0), [0, 0xff]);
    assert!((2..7).all(|index| column(&batch, index).is_null(2)));
    let schema = schema(&batch);
    assert_eq!(schema["name"], "item");
    let optional: Vec<bool> = schema["fields"].as_array().unwrap().iter().map(|f| f["optional"] == true).collect();
    assert_eq!(optional, [false, false, true, true, true, true, true, true]);
}

#[tokio::test]
async fn a_value_that_does_not_fit_names_table_column_and_row() {
    let mut fixture = Fixture::with(&[
        "CREATE TABLE item (id INTEGER, seen TIMESTAMP)",
        "INSERT INTO item VALUES (1, 0), (2, 'yesterday')",
    ])
    .await;
    let error = fixture.all("SELECT * FROM item", options(10)).await.unwrap_err();
    let (kind, code, message) = details(error);
    assert_eq!((kind, code.as_str()), ("fatal", "sql.value"));
    for part in ["\"item\"", "\"seen\"", "row 2", "yesterday", "TIMESTAMP"] {
        assert!(message.contains(part), "{message}");
    }
    fixture.connection.execute("UPDATE item SET id = 'x' WHERE id = 1".to_owned(), vec![]).await.unwrap();
    let message = details(fixture.all("SELECT id FROM item", options(10)).await.unwrap_err()).2;
    assert!(message.contains("\"id\"") && message.contains("row 1"), "{message}");
}

#[tokio::test]
async fn every_batch_of_a_cursor_has_the_schema_of_the_first() {
    let mut fixture = Fixture::with(&[
        "CREATE TABLE n (i INTEGER)",
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 25) INSERT INTO n SELECT i FROM c",
    ])
    .await;
    let batches = fixture.all("SELECT i, i * 2 AS twice, NULL AS empty FROM n ORDER BY i", options(10)).await.unwrap();
    assert_eq!(batches.iter().map(ConnectBatch::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert!(batches.iter().all(|batch| batch.value_field() == batches[0].value_field()));
    assert_eq!(column(&batches[2], 1).as_primitive::<Int64Type>().value(4), 50);
    assert_eq!(batches[1].row_ids().value(0), 10);
    let all_rows = fixture.all("SELECT i FROM n", options(25)).await.unwrap();
    assert_eq!(all_rows.len(), 1, "the statement must not run again behind its last row");
    let message = details(
        fixture
            .all("SELECT CASE WHEN i < 15 THEN i ELSE 'x' END AS mixed FROM n ORDER BY i", options(10))
            .await
            .unwrap_err(),
    )
    .2;
    assert!(message.contains("\"mixed\""), "{message}");
}

#[tokio::test]
async fn an_outer_join_makes_non_null_columns_optional() {
    let mut fixture = Fixture::with(&[
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "INSERT INTO a VALUES (1)",
    ])
    .await;
    let batch = fixture.one("SELECT a.id, b.name FROM a LEFT JOIN b ON a.id = b.id").await;
    assert!(column(&batch, 1).is_null(0));
}

#[tokio::test]
async fn a_batch_is_written_and_read_back() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)"]).await;
    let mut transaction = fixture.connection.begin().await.unwrap();
    let parameters = paths(&["value.id", "value.name"]);
    let written = transaction.execute_batch(INSERT.to_owned(), people(0..1_000), parameters).await.unwrap();
    assert_eq!(written, 1_000);
    let bindings = vec![Binding { column: "id".to_owned(), path: "offset".to_owned() }];
    assert_eq!(transaction.copy_in(people(1_000..1_010), "people".to_owned(), bindings).await.unwrap(), 10);
    transaction.commit().await.unwrap();
    assert_eq!(fixture.count("SELECT count(*) FROM people").await, 1_010);
    assert_eq!(fixture.count("SELECT count(*) FROM people WHERE name IS NULL").await, 10);
    assert_eq!(fixture.count("SELECT count(*) FROM people WHERE name = 'name 999' AND id = 999").await, 1);
}

#[tokio::test]
async fn a_refused_row_is_named_and_the_transaction_goes_on() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)"]).await;
    let mut transaction = fixture.connection.begin().await.unwrap();
    let parameters = paths(&["value.id", "value.name"]);
    let error =
        transaction.execute_batch(INSERT.to_owned(), people([5, 6, 5, 7]), parameters.clone()).await.unwrap_err();
    let (kind, code, message) = details(error);
    assert_eq!((kind, code.as_str()), ("rejected", "sql.constraint"));
    assert!(message.starts_with("row:5 ") && message.contains("people.id"), "{message}");
    transaction.execute_batch(INSERT.to_owned(), people([7]), parameters).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.count("SELECT sum(id) FROM people").await, 18);
}

#[tokio::test]
async fn a_batch_without_fields_is_rejected_with_the_remedy() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER, name TEXT)"]).await;
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let batch = ConnectBatch::builder("t", &Field::new("value", DataType::Utf8, true), text).build().unwrap();
    let mut transaction = fixture.connection.begin().await.unwrap();
    let parameters = paths(&["value.id", "value.name"]);
    let (kind, _, message) =
        details(transaction.execute_batch(INSERT.to_owned(), batch, parameters).await.unwrap_err());
    assert_eq!(kind, "rejected");
    assert!(message.contains("not a struct"), "{message}");
    let missing = transaction.execute_batch(INSERT.to_owned(), people([1]), paths(&["value.id", "value.age"])).await;
    assert!(details(missing.unwrap_err()).2.contains("value.age"));
}

#[tokio::test]
async fn a_dropped_transaction_leaves_no_row_and_no_lock() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER, name TEXT)"]).await;
    let mut transaction = fixture.connection.begin().await.unwrap();
    transaction.execute("INSERT INTO people VALUES (1, 'x')".to_owned(), vec![]).await.unwrap();
    drop(transaction);
    let transaction = fixture.connection.begin().await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.count("SELECT count(*) FROM people").await, 0);
}

#[tokio::test]
async fn a_statement_that_is_given_up_half_way_ends_and_rolls_back() {
    const ENDLESS: &str =
        "INSERT INTO people WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i, 'x' FROM c";
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER, name TEXT)"]).await;
    let mut transaction = fixture.connection.begin().await.unwrap();
    transaction.execute("INSERT INTO people VALUES (1, 'x')".to_owned(), vec![]).await.unwrap();
    let running = transaction.execute(ENDLESS.to_owned(), vec![]);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), running).await.is_err());
    let error = transaction.execute("SELECT 1".to_owned(), vec![]).await.unwrap_err();
    assert_eq!(details(error).1, "sql.cancelled");
    drop(transaction);
    // Waits for the lock, which would never come if the statement still ran.
    fixture.connection.begin().await.unwrap().rollback().await.unwrap();
    assert_eq!(fixture.count("SELECT count(*) FROM people").await, 0);
}

#[tokio::test]
async fn a_locked_database_is_retriable() {
    let fixture = Fixture::with(&["CREATE TABLE people (id INTEGER, name TEXT)"]).await;
    let path = fixture.folder.path().join("test.db");
    let mut impatient = connect(&path, |target| target.busy_timeout_ms = 1).await;
    let mut first = connect(&path, |_| {}).await;
    let holder = first.begin().await.unwrap();
    let (kind, code, _) = details(impatient.begin().await.err().unwrap());
    assert_eq!((kind, code.as_str()), ("retriable", "sql.busy"));
    holder.commit().await.unwrap();
    impatient.begin().await.unwrap();
}

#[tokio::test]
async fn a_full_database_is_retriable_and_its_transaction_is_over() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER, name TEXT)"]).await;
    let mut session = Session::take(fixture_pool(&fixture), Missing::Fail).await.unwrap();
    session
        .run(|connection| {
            connection.run_trusted("PRAGMA max_page_count = 3").map_err(|error| from_sqlite(&error))?;
            connection.run_trusted("BEGIN IMMEDIATE").map_err(|error| from_sqlite(&error))
        })
        .await
        .unwrap();
    let mut transaction = SqliteTransaction { session };
    let filling = transaction.execute("INSERT INTO people VALUES (1, zeroblob(100000))".to_owned(), vec![]).await;
    let (kind, code, _) = details(filling.unwrap_err());
    assert_eq!((kind, code.as_str()), ("retriable", "sql.disk-full"));
    drop(transaction);
    assert_eq!(fixture.count("SELECT count(*) FROM people").await, 0);
}

fn fixture_pool(fixture: &Fixture) -> Arc<Pool> {
    let target = SqliteTarget::new(fixture.folder.path().join("test.db"));
    Arc::new(Pool { target, ceiling: SqlCeiling::default(), idle: Mutex::new(Vec::new()) })
}

#[tokio::test]
async fn nothing_runs_behind_a_transaction_that_the_database_ended() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)"]).await;
    let mut transaction = fixture.connection.begin().await.unwrap();
    transaction.execute("INSERT INTO people VALUES (1, 'x')".to_owned(), vec![]).await.unwrap();
    transaction.execute("INSERT OR ROLLBACK INTO people VALUES (1, 'y')".to_owned(), vec![]).await.unwrap_err();
    let late = transaction.execute("INSERT INTO people VALUES (2, 'z')".to_owned(), vec![]).await;
    assert_eq!(details(late.unwrap_err()).1, "sql.rolled-back");
    drop(transaction);
    assert_eq!(fixture.count("SELECT count(*) FROM people").await, 0);
}

#[tokio::test]
async fn a_statement_cannot_reach_another_file_or_change_the_connection() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER, name TEXT)"]).await;
    let outside = fixture.folder.path().join("outside.db");
    let attach = format!("ATTACH DATABASE '{}' AS other", outside.display());
    let vacuum = format!("VACUUM INTO '{}'", outside.display());
    let refused = [
        attach.as_str(),
        vacuum.as_str(),
        "SELECT load_extension('x')",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA synchronous = OFF",
        "PRAGMA writable_schema = ON",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT x",
        "SELECT 1; DROP TABLE people",
    ];
    for statement in refused {
        let answer = fixture.connection.execute(statement.to_owned(), vec![]).await;
        assert_eq!(details(answer.expect_err(statement)).0, "fatal", "{statement}");
    }
    assert!(!outside.exists());
    let mut transaction = fixture.connection.begin().await.unwrap();
    for statement in [attach.as_str(), "COMMIT", "ROLLBACK"] {
        assert_eq!(details(transaction.execute(statement.to_owned(), vec![]).await.unwrap_err()).0, "fatal");
    }
    transaction.execute("SAVEPOINT x".to_owned(), vec![]).await.unwrap();
    transaction.execute("ROLLBACK TO x".to_owned(), vec![]).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn tables_and_columns_are_told() {
    let mut fixture = Fixture::with(&[
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL DEFAULT 1)",
        "CREATE TABLE pair (a INTEGER, b TEXT, PRIMARY KEY (b, a))",
        "CREATE VIEW cheap AS SELECT * FROM item WHERE price < 1",
    ])
    .await;
    let tables = fixture.connection.tables(vec!["TABLE".to_owned()]).await.unwrap();
    assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["item", "pair"]);
    assert_eq!(fixture.connection.tables(vec!["VIEW".to_owned()]).await.unwrap()[0].name, "cheap");
    let columns = fixture.connection.columns(tables[0].clone()).await.unwrap().unwrap();
    let id = &columns[0];
    assert!(id.auto_increment && !id.nullable && id.key_position == 1);
    assert!(!columns[1].nullable && columns[2].nullable && columns[2].has_default);
    assert_eq!(columns[2].schema, r#"{"optional":true,"type":"double"}"#);
    let pair = fixture.connection.columns(tables[1].clone()).await.unwrap().unwrap();
    assert_eq!((pair[0].key_position, pair[1].key_position), (2, 1));
    assert!(pair[0].nullable && !pair[0].auto_increment);
    let gone = TableInfo { name: "gone".to_owned(), ..tables[0].clone() };
    assert!(fixture.connection.columns(gone).await.unwrap().is_none());
    let described =
        fixture.connection.describe_query("SELECT id, price * 2 AS twice FROM item".to_owned()).await.unwrap();
    assert_eq!(described.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "twice"]);
    let now = fixture.connection.now().await.unwrap();
    let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    assert!((system - now).abs() < 5_000_000, "{now} {system}");
}

#[tokio::test]
async fn a_table_that_is_gone_is_fatal_and_named() {
    let mut fixture = Fixture::with(&["CREATE TABLE people (id INTEGER)", "DROP TABLE people"]).await;
    let (kind, code, message) = details(fixture.all("SELECT * FROM people", options(1)).await.unwrap_err());
    assert_eq!((kind, code.as_str()), ("fatal", "sql.no-such-table"));
    assert!(message.contains("people"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_missing_is_not_made_by_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.db");
    let mut connection = connect(&path, |_| {}).await;
    let (kind, code, _) = details(connection.tables(vec![]).await.unwrap_err());
    assert_eq!((kind, code.as_str()), ("retriable", "sql.not-found"));
    assert!(!path.exists());
    let mut read_only = connect(&path, |target| target.read_only = true).await;
    assert!(read_only.begin().await.is_err());
    connection.execute("CREATE TABLE t (i INTEGER)".to_owned(), vec![]).await.unwrap();
    assert_eq!(
        details(read_only.execute("INSERT INTO t VALUES (1)".to_owned(), vec![]).await.unwrap_err()).1,
        "sql.read-only"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    std::fs::write(&path, "these are notes, not a database, and quite a lot of them".repeat(100)).unwrap();
    let (kind, code, _) = details(connect(&path, |_| {}).await.tables(vec![]).await.unwrap_err());
    assert_eq!((kind, code.as_str()), ("fatal", "sql.corrupt"));
}

#[tokio::test]
async fn a_cursor_reads_its_snapshot_while_another_writes() {
    let mut fixture = Fixture::with(&[
        "CREATE TABLE n (i INTEGER)",
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100) INSERT INTO n SELECT i FROM c",
    ])
    .await;
    let mut cursor = fixture.connection.query("SELECT i FROM n".to_owned(), vec![], options(10)).await.unwrap();
    let mut rows = cursor.next().await.unwrap().unwrap().len();
    fixture.connection.execute("INSERT INTO n SELECT i + 1000 FROM n".to_owned(), vec![]).await.unwrap();
    while let Some(batch) = cursor.next().await.unwrap() {
        rows += batch.len();
    }
    assert_eq!(rows, 100);
    assert!(cursor.next().await.unwrap().is_none());
}
