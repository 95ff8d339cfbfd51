//! `cargo xtask dist`: the one file that is released. A binary without its connectors is refused.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{process, setup};

pub fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    let missing: Vec<&str> = workspace
        .guests()
        .filter(|guest| guest.folder.starts_with("connectors/"))
        .map(|guest| guest.name.as_str())
        .filter(|name| !workspace.components().join(format!("{name}.wasm")).exists())
        .collect();
    if !missing.is_empty() {
        bail!("these connectors were not built into components: {}", missing.join(", "));
    }
    process::run(workspace.cargo().args(["build", "--profile", "dist", "--workspace", "--bin", "sluice"]))?;
    let binary = workspace.target.join("dist").join("sluice");
    let list = process::output(Command::new(&binary).args(["plugin", "list", "--output", "json"]))?;
    if !list.contains("FileStreamSource") {
        bail!("{} carries no connectors: `sluice plugin list` does not name FileStreamSource", binary.display());
    }
    let size = std::fs::metadata(&binary).with_context(|| format!("cannot read {}", binary.display()))?.len();
    println!("{} ({:.1} MB, connectors inside)", binary.display(), size as f64 / 1e6);
    Ok(())
}
