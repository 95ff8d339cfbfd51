//! What may differ between two dead letters, and why.

use super::letter::{Letter, shown};

/// A header of the context whose bytes may differ.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Without `__connect.errors.`.
    pub header: &'static str,
    pub why: &'static str,
}

/// `README.md` shows them.
pub const ALLOWED: &[Allowed] = &[
    Allowed {
        header: "exception.class.name",
        why: "Ours is a code that stays the same; there are no Java exceptions here.",
    },
    Allowed {
        header: "exception.message",
        why: "Our words: they name the value's place and what was expected. Kafka's are those of its libraries.",
    },
    Allowed {
        header: "exception.stacktrace",
        why: "Code and message: a call stack of ours would tell a user nothing.",
    },
];

/// How two queues differ beyond what is allowed, and how often each row of [`ALLOWED`] allowed something.
#[must_use]
pub fn compare(theirs: &[Letter], ours: &[Letter], used: &mut [usize]) -> Vec<String> {
    let mut problems = Vec::new();
    for number in 0..theirs.len().max(ours.len()) {
        match (theirs.get(number), ours.get(number)) {
            (Some(theirs), Some(ours)) => {
                let differences = letters(theirs, ours, used);
                problems.extend(differences.into_iter().map(|it| format!("letter {number}: {it}")));
                if theirs.timestamp != ours.timestamp {
                    break;
                }
            }
            (Some(letter), None) => problems.push(format!("letter {number} only in Kafka's: {letter}")),
            (None, Some(letter)) => problems.push(format!("letter {number} only in ours: {letter}")),
            (None, None) => {}
        }
    }
    problems
}

fn letters(theirs: &Letter, ours: &Letter, used: &mut [usize]) -> Vec<String> {
    if theirs.timestamp != ours.timestamp {
        return vec![format!("another record, or another time\n    Kafka's {theirs}\n    ours    {ours}")];
    }
    let mut problems = Vec::new();
    let mut check = |what: &str, theirs: Option<&[u8]>, ours: Option<&[u8]>| {
        if theirs != ours {
            problems.push(format!("{what}: Kafka's {}, ours {}", shown(theirs), shown(ours)));
        }
    };
    check("key", theirs.key.as_deref(), ours.key.as_deref());
    check("value", theirs.value.as_deref(), ours.value.as_deref());
    let names = |letter: &Letter| -> Vec<String> { letter.headers.iter().map(|(name, _)| name.clone()).collect() };
    if names(theirs) != names(ours) {
        problems.push(format!("headers: Kafka's {:?}, ours {:?}", names(theirs), names(ours)));
        return problems;
    }
    for ((name, theirs), (_, ours)) in theirs.headers.iter().zip(&ours.headers) {
        if theirs == ours {
            continue;
        }
        let row = ALLOWED.iter().position(|row| name.strip_prefix("__connect.errors.") == Some(row.header));
        match row {
            Some(row) if ours.is_some() => used[row] += 1,
            _ => {
                problems.push(format!("{name}: Kafka's {}, ours {}", shown(theirs.as_deref()), shown(ours.as_deref())))
            }
        }
    }
    problems
}

/// The rows for `README.md`.
#[must_use]
pub fn table() -> String {
    let rows = ALLOWED.iter().map(|row| format!("| `__connect.errors.{}` | {} |\n", row.header, row.why));
    format!("| header | why |\n| --- | --- |\n{}", rows.collect::<String>())
}
