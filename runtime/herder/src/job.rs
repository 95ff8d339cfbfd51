//! One job: bring one connector from what it is to what it should be. It runs beside the loop and reports to it.

use crate::common_keys::{TASKS_MAX, TASKS_MAX_ENFORCE};
use crate::config_provider::{ConfigTransformer, Resolved};
use crate::connector_state::Work;
use crate::secret_keys::hidden;
use crate::state_loop::{Message, Messages};
use crate::status_writer::StatusWriter;
use crate::validation::{find_connector, find_to_run};
use sluice_connect_api::connector::{ConnectorContext, ConnectorKind, TaskConfigs};
use sluice_connect_api::plugins::PluginFactory;
use sluice_connect_api::{ConfigMap, ConnectorCapabilities, PluginRegistry};
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{ConfigBackingStore, State, Status, StatusUpdate, TargetState};
use sluice_worker::{Hidden, TaskSpec, Worker};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many plugins are asked for their task configs at a time: each may hold an instance while its server is slow.
pub(crate) const ASKED_AT_ONCE_MAX: usize = 64;
/// After so long without task configs a connector has failed.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);

/// What every task of the connector is started with.
#[derive(Clone, Copy)]
struct Start<'a> {
    /// With secrets resolved.
    config: &'a ConfigMap,
    capabilities: &'a ConnectorCapabilities,
    hidden: &'a Hidden,
}

/// What all jobs share.
pub(crate) struct JobContext {
    pub worker: Arc<Worker>,
    pub plugins: Arc<PluginRegistry>,
    pub configs: Arc<ConfigBackingStore>,
    pub statuses: StatusWriter,
    pub transformer: ConfigTransformer,
    pub messages: Messages,
    pub worker_id: String,
    pub asking: Semaphore,
    /// The next generation to give to a task.
    pub generation: AtomicU64,
}

/// A snapshot of one connector and what is to be done for it.
pub(crate) struct Job {
    pub name: ConnectorName,
    pub config: ConfigMap,
    pub config_version: u64,
    pub secrets: BTreeSet<String>,
    pub target: TargetState,
    pub deleted: bool,
    pub problems: Vec<String>,
    /// Versions of its plugin that it failed with.
    pub rejected: BTreeSet<String>,
    /// Its task configs were made from an older config.
    pub outdated: bool,
    pub stored_tasks: Option<Vec<ConfigMap>>,
    pub capabilities: Option<ConnectorCapabilities>,
    /// Of what references in the config stood for when its tasks were started.
    pub digest: Option<u64>,
    pub in_worker: BTreeSet<u32>,
    /// These stay as they are unless they are to be restarted.
    pub failed: BTreeSet<u32>,
    pub work: Work,
}

/// What a job found out.
pub(crate) struct Outcome {
    pub config_version: u64,
    /// Why the connector has failed; its tasks are as they were.
    pub result: Result<(), String>,
    pub plugin: Option<(ConnectorKind, String)>,
    pub capabilities: Option<ConnectorCapabilities>,
    /// `None`: unchanged.
    pub task_configs: Option<Vec<ConfigMap>>,
    pub refresh: Option<Duration>,
    pub asked: bool,
    /// Of what references in the config stood for; `None` when there was nothing to resolve.
    pub digest: Option<u64>,
}

/// What the plugin answered.
struct Asked {
    capabilities: ConnectorCapabilities,
    tasks: TaskConfigs,
}

impl Job {
    pub(crate) async fn run(mut self, context: &JobContext) -> Outcome {
        let mut outcome = Outcome {
            config_version: self.config_version,
            result: Ok(()),
            plugin: None,
            capabilities: self.capabilities.take(),
            task_configs: None,
            refresh: None,
            asked: false,
            digest: self.digest,
        };
        outcome.result = match self.target {
            TargetState::Stopped => self.stop(context, &mut outcome).await,
            TargetState::Started | TargetState::Paused => self.settle(context, &mut outcome).await,
        };
        outcome
    }

    async fn stop(&self, context: &JobContext, outcome: &mut Outcome) -> Result<(), String> {
        self.stop_tasks(context, &self.in_worker).await;
        if let Ok(factory) = find_connector(&context.plugins, &self.config) {
            outcome.plugin = Some(described(&*factory));
        }
        if !self.deleted && self.stored_tasks.as_ref().is_none_or(|tasks| !tasks.is_empty()) {
            self.store_tasks(context, &[]).await?;
        }
        outcome.task_configs = Some(Vec::new());
        Ok(())
    }

