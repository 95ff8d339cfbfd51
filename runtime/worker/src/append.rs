//! One task's appends: what it handed to the log takes effect in memory once durable, also when the task is gone by then.

use crate::budget::Reservation;
use crate::clock::Clock;
use crate::task_run::Lifecycle;
use parking_lot::Mutex;
use sluice_client::{Append, AppendError, Appended, Producer};
use sluice_connect_api::ConnectorKind;
use sluice_telemetry::TaskMetrics;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// How long to wait when the log takes nothing (a full disk) before the same append is tried again.
pub(crate) const UNAVAILABLE_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct TaskProducer {
    producer: Box<dyn Producer>,
    /// What has to be waited for before this task may be started again.
    settling: TaskTracker,
    /// Answered when everything sent so far has taken effect.
    last: Mutex<Option<oneshot::Receiver<()>>>,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    commits: Commits,
}

/// Which appends commit offsets, and where that is counted.
#[derive(Clone)]
pub(crate) struct Commits {
    /// A source's records are committed with their offsets; a sink also journals what it is about to deliver.
    pub kind: ConnectorKind,
    pub metrics: TaskMetrics,
}

/// An append on its way.
pub(crate) struct InFlight {
    settling: JoinHandle<Result<Appended, AppendError>>,
    answer: Option<Result<Appended, AppendError>>,
}

impl TaskProducer {
    pub fn new(
        producer: Box<dyn Producer>,
        settling: TaskTracker,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
        commits: Commits,
    ) -> Self {
        Self { producer, settling, last: Mutex::default(), clock, lifecycle, commits }
    }

    /// Hands an append over, waiting as long as the log is full. `durable` runs once it is durable, in the order of the
    /// calls, and `held` is given back when it is answered.
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
        let (effective, last) = oneshot::channel();
        let is_commit = self.commits.kind == ConnectorKind::Source || !append.group_offsets.is_empty();
        let commits = is_commit.then(|| (self.commits.metrics.clone(), Instant::now()));
        let before = self.last.lock().replace(last);
        let settling = self.settling.spawn(async move {
            let answer = acknowledgement.await;
            drop(held);
            if let Some((metrics, begin)) = commits {
                metrics.offset_commit_time_ms.took(begin.elapsed());
                metrics.offset_commit_success.set(f64::from(answer.is_ok()));
            }
            if let Some(before) = before {
                // An older offset must not come to stand over a newer one; a dropped sender is as good as an answer.
                let _ = before.await;
            }
            if answer.is_ok() {
                durable();
            }
            let _ = effective.send(());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use sluice_client::Acknowledgement;
    use sluice_storage::TargetState;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    /// Answers each append when the test says so, in any order.
    struct Answering(Mutex<Vec<oneshot::Receiver<()>>>);

    #[async_trait::async_trait]
    impl Producer for Answering {
        async fn send(&self, _: Append) -> Result<Acknowledgement, AppendError> {
            let answer = self.0.lock().remove(0);
            Ok(Acknowledgement::new(async move {
                let _ = answer.await;
                Ok(Appended::default())
            }))
        }
    }

    #[tokio::test]
    async fn appends_take_effect_in_the_order_in_which_they_were_sent() {
        let ((first, one), (second, two)) = (oneshot::channel(), oneshot::channel());
        let (_target, target) = watch::channel(TargetState::Started);
        let lifecycle = Lifecycle::new(target, CancellationToken::new(), CancellationToken::new());
        let answering = Box::new(Answering(Mutex::new(vec![one, two])));
        let commits = Commits { kind: ConnectorKind::Source, metrics: TaskMetrics::default() };
        let producer =
            TaskProducer::new(answering, TaskTracker::new(), Arc::new(SystemClock::default()), lifecycle, commits);
        let effects = Arc::new(Mutex::new(Vec::new()));
        let mut sent = Vec::new();
        for number in 1..=2 {
            let effects = Arc::clone(&effects);
            sent.push(producer.send(&Append::default(), None, move || effects.lock().push(number)).await.unwrap());
        }
        second.send(()).unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        first.send(()).unwrap();
        for in_flight in &mut sent {
            in_flight.durable().await.unwrap();
        }
        assert_eq!(*effects.lock(), [1, 2]);
    }
}
