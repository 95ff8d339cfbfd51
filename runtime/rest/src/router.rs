//! The whole API as one router: paths, limits, fallbacks.

use crate::error::RestError;
use crate::request::{BODY_BYTES_MAX, check_accept};
use crate::{connector_plugins, connectors, health, loggers, metrics, offsets, paths, tasks, topics};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use sluice_herder::Herder;
use sluice_telemetry::Loggers;
use std::sync::Arc;
use std::time::Duration;

/// Limits of the API.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// Kafka: 90 s.
    pub request_timeout: Duration,
    /// The commit this was built from, for `GET /`.
    pub commit: String,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self { request_timeout: Duration::from_secs(90), commit: "unknown".to_owned() }
    }
}

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct RestContext {
    pub herder: Herder,
    pub config: Arc<RestConfig>,
    pub loggers: Arc<Loggers>,
    /// The text of `/metrics`, made when it is asked for.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// All parameters behind the `?`, in order, repeated ones too.
pub struct Query(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|error| RestError::BadRequest { message: error.body_text() })
    }
}

/// The API over a running herder.
pub fn router(context: RestContext) -> Router {
    Router::new()
        .route(paths::ROOT, get(health::root))
        .route(paths::HEALTH, get(health::health))
        .route(paths::CONNECTORS, get(connectors::list).post(connectors::create))
        .route(paths::CONNECTOR, get(connectors::get).delete(connectors::delete))
        .route(paths::CONFIG, get(connectors::config).put(connectors::put_config).patch(connectors::patch_config))
        .route(paths::STATUS, get(connectors::status))
        .route(paths::RESTART, post(connectors::restart))
        .route(paths::PAUSE, put(connectors::pause))
        .route(paths::RESUME, put(connectors::resume))
        .route(paths::STOP, put(connectors::stop))
        .route(paths::TASKS, get(tasks::list))
        .route(paths::TASK_STATUS, get(tasks::status))
        .route(paths::TASK_RESTART, post(tasks::restart))
        .route(paths::TOPICS, get(topics::active))
        .route(paths::TOPICS_RESET, put(topics::reset_active))
        .route(paths::OFFSETS, get(offsets::get).patch(offsets::alter).delete(offsets::reset))
        .route(paths::PLUGINS, get(connector_plugins::list))
        .route(paths::PLUGIN_CONFIG, get(connector_plugins::config))
        .route(paths::PLUGIN_VALIDATE, put(connector_plugins::validate))
        .route(paths::LOGGERS, get(loggers::list))
        .route(paths::LOGGER, get(loggers::get).put(loggers::set))
        .route(paths::LOG_TOPICS, get(topics::list).post(topics::create))
        .route(paths::LOG_TOPIC, get(topics::describe).delete(topics::delete))
        .route(paths::LOG_RECORDS, get(topics::records))
        .route(paths::METRICS, get(metrics::text))
        .fallback(|| async { RestError::NotFound })
        .method_not_allowed_fallback(|| async { RestError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(context.clone(), guard))
        .with_state(context)
}

/// Every request: does the client take JSON, and does the answer come in time.
async fn guard(State(context): State<RestContext>, request: Request, next: Next) -> Response {
    let offered: &[&str] = if request.uri().path() == paths::METRICS {
        &["text/plain", "application/openmetrics-text", "application/json"]
    } else {
        &["application/json"]
    };
    if let Err(error) = check_accept(request.headers(), offered) {
        return error.into_response();
    }
    let timeout = context.config.request_timeout;
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => RestError::TimedOut { seconds: timeout.as_secs() }.into_response(),
    }
}
