//! The REST API of the schema registry in this hub, at the same paths and with the same bodies, codes and texts as Confluent's:
//! `/subjects`, `/schemas`, `/config`, `/mode`, `/compatibility`, `/contexts`. It is a router of its own, since its media types
//! and errors are not Connect's.
//!
//! The compatibility of JSON Schema and Protobuf is not checked yet: an answer about them says so in the header
//! `Sluice-Compatibility-Unchecked`. Source: Confluent `rest.resources`.

mod answer;
mod schemas;
mod settings;
mod subjects;

use crate::request::check_accept;
use answer::RegistryFailure;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sluice_schema_registry::EmbeddedRegistry;
use sluice_schema_registry::wire::CONTENT_TYPE;
use std::sync::Arc;

type Registry = Arc<EmbeddedRegistry>;

/// What a client may ask for.
const OFFERED: &[&str] =
    &[CONTENT_TYPE, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"];
/// A schema is kilobytes; one record of the topic that keeps it holds at most a megabyte.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The API over a registry; to be merged with [`crate::router`].
pub fn schema_registry_router(registry: Registry) -> Router {
    Router::new()
        .route("/subjects", get(subjects::list))
        .route("/subjects/{subject}", post(subjects::look_up).delete(subjects::delete))
        .route("/subjects/{subject}/versions", get(subjects::versions).post(subjects::register))
        .route("/subjects/{subject}/versions/{version}", get(subjects::version).delete(subjects::delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", get(subjects::version_text))
        .route("/subjects/{subject}/versions/{version}/referencedby", get(subjects::referenced_by))
        .route("/subjects/{subject}/metadata", get(subjects::latest_with_metadata))
        .route("/schemas", get(schemas::list))
        .route("/schemas/types", get(schemas::types))
        .route("/schemas/ids/{id}", get(schemas::by_id))
        .route("/schemas/ids/{id}/schema", get(schemas::text_by_id))
        .route("/schemas/ids/{id}/subjects", get(schemas::subjects_by_id))
        .route("/schemas/ids/{id}/versions", get(schemas::versions_by_id))
        .route("/compatibility/subjects/{subject}/versions", post(schemas::check_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(schemas::check))
        .route("/config", get(settings::level).put(settings::set_level).delete(settings::remove_level))
        .route(
            "/config/{subject}",
            get(settings::subject_level).put(settings::set_subject_level).delete(settings::remove_subject_level),
        )
        .route("/mode", get(settings::mode).put(settings::set_mode))
        .route(
            "/mode/{subject}",
            get(settings::subject_mode).put(settings::set_subject_mode).delete(settings::remove_subject_mode),
        )
        .route("/contexts", get(schemas::contexts))
        .method_not_allowed_fallback(|| async { RegistryFailure::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard))
        .with_state(registry)
}

async fn guard(request: Request, next: Next) -> Response {
    match check_accept(request.headers(), OFFERED) {
        Ok(()) => next.run(request).await,
        Err(_) => RegistryFailure::not_acceptable().into_response(),
    }
}
