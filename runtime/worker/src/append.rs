//! One task's appends: what it handed to the log takes effect in memory once durable, also when the task is gone by then.

use crate::budget::Reservation;
use crate::clock::Clock;
use crate::task_run::Lifecycle;
use sluice_client::{Append, AppendError, Appended, Producer};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// How long to wait when the log takes nothing (a full disk) before the same append is tried again.
const UNAVAILABLE_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct TaskProducer {
    pub producer: Box<dyn Producer>,
    /// What has to be waited for before this task may be started again.
    pub settling: TaskTracker,
    pub clock: Arc<dyn Clock>,
    pub lifecycle: Lifecycle,
}

/// An append on its way.
pub(crate) struct InFlight {
    settling: JoinHandle<Result<Appended, AppendError>>,
    answer: Option<Result<Appended, AppendError>>,
}

impl TaskProducer {
    /// Hands an append over, waiting as long as the log is full. `durable` runs once it is durable, and `held` is given
    /// back when it is answered.
    ///
    /// # Errors
    /// As [`Producer::send`], and what made it wait when the task is to stop.
    pub async fn send(
        &self,
        append: &Append,
        held: Option<Reservation>,
        durable: impl FnOnce() + Send + 'static,
    ) -> Result<InFlight, AppendError> {
        let acknowledgement = loop {
            match self.producer.send(append.clone()).await {
                Ok(acknowledgement) => break acknowledgement,
                Err(error) => self.wait_for_room(error).await?,
            }
        };
        let settling = self.settling.spawn(async move {
            let answer = acknowledgement.await;
            drop(held);
            if answer.is_ok() {
                durable();
            }
            answer
        });
        Ok(InFlight { settling, answer: None })
    }

    /// Backpressure: returns when an append that failed should be tried again.
    ///
    /// # Errors
    /// The same error, when trying again cannot help or the task is to stop.
    pub async fn wait_for_room(&self, error: AppendError) -> Result<(), AppendError> {
        if !error.is_retriable() || self.lifecycle.is_stopping() {
            return Err(error);
        }
        tracing::warn!("an append waits and is tried again: {error}");
        tokio::select! {
            () = self.clock.sleep(UNAVAILABLE_DELAY) => Ok(()),
            () = self.lifecycle.stopping() => Err(error),
        }
    }
}

impl InFlight {
    pub fn is_answered(&self) -> bool {
        self.answer.is_some() || self.settling.is_finished()
    }

    /// Waits for the answer; nothing is lost when this is dropped before.
    pub async fn answered(&mut self) {
        if self.answer.is_none() {
            let answer = (&mut self.settling).await;
            let lost = |error| AppendError::Poisoned { reason: format!("an acknowledgement was lost: {error}") };
            self.answer = Some(answer.map_err(lost).and_then(|answer| answer));
        }
    }

    /// Once answered.
    pub fn has_failed(&self) -> bool {
        matches!(self.answer, Some(Err(_)))
    }

    /// Waits until it is durable; nothing is lost when this is dropped before.
    ///
    /// # Errors
    /// Nothing of it landed: as [`sluice_client::Acknowledgement`].
    pub async fn durable(&mut self) -> Result<Appended, AppendError> {
        self.answered().await;
        self.answer.clone().expect("answered just now")
    }
}
