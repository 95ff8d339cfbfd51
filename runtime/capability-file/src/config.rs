//! What the worker allows (`roots`) and what a connector was given (`file.path`).

use sluice_capability::{Ceiling, GrantError, Grants};
use std::path::{Component, Path, PathBuf};

pub struct FileCeiling {
    /// None: anywhere.
    pub roots: Option<Vec<PathBuf>>,
    pub forbidden: Vec<PathBuf>,
}

impl FileCeiling {
    pub fn new(ceiling: &Ceiling, mut forbidden: Vec<PathBuf>) -> Self {
        let absolute = |root: &String| std::path::absolute(root).unwrap_or_else(|_| PathBuf::from(root));
        let roots = ceiling.get("roots").map(|roots| roots.iter().map(absolute).collect());
        // The hub's own memory and environment stand there.
        forbidden.push("/proc".into());
        Self { roots, forbidden }
    }

    /// The granted paths, absolute.
    ///
    /// # Errors
    /// Every path that is not allowed. Symbolic links are looked at when a file is opened.
    pub fn allow(&self, grants: &Grants) -> Result<Vec<PathBuf>, GrantError> {
        let mut granted = Vec::new();
        let mut problems = Vec::new();
        for text in grants.values("path").filter(|path| !path.is_empty()) {
            match self.allow_one(text) {
                Ok(path) => granted.push(path),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(granted) } else { Err(GrantError { problems }) }
    }

    fn allow_one(&self, text: &str) -> Result<PathBuf, String> {
        let path = absolute_path(text).map_err(|problem| format!("file path {text:?} {problem}"))?;
        if let Some(folder) = self.forbidden.iter().find(|folder| path.starts_with(folder)) {
            return Err(format!("file path {text:?} lies in {}, which belongs to the hub", folder.display()));
        }
        match &self.roots {
            Some(roots) if !roots.iter().any(|root| path.starts_with(root)) => Err(format!(
                "file path {text:?} lies in none of the worker's roots; add its folder to capabilities.file.roots"
            )),
            _ => Ok(path),
        }
    }
}

/// Relative paths begin at the hub's working directory, as in Kafka Connect.
///
/// # Errors
/// `..`, which means another folder behind a symbolic link than it seems, and control characters.
pub fn absolute_path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("is no path".into());
    }
    if Path::new(text).components().any(|part| part == Component::ParentDir) {
        return Err("contains \"..\"; write the folder's own path".into());
    }
    std::path::absolute(text).map_err(|error| error.to_string())
}
