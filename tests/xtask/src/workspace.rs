//! The workspace as `cargo metadata` tells it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

pub struct Workspace {
    pub root: PathBuf,
    /// Where cargo builds: `CARGO_TARGET_DIR`, else `target`.
    pub target: PathBuf,
    pub members: Vec<Package>,
}

/// One crate of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    /// The crate's folder relative to the root, with `/`.
    pub folder: String,
    pub layer: Option<Layer>,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
}

/// `[package.metadata.sluice] layer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Number(u64),
    /// Compiled to WebAssembly; its only dependency inside the project is the guest SDK.
    Guest,
}

#[derive(Debug, Clone)]
pub struct Dependency {
    pub name: String,
    pub is_dev: bool,
}

#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub kinds: Vec<String>,
}

impl Workspace {
    pub fn load() -> Result<Workspace> {
        // As cargo says it now: clones that share a target folder may share this binary, built in another of them.
        let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&own).join("../../Cargo.toml");
        let json = process::output(
            cargo().args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]).arg(&manifest),
        )?;
        let metadata: Value = serde_json::from_str(&json).context("cargo metadata is no JSON")?;
        let root = PathBuf::from(text(&metadata, "workspace_root"));
        let target = PathBuf::from(text(&metadata, "target_directory"));
        let members = packages(&metadata);
        Ok(Workspace { root, target, members })
    }

    /// Crates that become components: guests with a `cdylib`.
    pub fn guests(&self) -> impl Iterator<Item = &Package> {
        self.members
            .iter()
            .filter(|package| package.layer == Some(Layer::Guest) && package.target_of_kind("cdylib").is_some())
    }

    /// Where `setup` leaves the components and the command line's build script finds them.
    pub fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// A cargo command that builds here; `--workspace` is up to the caller, and always wanted: `-p` unifies features differently.
    pub fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

impl Package {
    pub fn target_of_kind(&self, kind: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.kinds.iter().any(|it| it == kind))
    }
}

/// The cargo that runs us. What it set for our own build must not reach the builds that we start.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    command
}

/// The packages of `cargo metadata`'s answer.
pub fn packages(metadata: &Value) -> Vec<Package> {
    let root = text(metadata, "workspace_root");
    list(metadata, "packages").iter().map(|package| package_of(package, root)).collect()
}

fn package_of(package: &Value, root: &str) -> Package {
    let manifest = text(package, "manifest_path");
    let folder = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/').trim_end_matches("Cargo.toml");
    let layer = match &package["metadata"]["sluice"]["layer"] {
        Value::Number(number) => number.as_u64().map(Layer::Number),
        Value::String(name) if name == "guest" => Some(Layer::Guest),
        _ => None,
    };
    let dependencies = list(package, "dependencies")
        .iter()
        .map(|dependency| Dependency {
            name: text(dependency, "name").to_owned(),
            is_dev: dependency["kind"].as_str() == Some("dev"),
        })
        .collect();
    let targets = list(package, "targets")
        .iter()
        .map(|target| Target {
            name: text(target, "name").to_owned(),
            kinds: list(target, "kind").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
        .collect();
    Package {
        name: text(package, "name").to_owned(),
        folder: folder.trim_end_matches('/').to_owned(),
        layer,
        dependencies,
        targets,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}
