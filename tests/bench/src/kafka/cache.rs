//! Reading from the disk instead of from memory.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// Takes every file below the folder out of the page cache, once it is on the disk.
///
/// # Errors
/// A file's.
pub fn forget_files(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            forget_files(&path)?;
        } else if let Ok(file) = File::open(&path) {
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed).context("posix_fadvise")?;
        }
    }
    Ok(())
}
