//! [`Herder`]: what callers hold. Source: Kafka `org.apache.kafka.connect.runtime.Herder`.

use crate::common_keys::NAME;
use crate::connector_state::{ConnectorInfo, ConnectorState, ConnectorStatus, StateInfo, TaskInfo};
use crate::error::HerderError;
use crate::job::{ASKED_AT_ONCE_MAX, JobContext};
use crate::listener::HerderListener;
use crate::restart::RestartPolicy;
use crate::secret_keys::{masked, secret_keys, unmask};
use crate::state_loop::{Message, Messages, StateLoop};
use crate::status_writer::StatusWriter;
use crate::validation::{self, ConfigInfos, Live};
use sluice_client::Broker;
use sluice_connect_api::plugins::PluginInfo;
use sluice_connect_api::{ConfigDef, ConfigMap, PluginError, PluginRegistry};
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::{ConfigBackingStore, OffsetBackingStore, State, StatusBackingStore, TargetState};
use sluice_worker::{TaskListener, Worker};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// How long stop and delete wait for tasks to end before they answer anyway.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A config as it comes from a caller; `None` is JSON's null.
pub type GivenConfig = BTreeMap<String, Option<String>>;

#[derive(Debug, Clone)]
pub struct HerderConfig {
    /// `host:port` of the advertised REST address.
    pub worker_id: String,
    pub restart: RestartPolicy,
    /// `topic.tracking.enable`
    pub topic_tracking: bool,
    /// `topic.tracking.allow.reset`
    pub topic_tracking_reset: bool,
    /// How long validation waits for the servers that a config names, so that nobody who types one is held up.
    pub check_timeout: Duration,
}

impl HerderConfig {
    #[must_use]
    pub fn new(worker_id: &str) -> Self {
        Self {
            worker_id: worker_id.to_owned(),
            restart: RestartPolicy::default(),
            topic_tracking: true,
            topic_tracking_reset: true,
            check_timeout: Duration::from_secs(5),
        }
    }
}

/// What a herder works with.
pub struct HerderContext {
    pub broker: Arc<dyn Broker>,
    pub plugins: Arc<PluginRegistry>,
    pub configs: ConfigBackingStore,
    pub statuses: StatusBackingStore,
    pub offsets: Arc<OffsetBackingStore>,
    pub config: HerderConfig,
}

/// A new connector, or another config for one.
#[derive(Debug, Clone)]
pub struct Create {
    pub name: String,
    pub config: GivenConfig,
    /// Only for a new connector.
    pub initial_state: Option<TargetState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestartRequest {
    pub include_tasks: bool,
    pub only_failed: bool,
}

/// The hub's connectors. Cheap to clone; all clones speak to the same loop.
#[derive(Clone)]
pub struct Herder {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub messages: Messages,
    pub broker: Arc<dyn Broker>,
    pub plugins: Arc<PluginRegistry>,
    pub configs: Arc<ConfigBackingStore>,
    pub offsets: Arc<OffsetBackingStore>,
    pub config: HerderConfig,
    pub changes: watch::Receiver<u64>,
    /// Why the log cannot be reached, when it is elsewhere and that is so.
    pub log_problem: OnceLock<watch::Receiver<Option<String>>>,
    /// Changes of configs, one after the other: read, write to the log, tell the loop.
    writes: tokio::sync::Mutex<()>,
    pub worker: Arc<Worker>,
    /// Dead letters are sent again by one request at a time.
    pub redrives: tokio::sync::Mutex<()>,
}

impl Herder {
    /// Restores what the log holds and starts every connector that is to run. The worker is made here, since it reports to
    /// the herder's loop.
    pub fn start(context: HerderContext, make_worker: impl FnOnce(Arc<dyn TaskListener>) -> Worker) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (changes, seen_changes) = watch::channel(0);
        let messages = Messages(sender);
        let stored_statuses = context.statuses.load();
        let configs = Arc::new(context.configs);
        let stored = configs.connectors();
        let generations = stored_statuses.tasks.iter().map(|(_, status)| status.generation);
        let jobs = JobContext {
            worker: Arc::new(make_worker(Arc::new(HerderListener { messages: messages.clone() }))),
            plugins: Arc::clone(&context.plugins),
            configs: Arc::clone(&configs),
            statuses: StatusWriter::spawn(context.statuses),
            messages: messages.clone(),
            worker_id: context.config.worker_id.clone(),
            asking: Semaphore::new(ASKED_AT_ONCE_MAX),
            generation: AtomicU64::new(generations.max().map_or(1, |newest| newest + 1)),
        };
        let worker = Arc::clone(&jobs.worker);
        let mut state_loop = StateLoop::new(context.config.clone(), Arc::new(jobs), changes);
        state_loop.restore(stored, stored_statuses);
        tokio::spawn(state_loop.run(receiver));
        let shared = Shared {
            messages,
            broker: context.broker,
            plugins: context.plugins,
            configs,
            offsets: context.offsets,
            config: context.config,
            changes: seen_changes,
            log_problem: OnceLock::new(),
            writes: tokio::sync::Mutex::new(()),
            worker,
            redrives: tokio::sync::Mutex::new(()),
        };
        let shared = Arc::new(shared);
        tokio::spawn(Arc::clone(&shared).resume_redrives());
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

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

