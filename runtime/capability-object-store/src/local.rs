//! A bucket in a local folder: an object is a file, its key the path below the bucket.
//!
//! A new object is written under [`UPLOADS`], synced, then renamed to its place, and the folders on the way are synced: after a crash
//! it is there whole or not at all. Nothing is opened through a symbolic link below the bucket.

mod list;
mod upload;

use crate::backend::Backend;
use crate::bindings::sluice::object_store::object_store::{IfExists, ObjectInfo, Page};
use crate::config::Stores;
use crate::key::UPLOADS;
use bytes::Bytes;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::ByteSink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use upload::LocalUpload;

/// One bucket folder.
#[derive(Clone)]
pub struct LocalStore(Arc<Bucket>);

pub(crate) struct Bucket {
    folder: OwnedFd,
    uploads: OwnedFd,
    path: PathBuf,
}

impl LocalStore {
    /// Makes the folder when it is missing, and removes what a killed process left unfinished in it.
    ///
    /// # Errors
    /// `not-granted`, or what the system says.
    pub async fn open(stores: Arc<Stores>, name: String) -> Result<Self, Error> {
        blocking(move || {
            let Some(path) = stores.folders.get(&name) else {
                let what = format!("the object store {name:?}");
                return Err(CapabilityError::not_granted(
                    &what,
                    &stores.connector,
                    "name it in the connector's config",
                ));
            };
            let failed = |error: std::io::Error| {
                io_error("make the bucket", path, Errno::from_io_error(&error).unwrap_or(Errno::IO))
            };
            let outside = |problem: String| {
                CapabilityError::fatal("not-granted", format!("the object store is not allowed: {problem}"))
            };
            stores.check_real_path(&future_path(path)).map_err(outside)?;
            std::fs::create_dir_all(path).map_err(failed)?;
            let folder =
                rustix::fs::open(path, FOLDER, Mode::empty()).map_err(|errno| io_error("open", path, errno))?;
            let real = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).map_err(failed)?;
            stores.check_real_path(&real).map_err(outside)?;
            Bucket::open(folder, path).map(|bucket| Self(Arc::new(bucket)))
        })
        .await
    }
}

/// Where a folder would be made: the nearest one that exists, without links, and the rest.
fn future_path(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|folder| Some((folder, std::fs::canonicalize(folder).ok()?)));
    let rest = existing.as_ref().and_then(|(folder, real)| Some(real.join(path.strip_prefix(folder).ok()?)));
    rest.unwrap_or_else(|| path.to_owned())
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

#[async_trait::async_trait]
impl Backend for LocalStore {
    async fn put(&self, key: &str, bytes: Bytes, if_exists: IfExists) -> Result<ObjectInfo, Error> {
        let (bucket, key) = (self.0.clone(), key.to_owned());
        blocking(move || {
            let mut upload = LocalUpload::begin(bucket, key, if_exists)?;
            upload.write_all(&bytes)?;
            upload.publish()
        })
        .await
    }

