//! The loop that owns every connector's state. It waits for messages and timers, never for a plugin, a task or the disk.

use crate::connector_state::{Busy, ConnectorState, TaskState, Work};
use crate::herder::HerderConfig;
use crate::job::{JobContext, Outcome};
use crate::overview::Startups;
use crate::restart::{RestartPolicy, Verdict};
use crate::secret_keys::secret_keys;
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{State, Status, StatusUpdate, Statuses, StoredConnector, TargetState, TopicStatus};
use sluice_telemetry::registry::forget;
use sluice_worker::jitter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// How long the last statuses may take when the hub stops.
const LAST_STATUSES: Duration = Duration::from_secs(5);

pub(crate) enum Message {
    /// A request of a caller: reads or changes the state, and answers by itself.
    Call(Box<dyn FnOnce(&mut StateLoop) + Send>),
    Task {
        id: TaskId,
        event: TaskEvent,
    },
    TaskStarting {
        id: TaskId,
        generation: u64,
        /// Of its plugin.
        version: String,
    },
    TaskStopped {
        id: TaskId,
    },
    ReconfigurationRequested {
        connector: ConnectorName,
    },
    JobDone {
        name: ConnectorName,
        outcome: Box<Outcome>,
    },
    Shutdown {
        done: oneshot::Sender<()>,
    },
}

pub(crate) enum TaskEvent {
    Running,
    Paused,
    Failed { trace: String },
    Shutdown,
    Topic { topic: String },
}

/// Unbounded, since the worker's listener must not block; what it carries is bounded by state changes of tasks and by
/// the REST server's own limit on requests.
#[derive(Clone)]
pub(crate) struct Messages(pub mpsc::UnboundedSender<Message>);

impl Messages {
    /// A message to a loop that has ended is lost: the hub is stopping.
    pub(crate) fn send(&self, message: Message) {
        let _ = self.0.send(message);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    RestartTask(u32),
    RestartConnector,
    Refresh,
    Upgrade,
}

pub(crate) struct StateLoop {
    pub connectors: BTreeMap<ConnectorName, ConnectorState>,
    pub config: HerderConfig,
    pub jobs: Arc<JobContext>,
    running_jobs: JoinSet<()>,
    pub timers: BTreeSet<(Instant, ConnectorName, Timer)>,
    /// Connectors that this message has given work.
    touched: BTreeSet<ConnectorName>,
    /// Counts changes of any status.
    changes: watch::Sender<u64>,
    pub startups: Startups,
}

impl StateLoop {
    pub(crate) fn new(config: HerderConfig, jobs: Arc<JobContext>, changes: watch::Sender<u64>) -> Self {
        let (connectors, timers, touched) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let (running_jobs, startups) = (JoinSet::new(), Startups::default());
        Self { connectors, config, jobs, running_jobs, timers, touched, changes, startups }
    }

    /// Takes over what an earlier process left behind.
    pub(crate) fn restore(&mut self, stored: BTreeMap<ConnectorName, StoredConnector>, statuses: Statuses) {
        for (name, stored) in stored {
            let mut secrets = secret_keys(&self.jobs.plugins, &stored.config);
            let is_url = |key: &String| stored.config.get(key).is_some_and(|value| value.contains("://"));
            secrets.extend(stored.sealed.into_iter().filter(|key| !is_url(key)));
            let state = ConnectorState {
                config: stored.config,
                secrets,
                target: stored.target_state,
                // Without task configs of this config there is nothing to start yet.
                applied_version: u64::from(stored.task_configs.is_some()),
                config_version: 1,
                task_configs: stored.task_configs,
                problems: stored.problems,
                rejected: self.jobs.configs.rejected_versions(&name),
                work: Work { settle: true, ask: stored.target_state == TargetState::Started, ..Work::default() },
                // There it is, and nobody works on it yet: a status, not none.
                status: Some(Status { worker_id: self.config.worker_id.clone(), ..Status::default() }),
                ..ConnectorState::default()
            };
            self.connectors.insert(name.clone(), state);
            self.touched.insert(name);
        }
        for topic in statuses.topics {
            if let Some(state) = self.connectors.get_mut(&ConnectorName::new(topic.connector.as_str())) {
                state.topics.insert(topic.name);
            }
        }
        self.start_jobs();
    }

