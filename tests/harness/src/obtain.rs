//! Programs that are obtained once, at pinned versions, into the user's cache: `~/.cache/sluice/services/<whose>`.
//!
//! A folder there is named after the digest of what it was made from; it is made once, under a lock, and then only used.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

const LOG_LINES_SHOWN: usize = 40;

/// A tool of the machine without which a client cannot run, and the command to get it.
#[derive(Debug, Clone, Copy)]
pub struct Missing {
    pub tool: &'static str,
    pub get: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {}: {}", self.tool, self.get)
    }
}

/// The cache of one test crate.
///
/// # Errors
/// When there is neither `XDG_CACHE_HOME` nor a home directory.
pub fn cache(whose: &str) -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let base = base.context("neither XDG_CACHE_HOME nor a home directory is known")?;
    Ok(base.join("sluice/services").join(whose))
}

/// The folder made from these files; `make` gets the folder and the file for the output of what it runs.
///
/// # Errors
/// What `make` says, with the log beside the folder.
pub fn made_in(
    parent: &Path,
    name: &str,
    inputs: &[&Path],
    make: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let mut digest = Sha256::new();
    for input in inputs {
        let bytes = fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    let digest: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let folder = parent.join(format!("{name}-{digest}"));
    let ready = parent.join(format!("{name}-{digest}.ready"));
    let lock = File::create(parent.join(format!("{name}.lock")))?;
    lock.lock().context("cannot lock the cache")?;
    if ready.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove the half-made {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    println!("obtaining {}", folder.display());
    make(&folder, &parent.join(format!("{name}-{digest}.log")))?;
    File::create(ready)?;
    Ok(folder)
}

/// Runs a command to its end; the log holds what it prints.
///
/// # Errors
/// When it fails: the command and the end of the log.
pub fn run(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}; {}", tail(log));
    }
    Ok(())
}

/// The first of these that is not on the path.
#[must_use]
pub fn first_missing(tools: &[Missing]) -> Option<Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    tools.iter().find(|missing| !folders.iter().any(|folder| folder.join(missing.tool).exists())).copied()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
