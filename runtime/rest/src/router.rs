//! The whole API as one router: paths, limits, fallbacks.

use crate::error::RestError;
use crate::headers::AnswerHeaders;
use crate::request::{BODY_BYTES_MAX, check_accept};
use crate::{
    connector_plugins, connectors, errors, health, inspect, loggers, metrics, offsets, openapi, overview, paths, tasks,
    topics,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use sluice_herder::Herder;
use sluice_telemetry::Loggers;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Limits of the API.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// Kafka: 90 s.
    pub request_timeout: Duration,
    /// The commit this was built from, for `GET /`.
    pub commit: String,
    /// When the hub was started, in milliseconds since the epoch.
    pub start_time_ms: i64,
    /// What the worker's config adds to answers.
    pub headers: AnswerHeaders,
    /// `admin.listeners` that is empty: there is no `/admin`.
    pub has_admin: bool,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(90),
            commit: "unknown".to_owned(),
            start_time_ms: now_ms(),
            headers: AnswerHeaders::default(),
            has_admin: true,
        }
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct RestContext {
    pub herder: Herder,
    pub config: Arc<RestConfig>,
    pub loggers: Arc<Loggers>,
    /// What `/metrics` says beyond connectors and tasks' states, made when it is asked for.
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

/// The API over a running herder. Each path also with a slash at its end, as Kafka's server takes it.
pub fn router(context: RestContext) -> Router {
    let mut router = Router::new();
    let has_admin = context.config.has_admin;
    for (path, methods) in routes().into_iter().filter(|(path, _)| has_admin || !path.starts_with("/admin/")) {
        if path != paths::ROOT {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    let router = router
        .fallback(|| async { RestError::NotFound })
        .method_not_allowed_fallback(|| async { RestError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(context.clone());
    // Around the whole router: only there an answer 405 names the methods that there are.
    Router::new().fallback_service(router).layer(middleware::from_fn_with_state(context, guard))
}

/// Every path of the API and what may be done with it; [`openapi`] says the same in words, and a test holds them together.
fn routes() -> Vec<(&'static str, MethodRouter<RestContext>)> {
    vec![
        (paths::ROOT, get(health::root)),
        (paths::HEALTH, get(health::health)),
        (paths::CONNECTORS, get(connectors::list).post(connectors::create)),
        (paths::CONNECTOR, get(connectors::get).delete(connectors::delete)),
        (paths::CONFIG, get(connectors::config).put(connectors::put_config).patch(connectors::patch_config)),
        (paths::STATUS, get(connectors::status)),
        (paths::RESTART, post(connectors::restart)),
        (paths::PAUSE, put(connectors::pause)),
        (paths::RESUME, put(connectors::resume)),
        (paths::STOP, put(connectors::stop)),
        (paths::TASKS, get(tasks::list)),
        (paths::TASK_STATUS, get(tasks::status)),
        (paths::TASK_RESTART, post(tasks::restart)),
        (paths::TOPICS, get(topics::active)),
        (paths::TOPICS_RESET, put(topics::reset_active)),
        (paths::OFFSETS, get(offsets::get).patch(offsets::alter).delete(offsets::reset)),
        (paths::PLUGINS, get(connector_plugins::list)),
        (paths::PLUGIN_CONFIG, get(connector_plugins::config)),
        (paths::PLUGIN_VALIDATE, put(connector_plugins::validate)),
        (paths::LOGGERS, get(loggers::list)),
        (paths::LOGGER, get(loggers::get).put(loggers::set)),
        (paths::ERRORS, get(errors::list)),
        (paths::REDRIVE, post(errors::redrive)),
        (paths::INSPECT, get(inspect::inspect)),
        (paths::OVERVIEW, get(overview::overview)),
        (paths::LOG_TOPICS, get(topics::list).post(topics::create)),
        (paths::LOG_TOPIC, get(topics::describe).delete(topics::delete)),
        (paths::LOG_RECORDS, get(topics::records)),
        (paths::METRICS, get(metrics::text)),
        (paths::OPENAPI, get(openapi::document)),
    ]
}

/// Every request: does the client take JSON, does the answer come in time, and what is added to it.
async fn guard(State(context): State<RestContext>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = answer(&context, request, next).await;
    context.config.headers.apply(&method, origin.as_ref(), response.headers_mut());
    response
}

async fn answer(context: &RestContext, request: Request, next: Next) -> Response {
    let offered: &[&str] = if request.uri().path() == paths::METRICS {
        &["text/plain", "application/openmetrics-text", "application/json"]
    } else {
        &["application/json"]
    };
    let is_options = request.method() == Method::OPTIONS;
    if !is_options && let Err(error) = check_accept(request.headers(), offered) {
        return error.into_response();
    }
    if !is_text(request.uri().path()) {
        return RestError::BadRequest { message: "the path is no UTF-8".to_owned() }.into_response();
    }
    let timeout = context.config.request_timeout;
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) if is_options => options(response),
        Ok(response) => response,
        Err(_) => RestError::TimedOut { seconds: timeout.as_secs() }.into_response(),
    }
}

fn is_text(path: &str) -> bool {
    percent_encoding::percent_decode_str(path).decode_utf8().is_ok()
}

/// What may be done with a path: no handler takes OPTIONS, and the refusal names the methods that there are.
fn options(refusal: Response) -> Response {
    let Some(allowed) = refusal.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok()) else {
        return refusal;
    };
    let allowed = format!("{allowed},OPTIONS");
    let text = allowed.replace(',', ", ");
    ([(header::ALLOW, allowed), (header::CONTENT_TYPE, "text/plain".to_owned())], text).into_response()
}
