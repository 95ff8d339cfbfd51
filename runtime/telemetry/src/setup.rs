//! Turning logs on, once per process.

use crate::loggers::{Apply, Loggers};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One plain line per event, for people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug)]
pub enum SetupError {
    /// The filter, and what is wrong with it.
    Filter { directives: String, reason: String },
    /// Somebody turned it on before.
    AlreadyInitialised { reason: String },
}

impl std::fmt::Display for SetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Filter { directives, reason } => {
                write!(
                    f,
                    "log filter {directives:?} cannot be read ({reason}); use for instance info,sluice_worker=debug"
                )
            }
            Self::AlreadyInitialised { reason } => write!(f, "logs are already turned on: {reason}"),
        }
    }
}

impl std::error::Error for SetupError {}

/// Logs to standard error. `directives` as in `RUST_LOG`: `info,sluice_worker=debug`. The answer changes levels from then on.
///
/// # Errors
/// [`SetupError`].
pub fn init_tracing(directives: &str, format: LogFormat) -> Result<Loggers, SetupError> {
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| SetupError::Filter { directives: directives.to_owned(), reason: error.to_string() })?;
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr);
    let (result, apply): (_, Apply) = match format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init(), Box::new(move |directives| reload(directives, |filter| handle.reload(filter))))
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init(), Box::new(move |directives| reload(directives, |filter| handle.reload(filter))))
        }
    };
    result.map_err(|error| SetupError::AlreadyInitialised { reason: error.to_string() })?;
    Ok(Loggers::new(directives, apply))
}

fn reload<E: std::fmt::Display>(directives: &str, put: impl FnOnce(EnvFilter) -> Result<(), E>) {
    let changed = EnvFilter::try_new(directives).map_err(|error| error.to_string());
    if let Err(error) = changed.and_then(|filter| put(filter).map_err(|error| error.to_string())) {
        tracing::error!(directives, error, "log levels could not be changed");
    }
}
