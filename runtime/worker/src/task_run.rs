//! One task from start to end: what it is given, its life cycle, and how its end is told.

use crate::append::{Commits, TaskProducer, UNAVAILABLE_DELAY};
use crate::inspect::Inspector;
use crate::sink_task::WorkerSinkTask;
use crate::source_task::WorkerSourceTask;
use crate::task_config::ConnectorSettings;
use crate::task_error::TaskError;
use crate::task_info::task_info;
use crate::task_state::TaskSpec;
use crate::transformation_chain::LinkStage;
use crate::worker::Shared;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, select_all};
use parking_lot::Mutex;
use sluice_client::Producer;
use sluice_connect_api::connector::TaskRequests;
use sluice_connect_api::plugin_version::VersionRange;
use sluice_connect_api::{ConnectError, ConnectorKind, PluginError, PluginFactory, TaskContext};
use sluice_storage::TargetState;
use sluice_telemetry::TaskMetrics;
use sluice_telemetry::event::{TaskLabels, TaskStateChanged};
use std::any::Any;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the user wants of a running task.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    target: watch::Receiver<TargetState>,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Lifecycle {
    pub fn new(target: watch::Receiver<TargetState>, stop: CancellationToken, abort: CancellationToken) -> Self {
        Self { target, stop, abort }
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    pub fn is_paused(&self) -> bool {
        *self.target.borrow() == TargetState::Paused
    }

    /// Returns when the task should look at its state again: it is to stop or to pause.
    pub async fn interrupted(&mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.target.wait_for(|state| *state == TargetState::Paused) => {}
        }
    }

    /// Returns when the task is no longer paused, or is to stop.
    pub async fn resumed(&mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.target.wait_for(|state| *state != TargetState::Paused) => {}
        }
    }

    /// A connector's call, given up when the graceful time is over.
    pub async fn abortable<T>(&self, call: impl Future<Output = T>) -> Result<T, TaskError> {
        tokio::select! {
            biased;
            () = self.abort.cancelled() => Err(TaskError::Aborted),
            answer = call => Ok(answer),
        }
    }
}

/// What a task's connector asks for.
pub(crate) struct Requests {
    shared: Arc<Shared>,
    spec: Arc<TaskSpec>,
    commit: Notify,
    pause: Mutex<Option<Duration>>,
    events: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl Requests {
    /// The wait that the source asked for, once.
    pub fn take_pause(&self) -> Option<Duration> {
        self.pause.lock().take()
    }

    /// Ends with the first event that the source asked to be polled on; `None`: it asked for none.
    pub fn take_event(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let events = std::mem::take(&mut *self.events.lock());
        (!events.is_empty()).then(|| select_all(events).map(drop))
    }

    pub async fn commit_requested(&self) {
        self.commit.notified().await;
    }
}

impl TaskRequests for Requests {
    fn request_commit(&self) {
        self.commit.notify_one();
    }

    fn request_reconfiguration(&self) {
        self.shared.context.listener.on_reconfiguration_requested(&self.spec.id.connector);
    }

    fn pause(&self, duration: Duration) {
        *self.pause.lock() = Some(duration);
    }

    fn poll_on(&self, event: BoxFuture<'static, ()>) {
        self.events.lock().push(event);
    }
}

/// What both loops are made of.
pub(crate) struct TaskParts {
    pub shared: Arc<Shared>,
    pub spec: Arc<TaskSpec>,
    pub lifecycle: Lifecycle,
    pub requests: Arc<Requests>,
    /// What the task has handed to the log and that takes effect in memory when durable.
    pub settling: TaskTracker,
    pub inspector: Inspector,
    /// Nobody sees those of a run that is no task: of dead letters that are sent again.
    pub metrics: TaskMetrics,
    topics: BTreeSet<Arc<str>>,
}

impl TaskParts {
    pub fn new(shared: Arc<Shared>, spec: TaskSpec, lifecycle: Lifecycle) -> Self {
        let spec = Arc::new(spec);
        let requests = Requests {
            shared: Arc::clone(&shared),
            spec: Arc::clone(&spec),
            commit: Notify::new(),
            pause: Mutex::default(),
            events: Mutex::default(),
        };
        Self {
            shared,
            spec,
            lifecycle,
            requests: Arc::new(requests),
            settling: TaskTracker::new(),
            inspector: Inspector::default(),
            metrics: TaskMetrics::default(),
            topics: BTreeSet::new(),
        }
    }

    pub fn labels(&self) -> TaskLabels<'_> {
        TaskLabels { connector: self.spec.id.connector.as_str(), task: self.spec.id.index }
    }

    pub fn context(&self) -> TaskContext {
        TaskContext {
            id: self.spec.id.clone(),
            generation: self.spec.generation,
            config: self.spec.task_config.clone(),
            offsets: self.shared.context.offsets.reader(&self.spec.id.connector),
            requests: Arc::clone(&self.requests) as Arc<dyn TaskRequests>,
        }
    }

    /// The connector's plugin, in the version that this task is to run.
    ///
    /// # Errors
    /// It was removed.
    pub fn plugin(&self) -> Result<Arc<dyn PluginFactory>, PluginError> {
        let wanted = VersionRange::exactly(&self.spec.version);
        self.shared.context.plugins.connector_version(&self.spec.class, &wanted, &BTreeSet::new())
    }

