//! The resource `batch` as a guest sees it.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, BooleanArray, Int64Array, StringArray, StructArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use sluice_capability::bindings::batches::{BytesColumn, Column, ColumnValues, HostBatch as _, NamedColumn};
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::Batch;
use sluice_capability::{GuestIdentity, GuestState};
use sluice_data::ConnectBatch;
use std::sync::Arc;
use wasmtime::component::Resource;

fn state() -> GuestState {
    GuestState::new(GuestIdentity::default(), Box::new(()))
}

fn borrow(handle: &Resource<Batch>) -> Resource<Batch> {
    Resource::new_borrow(handle.rep())
}

fn text(values: &[&str]) -> Column {
    let mut column = BytesColumn { offsets: vec![0], data: Vec::new() };
    for value in values {
        column.data.extend_from_slice(value.as_bytes());
        column.offsets.push(column.data.len() as u32);
    }
    Column { values: ColumnValues::Utf8(column), validity: None }
}

fn integers(values: &[i64]) -> Column {
    Column { values: ColumnValues::Int64(values.to_vec()), validity: None }
}

fn named(name: &str, column: Column) -> NamedColumn {
    NamedColumn { name: name.into(), column }
}

async fn people(state: &mut GuestState) -> Resource<Batch> {
    let columns = vec![named("id", integers(&[3, 1, 2, 4])), named("city", text(&["Bern", "Rom", "Bern", "Oslo"]))];
    state.from_columns("people".into(), columns, None).await.unwrap().unwrap()
}

#[track_caller]
fn code<T>(answer: wasmtime::Result<Result<T, Error>>) -> String {
    match answer.expect("no trap") {
        Ok(_) => panic!("must be refused"),
        Err(Error::Rejected(details) | Error::Retriable(details) | Error::Fatal(details)) => details.code,
    }
}

#[test]
fn every_function_has_a_place_on_the_linker() {
    let mut linker = wasmtime::component::Linker::new(&wasmtime::Engine::default());
    sluice_capability::add_to_linker(&mut linker).unwrap();
}

#[tokio::test]
async fn columns_come_back_as_they_went() {
    let mut state = state();
    let mut ages = integers(&[30, 7, 41, 5]);
    ages.validity = Some(vec![1, 0, 1, 1]);
    let columns = vec![named("age", ages), named("city", text(&["Bern", "Rom", "Bern", "Oslo"]))];
    let batch = state.from_columns("people".into(), columns, None).await.unwrap().unwrap();
    assert_eq!(state.length(borrow(&batch)).await.unwrap(), 4);
    let ages = state.column(borrow(&batch), "value.age".into()).await.unwrap().unwrap();
    assert_eq!(ages.validity, Some(vec![1, 0, 1, 1]));
    assert!(matches!(ages.values, ColumnValues::Int64(values) if values == [30, 0, 41, 5]), "a null's slot holds zero");
    let slice = state.slice(borrow(&batch), 1, 2).await.unwrap().unwrap();
    let cities = state.column(borrow(&slice), "value.city".into()).await.unwrap().unwrap();
    let ColumnValues::Utf8(cities) = cities.values else { panic!("text") };
    assert_eq!((cities.offsets, cities.data), (vec![0, 3, 7], b"RomBern".to_vec()));
}

#[tokio::test]
async fn wrong_columns_are_refused() {
    let mut state = state();
    let bad = |offsets: Vec<u32>, data: &[u8]| Column {
        values: ColumnValues::Utf8(BytesColumn { offsets, data: data.to_vec() }),
        validity: None,
    };
    let mut short = integers(&[1, 2]);
    short.validity = Some(vec![1]);
    for column in [
        bad(vec![], b""),
        bad(vec![0, 9], b"abc"),
        bad(vec![0, 3, 1], b"abc"),
        bad(vec![0, u32::MAX], b"abc"),
        bad(vec![0, 1], b"\xff"),
        bad(vec![0, 1, 2], "ö".as_bytes()),
        short,
    ] {
        let answer = state.from_columns("t".into(), vec![named("a", column)], None).await;
        assert_eq!(code(answer), "batch.column");
    }
    let uneven = vec![named("a", integers(&[1])), named("b", integers(&[1, 2]))];
    assert_eq!(code(state.from_columns("t".into(), uneven, None).await), "batch.column");
    let twice = vec![named("a", integers(&[1])), named("a", integers(&[2]))];
    assert_eq!(code(state.from_columns("t".into(), twice, None).await), "batch.column");
}

