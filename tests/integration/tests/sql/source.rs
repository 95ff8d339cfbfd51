use crate::fixture::{Fixture, Offsets, integers, read_all};
use sluice_connect_api::ErrorKind;

const SOURCE: &str = "sluice-source-sql";

const NUMBERS: &str = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ";

fn insert(table: &str, count: usize, values: &str) -> String {
    format!("INSERT INTO {table} {NUMBERS}{count}) SELECT {values} FROM c")
}

#[tokio::test]
async fn incrementing_reads_every_row_once_and_goes_on_where_it_stood() {
    let fixture = Fixture::new(SOURCE).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, price DECIMAL(8,2))").await;
    database.run(&insert("orders (item, price)", 2_345, "'item ' || i, i / 100.0")).await;
    let config = fixture.config(&[
        ("mode", "incrementing"),
        ("topic.prefix", "db-"),
        ("poll.interval.ms", "0"),
        ("table.whitelist", "orders"),
    ]);
    let mut offsets = Offsets::default();

    let mut task = fixture.source(config.clone(), offsets.clone()).await.unwrap();
    let first = task.poll().await.unwrap();
    assert_eq!((first.batches.len(), first.batches[0].len()), (1, 1_000));
    assert_eq!(first.batches[0].topic().as_ref(), "db-orders");
    let offset = serde_json::to_value(first.offsets[0].1.as_ref().unwrap()).unwrap();
    assert_eq!(offset, serde_json::json!({"incrementing": 1_000}));
    let partition = serde_json::Value::Object(first.offsets[0].0.to_map());
    assert_eq!(partition, serde_json::json!({"protocol": "1", "table": "orders"}));
    for (partition, offset) in first.offsets {
        offsets.0.insert(partition, offset.unwrap());
    }
    // A crash: what was not committed is read again, nothing else.
    let mut task = fixture.source(config, offsets.clone()).await.unwrap();
    let rest = read_all(&mut task, &mut offsets).await;
    assert_eq!(integers(&rest, "id"), (1_001..=2_345).collect::<Vec<_>>());
    database.run(&insert("orders (item, price)", 5, "'late', 1")).await;
    let late = read_all(&mut task, &mut offsets).await;
    assert_eq!(integers(&late, "id"), (2_346..=2_350).collect::<Vec<_>>());
}

