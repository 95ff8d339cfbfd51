//! A directory over another: reads go through, changes stay in memory and are remembered.

use crate::storage::{Storage, StorageFile};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// A directory of real files, opened for reading only.
#[derive(Debug)]
pub struct ReadOnlyDir(PathBuf);

impl ReadOnlyDir {
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "this is only looked at")
}

impl Storage for ReadOnlyDir {
    fn list(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, _name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Err(read_only())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(ReadOnlyFile(File::open(self.0.join(name))?)))
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

struct ReadOnlyFile(File);

impl StorageFile for ReadOnlyFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], position + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, _bytes: &[u8], _position: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn truncate(&self, _size: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What would have happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Its end would be cut off.
    Cut {
        from_bytes: u64,
        to_bytes: u64,
    },
    Removed {
        size_bytes: u64,
    },
    /// It would be new, or have another content.
    Written {
        size_bytes: u64,
    },
}

/// Changes in memory over a directory that is only read.
pub struct Overlay {
    below: Arc<dyn Storage>,
    /// Files that are not as they are below; `None`: removed.
    above: Mutex<BTreeMap<String, Option<Arc<Layered>>>>,
}

impl Overlay {
    #[must_use]
    pub fn new(below: Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self { below, above: Mutex::default() })
    }

    /// What is not as it is below, by name.
    ///
    /// # Errors
    /// When a file below cannot be looked at.
    pub fn changes(&self) -> io::Result<BTreeMap<String, Change>> {
        let mut changes = BTreeMap::new();
        for (name, file) in &*self.above.lock() {
            let size_below = match self.below.open(name) {
                Ok(file) => Some(file.size()?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let change = match (file, size_below) {
                (None, Some(size_bytes)) => Change::Removed { size_bytes },
                (None, None) => continue,
                (Some(file), size_below) => match (&*file.state.lock(), size_below) {
                    (State::Cut(limit), Some(from_bytes)) if *limit < from_bytes => {
                        Change::Cut { from_bytes, to_bytes: *limit }
                    }
                    (State::Cut(_), _) => continue,
                    (State::Own(bytes), _) => Change::Written { size_bytes: bytes.len() as u64 },
                },
            };
            changes.insert(name.clone(), change);
        }
        Ok(changes)
    }

    fn is_there(&self, name: &str) -> io::Result<bool> {
        match self.above.lock().get(name) {
            Some(file) => Ok(file.is_some()),
            None => Ok(self.below.list()?.iter().any(|found| found == name)),
        }
    }
}

impl Storage for Overlay {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.below.list()?;
        let above = self.above.lock();
        names.retain(|name| !above.contains_key(name));
        names.extend(above.iter().filter(|(_, file)| file.is_some()).map(|(name, _)| name.clone()));
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        if self.is_there(name)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(Layered { below: None, state: Mutex::new(State::Own(Vec::new())) });
        self.above.lock().insert(name.to_owned(), Some(file.clone()));
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut above = self.above.lock();
        match above.get(name) {
            Some(Some(file)) => return Ok(file.clone()),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let below = self.below.open(name)?;
        let size = below.size()?;
        let file = Arc::new(Layered { below: Some(below), state: Mutex::new(State::Cut(size)) });
        above.insert(name.to_owned(), Some(file.clone()));
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.open(from)?;
        let mut above = self.above.lock();
        let file = above.insert(from.to_owned(), None).flatten().ok_or(io::ErrorKind::NotFound)?;
        let bytes = file.whole()?;
        *file.state.lock() = State::Own(bytes);
        above.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.is_there(name)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.above.lock().insert(name.to_owned(), None);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

struct Layered {
    below: Option<Arc<dyn StorageFile>>,
    state: Mutex<State>,
}

enum State {
    /// As it is below, up to here.
    Cut(u64),
    Own(Vec<u8>),
}

impl Layered {
    fn whole(&self) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.size()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; size];
        let read = self.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

impl StorageFile for Layered {
    fn size(&self) -> io::Result<u64> {
        Ok(match &*self.state.lock() {
            State::Cut(limit) => *limit,
            State::Own(bytes) => bytes.len() as u64,
        })
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        match (&*self.state.lock(), &self.below) {
            (State::Own(bytes), _) => {
                let rest = usize::try_from(position).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
            (State::Cut(limit), Some(below)) => {
                let room = usize::try_from(limit.saturating_sub(position)).unwrap_or(usize::MAX);
                let count = room.min(buffer.len());
                below.read_at(&mut buffer[..count], position)
            }
            (State::Cut(_), None) => Ok(0),
        }
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if matches!(&*self.state.lock(), State::Cut(_)) {
            let whole = self.whole()?;
            *self.state.lock() = State::Own(whole);
        }
        if let State::Own(own) = &mut *self.state.lock() {
            let from = usize::try_from(position).map_err(io::Error::other)?;
            let end = from + bytes.len();
            own.resize(own.len().max(end), 0);
            own[from..end].copy_from_slice(bytes);
        }
        Ok(())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        match &mut *self.state.lock() {
            State::Cut(limit) => *limit = (*limit).min(size),
            State::Own(bytes) => bytes.resize(usize::try_from(size).map_err(io::Error::other)?, 0),
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimDisk;

    fn disk() -> Arc<SimDisk> {
        let disk = SimDisk::new();
        for name in ["a", "b"] {
            disk.create(name).expect("new").write_at(b"0123456789", 0).expect("room");
        }
        Arc::new(disk)
    }

    fn read(storage: &dyn Storage, name: &str) -> Vec<u8> {
        let mut bytes = vec![0; 32];
        let read = storage.open(name).expect("there").read_at(&mut bytes, 0).expect("reads");
        bytes.truncate(read);
        bytes
    }

    #[test]
    fn changes_are_seen_above_and_not_below() {
        let disk = disk();
        let overlay = Overlay::new(disk.clone());
        overlay.open("a").expect("there").truncate(4).expect("cut");
        overlay.remove("b").expect("there");
        overlay.create("c").expect("new").write_at(b"xyz", 0).expect("room");
        overlay.rename("c", "d").expect("there");
        assert_eq!(read(&*overlay, "a"), b"0123");
        assert_eq!(read(&*overlay, "d"), b"xyz");
        assert!(overlay.open("b").is_err() && overlay.open("c").is_err());
        let mut names = overlay.list().expect("lists");
        names.sort();
        assert_eq!(names, ["a", "d"]);
        assert_eq!((read(&*disk, "a").len(), read(&*disk, "b").len()), (10, 10));
        let changes = overlay.changes().expect("all there");
        let expected = [
            ("a", Change::Cut { from_bytes: 10, to_bytes: 4 }),
            ("b", Change::Removed { size_bytes: 10 }),
            ("d", Change::Written { size_bytes: 3 }),
        ];
        assert_eq!(changes, expected.map(|(name, change)| (name.to_owned(), change)).into());
    }

    #[test]
    fn what_is_only_read_is_no_change_and_a_write_keeps_the_rest() {
        let overlay = Overlay::new(disk());
        assert_eq!(read(&*overlay, "a"), b"0123456789");
        assert!(overlay.changes().expect("all there").is_empty());
        overlay.open("a").expect("there").write_at(b"XY", 9).expect("room");
        assert_eq!(read(&*overlay, "a"), b"012345678XY");
        assert_eq!(overlay.changes().expect("all there")["a"], Change::Written { size_bytes: 11 });
    }
}
