//! A folder of one test. It stays when the test failed, so that it can be looked at.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

pub struct Scratch {
    folder: Option<TempDir>,
}

impl Scratch {
    pub fn new() -> Result<Scratch> {
        let folder =
            tempfile::Builder::new().prefix("sluice-test-").tempdir().context("cannot create a temporary folder")?;
        Ok(Scratch { folder: Some(folder) })
    }

    pub fn root(&self) -> &Path {
        self.folder.as_ref().expect("taken on drop only").path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The path as text, for a connector's config.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("kept for inspection: {}", folder.keep().display());
        }
    }
}
