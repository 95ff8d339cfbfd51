//! Another version of a plugin: a connector's tasks go over to it one by one, each watched for a while. When one of them fails,
//! or the connector itself, all go back, and that version is not tried again until somebody asks for it.
//!
//! The version on trial is stored as rejected before the first task goes over, so that a hub which dies meanwhile comes back on
//! the version that was known to work.

use crate::connector_state::Work;
use crate::state_loop::{Message, Messages, StateLoop, Timer};
use crate::validation::find_to_run;
use sluice_connect_api::plugin_version::compare;
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{State, TargetState};
use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// An upgrade under way.
#[derive(Debug)]
pub(crate) struct Upgrade {
    from: String,
    to: String,
    /// Tasks that still run the old version.
    left: VecDeque<u32>,
    /// Restarted last, and watched until then.
    watched: Option<(Option<u32>, Option<Instant>)>,
}

/// Tells the loop of every change of the plugins, as long as it runs: until nobody changes `statuses` any more.
pub(crate) async fn watch(mut plugins: watch::Receiver<u64>, messages: Messages, mut statuses: watch::Receiver<u64>) {
    loop {
        tokio::select! {
            changed = plugins.changed() => match changed {
                Ok(()) => messages.send(Message::Call(Box::new(StateLoop::plugins_changed))),
                Err(_) => return,
            },
            _ = statuses.wait_for(|_| false) => return,
        }
    }
}

impl StateLoop {
    /// Plugins were added or removed.
    pub(crate) fn plugins_changed(&mut self) {
        let names: Vec<ConnectorName> = self.live().map(|(name, _)| name.clone()).collect();
        for name in names {
            self.consider_upgrade(&name);
        }
    }

    /// Somebody asks for the newest version again.
    pub(crate) fn forget_rejected(&mut self, name: &ConnectorName) {
        let Some(state) = self.connectors.get_mut(name) else { return };
        (state.upgrade, state.notice) = (None, None);
        if !std::mem::take(&mut state.rejected).is_empty() {
            self.store_rejected(name, BTreeSet::new(), |_| {});
            self.consider_upgrade(name);
        }
    }

    fn consider_upgrade(&mut self, name: &ConnectorName) {
        let plugins = Arc::clone(&self.jobs.plugins);
        let Some(state) = self.connectors.get_mut(name) else { return };
        if state.upgrade.is_some() || state.target == TargetState::Stopped {
            return;
        }
        let Ok(factory) = find_to_run(&plugins, &state.config, &state.rejected) else { return };
        let to = factory.definition().version.clone();
        let Some(from) = state.version.clone() else {
            // Its class was not there before.
            return self.give_work(name, Work { settle: true, ask: true, ..Work::default() });
        };
        if compare(&to, &from) != Ordering::Greater {
            return;
        }
        let mut on_trial = state.rejected.clone();
        on_trial.insert(to.clone());
        let left = state.tasks.keys().copied().collect();
        state.upgrade = Some(Upgrade { from: from.clone(), to: to.clone(), left, watched: None });
        tracing::info!(connector = %name, from, to, "the connector's plugin is upgraded");
        let upgraded = name.clone();
        self.store_rejected(name, on_trial, move |state| {
            state.give_work(&upgraded, Work { settle: true, ask: true, ..Work::default() });
        });
    }

    /// Stores, then tells the loop.
    fn store_rejected(
        &self,
        name: &ConnectorName,
        versions: BTreeSet<String>,
        then: impl FnOnce(&mut StateLoop) + Send + 'static,
    ) {
        let (jobs, name) = (Arc::clone(&self.jobs), name.clone());
        tokio::spawn(async move {
            if let Err(error) = jobs.configs.put_rejected_versions(&name, &versions).await {
                tracing::warn!(connector = %name, "rejected plugin versions could not be stored: {error}");
            }
            jobs.messages.send(Message::Call(Box::new(then)));
        });
    }