    pub(crate) async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        loop {
            let timer = self.timers.first().map(|(due, ..)| tokio::time::Instant::from_std(*due));
            let message = tokio::select! {
                message = messages.recv() => message,
                () = sleep_until(timer) => {
                    self.fire_timers(Instant::now());
                    None
                }
                Some(_) = self.running_jobs.join_next() => None,
            };
            match message {
                Some(Message::Shutdown { done }) => {
                    self.shut_down(&mut messages).await;
                    let _ = done.send(());
                    return;
                }
                Some(message) => self.handle(message),
                None => {}
            }
            self.start_jobs();
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Call(call) => call(self),
            Message::Task { id, event } => self.task_event(&id, event),
            Message::TaskStarting { id, generation, version } => self.task_starting(&id, generation, version),
            Message::TaskStopped { id } => {
                if let Some(task) = self.task_mut(&id) {
                    task.in_worker = false;
                }
            }
            Message::ReconfigurationRequested { connector } => self.ask_again(&connector),
            Message::JobDone { name, outcome } => self.job_done(&name, *outcome),
            Message::Shutdown { .. } => unreachable!("the loop takes this message itself"),
        }
    }

    /// Marks a connector as having work for a job.
    pub(crate) fn give_work(&mut self, name: &ConnectorName, work: Work) {
        if let Some(state) = self.connectors.get_mut(name) {
            state.work.merge(work);
            self.touched.insert(name.clone());
        }
    }

    fn start_jobs(&mut self) {
        for name in std::mem::take(&mut self.touched) {
            let Some(job) = self.connectors.get_mut(&name).and_then(|state| state.next_job(&name)) else { continue };
            let jobs = Arc::clone(&self.jobs);
            self.running_jobs.spawn(async move {
                let outcome = Box::new(job.run(&jobs).await);
                jobs.messages.send(Message::JobDone { name, outcome });
            });
        }
    }

    fn job_done(&mut self, name: &ConnectorName, outcome: Outcome) {
        let Some(state) = self.connectors.get_mut(name) else { return };
        state.is_busy = Busy::No;
        self.changes.send_modify(|count| *count += 1);
        // Who asked for something during this job waits for the next one.
        if state.work.is_empty() {
            for waiting in state.waiting.drain(..) {
                let _ = waiting.send(());
            }
        }
        self.touched.insert(name.clone());
        if state.deleted {
            if state.tasks.values().all(|task| !task.in_worker) && state.work.is_empty() {
                self.forget(name);
            }
            return;
        }
        if state.config_version == outcome.config_version {
            if let Some((kind, version)) = outcome.plugin {
                (state.kind, state.version) = (Some(kind), Some(version));
            }
            state.capabilities = outcome.capabilities;
            state.digest = outcome.digest;
        }
        if let Some(configs) = outcome.task_configs {
            state.task_configs = Some(configs);
        }
        match outcome.result {
            Ok(()) => {
                if outcome.asked {
                    state.applied_version = outcome.config_version;
                }
                self.connector_settled(name, outcome.asked, outcome.refresh);
            }
            Err(trace) => self.connector_failed(name, &trace),
        }
    }

    fn connector_settled(&mut self, name: &ConnectorName, asked: bool, refresh: Option<std::time::Duration>) {
        let Some(state) = self.connectors.get_mut(name) else { return };
        let count = state.task_configs.as_ref().map_or(0, Vec::len) as u32;
        let surplus: Vec<u32> = state.tasks.keys().filter(|index| **index >= count).copied().collect();
        for index in surplus {
            state.tasks.remove(&index);
            forget(name.as_str(), Some(index));
            self.jobs.statuses.write(StatusUpdate::RemoveTask(TaskId::new(name.clone(), index)));
        }
        if state.target == TargetState::Paused {
            for index in 0..count {
                state.tasks.entry(index).or_default();
            }
        }
        let now = Instant::now();
        state.failures.started(now);
        if asked && let Some(refresh) = refresh {
            let due = now + refresh;
            state.refresh_at = Some(due);
            self.timers.insert((due, name.clone(), Timer::Refresh));
        }
        let shown = match state.target {
            TargetState::Started => State::Running,
            TargetState::Paused => State::Paused,
            TargetState::Stopped => State::Stopped,
        };
        let is_paused = state.target == TargetState::Paused;
        let unstarted: Vec<u32> =
            state.tasks.iter().filter(|(_, task)| is_paused && !task.in_worker).map(|(index, _)| *index).collect();
        let notice = state.notice.clone();
        self.set_connector_status(name, shown, notice);
        self.go_on_upgrading(name);
        for index in unstarted {
            self.set_task_status(&TaskId::new(name.clone(), index), State::Paused, None);
        }
    }

