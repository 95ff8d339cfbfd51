//! The WIT functions of `sluice:file`.

use crate::access::{Access, io_error, name_text};
use crate::bindings::sluice::file::files::{self, Change, FileInfo, LineOptions, Lines};
use crate::reader::{Reader, blocking, file_info};
use crate::sink::FileSink;
use crate::{NAME, glob};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::{ByteSink, Output};
use sluice_capability::{CapabilityError, GuestState, HostResult};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;

/// More entries than a guest could do anything with.
const ENTRIES_MAX: usize = 100_000;

fn access(state: &mut GuestState) -> Result<Arc<Access>, Error> {
    if let Some(access) = state.capability::<Arc<Access>>(NAME) {
        return Ok(access.clone());
    }
    let remedy = "its plugin must declare the capability \"file\" and its config name a path";
    Err(CapabilityError::not_granted("the capability \"file\"", &state.identity.connector, remedy))
}

/// Runs file work with the guest's access, then takes up the guest's clock again.
async fn with_access<T: Send + 'static>(
    state: &mut GuestState,
    work: impl FnOnce(&Access) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let access = access(state)?;
    let answer = blocking(move || work(&access)).await;
    state.entered_host();
    answer
}

impl files::Host for GuestState {
    async fn open_read(&mut self, path: String) -> HostResult<Resource<Reader>> {
        let access = match access(self) {
            Ok(access) => access,
            Err(error) => return Ok(Err(error)),
        };
        match Reader::open(access, path).await {
            Ok(reader) => Ok(Ok(self.entered_host().push(reader)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn info(&mut self, path: String) -> HostResult<Option<FileInfo>> {
        let looked = with_access(self, move |access| match access.open(&path) {
            Ok((_, stat)) => Ok(Some(file_info(&path, &stat))),
            Err(Error::Retriable(details)) if details.code == "io.not-found" => Ok(None),
            Err(error) => Err(error),
        });
        Ok(looked.await)
    }

    async fn list_folder(&mut self, path: String, pattern: String) -> HostResult<Vec<FileInfo>> {
        Ok(with_access(self, move |access| list_folder(access, &path, &pattern)).await)
    }

    async fn append(&mut self, path: String) -> HostResult<Resource<Output>> {
        let opened = with_access(self, move |access| FileSink::append(access, &path)).await;
        push_output(self, opened)
    }

    async fn create(&mut self, path: String) -> HostResult<Resource<Output>> {
        let opened = with_access(self, move |access| FileSink::create(access, &path)).await;
        push_output(self, opened)
    }

    async fn truncate(&mut self, path: String, size_bytes: u64) -> HostResult<()> {
        let done = with_access(self, move |access| {
            let place = access.place(&path)?;
            let file = place.open(OFlags::WRONLY)?;
            let failed = |errno| io_error("truncate", &place.path, errno);
            rustix::fs::ftruncate(&file, size_bytes).map_err(failed)?;
            rustix::fs::fsync(&file).map_err(failed)
        });
        Ok(done.await)
    }

    async fn rename(&mut self, source: String, target: String) -> HostResult<()> {
        let done = with_access(self, move |access| {
            let (from, to) = (access.place(&source)?, access.place(&target)?);
            rustix::fs::renameat(&from.folder, &from.name, &to.folder, &to.name)
                .map_err(|errno| io_error("rename", &from.path, errno))?;
            to.sync_folder()?;
            from.sync_folder()
        });
        Ok(done.await)
    }

    async fn delete(&mut self, path: String) -> HostResult<bool> {
        let done = with_access(self, move |access| {
            let place = access.place(&path)?;
            match rustix::fs::unlinkat(&place.folder, &place.name, AtFlags::empty()) {
                Ok(()) => place.sync_folder().map(|()| true),
                Err(Errno::NOENT) => Ok(false),
                Err(errno) => Err(io_error("delete", &place.path, errno)),
            }
        });
        Ok(done.await)
    }
}

impl files::HostReader for GuestState {
    async fn info(&mut self, this: Resource<Reader>) -> HostResult<FileInfo> {
        Ok(self.entered_host().get(&this)?.info())
    }

    async fn read_lines(
        &mut self,
        this: Resource<Reader>,
        topic: String,
        position: u64,
        options: LineOptions,
    ) -> HostResult<Lines> {
        let read = self.entered_host().get_mut(&this)?.read_lines(&topic, position, options).await;
        self.entered_host();
        match read {
            Ok(read) => {
                let batch = read.batch.map(|batch| self.push_batch(batch)).transpose()?;
                Ok(Ok(Lines { batch, ..read.lines }))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn read_bytes(&mut self, this: Resource<Reader>, position: u64, max_bytes: u32) -> HostResult<Vec<u8>> {
        let read = self.entered_host().get_mut(&this)?.read_bytes(position, max_bytes).await;
        self.entered_host();
        Ok(read)
    }

    async fn change(&mut self, this: Resource<Reader>, position: u64) -> HostResult<Change> {
        Ok(self.entered_host().get(&this)?.change(position))
    }

    async fn poll_on_change(
        &mut self,
        this: Resource<Reader>,
        position: u64,
        max_wait_ms: u32,
    ) -> wasmtime::Result<()> {
        let max_wait = Duration::from_millis(max_wait_ms.into());
        let changed = self.entered_host().get(&this)?.changed(position, max_wait);
        self.wakes.push(Box::pin(changed));
        Ok(())
    }

    async fn drop(&mut self, this: Resource<Reader>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}

fn push_output(state: &mut GuestState, opened: Result<FileSink, Error>) -> HostResult<Resource<Output>> {
    match opened {
        Ok(sink) => {
            let sink: Box<dyn ByteSink> = Box::new(sink);
            Ok(Ok(state.push_output(sink)?))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// By name. Links that lead outside, and what is neither file nor folder, are left out.
fn list_folder(access: &Access, path: &str, pattern: &str) -> Result<Vec<FileInfo>, Error> {
    let (folder, _) = access.open(path)?;
    let failed = |errno| io_error("list", Path::new(path), errno);
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = name_text(std::os::unix::ffi::OsStrExt::from_bytes(entry.file_name().to_bytes()));
        if name == "." || name == ".." || !glob::matches(pattern, &name) {
            continue;
        }
        if names.len() == ENTRIES_MAX {
            let message =
                format!("{path} has more than {ENTRIES_MAX} entries that fit {pattern:?}: narrow the pattern");
            return Err(CapabilityError::fatal("io.too-many-entries", message));
        }
        names.push(name);
    }
    names.sort_unstable();
    let infos = names.into_iter().filter_map(|name| {
        let entry = format!("{}/{name}", path.trim_end_matches('/'));
        access.open(&entry).ok().map(|(_, stat)| file_info(&entry, &stat))
    });
    Ok(infos.collect())
}
