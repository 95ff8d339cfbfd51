//! Where the built binary lies. Tests run what `cargo build --workspace` left, never an installed one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The `sluice` of the profile that this program was built with; `SLUICE_BIN` names another.
///
/// # Errors
/// When it was not built: the message says how.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SLUICE_BIN") {
        return Ok(PathBuf::from(path));
    }
    let path = profile_folder()?.join("sluice");
    if !path.exists() {
        bail!("{} is missing; run `cargo build --workspace` (or `cargo xtask test`) first", path.display());
    }
    Ok(path)
}

/// The folder that cargo builds into.
///
/// # Errors
/// When this program does not lie in such a folder.
pub fn target_folder() -> Result<PathBuf> {
    Ok(profile_folder()?.parent().context("the profile's folder has no parent")?.to_owned())
}

/// `<target>/debug` of `<target>/debug/deps/kill-0123` or `<target>/debug/sluice-demo`.
fn profile_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let folder = program.parent().context("this program lies nowhere")?;
    let is_deps = folder.file_name().is_some_and(|name| name == "deps");
    Ok(if is_deps { folder.parent().unwrap_or(Path::new(".")).to_owned() } else { folder.to_owned() })
}
