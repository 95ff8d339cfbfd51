use crate::fixture::{Fixture, delivery, keyed, people, tombstones};
use arrow_array::{Int64Array, StringArray};
use sluice_connect_api::ErrorKind;
use std::sync::Arc;

const SINK: &str = "sluice-sink-sql";

#[tokio::test]
async fn a_replayed_delivery_writes_nothing_twice() {
    let fixture = Fixture::new(SINK).await;
    let config = fixture.config(&[("auto.create", "true"), ("topics", "people")]);
    let mut sink = fixture.sink(config.clone()).await.unwrap();
    let rows: Vec<(i64, i64)> = (0..1_000).map(|offset| (offset, offset * 2)).collect();
    assert!(sink.put(&delivery(0, 999), &[people(&rows)]).await.unwrap().is_empty());
    sink.put(&delivery(0, 999), &[people(&rows)]).await.unwrap();
    let mut database = fixture.database().await;
    assert_eq!(database.number("SELECT count(*) FROM people").await, 1_000);
    // After a crash, with a delivery that reaches further than what was written.
    drop(sink);
    let mut sink = fixture.sink(config).await.unwrap();
    let rows: Vec<(i64, i64)> = (500..1_500).map(|offset| (offset, offset * 2)).collect();
    sink.put(&delivery(500, 1_499), &[people(&rows)]).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM people").await, 1_500);
    assert_eq!(database.number("SELECT count(DISTINCT id) FROM people").await, 1_500);
    assert_eq!(database.number("SELECT last_offset FROM sluice_sink_offsets").await, 1_499);
}

#[tokio::test]
async fn without_the_offsets_table_a_replay_writes_twice() {
    let fixture = Fixture::new(SINK).await;
    let config = fixture.config(&[("auto.create", "true"), ("sluice.offsets.table", "")]);
    let mut sink = fixture.sink(config).await.unwrap();
    for _ in 0..2 {
        sink.put(&delivery(0, 1), &[people(&[(0, 1), (1, 2)])]).await.unwrap();
    }
    assert_eq!(fixture.database().await.number("SELECT count(*) FROM people").await, 4);
}

#[tokio::test]
async fn a_recreated_topic_and_reset_offsets_are_written_anew() {
    let fixture = Fixture::new(SINK).await;
    let mut sink = fixture.sink(fixture.config(&[("auto.create", "true")])).await.unwrap();
    let mut database = fixture.database().await;
    let batch = || people(&[(0, 1), (1, 2)]);
    sink.put(&delivery(0, 1), &[batch()]).await.unwrap();
    let mut recreated = delivery(0, 1);
    recreated.topic_id = "id-2".to_owned();
    sink.put(&recreated, &[batch()]).await.unwrap();
    recreated.generation = 1;
    sink.put(&recreated, &[batch()]).await.unwrap();
    sink.put(&recreated, &[batch()]).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM people").await, 6);
}

#[tokio::test]
async fn an_older_session_is_fenced() {
    let fixture = Fixture::new(SINK).await;
    let config = fixture.config(&[("auto.create", "true")]);
    let mut older = fixture.sink(config.clone()).await.unwrap();
    older.put(&delivery(0, 0), &[people(&[(0, 1)])]).await.unwrap();
    let mut newer = fixture.sink(config).await.unwrap();
    let error = older.put(&delivery(1, 1), &[people(&[(1, 2)])]).await.unwrap_err();
    assert_eq!((error.kind, error.details.code.as_str()), (ErrorKind::Fatal, "sql.fenced"));
    newer.put(&delivery(1, 1), &[people(&[(1, 2)])]).await.unwrap();
    assert_eq!(fixture.database().await.number("SELECT count(*) FROM people").await, 2);
}

#[tokio::test]
async fn upserts_and_deletes_keep_the_order_of_the_log() {
    let fixture = Fixture::new(SINK).await;
    let config = fixture.config(&[
        ("auto.create", "true"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("delete.enabled", "true"),
    ]);
    let mut sink = fixture.sink(config).await.unwrap();
    // 1 is written, deleted, written; 2 is written, changed; 3 is written, deleted.
    let values = people(&[(0, 1), (2, 2), (3, 1), (4, 2), (5, 3)]);
    let deletes = tombstones(&[(1, 1), (6, 3)]);
    assert!(sink.put(&delivery(0, 6), &[values, deletes]).await.unwrap().is_empty());
    let mut database = fixture.database().await;
    assert_eq!(database.number("SELECT count(*) FROM people").await, 2);
    assert_eq!(database.number("SELECT count(*) FROM people WHERE id = 1 AND name = 'name 3'").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM people WHERE id = 2 AND name = 'name 4'").await, 1);
}

#[tokio::test]
async fn update_changes_existing_rows_only() {
    let fixture = Fixture::new(SINK).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)").await;
    database.run("INSERT INTO people VALUES (1, 'old')").await;
    let config = fixture.config(&[("insert.mode", "update"), ("pk.mode", "record_value"), ("pk.fields", "id")]);
    let mut sink = fixture.sink(config).await.unwrap();
    sink.put(&delivery(0, 1), &[people(&[(0, 1), (1, 2)])]).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM people WHERE name = 'name 0'").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM people").await, 1);
}

