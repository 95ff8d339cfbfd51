//! What the files hold: files, their blocks, the blocks' batches, the batches' records.

use super::{Overlay, io_error, named, open, topic_names};
use crate::block::{Block, HEADER_BYTES, Kind};
use crate::recovery::{self, DamagedBlock, TornTail};
use crate::sidecar::{Sidecar, sidecar_name};
use crate::storage::{Storage, StorageFile};
use crate::wal::{FileKind, Unsynced, file_name, parse_file_name};
use crate::{OpenError, TopicId};
use sluice_protocol::{RecordBatchRef, batches, inflated};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A log file.
#[derive(Debug, Clone)]
pub struct FileInfo {
    pub name: String,
    pub size_bytes: u64,
    /// Written by compaction or rewriting.
    pub is_cleaned: bool,
    /// `None`: its first block is gone.
    pub created_ms: Option<i64>,
    /// Whether what was acknowledged in it may not have been synced yet; `None`: its first block is gone.
    pub unsynced: Option<bool>,
    /// The last append in it.
    pub sequence: u64,
    /// Blocks of records.
    pub blocks: usize,
    /// An index that can be believed stands beside it; it is not read at a start.
    pub is_indexed: bool,
    pub damaged: Vec<DamagedBlock>,
    pub torn: Option<TornTail>,
}

/// A block of records of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    pub file: String,
    pub position: u64,
    pub size_bytes: u64,
    /// The append that it belongs to, and which part of how many it is.
    pub sequence: u64,
    pub part: u32,
    pub parts: u32,
    /// Everything up to this append was durable when it was written.
    pub durable: u64,
    pub topic: String,
    pub partition: i32,
    pub leader_epoch: i32,
    pub base_offset: i64,
    /// One past the last.
    pub end_offset: i64,
    pub max_timestamp: i64,
}

