//! The data directory: one process at a time, and a format that this build can read.
//!
//! ```text
//! .lock             locked for as long as a process uses the directory; holds its pid
//! meta.properties   Kafka's name: version=1 and cluster.id=…
//! log/              the log's files
//! ```

use crate::OpenError;
use crate::wal::FORMAT_VERSION;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const META: &str = "meta.properties";

/// A locked data directory. Dropping it lets go of the lock.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    cluster_id: String,
    _lock: File,
}

impl DataDir {
    /// Locks `path`, creating it when it is missing. `new_cluster_id` is used the first time.
    ///
    /// # Errors
    /// [`OpenError::Locked`] with the pid of the other process, [`OpenError::NewerFormat`], [`OpenError::Damaged`],
    /// [`OpenError::Io`]. A directory that is refused is left untouched.
    pub fn open(path: &Path, new_cluster_id: &str) -> Result<Self, OpenError> {
        let failed = |action, name: &Path| {
            let name = name.display().to_string();
            move |source| OpenError::Io { action, name, source }
        };
        // Before anything is written: what is refused stays as it is.
        if let Ok(text) = std::fs::read_to_string(path.join(META)) {
            parse_meta(path, &text)?;
        }
        std::fs::create_dir_all(path).map_err(failed("create", path))?;
        let lock_path = path.join(".lock");
        let mut lock = open_lock(&lock_path).map_err(failed("open", &lock_path))?;
        take_lock(&mut lock, path)?;
        let meta_path = path.join(META);
        let cluster_id = match std::fs::read_to_string(&meta_path) {
            Ok(text) => parse_meta(path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.join("log").is_dir() {
                    tracing::error!(
                        file = %meta_path.display(),
                        cluster_id = new_cluster_id,
                        "the data directory's meta.properties was missing; its log goes on under a new cluster id"
                    );
                }
                write_meta(path, new_cluster_id).map_err(failed("write", &meta_path))?;
                new_cluster_id.to_owned()
            }
            Err(error) => return Err(failed("read", &meta_path)(error)),
        };
        let pid = format!("{}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.write_all(pid.as_bytes())).map_err(failed("write", &lock_path))?;
        Ok(Self { path: path.to_owned(), cluster_id, _lock: lock })
    }

    /// Locks a directory that is there, for looking at it: nothing else is written.
    ///
    /// # Errors
    /// As [`DataDir::open`]; [`OpenError::Damaged`] for a directory that is none.
    pub fn inspect(path: &Path) -> Result<Self, OpenError> {
        let failed = |action, name: &Path| {
            let name = name.display().to_string();
            move |source| OpenError::Io { action, name, source }
        };
        let meta_path = path.join(META);
        let cluster_id = match std::fs::read_to_string(&meta_path) {
            Ok(text) => parse_meta(path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let reason = format!("{} is no data directory", path.display());
                return Err(OpenError::Damaged { name: META.into(), reason });
            }
            Err(error) => return Err(failed("read", &meta_path)(error)),
        };
        let lock_path = path.join(".lock");
        // A directory that cannot be written, say of a backup, is nobody's.
        let mut lock = open_lock(&lock_path).or_else(|_| File::open(&meta_path)).map_err(failed("open", &lock_path))?;
        take_lock(&mut lock, path)?;
        Ok(Self { path: path.to_owned(), cluster_id, _lock: lock })
    }

    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Where the log's files are.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.path.join("log")
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Fails at once when another process has it; its pid stands in the file.
fn take_lock(lock: &mut File, dir: &Path) -> Result<(), OpenError> {
    if flock(&*lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(());
    }
    let mut pid = String::new();
    let _ = lock.read_to_string(&mut pid);
    let pid = if pid.trim().is_empty() { "(unknown)".into() } else { pid.trim().to_owned() };
    Err(OpenError::Locked { dir: dir.display().to_string(), pid })
}

fn parse_meta(dir: &Path, text: &str) -> Result<String, OpenError> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim);
    let damaged = |reason: &str| OpenError::Damaged { name: META.into(), reason: reason.into() };
    let found: u32 = value("version").and_then(|v| v.parse().ok()).ok_or_else(|| damaged("it has no version"))?;
    if found > FORMAT_VERSION {
        return Err(OpenError::NewerFormat { dir: dir.display().to_string(), found, known: FORMAT_VERSION });
    }
    let cluster_id = value("cluster.id").filter(|id| !id.is_empty());
    let cluster_id = cluster_id.ok_or_else(|| damaged("it has no cluster.id"))?;
    let crc = value("crc").and_then(|crc| u32::from_str_radix(crc, 16).ok());
    if crc != Some(crc32c::crc32c(format!("{found} {cluster_id}").as_bytes())) {
        return Err(damaged("its checksum does not match"));
    }
    Ok(cluster_id.to_owned())
}

fn write_meta(dir: &Path, cluster_id: &str) -> io::Result<()> {
    let crc = crc32c::crc32c(format!("{FORMAT_VERSION} {cluster_id}").as_bytes());
    let temporary = dir.join("meta.properties.tmp");
    let mut file = File::create(&temporary)?;
    writeln!(file, "version={FORMAT_VERSION}\ncluster.id={cluster_id}\ncrc={crc:08x}")?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(META))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_is_refused_with_the_pid() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = DataDir::open(dir.path(), "abc").expect("it is free");
        match DataDir::open(dir.path(), "abc") {
            Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert_eq!(DataDir::open(dir.path(), "other").expect("free again").cluster_id(), "abc");
    }

    #[test]
    fn a_newer_format_and_a_flipped_byte_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        drop(DataDir::open(dir.path(), "abc").expect("new"));
        let meta = dir.path().join(META);
        let good = std::fs::read_to_string(&meta).expect("written");
        std::fs::write(&meta, good.replace("abc", "abd")).expect("write");
        assert!(matches!(DataDir::open(dir.path(), "x"), Err(OpenError::Damaged { .. })));
        std::fs::write(&meta, good.replace("version=1", "version=2")).expect("write");
        assert!(matches!(DataDir::open(dir.path(), "x"), Err(OpenError::NewerFormat { found: 2, .. })));
    }
}
