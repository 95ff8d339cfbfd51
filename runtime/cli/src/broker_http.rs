//! What a broker alone serves over HTTP: `/metrics` and `/health`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, extract::State};
use serde_json::json;
use sluice_embedded::EmbeddedBroker;
use sluice_server::broker_metrics;
use std::sync::Arc;

/// `server` renders what the Kafka listeners count.
pub fn router(broker: Arc<EmbeddedBroker>, server: impl Fn() -> String + Send + Sync + 'static) -> Router {
    let server = Arc::new(server);
    let of = broker.clone();
    let metrics = move || {
        let (server, broker) = (server.clone(), of.clone());
        async move {
            let text = server() + &broker_metrics(&broker);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
        }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .with_state(broker)
        .fallback(|| async { (StatusCode::NOT_FOUND, "there are /metrics and /health\n") })
}

async fn health(State(broker): State<Arc<EmbeddedBroker>>) -> Response {
    match broker.failure() {
        None => Json(json!({ "status": "healthy" })).into_response(),
        Some(reason) => {
            let body = Json(json!({ "status": "unhealthy", "message": reason }));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
    }
}
