//! The one thread that writes: it takes what waits, writes it with one call, syncs once, publishes, answers.

mod changes;
mod numbered;
mod tail;

use crate::TopicId;
use crate::block::{ALIGNMENT, Block, HEADER_BYTES, Kind};
use crate::config::Durability;
use crate::error::{LogAppendError, TopicError};
use crate::fail::FailPoints;
use crate::index::Run;
use crate::log::Shared;
use crate::queue::{AppendChain, Command, Done, PreparedPart, TopicDone};
use crate::storage::StorageFile;
use crate::topics::{Partition, Topic};
use crate::transactions::Step;
use numbered::{Checked, StagedProducers, Steps, by_partition};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Under `Durability::Os` a sync happens at least this often, which bounds what a power cut can take.
pub(crate) const UNSYNCED_BYTES_MAX: u64 = 64 << 20;
/// The buffer is given back when one large append has grown it past this.
const BUFFER_BYTES_KEPT: usize = 8 << 20;

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub file: Option<Tail>,
    /// The last append staged.
    pub sequence: u64,
    /// The last append written.
    pub written: u64,
    /// The last append known durable.
    pub durable: u64,
    pub group: Group,
    pub unsynced_bytes: u64,
    /// The newest durable mark on disk is older than `durable`.
    pub mark_due: bool,
    /// A file that could not be begun and is still there.
    pub unbegun: Option<String>,
}

/// The file that is being written.
pub(crate) struct Tail {
    number: u64,
    file: Arc<dyn StorageFile>,
    position: u64,
    compacted_bytes: u64,
    /// Behind the position may stand part of a mark.
    ragged: bool,
}

/// What one write and one sync will cover.
#[derive(Default)]
pub(crate) struct Group {
    buffer: Vec<u8>,
    staged: Vec<Staged>,
    answers: Vec<Answer>,
    compacted_bytes: u64,
    changed_topics: HashSet<String>,
    producers: StagedProducers,
}

struct Staged {
    partition: Arc<Partition>,
    run: Run,
    end_offset: i64,
    /// What its part does to transactions.
    steps: Vec<Step>,
}

enum Answer {
    Append(Done, Vec<i64>),
    Topic(TopicDone, Topic, Change),
}

enum Change {
    Put,
    Delete,
}

impl Writer {
    pub(crate) fn run(mut self) {
        let shared = self.shared.clone();
        let _poison = PoisonOnPanic(shared.clone());
        while let Some(commands) = shared.queue.take(shared.options.group_bytes_max) {
            self.write_commands(commands);
            if self.mark_due && shared.queue.is_empty() {
                self.write_mark();
            }
        }
        self.close();
    }

    fn write_commands(&mut self, commands: Vec<Command>) {
        let mut commands = commands.into_iter();
        for command in commands.by_ref() {
            if let Err(error) = self.stage(command) {
                self.poison(&error);
                break;
            }
        }
        if let Some(LogAppendError::Poisoned { reason }) = self.shared.queue.closed() {
            let error = LogAppendError::Poisoned { reason };
            self.fail_group(&error);
            commands.for_each(|command| command.refuse(&error));
            return;
        }
        self.commit_group();
    }

    // ---- staging

