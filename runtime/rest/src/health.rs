//! `/` and `/health`.

use crate::dto::{ServerInfo, WorkerStatus};
use crate::router::RestContext;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sluice_herder::KAFKA_VERSION;
use std::time::Duration;

const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

pub async fn root(State(context): State<RestContext>) -> Json<ServerInfo> {
    let commit = context.config.commit.clone();
    Json(ServerInfo { version: KAFKA_VERSION, commit, kafka_cluster_id: context.herder.cluster_id() })
}

/// Source: KIP-1017.
pub async fn health(State(context): State<RestContext>) -> (StatusCode, Json<WorkerStatus>) {
    let status = match tokio::time::timeout(HEALTH_TIMEOUT, context.herder.ping()).await {
        Ok(Ok(())) => {
            let message = "Worker has completed startup and is ready to handle requests.";
            return (StatusCode::OK, Json(WorkerStatus { status: "healthy", message }));
        }
        Ok(Err(_)) => WorkerStatus { status: "unhealthy", message: "Worker is shutting down." },
        Err(_) => WorkerStatus {
            status: "unhealthy",
            message: "Worker was unable to handle this request within 10 s and may be unable to handle others.",
        },
    };
    (StatusCode::INTERNAL_SERVER_ERROR, Json(status))
}
