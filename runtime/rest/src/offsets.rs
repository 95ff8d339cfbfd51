//! `/connectors/{connector}/offsets`. Source: KIP-875.

use crate::dto::{ConnectorOffset, ConnectorOffsets, Message};
use crate::error::RestError;
use crate::request::JsonBody;
use crate::router::RestContext;
use axum::Json;
use axum::extract::{Path, State};
use sluice_herder::{self as herder, AlteredOffsets};

pub async fn get(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<ConnectorOffsets>, RestError> {
    let offsets = context.herder.offsets(&connector).await?.into_iter();
    let shown = |one: herder::ConnectorOffset| ConnectorOffset { partition: Some(one.partition), offset: one.offset };
    Ok(Json(ConnectorOffsets { offsets: Some(offsets.map(shown).collect()) }))
}

pub async fn alter(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
    JsonBody(body): JsonBody<ConnectorOffsets>,
) -> Result<Json<Message>, RestError> {
    let given = |one: ConnectorOffset| {
        let missing = || RestError::BadRequest {
            message: "The partition for a sink connector offset cannot be null or missing".to_owned(),
        };
        Ok(herder::ConnectorOffset { partition: one.partition.ok_or_else(missing)?, offset: one.offset })
    };
    let offsets = body.offsets.unwrap_or_default().into_iter().map(given).collect::<Result<_, RestError>>()?;
    let message = match context.herder.alter_offsets(&connector, offsets).await? {
        AlteredOffsets::WithConnector => "The offsets for this connector have been altered successfully",
        AlteredOffsets::HubOnly => {
            "The Connect framework-managed offsets for this connector have been altered successfully. However, if this connector manages offsets externally, they will need to be manually altered in the system that the connector uses."
        }
    };
    Ok(Json(Message { message }))
}

pub async fn reset(
    State(context): State<RestContext>,
    Path(connector): Path<String>,
) -> Result<Json<Message>, RestError> {
    let message = match context.herder.reset_offsets(&connector).await? {
        AlteredOffsets::WithConnector => "The offsets for this connector have been reset successfully",
        AlteredOffsets::HubOnly => {
            "The Connect framework-managed offsets for this connector have been reset successfully. However, if this connector manages offsets externally, they will need to be manually reset in the system that the connector uses."
        }
    };
    Ok(Json(Message { message }))
}