    pub fn producer(&self, producer: Box<dyn Producer>) -> TaskProducer {
        let (clock, lifecycle) = (Arc::clone(&self.shared.context.clock), self.lifecycle.clone());
        let commits = Commits { kind: self.spec.kind, metrics: self.metrics.clone() };
        TaskProducer::new(producer, self.settling.clone(), clock, lifecycle, commits)
    }

    /// One writer at a time: a later start of this task fences this one.
    pub fn transactional_id(&self) -> String {
        self.shared.context.config.transactional_id(&self.spec.id)
    }

    /// Asks the log until it answers: one that is elsewhere and away for a while is waited for.
    ///
    /// # Errors
    /// The log's own that waiting does not mend, and any once the task is to stop.
    pub async fn patiently<T, E, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, TaskError>
    where
        E: Into<TaskError>,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.wait_for_log(error.into()).await?,
            }
        }
    }

    /// Returns when the log should be asked again.
    ///
    /// # Errors
    /// The same error, when asking again cannot help or the task is to stop.
    pub async fn wait_for_log(&self, error: TaskError) -> Result<(), TaskError> {
        let may_wait = self.shared.context.config.waits_for_log && !self.lifecycle.is_stopping();
        if !may_wait || !error.is_unavailable() {
            return Err(error);
        }
        tracing::warn!("the task waits for the log: {}", error.to_failure().message);
        tokio::select! {
            () = self.shared.context.clock.sleep(UNAVAILABLE_DELAY) => Ok(()),
            () = self.lifecycle.stopping() => Err(error),
        }
    }

    /// Shows what came out of each transformation, to whoever looks.
    pub fn show_links(&self, stages: &[LinkStage], partition: Option<i32>) {
        for LinkStage { alias, class, batches } in stages {
            let stage = (format!("transforms.{alias}"), Some(&**class));
            self.inspector.batches(stage, batches, partition, &self.shared.context.plugins);
        }
    }

    pub fn connector_error(&self, operation: &'static str, source: ConnectError) -> TaskError {
        TaskError::Connector { operation, class: self.spec.class.clone(), source }
    }

    pub fn uses_topic(&mut self, topic: &Arc<str>) {
        if self.topics.insert(Arc::clone(topic)) {
            self.shared.context.listener.on_topic(&self.spec.id, topic);
        }
    }

    pub fn started(&self) {
        self.changed("RUNNING", "");
        self.shared.context.listener.on_startup(&self.spec.id);
    }

    /// Holds the task until it is resumed; `false` when it is to stop instead.
    pub async fn await_resume(&mut self) -> bool {
        self.changed("PAUSED", "");
        self.shared.context.listener.on_pause(&self.spec.id);
        self.lifecycle.resumed().await;
        !self.lifecycle.is_stopping()
    }

    pub fn resumed(&self) {
        self.changed("RUNNING", "");
        self.shared.context.listener.on_resume(&self.spec.id);
    }

    fn changed(&self, state: &str, reason: &str) {
        TaskStateChanged { labels: self.labels(), state, reason }.emit(&self.metrics);
    }
}

/// Runs the task to its end and tells the listener how it ended. Whatever goes wrong in it, a panic too, ends here.
pub(crate) async fn run_task(parts: TaskParts) {
    let (shared, spec) = (Arc::clone(&parts.shared), Arc::clone(&parts.spec));
    let labels = TaskLabels { connector: spec.id.connector.as_str(), task: spec.id.index };
    let listener = &shared.context.listener;
    let (settling, metrics) = (parts.settling.clone(), parts.metrics.clone());
    let ended = AssertUnwindSafe(execute(parts)).catch_unwind().await;
    // Before the task may start again, what it has handed to the log must have taken effect, or not.
    settling.close();
    settling.wait().await;
    let ended = ended.unwrap_or_else(|panic| Err(TaskError::Panicked { message: panic_message(&*panic) }));
    match ended {
        Ok(()) => {
            TaskStateChanged { labels, state: "UNASSIGNED", reason: "" }.emit(&metrics);
            listener.on_shutdown(&spec.id);
        }
        Err(error) => {
            let failure = error.to_failure().hide(&spec.hidden);
            TaskStateChanged { labels, state: "FAILED", reason: &failure.message }.emit(&metrics);
            listener.on_failure(&spec.id, failure);
        }
    }
}

async fn execute(mut parts: TaskParts) -> Result<(), TaskError> {
    // A task that begins paused holds nothing yet.
    if parts.lifecycle.is_paused() && !parts.await_resume().await {
        return Ok(());
    }
    if parts.lifecycle.is_stopping() {
        return Ok(());
    }
    let settings = ConnectorSettings::parse(&parts.spec.connector_config, &parts.shared.context.config)?;
    task_info(&parts, &settings).show(parts.labels().connector, parts.labels().task);
    match parts.spec.kind {
        ConnectorKind::Source => Box::pin(WorkerSourceTask::build(parts, settings).await?.run()).await,
        ConnectorKind::Sink => Box::pin(WorkerSinkTask::build(parts, settings).await?.run()).await,
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
