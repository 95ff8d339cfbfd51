//! Errors: whether trying again may help, a stable code, and a message that tells what to do.

use crate::bindings::imports::sluice::data::errors::{Details, Error as WireError};
use std::any::Any;
use std::fmt;

/// What an author's functions answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later: the host calls again after a backoff.
    Retriable,
    /// This input never will, others may: the host applies `errors.tolerance`.
    Rejected,
    /// The task is over.
    Fatal,
}

/// An error of a connector. `?` turns every [`std::error::Error`] into one: errors that the host answered keep their kind,
/// others are fatal until [`ErrorExt::retriable`] or [`ErrorExt::rejected`] says otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: ErrorKind,
    /// A stable identifier such as `io.not-found`.
    pub code: String,
    pub message: String,
    /// Wait at least this long before trying again.
    pub backoff_ms: Option<u32>,
}

impl Error {
    #[must_use]
    pub fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into(), backoff_ms: None }
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

    /// Wait at least so long before trying again.
    #[must_use]
    pub fn after_ms(mut self, backoff_ms: u32) -> Self {
        self.backoff_ms = Some(backoff_ms);
        self
    }

    /// The form in which it crosses to the host.
    #[must_use]
    pub fn into_wire(self) -> WireError {
        let kind = self.kind;
        let details = self.into_details();
        match kind {
            ErrorKind::Retriable => WireError::Retriable(details),
            ErrorKind::Rejected => WireError::Rejected(details),
            ErrorKind::Fatal => WireError::Fatal(details),
        }
    }

    /// Code, message and backoff, as rejected input and refused records carry them.
    #[must_use]
    pub fn into_details(self) -> Details {
        Details { code: self.code, message: self.message, backoff_ms: self.backoff_ms }
    }

    fn from_wire(error: &WireError) -> Self {
        let (kind, details) = match error {
            WireError::Retriable(details) => (ErrorKind::Retriable, details),
            WireError::Rejected(details) => (ErrorKind::Rejected, details),
            WireError::Fatal(details) => (ErrorKind::Fatal, details),
        };
        let Details { code, message, backoff_ms } = details.clone();
        Self { kind, code, message, backoff_ms }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.kind, self.code, self.message)
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        if let Some(wire) = any.downcast_ref::<WireError>() {
            return Self::from_wire(wire);
        }
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::fatal("plugin.error", message)
    }
}

/// Says what an error means, on a `Result`.
pub trait ErrorExt<T> {
    /// Trying again later may help.
    ///
    /// # Errors
    /// The same error, retriable.
    fn retriable(self) -> Result<T>;

    /// This input is at fault, others are not.
    ///
    /// # Errors
    /// The same error, rejected.
    fn rejected(self) -> Result<T>;

    /// Gives it a stable code.
    ///
    /// # Errors
    /// The same error with that code.
    fn code(self, code: &str) -> Result<T>;

    /// Puts `what` in front of the message.
    ///
    /// # Errors
    /// The same error with a longer message.
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> ErrorExt<T> for std::result::Result<T, E> {
    fn retriable(self) -> Result<T> {
        self.map_err(|error| Error { kind: ErrorKind::Retriable, ..error.into() })
    }

    fn rejected(self) -> Result<T> {
        self.map_err(|error| Error { kind: ErrorKind::Rejected, ..error.into() })
    }

    fn code(self, code: &str) -> Result<T> {
        self.map_err(|error| Error { code: code.to_owned(), ..error.into() })
    }

    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| {
            let error: Error = error.into();
            Error { message: format!("{what}: {}", error.message), ..error }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_says(error: WireError) -> Result<()> {
        Err(error)?;
        Ok(())
    }

    #[test]
    fn a_host_error_keeps_its_kind_and_code() {
        let details = Details { code: "io.busy".into(), message: "busy".into(), backoff_ms: Some(5) };
        let error = host_says(WireError::Retriable(details)).unwrap_err();
        assert_eq!(error, Error::retriable("io.busy", "busy").after_ms(5));
    }

    #[test]
    fn any_other_error_is_fatal_until_it_is_marked() {
        let plain: Result<i32> = "x".parse::<i32>().map_err(Error::from);
        assert_eq!(plain.unwrap_err().kind, ErrorKind::Fatal);
        let marked = "x".parse::<i32>().rejected().code("number.malformed").context("column a").unwrap_err();
        let expected = Error::rejected("number.malformed", "column a: invalid digit found in string");
        assert_eq!(marked, expected);
    }
}
