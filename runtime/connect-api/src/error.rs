//! What can go wrong in a connector, and whether trying again may help.

/// Whether trying again may help. Decides what the worker does: wait and repeat, report the record, or fail the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later.
    Retriable,
    /// This input never will; others may.
    Rejected,
    /// The task is over.
    Fatal,
}

/// `code` is a stable identifier, `message` is for people and tells what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDetails {
    pub code: String,
    pub message: String,
    /// Wait at least this long before trying again.
    pub backoff_ms: Option<u32>,
}

/// An error that a connector, a converter or a transformation gives the worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .details.message)]
pub struct ConnectError {
    pub kind: ErrorKind,
    pub details: ErrorDetails,
}

impl ConnectError {
    #[must_use]
    pub fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, details: ErrorDetails { code: code.to_owned(), message: message.into(), backoff_ms: None } }
    }

    #[must_use]
    pub fn retriable(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, code, message)
    }

    #[must_use]
    pub fn rejected(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, code, message)
    }

    #[must_use]
    pub fn fatal(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, code, message)
    }
}
