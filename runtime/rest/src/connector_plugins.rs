//! `/connector-plugins`: what is installed, its keys, and whether a config is right.

use crate::connectors::name_ignored;
use crate::dto::{ConfigInfos, ConfigKeyInfo, PluginInfo};
use crate::error::RestError;
use crate::request::{JsonBody, config_of};
use crate::router::{Query, RestContext};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

pub async fn list(State(context): State<RestContext>, Query(query): Query) -> Json<Vec<PluginInfo>> {
    let connectors_only = query
        .iter()
        .find(|(key, _)| key == "connectorsOnly")
        .is_none_or(|(_, value)| value.eq_ignore_ascii_case("true"));
    let is_connector = |kind: &str| kind == "sink" || kind == "source";
    let plugins = context.herder.plugins().into_iter();
    Json(plugins.filter(|plugin| !connectors_only || is_connector(plugin.kind)).map(PluginInfo::from).collect())
}

pub async fn config(
    State(context): State<RestContext>,
    Path(plugin): Path<String>,
    Query(query): Query,
) -> Result<Json<Vec<ConfigKeyInfo>>, RestError> {
    let version = query.iter().find(|(key, _)| key == "version").map(|(_, value)| value.as_str());
    Ok(Json(context.herder.plugin_config(&plugin, version)?.keys().map(ConfigKeyInfo::from).collect()))
}

pub async fn validate(
    State(context): State<RestContext>,
    Path(plugin): Path<String>,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, RestError> {
    let config = config_of(body)?;
    if let Some(class) = config.get("connector.class").and_then(Option::as_deref) {
        check_class(class, &plugin)?;
    }
    let infos = context.herder.validate(config).await?;
    let ignored = infos.ignored.clone();
    let mut response = Json(ConfigInfos::from(infos)).into_response();
    name_ignored(&mut response, &ignored);
    Ok(response)
}

/// Source: Kafka `ConnectorPluginsResource.validateConfigs`: the class must end as the path does, `Connector` aside.
fn check_class(class: &str, plugin: &str) -> Result<(), RestError> {
    let normalized = |name: &str| name.strip_suffix("Connector").unwrap_or(name).to_owned();
    if normalized(class).ends_with(&normalized(plugin)) {
        return Ok(());
    }
    let message = format!("Included connector type {class} does not match request type {plugin}");
    Err(RestError::BadRequest { message })
}