    fn connector_failed(&mut self, name: &ConnectorName, trace: &str) {
        if self.rolls_back(name, None, trace) {
            return;
        }
        let Some(state) = self.connectors.get_mut(name) else { return };
        let policy = self.config.restart.with(&state.config);
        tracing::error!(connector = %name, reason = trace, "connector failed");
        self.startups.connectors.count(false);
        let now = Instant::now();
        match state.failures.failed(&policy, now, jitter()) {
            Verdict::Restart { attempt, after } => {
                let due = now + after;
                state.restart_due = Some(due);
                self.timers.insert((due, name.clone(), Timer::RestartConnector));
                let trace = restart_trace(attempt, &policy, after, trace);
                self.set_connector_status(name, State::Restarting, Some(trace));
            }
            verdict => self.set_connector_status(name, State::Failed, Some(failed_trace(verdict, trace))),
        }
    }

    fn task_starting(&mut self, id: &TaskId, generation: u64, version: String) {
        let worker_id = self.jobs.worker_id.clone();
        let Some(state) = self.connectors.get_mut(&id.connector) else { return };
        let task = state.tasks.entry(id.index).or_default();
        task.in_worker = true;
        (task.restart_due, task.version) = (None, Some(version));
        let state = if task.has_ended() { State::Restarting } else { State::Unassigned };
        task.status = Status { state, trace: task.status.trace.take(), worker_id, generation };
    }

    fn task_event(&mut self, id: &TaskId, event: TaskEvent) {
        let Some(task) = self.task_mut(id) else { return };
        match event {
            TaskEvent::Running => {
                task.failures.started(Instant::now());
                if is_starting(task.status.state) {
                    self.startups.tasks.count(true);
                }
                self.set_task_status(id, State::Running, None);
                self.watch_upgraded(id);
            }
            TaskEvent::Paused => self.set_task_status(id, State::Paused, None),
            TaskEvent::Failed { trace } => self.task_failed(id, &trace),
            TaskEvent::Shutdown if task.has_ended() => {}
            TaskEvent::Shutdown => self.set_task_status(id, State::Unassigned, None),
            TaskEvent::Topic { topic } => self.topic_used(id, topic),
        }
    }

    fn task_failed(&mut self, id: &TaskId, trace: &str) {
        if self.rolls_back(&id.connector, Some(id.index), trace) {
            return;
        }
        let Some(state) = self.connectors.get_mut(&id.connector) else { return };
        let policy = self.config.restart.with(&state.config);
        let Some(task) = state.tasks.get_mut(&id.index) else { return };
        tracing::error!(connector = %id.connector, task = id.index, reason = trace, "task failed");
        if is_starting(task.status.state) {
            self.startups.tasks.count(false);
        }
        let now = Instant::now();
        match task.failures.failed(&policy, now, jitter()) {
            Verdict::Restart { attempt, after } => {
                let due = now + after;
                task.restart_due = Some(due);
                self.timers.insert((due, id.connector.clone(), Timer::RestartTask(id.index)));
                let trace = restart_trace(attempt, &policy, after, trace);
                self.set_task_status(id, State::Restarting, Some(trace));
            }
            verdict => self.set_task_status(id, State::Failed, Some(failed_trace(verdict, trace))),
        }
    }

    fn topic_used(&mut self, id: &TaskId, topic: String) {
        if !self.config.topic_tracking {
            return;
        }
        let Some(state) = self.connectors.get_mut(&id.connector) else { return };
        if state.topics.insert(topic.clone()) {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.jobs.statuses.write(StatusUpdate::Topic(TopicStatus {
                name: topic,
                connector: id.connector.to_string(),
                task: id.index,
                discover_timestamp: since_epoch.as_millis() as i64,
            }));
        }
    }