    /// Everything wrong with a config. Masks of a stored connector's secrets stand for the stored values.
    ///
    /// # Errors
    /// [`HerderError::BadRequest`] without a usable class, [`HerderError::Plugin`].
    pub async fn validate(&self, mut config: GivenConfig) -> Result<ConfigInfos, HerderError> {
        if let Some(name) = config.get(NAME).cloned().flatten() {
            self.restore_secrets(&name, &mut config).await?;
        }
        let live = Live::Check { timeout: self.shared.config.check_timeout };
        validation::validate(&self.shared.plugins, &config, live).await
    }

    /// # Errors
    /// [`HerderError::BadRequest`], [`HerderError::InvalidConfig`], [`HerderError::AlreadyExists`].
    pub async fn create(&self, create: Create) -> Result<(ConnectorInfo, Vec<String>), HerderError> {
        let (config, ignored) = self.checked(&create.name, create.config).await?;
        let name = ConnectorName::new(create.name);
        let target = create.initial_state.unwrap_or_default();
        let info = self.store(name, config, Some(target), Existing::Refuse).await?;
        Ok((info.0, ignored))
    }

    /// Creates or replaces; says whether it was created.
    ///
    /// # Errors
    /// [`HerderError::BadRequest`], [`HerderError::InvalidConfig`].
    pub async fn put_config(
        &self,
        name: &str,
        config: GivenConfig,
    ) -> Result<(ConnectorInfo, bool, Vec<String>), HerderError> {
        let (config, ignored) = self.checked(name, config).await?;
        let (info, created) = self.store(ConnectorName::new(name), config, None, Existing::Replace).await?;
        Ok((info, created, ignored))
    }

    /// Merges into the stored config; null removes a key.
    ///
    /// # Errors
    /// [`HerderError::ConnectorNotFound`], [`HerderError::BadRequest`], [`HerderError::InvalidConfig`].
    pub async fn patch_config(
        &self,
        name: &str,
        patch: GivenConfig,
    ) -> Result<(ConnectorInfo, Vec<String>), HerderError> {
        let stored = self.shared.of_connector(name, |_, state| state.config.clone()).await?;
        let mut config: GivenConfig = stored.into_iter().map(|(key, value)| (key, Some(value))).collect();
        for (key, value) in patch {
            match value {
                Some(value) => config.insert(key, Some(value)),
                None => config.remove(&key),
            };
        }
        let (info, _, ignored) = self.put_config(name, config).await?;
        Ok((info, ignored))
    }

    /// Forgets the config; returns when its tasks have stopped. Offsets stay.
    ///
    /// # Errors
    /// [`HerderError::ConnectorNotFound`], [`HerderError::ConfigStore`].
    pub async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let name = ConnectorName::new(name);
        let shared = Arc::clone(&self.shared);
        let settled = uncancelled(async move {
            let _one_at_a_time = shared.writes.lock().await;
            shared.of_connector(name.as_str(), |_, _| ()).await?;
            shared.configs.remove_connector(&name).await?;
            shared.call(move |state| state.delete(&name)).await
        });
        wait_settled(settled.await?).await;
        Ok(())
    }

