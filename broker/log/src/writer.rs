//! The one thread that writes: it takes what waits, writes it with one call, syncs once, publishes, answers.

mod behind;
mod changes;
mod group;
mod numbered;
mod tail;

use crate::TopicId;
use crate::config::Durability;
use crate::error::{LogAppendError, TopicError};
use crate::fail::FailPoints;
use crate::log::Shared;
use crate::queue::{AppendChain, Command, Done, PreparedPart, TopicDone};
use crate::storage::StorageFile;
use crate::topics::Topic;
use crate::transactions::Step;
use crate::wal::Unsynced;
pub(crate) use behind::Behind;
use behind::{BEHIND_BYTES, Covered};
pub(crate) use group::Group;
use group::{GroupBlock, Place};
use numbered::{Checked, by_partition};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Under `Durability::Os` no more than this is acknowledged and not synced: it bounds what a power cut can take.
pub(crate) const UNSYNCED_BYTES_MAX: u64 = 64 << 20;

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub file: Option<Tail>,
    /// The last group that was put together.
    pub sequence: u64,
    /// The last group written.
    pub written: u64,
    /// The last group known durable.
    pub durable: u64,
    pub group: Group,
    pub unsynced_bytes: u64,
    /// Syncs of what was acknowledged without one.
    pub behind: Behind,
    /// What files that are begun from now on may hold without a sync.
    pub unsynced: Unsynced,
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
    /// Behind the position may stand part of a mark, or of a group that was refused.
    ragged: bool,
    /// Something was written since it was synced.
    dirty: bool,
    unsynced: Unsynced,
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
        if parts.iter().all(|part| part.blocks.is_empty()) {
            let base_offsets = parts.iter().map(|part| part.partition.next_offset.load(Ordering::Relaxed)).collect();
            self.group.answers.push(Answer::Append(done, base_offsets));
            return;
        }
        // A file that cannot be created refuses this append; the others of the group went before it.
        let may_wait = parts.iter().all(|part| self.may_wait(part.durability));
        if let Err(error) = self.roll_if_due(may_wait) {
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
        self.group.must_sync |= !may_wait;
        let mut steps: HashMap<usize, Vec<Step>> = steps.into_iter().collect();
        let base_offsets = parts
            .iter()
            .enumerate()
            .map(|(number, part)| self.group.add(part, steps.remove(&number).unwrap_or_default()));
        let base_offsets = base_offsets.collect();
        self.group.answers.push(Answer::Append(done, base_offsets));
    }

    /// Whether an append to a topic of this durability is acknowledged without a sync.
    fn may_wait(&self, durability: Option<Durability>) -> bool {
        durability.unwrap_or(self.shared.options.durability) == Durability::Os
    }

    // ---- committing

    /// Writes and syncs the group, publishes it and answers.
    fn commit_group(&mut self) {
        if self.group.is_empty() {
            self.answer_group();
            return;
        }
        let fail_points = self.shared.fail_points.clone();
        fail_points.pass(FailPoints::APPEND_BEFORE_WRITE);
        self.sequence += 1;
        let (sequence, durable, leader_epoch) = (self.sequence, self.durable, self.shared.epoch as i32);
        let tail = self.file.as_mut().expect("a staged group has a file");
        let place = Place { sequence, durable, leader_epoch, file: tail.number, position: tail.position };
        self.group.encode(&place);
        if let Err(error) = tail.file.write_at(self.group.bytes(), tail.position) {
            return self.take_back_group(&error);
        }
        fail_points.pass(FailPoints::APPEND_AFTER_WRITE);
        let written = self.group.bytes().len() as u64;
        tail.position += written;
        // A group is longer than a mark.
        (tail.ragged, tail.dirty) = (false, true);
        self.written = self.sequence;
        tail.compacted_bytes += self.group.compacted_bytes;
        self.unsynced_bytes += written;
        if let Err(error) = if self.group.must_sync { self.sync() } else { self.sync_behind() } {
            self.poison(&error);
            let error = self.shared.queue.closed().unwrap_or(LogAppendError::Closed);
            return self.fail_group(&error);
        }
        fail_points.pass(FailPoints::APPEND_AFTER_SYNC);
        self.publish_group();
        self.answer_group();
    }

    fn sync(&mut self) -> io::Result<()> {
        self.settle()?;
        if let Some(tail) = &mut self.file {
            tail.file.sync()?;
            tail.dirty = false;
        }
        self.now_durable(Covered { sequence: self.sequence, bytes: self.unsynced_bytes });
        Ok(())
    }

    /// What nobody waits for is synced beside the writer, unless that cannot keep up.
    fn sync_behind(&mut self) -> io::Result<()> {
        if let Some(covered) = self.behind.ended()? {
            self.now_durable(covered);
        }
        if self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            self.settle()?;
        }
        if self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            return self.sync();
        }
        let Some(tail) = self.file.as_ref().filter(|_| self.behind.is_idle() && self.unsynced_bytes >= BEHIND_BYTES)
        else {
            return Ok(());
        };
        let covered = Covered { sequence: self.sequence, bytes: self.unsynced_bytes };
        let shared = self.shared.clone();
        self.behind.begin(tail.file.clone(), covered, || Box::new(move |error| shared.poison(error)))
    }

    /// Waits for the sync that runs beside the writer.
    fn settle(&mut self) -> io::Result<()> {
        let covered = self.behind.settle()?;
        covered.into_iter().for_each(|covered| self.now_durable(covered));
        Ok(())
    }

    fn now_durable(&mut self, covered: Covered) {
        self.unsynced_bytes -= covered.bytes;
        self.mark_due |= self.durable != covered.sequence;
        self.durable = covered.sequence;
        self.shared.durable.store(self.durable, Ordering::Release);
    }

    fn publish_group(&mut self) {
        let file = self.file.as_ref().expect("a group was written to it").number;
        let mut bytes = 0;
        let mut producers = by_partition(std::mem::take(&mut self.group.producers));
        // One lock for each partition: whoever saves its state meanwhile has it from before the group, or from after.
        let mut partitions: BTreeMap<(TopicId, i32), Vec<&GroupBlock>> = BTreeMap::new();
        for block in self.group.blocks() {
            partitions.entry((block.partition.topic, block.partition.index)).or_default().push(block);
        }
        for (key, blocks) in partitions {
            let mut state = blocks[0].partition.state.write();
            for block in blocks {
                bytes += u64::from(block.run.size_bytes);
                state.tail_chunk(file, block.run.base_offset).push(block.run, block.end_offset());
                block.steps.iter().for_each(|step| state.transactions.apply(*step));
                state.high_watermark = block.end_offset();
            }
            state.producers.extend(producers.remove(&key).unwrap_or_default());
        }
        self.shared.files.grow(file, bytes);
    }

    fn answer_group(&mut self) {
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
        let blocks = self.group.blocks().iter();
        let touched: BTreeSet<_> = blocks.map(|block| (block.partition.topic, block.partition.index)).collect();
        self.group.clear();
        for (topic, partition) in touched {
            self.shared.observer.committed(topic, partition);
        }
    }

    /// A write failed (a full disk): nothing of the group stays, and the next one may succeed.
    fn take_back_group(&mut self, cause: &io::Error) {
        // What did reach the file must not be found by a later recovery: it was refused.
        let undone = self.settle().and_then(|()| {
            let tail = self.file.as_mut().expect("it was written to");
            tail.ragged = true;
            tail.make_whole()
        });
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
        for block in self.group.blocks() {
            let durable_end = block.partition.state.read().high_watermark;
            block.partition.next_offset.store(durable_end, Ordering::Relaxed);
        }
        self.group.clear();
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
        self.shared.poison(cause);
    }
}

impl Shared {
    /// Nothing is taken any more.
    fn poison(&self, cause: &io::Error) {
        tracing::error!(%cause, "the log is poisoned: a sync failed, so what is on the disk is unknown");
        self.queue.refuse_all(&LogAppendError::Poisoned { reason: cause.to_string() });
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