#[tokio::test]
async fn a_schema_shapes_the_columns() {
    let mut state = state();
    let schema = r#"{"type":"struct","fields":[
        {"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"9"}},
        {"field":"at","type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1},
        {"field":"note","type":"string","optional":true}]}"#;
    let columns = || vec![named("at", integers(&[1_000])), named("price", text(&["12.5"]))];
    let batch = state.from_columns("t".into(), columns(), Some(schema.into())).await.unwrap().unwrap();
    let value = state.batch(&batch).unwrap().value().clone();
    assert_eq!(value.as_struct().column(0).as_primitive::<Decimal128Type>().value(0), 1250);
    assert_eq!(value.as_struct().column(1).as_primitive::<TimestampMillisecondType>().value(0), 1000);
    assert!(value.as_struct().column(2).is_null(0));
    let schema_back = state.schema(borrow(&batch)).await.unwrap();
    assert!(schema_back.contains("org.apache.kafka.connect.data.Timestamp"), "{schema_back}");

    let required = r#"{"type":"struct","fields":[{"field":"x","type":"string"}]}"#;
    assert_eq!(code(state.from_columns("t".into(), columns(), Some(required.into())).await), "batch.schema");
    assert_eq!(code(state.from_columns("t".into(), columns(), Some("{".into())).await), "batch.schema");
    let wrong = r#"{"type":"struct","fields":[{"field":"at","type":"int64"},{"field":"price","type":"int32"}]}"#;
    let words = vec![named("at", integers(&[1])), named("price", text(&["dear"]))];
    assert_eq!(code(state.from_columns("t".into(), words, Some(wrong.into())).await), "batch.cast");
}

#[tokio::test]
async fn rows_are_selected_with_their_row_ids() {
    let mut state = state();
    let batch = people(&mut state).await;
    let taken = state.take(borrow(&batch), vec![3, 0]).await.unwrap().unwrap();
    assert_eq!(state.batch(&taken).unwrap().row_ids().values(), &[3, 0]);
    let kept = state.filter(borrow(&batch), vec![0, 1, 1, 0]).await.unwrap().unwrap();
    assert_eq!(state.batch(&kept).unwrap().row_ids().values(), &[1, 2]);
    let both = state.concat(vec![borrow(&taken), borrow(&kept)]).await.unwrap().unwrap();
    assert_eq!(state.batch(&both).unwrap().row_ids().values(), &[3, 0, 1, 2]);

    assert_eq!(code(state.take(borrow(&batch), vec![4]).await), "batch.out-of-bounds");
    assert_eq!(code(state.slice(borrow(&batch), 3, 2).await), "batch.out-of-bounds");
    assert_eq!(code(state.slice(borrow(&batch), u32::MAX, u32::MAX).await), "batch.out-of-bounds");
    assert_eq!(code(state.filter(borrow(&batch), vec![1]).await), "batch.filter");
    assert_eq!(code(state.concat(vec![]).await), "batch.concat");
    let other = state.with_topic(borrow(&batch), "others".into()).await.unwrap();
    assert_eq!(code(state.concat(vec![borrow(&batch), borrow(&other)]).await), "batch.concat");
}

#[tokio::test]
async fn groups_keep_the_order_of_first_appearance() {
    let mut state = state();
    let batch = people(&mut state).await;
    let groups = state.partition_by(borrow(&batch), vec!["value.city".into()]).await.unwrap().unwrap();
    let keys: Vec<_> = groups.iter().map(|group| group.key[0].clone().unwrap()).collect();
    assert_eq!(keys, ["Bern", "Rom", "Oslo"]);
    assert_eq!(state.batch(&groups[0].rows).unwrap().row_ids().values(), &[0, 2]);
    assert_eq!(code(state.partition_by(borrow(&batch), vec!["value.town".into()]).await), "batch.no-column");
}

