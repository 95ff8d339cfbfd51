//! Statuses on their way to the log: in order, many in one append.

use sluice_storage::{StatusBackingStore, StatusUpdate};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many updates go into one append.
const UPDATES_MAX: usize = 1_000;
/// How many wait for a log that is away.
const KEPT_MAX: usize = 100_000;
/// How long updates that nobody waits for wait for more: what starts or stops has several states one after the other.
const LINGER: Duration = Duration::from_millis(5);
/// How long to wait before statuses are offered again to a log that could not take them.
const UNAVAILABLE_DELAY: Duration = Duration::from_secs(1);

struct Write {
    updates: Vec<StatusUpdate>,
    done: Option<oneshot::Sender<()>>,
}

/// Cheap to clone; the writer ends when the last one is dropped.
#[derive(Clone)]
pub(crate) struct StatusWriter {
    // Unbounded, as the loop must not wait for the disk: a handful per change of a task's state.
    writes: mpsc::UnboundedSender<Write>,
}

impl StatusWriter {
    pub(crate) fn spawn(store: StatusBackingStore) -> Self {
        let (writes, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(store, receiver));
        Self { writes }
    }

    pub(crate) fn write(&self, update: StatusUpdate) {
        // Without a writer the hub is already down.
        let _ = self.writes.send(Write { updates: vec![update], done: None });
    }

    /// Returns when these and all earlier updates are in the log, or could not be written.
    pub(crate) async fn write_durably(&self, updates: Vec<StatusUpdate>) {
        let (done, is_done) = oneshot::channel();
        if self.writes.send(Write { updates, done: Some(done) }).is_ok() {
            let _ = is_done.await;
        }
    }
}

async fn run(store: StatusBackingStore, mut writes: mpsc::UnboundedReceiver<Write>) {
    let mut batch = Vec::new();
    // What a log that was away has not taken yet, oldest first.
    let mut updates = Vec::new();
    loop {
        let received = if updates.is_empty() {
            writes.recv_many(&mut batch, UPDATES_MAX).await
        } else {
            match tokio::time::timeout(UNAVAILABLE_DELAY, writes.recv_many(&mut batch, UPDATES_MAX)).await {
                Ok(0) => return,
                Ok(received) => received,
                Err(_) => 0,
            }
        };
        if received == 0 && updates.is_empty() {
            return;
        }
        let is_complete =
            |batch: &[Write]| batch.len() >= UPDATES_MAX || batch.iter().any(|write| write.done.is_some());
        let complete = async { while !is_complete(&batch) && writes.recv_many(&mut batch, UPDATES_MAX).await > 0 {} };
        let _ = tokio::time::timeout(LINGER, complete).await;
        let mut waiting = Vec::new();
        for write in batch.drain(..) {
            updates.extend(write.updates);
            waiting.extend(write.done);
        }
        if !updates.is_empty() {
            match store.put(&updates).await {
                Ok(()) => updates.clear(),
                Err(error) if error.is_unavailable() && updates.len() < KEPT_MAX => {
                    tracing::warn!(%error, updates = updates.len(), "statuses wait for the log");
                }
                Err(error) => {
                    tracing::error!(%error, updates = updates.len(), "statuses cannot be stored; /status shows them until a restart");
                    updates.clear();
                }
            }
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}
