//! Which rows of a batch a transformation is applied to, as its predicate and `negate` say.

use sluice_connect_api::Predicate;
use sluice_data::ConnectBatch;
use std::ops::Range;

/// Rows in a row that the transformation is applied to, or passes by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub rows: Range<usize>,
    pub applies: bool,
}

/// The batch's rows in order, divided where the answer changes, so that their order is kept.
#[must_use]
pub(crate) fn runs(predicate: &dyn Predicate, batch: &ConnectBatch, negate: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (row, answer) in predicate.test(batch).values().iter().enumerate() {
        let applies = answer != negate;
        match runs.last_mut() {
            Some(run) if run.applies == applies => run.rows.end = row + 1,
            _ => runs.push(Run { rows: row..row + 1, applies }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, NullArray};
    use arrow_schema::{DataType, Field};
    use std::sync::Arc;

    struct Answers(Vec<bool>);

    impl Predicate for Answers {
        fn test(&self, _batch: &ConnectBatch) -> BooleanArray {
            self.0.clone().into()
        }
    }

    #[test]
    fn a_batch_is_divided_where_the_answer_changes() {
        let field = Field::new("value", DataType::Null, true);
        let batch = ConnectBatch::builder("t", &field, Arc::new(NullArray::new(4))).build().unwrap();
        let divided = |answers: [bool; 4], negate| {
            let runs = runs(&Answers(answers.to_vec()), &batch, negate);
            runs.into_iter().map(|run| (run.rows, run.applies)).collect::<Vec<_>>()
        };
        assert_eq!(divided([true; 4], false), [(0..4, true)]);
        assert_eq!(divided([true; 4], true), [(0..4, false)]);
        assert_eq!(divided([true, true, false, true], true), [(0..2, false), (2..3, true), (3..4, false)]);
    }
}
