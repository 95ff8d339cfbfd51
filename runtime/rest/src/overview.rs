//! `/sluice/v1/status`: the hub at a glance. Ours.

use crate::error::RestError;
use crate::router::RestContext;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use sluice_herder::{ConnectorOverview, PartitionLag};

pub async fn overview(State(context): State<RestContext>) -> Result<Json<Value>, RestError> {
    let overview = context.herder.overview().await?;
    let connectors: Vec<Value> = overview.connectors.iter().map(shown).collect();
    let memory = json!({ "used_bytes": overview.memory_used_bytes, "limit_bytes": overview.memory_limit_bytes });
    Ok(Json(json!({ "connectors": connectors, "memory_budget": memory })))
}

fn shown(one: &ConnectorOverview) -> Value {
    let status = &one.status;
    let tasks: Vec<Value> =
        status.tasks.iter().map(|(id, task)| json!({ "id": id, "state": task.state.as_str() })).collect();
    // A source has none, and of a sink nothing is known before it has a topic.
    let lag = (!one.lag.is_empty()).then(|| one.lag.iter().map(|lag| lag.lag).sum::<i64>());
    let left = one.lag.iter().filter_map(|lag| lag.left.seconds()).reduce(f64::min);
    let partitions: Vec<Value> = one.lag.iter().map(partition).collect();
    json!({
        "name": status.name.as_str(),
        "class": one.class,
        "version": status.connector.version,
        "state": status.connector.state.as_str(),
        "tasks": tasks,
        "lag": lag,
        "retention_seconds_left": left,
        "partitions": partitions,
        "last_error": one.last_error(),
        "next_restart_ms": one.next_restart.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    })
}

fn partition(lag: &PartitionLag) -> Value {
    json!({
        "topic": &*lag.partition.topic,
        "partition": lag.partition.partition,
        "position": lag.position,
        "lag": lag.lag,
        "retention_seconds_left": lag.left.seconds(),
    })
}
