//! Which log files there are and how full they are.

use crate::listing::Listing;
use crate::storage::{Storage, StorageFile};
use crate::wal::{FileHeader, FileKind, OpenFiles};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
pub(crate) struct FileInfo {
    pub kind: FileKind,
    pub size_bytes: u64,
    /// Nothing is appended to it any more.
    pub sealed: bool,
    /// Something in it cannot be read: it is never rewritten.
    pub damaged: bool,
    pub header: FileHeader,
    /// The last append in it, once it is sealed.
    pub sequence: u64,
    pub ends_with_mark: bool,
    /// Its index stands beside it.
    pub indexed: bool,
}

pub(crate) struct FileTable {
    table: Mutex<Table>,
    open: OpenFiles,
}

#[derive(Default)]
struct Table {
    files: BTreeMap<u64, FileInfo>,
    /// Files that should be there: kind and size.
    lost: Listing,
    last_number: u64,
}

impl FileTable {
    pub(crate) fn new(storage: Arc<dyn Storage>, open_files_max: usize) -> Self {
        Self { table: Mutex::default(), open: OpenFiles::new(storage, open_files_max) }
    }

    /// A number that no file has had.
    pub(crate) fn next_number(&self) -> u64 {
        let mut table = self.table.lock();
        table.last_number += 1;
        table.last_number
    }

    pub(crate) fn begin(&self, header: FileHeader, file: Arc<dyn StorageFile>, size_bytes: u64) {
        self.open.put(header.file, file);
        let info = FileInfo {
            kind: FileKind::Log,
            size_bytes,
            sealed: false,
            damaged: false,
            header,
            sequence: header.sequence,
            ends_with_mark: false,
            indexed: false,
        };
        self.table.lock().files.insert(header.file, info);
    }

    /// A file that is there already, under its number.
    pub(crate) fn add(&self, number: u64, info: FileInfo) {
        let mut table = self.table.lock();
        table.last_number = table.last_number.max(number);
        table.files.insert(number, info);
    }

    /// No other file gets this number.
    pub(crate) fn pass_number(&self, number: u64) {
        let mut table = self.table.lock();
        table.last_number = table.last_number.max(number);
    }

    /// A file that should be there is not.
    pub(crate) fn lose(&self, number: u64, kind: FileKind, size_bytes: u64) {
        self.table.lock().lost.insert(number, (kind, size_bytes));
    }

    pub(crate) fn lost(&self) -> Listing {
        self.table.lock().lost.clone()
    }

    pub(crate) fn grow(&self, number: u64, bytes: u64) {
        self.change(number, |info| info.size_bytes += bytes);
    }

    pub(crate) fn change(&self, number: u64, change: impl FnOnce(&mut FileInfo)) {
        if let Some(info) = self.table.lock().files.get_mut(&number) {
            change(info);
        }
    }

    pub(crate) fn remove(&self, number: u64) {
        self.table.lock().files.remove(&number);
        self.open.forget(number);
    }

    pub(crate) fn list(&self) -> BTreeMap<u64, FileInfo> {
        self.table.lock().files.clone()
    }

    pub(crate) fn open(&self, number: u64) -> io::Result<Arc<dyn StorageFile>> {
        let kind = self.table.lock().files.get(&number).map(|info| info.kind);
        self.open.get(number, kind.ok_or(io::ErrorKind::NotFound)?)
    }
}
