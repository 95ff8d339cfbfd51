//! What a herder knows: connectors, tasks, statuses, topics.

use super::Herder;
use crate::connector_state::{ConnectorInfo, ConnectorState, ConnectorStatus, StateInfo, TaskInfo};
use crate::error::HerderError;
use crate::secret_keys::masked;
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::State;
use std::collections::BTreeSet;

impl Herder {
    /// All names.
    ///
    /// # Errors
    /// Here and below: [`HerderError::Stopping`], and what the text says.
    pub async fn connectors(&self) -> Result<Vec<ConnectorName>, HerderError> {
        self.shared.call(|state| state.live().map(|(name, _)| name.clone()).collect()).await
    }

    /// Every connector's info and status, for `expand`.
    ///
    /// # Errors
    /// [`HerderError::Stopping`].
    pub async fn connectors_expanded(&self) -> Result<Vec<(ConnectorInfo, Option<ConnectorStatus>)>, HerderError> {
        let expanded = self.shared.call(|state| {
            let live = state.live().map(|(name, one)| (one.info(name), one.status(name)));
            live.collect::<Vec<_>>()
        });
        let explained = |(info, status): (_, Option<ConnectorStatus>)| (info, status.map(|one| self.explained(one)));
        Ok(expanded.await?.into_iter().map(explained).collect())
    }

    /// # Errors
    /// [`HerderError::ConnectorNotFound`].
    pub async fn connector(&self, name: &str) -> Result<ConnectorInfo, HerderError> {
        self.shared.of_connector(name, |name, state| state.info(name)).await
    }

    /// # Errors
    /// [`HerderError::ConnectorNotFound`].
    pub async fn tasks(&self, name: &str) -> Result<Vec<TaskInfo>, HerderError> {
        let tasks = |name: &ConnectorName, state: &mut ConnectorState| {
            let configs = state.task_configs.as_deref().unwrap_or_default();
            let info = |(id, config)| TaskInfo { id, config: masked(config, &state.secrets) };
            state.task_ids(name).into_iter().zip(configs).map(info).collect()
        };
        self.shared.of_connector(name, tasks).await
    }

    /// # Errors
    /// [`HerderError::NoConnectorStatus`].
    pub async fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError> {
        let status = self.shared.of_connector(name, |name, state| state.status(name)).await;
        let missing = || HerderError::NoConnectorStatus { name: name.to_owned() };
        match status {
            Ok(status) => status.map(|status| self.explained(status)).ok_or_else(missing),
            Err(HerderError::ConnectorNotFound { .. }) => Err(missing()),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// [`HerderError::NoTaskStatus`].
    pub async fn task_status(&self, id: &TaskId) -> Result<StateInfo, HerderError> {
        let index = id.index;
        let status = self.shared.of_connector(id.connector.as_str(), move |_, state| state.task_status(index)).await;
        match status {
            Ok(Some(status)) => Ok(self.waiting_for_log(status)),
            Ok(None) | Err(HerderError::ConnectorNotFound { .. }) => Err(HerderError::NoTaskStatus { id: id.clone() }),
            Err(error) => Err(error),
        }
    }

    /// Topics that the connector has used since it was created or they were reset. An unknown name has none.
    ///
    /// # Errors
    /// [`HerderError::Stopping`].
    pub async fn active_topics(&self, name: &str) -> Result<BTreeSet<String>, HerderError> {
        let topics = self.shared.of_connector(name, |_, state| state.topics.clone()).await;
        match topics {
            Err(HerderError::ConnectorNotFound { .. }) => Ok(BTreeSet::new()),
            topics => topics,
        }
    }

    /// # Errors
    /// [`HerderError::Stopping`].
    pub async fn reset_active_topics(&self, name: &str) -> Result<(), HerderError> {
        let name = ConnectorName::new(name);
        self.shared.call(move |state| state.reset_topics(&name)).await
    }

    /// Why the log cannot be reached now; tasks wait for it.
    #[must_use]
    pub fn log_problem(&self) -> Option<String> {
        self.shared.log_problem.get()?.borrow().clone()
    }

    fn explained(&self, mut status: ConnectorStatus) -> ConnectorStatus {
        status.tasks = status.tasks.into_iter().map(|(index, task)| (index, self.waiting_for_log(task))).collect();
        status
    }

    /// A task that runs, or is about to, and cannot get on says why.
    fn waiting_for_log(&self, mut task: StateInfo) -> StateInfo {
        if matches!(task.state, State::Running | State::Unassigned)
            && task.trace.is_none()
            && let Some(problem) = self.log_problem()
        {
            task.trace = Some(format!("it waits and will go on by itself: {problem}"));
        }
        task
    }
}
