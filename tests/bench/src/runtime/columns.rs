//! Orders of ten columns, as every converter can write them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
    StructArray, TimestampMillisecondArray,
};
use arrow_schema::Field;

/// What the orders have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    Ten,
    /// An optional one more: a later version of the schema.
    WithNote,
}

/// Orders with these ids.
pub fn orders(columns: Columns, ids: Range<i64>) -> (Field, ArrayRef) {
    rows(columns, &ids.collect::<Vec<_>>())
}

/// The same with ids that do not follow each other.
pub fn rows(columns: Columns, ids: &[i64]) -> (Field, ArrayRef) {
    let each = || ids.iter().copied();
    let texts = |text: fn(i64) -> String| Arc::new(StringArray::from_iter_values(each().map(text)));
    let comment = |id: i64| (id % 3 != 0).then(|| format!("deliver \"soon\" {id}"));
    let mut named: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(each()))),
        ("quantity", Arc::new(Int32Array::from_iter_values(each().map(|id| id as i32 % 50)))),
        ("price", Arc::new(Float64Array::from_iter_values(each().map(|id| id as f64 * 1.37)))),
        ("weight", Arc::new(Float32Array::from_iter_values(each().map(|id| id as f32 * 0.5)))),
        ("paid", Arc::new(each().map(|id| Some(id % 2 == 0)).collect::<BooleanArray>())),
        ("customer", texts(|id| format!("customer number {id} of Bern"))),
        ("comment", Arc::new(each().map(comment).collect::<StringArray>())),
        ("city", texts(|id| format!("city {}", id % 100))),
        ("due", Arc::new(Date32Array::from_iter_values(each().map(|id| id as i32 % 30_000)))),
        ("at", {
            let times = each().map(|id| 1_700_000_000_000 + id * 1_000);
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC"))
        }),
    ];
    if columns == Columns::WithNote {
        named.push(("note", texts(|id| format!("note {}", id % 10))));
    }
    let columns = named
        .into_iter()
        .map(|(name, column)| (Arc::new(Field::new(name, column.data_type().clone(), true)), column))
        .collect::<Vec<_>>();
    let values: ArrayRef = Arc::new(StructArray::from(columns));
    (Field::new("value", values.data_type().clone(), false), values)
}
