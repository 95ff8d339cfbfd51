//! What may lie at the top of the repository, and what a connector's folder must hold.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::{Layer, Workspace};

const ENTRIES: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "broker",
    "configs",
    "connectors",
    "plugins-sdk",
    "runtime",
    "tests",
];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let names: BTreeSet<String> = match process::probe(&mut git) {
        Some(list) => list.lines().filter_map(|path| path.split('/').next()).map(str::to_owned).collect(),
        // A source archive has no index: the folder itself, without what a build leaves.
        None => std::fs::read_dir(&workspace.root)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .filter(|name: &Result<String>| !matches!(name.as_deref(), Ok("target")))
            .collect::<Result<_>>()?,
    };
    Ok(problems(&names))
}

fn problems(names: &BTreeSet<String>) -> Vec<String> {
    let strange = names.iter().filter(|name| !name.starts_with('.') && !ENTRIES.contains(&name.as_str()));
    let missing = ENTRIES.iter().filter(|entry| !names.contains(**entry));
    strange
        .map(|name| format!("{name} does not belong at the top; move it into one of the folders"))
        .chain(missing.map(|entry| format!("{entry} is missing at the top")))
        .collect()
}

/// Whoever opens a connector's folder finds what it is, how it is configured and what it promises.
pub fn check_connector_pages(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in &workspace.members {
        if package.layer == Some(Layer::Guest) && package.folder.starts_with("connectors/") {
            let page = std::fs::read_to_string(workspace.root.join(&package.folder).join("README.md")).ok();
            problems.extend(page_problem(&package.folder, page.as_deref()));
        }
    }
    Ok(problems)
}

fn page_problem(folder: &str, page: Option<&str>) -> Option<String> {
    let Some(page) = page else { return Some(format!("{folder}/README.md is missing")) };
    let has = |start: &str| page.lines().any(|line| line.starts_with(start));
    (!(has("# ") && has("| ") && page.to_lowercase().contains("deliver")))
        .then(|| format!("{folder}/README.md needs a title, the table of its configuration, and its delivery promise"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_and_a_missing_entry_are_named_and_dot_files_are_free() {
        let mut names: BTreeSet<String> = ENTRIES.iter().map(|&entry| entry.to_owned()).collect();
        names.insert(".ci".to_owned());
        assert_eq!(problems(&names), Vec::<String>::new());
        names.insert("scripts".to_owned());
        names.remove("configs");
        let found = problems(&names);
        assert!(found[0].starts_with("scripts does not belong"), "{found:?}");
        assert!(found[1].starts_with("configs is missing"), "{found:?}");
    }

    #[test]
    fn a_connector_without_a_page_or_with_an_empty_one_is_named() {
        let page = "# Source file\n\n| key | meaning |\n\n## Delivery\nExactly once.\n";
        assert_eq!(page_problem("connectors/source-file", Some(page)), None);
        assert!(page_problem("connectors/source-file", None).is_some());
        assert!(page_problem("connectors/source-file", Some("# Source file\n")).is_some());
    }
}
