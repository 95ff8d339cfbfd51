//! What waits for the writer: bounded in bytes, in the order in which it was handed over.

use crate::config::Durability;
use crate::error::{LogAppendError, TopicError};
use crate::producers::ProducerBatch;
use crate::topics::{MetadataRecord, Partition, TopicInfo};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Called once, on the writer's thread, in the order of the log. It must not block.
pub type Done = Box<dyn FnOnce(Result<Vec<i64>, LogAppendError>) + Send>;
pub(crate) type TopicDone = Box<dyn FnOnce(Result<TopicInfo, TopicError>) + Send>;

/// Batches that become one block.
#[derive(Debug)]
pub(crate) struct PreparedBlock {
    /// Into the part's records.
    pub from: usize,
    pub to: usize,
    pub span: u32,
    pub max_timestamp: i64,
}

/// One partition's share of an append, checked.
#[derive(Debug)]
pub(crate) struct PreparedPart {
    pub partition: Arc<Partition>,
    pub records: Bytes,
    pub blocks: Vec<PreparedBlock>,
    /// Batches of idempotent producers.
    pub numbered: Vec<ProducerBatch>,
    pub batches: usize,
    pub compacted: bool,
    /// The topic's own; `None`: the hub's.
    pub durability: Option<Durability>,
}

pub(crate) enum TopicChange {
    Create(TopicInfo),
    Delete(String),
    CreatePartitions(String, i32),
    AlterConfig(String, BTreeMap<String, Option<String>>),
}

pub(crate) enum Command {
    Append {
        parts: Vec<PreparedPart>,
        chain: Option<AppendChain>,
        done: Done,
    },
    Topic {
        change: TopicChange,
        done: TopicDone,
    },
    Metadata {
        records: Vec<MetadataRecord>,
        done: Done,
    },
    /// Closes the file that is being written, if it holds anything.
    Roll {
        done: Done,
    },
}

impl Command {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Append { parts, .. } => parts.iter().map(|part| part.records.len()).sum::<usize>() + 128,
            _ => 256,
        }
    }

    /// Answers that it was not done.
    pub(crate) fn refuse(self, error: &LogAppendError) {
        match self {
            Self::Append { chain: Some(chain), done, .. } => chain.answering(done)(Err(error.clone())),
            Self::Append { done, .. } | Self::Metadata { done, .. } | Self::Roll { done } => done(Err(error.clone())),
            Self::Topic { done, .. } => done(Err(TopicError::Unavailable { reason: error.to_string() })),
        }
    }
}

/// Appends that must not overtake each other: when one fails, those handed over behind it fail too, until their owner
/// has seen all outcomes. Without it an append that is tried again would land behind its successor.
#[derive(Debug, Clone, Default)]
pub struct AppendChain(Arc<Mutex<ChainState>>);

#[derive(Debug, Default)]
struct ChainState {
    unseen: usize,
    broken: bool,
}

/// An append whose outcome its owner has not seen. Dropping it says that it was seen, or that nobody will look.
#[derive(Debug)]
#[must_use = "dropping it at once says that the outcome was seen"]
pub struct Unseen(AppendChain);

impl AppendChain {
    /// Before an append is handed over; kept until its outcome was seen.
    pub fn enter(&self) -> Unseen {
        let mut state = self.0.lock();
        if state.unseen == 0 {
            state.broken = false;
        }
        state.unseen += 1;
        Unseen(self.clone())
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.lock().broken
    }

    /// `done`, and the chain learns the outcome first.
    pub(crate) fn answering(self, done: Done) -> Done {
        Box::new(move |outcome| {
            self.0.lock().broken |= outcome.is_err();
            done(outcome);
        })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.0.lock().unseen -= 1;
    }
}

pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    room: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Command>,
    bytes: usize,
    /// Why nothing is taken any more.
    closed: Option<LogAppendError>,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { inner: Mutex::default(), arrived: Condvar::new(), room: Condvar::new(), bytes_max }
    }

    /// Blocks while the queue is full; a command that is larger than the queue passes when it is empty.
    pub(crate) fn push(&self, command: Command) -> Result<(), LogAppendError> {
        let size = command.size_bytes();
        let mut inner = self.inner.lock();
        while inner.closed.is_none() && inner.bytes > 0 && inner.bytes + size > self.bytes_max {
            self.room.wait(&mut inner);
        }
        if let Some(error) = &inner.closed {
            return Err(error.clone());
        }
        inner.bytes += size;
        inner.waiting.push_back(command);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes a small command also when the queue is full; gives it back when it is refused.
    pub(crate) fn offer(&self, command: Command) -> Result<(), Box<(LogAppendError, Command)>> {
        let mut inner = self.inner.lock();
        if let Some(error) = &inner.closed {
            return Err(Box::new((error.clone(), command)));
        }
        inner.bytes += command.size_bytes();
        inner.waiting.push_back(command);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next commands, about `bytes_max` of them; blocks until there is one. `None`: closed and empty.
    pub(crate) fn take(&self, bytes_max: usize) -> Option<Vec<Command>> {
        let mut inner = self.inner.lock();
        while inner.waiting.is_empty() {
            if inner.closed.is_some() {
                return None;
            }
            self.arrived.wait(&mut inner);
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(next) = inner.waiting.front() {
            let size = next.size_bytes();
            if !taken.is_empty() && bytes + size > bytes_max {
                break;
            }
            bytes += size;
            taken.extend(inner.waiting.pop_front());
        }
        inner.bytes -= bytes;
        self.room.notify_all();
        Some(taken)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner.lock().waiting.is_empty()
    }

    /// Takes nothing more; what waits is still done.
    pub(crate) fn close(&self, why: LogAppendError) {
        let mut inner = self.inner.lock();
        inner.closed.get_or_insert(why);
        self.arrived.notify_all();
        self.room.notify_all();
    }

    /// Takes nothing more and answers `why` to everything that waits.
    pub(crate) fn refuse_all(&self, why: &LogAppendError) {
        let refused = {
            let mut inner = self.inner.lock();
            inner.closed = Some(why.clone());
            inner.bytes = 0;
            self.arrived.notify_all();
            self.room.notify_all();
            std::mem::take(&mut inner.waiting)
        };
        refused.into_iter().for_each(|command| command.refuse(why));
    }

    pub(crate) fn closed(&self) -> Option<LogAppendError> {
        self.inner.lock().closed.clone()
    }
}
