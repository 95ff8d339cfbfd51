//! What is installed, and whether a config is right.

use super::{GivenConfig, Herder};
use crate::common_keys::NAME;
use crate::error::HerderError;
use crate::validation::{self, ConfigInfos, Live};
use sluice_connect_api::plugins::PluginInfo;
use sluice_connect_api::{ConfigDef, PluginError};

impl Herder {
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
}
