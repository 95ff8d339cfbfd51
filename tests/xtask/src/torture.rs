//! `cargo xtask torture [--kills N] [--seed N]`: builds the hub and hands over to the program in `tests/torture` that kills it.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{process, setup};

pub fn run(workspace: &Workspace, options: &[String]) -> Result<()> {
    setup::run(workspace)?;
    process::run(workspace.cargo().args(["build", "--workspace", "--bin", "sluice", "--bin", "torture"]))?;
    let program = workspace.target.join("debug").join("torture");
    process::run(
        Command::new(program).args(options).env("CARGO_TARGET_DIR", &workspace.target).current_dir(&workspace.root),
    )
}
