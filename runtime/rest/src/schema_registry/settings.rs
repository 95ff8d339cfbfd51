//! `/config/…` and `/mode/…`: levels of compatibility and modes, of all subjects and of one.

use super::Registry;
use super::answer::{Answer, Json};
use crate::request::is_true;
use crate::router::Query;
use axum::extract::{Path, State};
use sluice_connect_api::RegistryError;
use sluice_connect_api::schema_registry::CompatibilityLevel;
use sluice_schema_registry::wire::{ConfigBody, ConfigUpdate, ModeBody};
use sluice_schema_registry::{INVALID_COMPATIBILITY_LEVEL, Mode};

fn shown(level: CompatibilityLevel) -> Json<ConfigBody> {
    Json(ConfigBody { compatibility_level: level.name().to_owned() })
}

fn parse(update: &ConfigUpdate) -> Result<CompatibilityLevel, RegistryError> {
    let missing = || RegistryError::new(INVALID_COMPATIBILITY_LEVEL, "Invalid compatibility level: it is missing");
    update.compatibility.as_deref().ok_or_else(missing)?.parse()
}

pub async fn level(State(registry): State<Registry>) -> Answer<ConfigBody> {
    Ok(shown(registry.level(None)?))
}

pub async fn set_level(State(registry): State<Registry>, Json(update): Json<ConfigUpdate>) -> Answer<ConfigUpdate> {
    registry.set_level(None, Some(parse(&update)?)).await?;
    Ok(Json(update))
}

pub async fn remove_level(State(registry): State<Registry>) -> Answer<ConfigBody> {
    let level = registry.level(None)?;
    registry.set_level(None, None).await?;
    Ok(shown(level))
}

pub async fn subject_level(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
) -> Answer<ConfigBody> {
    if is_true(&query, "defaultToGlobal") {
        return Ok(shown(registry.level_in_scope(&subject)));
    }
    Ok(shown(registry.level(Some(&subject))?))
}

pub async fn set_subject_level(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Json(update): Json<ConfigUpdate>,
) -> Answer<ConfigUpdate> {
    registry.set_level(Some(&subject), Some(parse(&update)?)).await?;
    Ok(Json(update))
}

pub async fn remove_subject_level(State(registry): State<Registry>, Path(subject): Path<String>) -> Answer<ConfigBody> {
    let level = registry.level(Some(&subject))?;
    registry.set_level(Some(&subject), None).await?;
    Ok(shown(level))
}

fn shown_mode(mode: Mode) -> Json<ModeBody> {
    Json(ModeBody { mode: mode.name().to_owned() })
}

pub async fn mode(State(registry): State<Registry>) -> Answer<ModeBody> {
    Ok(shown_mode(registry.mode(None)?))
}

pub async fn set_mode(
    State(registry): State<Registry>,
    Query(query): Query,
    Json(update): Json<ModeBody>,
) -> Answer<ModeBody> {
    let mode: Mode = update.mode.parse()?;
    registry.set_mode(None, Some(mode), is_true(&query, "force")).await?;
    Ok(shown_mode(mode))
}

pub async fn subject_mode(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
) -> Answer<ModeBody> {
    if is_true(&query, "defaultToGlobal") {
        return Ok(shown_mode(registry.mode_in_scope(&subject)));
    }
    Ok(shown_mode(registry.mode(Some(&subject))?))
}

pub async fn set_subject_mode(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
    Json(update): Json<ModeBody>,
) -> Answer<ModeBody> {
    let mode: Mode = update.mode.parse()?;
    registry.set_mode(Some(&subject), Some(mode), is_true(&query, "force")).await?;
    Ok(shown_mode(mode))
}

pub async fn remove_subject_mode(State(registry): State<Registry>, Path(subject): Path<String>) -> Answer<ModeBody> {
    let mode = registry.mode(Some(&subject))?;
    registry.set_mode(Some(&subject), None, false).await?;
    Ok(shown_mode(mode))
}