    /// Pause, resume, stop. Stop returns when the tasks have ended.
    ///
    /// # Errors
    /// [`HerderError::UnknownConnector`], [`HerderError::ConfigStore`].
    pub async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        let name = ConnectorName::new(name);
        let shared = Arc::clone(&self.shared);
        let settled = uncancelled(async move {
            let _one_at_a_time = shared.writes.lock().await;
            let current = shared.of_connector(name.as_str(), |_, state| state.target).await;
            let unknown = |_| HerderError::UnknownConnector { name: name.to_string() };
            if current.map_err(unknown)? != target {
                shared.configs.put_target_state(&name, target).await?;
            }
            shared.call(move |state| state.set_target(&name, target)).await
        });
        let settled = settled.await?;
        if target == TargetState::Stopped {
            wait_settled(settled).await;
        }
        Ok(())
    }

    /// Restarts the connector, or what the flags ask for; the answer shows what is being restarted.
    ///
    /// # Errors
    /// [`HerderError::UnknownConnectorToRestart`], [`HerderError::NoStatusToRestart`].
    pub async fn restart(&self, name: &str, request: RestartRequest) -> Result<ConnectorStatus, HerderError> {
        let name = ConnectorName::new(name);
        let unknown = HerderError::UnknownConnectorToRestart { name: name.to_string() };
        let without_status = HerderError::NoStatusToRestart { name: name.to_string() };
        let restarted = self.shared.call(move |state| state.restart(&name, request)).await?;
        restarted.ok_or(unknown)?.ok_or(without_status)
    }

    /// # Errors
    /// [`HerderError::UnknownTask`].
    pub async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError> {
        let (wanted, unknown) = (id.clone(), HerderError::UnknownTask { id: id.clone() });
        let found = self.shared.call(move |state| state.restart_task(&wanted)).await?;
        if found { Ok(()) } else { Err(unknown) }
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

    /// Every plugin, in the order in which they are listed.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.shared.plugins.list()
    }

    /// # Errors
    /// [`HerderError::UnknownPlugin`].
    pub fn plugin_config(&self, class: &str) -> Result<ConfigDef, HerderError> {
        self.shared.plugins.config_def(class).map(|(_, def)| def).map_err(|error| HerderError::UnknownPlugin {
            class: class.to_owned(),
            nearest: match error {
                PluginError::UnknownClass { nearest, .. } => nearest,
                PluginError::WrongKind { .. } | PluginError::Config { .. } => None,
            },
        })
    }

    #[must_use]
    pub fn config(&self) -> &HerderConfig {
        &self.shared.config
    }

    #[must_use]
    pub fn cluster_id(&self) -> String {
        self.shared.broker.cluster_id()
    }

    #[must_use]
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.shared.broker
    }

    /// Changes whenever any status has.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.clone()
    }

    /// Returns when the loop has answered: what `/health` asks.
    ///
    /// # Errors
    /// [`HerderError::Stopping`].
    pub async fn ping(&self) -> Result<(), HerderError> {
        self.shared.call(|_| ()).await
    }

    /// Where to learn whether a log that is elsewhere can be reached: `None` when it can, else why not. Given once.
    pub fn watch_log(&self, problem: watch::Receiver<Option<String>>) {
        // A second one would be the same log's.
        let _ = self.shared.log_problem.set(problem);
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

    /// Stops every task in order, stores the last statuses, ends the loop.
    pub async fn shutdown(&self) {
        let (done, is_done) = oneshot::channel();
        self.shared.messages.send(Message::Shutdown { done });
        let _ = is_done.await;
    }

    /// The config to store, if there is nothing wrong with it.
    async fn checked(&self, name: &str, mut config: GivenConfig) -> Result<(ConfigMap, Vec<String>), HerderError> {
        match config.get(NAME).cloned().flatten() {
            Some(given) if given.trim() != name => {
                let message =
                    format!("Connector name configuration ({given}) doesn't match connector name in the URL ({name})");
                return Err(HerderError::BadRequest { message });
            }
            _ => config.insert(NAME.to_owned(), Some(name.to_owned())),
        };
        self.restore_secrets(name, &mut config).await?;
        let infos = validation::validate(&self.shared.plugins, &config, Live::Skip).await?;
        if infos.error_count() > 0 {
            let (class, errors) = (infos.class.clone(), infos.errors());
            return Err(HerderError::InvalidConfig { class, errors });
        }
        if !infos.ignored.is_empty() {
            tracing::warn!(connector = name, keys = ?infos.ignored, "keys of the configuration have no effect");
        }
        let config = config.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Ok((config, infos.ignored))
    }

    async fn restore_secrets(&self, name: &str, config: &mut GivenConfig) -> Result<(), HerderError> {
        let stored = self.shared.of_connector(name, |_, state| (state.config.clone(), state.secrets.clone())).await;
        let (stored, secrets) = match stored {
            Ok(stored) => stored,
            Err(HerderError::ConnectorNotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut given: ConfigMap =
            config.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        unmask(&mut given, &stored, &secrets);
        config.extend(given.into_iter().map(|(key, value)| (key, Some(value))));
        Ok(())
    }

    /// Says whether it was created.
    async fn store(
        &self,
        name: ConnectorName,
        config: ConfigMap,
        target: Option<TargetState>,
        existing: Existing,
    ) -> Result<(ConnectorInfo, bool), HerderError> {
        let shared = Arc::clone(&self.shared);
        uncancelled(async move {
            let _one_at_a_time = shared.writes.lock().await;
            let exists = match shared.of_connector(name.as_str(), |_, _| ()).await {
                Ok(()) if existing == Existing::Refuse => {
                    return Err(HerderError::AlreadyExists { name: name.to_string() });
                }
                Ok(()) if shared.is_unchanged(&name, &config).await? => {
                    let info = shared.of_connector(name.as_str(), |name, state| state.info(name)).await?;
                    return Ok((info, false));
                }
                Ok(()) => true,
                Err(HerderError::ConnectorNotFound { .. }) => false,
                Err(error) => return Err(error),
            };
            let secrets = secret_keys(&shared.plugins, &config);
            shared.configs.put_connector(&name, &config, target, &|key| secrets.contains(key)).await?;
            let info = shared.call(move |state| state.put_config(&name, config, secrets, target)).await?;
            Ok((info, !exists))
        })
        .await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    Refuse,
    Replace,
}

impl Shared {
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut StateLoop) -> T + Send + 'static,
    ) -> Result<T, HerderError> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Call(Box::new(move |state| drop(answer.send(call(state))))));
        answered.await.map_err(|_| HerderError::Stopping)
    }

    /// Whether this config is already at work, and well: then nothing is to be restarted.
    async fn is_unchanged(&self, name: &ConnectorName, config: &ConfigMap) -> Result<bool, HerderError> {
        let config = config.clone();
        self.of_connector(name.as_str(), move |_, state| state.config == config && state.is_well()).await
    }

    pub(crate) async fn of_connector<T: Send + 'static>(
        &self,
        name: &str,
        read: impl FnOnce(&ConnectorName, &mut ConnectorState) -> T + Send + 'static,
    ) -> Result<T, HerderError> {
        let name = ConnectorName::new(name);
        let missing = HerderError::ConnectorNotFound { name: name.to_string() };
        let found = self.call(move |state| {
            let state = state.connectors.get_mut(&name).filter(|state| !state.deleted)?;
            Some(read(&name, state))
        });
        found.await?.ok_or(missing)
    }
}

/// Runs to its end also when the caller has gone away, so that log and memory cannot differ.
pub(crate) async fn uncancelled<T: Send + 'static>(
    work: impl Future<Output = Result<T, HerderError>> + Send + 'static,
) -> Result<T, HerderError> {
    tokio::spawn(work).await.unwrap_or(Err(HerderError::Stopping))
}

async fn wait_settled(settled: oneshot::Receiver<()>) {
    let _ = tokio::time::timeout(SETTLE_TIMEOUT, settled).await;
}