    fn ask_again(&mut self, connector: &ConnectorName) {
        self.give_work(connector, Work { ask: true, ..Work::default() });
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some((due, ..)) = self.timers.first()
            && *due <= now
        {
            let Some((due, name, timer)) = self.timers.pop_first() else { return };
            let Some(state) = self.connectors.get_mut(&name) else { continue };
            match timer {
                Timer::RestartTask(index) => {
                    // A task that was restarted by hand meanwhile has another due time, or none.
                    let task = state.tasks.get_mut(&index);
                    if task.is_some_and(|task| task.restart_due.take_if(|at| *at == due).is_some()) {
                        let restart_tasks = BTreeSet::from([index]);
                        self.give_work(&name, Work { settle: true, restart_tasks, ..Work::default() });
                    }
                }
                Timer::RestartConnector => {
                    if state.restart_due.take_if(|at| *at == due).is_some() {
                        self.give_work(&name, Work { settle: true, ask: true, ..Work::default() });
                    }
                }
                Timer::Refresh => {
                    let is_running = state.target == TargetState::Started;
                    if state.refresh_at.take_if(|at| *at == due).is_some() && is_running {
                        self.ask_again(&name);
                    }
                }
                Timer::Upgrade => self.upgrade_timer(&name, due),
            }
        }
    }

    pub(crate) fn set_connector_status(&mut self, name: &ConnectorName, new: State, trace: Option<String>) {
        let worker_id = self.jobs.worker_id.clone();
        let Some(state) = self.connectors.get_mut(name) else { return };
        let generation = self.jobs.generation.load(Ordering::Relaxed);
        let is_same = state.status.as_ref().is_some_and(|old| old.state == new && old.trace == trace);
        if is_same {
            return;
        }
        let was = state.status.as_ref().map(|status| status.state);
        if new == State::Running && was.is_some_and(|was| !matches!(was, State::Running | State::Paused)) {
            self.startups.connectors.count(true);
        }
        let status = Status { state: new, trace, worker_id, generation };
        state.status = Some(status.clone());
        self.changes.send_modify(|count| *count += 1);
        self.jobs.statuses.write(StatusUpdate::Connector(name.clone(), status));
    }

    pub(crate) fn set_task_status(&mut self, id: &TaskId, new: State, trace: Option<String>) {
        let worker_id = self.jobs.worker_id.clone();
        let Some(task) = self.task_mut(id) else { return };
        if task.status.state == new && task.status.trace == trace && task.status.worker_id == worker_id {
            return;
        }
        task.status = Status { state: new, trace, worker_id, generation: task.status.generation };
        let update = StatusUpdate::Task(id.clone(), task.status.clone());
        self.changes.send_modify(|count| *count += 1);
        self.jobs.statuses.write(update);
    }

    fn task_mut(&mut self, id: &TaskId) -> Option<&mut TaskState> {
        self.connectors.get_mut(&id.connector)?.tasks.get_mut(&id.index)
    }

    fn forget(&mut self, name: &ConnectorName) {
        let Some(state) = self.connectors.remove(name) else { return };
        forget(name.as_str(), None);
        let statuses = &self.jobs.statuses;
        statuses.write(StatusUpdate::RemoveConnector(name.clone()));
        for index in state.tasks.into_keys() {
            statuses.write(StatusUpdate::RemoveTask(TaskId::new(name.clone(), index)));
        }
        for topic in state.topics {
            statuses.write(StatusUpdate::RemoveTopic { topic, connector: name.clone() });
        }
    }

    async fn shut_down(&mut self, messages: &mut mpsc::UnboundedReceiver<Message>) {
        self.running_jobs.shutdown().await;
        self.jobs.worker.shutdown().await;
        // The last states of the tasks are among them.
        while let Ok(message) = messages.try_recv() {
            if let Message::Task { .. } = message {
                self.handle(message);
            }
        }
        // A log that is away must not keep the process; the next one finds tasks that were running, and starts them.
        if tokio::time::timeout(LAST_STATUSES, self.jobs.statuses.write_durably(Vec::new())).await.is_err() {
            tracing::warn!("the last statuses could not be stored in time");
        }
    }
}

/// It was started, and has neither run nor failed since.
fn is_starting(state: State) -> bool {
    matches!(state, State::Unassigned | State::Restarting)
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn restart_trace(attempt: u32, policy: &RestartPolicy, after: std::time::Duration, trace: &str) -> String {
    format!("{trace}\n(restart {attempt} of {} follows after {} ms)", policy.attempts_max, after.as_millis())
}

fn failed_trace(verdict: Verdict, trace: &str) -> String {
    match verdict {
        Verdict::GiveUp { attempts } => {
            format!("{trace}\n(failed again after {attempts} restarts in a row; restart it once the cause is gone)")
        }
        Verdict::Restart { .. } | Verdict::Leave => trace.to_owned(),
    }
}
