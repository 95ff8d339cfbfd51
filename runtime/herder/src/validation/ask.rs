//! What the plugin itself says of a config.

use super::{ConfigInfos, Live};
use crate::common_keys::{CONNECTOR_CLASS, EXACTLY_ONCE_SUPPORT, NAME, TRANSACTION_BOUNDARY};
use crate::error::HerderError;
use sluice_connect_api::ConfigMap;
use sluice_connect_api::connector::{Connector, ConnectorContext, ConnectorKind};
use sluice_connect_api::plugins::PluginFactory;
use sluice_data::ConnectorName;

/// The plugin's own `validate`, and `check` when everything else is right.
pub(super) async fn ask_plugin(
    factory: &dyn PluginFactory,
    config: &ConfigMap,
    live: Live,
    infos: &mut ConfigInfos,
) -> Result<(), HerderError> {
    let failed = |source| HerderError::Plugin { class: factory.definition().class.clone(), source };
    let name = ConnectorName::new(config.get(NAME).cloned().unwrap_or_default());
    let context = ConnectorContext { name, config: config.clone() };
    let connector = match factory.connector(&context).await {
        Ok(connector) => connector,
        // It wants what this config does not grant, or cannot be made: that is something to say about the config.
        Err(error) => {
            infos.add_error(CONNECTOR_CLASS, error.to_string());
            return Ok(());
        }
    };
    for (key, message) in connector.validate(config).await.map_err(failed)? {
        infos.add_error(&key, message);
    }
    if factory.kind() == ConnectorKind::Source {
        check_delivery(&*connector, config, infos).await.map_err(failed)?;
    }
    let Live::Check { timeout } = live else { return Ok(()) };
    if infos.error_count() > 0 {
        return Ok(());
    }
    match tokio::time::timeout(timeout, connector.check(config)).await {
        Ok(problems) => {
            for (key, message) in problems.map_err(failed)? {
                infos.add_error(&key, message);
            }
        }
        Err(_) => infos.add_error(
            CONNECTOR_CLASS,
            format!(
                "the connector's live check did not end within {} ms; look at the servers it names",
                timeout.as_millis()
            ),
        ),
    }
    Ok(())
}

/// Whether the connector can deliver as this config wants it. Source: Kafka `DistributedHerder.validateSourceConnectorExactlyOnceSupport`,
/// `validateSourceConnectorTransactionBoundary`.
async fn check_delivery(
    connector: &dyn Connector,
    config: &ConfigMap,
    infos: &mut ConfigInfos,
) -> Result<(), sluice_connect_api::ConnectError> {
    let is = |key: &str, wanted: &str| config.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted));
    let (required, own_boundaries) = (is(EXACTLY_ONCE_SUPPORT, "required"), is(TRANSACTION_BOUNDARY, "connector"));
    if (!required && !own_boundaries) || infos.error_count() > 0 {
        return Ok(());
    }
    let capabilities = connector.capabilities(config).await?;
    if required && !capabilities.exactly_once_supported() {
        let message = "The connector does not support exactly-once semantics with the provided configuration.";
        infos.add_error(EXACTLY_ONCE_SUPPORT, message.to_owned());
    }
    if own_boundaries && !capabilities.is_true("transaction-boundaries") {
        let message = "The connector does not support connector-defined transaction boundaries with the given configuration. \
                       Please reconfigure it to use a different transaction boundary definition.";
        infos.add_error(TRANSACTION_BOUNDARY, message.to_owned());
    }
    Ok(())
}
