//! Refusals with Confluent's codes and words. Source: Confluent `rest.exceptions.Errors`.

use sluice_connect_api::RegistryError;
use sluice_storage::TopicLogError;

pub const SUBJECT_NOT_FOUND: u32 = 40401;
pub const VERSION_NOT_FOUND: u32 = 40402;
pub const SCHEMA_NOT_FOUND: u32 = 40403;
pub const SUBJECT_SOFT_DELETED: u32 = 40404;
pub const SUBJECT_NOT_SOFT_DELETED: u32 = 40405;
pub const VERSION_SOFT_DELETED: u32 = 40406;
pub const VERSION_NOT_SOFT_DELETED: u32 = 40407;
pub const SUBJECT_COMPATIBILITY_NOT_CONFIGURED: u32 = 40408;
pub const SUBJECT_MODE_NOT_CONFIGURED: u32 = 40409;
pub const INCOMPATIBLE_SCHEMA: u32 = 409;
pub const INVALID_SCHEMA: u32 = 42201;
pub const INVALID_VERSION: u32 = 42202;
pub const INVALID_COMPATIBILITY_LEVEL: u32 = 42203;
pub const INVALID_MODE: u32 = 42204;
pub const OPERATION_NOT_PERMITTED: u32 = 42205;
pub const REFERENCE_EXISTS: u32 = 42206;
pub const ID_DOES_NOT_MATCH: u32 = 42207;
pub const STORE_ERROR: u32 = 50001;

#[must_use]
pub fn subject_not_found(subject: &str) -> RegistryError {
    RegistryError::new(SUBJECT_NOT_FOUND, format!("Subject '{subject}' not found."))
}

#[must_use]
pub fn version_not_found(version: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(VERSION_NOT_FOUND, format!("Version {version} not found."))
}

#[must_use]
pub fn schema_not_found() -> RegistryError {
    RegistryError::new(SCHEMA_NOT_FOUND, "Schema not found")
}

#[must_use]
pub fn schema_id_not_found(id: u32) -> RegistryError {
    RegistryError::new(SCHEMA_NOT_FOUND, format!("Schema {id} not found"))
}

#[must_use]
pub fn invalid_schema(reason: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(INVALID_SCHEMA, format!("Invalid schema, details: {reason}"))
}

#[must_use]
pub fn invalid_version(version: &str) -> RegistryError {
    let message = format!(
        "The specified version '{version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
    );
    RegistryError::new(INVALID_VERSION, message)
}

#[must_use]
pub fn not_permitted(reason: impl Into<String>) -> RegistryError {
    RegistryError::new(OPERATION_NOT_PERMITTED, reason)
}

/// A write that did not land: retriable when the log has no room or cannot be reached.
#[must_use]
pub fn store_error(error: &TopicLogError) -> RegistryError {
    RegistryError::new(STORE_ERROR, format!("Error in the backend data store: {error}"))
}
