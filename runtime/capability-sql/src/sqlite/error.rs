//! What a guest is told of SQLite's errors.

use super::raw::{self, SqliteError};
use super::read::ReadError;
use super::write::WriteError;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::{Details, Error};

/// Another writer's transaction is usually over after this.
const BUSY_BACKOFF_MS: u32 = 200;

/// SQLITE_CORRUPT, which the bindings name only with its extensions.
const CORRUPT: i32 = 11;

pub fn from_sqlite(error: &SqliteError) -> Error {
    let message = &error.message;
    match error.primary() {
        raw::SQLITE_BUSY | raw::SQLITE_LOCKED => Error::Retriable(Details {
            code: "sql.busy".to_owned(),
            message: format!("the database is locked by another writer ({message})"),
            backoff_ms: Some(BUSY_BACKOFF_MS),
        }),
        raw::SQLITE_FULL => {
            CapabilityError::retriable("sql.disk-full", format!("{message}; make room on the database's disk"))
        }
        raw::SQLITE_IOERR => CapabilityError::retriable("sql.io", message),
        raw::SQLITE_INTERRUPT => CapabilityError::retriable("sql.interrupted", "the statement was interrupted"),
        raw::SQLITE_CANTOPEN => {
            CapabilityError::retriable("sql.cannot-open", format!("{message}; check the file's path and permissions"))
        }
        raw::SQLITE_CONSTRAINT => CapabilityError::rejected("sql.constraint", message),
        raw::SQLITE_MISMATCH | raw::SQLITE_TOOBIG => CapabilityError::rejected("sql.value", message),
        raw::SQLITE_READONLY => CapabilityError::fatal(
            "sql.read-only",
            format!("{message}; check mode= in the URL and the file's permissions"),
        ),
        raw::SQLITE_NOTADB | CORRUPT => CapabilityError::fatal("sql.corrupt", message),
        raw::SQLITE_AUTH => CapabilityError::fatal(
            "sql.not-allowed",
            format!(
                "the statement is not allowed here ({message}): no ATTACH, transaction control, extensions or settings"
            ),
        ),
        _ => CapabilityError::fatal(code_of(message), message),
    }
}

fn code_of(message: &str) -> &'static str {
    if message.contains("no such table") {
        "sql.no-such-table"
    } else if message.contains("no such column") || message.contains("has no column named") {
        "sql.no-such-column"
    } else {
        "sql.error"
    }
}

pub fn from_read(error: &ReadError) -> Error {
    match error {
        ReadError::Sqlite(error) => from_sqlite(error),
        ReadError::Misfit { .. } => CapabilityError::fatal("sql.value", error.to_string()),
        ReadError::Batch(_) | ReadError::Arrow(_) => CapabilityError::fatal("sql.internal", chain(error)),
    }
}

pub fn from_write(error: &WriteError) -> Error {
    match error {
        WriteError::Sqlite(error) => from_sqlite(error),
        WriteError::Path(error) => error.clone(),
        WriteError::Unsupported { .. } => CapabilityError::rejected("sql.shape", error.to_string()),
        WriteError::ParameterCount { .. } => CapabilityError::fatal("sql.parameters", error.to_string()),
        WriteError::Row { row_id, source } => match from_sqlite(source) {
            Error::Rejected(details) => {
                Error::Rejected(Details { message: format!("row:{row_id} {}", details.message), ..details })
            }
            other => other,
        },
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
