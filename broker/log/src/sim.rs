//! A simulated disk: it remembers every write, sync and rename in order, and hands out each state that a crash may
//! leave behind.
//!
//! The model is that of ALICE (OSDI '14), as harsh as POSIX allows:
//! - a write that was not synced since is lost or kept per sector (512 bytes, or as the test wants), in any combination; where a later sector
//!   of a growing file was kept and an earlier one lost, zeros stand;
//! - a truncation that was not synced since has happened or not;
//! - a name that was created, renamed or removed since the directory was last synced is as before or as after, each
//!   name for itself; syncing a file says nothing about its name.

use crate::storage::{Storage, StorageFile};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const SECTOR: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Disk>>);

/// How a test makes the disk misbehave.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimFaults {
    /// Syncs answer Ok and do nothing: what a test that checks syncs must fail on.
    pub ignore_syncs: bool,
    /// Bytes that fit; more is ENOSPC, after as much was written as does fit.
    pub capacity_bytes: Option<u64>,
    /// The next sync fails.
    pub fail_sync: bool,
    /// A call that fails.
    pub failing: Option<FailingCall>,
}

/// The call that a disk refuses.
#[derive(Debug, Clone, Copy)]
pub struct FailingCall {
    /// Calls that come before it.
    pub after: u64,
    pub calls: Calls,
    /// ENOSPC; otherwise EIO. A write that fails has written the first half.
    pub full: bool,
    /// Later ones fail too.
    pub lasting: bool,
}

/// Which calls count, and may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// What needs room: writes and new names.
    Growing,
    /// Of files and of the directory.
    Syncs,
    /// Everything that changes the disk.
    All,
}

#[derive(Default)]
struct Disk {
    contents: Vec<Vec<u8>>,
    names: BTreeMap<String, usize>,
    /// What was there at the beginning, all of it durable.
    origin: (Vec<Vec<u8>>, BTreeMap<String, usize>),
    trace: Vec<Event>,
    faults: SimFaults,
}

#[derive(Debug, Clone)]
enum Event {
    Write {
        inode: usize,
        position: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        inode: usize,
        size: usize,
    },
    Sync {
        inode: usize,
    },
    Create {
        name: String,
        inode: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncDir,
    /// A test's own remark, for instance "append 7 was acknowledged".
    Note(u64),
}

impl SimDisk {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set_faults(&self, faults: SimFaults) {
        self.0.lock().faults = faults;
    }

    /// What is still to go wrong.
    #[must_use]
    pub fn faults(&self) -> SimFaults {
        self.0.lock().faults
    }

    /// Puts a remark into the trace.
    pub fn note(&self, note: u64) {
        self.0.lock().trace.push(Event::Note(note));
    }

    /// Events so far: a crash may come before each and after the last.
    #[must_use]
    pub fn events(&self) -> usize {
        self.0.lock().trace.len()
    }

    /// The remarks made before event `at`.
    #[must_use]
    pub fn notes_before(&self, at: usize) -> Vec<u64> {
        let disk = self.0.lock();
        let note = |event: &Event| if let Event::Note(note) = event { Some(*note) } else { None };
        disk.trace[..at].iter().filter_map(note).collect()
    }

    /// A new disk with everything that is on this one, durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let disk = self.0.lock();
        Self::with(disk.contents.clone(), disk.names.clone())
    }

