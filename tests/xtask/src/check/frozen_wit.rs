//! A WIT package is a promise to components that were built long ago: its bytes are frozen, by digest, in `frozen.txt`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::{files, relative};
use crate::workspace::Workspace;

const FOLDER: &str = "plugins-sdk/wit";
const HEADER: &str = "# Digests (SHA-256) of the WIT packages. Written by `cargo xtask freeze-wit`; do not edit.\n";

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let frozen = std::fs::read_to_string(list(&workspace.root)).unwrap_or_default();
    Ok(problems(&frozen, &digests(&workspace.root)?))
}

pub fn freeze(root: &Path) -> Result<()> {
    let path = list(root);
    std::fs::write(&path, digests(root)?).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} written: say in the commit why the packages changed, and update every guest", relative(root, &path));
    Ok(())
}

fn list(root: &Path) -> std::path::PathBuf {
    root.join(FOLDER).join("frozen.txt")
}

fn digests(root: &Path) -> Result<String> {
    let mut text = HEADER.to_owned();
    for path in files(&root.join(FOLDER), ".wit")? {
        let mut digest = String::new();
        for byte in Sha256::digest(std::fs::read(&path)?) {
            write!(digest, "{byte:02x}").expect("a string takes everything");
        }
        writeln!(text, "{digest}  {}", relative(root, &path)).expect("a string takes everything");
    }
    Ok(text)
}

fn problems(frozen: &str, now: &str) -> Vec<String> {
    let entries = |text: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once("  "))
            .map(|(digest, file)| (file.to_owned(), digest.to_owned()))
            .collect()
    };
    let (frozen, now) = (entries(frozen), entries(now));
    let digest_in =
        |list: &[(String, String)], file: &str| list.iter().find(|(it, _)| it == file).map(|(_, it)| it.clone());
    let remedy = "if that is meant, update every guest and run `cargo xtask freeze-wit`, else take the change back";
    let mut problems = Vec::new();
    for (file, digest) in &now {
        match digest_in(&frozen, file) {
            None => problems.push(format!("{file} is new; {remedy}")),
            Some(old) if old != *digest => problems.push(format!("{file} differs from what was frozen; {remedy}")),
            Some(_) => {}
        }
    }
    for (file, _) in frozen.iter().filter(|(file, _)| digest_in(&now, file).is_none()) {
        problems.push(format!("{file} is frozen but gone; {remedy}"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_new_and_a_missing_package_are_each_named() {
        let frozen = "# head\naa  sql.wit\nbb  http.wit\ncc  file.wit\n";
        assert_eq!(problems(frozen, frozen), Vec::<String>::new());
        let found = problems(frozen, "aa  sql.wit\nb0  http.wit\ndd  olap.wit\n");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("http.wit differs"), "{found:?}");
        assert!(found[1].starts_with("olap.wit is new"), "{found:?}");
        assert!(found[2].starts_with("file.wit is frozen but gone"), "{found:?}");
        assert!(found.iter().all(|problem| problem.contains("cargo xtask freeze-wit")));
    }
}
