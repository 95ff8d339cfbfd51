//! Connector level: what a connector is, whether a config is right, and how its work is divided into tasks.

use crate::config_def::{ConfigDef, ConfigMap};
use crate::error::ConnectError;
use crate::source::OffsetReader;
use sluice_data::{ConnectorName, SourceOffset, SourcePartition, TaskId};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectorKind {
    Source,
    Sink,
}

/// What a plugin says of itself, read once when it is registered.
#[derive(Debug, Clone)]
pub struct PluginDefinition {
    /// The class name that is listed; users may write an alias, the simple name, or leave out `Connector`.
    pub class: String,
    pub aliases: Vec<String>,
    pub version: String,
    pub documentation: String,
    pub config: ConfigDef,
    /// Capabilities it wants; what it gets is decided by the worker's ceiling and the connector's config.
    pub capabilities: Vec<String>,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskConfigs {
    pub tasks: Vec<ConfigMap>,
    /// Ask again after so long; another answer reconfigures the tasks.
    pub refresh: Option<Duration>,
}

/// What one config makes of a connector: named values, since they will grow.
/// The names are listed with `connector-capabilities` in `plugins-sdk/wit/connector/connector.wit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectorCapabilities(pub BTreeMap<String, String>);

impl ConnectorCapabilities {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    #[must_use]
    pub fn exactly_once_supported(&self) -> bool {
        self.get("exactly-once") == Some("supported")
    }

    /// A sink that keeps its offsets in the transaction of its records: `delivery-plan` = `none`. What comes again may be cut
    /// into other deliveries.
    #[must_use]
    pub fn keeps_own_offsets(&self) -> bool {
        self.exactly_once_supported() && self.get("delivery-plan") == Some("none")
    }
}

/// What a task is told about itself when it is made.
#[derive(Clone)]
pub struct TaskContext {
    pub id: TaskId,
    /// Grows with every start of this task.
    pub generation: u64,
    /// The task's config with secrets resolved. A plugin host keeps PASSWORD values to itself.
    pub config: ConfigMap,
    /// Source tasks: the connector's stored offsets.
    pub offsets: Arc<dyn OffsetReader>,
    /// What the task asks of its runtime.
    pub requests: Arc<dyn TaskRequests>,
}

/// Requests of a running task to its runtime. None of them blocks.
pub trait TaskRequests: Send + Sync {
    /// Sink: commit as soon as possible.
    fn request_commit(&self);
    /// Ask the connector for its task configs again.
    fn request_reconfiguration(&self);
    /// Source: no `poll` for so long.
    fn pause(&self, duration: Duration);
    /// Source: if the poll under way finds nothing, the next one comes when `event` ends. Of several events the first counts.
    fn poll_on(&self, event: Pin<Box<dyn Future<Output = ()> + Send>>);
}

/// One connector's connector level. Made for a config, dropped when the call is done; keeps nothing.
#[async_trait::async_trait]
pub trait Connector: Send + Sync {
    /// Problems beyond what the [`ConfigDef`] finds, as (key, message). Pure: no grants, no I/O.
    ///
    /// # Errors
    /// Only when the plugin itself fails (a trap, its deadline).
    async fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>, ConnectError>;

    /// Live problems, as (key, message), with the grants of this config. The caller bounds the time.
    ///
    /// # Errors
    /// When the plugin itself fails.
    async fn check(&self, config: &ConfigMap) -> Result<Vec<(String, String)>, ConnectError>;

    /// At most `max_tasks` configs.
    ///
    /// # Errors
    /// When the work cannot be divided (for instance the tables cannot be listed).
    async fn task_configs(&self, config: &ConfigMap, max_tasks: u32) -> Result<TaskConfigs, ConnectError>;

    /// # Errors
    /// When the plugin itself fails.
    async fn capabilities(&self, config: &ConfigMap) -> Result<ConnectorCapabilities, ConnectError>;

    /// Both of what a connector that starts is asked, for a host to which one question costs less than two.
    ///
    /// # Errors
    /// As [`Connector::capabilities`] and [`Connector::task_configs`].
    async fn start(
        &self,
        config: &ConfigMap,
        max_tasks: u32,
    ) -> Result<(ConnectorCapabilities, TaskConfigs), ConnectError> {
        Ok((self.capabilities(config).await?, self.task_configs(config, max_tasks).await?))
    }

    /// Whether the connector takes these offsets over; `Ok(false)` when it does not implement this.
    ///
    /// # Errors
    /// When an offset makes no sense to it.
    async fn alter_offsets(
        &self,
        config: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError>;
}

/// The name and config a connector-level call is made for; grants are computed from it.
#[derive(Debug, Clone)]
pub struct ConnectorContext {
    pub name: ConnectorName,
    pub config: ConfigMap,
}