    /// Files by name, with their sizes.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, usize> {
        let disk = self.0.lock();
        disk.names.iter().map(|(name, inode)| (name.clone(), disk.contents[*inode].len())).collect()
    }

    /// Changes a byte behind the log's back.
    pub fn flip(&self, name: &str, position: usize, mask: u8) {
        let mut disk = self.0.lock();
        let inode = disk.names[name];
        disk.contents[inode][position] ^= mask;
    }

    /// What a file holds.
    #[must_use]
    pub fn content(&self, name: &str) -> Vec<u8> {
        let disk = self.0.lock();
        disk.contents[disk.names[name]].clone()
    }

    /// Puts a file there behind the log's back, or other bytes into one.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut disk = self.0.lock();
        let inode = disk.contents.len();
        disk.contents.push(bytes);
        disk.names.insert(name.to_owned(), inode);
    }

    /// The disk after a crash before event `at`, of everything that was unsynced then what `keep` wants. `keep` is asked
    /// once per unsynced sector, truncation and name, in the order of the trace.
    #[must_use]
    pub fn after_crash(&self, at: usize, keep: impl FnMut() -> bool) -> Self {
        self.after_crash_torn_at(at, SECTOR, keep)
    }

    /// As [`Self::after_crash`], with unsynced writes torn at multiples of `sector_bytes`.
    #[must_use]
    pub fn after_crash_torn_at(&self, at: usize, sector_bytes: usize, mut keep: impl FnMut() -> bool) -> Self {
        let disk = self.0.lock();
        let honest = !disk.faults.ignore_syncs;
        let (mut contents, mut names) = disk.origin.clone();
        let events = &disk.trace[..at];
        // When each inode and the directory were last synced: what comes before is durable.
        let mut synced: BTreeMap<usize, usize> = BTreeMap::new();
        let mut dir_synced = 0;
        for (number, event) in events.iter().enumerate().filter(|_| honest) {
            match event {
                Event::Sync { inode } => drop(synced.insert(*inode, number)),
                Event::SyncDir => dir_synced = number,
                _ => {}
            }
        }
        for (number, event) in events.iter().enumerate() {
            let durable = |inode: &usize| synced.get(inode).is_some_and(|at| number < *at);
            let name_durable = number < dir_synced;
            match event {
                Event::Create { name, inode } => {
                    contents.resize(contents.len().max(inode + 1), Vec::new());
                    if name_durable || keep() {
                        names.insert(name.clone(), *inode);
                    }
                }
                Event::Rename { from, to } => {
                    if let Some(inode) = names.get(from).copied()
                        && (name_durable || keep())
                    {
                        names.remove(from);
                        names.insert(to.clone(), inode);
                    }
                }
                Event::Remove { name } if name_durable || keep() => drop(names.remove(name)),
                Event::Truncate { inode, size } if durable(inode) || keep() => contents[*inode].resize(*size, 0),
                Event::Write { inode, position, bytes } => {
                    let mut from = 0;
                    while from < bytes.len() {
                        // To the next sector border of the file.
                        let to = (from + sector_bytes - (position + from) % sector_bytes).min(bytes.len());
                        if durable(inode) || keep() {
                            write(&mut contents[*inode], position + from, &bytes[from..to]);
                        }
                        from = to;
                    }
                }
                _ => {}
            }
        }
        Self::with(contents, names)
    }

    fn with(contents: Vec<Vec<u8>>, names: BTreeMap<String, usize>) -> Self {
        let origin = (contents.clone(), names.clone());
        Self(Arc::new(Mutex::new(Disk { contents, names, origin, ..Disk::default() })))
    }
}

fn write(content: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[position..end].copy_from_slice(bytes);
}

impl Disk {
    /// Counts a call; `Err`: it is the one that fails.
    fn call(&mut self, call: Calls) -> io::Result<()> {
        let Some(failing) = &mut self.faults.failing else { return Ok(()) };
        if failing.calls != Calls::All && failing.calls != call {
            return Ok(());
        }
        if failing.after > 0 {
            failing.after -= 1;
            return Ok(());
        }
        let error =
            if failing.full { io::ErrorKind::StorageFull.into() } else { io::Error::other("input/output error") };
        if !failing.lasting {
            self.faults.failing = None;
        }
        Err(error)
    }
}

impl Storage for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.0.lock();
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.call(Calls::Growing)?;
        let inode = disk.contents.len();
        disk.contents.push(Vec::new());
        disk.names.insert(name.to_owned(), inode);
        disk.trace.push(Event::Create { name: name.to_owned(), inode });
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let inode = self.0.lock().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.call(Calls::All)?;
        let inode = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), inode);
        disk.trace.push(Event::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.call(Calls::All)?;
        disk.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        disk.trace.push(Event::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.call(Calls::Syncs)?;
        disk.trace.push(Event::SyncDir);
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl StorageFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().contents[self.inode].len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let disk = self.disk.0.lock();
        let rest = disk.contents[self.inode].get(position as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        let position = position as usize;
        if let Err(error) = disk.call(Calls::Growing) {
            let half = &bytes[..bytes.len() / 2];
            write(&mut disk.contents[self.inode], position, half);
            disk.trace.push(Event::Write { inode: self.inode, position, bytes: half.to_vec() });
            return Err(error);
        }
        let used: usize = disk.names.values().map(|inode| disk.contents[*inode].len()).sum();
        let grows = (position + bytes.len()).saturating_sub(disk.contents[self.inode].len());
        let room = disk.faults.capacity_bytes.map_or(usize::MAX, |capacity| (capacity as usize).saturating_sub(used));
        let fits = bytes.len() - grows.saturating_sub(room).min(bytes.len());
        write(&mut disk.contents[self.inode], position, &bytes[..fits]);
        disk.trace.push(Event::Write { inode: self.inode, position, bytes: bytes[..fits].to_vec() });
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        disk.call(Calls::All)?;
        disk.contents[self.inode].resize(size as usize, 0);
        disk.trace.push(Event::Truncate { inode: self.inode, size: size as usize });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        if std::mem::take(&mut disk.faults.fail_sync) {
            return Err(io::Error::other("the disk failed to sync"));
        }
        disk.call(Calls::Syncs)?;
        disk.trace.push(Event::Sync { inode: self.inode });
        Ok(())
    }
}
