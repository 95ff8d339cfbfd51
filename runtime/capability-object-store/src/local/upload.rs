//! Objects on their way: written aside, then renamed to their place.

use super::{Bucket, blocking, exists, io_error, object_info};
use crate::bindings::sluice::object_store::object_store::{IfExists, ObjectInfo};
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::ByteSink;
use std::sync::Arc;

/// A temporary file that becomes an object. Dropping it removes the file.
pub struct LocalUpload {
    bucket: Arc<Bucket>,
    key: String,
    if_exists: IfExists,
    file: OwnedFd,
    temporary_name: String,
    published: bool,
    written_bytes: u64,
}

impl LocalUpload {
    pub(super) fn begin(bucket: Arc<Bucket>, key: String, if_exists: IfExists) -> Result<Self, Error> {
        if if_exists == IfExists::Fail && bucket.open_object(&key)?.is_some() {
            return Err(exists(&key));
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| {
            CapabilityError::retriable("object-store.error", format!("no randomness for a name: {error}"))
        })?;
        let temporary_name = format!("{:032x}", u128::from_be_bytes(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |errno| io_error("begin an upload in", &bucket.path, errno);
        let file =
            rustix::fs::openat(&bucket.uploads, &temporary_name, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
        let upload =
            Self { bucket: bucket.clone(), key, if_exists, file, temporary_name, published: false, written_bytes: 0 };
        // Held as long as it is written: who finds it free may remove the file.
        rustix::fs::flock(&upload.file, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
        Ok(upload)
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.file, bytes) {
                Ok(written) => {
                    bytes = &bytes[written..];
                    self.written_bytes += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.bucket.failed("write", &self.key, errno)),
            }
        }
        Ok(())
    }

    pub(super) fn copy_from(&mut self, source: &OwnedFd, size_bytes: u64) -> Result<(), Error> {
        let mut buffer = vec![0; (size_bytes as usize).clamp(1, 1 << 20)];
        let mut at = 0;
        loop {
            match rustix::io::pread(source, &mut buffer[..], at) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    at += read as u64;
                    self.write_all(&buffer[..read])?;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.bucket.failed("read", &self.key, errno)),
            }
        }
    }

    /// Synced, renamed, and the folder synced: durable and visible.
    pub(super) fn publish(mut self) -> Result<ObjectInfo, Error> {
        let failed = |errno| self.bucket.failed("store", &self.key, errno);
        rustix::fs::fsync(&self.file).map_err(failed)?;
        let stat = rustix::fs::fstat(&self.file).map_err(failed)?;
        let folder = self.bucket.folder_of(&self.key)?;
        let name = self.key.rsplit('/').next().unwrap_or(&self.key);
        let flags = match self.if_exists {
            IfExists::Overwrite => RenameFlags::empty(),
            IfExists::Fail => RenameFlags::NOREPLACE,
        };
        match rustix::fs::renameat_with(&self.bucket.uploads, &self.temporary_name, &folder, name, flags) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.if_exists == IfExists::Fail => return Err(exists(&self.key)),
            Err(errno) => return Err(failed(errno)),
        }
        rustix::fs::fsync(&folder).map_err(failed)?;
        let info = object_info(&self.key, &stat);
        self.published = true;
        Ok(info)
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        if !self.published {
            let _ = rustix::fs::unlinkat(&self.bucket.uploads, &self.temporary_name, AtFlags::empty());
        }
    }
}

/// Unfinished uploads of a process that is gone: nobody holds their lock.
pub(super) fn remove_left_over(uploads: &OwnedFd) {
    let Ok(entries) = rustix::fs::Dir::read_from(uploads) else { return };
    for entry in entries.flatten().filter(|entry| !entry.file_name().to_bytes().starts_with(b".")) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(uploads, entry.file_name(), flags, Mode::empty()) else { continue };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = rustix::fs::unlinkat(uploads, entry.file_name(), AtFlags::empty());
        }
    }
}

/// The upload as an output.
pub struct UploadSink {
    /// Away only while a thread works on it, or when such work was dropped half-way.
    upload: Option<LocalUpload>,
    size_bytes: u64,
}

impl UploadSink {
    pub(super) fn new(upload: LocalUpload) -> Self {
        Self { upload: Some(upload), size_bytes: 0 }
    }

    fn take(&mut self) -> Result<LocalUpload, Error> {
        let lost = || CapabilityError::fatal("object-store.error", "this upload was given up");
        self.upload.take().ok_or_else(lost)
    }
}

#[async_trait::async_trait]
impl ByteSink for UploadSink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let mut upload = self.take()?;
        let length = bytes.len() as u64;
        let upload = blocking(move || {
            upload.write_all(&bytes)?;
            Ok(upload)
        });
        self.upload = Some(upload.await?);
        self.size_bytes += length;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<String, Error> {
        let upload = self.take()?;
        let info = blocking(move || upload.publish()).await?;
        Ok(serde_json::json!({ "bytes": info.size_bytes, "key": info.key, "etag": info.etag }).to_string())
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}
