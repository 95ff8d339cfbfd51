//! The disk, passed in: one flat directory of files.

use crate::latency::Histogram;
use rustix::fs::sendfile;
use rustix::io::{ReadWriteFlags, preadv2};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A directory. What it promises is what POSIX and a journalling file system promise, no more: a write is durable after
/// [`StorageFile::sync`], a name (created, renamed, removed) after [`Storage::sync_dir`].
pub trait Storage: Send + Sync + 'static {
    /// The names in the directory, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A new, empty file; it must not exist.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// An existing file, to read and write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Replaces `to` where it exists.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file. It stays readable after its name was removed.
pub trait StorageFile: Send + Sync {
    fn size(&self) -> io::Result<u64>;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// Makes content and size durable (fdatasync).
    fn sync(&self) -> io::Result<()>;

    /// Fills the buffer when that needs no wait for the disk. `false`: it does, or nobody can tell.
    fn read_resident(&self, buffer: &mut [u8], position: u64) -> bool {
        let _ = (buffer, position);
        false
    }

    /// Sends bytes to a socket that does not block, without copying them; returns how many it took.
    fn send(&self, socket: BorrowedFd<'_>, position: u64, size_bytes: usize) -> io::Result<usize> {
        let _ = (socket, position, size_bytes);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What the disk took for it, of one directory.
#[derive(Debug, Default)]
pub struct DiskMetrics {
    pub write: Histogram,
    pub sync: Histogram,
    /// Writes and syncs that failed.
    pub failures: AtomicU64,
    /// Written and not synced yet.
    pub unsynced_bytes: AtomicU64,
}

impl DiskMetrics {
    fn timed<T>(&self, histogram: &Histogram, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let begin = Instant::now();
        let outcome = work();
        histogram.observe(begin.elapsed());
        if outcome.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

/// Real files.
#[derive(Debug)]
pub struct DirStorage {
    dir: PathBuf,
    metrics: Arc<DiskMetrics>,
}

impl DirStorage {
    /// Creates the directory when it is missing.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        if !dir.is_dir() {
            std::fs::create_dir_all(&dir)?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self { dir, metrics: Arc::default() })
    }

    #[must_use]
    pub fn metrics(&self) -> Arc<DiskMetrics> {
        self.metrics.clone()
    }

    fn file(&self, file: File) -> Arc<dyn StorageFile> {
        Arc::new(RealFile { file, metrics: self.metrics.clone(), unsynced_bytes: AtomicU64::new(0) })
    }
}

impl Storage for DirStorage {
    fn list(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(OpenOptions::new().read(true).write(true).create_new(true).open(self.dir.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.file(OpenOptions::new().read(true).write(true).open(self.dir.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

struct RealFile {
    file: File,
    metrics: Arc<DiskMetrics>,
    /// This file's part of what the metrics say.
    unsynced_bytes: AtomicU64,
}

impl RealFile {
    /// What was written while a sync ran is not in it.
    fn synced(&self, bytes: u64) {
        self.unsynced_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.metrics.unsynced_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        self.synced(self.unsynced_bytes.load(Ordering::Relaxed));
    }
}

impl StorageFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], position + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.metrics.timed(&self.metrics.write, || self.file.write_all_at(bytes, position))?;
        self.unsynced_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.metrics.unsynced_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        let bytes = self.unsynced_bytes.load(Ordering::Relaxed);
        self.metrics.timed(&self.metrics.sync, || self.file.sync_data())?;
        self.synced(bytes);
        Ok(())
    }

    fn read_resident(&self, buffer: &mut [u8], position: u64) -> bool {
        let size = buffer.len();
        let read = preadv2(&self.file, &mut [IoSliceMut::new(buffer)], position, ReadWriteFlags::NOWAIT);
        read.is_ok_and(|read| read == size)
    }

    fn send(&self, socket: BorrowedFd<'_>, mut position: u64, size_bytes: usize) -> io::Result<usize> {
        Ok(sendfile(socket, &self.file, Some(&mut position), size_bytes)?)
    }
}
