//! What is asked of connectors: new ones, other configs, other states.

use super::shared::{uncancelled, wait_settled};
use super::{Create, GivenConfig, Herder, RestartRequest};
use crate::common_keys::NAME;
use crate::connector_state::{ConnectorInfo, ConnectorStatus};
use crate::error::HerderError;
use crate::secret_keys::{secret_keys, unmask};
use crate::validation::Live;
use sluice_connect_api::ConfigMap;
use sluice_data::{ConnectorName, TaskId};
use sluice_storage::TargetState;
use std::sync::Arc;

impl Herder {
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
        // Two patches of different keys both count.
        let _one_at_a_time = self.shared.patches.lock().await;
        let stored = self.shared.of_connector(name, |_, state| state.config.clone()).await?;
        let mut config: GivenConfig = stored.into_iter().map(|(key, value)| (key, Some(value))).collect();
        for (key, value) in patch {
            match value {
                Some(value) => config.insert(key, Some(value)),
                None => config.remove(&key),
            };
        }
        if !config.contains_key(NAME) {
            let error = format!("Missing required configuration \"{NAME}\" which has no default value.");
            return Err(HerderError::InvalidConfig { errors: vec![error] });
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
        let unknown_connector = |_| HerderError::UnknownConnectorToRestart { name: id.connector.to_string() };
        self.shared.of_connector(id.connector.as_str(), |_, _| ()).await.map_err(unknown_connector)?;
        let (wanted, unknown) = (id.clone(), HerderError::UnknownTask { id: id.clone() });
        let found = self.shared.call(move |state| state.restart_task(&wanted)).await?;
        if found { Ok(()) } else { Err(unknown) }
    }

    /// The config to store, if there is nothing wrong with it.
    async fn checked(&self, name: &str, mut config: GivenConfig) -> Result<(ConfigMap, Vec<String>), HerderError> {
        match config.get(NAME).cloned().flatten() {
            Some(given) if given != name => {
                let message =
                    format!("Connector name configuration ({given}) doesn't match connector name in the URL ({name})");
                return Err(HerderError::BadRequest { message });
            }
            _ => config.insert(NAME.to_owned(), Some(name.to_owned())),
        };
        self.restore_secrets(name, &mut config).await?;
        let infos = self.examine(&config, Live::Skip).await?;
        if infos.error_count() > 0 {
            return Err(HerderError::InvalidConfig { errors: infos.errors() });
        }
        if !infos.ignored.is_empty() {
            tracing::warn!(connector = name, keys = ?infos.ignored, "keys of the configuration have no effect");
        }
        let config = config.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Ok((config, infos.ignored))
    }

    pub(super) async fn restore_secrets(&self, name: &str, config: &mut GivenConfig) -> Result<(), HerderError> {
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
