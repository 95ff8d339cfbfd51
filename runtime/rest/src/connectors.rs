//! `/connectors` and what is done with one connector.

use crate::dto::{ConnectorInfo, ConnectorStateInfo, CreateConnectorRequest, Expanded};
use crate::error::RestError;
use crate::paths;
use crate::request::{BaseUri, JsonBody, NoBody, config_of, is_true};
use crate::router::{Query, RestContext};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use sluice_connect_api::ConfigMap;
use sluice_data::values::java_trim;
use sluice_herder::{Create, RestartRequest, TargetState};
use std::collections::BTreeMap;

/// Names the keys of a config that have no effect. Ours.
pub const IGNORED_KEYS: HeaderName = HeaderName::from_static("sluice-ignored-keys");

pub async fn list(State(context): State<RestContext>, Query(query): Query) -> Result<Response, RestError> {
    let asked: Vec<&str> = query.iter().filter(|(key, _)| key == "expand").map(|(_, value)| value.as_str()).collect();
    if asked.is_empty() {
        let names: Vec<String> = context.herder.connectors().await?.iter().map(ToString::to_string).collect();
        return Ok(Json(names).into_response());
    }
    let (with_status, with_info) = (asked.contains(&"status"), asked.contains(&"info"));
    let mut expanded = BTreeMap::new();
    for (info, status) in context.herder.connectors_expanded().await? {
        let name = info.name.to_string();
        let status = status.filter(|_| with_status).map(ConnectorStateInfo::from);
        let info = with_info.then(|| ConnectorInfo::from(info));
        expanded.insert(name, Expanded { status, info });
    }
    Ok(Json(expanded).into_response())
}

pub async fn create(
    State(context): State<RestContext>,
    base: BaseUri,
    JsonBody(request): JsonBody<CreateConnectorRequest>,
) -> Result<Response, RestError> {
    let config = config_of(request.config)?;
    let name = match request.name {
        Value::Null => String::new(),
        Value::String(name) => java_trim(&name).to_owned(),
        scalar @ (Value::Bool(_) | Value::Number(_)) => scalar.to_string(),
        Value::Array(_) | Value::Object(_) => {
            let message = "Cannot deserialize value: the name of a connector is text".to_owned();
            return Err(RestError::BadRequest { message });
        }
    };
    let initial_state = request.initial_state.as_deref().map(target_state).transpose()?;
    let (info, ignored) = context.herder.create(Create { name, config, initial_state }).await?;
    Ok(base.created(StatusCode::CREATED, ConnectorInfo::from(info), &ignored))
}

pub async fn get(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<ConnectorInfo>, RestError> {
    Ok(Json(context.herder.connector(&connector).await?.into()))
}

pub async fn delete(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<StatusCode, RestError> {
    context.herder.delete(&connector).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn config(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<ConfigMap>, RestError> {
    Ok(Json(context.herder.connector(&connector).await?.config))
}

pub async fn put_config(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    base: BaseUri,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, RestError> {
    let (info, is_new, ignored) = context.herder.put_config(&connector, config_of(body)?).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(base.created(status, info.into(), &ignored))
}

pub async fn patch_config(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    base: BaseUri,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, RestError> {
    let (info, ignored) = context.herder.patch_config(&connector, config_of(body)?).await?;
    Ok(base.created(StatusCode::OK, info.into(), &ignored))
}

pub async fn status(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<ConnectorStateInfo>, RestError> {
    Ok(Json(context.herder.status(&connector).await?.into()))
}

pub async fn restart(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    Query(query): Query,
    _: NoBody,
) -> Result<Response, RestError> {
    let request =
        RestartRequest { include_tasks: is_true(&query, "includeTasks"), only_failed: is_true(&query, "onlyFailed") };
    let status = context.herder.restart(&connector, request).await?;
    if request == RestartRequest::default() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(ConnectorStateInfo::from(status))).into_response())
}

pub async fn pause(State(context): State<RestContext>, Path(connector): Path<String>) -> Result<StatusCode, RestError> {
    context.herder.set_target_state(&connector, TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

pub async fn resume(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<StatusCode, RestError> {
    context.herder.set_target_state(&connector, TargetState::Started).await?;
    Ok(StatusCode::ACCEPTED)
}

pub async fn stop(State(context): State<RestContext>, Path(connector): Path<String>) -> Result<StatusCode, RestError> {
    context.herder.set_target_state(&connector, TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn target_state(text: &str) -> Result<TargetState, RestError> {
    match text.to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => {
            let message =
                format!("Cannot deserialize value: initial_state {text} must be one of RUNNING, PAUSED, STOPPED");
            Err(RestError::BadRequest { message })
        }
    }
}

impl BaseUri {
    fn created(&self, status: StatusCode, info: ConnectorInfo, ignored: &[String]) -> Response {
        let location = HeaderValue::from_str(&format!("{}{}", self.0, paths::of_connector(&info.name))).ok();
        let mut response = (status, Json(info)).into_response();
        if let Some(location) = location.filter(|_| status == StatusCode::CREATED) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        name_ignored(&mut response, ignored);
        response
    }
}

/// Keys may hold anything; what is no header text is left to the log.
pub fn name_ignored(response: &mut Response, ignored: &[String]) {
    if ignored.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&ignored.join("; ")) {
        response.headers_mut().insert(IGNORED_KEYS, value);
    }
}