    async fn upload(&self, key: &str, if_exists: IfExists) -> Result<Box<dyn ByteSink>, Error> {
        let (bucket, key) = (self.0.clone(), key.to_owned());
        let upload = blocking(move || LocalUpload::begin(bucket, key, if_exists)).await?;
        Ok(Box::new(upload::UploadSink::new(upload)))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, Error> {
        let (bucket, key) = (self.0.clone(), key.to_owned());
        blocking(move || bucket.head(&key)).await
    }

    async fn get(&self, key: &str, offset: u64, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let (bucket, key) = (self.0.clone(), key.to_owned());
        blocking(move || bucket.get(&key, offset, max_bytes)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, max_keys: usize) -> Result<Page, Error> {
        let (bucket, prefix, after) = (self.0.clone(), prefix.to_owned(), after.map(str::to_owned));
        blocking(move || list::list(&bucket, &prefix, after.as_deref(), max_keys)).await
    }

    async fn delete(&self, key: &str) -> Result<bool, Error> {
        let (bucket, key) = (self.0.clone(), key.to_owned());
        blocking(move || bucket.delete(&key)).await
    }

    async fn copy(&self, source: &str, target: &str, if_exists: IfExists) -> Result<ObjectInfo, Error> {
        let (bucket, source, target) = (self.0.clone(), source.to_owned(), target.to_owned());
        blocking(move || {
            let (file, stat) = bucket.open_object(&source)?.ok_or_else(|| not_found(&source))?;
            let mut upload = LocalUpload::begin(bucket, target, if_exists)?;
            upload.copy_from(&file, stat.st_size as u64)?;
            upload.publish()
        })
        .await
    }
}

impl Bucket {
    fn open(folder: OwnedFd, path: &Path) -> Result<Self, Error> {
        let failed = |errno| io_error("make the upload folder of", path, errno);
        match rustix::fs::mkdirat(&folder, UPLOADS, Mode::from_raw_mode(0o755)) {
            Ok(()) => rustix::fs::fsync(&folder).map_err(failed)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let uploads = rustix::fs::openat(&folder, UPLOADS, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
        upload::remove_left_over(&uploads);
        Ok(Self { folder, uploads, path: path.to_owned() })
    }

    fn open_object(&self, key: &str) -> Result<Option<(OwnedFd, Stat)>, Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        match open_beneath(&self.folder, key, flags) {
            Ok(file) => {
                let stat = rustix::fs::fstat(&file).map_err(|errno| self.failed("look at", key, errno))?;
                let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                Ok(is_file.then_some((file, stat)))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.failed("open", key, errno)),
        }
    }

    fn head(&self, key: &str) -> Result<Option<ObjectInfo>, Error> {
        Ok(self.open_object(key)?.map(|(_, stat)| object_info(key, &stat)))
    }

    fn get(&self, key: &str, offset: u64, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let (file, stat) = self.open_object(key)?.ok_or_else(|| not_found(key))?;
        let left = (stat.st_size as u64).saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(max_bytes);
        let mut bytes = Vec::with_capacity(wanted);
        while bytes.len() < wanted {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&file, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(self.failed("read", key, errno)),
            }
        }
        bytes.truncate(wanted);
        Ok(bytes)
    }

    fn delete(&self, key: &str) -> Result<bool, Error> {
        let (parent, name) = key.rsplit_once('/').unwrap_or((".", key));
        let folder = match open_beneath(&self.folder, parent, FOLDER) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            Err(errno) => return Err(self.failed("delete", key, errno)),
        };
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) => rustix::fs::fsync(&folder).map(|()| true).map_err(|errno| self.failed("delete", key, errno)),
            Err(Errno::NOENT | Errno::ISDIR) => Ok(false),
            Err(errno) => Err(self.failed("delete", key, errno)),
        }
    }

    /// The folder that holds `key`, made when it is missing, durably.
    fn folder_of(&self, key: &str) -> Result<OwnedFd, Error> {
        let failed = |errno| self.failed("make the folder of", key, errno);
        let mut folder = rustix::io::dup(&self.folder).map_err(failed)?;
        let Some((parents, _)) = key.rsplit_once('/') else { return Ok(folder) };
        for segment in parents.split('/') {
            folder = match open_beneath(&folder, segment, FOLDER) {
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&folder, segment, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                    rustix::fs::fsync(&folder).map_err(failed)?;
                    open_beneath(&folder, segment, FOLDER).map_err(failed)?
                }
                other => other.map_err(failed)?,
            };
        }
        Ok(folder)
    }

    fn failed(&self, action: &str, key: &str, errno: Errno) -> Error {
        io_error(action, &self.path.join(key), errno)
    }
}

/// Without any symbolic link on the way.
fn open_beneath(folder: &impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    loop {
        match rustix::fs::openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

fn object_info(key: &str, stat: &Stat) -> ObjectInfo {
    let modified_ns = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    ObjectInfo {
        key: key.to_owned(),
        size_bytes: stat.st_size as u64,
        modified_ms: (modified_ns / 1_000_000) as i64,
        etag: Some(format!("{modified_ns:x}-{:x}-{:x}", stat.st_ino, stat.st_size)),
    }
}

fn not_found(key: &str) -> Error {
    CapabilityError::rejected("object.not-found", format!("there is no object {key:?}"))
}

fn exists(key: &str) -> Error {
    CapabilityError::rejected("object.exists", format!("there is an object {key:?} already"))
}

fn io_error(action: &str, path: &Path, errno: Errno) -> Error {
    let message = format!("cannot {action} {}: {}", path.display(), std::io::Error::from(errno));
    match errno {
        Errno::ACCESS | Errno::PERM => CapabilityError::fatal("object-store.permission-denied", message),
        Errno::ROFS => CapabilityError::fatal("object-store.read-only", message),
        Errno::LOOP | Errno::XDEV => {
            CapabilityError::fatal("not-granted", format!("{message}: a bucket must hold no symbolic links"))
        }
        // One key is the folder of another.
        Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => {
            CapabilityError::rejected("object.key-conflict", message)
        }
        Errno::NAMETOOLONG | Errno::INVAL => CapabilityError::rejected("object.bad-key", message),
        Errno::NOSPC | Errno::DQUOT => CapabilityError::retriable("object-store.no-space", message),
        _ => CapabilityError::retriable("object-store.error", message),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(CapabilityError::fatal("object-store.error", format!("the work ended: {error}"))))
}
