//! From the files to the index: which blocks count, which partitions they belong to, where everyone begins and ends.

use crate::block::{Block, COVER_COMPACTED, HEADER_BYTES, Kind};
use crate::config::Durability;
use crate::files::{FileInfo, FileTable};
use crate::index::{Chunk, Damage, PartitionState, Run};
use crate::listing::{self, LostFile};
use crate::producers::Snapshot;
use crate::recovery::{self, RecoveryReport, Scan};
use crate::sidecar::{Cover, IndexedChunk, Sidecar, sidecar_name};
use crate::storage::{Storage, StorageFile};
use crate::topics::{METADATA_COPIES, METADATA_TOPIC, MetadataRecord, Partition, Topic, TopicInfo, TopicTable};
use crate::wal::{FileHeader, FileKind, Unsynced};
use crate::writer::UNSYNCED_BYTES_MAX;
use crate::{OpenError, TopicId, read};
use present::Present;
use sluice_protocol::{BATCH_OVERHEAD_BYTES, RecordBatchRef, batches};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

mod present;
mod replay;

/// A record takes at least this much of a file.
const RECORD_BYTES_MIN: u64 = 7;

/// What the writer continues from.
pub(crate) struct Opened {
    pub topics: TopicTable,
    pub metadata: Topic,
    pub sequence: u64,
    pub epoch: u32,
    pub report: RecoveryReport,
    /// Partitions whose next offset was moved ahead: to be recorded before anything else.
    pub moved: Vec<MetadataRecord>,
    /// Producer ids below may have been given out.
    pub producer_ids: i64,
}

#[derive(Default)]
struct Assembly {
    partitions: HashMap<(TopicId, i32), PartitionState>,
    sequence: u64,
    epoch: u32,
    report: RecoveryReport,
    unsynced: Unsynced,
    ends_with_mark: bool,
    lost: Vec<LostFile>,
}

/// Reads every file, cuts a torn tail, and puts the index together.
pub(crate) fn open(storage: &Arc<dyn Storage>, files: &FileTable, now_ms: i64) -> Result<Opened, OpenError> {
    let Present { files: present, indexes, mut doomed } = present::list(storage)?;
    let listing = listing::read(storage);
    // An index without its file: a crash came between their removals.
    let orphans = indexes.into_iter().filter(|number| !present.contains_key(number) && !listing.contains_key(number));
    doomed.extend(orphans.map(sidecar_name));
    let tail = present.iter().filter(|(_, kind)| **kind == FileKind::Log).map(|(number, _)| *number).next_back();
    let mut assembly = Assembly { ends_with_mark: true, ..Assembly::default() };
    for (number, (kind, size)) in listing.iter().filter(|(number, _)| !present.contains_key(*number)) {
        files.pass_number(*number);
        files.lose(*number, *kind, *size);
        assembly.lost.push(LostFile::new(storage, *number, *kind, *size, 0));
    }
    for (number, kind) in present {
        let listed_bytes = listing.get(&number).map_or(0, |(_, size)| *size);
        // What was sealed is durable: nothing of it can be torn.
        let is_tail = Some(number) == tail && listed_bytes == 0;
        assembly.add_file(storage, files, &LogFile { number, kind, is_tail, listed_bytes })?;
    }
    for name in doomed {
        storage.remove(&name).map_err(|source| OpenError::Io { action: "remove", name, source })?;
    }
    let snapshot = replay::read_snapshot(storage);
    assembly.finish(files, snapshot, now_ms)
}

/// The index beside a file, when it can be believed.
fn read_sidecar(storage: &Arc<dyn Storage>, file: &dyn StorageFile, number: u64) -> Option<Sidecar> {
    let index = storage.open(&sidecar_name(number)).ok()?;
    let mut bytes = vec![0; usize::try_from(index.size().ok()?).ok()?];
    let read = index.read_at(&mut bytes, 0).ok()?;
    let sidecar = Sidecar::decode(&bytes[..read])?;
    let header = sidecar.header.encode();
    let mut first = vec![0; header.len()];
    let same = file.read_at(&mut first, 0).ok()? == first.len() && first == header;
    (same && sidecar.header.file == number && sidecar.size_bytes == file.size().ok()?).then_some(sidecar)
}

