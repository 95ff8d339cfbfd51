//! Row n of a task is a function of seed, field and n.

use crate::quickstart::Values;
use sluice_plugin_sdk::{BytesColumn, Column, ColumnValues};
use std::io::Write;
use std::ops::Range;

/// Tasks with one seed make different rows.
pub fn task_seed(seed: u64, task: u32) -> u64 {
    mix(seed ^ mix(u64::from(task) + 1))
}

/// One field's values for these rows.
pub fn column(values: Values, (seed, field): (u64, u64), rows: Range<u64>, now_ms: i64) -> Column {
    let seed = mix(seed ^ mix(field));
    let random = |row: u64| mix(seed.wrapping_add(row.wrapping_mul(GOLDEN)));
    match values {
        Values::Sequence => Column::int64(rows.map(|row| row as i64).collect()),
        Values::Now => Column::int64(rows.map(|_| now_ms).collect()),
        Values::Int32(min, max) => {
            Column::int32(rows.map(|row| min + below(random(row), (max - min) as u64) as i32).collect())
        }
        Values::Int64(min, max) => {
            Column::int64(rows.map(|row| min + below(random(row), (max - min) as u64) as i64).collect())
        }
        Values::Float64(min, max) => {
            let hundredths = |row| (below(random(row), ((max - min) * 100.0) as u64)) as f64;
            Column::float64(rows.map(|row| ((min * 100.0 + hundredths(row)).round()) / 100.0).collect())
        }
        Values::Boolean(percent) => Column::boolean(rows.map(|row| below(random(row), 100) < u64::from(percent))),
        Values::OneOf(texts) => Column::utf8(rows.map(|row| texts[below(random(row), texts.len() as u64) as usize])),
        Values::Numbered(prefix, min, max) => {
            let number = |row| u64::from(min) + below(random(row), u64::from(max - min));
            Column { values: ColumnValues::Utf8(numbered(prefix, rows.map(number))), validity: None }
        }
    }
}

/// Without a string for each row.
fn numbered(prefix: &str, numbers: impl Iterator<Item = u64>) -> BytesColumn {
    let mut column = BytesColumn { offsets: vec![0], data: Vec::new() };
    for number in numbers {
        column.data.extend_from_slice(prefix.as_bytes());
        write!(column.data, "{number}").expect("writing to memory does not fail");
        column.offsets.push(column.data.len() as u32);
    }
    column
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// splitmix64's finalizer.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Evenly from 0 up to below `bound` (Lemire's multiplication; the bias is below 2^-32).
fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quickstart::QUICKSTARTS;

    #[test]
    fn rows_do_not_depend_on_how_they_are_cut_into_batches() {
        for (index, field) in QUICKSTARTS.iter().flat_map(|quickstart| quickstart.fields).enumerate() {
            let column = |rows| column(field.values, (7, index as u64), rows, 0);
            let (whole, tail) = (column(0..10), column(4..10));
            for row in 0..6 {
                assert_eq!(whole.bytes(row + 4), tail.bytes(row), "{}", field.name);
                assert_eq!(whole.integer(row + 4), tail.integer(row), "{}", field.name);
            }
        }
    }

    #[test]
    fn values_stay_in_their_range_and_differ_between_tasks() {
        let make = |task| column(Values::Int32(5, 1_000), (task_seed(1, task), 0), 0..1_000, 0);
        let (first, second) = (make(0), make(1));
        let numbers: Vec<i64> = (0..1_000).filter_map(|row| first.integer(row)).collect();
        assert!(numbers.iter().all(|number| (5..1_000).contains(number)));
        assert!(numbers.iter().min() < Some(&20) && numbers.iter().max() > Some(&980));
        assert!((0..1_000).any(|row| first.integer(row) != second.integer(row)));
    }
}
