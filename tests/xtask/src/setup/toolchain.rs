//! Finding a compiler for `wasm32-unknown-unknown`, or obtaining one.
//!
//! Two kinds work. rustup's own target is the plain one. Where rustup cannot fetch it, Debian's `rustc-web` with the sources of
//! the standard library (`rust-web-src`) builds that library itself (`-Zbuild-std`). Either way rustup's toolchain carries
//! `wasm-component-ld`, the linker that writes a component instead of a core module.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::TARGET;
use crate::process;
use crate::workspace::Workspace;

const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "cargo-web"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// rustup's toolchain has the target.
    Rustup,
    /// The distribution's compiler, the sources of its standard library beside it.
    Distribution { rustc: PathBuf, cargo: PathBuf },
}

impl Toolchain {
    pub fn find_or_obtain() -> Result<Toolchain> {
        if let Some(found) = find() {
            return Ok(found);
        }
        if add_rustup_target() {
            return Ok(Toolchain::Rustup);
        }
        install_packages()?;
        find().context("the packages were installed, but no /usr/bin/rustc with the library's sources was found")
    }

    /// A cargo that compiles with this toolchain and links components.
    pub fn cargo(&self, workspace: &Workspace) -> Result<Command> {
        let binaries = linker_folder()?;
        let mut path = std::ffi::OsString::from(binaries.join("gcc-ld"));
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut cargo = match self {
            Toolchain::Rustup => workspace.cargo(),
            Toolchain::Distribution { rustc, cargo } => {
                let mut command = Command::new(cargo);
                // Without RUSTC this cargo would find rustup's compiler on the path. The bootstrap switch permits -Zbuild-std.
                command.env("RUSTC", rustc).env("RUSTDOC", rustc.with_file_name("rustdoc")).env("RUSTC_BOOTSTRAP", "1");
                command
            }
        };
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", binaries.join("wasm-component-ld")).env("PATH", path);
        Ok(cargo)
    }

    pub fn build_arguments(&self) -> &'static [&'static str] {
        match self {
            Toolchain::Rustup => &[],
            Toolchain::Distribution { .. } => &["-Zbuild-std=std,panic_abort"],
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Toolchain::Rustup => write!(f, "built by rustup's {TARGET}"),
            Toolchain::Distribution { rustc, .. } => write!(f, "built by {} with -Zbuild-std", rustc.display()),
        }
    }
}

fn find() -> Option<Toolchain> {
    let targets = process::probe(Command::new("rustup").args(["target", "list", "--installed"])).unwrap_or_default();
    if targets.lines().any(|target| target == TARGET) {
        return Some(Toolchain::Rustup);
    }
    let (rustc, cargo) = (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo"));
    let sysroot = process::probe(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.lock");
    let version = process::probe(Command::new(&rustc).arg("--version"))?;
    (is_new_enough(&version) && sources.exists() && cargo.exists()).then_some(Toolchain::Distribution { rustc, cargo })
}

/// `rustc 1.96.0 (…)` against the workspace's `rust-version`. Debian's plain `rustc` is years older than `rustc-web`.
fn is_new_enough(version: &str) -> bool {
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    parts(number) >= parts(wanted)
}

fn parts(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn add_rustup_target() -> bool {
    println!("setup: rustup target add {TARGET}");
    process::probe(Command::new("rustup").args(["target", "add", TARGET])).is_some()
}

fn install_packages() -> Result<()> {
    let is_root = process::probe(Command::new("id").arg("-u")).as_deref() == Some("0");
    let has_apt = process::probe(Command::new("apt-get").arg("--version")).is_some();
    if !(is_root && has_apt) {
        bail!(missing());
    }
    println!("setup: apt-get install {}", PACKAGES.join(" "));
    if install().is_err() {
        process::run(Command::new("apt-get").args(["update", "-qq"])).with_context(missing)?;
        install().with_context(missing)?;
    }
    Ok(())
}

fn install() -> Result<()> {
    process::run(
        Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(PACKAGES)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null()),
    )
}

fn missing() -> String {
    format!(
        "no toolchain for {TARGET}: install it by one of\n  rustup target add {TARGET}\n  apt-get install {}   (Debian, Ubuntu; as root)\nand run `cargo xtask setup` again",
        PACKAGES.join(" ")
    )
}

/// rustup's toolchain carries the linkers for every target it can link.
fn linker_folder() -> Result<PathBuf> {
    let sysroot = process::probe(Command::new("rustup").args(["run", "stable", "rustc", "--print", "sysroot"]))
        .or_else(|| process::probe(Command::new("rustc").args(["--print", "sysroot"])))
        .context("cannot ask rustc for its sysroot; install Rust from https://rustup.rs")?;
    let libraries = Path::new(&sysroot).join("lib/rustlib");
    for entry in std::fs::read_dir(&libraries).with_context(|| format!("cannot read {}", libraries.display()))? {
        let folder = entry?.path().join("bin");
        if folder.join("wasm-component-ld").exists() {
            return Ok(folder);
        }
    }
    bail!(
        "{} has no wasm-component-ld; install a rustup toolchain of Rust {} or newer",
        libraries.display(),
        env!("CARGO_PKG_RUST_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_older_than_the_workspace_asks_for_is_refused() {
        assert!(is_new_enough("rustc 1.96.0 (abc 2026-05-25) (built from a source tarball)"));
        assert!(is_new_enough("rustc 1.95.0"));
        assert!(!is_new_enough("rustc 1.63.0"));
        assert!(!is_new_enough("no version at all"));
    }

    #[test]
    fn the_message_names_both_ways_to_install() {
        assert!(missing().contains("rustup target add wasm32-unknown-unknown"));
        assert!(missing().contains("apt-get install rustc-web rust-web-src cargo-web"));
    }
}
