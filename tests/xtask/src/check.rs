//! `cargo xtask check`: fmt, clippy, and the project's own rules. Each rule is a pure function from what it reads to a list of
//! problems, so that its tests can show it a wrong example.

pub mod dependencies;
pub mod file_size;
pub mod frozen_wit;
pub mod layers;
pub mod top_level;
pub mod vocabulary;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

type Rule = fn(&Workspace) -> Result<Vec<String>>;

/// The cheap ones first: who broke a layer should not wait for clippy.
const RULES: [(&str, Rule); 9] = [
    ("top-level", top_level::check),
    ("layers", |workspace| Ok(layers::problems(&workspace.members))),
    ("connector-pages", top_level::check_connector_pages),
    ("file-size", file_size::check),
    ("vocabulary", vocabulary::check),
    ("frozen-wit", frozen_wit::check),
    ("dependencies", dependencies::check),
    ("fmt", fmt),
    ("clippy", clippy),
];

pub fn run(workspace: &Workspace, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !RULES.iter().any(|(rule, _)| rule == name)) {
        let known: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
        bail!("no check is called {unknown:?}; there are: {}", known.join(", "));
    }
    let mut failed = Vec::new();
    for (name, rule) in RULES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let problems = rule(workspace).with_context(|| format!("check {name}"))?;
        println!("check {name}: {}", if problems.is_empty() { "ok" } else { "FAILED" });
        for problem in &problems {
            println!("  {problem}");
        }
        if !problems.is_empty() {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("{} failed", failed.join(", "));
    }
    Ok(())
}

fn fmt(workspace: &Workspace) -> Result<Vec<String>> {
    let result = process::run(workspace.cargo().args(["fmt", "--all", "--", "--check", "-l"]));
    Ok(result.err().map(|_| "run `cargo fmt --all`".to_owned()).into_iter().collect())
}

fn clippy(workspace: &Workspace) -> Result<Vec<String>> {
    let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let result = process::run(workspace.cargo().args(arguments));
    Ok(result.err().map(|_| "see clippy's messages above".to_owned()).into_iter().collect())
}

/// Every file beneath a folder whose name ends so, in a stable order.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path as the messages show it: relative to the root, with `/`.
fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
