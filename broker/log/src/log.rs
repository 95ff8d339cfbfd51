//! The log as its owner sees it.

mod lookup;
mod reserve;

use crate::config::{Durability, LogOptions, check_topic_name};
use crate::error::{LogAppendError, LogReadError, OpenError, TopicError};
use crate::fail::{Clock, FailPoints};
use crate::files::FileTable;
use crate::housekeeping::{self, Housekeeping};
use crate::index::Damage;
use crate::prepare::prepare;
use crate::queue::{AppendChain, Command, Done, Queue, TopicChange};
use crate::read::{self, LogRead};
use crate::recovery::{self, DamagedBlock, RecoveryReport};
use crate::storage::Storage;
use crate::topics::{Partition, Topic, TopicInfo, TopicTable};
use crate::wal::{Unsynced, file_name};
use crate::writer::{Behind, Group, Writer};
use crate::{TopicId, open};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// One append, all parts together: a position within a file has 32 bits.
const APPEND_BYTES_MAX: usize = 1 << 30;

/// Told by the writer's thread about each partition that has new durable records. It must not block.
pub trait Observer: Send + Sync + 'static {
    fn committed(&self, topic: TopicId, partition: i32);
}

/// Nobody listens.
impl Observer for () {
    fn committed(&self, _topic: TopicId, _partition: i32) {}
}

/// What the log is given from outside.
pub struct LogParts {
    pub storage: Arc<dyn Storage>,
    pub clock: Arc<dyn Clock>,
    pub fail_points: FailPoints,
    pub observer: Arc<dyn Observer>,
    pub options: LogOptions,
}

pub(crate) struct Shared {
    pub storage: Arc<dyn Storage>,
    pub clock: Arc<dyn Clock>,
    pub fail_points: FailPoints,
    pub observer: Arc<dyn Observer>,
    pub options: LogOptions,
    pub queue: Queue,
    pub topics: RwLock<TopicTable>,
    pub metadata: Topic,
    pub files: FileTable,
    pub housekeeping: Housekeeping,
    pub epoch: u32,
    /// The last append known durable, for files that the cleaner writes.
    pub durable: AtomicU64,
    /// Held while a new log start offset is worked out and handed over, so that it never moves back.
    pub starts: Mutex<()>,
    pub producer_ids: AtomicI64,
}

/// Records for one partition of an append.
#[derive(Debug, Clone)]
pub struct LogPart {
    pub topic: TopicId,
    pub partition: i32,
    /// Whole record batches; offsets are assigned by the log.
    pub records: Bytes,
}

/// A topic, as each request needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicFacts {
    pub partitions: i32,
    /// Records carry the time of their append instead of their producer's.
    pub append_time: bool,
    pub max_message_bytes: usize,
}

/// A topic's partition in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    pub partition: i32,
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub size_bytes: u64,
    pub damage: Vec<Damage>,
}

/// One write-ahead log for all partitions. Dropping it closes it in order.
pub struct Log {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Log {
    /// Of topics that have none of their own.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.shared.options.durability
    }

