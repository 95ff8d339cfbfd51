//! `cargo xtask dist`: the one file that is released. A binary without its connectors is refused.

use std::path::Path;

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
    refuse_without_components(workspace, &binary)?;
    let size = std::fs::metadata(&binary).with_context(|| format!("cannot read {}", binary.display()))?.len();
    println!("{} ({:.1} MB, connectors inside)", binary.display(), size as f64 / 1e6);
    Ok(())
}

/// The components lie in the binary as they are: each must be found in it.
fn refuse_without_components(workspace: &Workspace, binary: &Path) -> Result<()> {
    let inside = std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    for guest in workspace.guests().filter(|guest| guest.folder.starts_with("connectors/")) {
        let component = std::fs::read(workspace.components().join(format!("{}.wasm", guest.name)))?;
        if !holds(&inside, &component) {
            bail!("{} does not carry {}; touch runtime/cli/build.rs and build again", binary.display(), guest.name);
        }
    }
    Ok(())
}

fn holds(all: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && all.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_without_the_component_is_seen() {
        assert!(holds(b"elf..asm component..", b"asm component"));
        assert!(!holds(b"elf....", b"asm component"));
        assert!(!holds(b"elf....", b""));
    }
}
