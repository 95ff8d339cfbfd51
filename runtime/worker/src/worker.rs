//! [`Worker`]: starts, stops and pauses the tasks of this process. Source: Kafka `org.apache.kafka.connect.runtime.Worker`.

use crate::budget::MemoryBudget;
use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::inspect::Inspector;
use crate::task_run::{Lifecycle, TaskParts, run_task};
use crate::task_state::{TaskListener, TaskSpec};
use parking_lot::Mutex;
use sluice_client::Broker;
use sluice_connect_api::PluginRegistry;
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{OffsetBackingStore, TargetState, TopicLog};
use sluice_telemetry::TaskMetrics;
use sluice_telemetry::task_time::timed;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What a worker works with.
pub struct WorkerContext {
    pub broker: Arc<dyn Broker>,
    pub plugins: Arc<PluginRegistry>,
    pub config: WorkerConfig,
    pub listener: Arc<dyn TaskListener>,
    pub offsets: Arc<OffsetBackingStore>,
    /// [`sluice_storage::PLAN_TOPIC`], opened.
    pub plans: Arc<TopicLog>,
    pub clock: Arc<dyn Clock>,
}

/// What all tasks share.
pub(crate) struct Shared {
    pub context: WorkerContext,
    pub budget: MemoryBudget,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartTaskError {
    #[error("task {id} is already there; stop it first")]
    AlreadyStarted { id: TaskId },
    #[error("task {id} cannot start because the worker shuts down")]
    ShuttingDown { id: TaskId },
}

/// Runs tasks. Dropping it drops them at once, as a crash would; [`Worker::shutdown`] ends them in order.
pub struct Worker {
    shared: Arc<Shared>,
    tasks: Mutex<HashMap<TaskId, TaskHandle>>,
    shutting_down: CancellationToken,
}

#[derive(Clone)]
struct TaskHandle {
    target: watch::Sender<TargetState>,
    stop: CancellationToken,
    abort: CancellationToken,
    done: CancellationToken,
    task: tokio::task::AbortHandle,
    inspector: Inspector,
}

impl Worker {
    #[must_use]
    pub fn new(context: WorkerContext) -> Self {
        let budget = MemoryBudget::new(context.config.memory_budget_bytes);
        let shared = Arc::new(Shared { context, budget });
        Self { shared, tasks: Mutex::default(), shutting_down: CancellationToken::new() }
    }

    /// Starts a task; how it fares, the listener hears.
    ///
    /// # Errors
    /// [`StartTaskError`]. A task that cannot be made (class, configuration) is a failed task, not an error here.
    #[allow(clippy::unused_async, reason = "a worker with a process per task will wait here")]
    pub async fn start_task(&self, spec: TaskSpec) -> Result<(), StartTaskError> {
        let id = spec.id.clone();
        let mut tasks = self.tasks.lock();
        if self.shutting_down.is_cancelled() {
            return Err(StartTaskError::ShuttingDown { id });
        }
        if tasks.contains_key(&id) {
            return Err(StartTaskError::AlreadyStarted { id });
        }
        let (target, target_state) = watch::channel(spec.initial_state);
        let (stop, abort, done) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let lifecycle = Lifecycle::new(target_state, stop.clone(), abort.clone());
        let mut parts = TaskParts::new(Arc::clone(&self.shared), spec, lifecycle);
        parts.metrics = TaskMetrics::new(id.connector.as_str(), id.index);
        let inspector = parts.inspector.clone();
        let done_guard = done.clone().drop_guard();
        // Whatever is logged in the task's turns says whose it is.
        let span = tracing::error_span!("task", connector = %id.connector, task = id.index);
        let run = async move {
            let _done = done_guard;
            let metrics = parts.metrics.clone();
            timed(metrics, run_task(parts)).await;
        };
        let task = tokio::spawn(run.instrument(span)).abort_handle();
        tasks.insert(id, TaskHandle { target, stop, abort, done, task, inspector });
        Ok(())
    }

    /// Stops a task, in order: its appends and planned deliveries finish, offsets are committed. After
    /// [`WorkerConfig::task_shutdown_graceful_timeout`] what the connector still does is dropped. Unknown ids are fine.
    pub async fn stop_task(&self, id: &TaskId) {
        let Some(handle) = self.tasks.lock().get(id).cloned() else { return };
        handle.stop(self.shared.context.config.task_shutdown_graceful_timeout).await;
        self.tasks.lock().remove(id);
    }

    /// Pauses or resumes a task; [`TargetState::Stopped`] asks it to stop without waiting for it.
    pub fn set_target_state(&self, id: &TaskId, state: TargetState) {
        if let Some(handle) = self.tasks.lock().get(id) {
            if state == TargetState::Stopped {
                handle.stop.cancel();
            }
            handle.target.send_replace(state);
        }
    }

    /// The tasks that are there, running or ended but not yet stopped.
    #[must_use]
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.tasks.lock().keys().cloned().collect()
    }

    /// Stops every task, all at the same time, and starts no more.
    pub async fn shutdown(&self) {
        self.shutting_down.cancel();
        let handles: Vec<TaskHandle> = self.tasks.lock().values().cloned().collect();
        let timeout = self.shared.context.config.task_shutdown_graceful_timeout;
        futures_util::future::join_all(handles.iter().map(|handle| handle.stop(timeout))).await;
        self.tasks.lock().clear();
    }

    /// Of the connector's tasks that are there, by number.
    pub(crate) fn inspectors(&self, connector: &ConnectorName) -> Vec<(u32, Inspector)> {
        let tasks = self.tasks.lock();
        let of = tasks.iter().filter(|(id, _)| id.connector == *connector);
        let mut inspectors: Vec<_> = of.map(|(id, handle)| (id.index, handle.inspector.clone())).collect();
        inspectors.sort_by_key(|(index, _)| *index);
        inspectors
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn shutting_down(&self) -> &CancellationToken {
        &self.shutting_down
    }

    /// What tasks hold of the memory budget.
    #[must_use]
    pub fn memory_budget(&self) -> &MemoryBudget {
        &self.shared.budget
    }
}

impl TaskHandle {
    async fn stop(&self, graceful_timeout: std::time::Duration) {
        self.stop.cancel();
        if tokio::time::timeout(graceful_timeout, self.done.cancelled()).await.is_ok() {
            return;
        }
        // What the connector does is dropped; what was handed to the log is still waited for.
        self.abort.cancel();
        if tokio::time::timeout(graceful_timeout, self.done.cancelled()).await.is_err() {
            self.task.abort();
            self.done.cancelled().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for handle in self.tasks.get_mut().values() {
            handle.task.abort();
        }
    }
}
