//! A capability moves bytes and decides nothing: its sources name no connector's config key and no term of Connect.
//!
//! The keys are harvested from the connectors' own sources, so that the list grows with them.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{files, relative};
use crate::workspace::Workspace;

/// Words of Kafka Connect that have no meaning to a capability. `connector` is free: whose grant it is stands in errors.
const TERMS: [&str; 20] = [
    "ConfigDef",
    "ConfigKey",
    "ConfigMap",
    "DeadLetterQueue",
    "Herder",
    "SinkConnector",
    "SinkRecord",
    "SinkTask",
    "SourceConnector",
    "SourceRecord",
    "SourceTask",
    "dead_letter",
    "dlq",
    "flush_size",
    "herder",
    "insert_mode",
    "partitioner",
    "pk_mode",
    "sink_task",
    "source_task",
];

/// What a key of a connector may begin with because it names a grant: the capability's own language.
const GRANT_PREFIXES: [&str; 4] = ["file.", "sql.", "object-store.", "http."];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut keys = BTreeSet::new();
    for path in files(&workspace.root.join("connectors"), ".rs")? {
        let name = relative(&workspace.root, &path);
        if name.starts_with("connectors/source-") || name.starts_with("connectors/sink-") {
            keys.extend(config_keys(&std::fs::read_to_string(path)?));
        }
    }
    let mut problems = Vec::new();
    for path in files(&workspace.root.join("runtime"), ".rs")? {
        let name = relative(&workspace.root, &path);
        if name.starts_with("runtime/capability-") && name.contains("/src/") {
            problems.extend(found_in(&name, &std::fs::read_to_string(path)?, &keys));
        }
    }
    Ok(problems)
}

/// String literals of the form `word.word`, which is what config keys look like.
fn config_keys(source: &str) -> BTreeSet<String> {
    let literals =
        code(source).flat_map(|(_, line)| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    literals.filter(|literal| is_key(literal)).collect()
}

fn is_key(literal: &str) -> bool {
    let parts: Vec<&str> = literal.split('.').collect();
    parts.len() > 1
        && parts.iter().all(|part| {
            part.starts_with(|first: char| first.is_ascii_lowercase())
                && part.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
        })
        && !GRANT_PREFIXES.iter().any(|prefix| literal.starts_with(prefix))
}

fn found_in(name: &str, source: &str, keys: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in code(source) {
        for term in TERMS.iter().filter(|term| has_word(line, term)) {
            problems.push(format!(
                "{name}:{number}: `{term}` is a term of Connect; the connector decides, the capability moves"
            ));
        }
        for key in line.split('"').skip(1).step_by(2).filter(|literal| keys.contains(*literal)) {
            problems.push(format!(
                "{name}:{number}: {key:?} is a connector's config key; let the guest read it and pass what it means"
            ));
        }
    }
    problems
}

/// The lines that are code of the crate itself: no comments, nothing from its tests on.
fn code(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.take_while(|(_, line)| *line != "#[cfg(test)]").filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || it == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_key_and_a_term_of_connect_in_a_capability_are_found_with_their_line() {
        let keys = config_keys("let mode = config.get(\"pk.mode\");\n// \"not.this\"\nlet host = \"sql.url\";\n");
        assert_eq!(keys, BTreeSet::from(["pk.mode".to_owned()]));
        let source = "fn f() {}\nlet it = get(\"pk.mode\");\nfn g(task: SinkTask) {}\n// SinkTask in a comment\n";
        let found = found_in("runtime/capability-sql/src/host.rs", source, &keys);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("host.rs:2: \"pk.mode\""), "{found:?}");
        assert!(found[1].contains("host.rs:3: `SinkTask`"), "{found:?}");
    }

    #[test]
    fn part_of_a_longer_word_is_no_term() {
        assert!(!has_word("let MySinkTasks = 1;", "SinkTask"));
        assert!(has_word("x: SinkTask,", "SinkTask"));
    }

    #[test]
    fn file_names_and_grants_are_no_keys() {
        assert!(is_key("insert.mode"));
        assert!(!is_key("object-store.bucket"));
        assert!(!is_key("a b.c"));
        assert!(!is_key("ALWAYS"));
    }
}
