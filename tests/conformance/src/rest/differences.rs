//! What may differ between Kafka and the hub, and why. Every mismatch must be allowed by a row, and every row must allow one.

use serde_json::Value;

use super::compare::Mismatch;

mod rows;

/// Versions of the plugins on both sides.
const KAFKA: &str = "4.3.1";
const OURS: &str = env!("CARGO_PKG_VERSION");

pub use rows::DIFFERENCES;

/// Mismatches that are meant.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// Steps: `topic/sentence`, where `*` stands for anything.
    pub steps: &'static [&'static str],
    /// Parts of an answer: `status`, `header <name>`, `body/<pointer>`, where `*` stands for anything.
    pub parts: &'static [&'static str],
    /// What the two say must be like this.
    pub is: Is,
    /// What differs, for the reader.
    pub what: &'static str,
    pub reason: &'static str,
}

/// How far two values may be apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// Any two values.
    Anything,
    /// Texts that both say something.
    BothText,
    /// Kafka's number and ours.
    Numbers(u64, u64),
    /// Texts or items that are the same but for versions, Kafka's and ours.
    Versions,
    /// Only ours complains that no file is set, and counts it.
    FileMissing,
    /// Only Kafka has it; null is nothing.
    OnlyKafka,
    /// Only we have it.
    OnlyOurs,
}

/// Mismatches that no row allows, and rows that allow nothing.
#[derive(Debug, Default)]
pub struct Judged {
    pub unexpected: Vec<Mismatch>,
    pub unused: Vec<&'static Difference>,
}

/// Holds mismatches against [`DIFFERENCES`].
#[must_use]
pub fn judge(mismatches: Vec<Mismatch>) -> Judged {
    let mut used = vec![false; DIFFERENCES.len()];
    let mut judged = Judged::default();
    for mismatch in mismatches {
        let mut is_allowed = false;
        for (row, used) in DIFFERENCES.iter().zip(&mut used) {
            if row.allows(&mismatch) {
                (*used, is_allowed) = (true, true);
            }
        }
        if !is_allowed {
            judged.unexpected.push(mismatch);
        }
    }
    judged.unused = DIFFERENCES.iter().zip(used).filter(|(_, used)| !used).map(|(row, _)| row).collect();
    judged
}

impl Difference {
    fn allows(&self, mismatch: &Mismatch) -> bool {
        self.steps.iter().any(|pattern| matches(pattern, &mismatch.step))
            && self.parts.iter().any(|pattern| matches(pattern, &mismatch.part))
            && self.is.holds(mismatch.kafka.as_ref(), mismatch.ours.as_ref())
    }
}

impl Is {
    fn holds(self, kafka: Option<&Value>, ours: Option<&Value>) -> bool {
        let says_something = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        match self {
            Self::Anything => true,
            Self::BothText => says_something(kafka) && says_something(ours),
            Self::Numbers(theirs, wanted) => kafka == Some(&Value::from(theirs)) && ours == Some(&Value::from(wanted)),
            Self::Versions => match (kafka.and_then(Value::as_str), ours.and_then(Value::as_str)) {
                (Some(theirs), Some(ours)) => theirs.replace(KAFKA, "") == ours.replace(OURS, ""),
                (Some(only), None) => only == KAFKA,
                (None, Some(only)) => only == OURS,
                (None, None) => false,
            },
            Self::FileMissing => match (kafka, ours) {
                (None, Some(_)) => true,
                (Some(Value::Number(theirs)), Some(Value::Number(ours))) => {
                    theirs.as_u64().map(|count| count + 1) == ours.as_u64()
                }
                (Some(Value::String(_)), Some(Value::String(ours))) => ours.contains("file is not set"),
                _ => false,
            },
            Self::OnlyKafka => kafka.is_some() && ours.is_none_or(Value::is_null),
            Self::OnlyOurs => kafka.is_none() && ours.is_some(),
        }
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..]))
}

/// The rows as the table of `README.md`.
#[must_use]
pub fn table() -> String {
    let mut table = String::from("| what differs | where | why |\n| --- | --- | --- |\n");
    for row in DIFFERENCES {
        let places: Vec<String> =
            row.steps.iter().chain(row.parts).map(|place| format!("`{}`", place.replace('|', "\\|"))).collect();
        table.push_str(&format!("| {} | {} | {} |\n", row.what, places.join(", "), row.reason));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b c", true),
            ("*/b", "a/b", true),
            ("*/b", "a/bc", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_row_says_what_and_why() {
        for row in DIFFERENCES {
            assert!(!row.what.is_empty() && row.reason.len() > 20, "{row:?}");
            assert!(!row.steps.is_empty() && !row.parts.is_empty(), "{row:?}");
        }
    }
}