    /// Encodes one command into the group. `Err`: the log is broken.
    fn stage(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Append { parts, chain, done } => {
                let broken = chain.as_ref().is_some_and(AppendChain::is_broken);
                let done = match chain {
                    Some(chain) => chain.answering(done),
                    None => done,
                };
                if broken {
                    let reason = "an earlier append of this producer failed".into();
                    done(Err(LogAppendError::Unavailable { reason }));
                    return Ok(());
                }
                self.stage_append(parts, done);
            }
            Command::Metadata { records, done } => {
                let parts = self.metadata_parts(&records);
                self.stage_append(parts, done);
            }
            Command::Topic { change, done } => self.stage_topic(change, done),
            Command::Roll { done } => {
                self.commit_group();
                if let Some(tail) = self.file.take() {
                    self.finish_file(&tail)?;
                }
                done(Ok(Vec::new()));
            }
        }
        Ok(())
    }

    fn stage_append(&mut self, parts: Vec<PreparedPart>, done: Done) {
        if let Some(part) = parts.iter().position(|part| part.partition.deleted.load(Ordering::Acquire)) {
            return done(Err(LogAppendError::UnknownPartition { part }));
        }
        let blocks: usize = parts.iter().map(|part| part.blocks.len()).sum();
        if blocks == 0 {
            let base_offsets = parts.iter().map(|part| part.partition.next_offset.load(Ordering::Relaxed)).collect();
            self.group.answers.push(Answer::Append(done, base_offsets));
            return;
        }
        // A file that cannot be created refuses this append; the others of the group went before it.
        if let Err(error) = self.roll_if_due() {
            return done(Err(self.unavailable(&error)));
        }
        // After a roll, which may have committed or lost what this append follows.
        let steps = match self.check_producers(&parts) {
            Ok(Checked::New(staged, steps)) => {
                self.group.producers.extend(staged);
                steps
            }
            Ok(Checked::Duplicate(base_offset)) => {
                return self.group.answers.push(Answer::Append(done, vec![base_offset]));
            }
            Err(error) => return done(Err(error)),
        };
        self.sequence += 1;
        let base_offsets = self.stage_blocks(&parts, blocks as u32, steps);
        self.group.answers.push(Answer::Append(done, base_offsets));
    }

    fn stage_blocks(&mut self, parts: &[PreparedPart], count: u32, steps: Vec<Steps>) -> Vec<i64> {
        let mut number = 0;
        let mut steps: HashMap<usize, Vec<Step>> = steps.into_iter().collect();
        let mut base_offsets = Vec::with_capacity(parts.len());
        for (part_number, part) in parts.iter().enumerate() {
            // With the part's first block: a transaction is known before a record of it can be read.
            let mut steps = steps.remove(&part_number).unwrap_or_default();
            base_offsets.push(part.partition.next_offset.load(Ordering::Relaxed));
            for block in &part.blocks {
                let records = &part.records[block.from..block.to];
                let header = Block {
                    kind: Kind::Records,
                    payload_len: records.len() as u32,
                    payload_crc: 0,
                    sequence: self.sequence,
                    durable: self.durable,
                    file: 0,
                    position: 0,
                    topic: part.partition.topic,
                    partition: part.partition.index,
                    leader_epoch: self.shared.epoch as i32,
                    base_offset: part.partition.next_offset.load(Ordering::Relaxed),
                    span: block.span,
                    part: number,
                    parts: count,
                    max_timestamp: block.max_timestamp,
                };
                let run = self.stage_block(header, records);
                let end_offset = header.end_offset();
                part.partition.next_offset.store(end_offset, Ordering::Relaxed);
                if part.compacted {
                    self.group.compacted_bytes += u64::from(run.size_bytes);
                }
                self.group.staged.push(Staged {
                    partition: part.partition.clone(),
                    run,
                    end_offset,
                    steps: std::mem::take(&mut steps),
                });
                number += 1;
            }
        }
        base_offsets
    }

    /// Copies one block into the buffer: offsets and epoch are set in each batch, then the checksums are computed.
    fn stage_block(&mut self, mut header: Block, records: &[u8]) -> Run {
        let tail = self.file.as_ref().expect("a file is open before anything is staged");
        let buffer = &mut self.group.buffer;
        let start = buffer.len();
        header.file = tail.number;
        header.position = (tail.position + start as u64) as u32;
        buffer.resize(start + HEADER_BYTES, 0);
        buffer.extend_from_slice(records);
        buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
        let payload = &mut buffer[start + HEADER_BYTES..];
        number_batches(&mut payload[..records.len()], header.base_offset, header.leader_epoch);
        header.payload_crc = crc32c::crc32c(payload);
        let size_bytes = (buffer.len() - start) as u32;
        buffer[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
        Run {
            base_offset: header.base_offset,
            position: header.position,
            size_bytes,
            max_timestamp: header.max_timestamp,
        }
    }

    // ---- committing

    /// Writes and syncs the group, publishes it and answers.
    fn commit_group(&mut self) {
        if self.group.buffer.is_empty() {
            self.answer_group();
            return;
        }
        let fail_points = self.shared.fail_points.clone();
        fail_points.pass(FailPoints::APPEND_BEFORE_WRITE);
        let tail = self.file.as_mut().expect("a staged group has a file");
        if let Err(error) = tail.file.write_at(&self.group.buffer, tail.position) {
            return self.take_back_group(&error);
        }
        fail_points.pass(FailPoints::APPEND_AFTER_WRITE);
        let written = self.group.buffer.len() as u64;
        tail.position += written;
        // A group is longer than a mark.
        tail.ragged = false;
        self.written = self.sequence;
        tail.compacted_bytes += self.group.compacted_bytes;
        self.unsynced_bytes += written;
        if (self.shared.options.durability == Durability::Fsync || self.unsynced_bytes > UNSYNCED_BYTES_MAX)
            && let Err(error) = self.sync()
        {
            self.poison(&error);
            let error = self.shared.queue.closed().unwrap_or(LogAppendError::Closed);
            return self.fail_group(&error);
        }
        fail_points.pass(FailPoints::APPEND_AFTER_SYNC);
        self.publish_group();
        self.answer_group();
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(tail) = &self.file {
            tail.file.sync()?;
        }
        self.unsynced_bytes = 0;
        self.mark_due = self.durable != self.sequence;
        self.durable = self.sequence;
        self.shared.durable.store(self.durable, Ordering::Release);
        Ok(())
    }

    fn publish_group(&mut self) {
        let file = self.file.as_ref().expect("a group was written to it").number;
        let mut bytes = 0;
        // One lock for each partition: whoever saves its state meanwhile has it from before the group, or from after.
        let mut partitions: BTreeMap<(TopicId, i32), Vec<&Staged>> = BTreeMap::new();
        for staged in &self.group.staged {
            partitions.entry((staged.partition.topic, staged.partition.index)).or_default().push(staged);
        }
        let mut producers = by_partition(std::mem::take(&mut self.group.producers));
        for (key, all) in partitions {
            let mut state = all[0].partition.state.write();
            for staged in all {
                bytes += u64::from(staged.run.size_bytes);
                state.tail_chunk(file, staged.run.base_offset).push(staged.run, staged.end_offset);
                staged.steps.iter().for_each(|step| state.transactions.apply(*step));
                state.high_watermark = staged.end_offset;
            }
            state.producers.extend(producers.remove(&key).unwrap_or_default());
        }
        self.shared.files.grow(file, bytes);
    }

    fn answer_group(&mut self) {
        self.group.buffer.clear();
        self.group.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.group.compacted_bytes = 0;
        self.group.changed_topics.clear();
        for answer in self.group.answers.drain(..) {
            match answer {
                Answer::Append(done, base_offsets) => done(Ok(base_offsets)),
                Answer::Topic(done, topic, change) => {
                    let info = topic.info.clone();
                    self.shared.apply(topic, matches!(change, Change::Delete));
                    done(Ok(info));
                }
            }
        }
        let touched: BTreeSet<(TopicId, i32)> =
            self.group.staged.drain(..).map(|staged| (staged.partition.topic, staged.partition.index)).collect();
        for (topic, partition) in touched {
            self.shared.observer.committed(topic, partition);
        }
    }

    /// A write failed (a full disk): nothing of the group stays, and the next one may succeed.
    fn take_back_group(&mut self, cause: &io::Error) {
        let tail = self.file.as_ref().expect("it was written to");
        // What did reach the file must not be found by a later recovery: it was refused.
        let undone = tail.file.truncate(tail.position).and_then(|()| tail.file.sync());
        if let Err(error) = undone {
            self.poison(&error);
            let error = self.shared.queue.closed().unwrap_or(LogAppendError::Closed);
            return self.fail_group(&error);
        }
        self.sequence = self.written;
        (self.durable, self.unsynced_bytes) = (self.sequence, 0);
        let error = self.unavailable(cause);
        self.fail_group(&error);
    }

    fn fail_group(&mut self, error: &LogAppendError) {
        for staged in self.group.staged.drain(..) {
            let durable_end = staged.partition.state.read().high_watermark;
            staged.partition.next_offset.store(durable_end, Ordering::Relaxed);
        }
        self.group.buffer.clear();
        self.group.compacted_bytes = 0;
        self.group.changed_topics.clear();
        self.group.producers.clear();
        for answer in self.group.answers.drain(..) {
            match answer {
                Answer::Append(done, _) => done(Err(error.clone())),
                Answer::Topic(done, ..) => done(Err(TopicError::Unavailable { reason: error.to_string() })),
            }
        }
    }

    // ---- failing

    fn unavailable(&self, cause: &io::Error) -> LogAppendError {
        match self.shared.queue.closed() {
            Some(poisoned @ LogAppendError::Poisoned { .. }) => poisoned,
            _ => LogAppendError::Unavailable { reason: cause.to_string() },
        }
    }

    fn poison(&self, cause: &io::Error) {
        tracing::error!(%cause, "the log is poisoned: a sync failed, so what is on the disk is unknown");
        self.shared.queue.refuse_all(&LogAppendError::Poisoned { reason: cause.to_string() });
    }
}

fn number_batches(mut batches: &mut [u8], mut base_offset: i64, leader_epoch: i32) {
    while !batches.is_empty() {
        let batch = sluice_protocol::RecordBatchRef::parse(batches).expect("checked when it was handed over");
        let (size, span) = (batch.size_bytes(), i64::from(batch.last_offset_delta()) + 1);
        sluice_protocol::set_base_offset(batches, base_offset);
        sluice_protocol::set_leader_epoch(batches, leader_epoch);
        base_offset += span;
        batches = &mut batches[size..];
    }
}

struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.refuse_all(&LogAppendError::Poisoned { reason: "the log's writer panicked".into() });
        }
    }
}
