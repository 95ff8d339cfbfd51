//! The SELECT of each mode.

use crate::dialect::{Dialect, TimestampStorage};
use crate::offset::Position;

/// What is read and by which columns; names are quoted already.
#[derive(Debug, Clone)]
pub struct Selection {
    pub dialect: Dialect,
    /// `SELECT * FROM "t"`, or the user's query.
    pub select: String,
    pub incrementing: Option<String>,
    /// Several are coalesced.
    pub timestamps: Vec<String>,
    pub suffix: String,
}

/// Text and integer parameters (milliseconds, ids), in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    pub parameters: Vec<i64>,
}

impl Selection {
    /// The timestamp column, or the first of several that is not null.
    pub fn timestamp(&self) -> Option<String> {
        match self.timestamps.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(format!("COALESCE({})", several.join(", "))),
        }
    }

    /// Rows behind `position`, in an order in which every row can be the last one read. `end_ms` bounds the timestamps, so that
    /// a millisecond that is not over is left for the next time.
    pub fn statement(&self, position: Position, end_ms: i64, storage: TimestampStorage) -> Statement {
        let after_ms = position.timestamp_ms.unwrap_or(0);
        let after_id = position.incrementing.unwrap_or(-1);
        let timestamp = self.timestamp();
        let at = timestamp.as_deref().map(|column| self.dialect.timestamp_ms(column, storage));
        let coarse = timestamp.as_deref().and_then(|column| self.dialect.coarse_condition(column, storage, after_ms));
        let coarse = coarse.map_or(String::new(), |condition| format!("{condition} AND "));
        let (condition, order, parameters) = match (&self.incrementing, &at) {
            (None, None) => (String::new(), String::new(), vec![]),
            (Some(id), None) => (format!("{id} > ?"), format!("{id} ASC"), vec![after_id]),
            (None, Some(at)) => (format!("{coarse}{at} > ? AND {at} < ?"), format!("{at} ASC"), vec![after_ms, end_ms]),
            (Some(id), Some(at)) => (
                format!("{coarse}{at} < ? AND (({at} = ? AND {id} > ?) OR {at} > ?)"),
                format!("{at} ASC, {id} ASC"),
                vec![end_ms, after_ms, after_id, after_ms],
            ),
        };
        let mut sql = self.select.clone();
        if !condition.is_empty() {
            sql.push_str(&format!(" WHERE {condition} ORDER BY {order}"));
        }
        if !self.suffix.is_empty() {
            sql.push_str(&format!(" {}", self.suffix));
        }
        Statement { sql, parameters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Quoting;

    fn selection(incrementing: Option<&str>, timestamps: &[&str], suffix: &str) -> Selection {
        Selection {
            dialect: Dialect::new("sqlite", Quoting::Always),
            select: "SELECT * FROM \"t\"".to_owned(),
            incrementing: incrementing.map(str::to_owned),
            timestamps: timestamps.iter().map(|&column| column.to_owned()).collect(),
            suffix: suffix.to_owned(),
        }
    }

    fn sql(selection: &Selection, position: Position) -> (String, Vec<i64>) {
        let statement = selection.statement(position, 99, TimestampStorage::Integer);
        (statement.sql.replace("SELECT * FROM \"t\"", "…"), statement.parameters)
    }

    #[test]
    fn each_mode_has_its_statement() {
        let at = |incrementing, timestamp_ms| Position { incrementing, timestamp_ms };
        assert_eq!(sql(&selection(None, &[], "LIMIT 5"), at(None, None)), ("… LIMIT 5".to_owned(), vec![]));
        assert_eq!(
            sql(&selection(Some("\"id\""), &[], ""), at(None, None)),
            ("… WHERE \"id\" > ? ORDER BY \"id\" ASC".to_owned(), vec![-1])
        );
        assert_eq!(
            sql(&selection(None, &["\"ts\""], ""), at(None, Some(7))),
            ("… WHERE \"ts\" > ? AND \"ts\" < ? ORDER BY \"ts\" ASC".to_owned(), vec![7, 99])
        );
        assert_eq!(
            sql(&selection(Some("id"), &["ts"], "LIMIT 1"), at(Some(3), Some(7))),
            (
                "… WHERE ts < ? AND ((ts = ? AND id > ?) OR ts > ?) ORDER BY ts ASC, id ASC LIMIT 1".to_owned(),
                vec![99, 7, 3, 7]
            )
        );
    }

    #[test]
    fn several_timestamp_columns_are_coalesced() {
        let selection = selection(None, &["a", "b"], "");
        assert_eq!(selection.timestamp().as_deref(), Some("COALESCE(a, b)"));
        let statement = selection.statement(Position::default(), 9, TimestampStorage::Mixed);
        assert!(statement.sql.contains("CASE typeof(COALESCE(a, b)) WHEN 'integer'"), "{}", statement.sql);
    }

    #[test]
    fn text_timestamps_get_a_condition_that_an_index_can_answer() {
        let selection = selection(None, &["ts"], "");
        let position = Position { incrementing: None, timestamp_ms: Some(1_767_225_600_000) };
        let statement = selection.statement(position, i64::MAX, TimestampStorage::Text);
        assert!(statement.sql.contains("WHERE ts >= '2025-12-31' AND CAST("), "{}", statement.sql);
    }
}
