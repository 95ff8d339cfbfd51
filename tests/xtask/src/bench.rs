//! `cargo xtask bench [NAME]`: a release build, then each program of `tests/bench`. They print a table and write `<target>/bench/NAME.json`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{process, setup};

pub fn run(workspace: &Workspace, names: &[String]) -> Result<()> {
    let package =
        workspace.members.iter().find(|package| package.folder == "tests/bench").context("tests/bench is gone")?;
    let programs: Vec<&str> = package
        .targets
        .iter()
        .filter(|target| target.kinds.iter().any(|kind| kind == "bin"))
        .map(|target| target.name.as_str())
        .collect();
    let (name, arguments) = match names.split_first() {
        Some((name, arguments)) => (Some(name.as_str()), arguments),
        None => (None, names),
    };
    if let Some(unknown) = name.filter(|name| !programs.contains(name)) {
        bail!("no bench is called {unknown:?}; there are: {}", programs.join(", "));
    }
    setup::run(workspace)?;
    process::run(workspace.cargo().args(["build", "--release", "--workspace", "--bins"]))?;
    for program in programs.into_iter().filter(|program| name.is_none_or(|name| name == *program)) {
        let binary = workspace.target.join("release").join(program);
        process::run(
            Command::new(binary)
                .args(arguments)
                .env("CARGO_TARGET_DIR", &workspace.target)
                .current_dir(&workspace.root),
        )?;
    }
    Ok(())
}
