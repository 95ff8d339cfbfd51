//! Predicates: to which rows a transformation is applied. Source: Kafka `org.apache.kafka.connect.transforms.predicates`.

use arrow_array::Array;
use regex::Regex;
use sluice_connect_api::ConfigMap;
use sluice_data::ConnectBatch;
use sluice_data::headers::row_headers;
use std::ops::Range;

#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    TopicNameMatches(Regex),
    HasHeaderKey(String),
    RecordIsTombstone,
}

/// Rows in a row that the transformation is applied to, or passes by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub rows: Range<usize>,
    pub applies: bool,
}

impl Predicate {
    /// `config` without the `predicates.<alias>.` prefix.
    ///
    /// # Errors
    /// What is wrong with the class or its keys.
    pub fn parse(class: &str, config: &ConfigMap) -> Result<Self, String> {
        let required = |key: &str| {
            let value = config.get(key).filter(|value| !value.is_empty()).cloned();
            value.ok_or_else(|| format!("Missing required configuration \"{key}\" which has no default value."))
        };
        match class.rsplit('.').next().unwrap_or(class) {
            "TopicNameMatches" => {
                let pattern = required("pattern")?;
                // Java matches the whole name.
                let regex = Regex::new(&format!("^(?:{pattern})$"));
                regex.map(Self::TopicNameMatches).map_err(|error| format!("Invalid regex {pattern}: {error}"))
            }
            "HasHeaderKey" => required("name").map(Self::HasHeaderKey),
            "RecordIsTombstone" => Ok(Self::RecordIsTombstone),
            _ => Err(format!("{class} is no predicate; use TopicNameMatches, HasHeaderKey or RecordIsTombstone")),
        }
    }

    /// The batch's rows in order, divided where the answer changes, so that their order is kept.
    #[must_use]
    pub fn runs(&self, batch: &ConnectBatch, negate: bool) -> Vec<Run> {
        let answers = match self {
            Self::TopicNameMatches(regex) => {
                let applies = regex.is_match(batch.topic()) != negate;
                return vec![Run { rows: 0..batch.len(), applies }];
            }
            Self::HasHeaderKey(name) => {
                let has =
                    |row| batch.headers().is_some_and(|all| row_headers(all, row).any(|header| header.name == name));
                (0..batch.len()).map(has).collect::<Vec<bool>>()
            }
            Self::RecordIsTombstone => is_null(batch),
        };
        let mut runs: Vec<Run> = Vec::new();
        for (row, answer) in answers.into_iter().enumerate() {
            let applies = answer != negate;
            match runs.last_mut() {
                Some(run) if run.applies == applies => run.rows.end = row + 1,
                _ => runs.push(Run { rows: row..row + 1, applies }),
            }
        }
        runs
    }
}

/// Kafka's predicate asks for a null value, whatever its schema.
fn is_null(batch: &ConnectBatch) -> Vec<bool> {
    match batch.value().logical_nulls() {
        Some(nulls) => nulls.iter().map(|is_valid| !is_valid).collect(),
        None => vec![false; batch.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringArray;
    use arrow_schema::{DataType, Field};
    use sluice_data::headers::{Header, HeadersBuilder};
    use std::sync::Arc;

    fn runs(class: &str, key: &str, value: &str, negate: bool) -> Vec<(Range<usize>, bool)> {
        let values = StringArray::from(vec![Some("a"), Some("b"), None, Some("d")]);
        let mut headers = HeadersBuilder::default();
        for names in [&["x"][..], &["y", "x"], &[], &["y"]] {
            names.iter().for_each(|name| headers.push(Header { name, value: None, schema: None }));
            headers.end_row();
        }
        let field = Field::new("value", DataType::Utf8, true);
        let batch =
            ConnectBatch::builder("orders", &field, Arc::new(values)).headers(headers.finish()).build().unwrap();
        let config = ConfigMap::from([(key.to_owned(), value.to_owned())]);
        let runs = Predicate::parse(class, &config).unwrap().runs(&batch, negate);
        runs.into_iter().map(|run| (run.rows, run.applies)).collect()
    }

    #[test]
    fn predicates_divide_a_batch_and_keep_its_order() {
        assert_eq!(runs("TopicNameMatches", "pattern", "order.", false), [(0..4, true)]);
        assert_eq!(runs("TopicNameMatches", "pattern", "order", false), [(0..4, false)]);
        assert_eq!(runs("a.b.HasHeaderKey", "name", "x", false), [(0..2, true), (2..4, false)]);
        assert_eq!(runs("RecordIsTombstone", "-", "", true), [(0..2, true), (2..3, false), (3..4, true)]);
        assert!(Predicate::parse("HasHeaderKey", &ConfigMap::new()).unwrap_err().contains("name"));
        assert!(Predicate::parse("Sometimes", &ConfigMap::new()).is_err());
    }
}
