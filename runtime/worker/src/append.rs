//! One task's appends: what it handed to the log takes effect in memory once durable, also when the task is gone by then.

use crate::budget::Reservation;
use sluice_client::{Append, AppendError, Appended, Producer};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

pub(crate) struct TaskProducer {
    producer: Box<dyn Producer>,
    settling: TaskTracker,
}

/// An append on its way.
pub(crate) struct InFlight {
    settling: JoinHandle<Result<Appended, AppendError>>,
    answer: Option<Result<Appended, AppendError>>,
}

impl TaskProducer {
    /// `settling`: what has to be waited for before this task may be started again.
    pub fn new(producer: Box<dyn Producer>, settling: TaskTracker) -> Self {
        Self { producer, settling }
    }

    /// Hands an append over. `durable` runs once it is, and `held` is given back when it is answered.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send(
        &self,
        append: Append,
        held: Option<Reservation>,
        durable: impl FnOnce() + Send + 'static,
    ) -> Result<InFlight, AppendError> {
        let acknowledgement = self.producer.send(append).await?;
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

    /// Waits until it is durable; nothing is lost when this is dropped before.
    ///
    /// # Errors
    /// Nothing of it landed: as [`sluice_client::Acknowledgement`].
    pub async fn durable(&mut self) -> Result<Appended, AppendError> {
        self.answered().await;
        self.answer.clone().expect("answered just now")
    }
}