    /// Sends the next task over, once nothing works on the connector and the last one is no longer watched.
    pub(crate) fn go_on_upgrading(&mut self, name: &ConnectorName) {
        let now = Instant::now();
        let probation = self.config.upgrade_probation;
        let Some(state) = self.connectors.get_mut(name) else { return };
        let Some(upgrade) = &mut state.upgrade else { return };
        // A changed task config restarts all of them at once.
        upgrade
            .left
            .retain(|index| state.tasks.get(index).is_some_and(|task| task.version.as_ref() != Some(&upgrade.to)));
        if upgrade.watched.is_some() {
            return;
        }
        let next = upgrade.left.pop_front();
        match next {
            Some(index) => {
                upgrade.watched = Some((Some(index), None));
                let restart_tasks = BTreeSet::from([index]);
                self.give_work(name, Work { settle: true, restart_tasks, ..Work::default() });
            }
            // All run the new version now; together they are watched once more.
            None => {
                let due = now + probation;
                upgrade.watched = Some((None, Some(due)));
                self.timers.insert((due, name.clone(), Timer::Upgrade));
            }
        }
    }

    /// A task runs: if it is the one that went over last, its time begins.
    pub(crate) fn watch_upgraded(&mut self, id: &TaskId) {
        let due = Instant::now() + self.config.upgrade_probation;
        let upgrade = self.connectors.get_mut(&id.connector).and_then(|state| state.upgrade.as_mut());
        let Some(upgrade) = upgrade.filter(|upgrade| upgrade.watched == Some((Some(id.index), None))) else { return };
        upgrade.watched = Some((Some(id.index), Some(due)));
        self.timers.insert((due, id.connector.clone(), Timer::Upgrade));
    }

    /// What was watched has not failed in its time.
    pub(crate) fn upgrade_timer(&mut self, name: &ConnectorName, due: Instant) {
        let Some(state) = self.connectors.get_mut(name) else { return };
        let Some(upgrade) = &mut state.upgrade else { return };
        match upgrade.watched {
            Some((Some(_), Some(at))) if at == due => {
                upgrade.watched = None;
                self.go_on_upgrading(name);
            }
            Some((None, Some(at))) if at == due => {
                tracing::info!(connector = %name, from = upgrade.from, to = upgrade.to, "the connector's plugin was upgraded");
                (state.upgrade, state.notice) = (None, None);
                let rejected = state.rejected.clone();
                self.store_rejected(name, rejected, |_| {});
                // A still newer one may have come meanwhile.
                self.consider_upgrade(name);
            }
            _ => {}
        }
    }

    /// Whether this failure ends an upgrade: then everything goes back, and nothing else is to be done about it.
    pub(crate) fn rolls_back(&mut self, name: &ConnectorName, task: Option<u32>, trace: &str) -> bool {
        let Some(state) = self.connectors.get_mut(name) else { return false };
        let Some(upgrade) = &state.upgrade else { return false };
        let runs_new =
            |index: &u32| state.tasks.get(index).is_some_and(|task| task.version.as_ref() == Some(&upgrade.to));
        if task.is_some_and(|index| !runs_new(&index)) {
            return false;
        }
        let restart_tasks: BTreeSet<u32> = state.tasks.keys().copied().filter(runs_new).collect();
        let (from, to) = (upgrade.from.clone(), upgrade.to.clone());
        tracing::error!(connector = %name, from, to, reason = trace, "the connector's plugin is rolled back");
        let notice = format!(
            "version {to} of the plugin was rolled back to {from}; restart the connector to try it again. It failed: {trace}"
        );
        state.upgrade = None;
        state.rejected.insert(to);
        (state.version, state.notice) = (Some(from), Some(notice.clone()));
        for index in &restart_tasks {
            if let Some(task) = state.tasks.get_mut(index) {
                task.failures.reset();
                task.restart_due = None;
            }
        }
        for index in &restart_tasks {
            self.set_task_status(&TaskId::new(name.clone(), *index), State::Restarting, Some(notice.clone()));
        }
        self.give_work(name, Work { settle: true, ask: true, restart_tasks });
        true
    }
}
