//! No source file above 800 lines before its tests (soft limit 400: shown, not refused).

use anyhow::Result;

use super::{files, relative};
use crate::workspace::Workspace;

const LINES_MAX: usize = 800;

/// Files that may be longer, each with its reason.
const ALLOWED: [(&str, &str); 0] = [];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files(&workspace.root, ".rs")? {
        let name = relative(&workspace.root, &path);
        let lines = lines_before_tests(&std::fs::read_to_string(&path)?);
        if lines > LINES_MAX && !ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
            problems.push(format!(
                "{name}: {lines} lines before its tests, {LINES_MAX} are the limit; split it by question"
            ));
        }
    }
    Ok(problems)
}

fn lines_before_tests(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_do_not_count() {
        assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("a\n#[cfg(test)]\nuse x;\nb\n"), 4);
    }
}
