//! What holds for every batch, whatever is done with its rows.

use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, Int64Array, NullArray, StringArray, UInt32Array};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;
use sluice_data::headers::{Header, HeadersBuilder, row_headers};
use sluice_data::schema::{schemaless_json_field, with_tombstones};
use sluice_data::{BatchError, ConnectBatch};
use std::sync::Arc;

/// One record: id, value, whether it is a tombstone, headers.
type Row = (i64, Option<String>, bool, Vec<(String, Option<Vec<u8>>)>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let headers =
        proptest::collection::vec(("[ab]", proptest::option::of(proptest::collection::vec(any::<u8>(), 0..4))), 0..3);
    proptest::collection::vec((any::<i64>(), proptest::option::of("\\PC{0,8}"), any::<bool>(), headers), 0..12)
}

fn batch_of(rows: &[Row]) -> ConnectBatch {
    let values: StringArray = rows.iter().map(|(_, value, ..)| value.clone()).collect();
    let mut headers = HeadersBuilder::default();
    for (.., row) in rows {
        for (name, value) in row {
            headers.push(Header { name, value: value.as_deref(), schema: None });
        }
        headers.end_row();
    }
    let field = Field::new("v", DataType::Utf8, true);
    ConnectBatch::builder("t", &field, Arc::new(values))
        .offsets(rows.iter().map(|(id, ..)| Some(*id)).collect())
        .tombstones(rows.iter().map(|(_, _, tombstone, _)| Some(*tombstone)).collect())
        .headers(headers.finish())
        .partitions(Int32Array::from_iter_values(0..rows.len() as i32))
        .build()
        .unwrap()
}

fn rows_of(batch: &ConnectBatch) -> Vec<Row> {
    let values = batch.value().as_any().downcast_ref::<StringArray>().unwrap();
    let headers = |row| {
        let owned = |header: Header<'_>| (header.name.to_owned(), header.value.map(<[u8]>::to_vec));
        row_headers(batch.headers().unwrap(), row).map(owned).collect()
    };
    let row = |row: usize| {
        let value = values.is_valid(row).then(|| values.value(row).to_owned());
        (batch.row_ids().value(row), value, batch.is_tombstone(row), headers(row))
    };
    (0..batch.len()).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_keep_their_ids_tombstones_and_headers(
        rows in rows(),
        cut in any::<prop::sample::Index>(),
        keep in proptest::collection::vec(any::<bool>(), 12),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let batch = batch_of(&rows);
        prop_assert_eq!(rows_of(&batch), rows.clone());
        let cut = cut.index(rows.len() + 1);
        let (front, back) = (batch.slice(0, cut), batch.slice(cut, rows.len() - cut));
        prop_assert_eq!(rows_of(&back), rows[cut..].to_vec());
        prop_assert_eq!(rows_of(&ConnectBatch::concat(&[front, back]).unwrap()), rows.clone());

        let mask = BooleanArray::from(keep[..rows.len()].to_vec());
        let kept: Vec<Row> = rows.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| row.clone()).collect();
        prop_assert_eq!(rows_of(&batch.filter(&mask).unwrap()), kept);

        if !rows.is_empty() {
            let picks: Vec<u32> = picks.iter().map(|pick| pick.index(rows.len()) as u32).collect();
            let taken: Vec<Row> = picks.iter().map(|pick| rows[*pick as usize].clone()).collect();
            prop_assert_eq!(rows_of(&batch.take(&UInt32Array::from(picks)).unwrap()), taken);
        }
    }
}

#[test]
fn what_is_not_given_takes_its_default() {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let batch =
        ConnectBatch::builder("t", &Field::new("v", DataType::Int32, false), values).row_ids_from(7).build().unwrap();
    assert_eq!(batch.row_ids(), &Int64Array::from(vec![7, 8]));
    assert_eq!(batch.timestamps().null_count(), 2);
    assert_eq!(batch.key_field().data_type(), &DataType::Null);
    assert!(batch.headers().is_none() && batch.partitions().is_none() && batch.offsets().is_none());
    assert!(!batch.is_tombstone(0));
}

#[test]
fn a_null_without_a_schema_is_a_tombstone_and_one_under_a_schema_is_not() {
    let nulls: ArrayRef = Arc::new(StringArray::from(vec![None, Some("1")]));
    let optional = Field::new("v", DataType::Utf8, true);
    let required = with_tombstones(Field::new("v", DataType::Utf8, false));
    for (field, values, expected) in [
        (optional, nulls.clone(), [false, false]),
        (required, nulls.clone(), [true, false]),
        (schemaless_json_field("v"), nulls, [true, false]),
        (Field::new("v", DataType::Null, true), Arc::new(NullArray::new(2)), [true, true]),
    ] {
        let batch = ConnectBatch::builder("t", &field, values).build().unwrap();
        assert_eq!([batch.is_tombstone(0), batch.is_tombstone(1)], expected, "{field}");
    }
}

#[test]
fn a_column_of_the_wrong_name_type_or_length_is_refused() {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let field = Field::new("v", DataType::Int32, false);
    let batch = ConnectBatch::builder("t", &field, values.clone()).build().unwrap();
    let refused = |name: &str| batch.with_column(name, &field, values.clone()).unwrap_err();
    assert!(matches!(refused("extra"), BatchError::UnknownColumn { .. }));
    assert!(matches!(refused("timestamp"), BatchError::WrongType { .. }));
    let short: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    assert!(matches!(batch.with_column("value", &field, short).unwrap_err(), BatchError::Arrow(_)));
    let without = batch.records().project(&[0]).unwrap();
    assert!(matches!(ConnectBatch::try_new("t", without).unwrap_err(), BatchError::MissingColumn { .. }));
    assert!(ConnectBatch::concat(&[]).is_err());
    let other =
        batch.with_column("value", &Field::new("v", DataType::Int64, false), Arc::new(Int64Array::from(vec![1, 2])));
    assert!(ConnectBatch::concat(&[batch.clone(), other.unwrap()]).is_err());
}

#[test]
fn a_slice_counts_its_own_bytes() {
    let values: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1000); 100]));
    let batch = ConnectBatch::builder("t", &Field::new("v", DataType::Utf8, false), values).build().unwrap();
    assert!(batch.size_bytes() > 100_000);
    assert!((1000..2000).contains(&batch.slice(3, 1).size_bytes()), "{}", batch.slice(3, 1).size_bytes());
}
