//! `cargo xtask setup`: the WebAssembly toolchain, and the guests as components in `<target>/components`.

mod toolchain;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::{Package, Workspace};
use toolchain::Toolchain;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "guest";

pub fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::find_or_obtain()?;
    let guests: Vec<&Package> = workspace.guests().collect();
    if guests.is_empty() {
        bail!("the workspace has no guest: no member with `layer = \"guest\"` and a cdylib");
    }
    build(workspace, &toolchain, &guests)?;
    let written = collect(workspace, &guests)?;
    println!("setup: {} components in {} ({written} new), {toolchain}", guests.len(), workspace.components().display());
    Ok(())
}

/// Two compilers must not share a target folder: each would throw the other's work away.
fn build(workspace: &Workspace, toolchain: &Toolchain, guests: &[&Package]) -> Result<()> {
    let mut cargo = toolchain.cargo(workspace)?;
    cargo.args(["build", "--quiet", "--profile", PROFILE, "--target", TARGET]);
    cargo.args(toolchain.build_arguments());
    for guest in guests {
        cargo.args(["-p", &guest.name]);
    }
    cargo.current_dir(&workspace.root).env("CARGO_TARGET_DIR", workspace.target.join("guests"));
    process::run(&mut cargo)
}

/// Copies what changed, so that an unchanged component does not rebuild the binary that embeds it. Returns how many were written.
fn collect(workspace: &Workspace, guests: &[&Package]) -> Result<usize> {
    let components = workspace.components();
    fs::create_dir_all(&components).with_context(|| format!("cannot create {}", components.display()))?;
    let built = workspace.target.join("guests").join(TARGET).join(PROFILE);
    let mut written = 0;
    let mut names = BTreeSet::new();
    for guest in guests {
        let cdylib = guest.target_of_kind("cdylib").expect("a guest was chosen for its cdylib");
        let name = format!("{}.wasm", guest.name);
        written += usize::from(copy_if_changed(
            &built.join(format!("{}.wasm", cdylib.name.replace('-', "_"))),
            &components.join(&name),
        )?);
        names.insert(name);
    }
    remove_others(&components, &names)?;
    Ok(written)
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<bool> {
    let new = fs::read(from).with_context(|| format!("cannot read the component {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(false);
    }
    let partial = to.with_extension("partial");
    fs::write(&partial, new).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(true)
}

/// A component whose crate is gone would live on in the binary.
fn remove_others(components: &Path, names: &BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(components)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".wasm") && !names.contains(&name) {
            fs::remove_file(entry.path()).with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_component_is_not_written_again_and_one_without_a_crate_goes() {
        let folder = std::env::temp_dir().join(format!("sluice-setup-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let built = folder.join("built");
        fs::write(&built, b"one").unwrap();
        let component = folder.join("sluice-a.wasm");
        assert!(copy_if_changed(&built, &component).unwrap());
        assert!(!copy_if_changed(&built, &component).unwrap());
        fs::write(&built, b"two").unwrap();
        assert!(copy_if_changed(&built, &component).unwrap());
        fs::write(folder.join("sluice-gone.wasm"), b"").unwrap();
        remove_others(&folder, &BTreeSet::from(["sluice-a.wasm".to_owned()])).unwrap();
        assert!(component.exists());
        assert!(!folder.join("sluice-gone.wasm").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
