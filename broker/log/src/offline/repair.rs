//! What opening would change, and doing it with copies of everything that changes.

use super::dump::Files;
use super::{Change, Overlay, io_error, open, read_whole};
use crate::OpenError;
use crate::producers::{SNAPSHOT_NAME, decode_snapshot};
use crate::recovery::RecoveryReport;
use crate::sidecar::sidecar_name;
use crate::storage::{DirStorage, Storage, StorageFile};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// What a repair does, which is what opening does, and puts files aside that nobody can believe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairPlan {
    /// Torn tails are cut; damage is fenced and stays.
    pub report: RecoveryReport,
    /// By file.
    pub changes: BTreeMap<String, Change>,
    /// Derived files that cannot be believed: they are put aside, and made anew.
    pub set_aside: Vec<String>,
}

/// Opens the log over memory, and says what would be changed on the disk.
///
/// # Errors
/// [`OpenError`]: opening it would fail like this.
pub fn plan_repair(storage: &Arc<dyn Storage>) -> Result<RepairPlan, OpenError> {
    let set_aside = unbelievable(storage)?;
    let overlay = Overlay::new(storage.clone());
    for name in &set_aside {
        overlay.remove(name).map_err(io_error("put aside", name))?;
    }
    let (log, report) = open(overlay.clone())?;
    log.close();
    let mut changes = overlay.changes().map_err(io_error("look at", "the log directory"))?;
    for name in &set_aside {
        // What is removed only because it is put aside is said there.
        if matches!(changes.get(name), Some(Change::Removed { .. })) {
            changes.remove(name);
        }
    }
    Ok(RepairPlan { report, changes, set_aside })
}

/// Indexes and snapshots whose checksums do not match.
fn unbelievable(storage: &Arc<dyn Storage>) -> Result<Vec<String>, OpenError> {
    let mut found = Vec::new();
    for file in Files::list(storage)? {
        let file = file?;
        if matches!(file.sidecar, Some(Err(_))) {
            found.push(sidecar_name(file.number));
        }
    }
    if read_whole(&**storage, SNAPSHOT_NAME).is_ok_and(|bytes| decode_snapshot(&bytes).is_none()) {
        found.push(SNAPSHOT_NAME.to_owned());
    }
    Ok(found)
}

/// Copies what the plan changes from `log_dir` into `copies` (which must not exist), syncs the copies, and then does it.
///
/// # Errors
/// [`OpenError`]; before the copies are durable nothing was changed.
pub fn repair(log_dir: &Path, copies: &Path) -> Result<RepairPlan, OpenError> {
    let shown = log_dir.display().to_string();
    let storage: Arc<dyn Storage> = Arc::new(DirStorage::open(log_dir).map_err(io_error("open", &shown))?);
    let plan = plan_repair(&storage)?;
    let present = storage.list().map_err(io_error("list", &shown))?;
    let changed: BTreeSet<&String> = plan.changes.keys().chain(&plan.set_aside).collect();
    copy(&*storage, changed.into_iter().filter(|name| present.contains(name)), copies)?;
    for name in &plan.set_aside {
        storage.remove(name).map_err(io_error("put aside", name))?;
    }
    storage.sync_dir().map_err(io_error("sync", &shown))?;
    let (log, _) = open(storage)?;
    log.close();
    Ok(plan)
}

fn copy<'a>(storage: &dyn Storage, names: impl Iterator<Item = &'a String>, copies: &Path) -> Result<(), OpenError> {
    let shown = copies.display().to_string();
    std::fs::create_dir(copies).map_err(io_error("create", &shown))?;
    for name in names {
        let from = storage.open(name).map_err(io_error("open", name))?;
        let to = copies.join(name);
        let failed = to.display().to_string();
        copy_file(&*from, &to).map_err(io_error("write", &failed))?;
    }
    File::open(copies).and_then(|dir| dir.sync_all()).map_err(io_error("sync", &shown))?;
    if let Some(parent) = copies.parent() {
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(io_error("sync", &shown))?;
    }
    Ok(())
}

fn copy_file(from: &dyn StorageFile, to: &Path) -> std::io::Result<()> {
    let mut out = File::create_new(to)?;
    let mut buffer = vec![0; 1 << 20];
    let mut position = 0;
    loop {
        let read = from.read_at(&mut buffer, position)?;
        if read == 0 {
            return out.sync_all();
        }
        out.write_all(&buffer[..read])?;
        position += read as u64;
    }
}