/// A record batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchInfo {
    pub base_offset: i64,
    pub last_offset: i64,
    pub count: i32,
    pub size_bytes: usize,
    /// `None`, `Gzip`, … or what is wrong with it.
    pub compression: String,
    /// -1: none.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub is_transactional: bool,
    /// For a marker: whether its transaction was committed.
    pub marker: Option<bool>,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// Why its CRC or its records cannot be believed.
    pub problem: Option<String>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordInfo {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct DumpFilter {
    /// None: all topics.
    pub topic: Option<String>,
    pub partition: Option<i32>,
    /// From this offset on.
    pub offset: Option<i64>,
    /// Down to the records.
    pub records: bool,
}

/// Told of everything in its order. `false` ends the dump.
pub trait Visitor {
    fn file(&mut self, file: &FileInfo) -> bool;
    fn block(&mut self, block: &BlockInfo) -> bool;
    fn batch(&mut self, batch: &BatchInfo) -> bool;
    fn record(&mut self, record: &RecordInfo) -> bool;
}

/// The log's files in their order, and in each what passes the filter.
///
/// # Errors
/// [`OpenError`] when a file cannot be read at all; damage inside is told, not an error.
pub fn dump(storage: &Arc<dyn Storage>, filter: &DumpFilter, visitor: &mut dyn Visitor) -> Result<(), OpenError> {
    let names = known_names(storage);
    for scanned in Files::list(storage)? {
        let file = scanned?;
        if !visitor.file(&file.info) {
            return Ok(());
        }
        for block in file.blocks.iter().filter(|block| block.kind == Kind::Records) {
            let topic = named(&names, block.topic);
            let wanted = filter.topic.as_ref().is_none_or(|wanted| *wanted == topic)
                && filter.partition.is_none_or(|wanted| wanted == block.partition)
                && filter.offset.is_none_or(|wanted| block.end_offset() > wanted);
            if wanted && !dump_block(&file, block, topic, filter, visitor)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Without them when the log cannot be opened: ids are shown then.
fn known_names(storage: &Arc<dyn Storage>) -> HashMap<TopicId, Arc<str>> {
    open(Overlay::new(storage.clone())).map(|(log, _)| topic_names(&log)).unwrap_or_default()
}

fn dump_block(
    file: &ScannedFile,
    block: &Block,
    topic: String,
    filter: &DumpFilter,
    visitor: &mut dyn Visitor,
) -> Result<bool, OpenError> {
    let info = BlockInfo {
        file: file.info.name.clone(),
        position: u64::from(block.position),
        size_bytes: block.size_bytes() as u64,
        sequence: block.sequence,
        part: block.part,
        parts: block.parts,
        durable: block.durable,
        topic,
        partition: block.partition,
        leader_epoch: block.leader_epoch,
        base_offset: block.base_offset,
        end_offset: block.end_offset(),
        max_timestamp: block.max_timestamp,
    };
    if !visitor.block(&info) {
        return Ok(false);
    }
    let payload = file.payload(block)?;
    for batch in batches(&payload) {
        let Ok(batch) = batch else { break };
        if filter.offset.is_some_and(|offset| batch.last_offset() < offset) {
            continue;
        }
        if !visitor.batch(&batch_info(&batch)) || (filter.records && !dump_records(&batch, filter, visitor)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn batch_info(batch: &RecordBatchRef<'_>) -> BatchInfo {
    let compression = match batch.compression() {
        Ok(compression) => format!("{compression:?}"),
        Err(error) => error.to_string(),
    };
    BatchInfo {
        base_offset: batch.base_offset(),
        last_offset: batch.last_offset(),
        count: batch.count(),
        size_bytes: batch.size_bytes(),
        compression,
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: batch.base_sequence(),
        is_transactional: batch.is_transactional(),
        marker: batch.ends_transaction(),
        base_timestamp: batch.base_timestamp(),
        max_timestamp: batch.max_timestamp(),
        problem: check_batch(batch).err(),
    }
}

/// Its CRC, and whether its records can be read and are as many as it says.
pub(super) fn check_batch(batch: &RecordBatchRef<'_>) -> Result<(), String> {
    batch.verify_crc().map_err(|error| error.to_string())?;
    if batch.count() == 0 {
        return Ok(());
    }
    let plain = inflated(batch.bytes()).map_err(|error| error.to_string())?;
    let mut found = 0;
    let mut last = batch.base_offset() - 1;
    for batch in batches(&plain) {
        let batch = batch.map_err(|error| error.to_string())?;
        for record in batch.records().map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset <= last {
                return Err(format!("offset {} stands behind offset {last}", record.offset));
            }
            (found, last) = (found + 1, record.offset);
        }
    }
    if last > batch.last_offset() {
        return Err(format!("it holds offset {last}, and says that it ends at {}", batch.last_offset()));
    }
    if found == batch.count() { Ok(()) } else { Err(format!("it holds {found} records and says {}", batch.count())) }
}

fn dump_records(batch: &RecordBatchRef<'_>, filter: &DumpFilter, visitor: &mut dyn Visitor) -> bool {
    let Ok(plain) = inflated(batch.bytes()) else { return true };
    for batch in batches(&plain).flatten() {
        for record in batch.records().into_iter().flatten().flatten() {
            if filter.offset.is_some_and(|offset| record.offset < offset) {
                continue;
            }
            let headers = record.headers.clone();
            let info = RecordInfo {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: headers.map(|it| (it.key.to_vec(), it.value.map(<[u8]>::to_vec))).collect(),
            };
            if !visitor.record(&info) {
                return false;
            }
        }
    }
    true
}

/// One file, read from its begin to its end.
pub(super) struct ScannedFile {
    pub info: FileInfo,
    pub number: u64,
    /// Records and covers.
    pub blocks: Vec<Block>,
    /// What stands in the index beside it, and what is wrong with that.
    pub sidecar: Option<Result<Sidecar, String>>,
    file: Arc<dyn StorageFile>,
}

impl ScannedFile {
    /// The record batches of a block.
    pub(super) fn payload(&self, block: &Block) -> Result<Vec<u8>, OpenError> {
        let mut payload = vec![0; block.payload_len as usize];
        let at = u64::from(block.position) + HEADER_BYTES as u64;
        let read = self.file.read_at(&mut payload, at).map_err(io_error("read", &self.info.name))?;
        payload.truncate(read);
        Ok(payload)
    }
}

/// The log's files, scanned one after the other in their order.
pub(super) struct Files {
    storage: Arc<dyn Storage>,
    rest: std::vec::IntoIter<(u64, FileKind)>,
    tail: Option<u64>,
    /// The last append before the next file.
    sequence: u64,
}

impl Files {
    pub(super) fn list(storage: &Arc<dyn Storage>) -> Result<Self, OpenError> {
        let names = storage.list().map_err(io_error("list", "the log directory"))?;
        let present: BTreeMap<u64, FileKind> = names.iter().filter_map(|name| parse_file_name(name)).collect();
        let tail = present.iter().filter(|(_, kind)| **kind == FileKind::Log).map(|(number, _)| *number).next_back();
        let rest = present.into_iter().collect::<Vec<_>>().into_iter();
        Ok(Self { storage: storage.clone(), rest, tail, sequence: 0 })
    }

    fn scan(&mut self, number: u64, kind: FileKind) -> Result<ScannedFile, OpenError> {
        let name = file_name(number, kind);
        let file = self.storage.open(&name).map_err(io_error("open", &name))?;
        let size_bytes = file.size().map_err(io_error("read", &name))?;
        let sidecar = self.sidecar(number, size_bytes);
        // An index is written only beside a file that is sealed: then nothing in it can be a torn tail.
        let is_tail = Some(number) == self.tail && !matches!(sidecar, Some(Ok(_)));
        let scan = recovery::scan(&*file, &name, number, self.sequence, is_tail)?;
        if kind == FileKind::Log {
            self.sequence = self.sequence.max(scan.sequence);
        }
        let info = FileInfo {
            name,
            size_bytes,
            is_cleaned: kind == FileKind::Cleaned,
            created_ms: scan.header.map(|header| header.created_ms),
            unsynced: scan.header.map(|header| header.unsynced != Unsynced::Nothing),
            sequence: scan.sequence,
            blocks: scan.blocks.iter().filter(|block| block.kind == Kind::Records).count(),
            is_indexed: matches!(sidecar, Some(Ok(_))),
            damaged: scan.damaged,
            torn: scan.torn,
        };
        Ok(ScannedFile { info, number, blocks: scan.blocks, sidecar, file })
    }

    fn sidecar(&self, number: u64, size_bytes: u64) -> Option<Result<Sidecar, String>> {
        let bytes = super::read_whole(&*self.storage, &sidecar_name(number)).ok()?;
        let Some(sidecar) = Sidecar::decode(&bytes) else {
            return Some(Err("its checksum does not match".to_owned()));
        };
        if sidecar.header.file != number || sidecar.size_bytes != size_bytes {
            return Some(Err("it belongs to another state of its file".to_owned()));
        }
        Some(Ok(sidecar))
    }
}

impl Iterator for Files {
    type Item = Result<ScannedFile, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, kind) = self.rest.next()?;
        Some(self.scan(number, kind))
    }
}