#[tokio::test]
async fn extremes_are_json() {
    let mut state = state();
    let batch = people(&mut state).await;
    assert_eq!(state.min(borrow(&batch), "value.id".into()).await.unwrap().unwrap(), Some("1".into()));
    assert_eq!(state.max(borrow(&batch), "value.city".into()).await.unwrap().unwrap(), Some("\"Rom\"".into()));
    assert_eq!(state.last(borrow(&batch), "value.id".into()).await.unwrap().unwrap(), Some("4".into()));
    let empty = state.slice(borrow(&batch), 0, 0).await.unwrap().unwrap();
    assert_eq!(state.max(borrow(&empty), "value.id".into()).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn the_last_timestamp_keeps_its_microseconds() {
    let mut state = state();
    let kind = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let values = TimestampMicrosecondArray::from(vec![1_700_000_000_123_456]).with_timezone("UTC");
    let batch = ConnectBatch::builder("t", &Field::new("value", kind, false), Arc::new(values)).build().unwrap();
    let batch = state.push_batch(batch).unwrap();
    let last = state.last(borrow(&batch), "value".into()).await.unwrap().unwrap();
    assert_eq!(last, Some("1700000000123456".into()));
    let column = state.column(borrow(&batch), "value".into()).await.unwrap().unwrap();
    assert!(matches!(column.values, ColumnValues::Int64(values) if values == [1_700_000_000_123]));
}

#[tokio::test]
async fn a_field_becomes_the_key_and_fields_change() {
    let mut state = state();
    let batch = people(&mut state).await;
    let keyed = state.key_from(borrow(&batch), "value.id".into()).await.unwrap().unwrap();
    assert_eq!(state.batch(&keyed).unwrap().key().as_primitive::<Int64Type>().values(), &[3, 1, 2, 4]);

    let changed = state.with_field(borrow(&batch), "city".into(), text(&["a", "b", "c", "d"])).await.unwrap().unwrap();
    assert_eq!(state.max(borrow(&changed), "value.city".into()).await.unwrap().unwrap(), Some("\"d\"".into()));
    let added = state.with_field(borrow(&batch), "age".into(), integers(&[1, 2, 3, 4])).await.unwrap().unwrap();
    assert_eq!(state.max(borrow(&added), "value.age".into()).await.unwrap().unwrap(), Some("4".into()));
    assert_eq!(code(state.with_field(borrow(&batch), "age".into(), integers(&[1])).await), "batch.column");

    let pairs = vec![("value.city".to_owned(), "town".to_owned()), ("row_id".to_owned(), String::new())];
    let selected = state.select(borrow(&batch), pairs).await.unwrap().unwrap();
    let names = state.batch(&selected).unwrap().value().as_struct().column_names().join(",");
    assert_eq!(names, "town,row_id");
    let twice = vec![("value.id".to_owned(), String::new()), ("value.city".to_owned(), "id".to_owned())];
    assert_eq!(code(state.select(borrow(&batch), twice).await), "batch.select");
}

#[tokio::test]
async fn a_field_is_null_where_its_parent_is() {
    let mut state = state();
    let inner = Fields::from(vec![Field::new("id", DataType::Int64, false)]);
    let values =
        StructArray::new(inner.clone(), vec![Arc::new(Int64Array::from(vec![1, 2]))], Some(vec![true, false].into()));
    let field = Field::new("value", DataType::Struct(inner), true);
    let batch = ConnectBatch::builder("t", &field, Arc::new(values)).build().unwrap();
    let batch = state.push_batch(batch).unwrap();
    let column = state.column(borrow(&batch), "value.id".into()).await.unwrap().unwrap();
    assert_eq!(column.validity, Some(vec![1, 0]));
    assert!(matches!(column.values, ColumnValues::Int64(values) if values == [1, 0]));
}

#[tokio::test]
async fn ipc_carries_row_ids_and_survives_damage() {
    let mut state = state();
    let batch = people(&mut state).await;
    let tail = state.slice(borrow(&batch), 2, 2).await.unwrap().unwrap();
    let bytes = state.to_ipc(borrow(&tail)).await.unwrap().unwrap();
    let back = state.from_ipc("people".into(), bytes.clone()).await.unwrap().unwrap();
    assert_eq!(state.batch(&back).unwrap().row_ids().values(), &[2, 3]);
    assert_eq!(state.batch(&back).unwrap().value(), state.batch(&tail).unwrap().value());

    assert_eq!(code(state.from_ipc("t".into(), vec![]).await), "batch.ipc");
    for cut in (0..bytes.len()).step_by(7) {
        // A cut behind the rows leaves a whole stream; everything else is refused, and nothing panics.
        let _ = state.from_ipc("t".into(), bytes[..cut].to_vec()).await.unwrap();
    }
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x80;
        if let Ok(batch) = state.from_ipc("t".into(), damaged).await.unwrap() {
            let _ = state.to_ipc(batch).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_plain_ipc_stream_becomes_the_value() {
    let mut state = state();
    let rows = arrow_array::RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![7, 8])) as _)]).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), rows.schema_ref()).unwrap();
    writer.write(&rows).unwrap();
    let batch = state.from_ipc("t".into(), writer.into_inner().unwrap()).await.unwrap().unwrap();
    assert_eq!(state.max(borrow(&batch), "value.n".into()).await.unwrap().unwrap(), Some("8".into()));
}