    /// Recovers what is on the disk and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]; what is on the disk was then changed at most by cutting a torn tail.
    pub fn open(parts: LogParts) -> Result<(Self, RecoveryReport), OpenError> {
        let LogParts { storage, clock, fail_points, observer, options } = parts;
        let files = FileTable::new(storage.clone(), options.open_files_max);
        let opened = open::open(&storage, &files, clock.now_ms())?;
        let queue = Queue::new(options.queue_bytes_max);
        let shared = Arc::new(Shared {
            storage,
            clock,
            fail_points,
            observer,
            options,
            queue,
            topics: RwLock::new(opened.topics),
            metadata: opened.metadata,
            files,
            housekeeping: Housekeeping::default(),
            epoch: opened.epoch,
            durable: AtomicU64::new(opened.sequence),
            starts: Mutex::default(),
            producer_ids: AtomicI64::new(opened.producer_ids),
        });
        let writer = Writer {
            shared: shared.clone(),
            file: None,
            sequence: opened.sequence,
            written: opened.sequence,
            durable: opened.sequence,
            group: Group::default(),
            unsynced_bytes: 0,
            behind: Behind::default(),
            unsynced: match shared.options.durability {
                Durability::Fsync => Unsynced::Nothing,
                Durability::Os => Unsynced::Anything,
            },
            mark_due: false,
            unbegun: None,
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|source| OpenError::Io {
                action: "start",
                name: name.to_owned(),
                source,
            })
        };
        let writer = spawn("log-writer", Box::new(move || writer.run()))?;
        let log = Self { shared, threads: Mutex::new(vec![writer]) };
        if let Some(interval) = log.shared.options.housekeeping_interval {
            let shared = log.shared.clone();
            let housekeeper = spawn("log-housekeeping", Box::new(move || housekeeping::run(&shared, interval)))?;
            log.threads.lock().push(housekeeper);
        }
        if !opened.moved.is_empty() {
            let failed = |error: LogAppendError| OpenError::Io {
                action: "record the recovery in",
                name: "the log".into(),
                source: std::io::Error::other(error),
            };
            let (answer, outcome) = mpsc::channel();
            let done: Done = Box::new(move |outcome| drop(answer.send(outcome)));
            log.shared.queue.push(Command::Metadata { records: opened.moved, done }).map_err(failed)?;
            outcome.recv().unwrap_or(Err(LogAppendError::Closed)).map_err(failed)?;
        }
        Ok((log, opened.report))
    }

    /// Hands over one atomic append; `done` learns the base offset of each part once it is durable. Blocks while the
    /// queue is full. An append without records is a barrier: it is answered after everything before it.
    ///
    /// # Errors
    /// Nothing of it will land: [`LogAppendError`]; `done` is then not called.
    pub fn append(&self, parts: &[LogPart], chain: Option<&AppendChain>, done: Done) -> Result<(), LogAppendError> {
        let size_bytes = parts.iter().map(|part| part.records.len()).sum();
        if size_bytes > APPEND_BYTES_MAX {
            return Err(LogAppendError::AppendTooLarge { size_bytes, limit_bytes: APPEND_BYTES_MAX });
        }
        let parts = {
            let topics = self.shared.topics.read();
            let find = |(number, part): (usize, &LogPart)| {
                let unknown = LogAppendError::UnknownPartition { part: number };
                let topic = topics.by_id(part.topic).ok_or(unknown.clone())?.clone();
                let partition = usize::try_from(part.partition).ok().and_then(|at| topic.partitions.get(at));
                let partition = partition.ok_or(unknown)?.clone();
                Ok((number, topic, partition, part.records.clone()))
            };
            parts.iter().enumerate().map(find).collect::<Result<Vec<_>, LogAppendError>>()?
        };
        let parts = parts
            .into_iter()
            .map(|(number, topic, partition, records)| prepare(&topic, &partition, number, records))
            .collect::<Result<Vec<_>, _>>()?;
        self.shared.queue.push(Command::Append { parts, chain: chain.cloned(), done })
    }

    /// Reads whole batches from `offset`; at the high watermark there are none.
    ///
    /// # Errors
    /// [`LogReadError`].
    pub fn read(&self, topic: TopicId, partition: i32, offset: i64, bytes_max: usize) -> Result<LogRead, LogReadError> {
        read::read(&self.shared.files, &*self.partition(topic, partition)?, offset, bytes_max)
    }

    /// The first offset still there and one past the last.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn offsets(&self, topic: TopicId, partition: i32) -> Result<(i64, i64), LogReadError> {
        let partition = self.partition(topic, partition)?;
        let state = partition.state.read();
        Ok((state.log_start_offset, state.high_watermark))
    }

    /// Creates a topic, durably, under the id that the caller drew.
    ///
    /// # Errors
    /// [`TopicError`].
    pub fn create_topic(&self, info: TopicInfo, done: impl FnOnce(Result<TopicInfo, TopicError>) + Send + 'static) {
        let checked = check_topic_name(&info.name)
            .and_then(|()| {
                if (1..=100_000).contains(&info.partitions) {
                    Ok(())
                } else {
                    Err(format!("a topic has 1 to 100000 partitions, not {}", info.partitions))
                }
            })
            .and_then(|()| Topic::new(info.clone(), &[]).map(drop));
        match checked {
            Ok(()) => self.change(TopicChange::Create(info), done),
            Err(reason) => done(Err(TopicError::Invalid(reason))),
        }
    }

    pub fn delete_topic(&self, name: &str, done: impl FnOnce(Result<TopicInfo, TopicError>) + Send + 'static) {
        self.change(TopicChange::Delete(name.to_owned()), done);
    }

    pub fn create_partitions(
        &self,
        name: &str,
        partitions: i32,
        done: impl FnOnce(Result<TopicInfo, TopicError>) + Send + 'static,
    ) {
        self.change(TopicChange::CreatePartitions(name.to_owned(), partitions), done);
    }

    pub fn alter_config(
        &self,
        name: &str,
        changes: BTreeMap<String, Option<String>>,
        done: impl FnOnce(Result<TopicInfo, TopicError>) + Send + 'static,
    ) {
        self.change(TopicChange::AlterConfig(name.to_owned(), changes), done);
    }

    /// By name.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicInfo> {
        self.shared.topics.read().iter().map(|topic| topic.info.clone()).collect()
    }

    #[must_use]
    pub fn topic_id(&self, name: &str) -> Option<TopicId> {
        self.shared.topics.read().named(name).map(|topic| topic.info.id)
    }

    #[must_use]
    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.shared.topics.read().named(name).map(|topic| topic.info.clone())
    }

    /// What a server asks for with each request; `None`: there is no such topic.
    #[must_use]
    pub fn facts(&self, topic: TopicId) -> Option<TopicFacts> {
        self.shared.topics.read().by_id(topic).map(|topic| TopicFacts {
            partitions: topic.info.partitions,
            append_time: topic.settings.append_time,
            max_message_bytes: topic.settings.max_message_bytes,
        })
    }

    #[must_use]
    pub fn topic_by_id(&self, topic: TopicId) -> Option<TopicInfo> {
        self.shared.topics.read().by_id(topic).map(|topic| topic.info.clone())
    }

    /// The epoch of every leader here: raised by each recovery that may have lost records.
    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        self.shared.epoch as i32
    }

    /// Every partition's numbers; `None`: there is no such topic.
    #[must_use]
    pub fn partitions(&self, name: &str) -> Option<Vec<PartitionInfo>> {
        let topic = self.shared.topics.read().named(name)?.clone();
        let describe = |partition: &Arc<Partition>| {
            let state = partition.state.read();
            PartitionInfo {
                partition: partition.index,
                log_start_offset: state.log_start_offset,
                high_watermark: state.high_watermark,
                size_bytes: state.size_bytes(),
                damage: state.damage.clone(),
            }
        };
        Some(topic.partitions.iter().map(describe).collect())
    }

    /// Reads every sealed file and compares all of it with its checksums.
    ///
    /// # Errors
    /// [`OpenError::Io`] for a file that cannot be read.
    pub fn verify(&self) -> Result<Vec<DamagedBlock>, OpenError> {
        let mut damaged = Vec::new();
        for (number, info) in self.shared.files.list().into_iter().filter(|(_, info)| info.sealed) {
            let name = file_name(number, info.kind);
            let failed = |source| OpenError::Io { action: "open", name: name.clone(), source };
            let file = match self.shared.files.open(number) {
                // Removed meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                opened => opened.map_err(failed)?,
            };
            let found = recovery::scan(&*file, &name, number, info.header.sequence, false)?.damaged;
            if !found.is_empty() {
                self.shared.files.change(number, |info| info.damaged = true);
            }
            damaged.extend(found);
        }
        Ok(damaged)
    }

    /// Closes the file that is being written and begins another with the next append.
    pub fn roll(&self) -> Result<(), LogAppendError> {
        let (answer, outcome) = mpsc::channel();
        let done: Done = Box::new(move |outcome| drop(answer.send(outcome)));
        self.shared.queue.push(Command::Roll { done })?;
        outcome.recv().unwrap_or(Err(LogAppendError::Closed)).map(drop)
    }

    /// One round of retention, compaction and removal of files that hold nothing any more. The log's own thread does
    /// this by itself unless it was opened without.
    pub fn housekeep(&self) {
        housekeeping::round(&self.shared);
    }

    /// Why the log takes nothing any more: it is poisoned or closed.
    #[must_use]
    pub fn failure(&self) -> Option<LogAppendError> {
        self.shared.queue.closed()
    }

    /// Bytes of all log files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.shared.files.list().values().map(|file| file.size_bytes).sum()
    }

    /// Finishes what waits, syncs and writes the last mark. Appends are refused from now on.
    pub fn close(&self) {
        self.shared.housekeeping.stop();
        self.shared.queue.close(LogAppendError::Closed);
        for thread in self.threads.lock().drain(..) {
            // A panicking writer has poisoned the queue already.
            let _ = thread.join();
        }
        housekeeping::write_producers(&self.shared);
        housekeeping::write_listing(&self.shared, &self.shared.files.list());
    }

    fn partition(&self, topic: TopicId, partition: i32) -> Result<Arc<Partition>, LogReadError> {
        self.shared.topics.read().partition(topic, partition).cloned().ok_or(LogReadError::UnknownPartition)
    }

    fn change(&self, change: TopicChange, done: impl FnOnce(Result<TopicInfo, TopicError>) + Send + 'static) {
        let mut command = Command::Topic { change, done: Box::new(done) };
        if let Some(why) = self.shared.queue.closed() {
            return command.refuse(&why);
        }
        if let Err(refused) = self.shared.queue.offer(command) {
            let (why, back) = *refused;
            command = back;
            command.refuse(&why);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// A topic as it is from now on, or is no more.
    pub(crate) fn apply(&self, topic: Topic, deleted: bool) {
        let mut topics = self.topics.write();
        if !deleted {
            topics.insert(topic);
            return;
        }
        if let Some(gone) = topics.remove(topic.info.id) {
            for partition in &gone.partitions {
                partition.deleted.store(true, Ordering::Release);
            }
        }
        drop(topics);
        self.housekeeping.wake();
    }
}
