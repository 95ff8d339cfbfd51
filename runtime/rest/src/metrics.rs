//! `/metrics` in Prometheus' text format.

use crate::router::RestContext;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use sluice_telemetry::MetricsText;

pub async fn text(State(context): State<RestContext>) -> impl IntoResponse {
    let text = context.herder.metrics().await + &app_info(&context) + &(context.metrics)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// Source: Kafka `AppInfoParser`.
fn app_info(context: &RestContext) -> String {
    let mut text = MetricsText::default();
    text.head("kafka_connect_app_info", "gauge");
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit_id", &context.config.commit)];
    text.line("kafka_connect_app_info", &labels, 1.0);
    text.one("kafka_connect_app_info_start_time_ms", "gauge", context.config.start_time_ms as f64);
    text.0
}
