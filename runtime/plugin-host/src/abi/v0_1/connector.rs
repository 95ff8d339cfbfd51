//! The connector level: each question has an instance of its own, so nothing is kept between them.

use super::bindings::base::types;
use super::bindings::connector::ConnectorLevel;
use super::bindings::connector::exports::sluice::connector::connector::Guest as Exports;
use super::{connect_error, entries, wire_offset};
use crate::instance::{Guest, GuestFuture, GuestHandle};
use crate::plugin::{Grant, Plugin};
use crate::secrets;
use serde_json::{Value, json};
use sluice_capability::{GuestIdentity, GuestState};
use sluice_connect_api::connector::ConnectorContext;
use sluice_connect_api::{ConfigMap, ConnectError, Connector, ConnectorCapabilities, SourceOffsetPair, TaskConfigs};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::Instance;

/// [`Connector`] over a component.
pub(crate) struct WasmConnector {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) context: ConnectorContext,
}

pub(super) fn bind(store: &mut Store<GuestState>, instance: &Instance) -> wasmtime::Result<ConnectorLevel> {
    ConnectorLevel::new(store, instance)
}

fn exports(guest: &Guest<ConnectorLevel>) -> Exports {
    guest.exports.sluice_connector_connector().clone()
}

/// What the component says of itself, as JSON.
pub(crate) async fn describe(plugin: &Plugin) -> Result<Value, ConnectError> {
    let mut guest = plugin.instantiate(plugin.bare_state(), bind).await?;
    let definition = guest
        .call("describe", |guest| Box::pin(async { exports(guest).call_describe(&mut guest.store).await }))
        .await?;
    Ok(definition_json(definition))
}

fn definition_json(definition: types::Definition) -> Value {
    let key = |key: types::ConfigKey| {
        json!({
            "name": key.name, "kind": key.kind, "required": key.default.is_none(), "default": key.default.flatten(),
            "importance": key.importance, "documentation": key.documentation, "attributes": key.attributes,
        })
    };
    json!({
        "kind": definition.kind, "class": definition.class, "aliases": definition.aliases, "version": definition.version,
        "documentation": definition.documentation, "config": definition.config.into_iter().map(key).collect::<Vec<_>>(),
        "capabilities": definition.capabilities, "attributes": definition.attributes,
    })
}

fn problems(problems: Vec<types::ConfigProblem>) -> Vec<(String, String)> {
    problems.into_iter().map(|problem| (problem.key, problem.message)).collect()
}

impl WasmConnector {
    /// One call on an instance of its own.
    async fn call<R: Send + 'static>(
        &self,
        name: &'static str,
        (config, grant): (&ConfigMap, Grant),
        f: impl for<'a> FnOnce(&'a mut Guest<ConnectorLevel>, Vec<(String, String)>) -> GuestFuture<'a, R> + Send + 'static,
    ) -> Result<R, ConnectError> {
        let identity = GuestIdentity {
            connector: self.context.name.as_str().to_owned(),
            task: None,
            plugin: self.plugin.label().to_string(),
        };
        let state = self.plugin.state(identity, config, None, grant)?;
        let mut guest: GuestHandle<ConnectorLevel> = self.plugin.instantiate(state, bind).await?;
        let seen = entries(&secrets::visible(&self.plugin.definition().config, config));
        guest.call(name, move |guest| f(guest, seen)).await
    }

    /// What the guest did not see is put back.
    fn restored(
        &self,
        config: &ConfigMap,
        max_tasks: u32,
        answer: types::TaskConfigSet,
    ) -> Result<TaskConfigs, ConnectError> {
        if answer.tasks.len() > max_tasks as usize {
            let message =
                format!("the plugin made {} task configs, at most {max_tasks} are allowed", answer.tasks.len());
            return Err(ConnectError::fatal("plugin.task-configs", message));
        }
        let def = &self.plugin.definition().config;
        let restored = answer.tasks.into_iter().map(|task| {
            let mut task: ConfigMap = task.entries.into_iter().collect();
            secrets::restore(def, config, &mut task);
            task
        });
        let refresh = answer.refresh_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        Ok(TaskConfigs { tasks: restored.collect(), refresh })
    }
}

fn capabilities(found: types::ConnectorCapabilities) -> ConnectorCapabilities {
    ConnectorCapabilities(found.attributes.into_iter().collect())
}

#[async_trait::async_trait]
impl Connector for WasmConnector {
    async fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>, ConnectError> {
        let call = self.call("validate", (config, Grant::Nothing), |guest, config| {
            Box::pin(async move { exports(guest).call_validate(&mut guest.store, &config).await })
        });
        call.await.map(problems)
    }

    async fn check(&self, config: &ConfigMap) -> Result<Vec<(String, String)>, ConnectError> {
        let call = self.call("check", (config, Grant::Config), |guest, config| {
            Box::pin(async move { exports(guest).call_check(&mut guest.store, &config).await })
        });
        call.await.map(problems)
    }

    async fn task_configs(&self, config: &ConfigMap, max_tasks: u32) -> Result<TaskConfigs, ConnectError> {
        let call = self.call("task-configs", (config, Grant::Config), move |guest, config| {
            Box::pin(async move { exports(guest).call_task_configs(&mut guest.store, &config, max_tasks).await })
        });
        self.restored(config, max_tasks, call.await?.map_err(connect_error)?)
    }

    async fn capabilities(&self, config: &ConfigMap) -> Result<ConnectorCapabilities, ConnectError> {
        let call = self.call("capabilities", (config, Grant::Nothing), |guest, config| {
            Box::pin(async move { exports(guest).call_capabilities(&mut guest.store, &config).await })
        });
        Ok(capabilities(call.await?))
    }

    async fn start(
        &self,
        config: &ConfigMap,
        max_tasks: u32,
    ) -> Result<(ConnectorCapabilities, TaskConfigs), ConnectError> {
        let call = self.call("task-configs", (config, Grant::Config), move |guest, config| {
            Box::pin(async move {
                let found = exports(guest).call_capabilities(&mut guest.store, &config).await?;
                Ok((found, exports(guest).call_task_configs(&mut guest.store, &config, max_tasks).await?))
            })
        });
        let (found, answer) = call.await?;
        Ok((capabilities(found), self.restored(config, max_tasks, answer.map_err(connect_error)?)?))
    }

    async fn alter_offsets(&self, config: &ConfigMap, offsets: &[SourceOffsetPair]) -> Result<bool, ConnectError> {
        let offsets: Vec<types::SourceOffset> = offsets.iter().cloned().map(wire_offset).collect();
        let call = self.call("alter-offsets", (config, Grant::Config), move |guest, config| {
            Box::pin(async move { exports(guest).call_alter_offsets(&mut guest.store, &config, &offsets).await })
        });
        call.await?.map_err(connect_error)
    }
}
