//! The log's files: their names, their first block, and the handles that are open.
//!
//! ```text
//! 00000000000000000007.log    blocks, one behind the other (block.rs), appended to by the writer
//! 00000000000000000008.clean  the same, written by the cleaner: whole and durable before it got its name
//! 00000000000000000007.tmp    a cleaned file that is still being written; removed at the next start
//!
//! payload of a file's first block (little-endian):
//!   0  4  format version = 1
//!   4  4  zero
//!   8  4  log epoch: raised by a recovery that may have lost records
//!  12  4  what may lie in it without a sync: 0 nothing, 1 anything (durability os), 2 topics with durability os
//!  16  8  creation time, ms
//! ```
//!
//! A file is created only after every earlier one was synced: so in all but the last, bad data is damage.

use crate::TopicId;
use crate::block::{Block, Kind};
use crate::storage::{Storage, StorageFile};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

pub(crate) const FORMAT_VERSION: u32 = 1;
const FILE_PAYLOAD_BYTES: usize = 24;

/// What a file's first block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub file: u64,
    pub epoch: u32,
    pub unsynced: Unsynced,
    pub created_ms: i64,
    /// The last append before this file, and durable.
    pub sequence: u64,
}

/// What of a file may have been acknowledged without a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unsynced {
    #[default]
    Nothing = 0,
    /// Appends of any topic: the hub's durability is `os`.
    Anything = 1,
    /// Appends of the topics whose own durability is `os`.
    OsTopics = 2,
}

impl Unsynced {
    pub(crate) fn from_word(word: u32) -> Self {
        match word {
            1 => Self::Anything,
            2 => Self::OsTopics,
            _ => Self::Nothing,
        }
    }
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(FILE_PAYLOAD_BYTES);
        payload.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        payload.extend_from_slice(&0u32.to_le_bytes());
        payload.extend_from_slice(&self.epoch.to_le_bytes());
        payload.extend_from_slice(&(self.unsynced as u32).to_le_bytes());
        payload.extend_from_slice(&self.created_ms.to_le_bytes());
        let block = Block {
            kind: Kind::File,
            payload_len: FILE_PAYLOAD_BYTES as u32,
            payload_crc: crc32c::crc32c(&payload),
            sequence: self.sequence,
            durable: self.sequence,
            file: self.file,
            position: 0,
            topic: TopicId([0; 16]),
            partition: -1,
            leader_epoch: self.epoch as i32,
            base_offset: 0,
            span: 0,
            part: 0,
            parts: 1,
            max_timestamp: self.created_ms,
        };
        [&block.encode()[..], &payload].concat()
    }

    /// `Err` with the version when the file is of a newer format, `Ok(None)` when the payload makes no sense.
    pub(crate) fn decode(block: &Block, payload: &[u8]) -> Result<Option<Self>, u32> {
        let Some(payload) = payload.first_chunk::<FILE_PAYLOAD_BYTES>() else { return Ok(None) };
        let word = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().expect("4 bytes"));
        if word(0) > FORMAT_VERSION {
            return Err(word(0));
        }
        Ok(Some(Self {
            file: block.file,
            epoch: word(8),
            unsynced: Unsynced::from_word(word(12)),
            created_ms: block.max_timestamp,
            sequence: block.sequence,
        }))
    }
}

/// Who wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Log,
    Cleaned,
}

pub(crate) fn file_name(file: u64, kind: FileKind) -> String {
    match kind {
        FileKind::Log => format!("{file:020}.log"),
        FileKind::Cleaned => format!("{file:020}.clean"),
    }
}

/// The number and kind of the file called `name`, when it is one of the log's.
pub(crate) fn parse_file_name(name: &str) -> Option<(u64, FileKind)> {
    let (digits, extension) = name.split_once('.')?;
    let kind = match extension {
        "log" => FileKind::Log,
        "clean" => FileKind::Cleaned,
        _ => return None,
    };
    parse_number(digits).map(|number| (number, kind))
}

/// A file's number, as it stands in names.
pub(crate) fn parse_number(digits: &str) -> Option<u64> {
    (digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}

pub(crate) fn temporary_name(file: u64) -> String {
    format!("{file:020}.tmp")
}

/// Files open for reading, the most recently used ones.
pub(crate) struct OpenFiles {
    storage: Arc<dyn Storage>,
    max: usize,
    recent: Mutex<VecDeque<(u64, Arc<dyn StorageFile>)>>,
}

impl OpenFiles {
    pub(crate) fn new(storage: Arc<dyn Storage>, max: usize) -> Self {
        Self { storage, max: max.max(1), recent: Mutex::default() }
    }

    pub(crate) fn get(&self, file: u64, kind: FileKind) -> io::Result<Arc<dyn StorageFile>> {
        let mut recent = self.recent.lock();
        if let Some(at) = recent.iter().position(|(number, _)| *number == file) {
            let found = recent.remove(at).expect("position found it");
            recent.push_front(found.clone());
            return Ok(found.1);
        }
        let opened = self.storage.open(&file_name(file, kind))?;
        recent.push_front((file, opened.clone()));
        recent.truncate(self.max);
        Ok(opened)
    }

    pub(crate) fn put(&self, file: u64, opened: Arc<dyn StorageFile>) {
        let mut recent = self.recent.lock();
        recent.push_front((file, opened));
        recent.truncate(self.max);
    }

    pub(crate) fn forget(&self, file: u64) {
        self.recent.lock().retain(|(number, _)| *number != file);
    }
}