fn sidecar_info(kind: FileKind, sidecar: &Sidecar) -> FileInfo {
    FileInfo {
        kind,
        size_bytes: sidecar.size_bytes,
        sealed: true,
        damaged: false,
        header: sidecar.header,
        sequence: sidecar.sequence,
        ends_with_mark: sidecar.ends_with_mark,
        indexed: true,
    }
}

fn scan_info(number: u64, kind: FileKind, scan: &Scan) -> FileInfo {
    let unknown =
        FileHeader { file: number, epoch: 0, unsynced: Unsynced::Nothing, created_ms: 0, sequence: scan.sequence };
    FileInfo {
        kind,
        size_bytes: scan.size_bytes,
        sealed: true,
        damaged: !scan.damaged.is_empty(),
        header: scan.header.unwrap_or(unknown),
        sequence: scan.sequence,
        ends_with_mark: scan.ends_with_mark,
        indexed: false,
    }
}

/// One file of the log, and what is known of it before it is read.
struct LogFile {
    number: u64,
    kind: FileKind,
    is_tail: bool,
    /// Its size by the list of sealed files; 0: it is not in there.
    listed_bytes: u64,
}

impl Assembly {
    fn add_file(
        &mut self,
        storage: &Arc<dyn Storage>,
        files: &FileTable,
        &LogFile { number, kind, is_tail, listed_bytes }: &LogFile,
    ) -> Result<(), OpenError> {
        let name = crate::wal::file_name(number, kind);
        let failed = |action| {
            let name = name.clone();
            move |source| OpenError::Io { action, name, source }
        };
        let file = storage.open(&name).map_err(failed("open"))?;
        files.pass_number(number);
        if let Some(sidecar) = read_sidecar(storage, &*file, number) {
            files.add(number, sidecar_info(kind, &sidecar));
            self.add_sidecar(kind, sidecar);
            return Ok(());
        }
        let mut scan = recovery::scan(&*file, &name, number, self.sequence, is_tail)?;
        if let Some(torn) = &scan.torn {
            scan.size_bytes = torn.position;
            if torn.position == 0 {
                storage.remove(&name).and_then(|()| storage.sync_dir()).map_err(failed("remove"))?;
            } else {
                file.truncate(torn.position).map_err(failed("cut"))?;
            }
        }
        if is_tail {
            // A killed process may have written what it did not sync. It is about to be readable, so it must stay.
            file.sync().and_then(|()| storage.sync_dir()).map_err(failed("sync"))?;
        }
        let mut info = scan_info(number, kind, &scan);
        // Whose a block was that cannot be read, its file's index may still say.
        let nameless = listed_bytes > 0 && scan.damaged.iter().any(|damaged| damaged.offsets.is_none());
        if scan.size_bytes < listed_bytes || nameless {
            let found_bytes = scan.size_bytes.min(listed_bytes);
            self.lost.push(LostFile::new(storage, number, kind, listed_bytes, found_bytes));
            // As it was, so that it is missed again at the next start.
            (info.size_bytes, info.damaged) = (listed_bytes, true);
            files.add(number, info);
        } else if scan.size_bytes > 0 {
            files.add(number, info);
        }
        self.add_scan(number, kind, scan);
        Ok(())
    }

    fn add_sidecar(&mut self, kind: FileKind, sidecar: Sidecar) {
        for IndexedChunk { topic, partition, cover, chunk } in sidecar.chunks {
            let state = self.partitions.entry((topic, partition)).or_default();
            match cover {
                Cover::None => state.add_chunk(chunk),
                Cover::Moved | Cover::Compacted => state.cover(chunk, cover == Cover::Compacted),
            }
        }
        self.add_file_facts(kind, sidecar.sequence, sidecar.ends_with_mark, Some(sidecar.header));
    }

    fn add_file_facts(&mut self, kind: FileKind, sequence: u64, ends_with_mark: bool, header: Option<FileHeader>) {
        if kind == FileKind::Log {
            self.sequence = self.sequence.max(sequence);
            self.ends_with_mark = ends_with_mark;
            self.unsynced = header.map_or(self.unsynced, |header| header.unsynced);
        }
        self.epoch = self.epoch.max(header.map_or(0, |header| header.epoch));
    }

