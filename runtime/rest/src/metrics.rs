//! `/metrics` in Prometheus' text format.

use crate::router::RestContext;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

pub async fn text(State(context): State<RestContext>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (context.metrics)())
}
