//! What all clones of a herder share, and how they speak to its loop.

use super::HerderConfig;
use crate::config_provider::{ConfigTransformer, Resolved};
use crate::connector_state::ConnectorState;
use crate::error::HerderError;
use crate::lag::Lags;
use crate::state_loop::{Message, Messages, StateLoop};
use sluice_client::Broker;
use sluice_connect_api::{ConfigMap, PluginRegistry};
use sluice_data::ConnectorName;
use sluice_storage::{ConfigBackingStore, OffsetBackingStore};
use sluice_worker::Worker;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long stop and delete wait for tasks to end before they answer anyway.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Shared {
    pub messages: Messages,
    pub broker: Arc<dyn Broker>,
    pub plugins: Arc<PluginRegistry>,
    pub configs: Arc<ConfigBackingStore>,
    pub offsets: Arc<OffsetBackingStore>,
    pub transformer: ConfigTransformer,
    pub config: HerderConfig,
    pub changes: watch::Receiver<u64>,
    /// Why the log cannot be reached, when it is elsewhere and that is so.
    pub log_problem: OnceLock<watch::Receiver<Option<String>>>,
    /// Changes of configs, one after the other: read, write to the log, tell the loop.
    pub(super) writes: tokio::sync::Mutex<()>,
    /// Patches, one after the other: read, merge, write.
    pub(super) patches: tokio::sync::Mutex<()>,
    pub worker: Arc<Worker>,
    /// Dead letters are sent again by one request at a time.
    pub redrives: tokio::sync::Mutex<()>,
    pub lags: Lags,
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

    /// With what references stand for.
    pub(crate) async fn resolved(&self, config: &ConfigMap) -> Result<Resolved, HerderError> {
        let resolved = self.transformer.transform(config).await;
        resolved.map_err(|error| HerderError::ConfigProvider { message: error.message })
    }

    /// Whether this config is already at work, and well: then nothing is to be restarted.
    pub(super) async fn is_unchanged(&self, name: &ConnectorName, config: &ConfigMap) -> Result<bool, HerderError> {
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

pub(super) async fn wait_settled(settled: oneshot::Receiver<()>) {
    let _ = tokio::time::timeout(SETTLE_TIMEOUT, settled).await;
}
