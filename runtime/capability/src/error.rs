//! Errors that cross to the guest: `retriable`, `rejected` or `fatal`, each with a stable code.

use crate::bindings::errors::{Details, Error};

/// What a WIT function answers: the outer error is a trap (a host bug or a broken guest), the inner one is the guest's to handle.
pub type HostResult<T> = wasmtime::Result<Result<T, Error>>;

/// Short constructors for [`Error`].
pub struct CapabilityError;

impl CapabilityError {
    #[must_use]
    pub fn retriable(code: &str, message: impl Into<String>) -> Error {
        Error::Retriable(details(code, message))
    }

    #[must_use]
    pub fn rejected(code: &str, message: impl Into<String>) -> Error {
        Error::Rejected(details(code, message))
    }

    #[must_use]
    pub fn fatal(code: &str, message: impl Into<String>) -> Error {
        Error::Fatal(details(code, message))
    }

    /// The guest asked for something that its connector was not given.
    #[must_use]
    pub fn not_granted(what: &str, connector: &str, remedy: &str) -> Error {
        Error::Fatal(details("not-granted", format!("{what} is not granted to connector {connector:?}; {remedy}")))
    }
}

fn details(code: &str, message: impl Into<String>) -> Details {
    Details { code: code.to_owned(), message: message.into(), backoff_ms: None }
}