    async fn settle(&self, context: &JobContext, outcome: &mut Outcome) -> Result<(), String> {
        if !self.problems.is_empty() {
            return Err(self.problems.join("\n"));
        }
        let factory = find_to_run(&context.plugins, &self.config, &self.rejected).map_err(|error| error.to_string())?;
        outcome.plugin = Some(described(&*factory));
        let resolved = context.transformer.transform(&self.config).await.map_err(|error| error.to_string())?;
        let hidden = hidden(&self.config, &resolved, &self.secrets);
        let settled = self.settle_resolved(context, &*factory, &resolved, &hidden, outcome).await;
        settled.map_err(|reason| hidden.hide(&reason))
    }

    async fn settle_resolved(
        &self,
        context: &JobContext,
        factory: &dyn PluginFactory,
        resolved: &Resolved,
        hidden: &Hidden,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let digest = (!resolved.keys.is_empty()).then(|| resolved.digest());
        // Who is paused keeps the tasks that there are, and is asked when it runs again.
        let must_start = self.target == TargetState::Started;
        let must_ask = must_start && (self.work.ask || self.outdated || self.stored_tasks.is_none());
        // Tasks that run on other values than these start anew, whatever the job is for.
        let mut changed = must_start && self.digest.is_some() && self.digest != digest;
        if must_ask || (must_start && outcome.capabilities.is_none()) {
            let mut asked = self.ask(context, factory, &resolved.config).await?;
            for task in &mut asked.tasks.tasks {
                *task = resolved.reversed(&self.config, task);
            }
            outcome.asked = true;
            outcome.refresh = asked.tasks.refresh;
            outcome.capabilities = Some(asked.capabilities);
            if self.outdated || self.stored_tasks.as_ref() != Some(&asked.tasks.tasks) {
                self.store_tasks(context, &asked.tasks.tasks).await?;
                changed = true;
            }
            outcome.task_configs = Some(asked.tasks.tasks);
        }
        let configs = outcome.task_configs.as_ref().or(self.stored_tasks.as_ref());
        let configs = configs.cloned().unwrap_or_default();
        let capabilities = outcome.capabilities.clone().unwrap_or_default();
        let start = Start { config: &resolved.config, capabilities: &capabilities, hidden };
        self.settle_tasks(context, factory, start, &configs, changed).await?;
        if must_start {
            outcome.digest = digest;
        }
        Ok(())
    }

    /// Asks the plugin what this config makes of it, and for its tasks.
    async fn ask(
        &self,
        context: &JobContext,
        factory: &dyn PluginFactory,
        config: &ConfigMap,
    ) -> Result<Asked, String> {
        let _permit = context.asking.acquire().await.map_err(|error| error.to_string())?;
        let of = ConnectorContext { name: self.name.clone(), config: config.clone() };
        let tasks_max = config.get(TASKS_MAX).and_then(|text| text.trim().parse().ok()).unwrap_or(1);
        let answers = async {
            let connector = factory.connector(&of).await?;
            let (capabilities, tasks) = connector.start(config, tasks_max).await?;
            Ok::<_, sluice_connect_api::ConnectError>(Asked { capabilities, tasks })
        };
        let asked = tokio::time::timeout(ASK_TIMEOUT, answers)
            .await
            .map_err(|_| format!("the connector named no tasks within {} s", ASK_TIMEOUT.as_secs()))?
            .map_err(|error| error.to_string())?;
        self.check_count(asked.tasks.tasks.len(), tasks_max)?;
        let required =
            config.get("exactly.once.support").is_some_and(|text| text.trim().eq_ignore_ascii_case("required"));
        if required && !asked.capabilities.exactly_once_supported() {
            return Err("exactly.once.support is required, and the connector cannot deliver exactly once with this \
                        configuration; set it to requested or change the configuration"
                .to_owned());
        }
        Ok(asked)
    }

