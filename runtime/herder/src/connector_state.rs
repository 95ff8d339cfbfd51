//! One connector as the herder knows it, and what is shown of it.

use crate::job::Job;
use crate::restart::Failures;
use crate::upgrade::Upgrade;
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::{ConfigMap, ConnectorCapabilities};
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{State, Status, TargetState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use tokio::sync::oneshot;

/// Kafka's `ConnectorInfo`; secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorInfo {
    pub name: ConnectorName,
    pub config: ConfigMap,
    pub tasks: Vec<TaskId>,
    /// `None` when no plugin of this class is installed.
    pub kind: Option<ConnectorKind>,
}

/// Kafka's `ConnectorStateInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorStatus {
    pub name: ConnectorName,
    pub connector: StateInfo,
    /// By task number.
    pub tasks: Vec<(u32, StateInfo)>,
    pub kind: Option<ConnectorKind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInfo {
    pub state: State,
    pub worker_id: String,
    pub trace: Option<String>,
    pub version: Option<String>,
}

/// Kafka's `TaskInfo`; secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    pub id: TaskId,
    pub config: ConfigMap,
}

/// One task's side of the state.
#[derive(Debug, Default)]
pub(crate) struct TaskState {
    pub status: Status,
    /// The worker has it, running or failed.
    pub in_worker: bool,
    pub failures: Failures,
    /// When the supervisor starts it again.
    pub restart_due: Option<Instant>,
    /// Of its plugin, as it was started last.
    pub version: Option<String>,
}

/// What is still to be done for a connector. All of it is handed to the next job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Bring tasks to the target state.
    pub settle: bool,
    /// Ask the plugin for its task configs.
    pub ask: bool,
    pub restart_tasks: BTreeSet<u32>,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.settle |= other.settle;
        self.ask |= other.ask;
        self.restart_tasks.extend(other.restart_tasks);
    }
}

/// One connector as the loop knows it.
#[derive(Default)]
pub(crate) struct ConnectorState {
    pub config: ConfigMap,
    /// Raised with every change of the config.
    pub config_version: u64,
    /// The config that the tasks were made from.
    pub applied_version: u64,
    /// Keys whose values are masked as a whole.
    pub secrets: BTreeSet<String>,
    pub target: TargetState,
    pub kind: Option<ConnectorKind>,
    pub version: Option<String>,
    /// What the plugin said of this config.
    pub capabilities: Option<ConnectorCapabilities>,
    pub task_configs: Option<Vec<ConfigMap>>,
    pub status: Option<Status>,
    pub tasks: BTreeMap<u32, TaskState>,
    pub topics: BTreeSet<String>,
    pub failures: Failures,
    /// When the supervisor asks the plugin again.
    pub restart_due: Option<Instant>,
    /// Its config is gone; it stays until its tasks have stopped.
    pub deleted: bool,
    /// Why its stored config cannot be used.
    pub problems: Vec<String>,
    pub work: Work,
    pub is_busy: Busy,
    /// Who waits until nothing works on it.
    pub waiting: Vec<oneshot::Sender<()>>,
    /// When the plugin wants to be asked again.
    pub refresh_at: Option<Instant>,
    /// Of what references in the config stood for when its tasks were started.
    pub digest: Option<u64>,
    pub upgrade: Option<Upgrade>,
    /// Versions of its plugin that it failed with.
    pub rejected: BTreeSet<String>,
    /// What its status says while it runs.
    pub notice: Option<String>,
}

/// What works on a connector now: at most one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Busy {
    #[default]
    No,
    Job,
    /// Somebody changes its offsets.
    Offsets,
}

impl ConnectorState {
    pub(crate) fn info(&self, name: &ConnectorName) -> ConnectorInfo {
        ConnectorInfo {
            name: name.clone(),
            config: crate::secret_keys::masked(&self.config, &self.secrets),
            tasks: self.task_ids(name),
            kind: self.kind,
        }
    }

    pub(crate) fn task_ids(&self, name: &ConnectorName) -> Vec<TaskId> {
        let count = self.task_configs.as_ref().map_or(0, Vec::len) as u32;
        (0..count).map(|index| TaskId::new(name.clone(), index)).collect()
    }

    pub(crate) fn status(&self, name: &ConnectorName) -> Option<ConnectorStatus> {
        let status = self.status.as_ref()?;
        let tasks = self.tasks.iter().map(|(index, task)| (*index, self.shown_task(task))).collect();
        Some(ConnectorStatus { name: name.clone(), connector: self.shown(status), tasks, kind: self.kind })
    }

    /// Nothing of it has failed or waits to be restarted.
    pub(crate) fn is_well(&self) -> bool {
        let is_well = |status: &Status| !matches!(status.state, State::Failed | State::Restarting);
        self.problems.is_empty()
            && self.status.as_ref().is_none_or(is_well)
            && self.tasks.values().all(|task| is_well(&task.status))
    }

    pub(crate) fn task_status(&self, index: u32) -> Option<StateInfo> {
        self.tasks.get(&index).map(|task| self.shown_task(task))
    }

    fn shown_task(&self, task: &TaskState) -> StateInfo {
        let shown = self.shown(&task.status);
        StateInfo { version: task.version.clone().or(shown.version), ..shown }
    }

    fn shown(&self, status: &Status) -> StateInfo {
        StateInfo {
            state: status.state,
            worker_id: status.worker_id.clone(),
            trace: status.trace.clone().filter(|trace| !trace.is_empty()),
            version: self.version.clone(),
        }
    }

    /// The next job, when there is something to do and nothing is being done.
    pub(crate) fn next_job(&mut self, name: &ConnectorName) -> Option<Job> {
        if self.is_busy != Busy::No || self.work.is_empty() {
            return None;
        }
        self.is_busy = Busy::Job;
        let work = std::mem::take(&mut self.work);
        if work.ask {
            self.refresh_at = None;
        }
        Some(Job {
            name: name.clone(),
            config: self.config.clone(),
            config_version: self.config_version,
            outdated: self.config_version != self.applied_version,
            capabilities: self.capabilities.clone(),
            digest: self.digest,
            secrets: self.secrets.clone(),
            target: if self.deleted { TargetState::Stopped } else { self.target },
            deleted: self.deleted,
            problems: self.problems.clone(),
            rejected: self.rejected.clone(),
            stored_tasks: self.task_configs.clone(),
            in_worker: self.tasks.iter().filter(|(_, task)| task.in_worker).map(|(index, _)| *index).collect(),
            // A failed task stays until somebody restarts it, or the supervisor does.
            failed: self.tasks.iter().filter(|(_, task)| task.has_ended()).map(|(index, _)| *index).collect(),
            work,
        })
    }
}

impl TaskState {
    /// It failed, and nobody has asked for it again yet.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.state, State::Failed | State::Restarting)
    }
}