#[tokio::test]
async fn kafka_coordinates_can_be_the_key() {
    let fixture = Fixture::new(SINK).await;
    let config = fixture.config(&[
        ("auto.create", "true"),
        ("pk.mode", "kafka"),
        ("insert.mode", "upsert"),
        ("table.name.format", "t_${topic}"),
    ]);
    let mut sink = fixture.sink(config).await.unwrap();
    sink.put(&delivery(0, 1), &[people(&[(0, 1), (1, 1)])]).await.unwrap();
    let sql = "SELECT count(*) FROM t_people WHERE __connect_topic = 'people' AND __connect_partition = 0 AND __connect_offset = id - 1 + __connect_offset";
    assert_eq!(fixture.database().await.number(sql).await, 2);
}

#[tokio::test]
async fn refused_rows_are_reported_and_the_others_written_also_after_a_crash() {
    let fixture = Fixture::new(SINK).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'name 2'))").await;
    let config = fixture.config(&[("errors.tolerance", "all")]);
    let batch = || people(&[(0, 1), (1, 1), (2, 5), (3, 6)]);
    let mut sink = fixture.sink(config.clone()).await.unwrap();
    let failures = sink.put(&delivery(0, 3), &[batch()]).await.unwrap();
    assert_eq!(failures.iter().map(|failure| failure.row_id).collect::<Vec<_>>(), [1, 2]);
    assert!(failures[0].details.message.contains("UNIQUE"), "{failures:?}");
    assert_eq!(database.number("SELECT sum(id) FROM people").await, 7);
    // The report was lost with the process: the replay repeats it.
    drop(sink);
    let mut sink = fixture.sink(config).await.unwrap();
    let failures = sink.put(&delivery(0, 3), &[batch()]).await.unwrap();
    assert_eq!(failures.iter().map(|failure| failure.row_id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(database.number("SELECT count(*) FROM people").await, 2);
}

#[tokio::test]
async fn without_tolerance_nothing_of_a_refused_delivery_is_written() {
    let fixture = Fixture::new(SINK).await;
    let mut database = fixture.database().await;
    database.run("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)").await;
    let mut sink = fixture.sink(fixture.config(&[])).await.unwrap();
    let error = sink.put(&delivery(0, 2), &[people(&[(0, 1), (1, 1), (2, 2)])]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().starts_with("row:1 "), "{error}");
    assert_eq!(database.number("SELECT count(*) FROM people").await, 0);
    // Its halves go through.
    sink.put(&delivery(0, 0), &[people(&[(0, 1)])]).await.unwrap();
    sink.put(&delivery(2, 2), &[people(&[(2, 2)])]).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM people").await, 2);
}

#[tokio::test]
async fn a_new_field_grows_the_table_when_that_is_allowed() {
    let fixture = Fixture::new(SINK).await;
    let mut sink = fixture.sink(fixture.config(&[("auto.create", "true"), ("auto.evolve", "true")])).await.unwrap();
    sink.put(&delivery(0, 0), &[people(&[(0, 1)])]).await.unwrap();
    let ids = Int64Array::from(vec![2]);
    let emails = StringArray::from(vec!["a@b"]);
    let wider = keyed(&[(1, 2)], vec![("id", Arc::new(ids)), ("email", Arc::new(emails))]);
    sink.put(&delivery(1, 1), std::slice::from_ref(&wider)).await.unwrap();
    let mut database = fixture.database().await;
    assert_eq!(database.number("SELECT count(*) FROM people WHERE email = 'a@b' AND name IS NULL").await, 1);

    // Two schemas in one delivery for a table that is not there yet.
    let both = Fixture::new(SINK).await;
    let mut sink = both.sink(both.config(&[("auto.create", "true"), ("auto.evolve", "true")])).await.unwrap();
    sink.put(&delivery(0, 1), &[people(&[(0, 1)]), wider.clone()]).await.unwrap();
    let mut database = both.database().await;
    assert_eq!(database.number("SELECT count(name) + 10 * count(email) FROM people").await, 11);

    let strict = Fixture::new(SINK).await;
    strict.database().await.run("CREATE TABLE people (id INTEGER, name TEXT)").await;
    let mut sink = strict.sink(strict.config(&[])).await.unwrap();
    let error = sink.put(&delivery(1, 1), &[wider]).await.unwrap_err();
    assert!(error.to_string().contains("\"email\"") && error.to_string().contains("auto.evolve"), "{error}");
}

#[tokio::test]
async fn values_without_fields_are_rejected_with_the_remedy() {
    let fixture = Fixture::new(SINK).await;
    let mut sink = fixture.sink(fixture.config(&[("auto.create", "true")])).await.unwrap();
    let text = StringArray::from(vec!["just text"]);
    let field = arrow_schema::Field::new("value", arrow_schema::DataType::Utf8, true);
    let batch = sluice_data::ConnectBatch::builder("people", &field, Arc::new(text)).offsets(Int64Array::from(vec![0]));
    let error = sink.put(&delivery(0, 0), &[batch.build().unwrap()]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().contains("converter with schemas"), "{error}");
}
