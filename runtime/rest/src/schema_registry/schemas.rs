//! `/schemas/…`, `/compatibility/…`

use super::Registry;
use super::answer::{Answer, Json, RegistryFailure, Text, UNCHECKED, page, parse_id, parse_version, text};
use super::subjects::body;
use crate::request::is_true;
use crate::router::Query;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sluice_connect_api::schema_registry::{SchemaKind, VersionSelector};
use sluice_converters_registry::registered::has_compatibility_checks;
use sluice_schema_registry::wire::{CompatibilityCheck, SchemaBody};

/// Where a schema stands.
#[derive(Serialize)]
pub struct Place {
    subject: String,
    version: u32,
}

pub async fn types() -> Json<[&'static str; 3]> {
    Json([SchemaKind::Json.name(), SchemaKind::Protobuf.name(), SchemaKind::Avro.name()])
}

/// There is one context, the default one.
pub async fn contexts() -> Json<[&'static str; 1]> {
    Json(["."])
}

pub async fn list(State(registry): State<Registry>, Query(query): Query) -> Answer<Vec<SchemaBody>> {
    let prefix = text(&query, "subjectPrefix").unwrap_or_default();
    let found = registry.all_versions(prefix, is_true(&query, "deleted"), is_true(&query, "latestOnly"));
    let found: Result<Vec<SchemaBody>, _> =
        page(found, &query)?.into_iter().map(|stored| body(&registry, stored, text(&query, "format"))).collect();
    Ok(Json(found?))
}

pub async fn by_id(
    State(registry): State<Registry>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Answer<SchemaBody> {
    let schema = registry.formatted(registry.find_schema(parse_id(&id)?)?, text(&query, "format"))?;
    let max_id = is_true(&query, "fetchMaxId").then(|| registry.id_max());
    Ok(Json(SchemaBody { max_id, ..SchemaBody::of_schema(&schema) }))
}

pub async fn text_by_id(
    State(registry): State<Registry>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Result<Text, RegistryFailure> {
    let schema = registry.find_schema(parse_id(&id)?)?;
    Ok(Text(registry.formatted(schema, text(&query, "format"))?.text))
}

pub async fn subjects_by_id(
    State(registry): State<Registry>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Answer<Vec<String>> {
    let places = registry.versions_of_id(parse_id(&id)?, is_true(&query, "deleted"))?;
    let mut subjects: Vec<String> = places.into_iter().map(|(subject, _)| subject).collect();
    subjects.dedup();
    Ok(Json(page(subjects, &query)?))
}

pub async fn versions_by_id(
    State(registry): State<Registry>,
    Path(id): Path<String>,
    Query(query): Query,
) -> Answer<Vec<Place>> {
    let places = registry.versions_of_id(parse_id(&id)?, is_true(&query, "deleted"))?;
    let places = places.into_iter().map(|(subject, version)| Place { subject, version }).collect();
    Ok(Json(page(places, &query)?))
}

pub async fn check_all(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
    Json(schema): Json<SchemaBody>,
) -> Result<Response, RegistryFailure> {
    answer_check(&registry, &subject, None, &query, schema)
}

pub async fn check(
    State(registry): State<Registry>,
    Path((subject, version)): Path<(String, String)>,
    Query(query): Query,
    Json(schema): Json<SchemaBody>,
) -> Result<Response, RegistryFailure> {
    answer_check(&registry, &subject, Some(parse_version(&version)?), &query, schema)
}

fn answer_check(
    registry: &Registry,
    subject: &str,
    version: Option<VersionSelector>,
    query: &[(String, String)],
    schema: SchemaBody,
) -> Result<Response, RegistryFailure> {
    let schema = schema.into_schema()?;
    let mut checked = registry.check(subject, version, &schema, is_true(query, "normalize"))?;
    let is_checked = has_compatibility_checks(schema.kind);
    if !is_checked {
        let kind = schema.kind;
        checked
            .messages
            .push(format!("{{note: 'the compatibility of {kind} schemas is not checked by this registry yet'}}"));
    }
    let is_verbose = is_true(query, "verbose");
    let answer =
        CompatibilityCheck { is_compatible: checked.is_compatible, messages: is_verbose.then_some(checked.messages) };
    let mut response = Json(answer).into_response();
    if !is_checked {
        response.headers_mut().insert(UNCHECKED, HeaderValue::from_static(schema.kind.name()));
    }
    Ok(response)
}
