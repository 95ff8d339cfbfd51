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

/// Source: KIP-1017. Unhealthy too while the log cannot be reached: nothing moves then.
pub async fn health(State(context): State<RestContext>) -> (StatusCode, Json<WorkerStatus>) {
    let message = match tokio::time::timeout(HEALTH_TIMEOUT, context.herder.ping()).await {
        Ok(Ok(())) => match context.herder.log_problem() {
            None => {
                let message = "Worker has completed startup and is ready to handle requests.".into();
                return (StatusCode::OK, Json(WorkerStatus { status: "healthy", message }));
            }
            Some(problem) => format!("Tasks wait for the log: {problem}").into(),
        },
        Ok(Err(_)) => "Worker is shutting down.".into(),
        Err(_) => "Worker was unable to handle this request within 10 s and may be unable to handle others.".into(),
    };
    (StatusCode::INTERNAL_SERVER_ERROR, Json(WorkerStatus { status: "unhealthy", message }))
}