    fn add_scan(&mut self, number: u64, kind: FileKind, scan: Scan) {
        for block in scan.blocks.iter().filter(|block| block.kind == Kind::Cover) {
            let mut chunk = Chunk::new(number, block.base_offset);
            chunk.end_offset = block.end_offset();
            let state = self.partitions.entry((block.topic, block.partition)).or_default();
            state.cover(chunk, block.part == COVER_COMPACTED);
        }
        for damaged in &scan.damaged {
            if let Some(lost) = &damaged.offsets {
                let at = format!("log file {number} at byte {}", damaged.position);
                let reason = format!("a block whose checksum does not match in {at}");
                let state = self.partitions.entry((lost.topic, lost.partition)).or_default();
                state.add_damage(lost.base_offset, lost.end_offset, reason);
            }
        }
        // Whose a block without a readable header was shows in the gap between its neighbours.
        let gaps_are_damage = scan.damaged.iter().any(|damaged| damaged.offsets.is_none());
        for block in scan.blocks.iter().filter(|block| block.kind == Kind::Records) {
            let state = self.partitions.entry((block.topic, block.partition)).or_default();
            let expected = state.end_offset();
            if gaps_are_damage && block.base_offset > expected {
                state.add_damage(expected, block.base_offset, format!("a block is missing in log file {number}"));
            }
            state.add_block(number, block);
        }
        self.add_file_facts(kind, scan.sequence, scan.ends_with_mark, scan.header);
        self.report.torn.extend(scan.torn);
        self.report.damaged.extend(scan.damaged);
    }

    fn finish(mut self, files: &FileTable, snapshot: Snapshot, now_ms: i64) -> Result<Opened, OpenError> {
        let copies = (0..METADATA_COPIES).map(|copy| self.take_partition(METADATA_TOPIC, copy)).collect();
        let info =
            TopicInfo { name: "__log".into(), id: METADATA_TOPIC, partitions: METADATA_COPIES, config: compacted() };
        let metadata = Topic { settings: metadata_settings(&info), info, partitions: copies };
        let records = read_metadata(files, &metadata)?;
        self.report.missing = self.lost.iter().map(|file| file.missing).collect();
        let RecoveryReport { torn, damaged, missing, .. } = &self.report;
        let unclean = !(torn.is_empty() && damaged.is_empty() && missing.is_empty());
        let unsynced = self.unsynced != Unsynced::Nothing && !self.ends_with_mark;
        self.report.clean = !unclean;
        let mut topics = TopicTable::default();
        let mut bounds = HashMap::new();
        let mut producer_ids = 0;
        for record in records {
            match record {
                MetadataRecord::Topic(info) => {
                    let id = info.id;
                    let kept: Vec<_> = match topics.by_id(id) {
                        Some(topic) => topic.partitions.clone(),
                        None => (0..info.partitions).map(|index| self.take_partition(id, index)).collect(),
                    };
                    let name = info.name.to_string();
                    let topic = Topic::new(info, &kept).map_err(|reason| OpenError::Damaged { name, reason })?;
                    topics.insert(topic);
                }
                MetadataRecord::TopicDeleted(id) => drop(topics.remove(id)),
                MetadataRecord::Partition { topic, partition, log_start_offset, next_offset_min } => {
                    bounds.insert((topic, partition), (log_start_offset, next_offset_min));
                }
                MetadataRecord::PartitionDeleted { topic, partition } => drop(bounds.remove(&(topic, partition))),
                MetadataRecord::ProducerIds { reserved_to } => producer_ids = reserved_to.max(producer_ids),
            }
        }
        for topic in topics.iter() {
            for partition in &topic.partitions {
                partition.set_bounds(bounds.get(&(partition.topic, partition.index)).copied());
            }
        }
        if !self.lost.is_empty() {
            let all = topics.iter().flat_map(|topic| &topic.partitions).chain(&metadata.partitions);
            for partition in all {
                let key = (partition.topic, partition.index);
                let mut state = partition.state.write();
                self.report.damaged.extend(listing::fence_gaps(&self.lost, key, &mut state));
                partition.next_offset.store(state.high_watermark, Ordering::Relaxed);
            }
        }
        replay::producers(files, &topics, snapshot, now_ms);
        let moved = if unclean || unsynced { self.move_next_offsets(&topics, &metadata, unsynced) } else { Vec::new() };
        let epoch = if unclean || unsynced { self.epoch + 1 } else { self.epoch };
        Ok(Opened { topics, metadata, sequence: self.sequence, epoch, report: self.report, moved, producer_ids })
    }

