//! The hub at a glance: what `sluice status` shows, and those metrics that are read off its state when somebody asks.

use crate::connector_state::{ConnectorState, ConnectorStatus};
use crate::error::HerderError;
use crate::herder::Herder;
use sluice_connect_api::connector::ConnectorKind;
use sluice_data::ConnectorName;
use sluice_storage::State;
use sluice_worker::{InspectedTask, PartitionLag};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the hub does, and how it fares.
#[derive(Debug, Clone)]
pub struct Overview {
    pub connectors: Vec<ConnectorOverview>,
    pub startups: Startups,
    /// What tasks hold of the memory budget, and the budget.
    pub memory_used_bytes: usize,
    pub memory_limit_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct ConnectorOverview {
    pub status: ConnectorStatus,
    pub class: String,
    /// When the supervisor starts it, or the first of its tasks, again.
    pub next_restart: Option<Duration>,
    /// Of each partition that it reads; empty for a source, and while the log does not say.
    pub lag: Vec<PartitionLag>,
}

/// How often connectors and tasks were started in this process, and how often they came to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Startups {
    pub connectors: Started,
    pub tasks: Started,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Started {
    pub succeeded: u64,
    pub failed: u64,
}

impl Started {
    pub(crate) fn count(&mut self, succeeded: bool) {
        *(if succeeded { &mut self.succeeded } else { &mut self.failed }) += 1;
    }

    #[must_use]
    pub fn attempts(self) -> u64 {
        self.succeeded + self.failed
    }
}

impl ConnectorOverview {
    /// Of the connector itself, else of the first task that has one: with its causes, on one line.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        let states = std::iter::once(&self.status.connector).chain(self.status.tasks.iter().map(|(_, task)| task));
        let trace = states.filter_map(|state| state.trace.as_deref()).next()?;
        // What the supervisor does about it stands behind, in parentheses.
        let causes = trace.lines().take_while(|line| !line.starts_with('('));
        let causes: Vec<&str> = causes.map(|line| line.strip_prefix("Caused by: ").unwrap_or(line)).collect();
        Some(causes.join(": "))
    }
}

impl Herder {
    /// # Errors
    /// [`HerderError::Stopping`].
    pub async fn overview(&self) -> Result<Overview, HerderError> {
        let read = self.shared().call(|state| {
            let now = Instant::now();
            let of = |(name, one): (&ConnectorName, &ConnectorState)| {
                let (status, class) = (one.status(name)?, one.config.get("connector.class").cloned());
                let (class, next_restart) = (class.unwrap_or_default(), next_restart(one, now));
                Some(ConnectorOverview { status, class, next_restart, lag: Vec::new() })
            };
            (state.live().filter_map(of).collect::<Vec<_>>(), state.startups)
        });
        let (mut connectors, startups) = read.await?;
        let lags = self.lags().await;
        for connector in &mut connectors {
            connector.lag = lags.get(&connector.status.name).cloned().unwrap_or_default();
        }
        let budget = self.shared().worker.memory_budget();
        let (memory_used_bytes, memory_limit_bytes) = (budget.used_bytes(), budget.limit_bytes());
        Ok(Overview { connectors, startups, memory_used_bytes, memory_limit_bytes })
    }

    /// The last records before and after each stage of the connector's tasks; see [`sluice_worker::Worker::inspect`].
    ///
    /// # Errors
    /// [`HerderError::ConnectorNotFound`].
    pub async fn inspect(&self, name: &str, records: usize, wait: Duration) -> Result<Vec<InspectedTask>, HerderError> {
        self.shared().of_connector(name, |_, _| ()).await?;
        Ok(self.shared().worker.inspect(&ConnectorName::new(name), records, wait).await)
    }

    /// Of every sink, at most [`crate::lag::FRESH`] old; what cannot be read within a moment is left out.
    pub(crate) async fn lags(&self) -> Arc<BTreeMap<ConnectorName, Vec<PartitionLag>>> {
        self.shared().lags.of(self.shared()).await
    }
}

fn next_restart(state: &ConnectorState, now: Instant) -> Option<Duration> {
    let due = state.tasks.values().filter_map(|task| task.restart_due).chain(state.restart_due).min()?;
    Some(due.saturating_duration_since(now))
}

/// Every state that is shown of a task.
pub(crate) const TASK_STATES: [State; 5] =
    [State::Unassigned, State::Running, State::Paused, State::Failed, State::Restarting];

pub(crate) fn kind_name(kind: Option<ConnectorKind>) -> &'static str {
    match kind {
        Some(ConnectorKind::Source) => "source",
        Some(ConnectorKind::Sink) => "sink",
        None => "unknown",
    }
}