    /// Source: KIP-1004.
    fn check_count(&self, count: usize, tasks_max: u32) -> Result<(), String> {
        if count <= tasks_max as usize {
            return Ok(());
        }
        let name = &self.name;
        if self.config.get(TASKS_MAX_ENFORCE).is_some_and(|text| text.trim().eq_ignore_ascii_case("false")) {
            tracing::warn!(connector = %name, count, tasks_max, "more tasks than tasks.max; allowed by tasks.max.enforce=false");
            return Ok(());
        }
        Err(format!(
            "The connector {name} has generated {count} tasks, which is greater than {tasks_max}, the maximum number of tasks it is configured to create."
        ))
    }

    async fn store_tasks(&self, context: &JobContext, configs: &[ConfigMap]) -> Result<(), String> {
        let is_secret = |key: &str| self.secrets.contains(key);
        let stored = context.configs.put_task_configs(&self.name, configs, &is_secret).await;
        stored.map_err(|error| format!("the task configs cannot be stored: {error}"))
    }

    async fn settle_tasks(
        &self,
        context: &JobContext,
        factory: &dyn PluginFactory,
        connector: Start<'_>,
        configs: &[ConfigMap],
        changed: bool,
    ) -> Result<(), String> {
        let wanted: BTreeSet<u32> = (0..configs.len() as u32).collect();
        let restart = |index: &u32| changed || self.work.restart_tasks.contains(index);
        let stop = self.in_worker.iter().filter(|index| !wanted.contains(index) || restart(index)).copied().collect();
        self.stop_tasks(context, &stop).await;
        let target = self.target;
        for index in self.in_worker.difference(&stop).filter(|index| !self.failed.contains(index)) {
            context.worker.set_target_state(&self.task(*index), target);
        }
        // A paused task holds nothing until it runs for the first time.
        if self.target == TargetState::Paused {
            return Ok(());
        }
        let is_missing = |index: &u32| !self.in_worker.contains(index) && !self.failed.contains(index);
        let start: Vec<u32> = wanted.into_iter().filter(|index| restart(index) || is_missing(index)).collect();
        let version = &factory.definition().version;
        let generations = self.prepare(context, &start, version).await;
        let offsets_generation = context.configs.offsets_generation(&self.name);
        for (index, generation) in generations {
            let task_config = context.transformer.transform(&configs[index as usize]).await;
            let spec = TaskSpec {
                id: self.task(index),
                class: factory.definition().class.clone(),
                version: version.clone(),
                kind: factory.kind(),
                connector_config: connector.config.clone(),
                task_config: task_config.map_err(|error| error.to_string())?.config,
                capabilities: connector.capabilities.clone(),
                task_count: configs.len() as u32,
                generation,
                offsets_generation,
                initial_state: target,
                hidden: connector.hidden.clone(),
            };
            context.worker.start_task(spec).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Gives each task a generation that no other session ever had: durable before the task starts.
    async fn prepare(&self, context: &JobContext, start: &[u32], version: &str) -> Vec<(u32, u64)> {
        let mut generations = Vec::new();
        let mut updates = Vec::new();
        for index in start {
            let generation = context.generation.fetch_add(1, Ordering::Relaxed);
            let state = if self.failed.contains(index) { State::Restarting } else { State::Unassigned };
            let status = Status { state, trace: None, worker_id: context.worker_id.clone(), generation };
            updates.push(StatusUpdate::Task(self.task(*index), status));
            let (id, version) = (self.task(*index), version.to_owned());
            context.messages.send(Message::TaskStarting { id, generation, version });
            generations.push((*index, generation));
        }
        context.statuses.write_durably(updates).await;
        generations
    }

    async fn stop_tasks(&self, context: &JobContext, tasks: &BTreeSet<u32>) {
        let mut stopping = tokio::task::JoinSet::new();
        for index in tasks {
            let (worker, id) = (Arc::clone(&context.worker), self.task(*index));
            stopping.spawn(async move {
                worker.stop_task(&id).await;
                id
            });
        }
        while let Some(stopped) = stopping.join_next().await {
            if let Ok(id) = stopped {
                context.messages.send(Message::TaskStopped { id });
            }
        }
    }

    fn task(&self, index: u32) -> TaskId {
        TaskId::new(self.name.clone(), index)
    }
}

fn described(factory: &dyn PluginFactory) -> (ConnectorKind, String) {
    (factory.kind(), factory.definition().version.clone())
}