    /// The partition as found on disk; of a partition that grows later, what was found under that number.
    fn take_partition(&mut self, topic: TopicId, index: i32) -> Arc<Partition> {
        let partition = Partition::new(topic, index);
        let mut state = self.partitions.remove(&(topic, index)).unwrap_or_default();
        state.high_watermark = state.end_offset();
        partition.next_offset.store(state.high_watermark, Ordering::Relaxed);
        *partition.state.write() = state;
        partition
    }

    /// Records may have been lost: no offset that was handed out for one of them is handed out again.
    fn move_next_offsets(&self, topics: &TopicTable, metadata: &Topic, unsynced: bool) -> Vec<MetadataRecord> {
        let unsynced_by = if unsynced { UNSYNCED_BYTES_MAX / RECORD_BYTES_MIN } else { 0 };
        let mut all_by = 0;
        let mut ends: HashMap<(TopicId, i32), i64> = HashMap::new();
        for torn in &self.report.torn {
            // Too short for a block with a record in it: a mark that was not synced, as after most crashes.
            let records_fit = torn.unreadable && torn.size_bytes as usize > HEADER_BYTES + BATCH_OVERHEAD_BYTES;
            all_by = all_by.max(if records_fit { torn.size_bytes / RECORD_BYTES_MIN } else { 0 });
            for lost in &torn.offsets {
                let end = ends.entry((lost.topic, lost.partition)).or_default();
                *end = lost.end_offset.max(*end);
            }
        }
        for LostFile { missing, .. } in self.lost.iter().filter(|file| file.index.is_none()) {
            all_by = all_by.max((missing.size_bytes - missing.found_bytes) / RECORD_BYTES_MIN + 1);
        }
        for damaged in &self.report.damaged {
            match &damaged.offsets {
                None => all_by = all_by.max(damaged.size_bytes / RECORD_BYTES_MIN + 1),
                Some(lost) => {
                    let end = ends.entry((lost.topic, lost.partition)).or_default();
                    *end = lost.end_offset.max(*end);
                }
            }
        }
        let mut moved = Vec::new();
        let all = topics.iter().map(|topic| &**topic).chain([metadata]);
        let all = all.flat_map(|topic| topic.partitions.iter().map(move |it| (topic, it)));
        for (topic, partition) in all {
            let key = (partition.topic, partition.index);
            let mut state = partition.state.write();
            // What a synced topic acknowledged was on the disk, and what it did not acknowledge was never readable.
            let may_wait = match (self.unsynced, topic.settings.durability) {
                (_, Some(durability)) => durability == Durability::Os,
                (unsynced, None) => unsynced == Unsynced::Anything,
            };
            let by = all_by.max(if may_wait { unsynced_by } else { 0 });
            let next = (state.high_watermark + by as i64).max(ends.get(&key).copied().unwrap_or(0));
            if next > state.high_watermark {
                state.high_watermark = next;
                partition.next_offset.store(next, Ordering::Relaxed);
                moved.push(MetadataRecord::Partition {
                    topic: partition.topic,
                    partition: partition.index,
                    log_start_offset: state.log_start_offset,
                    next_offset_min: next,
                });
            }
        }
        moved
    }
}

impl PartitionState {
    fn end_offset(&self) -> i64 {
        let damaged = self.damage.iter().map(|damage| damage.end_offset).max().unwrap_or(0);
        self.chunks.back().map_or(0, |chunk| chunk.end_offset).max(damaged)
    }

    pub(crate) fn add_damage(&mut self, base_offset: i64, end_offset: i64, reason: String) {
        let known = |d: &Damage| d.base_offset <= base_offset && d.end_offset >= end_offset;
        if !self.damage.iter().any(known) {
            self.damage.push(Damage { base_offset, end_offset, reason });
        }
    }