#[tokio::test]
async fn schemaless_json_gets_columns() {
    let mut state = state();
    let field = sluice_data::schema::schemaless_json_field("value");
    let lines = StringArray::from(vec![
        Some(r#"{"id":1,"name":"ann","raw":"AQI=","price":12.5,"at":1000,"more":[1]}"#),
        Some(r#" {"name":7,"id":2,"price":"3"} "#),
        None,
    ]);
    let batch = ConnectBatch::builder("t", &field, Arc::new(lines)).build().unwrap();
    let batch = state.push_batch(batch).unwrap();
    let schema = r#"{"type":"struct","fields":[
        {"field":"id","type":"int64"},{"field":"name","type":"string","optional":true},{"field":"raw","type":"bytes","optional":true},
        {"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},
        {"field":"at","type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1,"optional":true}]}"#;
    assert_eq!(code(state.column(borrow(&batch), "value.id".into()).await), "batch.no-column");
    let parsed = state.parse_json(borrow(&batch), schema.into()).await.unwrap().unwrap();
    let names = state.column(borrow(&parsed), "value.name".into()).await.unwrap().unwrap();
    assert_eq!(names.validity, Some(vec![1, 1, 0]));
    let raw = state.column(borrow(&parsed), "value.raw".into()).await.unwrap().unwrap();
    assert!(matches!(raw.values, ColumnValues::Binary(bytes) if bytes.data == [1, 2]));
    assert_eq!(state.max(borrow(&parsed), "value.price".into()).await.unwrap().unwrap(), Some("\"12.50\"".into()));
    let at = state.column(borrow(&parsed), "value.at".into()).await.unwrap().unwrap();
    assert!(matches!(at.values, ColumnValues::Int64(values) if values[0] == 1000));
}

#[tokio::test]
async fn a_row_that_does_not_parse_is_named() {
    let mut state = state();
    let schema = r#"{"type":"struct","fields":[{"field":"id","type":"int64"}]}"#;
    for bad in [r#"{"id":"x"}"#, r#"{"id":"#, r#"{"id":1}{"id":2}"#, "", "{}", "17", r#"{"id":1} trailing"#] {
        let field = sluice_data::schema::schemaless_json_field("value");
        let lines = StringArray::from(vec![r#"{"id":1}"#, bad]);
        let batch = ConnectBatch::builder("t", &field, Arc::new(lines)).row_ids_from(40).build().unwrap();
        let batch = state.push_batch(batch).unwrap();
        match state.parse_json(batch, schema.into()).await.unwrap() {
            Err(Error::Rejected(details)) => {
                assert!(details.message.starts_with("row:41 "), "{bad}: {}", details.message)
            }
            Err(other) => panic!("{bad}: {other:?}"),
            Ok(_) => panic!("{bad} must be refused"),
        }
    }
}

#[tokio::test]
async fn tombstones_are_split_off() {
    let mut state = state();
    let values = StringArray::from(vec![Some("a"), None, None]);
    let batch = ConnectBatch::builder("t", &Field::new("value", DataType::Utf8, true), Arc::new(values))
        .tombstones(BooleanArray::from(vec![false, true, false]))
        .build()
        .unwrap();
    let batch = state.push_batch(batch).unwrap();
    assert_eq!(state.tombstones(borrow(&batch)).await.unwrap(), 1);
    let (tombstones, rest) = state.split_tombstones(borrow(&batch)).await.unwrap();
    assert_eq!(state.batch(&tombstones).unwrap().row_ids().values(), &[1]);
    assert_eq!(state.batch(&rest).unwrap().row_ids().values(), &[0, 2]);
}

#[tokio::test]
async fn key_and_value_are_cast() {
    let mut state = state();
    let batch = people(&mut state).await;
    let keyed = state.key_from(borrow(&batch), "value.id".into()).await.unwrap().unwrap();
    let schema = r#"{"key":{"type":"string"},"value":{"type":"struct","fields":[
        {"field":"city","type":"string"},{"field":"zip","type":"int32","optional":true},{"field":"id","type":"int32"}]}}"#;
    let cast = state.cast(borrow(&keyed), schema.into()).await.unwrap().unwrap();
    assert_eq!(state.max(borrow(&cast), "key".into()).await.unwrap().unwrap(), Some("\"4\"".into()));
    let ids = state.column(borrow(&cast), "value.id".into()).await.unwrap().unwrap();
    assert!(matches!(ids.values, ColumnValues::Int32(values) if values == [3, 1, 2, 4]));
    let narrow = r#"{"value":{"type":"struct","fields":[{"field":"city","type":"int8"}]}}"#;
    assert_eq!(code(state.cast(borrow(&batch), narrow.into()).await), "batch.cast");
    let missing = r#"{"value":{"type":"struct","fields":[{"field":"zip","type":"int8"}]}}"#;
    assert_eq!(code(state.cast(borrow(&batch), missing.into()).await), "batch.cast");
    assert_eq!(code(state.cast(borrow(&batch), "no".into()).await), "batch.schema");
}

#[tokio::test]
async fn naming_a_row_again_and_again_makes_no_large_batch() {
    let mut state = state();
    let long = "x".repeat(1 << 20);
    let batch = state.from_columns("t".into(), vec![named("a", text(&[&long]))], None).await.unwrap().unwrap();
    assert_eq!(code(state.take(borrow(&batch), vec![0; 4096]).await), "batch.take");
    let many = (0..2048).map(|_| borrow(&batch)).collect();
    assert_eq!(code(state.concat(many).await), "batch.concat");
}
