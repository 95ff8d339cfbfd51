//! What callers ask of the loop: each a quick change of its state that gives work to a job.

use crate::connector_state::{Busy, ConnectorInfo, ConnectorState, ConnectorStatus, Work};
use crate::herder::RestartRequest;
use crate::state_loop::StateLoop;
use crate::validation;
use sluice_connect_api::ConfigMap;
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{State, StatusUpdate, TargetState};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

impl StateLoop {
    pub(crate) fn live(&self) -> impl Iterator<Item = (&ConnectorName, &ConnectorState)> {
        self.connectors.iter().filter(|(_, state)| !state.deleted)
    }

    pub(crate) fn put_config(
        &mut self,
        name: &ConnectorName,
        config: ConfigMap,
        secrets: BTreeSet<String>,
        target: Option<TargetState>,
    ) -> ConnectorInfo {
        let plugin = validation::find_connector(&self.jobs.plugins, &config).ok();
        let state = self.connectors.entry(name.clone()).or_default();
        if state.deleted {
            // Its tasks may still be stopping; they are not those of the new one.
            (state.task_configs, state.target, state.status, state.deleted) = (None, TargetState::Started, None, false);
        }
        state.config = config;
        state.config_version += 1;
        state.secrets = secrets;
        state.target = target.unwrap_or(state.target);
        state.kind = plugin.as_ref().map(|plugin| plugin.kind());
        state.version = plugin.map(|plugin| plugin.definition().version.clone());
        state.capabilities = None;
        state.problems.clear();
        state.failures.reset();
        state.restart_due = None;
        let info = state.info(name);
        self.forget_rejected(name);
        let state = self.connectors.entry(name.clone()).or_default();
        if state.status.is_none() {
            self.set_connector_status(name, State::Unassigned, None);
        }
        let ask = self.connectors.get(name).is_some_and(|state| state.target != TargetState::Stopped);
        self.give_work(name, Work { settle: true, ask, ..Work::default() });
        info
    }

    pub(crate) fn delete(&mut self, name: &ConnectorName) -> oneshot::Receiver<()> {
        if let Some(state) = self.connectors.get_mut(name) {
            state.deleted = true;
            state.restart_due = None;
        }
        self.settle(name, Work { settle: true, ..Work::default() })
    }

    pub(crate) fn set_target(&mut self, name: &ConnectorName, target: TargetState) -> oneshot::Receiver<()> {
        let mut work = Work { settle: true, ..Work::default() };
        if let Some(state) = self.connectors.get_mut(name) {
            // A stopped connector has no tasks; whoever comes back from there is asked anew.
            work.ask = target != TargetState::Stopped
                && (state.target == TargetState::Stopped || state.task_configs.is_none());
            work.ask |= target == TargetState::Started && state.target == TargetState::Paused;
            state.target = target;
        }
        self.settle(name, work)
    }

    /// Gives work, and tells when nothing works on the connector any more.
    fn settle(&mut self, name: &ConnectorName, work: Work) -> oneshot::Receiver<()> {
        let (settled, is_settled) = oneshot::channel();
        if let Some(state) = self.connectors.get_mut(name) {
            state.waiting.push(settled);
        }
        self.give_work(name, work);
        is_settled
    }

    pub(crate) fn restart(&mut self, name: &ConnectorName, request: RestartRequest) -> Option<Option<ConnectorStatus>> {
        let state = self.connectors.get_mut(name).filter(|state| !state.deleted)?;
        let Some(status) = &state.status else { return Some(None) };
        let has_failed = |state: State| matches!(state, State::Failed | State::Restarting);
        let connector = !request.only_failed || has_failed(status.state);
        let is_wanted = |state: State| request.include_tasks && (!request.only_failed || has_failed(state));
        let tasks: BTreeSet<u32> =
            state.tasks.iter().filter(|(_, task)| is_wanted(task.status.state)).map(|(index, _)| *index).collect();
        if connector {
            state.failures.reset();
            state.restart_due = None;
            self.forget_rejected(name);
        }
        for index in &tasks {
            self.restarting(&TaskId::new(name.clone(), *index));
        }
        let is_stopped = self.connectors.get(name).is_some_and(|state| state.target == TargetState::Stopped);
        if connector {
            let trace = self.connectors.get(name).and_then(|state| state.status.as_ref()?.trace.clone());
            self.set_connector_status(name, State::Restarting, trace);
        }
        let work = Work { settle: true, ask: connector && !is_stopped, restart_tasks: tasks };
        self.give_work(name, work);
        Some(self.connectors.get(name).and_then(|state| state.status(name)))
    }

    pub(crate) fn restart_task(&mut self, id: &TaskId) -> bool {
        let state = self.connectors.get(&id.connector).filter(|state| !state.deleted);
        if !state.is_some_and(|state| state.tasks.contains_key(&id.index)) {
            return false;
        }
        self.restarting(id);
        let restart_tasks = BTreeSet::from([id.index]);
        self.give_work(&id.connector, Work { settle: true, restart_tasks, ..Work::default() });
        true
    }

    fn restarting(&mut self, id: &TaskId) {
        let task = self.connectors.get_mut(&id.connector).and_then(|state| state.tasks.get_mut(&id.index));
        let Some(task) = task else { return };
        task.failures.reset();
        task.restart_due = None;
        // Why it failed stays to be seen until it runs again.
        let trace = task.status.trace.clone();
        self.set_task_status(id, State::Restarting, trace);
    }

    pub(crate) fn reset_topics(&mut self, name: &ConnectorName) {
        let topics = self.connectors.get_mut(name).map(|state| std::mem::take(&mut state.topics)).unwrap_or_default();
        for topic in topics {
            self.jobs.statuses.write(StatusUpdate::RemoveTopic { topic, connector: name.clone() });
        }
    }

    /// Reserves a stopped connector, so that nothing starts while its offsets are changed.
    pub(crate) fn begin_offsets(&mut self, name: &ConnectorName) -> bool {
        let Some(state) = self.connectors.get_mut(name) else { return false };
        let is_still = state.is_busy == Busy::No && state.tasks.values().all(|task| !task.in_worker);
        let is_stopped = state.target == TargetState::Stopped && is_still;
        if is_stopped {
            state.is_busy = Busy::Offsets;
        }
        is_stopped
    }

    pub(crate) fn end_offsets(&mut self, name: &ConnectorName) {
        if let Some(state) = self.connectors.get_mut(name) {
            state.is_busy = Busy::No;
        }
        self.give_work(name, Work::default());
    }
}