#[tokio::test]
async fn timestamp_mode_never_stands_among_rows_of_one_timestamp() {
    let fixture = Fixture::new(SOURCE).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE event (n INTEGER NOT NULL, at TIMESTAMP NOT NULL)").await;
    // Seven rows a second, in batches of five: every batch ends inside a second. Text and milliseconds mixed.
    let at =
        "CASE i % 2 WHEN 0 THEN (i / 7) * 1000 + 1000 ELSE strftime('%Y-%m-%d %H:%M:%f', (i / 7) + 1, 'unixepoch') END";
    database.run(&insert("event", 50, &format!("i, {at}"))).await;
    let config = fixture.config(&[
        ("mode", "timestamp"),
        ("timestamp.column.name", "at"),
        ("topic.prefix", ""),
        ("poll.interval.ms", "0"),
        ("batch.max.rows", "5"),
    ]);
    let mut offsets = Offsets::default();
    let mut seen = Vec::new();
    // A crash after every poll that brought rows.
    loop {
        let mut task = fixture.source(config.clone(), offsets.clone()).await.unwrap();
        let polled = task.poll().await.unwrap();
        if polled.is_empty() {
            break;
        }
        seen.extend(integers(&polled.batches, "n"));
        for (partition, offset) in polled.offsets {
            offsets.0.insert(partition, offset.unwrap());
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn timestamp_and_incrementing_sees_changed_rows_again() {
    let fixture = Fixture::new(SOURCE).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE item (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL)").await;
    database.run(&insert("item (at)", 10, "1000")).await;
    let config = fixture.config(&[
        ("mode", "timestamp+incrementing"),
        ("timestamp.column.name", "at"),
        ("topic.prefix", ""),
        ("poll.interval.ms", "0"),
        ("batch.max.rows", "3"),
    ]);
    let mut offsets = Offsets::default();
    let mut task = fixture.source(config, Offsets::default()).await.unwrap();
    assert_eq!(integers(&read_all(&mut task, &mut offsets).await, "id"), (1..=10).collect::<Vec<_>>());
    database.run("UPDATE item SET at = 2000 WHERE id IN (3, 7)").await;
    assert_eq!(integers(&read_all(&mut task, &mut offsets).await, "id"), [3, 7]);
    let stored = serde_json::to_value(offsets.0.values().next().unwrap()).unwrap();
    assert_eq!(stored, serde_json::json!({"incrementing": 7, "timestamp": 2_000, "timestamp_nanos": 0}));
}

#[tokio::test]
async fn a_query_is_read_in_bulk_and_by_a_column() {
    let fixture = Fixture::new(SOURCE).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER)").await;
    database.run(&insert("a (x)", 8, "i * 10")).await;
    let query = "SELECT * FROM (SELECT id, x + 1 AS y FROM a WHERE x > 20)";
    let bulk =
        fixture.config(&[("mode", "bulk"), ("query", query), ("topic.prefix", "q"), ("poll.interval.ms", "60000")]);
    let mut task = fixture.source(bulk, Offsets::default()).await.unwrap();
    let batches = read_all(&mut task, &mut Offsets::default()).await;
    assert_eq!((integers(&batches, "y").len(), batches[0].topic().as_ref()), (6, "q"));
    let by_id = fixture.config(&[
        ("mode", "incrementing"),
        ("incrementing.column.name", "id"),
        ("query", query),
        ("query.suffix", "LIMIT 2"),
        ("topic.prefix", "q"),
        ("poll.interval.ms", "0"),
    ]);
    let mut offsets = Offsets::default();
    let mut task = fixture.source(by_id, Offsets::default()).await.unwrap();
    let first = task.poll().await.unwrap();
    assert_eq!(integers(&first.batches, "id"), [3, 4]);
    // The end of each two rows is an end for now.
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.extend(integers(&read_all(&mut task, &mut offsets).await, "id"));
    }
    assert_eq!(rest, [5, 6, 7, 8]);
}

#[tokio::test]
async fn a_table_that_vanishes_fails_the_task_with_its_name() {
    let fixture = Fixture::new(SOURCE).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE orders (id INTEGER PRIMARY KEY)").await;
    let config = fixture.config(&[("mode", "incrementing"), ("topic.prefix", ""), ("poll.interval.ms", "0")]);
    let mut task = fixture.source(config.clone(), Offsets::default()).await.unwrap();
    assert!(task.poll().await.unwrap().is_empty());
    database.run("DROP TABLE orders").await;
    let mut task_config = config;
    task_config.insert("tables".to_owned(), "[\"orders\"]".to_owned());
    let error = task.poll().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.to_string().contains("orders") && error.to_string().contains("dropped"), "{error}");
    let error = fixture.source(task_config, Offsets::default()).await.err().unwrap();
    assert!(error.kind == ErrorKind::Fatal && error.to_string().contains("orders"), "{error}");
}

#[tokio::test]
async fn tables_are_divided_over_tasks_and_problems_are_found_before() {
    let fixture = Fixture::new(SOURCE).await;
    let mut database = fixture.database().await;
    for table in ["a", "b", "c"] {
        database.run(&format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY)")).await;
    }
    let config = fixture.config(&[("mode", "incrementing"), ("topic.prefix", ""), ("table.blacklist", "b")]);
    let connector = fixture.connector(&config).await;
    let tasks = connector.task_configs(&config, 5).await.unwrap();
    let tables: Vec<&str> = tasks.tasks.iter().map(|task| task["tables"].as_str()).collect();
    assert_eq!(tables, ["[\"a\"]", "[\"c\"]"]);
    assert_eq!(tasks.refresh, Some(std::time::Duration::from_secs(60)));
    assert_eq!(connector.task_configs(&config, 1).await.unwrap().tasks[0]["tables"], "[\"a\",\"c\"]");

    database.run("CREATE TABLE d (id INTEGER)").await;
    let config = fixture.config(&[("mode", "incrementing"), ("topic.prefix", ""), ("table.whitelist", "a,d,nowhere")]);
    let problems = fixture.connector(&config).await.check(&config).await.unwrap();
    let text = format!("{problems:?}");
    assert!(text.contains("nowhere") && text.contains("auto-increment column"), "{text}");
    let mut other = config;
    other.insert("connection.url".to_owned(), "jdbc:postgresql://db/shop".to_owned());
    let context = fixture.source(other, Offsets::default()).await.err().unwrap();
    assert!(context.to_string().contains("PostgreSQL"), "{context}");
}
