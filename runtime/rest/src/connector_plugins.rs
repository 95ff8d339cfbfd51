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
) -> Result<Json<Vec<ConfigKeyInfo>>, RestError> {
    Ok(Json(context.herder.plugin_config(&plugin)?.keys().map(ConfigKeyInfo::from).collect()))
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

/// Source: Kafka `ConnectorPluginsResource.validateConfigs`: the shorter name must end the longer one.
fn check_class(class: &str, plugin: &str) -> Result<(), RestError> {
    let normalized = |name: &str| {
        let simple = name.trim();
        simple.strip_suffix("Connector").unwrap_or(simple).to_owned()
    };
    let (class_name, plugin_name) = (normalized(class), normalized(plugin));
    if class_name.ends_with(&plugin_name) || plugin_name.ends_with(&class_name) {
        return Ok(());
    }
    let message = format!("Included connector type {class} does not match request type {plugin}");
    Err(RestError::BadRequest { message })
}
