//! What is installed, and whether a config is right.

use super::{GivenConfig, Herder};
use crate::common_keys::{self, CONNECTOR_VERSION, NAME};
use crate::error::HerderError;
use crate::validation::{self, ConfigInfos, Live, Subject};
use sluice_connect_api::connector::ConnectorKind;
use sluice_connect_api::plugins::PluginInfo;
use sluice_connect_api::{ConfigDef, ConfigKey, ConfigMap};

/// Packages of Kafka's plugins that are none with keys: config providers and override policies.
const WITHOUT_KEYS: [&str; 2] =
    ["org.apache.kafka.common.config.provider.", "org.apache.kafka.connect.connector.policy."];

impl Herder {
    /// Everything wrong with a config. Masks of a stored connector's secrets stand for the stored values.
    ///
    /// # Errors
    /// [`HerderError::BadRequest`] without a usable class, [`HerderError::ConfigProvider`], [`HerderError::Plugin`].
    pub async fn validate(&self, mut config: GivenConfig) -> Result<ConfigInfos, HerderError> {
        if let Some(name) = config.get(NAME).cloned().flatten() {
            self.restore_secrets(&name, &mut config).await?;
        }
        self.examine(&config, Live::Check { timeout: self.shared.config.check_timeout }).await
    }

    pub(super) async fn examine(&self, given: &GivenConfig, live: Live) -> Result<ConfigInfos, HerderError> {
        let raw: ConfigMap = given.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        let resolved = self.shared.resolved(&raw).await?;
        let subject = Subject { given, raw: &raw, resolved: &resolved };
        let validated = validation::validate(&self.shared.plugins, &self.shared.config.defaults, subject, live).await;
        // What a reference stands for may be in the reason, as a class that there is not.
        validated.map_err(|error| match error {
            HerderError::BadRequest { message } => HerderError::BadRequest { message: resolved.hidden(&raw, &message) },
            other => other,
        })
    }

    /// Every plugin, in the order in which they are listed.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.shared.plugins.list()
    }

    /// The keys of a plugin; those that every connector has behind a connector's own.
    ///
    /// # Errors
    /// [`HerderError::UnknownPlugin`], [`HerderError::BadRequest`] for another version than is there and for a plugin of a kind without keys.
    pub fn plugin_config(&self, class: &str, version: Option<&str>) -> Result<ConfigDef, HerderError> {
        let unknown = || HerderError::UnknownPlugin { class: class.to_owned() };
        let bad = |message: String| HerderError::BadRequest { message };
        if WITHOUT_KEYS.iter().any(|package| class.starts_with(package)) {
            let kinds = "sink, source, converter, header_converter, transformation, predicate";
            return Err(bad(format!("Invalid plugin class {class}. Valid types are {kinds}.")));
        }
        let plugin = self.shared.plugins.described(class).ok_or_else(unknown)?;
        validation::check_version(&plugin, version).map_err(bad)?;
        let (_, def) = self.shared.plugins.config_def(class).map_err(|_| unknown())?;
        let common = match plugin.kind {
            "source" => common_keys::config_def(ConnectorKind::Source),
            "sink" => common_keys::config_def(ConnectorKind::Sink),
            "converter" => return Ok(validation::with_converter_type(def)),
            _ => return Ok(def),
        };
        let common = validation::with_version(common, CONNECTOR_VERSION, Some(&plugin.version));
        let own = |key: &&ConfigKey| def.get(&key.name).is_none();
        let common: Vec<ConfigKey> = common.keys().filter(own).cloned().collect();
        Ok(common.into_iter().fold(def, ConfigDef::define))
    }
}