    /// A chunk of a cleaned file replaces what older files hold of its range.
    fn cover(&mut self, chunk: Chunk, compacted: bool) {
        let range = chunk.base_offset..chunk.end_offset;
        self.chunks.retain(|chunk| chunk.base_offset < range.start || chunk.end_offset > range.end);
        let at = self.chunks.partition_point(|chunk| chunk.base_offset < range.start);
        self.chunks.insert(at, chunk);
        // Nothing damaged is moved: what an older file lacks of this range was moved before.
        let rest = |d: Damage| {
            let before = Damage { end_offset: d.end_offset.min(range.start), ..d.clone() };
            let behind = Damage { base_offset: d.base_offset.max(range.end), ..d };
            [before, behind].into_iter().filter(|d| d.base_offset < d.end_offset)
        };
        self.damage = std::mem::take(&mut self.damage).into_iter().flat_map(rest).collect();
        if compacted {
            self.cleaned_to = self.cleaned_to.max(range.end);
        }
    }

    fn add_chunk(&mut self, chunk: Chunk) {
        // Otherwise a later file covers it: the cleaner was done, and this file not yet removed.
        if chunk.base_offset >= self.chunks.back().map_or(0, |last| last.end_offset) {
            self.chunks.push_back(chunk);
        }
    }

    fn add_block(&mut self, file: u64, block: &Block) {
        let run = Run {
            base_offset: block.base_offset,
            position: block.position,
            size_bytes: block.size_bytes() as u32,
            max_timestamp: block.max_timestamp,
        };
        // A cleaned file may hold several stretches of a partition; each begins with a cover.
        let covered = |chunk: &&mut Chunk| chunk.file == file && block.end_offset() <= chunk.end_offset;
        if let Some(chunk) = self.chunks.iter_mut().find(covered) {
            chunk.push(run, block.end_offset());
        } else if block.base_offset >= self.chunks.back().map_or(0, |chunk| chunk.end_offset) {
            self.tail_chunk(file, block.base_offset).push(run, block.end_offset());
        }
        // Otherwise a later file covers it: the cleaner was done, and this file not yet removed.
    }
}

impl Partition {
    fn set_bounds(&self, bounds: Option<(i64, i64)>) {
        let mut state = self.state.write();
        if let Some((log_start_offset, next_offset_min)) = bounds {
            state.log_start_offset = log_start_offset;
            state.high_watermark = state.high_watermark.max(next_offset_min).max(log_start_offset);
        }
        let start = state.log_start_offset;
        state.chunks.retain(|chunk| chunk.end_offset > start);
        self.next_offset.store(state.high_watermark, Ordering::Relaxed);
        self.start_asked.store(state.log_start_offset, Ordering::Relaxed);
    }
}

fn compacted() -> BTreeMap<String, String> {
    BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())])
}

fn metadata_settings(info: &TopicInfo) -> crate::config::TopicSettings {
    crate::config::TopicSettings::parse(&info.config).expect("cleanup.policy=compact is valid")
}

/// Every metadata record in order, from whichever copy still has it.
fn read_metadata(files: &FileTable, metadata: &Topic) -> Result<Vec<MetadataRecord>, OpenError> {
    let mut found: BTreeMap<i64, MetadataRecord> = BTreeMap::new();
    for copy in &metadata.partitions {
        let end = copy.state.read().high_watermark;
        let mut offset = 0;
        while offset < end {
            // A damaged stretch ends a read; the other copy has what stood there.
            let read = match read::read(files, copy, offset, 1 << 20) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, copy = copy.index, "a copy of the log's metadata is damaged");
                    offset = next_readable(copy, offset);
                    continue;
                }
            };
            let mut next = end;
            for batch in batches(&read.records).flatten() {
                next = batch.last_offset() + 1;
                decode_batch(&batch, &mut found);
            }
            offset = next.max(offset + 1);
        }
    }
    Ok(found.into_values().collect())
}

fn decode_batch(batch: &RecordBatchRef<'_>, found: &mut BTreeMap<i64, MetadataRecord>) {
    for record in batch.records().into_iter().flatten().flatten() {
        if let Some(decoded) = record.key.and_then(|key| MetadataRecord::decode(key, record.value)) {
            found.insert(record.offset, decoded);
        }
    }
}

/// The first offset behind `offset` at which another run begins.
fn next_readable(copy: &Partition, offset: i64) -> i64 {
    let state = copy.state.read();
    let runs = state.chunks.iter().flat_map(|chunk| &chunk.runs).map(|run| run.base_offset);
    let damage = state.damage.iter().map(|damage| damage.end_offset);
    runs.chain(damage).filter(|at| *at > offset).min().unwrap_or(state.high_watermark)
}
