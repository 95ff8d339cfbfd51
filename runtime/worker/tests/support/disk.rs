//! A real folder that is full when the test says so.

use sluice_client::Broker;
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_log::{DirStorage, Storage, StorageFile};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Disk {
    folder: DirStorage,
    is_full: Arc<AtomicBool>,
}

/// A broker on such a disk, and the switch.
pub fn open_broker(folder: &Path) -> (Arc<dyn Broker>, Arc<AtomicBool>) {
    let is_full = Arc::new(AtomicBool::new(false));
    let disk = Disk { folder: DirStorage::open(folder).unwrap(), is_full: Arc::clone(&is_full) };
    let broker = EmbeddedBroker::open_simulated(Arc::new(disk), EmbeddedConfig::new(folder)).unwrap();
    (broker, is_full)
}

struct OpenFile {
    file: Arc<dyn StorageFile>,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn wrap(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(OpenFile { file, is_full: Arc::clone(&self.is_full) })
    }
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.wrap(self.folder.create(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.wrap(self.folder.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.folder.sync_dir()
    }
}

impl StorageFile for OpenFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, position)
    }
    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.truncate(size)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
