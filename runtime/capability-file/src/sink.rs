//! Outputs into files: appended to what is there, or a new file that appears whole.

use crate::access::{Access, Place, io_error};
use crate::reader::blocking;
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FlockOperation, OFlags};
use rustix::io::Errno;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::ByteSink;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

/// A file that is being written.
pub struct FileSink {
    file: Arc<OwnedFd>,
    place: Arc<Place>,
    /// The temporary name; none: appending.
    temporary: Option<Temporary>,
    written_bytes: u64,
}

/// Removes the temporary file unless it became the real one.
struct Temporary {
    place: Arc<Place>,
    name: OsString,
    renamed: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = rustix::fs::unlinkat(&self.place.folder, &self.name, AtFlags::empty());
        }
    }
}

impl FileSink {
    /// # Errors
    /// As [`Access::place`] and what the system says.
    pub fn append(access: &Access, path: &str) -> Result<Self, Error> {
        let place = access.place(path)?;
        let file = place.open(OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)?;
        place.sync_folder()?;
        Ok(Self { file: Arc::new(file), place: Arc::new(place), temporary: None, written_bytes: 0 })
    }

    /// # Errors
    /// As [`FileSink::append`].
    pub fn create(access: &Access, path: &str) -> Result<Self, Error> {
        let place = Arc::new(access.place(path)?);
        let mut prefix = b".".to_vec();
        prefix.extend_from_slice(place.name.as_bytes());
        prefix.extend_from_slice(b".sluice-");
        remove_left_over(&place, &prefix);
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| CapabilityError::retriable("io.error", format!("no randomness for a name: {error}")))?;
        let mut name = prefix;
        name.extend_from_slice(format!("{:016x}", u64::from_be_bytes(random)).as_bytes());
        let name = OsString::from_vec(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&place.folder, &name, flags, mode)
            .map_err(|errno| io_error("create", &place.path, errno))?;
        let temporary = Temporary { place: place.clone(), name, renamed: false };
        // Held as long as the file is written: who finds it free may remove the file.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| io_error("lock", &place.path, errno))?;
        Ok(Self { file: Arc::new(file), place, temporary: Some(temporary), written_bytes: 0 })
    }
}

#[async_trait::async_trait]
impl ByteSink for FileSink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let (file, place) = (self.file.clone(), self.place.clone());
        let length = bytes.len() as u64;
        blocking(move || write_all(&file, &bytes, &place.path)).await?;
        self.written_bytes += length;
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<String, Error> {
        blocking(move || {
            let Self { file, place, temporary, written_bytes } = *self;
            rustix::fs::fsync(&*file).map_err(|errno| io_error("sync", &place.path, errno))?;
            if let Some(mut temporary) = temporary {
                rustix::fs::renameat(&place.folder, &temporary.name, &place.folder, &place.name)
                    .map_err(|errno| io_error("rename to", &place.path, errno))?;
                temporary.renamed = true;
                place.sync_folder()?;
            }
            let size = rustix::fs::fstat(&*file).map_err(|errno| io_error("look at", &place.path, errno))?.st_size;
            Ok(serde_json::json!({ "bytes": written_bytes, "size": size }).to_string())
        })
        .await
    }

    fn size_bytes(&self) -> u64 {
        self.written_bytes
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8], path: &Path) -> Result<(), Error> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(io_error("write to", path, errno)),
        }
    }
    Ok(())
}

/// Temporary files of a process that is gone: nobody holds their lock. What cannot be removed stays; it harms nothing.
fn remove_left_over(place: &Place, prefix: &[u8]) {
    let Ok(entries) = rustix::fs::Dir::read_from(&place.folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_bytes().starts_with(prefix)) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&place.folder, entry.file_name(), flags, rustix::fs::Mode::empty()) else {
            continue;
        };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = rustix::fs::unlinkat(&place.folder, entry.file_name(), AtFlags::empty());
        }
    }
}
