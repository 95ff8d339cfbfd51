//! Kafka Connect's REST API: its paths, bodies, status codes and error texts.
//!
//! One file per resource; [`paths`] names every path, [`error`] turns each error into a status and a body, [`dto`] holds what
//! goes over the wire, [`openapi`] describes it for tools. [`router`] is the whole API as one axum router, [`serve`] puts it on a listener.
//!
//! [`schema_registry_router`] is beside it: the API of the schema registry in this hub.
//!
//! What it is not: it decides nothing (the herder does) and keeps no state but limits.
//!
//! Where it differs from Kafka on purpose stands in `tests/conformance/README.md`, found by comparing the two; `/metrics`, `/openapi.json`,
//! `/sluice/v1/…` and the header `Sluice-Ignored-Keys` are additions.

mod connector_plugins;
mod connectors;
mod dto;
mod error;
mod errors;
mod headers;
mod health;
mod inspect;
mod loggers;
mod metrics;
mod offsets;
mod openapi;
mod overview;
mod paths;
mod request;
mod router;
mod schema_registry;
mod server;
mod tasks;
mod topics;

pub use error::RestError;
pub use headers::{AnswerHeaders, HeaderRule};
pub use openapi::openapi;
pub use router::{RestConfig, RestContext, router};
pub use schema_registry::schema_registry_router;
pub use server::{ServeError, serve};
