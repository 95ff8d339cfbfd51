//! `/sluice/v1/connectors/{connector}/inspect`: records at each stage. Ours.

use crate::error::RestError;
use crate::request::parameter;
use crate::router::{Query, RestContext};
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use sluice_herder::{INSPECT_RECORDS_MAX, InspectedTask, StageRecords};
use std::time::Duration;

const RECORDS_DEFAULT: i64 = 5;
const WAIT_MS_DEFAULT: i64 = 1_000;
/// Below the time that a request may take in all.
const WAIT_MS_MAX: i64 = 30_000;

pub async fn inspect(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    Query(query): Query,
) -> Result<Json<Value>, RestError> {
    let records = parameter(&query, "records")?.unwrap_or(RECORDS_DEFAULT).clamp(1, INSPECT_RECORDS_MAX as i64);
    let wait = parameter(&query, "wait_ms")?.unwrap_or(WAIT_MS_DEFAULT).clamp(0, WAIT_MS_MAX);
    let wait = Duration::from_millis(wait.unsigned_abs());
    let tasks = context.herder.inspect(&connector, records as usize, wait).await?;
    let tasks: Vec<Value> = tasks.into_iter().map(shown).collect();
    Ok(Json(json!({ "connector": connector, "tasks": tasks })))
}

fn shown(task: InspectedTask) -> Value {
    let stage = |StageRecords { stage, class, records }| json!({ "stage": stage, "class": class, "records": records });
    let stages: Vec<Value> = task.stages.into_iter().map(stage).collect();
    json!({ "task": task.task, "complete": task.complete, "stages": stages })
}
