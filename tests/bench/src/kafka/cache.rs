//! The page cache: empty of a broker's files, or full of others.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

const STEP_BYTES: usize = 32 << 20;
/// No machine has more memory.
const HOLES_BYTES: u64 = 8 << 40;

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

/// Fills free memory with the pages of a file of holes: so it is on a machine that has been in use for a day. On a virtual
/// machine whose free memory belongs to its host, each page's first touch costs ten times what is measured here, and
/// whoever runs first pays.
pub struct Ballast {
    holes: File,
    read_to: u64,
    buffer: Vec<u8>,
}

impl Ballast {
    /// # Errors
    /// The folder's.
    pub fn new(folder: &Path) -> Result<Ballast> {
        let path = folder.join("holes");
        let holes = File::options().read(true).write(true).create_new(true).open(&path);
        let holes = holes.with_context(|| format!("cannot create {}", path.display()))?;
        holes.set_len(HOLES_BYTES)?;
        Ok(Ballast { holes, read_to: 0, buffer: vec![0; STEP_BYTES] })
    }

    /// Each page is read once, so that it is the first to go.
    ///
    /// # Errors
    /// The file's.
    pub fn fill(&mut self) -> Result<()> {
        // Once as much as is free: what the kernel keeps for itself stays free however much is read.
        for _ in 0..free_bytes()? / STEP_BYTES as u64 {
            self.holes.read_exact_at(&mut self.buffer, self.read_to)?;
            self.read_to += STEP_BYTES as u64;
        }
        Ok(())
    }
}

fn free_bytes() -> Result<u64> {
    let info = fs::read_to_string("/proc/meminfo")?;
    let free = info.lines().find_map(|line| line.strip_prefix("MemFree:")).context("MemFree")?;
    Ok(free.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// Bytes of all files below a folder.
///
/// # Errors
/// When it cannot be listed.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        // A file may go while we look.
        bytes += if path.is_dir() { folder_bytes(&path)? } else { path.metadata().map_or(0, |file| file.len()) };
    }
    Ok(bytes)
}
