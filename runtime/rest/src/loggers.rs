//! `/admin/loggers`: levels, and changing them while the hub runs.

use crate::dto::LoggerLevel;
use crate::error::RestError;
use crate::request::JsonBody;
use crate::router::{Query, RestContext};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use sluice_telemetry::loggers::Level;
use std::collections::BTreeMap;

pub async fn list(State(context): State<RestContext>) -> Json<BTreeMap<String, LoggerLevel>> {
    Json(context.loggers.all().into_iter().map(|(name, level)| (name, level.into())).collect())
}

pub async fn get(
    State(context): State<RestContext>,
    Path(logger): Path<String>,
) -> Result<Json<LoggerLevel>, RestError> {
    let level = context.loggers.level(&logger).ok_or(RestError::UnknownLogger { logger })?;
    Ok(Json(level.into()))
}

/// `scope=cluster` is answered as Kafka does; one process is the whole cluster.
pub async fn set(
    State(context): State<RestContext>,
    Path(logger): Path<String>,
    Query(query): Query,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, RestError> {
    let text = match body.get("level") {
        None | Some(Value::Null) => {
            let message = "Desired 'level' parameter was not specified in request.".to_owned();
            return Err(RestError::BadRequest { message });
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let level = Level::parse(&text).ok_or(RestError::InvalidLogLevel { level: text })?;
    let affected = context.loggers.set(&logger, level);
    tracing::info!(logger, level = level.as_str(), "log level changed");
    let is_cluster = query.iter().any(|(key, value)| key == "scope" && value.eq_ignore_ascii_case("cluster"));
    if is_cluster {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(affected).into_response())
}
