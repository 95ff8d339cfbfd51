//! Components as files, and other versions of them.

use std::fs;

use anyhow::{Context, Result, ensure};
use sluice_harness::target_folder;

/// A component that `cargo xtask setup` has built, by its file's name.
///
/// # Errors
/// It is not there.
pub fn component(name: &str) -> Result<Vec<u8>> {
    let path = target_folder()?.join("components").join(name);
    fs::read(&path).with_context(|| format!("cannot read {}; cargo xtask setup makes it", path.display()))
}

/// The same component with another version in its definition. In the names of interfaces a version follows an `@`.
///
/// # Errors
/// It does not hold the version, or the new one has another length.
pub fn with_version(mut component: Vec<u8>, from: &str, to: &str) -> Result<Vec<u8>> {
    ensure!(from.len() == to.len(), "nothing may move");
    let places: Vec<usize> = (1..component.len() - from.len())
        .filter(|at| component[*at..].starts_with(from.as_bytes()) && component[at - 1] != b'@')
        .collect();
    ensure!(!places.is_empty(), "the version {from} is not in the component");
    for at in places {
        component[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    Ok(component)
}
