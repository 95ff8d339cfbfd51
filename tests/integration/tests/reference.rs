//! `configs/reference/`: every key, as the definitions in the binary have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sluice_harness::{Scratch, binary, target_folder};

/// Set: the folder is written anew.
const BLESS: &str = "SLUICE_BLESS";

#[test]
fn the_reference_configs_are_those_of_the_definitions() -> Result<()> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/reference");
    if std::env::var_os(BLESS).is_some() {
        let _ = fs::remove_dir_all(&kept);
        return write(&kept);
    }
    let scratch = Scratch::new()?;
    let made = scratch.path("reference");
    write(&made)?;
    let (made, kept) = (read(&made)?, read(&kept)?);
    let names = |pages: &BTreeMap<PathBuf, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept), "write them anew with {BLESS}=1");
    for (name, text) in made {
        assert_eq!(text, kept[&name], "{}; write it anew with {BLESS}=1", name.display());
    }
    Ok(())
}

fn write(folder: &Path) -> Result<()> {
    let mut sluice = Command::new(binary()?);
    sluice.args(["plugin", "reference", "--folder"]).arg(folder);
    let output = sluice.env("XDG_CACHE_HOME", target_folder()?.join("hub-cache")).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn read(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let page = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        Ok((PathBuf::from(path.file_name().context("a page has a name")?), text))
    };
    entries.map(page).collect()
}
