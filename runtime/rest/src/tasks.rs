//! `/connectors/{connector}/tasks`.

use crate::dto::{TaskInfo, TaskState};
use crate::error::RestError;
use crate::request::task_number;
use crate::router::RestContext;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use sluice_data::{ConnectorName, TaskId};

pub async fn list(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<Vec<TaskInfo>>, RestError> {
    Ok(Json(context.herder.tasks(&connector).await?.into_iter().map(TaskInfo::from).collect()))
}

pub async fn status(
    State(context): State<RestContext>,
    Path((connector, task)): Path<(String, String)>,
) -> Result<Json<TaskState>, RestError> {
    let number = task_number(&task)?;
    let Ok(index) = u32::try_from(number) else {
        return Err(RestError::NoSuchTask { message: format!("No status found for task {connector}-{number}") });
    };
    let id = TaskId::new(ConnectorName::new(connector), index);
    let state = context.herder.task_status(&id).await?;
    Ok(Json(TaskState { id: id.index, state: state.into() }))
}

pub async fn restart(
    State(context): State<RestContext>,
    Path((connector, task)): Path<(String, String)>,
) -> Result<StatusCode, RestError> {
    let number = task_number(&task)?;
    let Ok(index) = u32::try_from(number) else {
        return Err(RestError::NoSuchTask { message: format!("Unknown task: {connector}-{number}") });
    };
    context.herder.restart_task(&TaskId::new(ConnectorName::new(connector), index)).await?;
    Ok(StatusCode::NO_CONTENT)
}
