//! `/subjects/…`

use super::Registry;
use super::answer::{Answer, Json, RegistryFailure, Text, UNCHECKED, page, parse_version, text};
use crate::request::is_true;
use crate::router::Query;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use sluice_connect_api::schema_registry::VersionSelector;
use sluice_converters_registry::registered::has_compatibility_checks;
use sluice_schema_registry::wire::SchemaBody;
use sluice_schema_registry::{Registering, StoredVersion};

pub fn body(registry: &Registry, stored: StoredVersion, format: Option<&str>) -> Result<SchemaBody, RegistryFailure> {
    let StoredVersion { subject, version, id, schema, deleted } = stored;
    Ok(SchemaBody {
        subject: Some(subject),
        version: Some(version.into()),
        id: Some(id.into()),
        deleted: deleted.then_some(true),
        ..SchemaBody::of_schema(&registry.formatted(schema, format)?)
    })
}

pub async fn list(State(registry): State<Registry>, Query(query): Query) -> Answer<Vec<String>> {
    // As Confluent's: a prefix that begins with a context of all names all of them.
    let prefix = text(&query, "subjectPrefix").unwrap_or_default();
    let prefix = if prefix == ":*:" { "" } else { prefix };
    let subjects = registry.subjects(prefix, is_true(&query, "deleted"), is_true(&query, "deletedOnly"));
    Ok(Json(page(subjects, &query)?))
}

pub async fn look_up(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
    Json(schema): Json<SchemaBody>,
) -> Answer<SchemaBody> {
    let schema = schema.into_schema()?;
    let found = registry.find(&subject, &schema, is_true(&query, "normalize"), is_true(&query, "deleted"))?;
    Ok(Json(body(&registry, found, text(&query, "format"))?))
}

pub async fn delete(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
) -> Answer<Vec<u32>> {
    Ok(Json(registry.delete_subject(&subject, is_true(&query, "permanent")).await?))
}

pub async fn versions(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
) -> Answer<Vec<u32>> {
    let versions = registry.versions(&subject, is_true(&query, "deleted"), is_true(&query, "deletedOnly"))?;
    Ok(Json(page(versions, &query)?))
}

pub async fn register(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
    Json(schema): Json<SchemaBody>,
) -> Result<Response, RegistryFailure> {
    let positive = |number: Option<i64>| number.filter(|number| *number > 0).and_then(|number| number.try_into().ok());
    let asked = Registering {
        normalize: is_true(&query, "normalize"),
        id: positive(schema.id),
        version: positive(schema.version),
    };
    let schema = schema.into_schema()?;
    let stored = registry.register_version(&subject, &schema, &asked).await?;
    let answer = SchemaBody {
        id: Some(stored.id.into()),
        version: Some(stored.version.into()),
        ..SchemaBody::of_schema(&stored.schema)
    };
    let mut response = Json(answer).into_response();
    if !has_compatibility_checks(schema.kind) {
        response.headers_mut().insert(UNCHECKED, axum::http::HeaderValue::from_static(schema.kind.name()));
    }
    Ok(response)
}

pub async fn version(
    State(registry): State<Registry>,
    Path((subject, version)): Path<(String, String)>,
    Query(query): Query,
) -> Answer<SchemaBody> {
    let found = registry.find_version(&subject, parse_version(&version)?, is_true(&query, "deleted"))?;
    Ok(Json(body(&registry, found, text(&query, "format"))?))
}

pub async fn version_text(
    State(registry): State<Registry>,
    Path((subject, version)): Path<(String, String)>,
    Query(query): Query,
) -> Result<Text, RegistryFailure> {
    let found = registry.find_version(&subject, parse_version(&version)?, is_true(&query, "deleted"))?;
    Ok(Text(registry.formatted(found.schema, text(&query, "format"))?.text))
}

pub async fn referenced_by(
    State(registry): State<Registry>,
    Path((subject, version)): Path<(String, String)>,
) -> Answer<Vec<u32>> {
    Ok(Json(registry.referenced_by(&subject, parse_version(&version)?)?))
}

/// No schema here has metadata: any that is asked for is not found.
pub async fn latest_with_metadata(
    State(registry): State<Registry>,
    Path(subject): Path<String>,
    Query(query): Query,
) -> Answer<SchemaBody> {
    let found = registry.find_version(&subject, VersionSelector::Latest, is_true(&query, "deleted"))?;
    if query.iter().any(|(name, _)| name == "key") {
        return Err(sluice_schema_registry::schema_not_found().into());
    }
    Ok(Json(body(&registry, found, text(&query, "format"))?))
}

pub async fn delete_version(
    State(registry): State<Registry>,
    Path((subject, version)): Path<(String, String)>,
    Query(query): Query,
) -> Answer<u32> {
    let version = parse_version(&version)?;
    Ok(Json(registry.delete_version(&subject, version, is_true(&query, "permanent")).await?))
}
