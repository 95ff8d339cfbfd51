//! `cargo xtask demo`: builds what is missing, then hands over to the program in `tests/harness` that plays the demo.

use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{process, setup};

const OPTIONS: [&str; 2] = ["--exit", "--kafka"];

pub fn run(workspace: &Workspace, options: &[String]) -> Result<()> {
    if let Some(unknown) = options.iter().find(|option| !OPTIONS.contains(&option.as_str())) {
        bail!("demo does not know {unknown:?}; its options are {}", OPTIONS.join(" and "));
    }
    setup::run(workspace)?;
    println!("demo: building the hub (the first time takes a while)");
    process::run(workspace.cargo().args(["build", "--workspace", "--all-targets"]))?;
    let program = workspace.target.join("debug").join("sluice-demo");
    process::run(
        Command::new(program).args(options).env("CARGO_TARGET_DIR", &workspace.target).current_dir(&workspace.root),
    )
}
