//! Syncs beside the writer: what was acknowledged without a sync (`Durability::Os`) reaches the disk while appends go on.
//!
//! One sync at a time. The kernel tells an error of write-back once for an open file, so whoever syncs the same file by
//! itself takes this one's outcome first: a success behind an error that nobody heard would be a lie.

use crate::storage::StorageFile;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

/// What a sync beside the writer is begun for. Measured: 99 of 100 records at 24 MB/s were with their consumer after 3 to
/// 4 ms; with syncs each 1 or 16 MiB after 6 ms and more.
pub(super) const BEHIND_BYTES: u64 = 4 << 20;

/// Told of an error by the thread that meets it, whatever the writer is doing.
pub(super) type Failed = Box<dyn Fn(&io::Error) + Send>;

#[derive(Default)]
pub(crate) struct Behind {
    /// Begun with the first order.
    thread: Option<Thread>,
    under_way: Option<Covered>,
}

/// What a sync covers: everything up to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Covered {
    pub sequence: u64,
    /// Of what was unsynced when it began.
    pub bytes: u64,
}

struct Thread {
    orders: Sender<Arc<dyn StorageFile>>,
    outcomes: Receiver<io::Result<()>>,
}

impl Behind {
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Begins a sync of the file; none is under way.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn begin(
        &mut self,
        file: Arc<dyn StorageFile>,
        covered: Covered,
        failed: impl FnOnce() -> Failed,
    ) -> io::Result<()> {
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => Thread::start(failed())?,
        };
        thread.orders.send(file).map_err(|_| gone())?;
        self.thread = Some(thread);
        self.under_way = Some(covered);
        Ok(())
    }

    /// What a sync that has ended meanwhile covers; does not wait.
    ///
    /// # Errors
    /// The sync's.
    pub(super) fn ended(&mut self) -> io::Result<Option<Covered>> {
        let (Some(_), Some(thread)) = (self.under_way, &self.thread) else { return Ok(None) };
        match thread.outcomes.try_recv() {
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
            Ok(outcome) => {
                let covered = self.under_way.take();
                outcome.map(|()| covered)
            }
        }
    }

    /// Waits for the one that is under way.
    ///
    /// # Errors
    /// The sync's.
    pub(super) fn settle(&mut self) -> io::Result<Option<Covered>> {
        let (Some(_), Some(thread)) = (self.under_way, &self.thread) else { return Ok(None) };
        let outcome = thread.outcomes.recv().unwrap_or_else(|_| Err(gone()));
        let covered = self.under_way.take();
        outcome.map(|()| covered)
    }
}

impl Thread {
    fn start(failed: Failed) -> io::Result<Self> {
        let (orders, ordered) = channel::<Arc<dyn StorageFile>>();
        let (answer, outcomes) = channel();
        let run = move || {
            for file in ordered {
                let outcome = file.sync();
                if let Err(error) = &outcome {
                    failed(error);
                }
                if answer.send(outcome).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("log-sync".to_owned()).spawn(run)?;
        Ok(Self { orders, outcomes })
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs beside the writer is gone")
}
