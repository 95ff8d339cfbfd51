//! Why a command failed, and the exit code that scripts see.

use std::process::ExitCode;

/// `Display` is the one line that people read.
#[derive(Debug, thiserror::Error)]
pub enum Exit {
    /// 1
    #[error("{message}")]
    Failed { message: String },
    /// 2, as for wrong arguments
    #[error("{message}")]
    Usage { message: String },
    /// 3
    #[error("no hub answers at {url}: {reason}; start one with `sluice start` or give --url")]
    Unreachable { url: String, reason: String },
    /// 3 too
    #[error(
        "no Kafka broker answers at {bootstrap_servers}: {reason}; start one with `sluice broker start` or give --bootstrap-server"
    )]
    NoBroker { bootstrap_servers: String, reason: String },
    /// 3 too: the Kafka that the hub's log should be in
    #[error("{message}")]
    KafkaUnreachable { message: String },
    /// 4
    #[error("{message}")]
    NotFound { message: String },
    /// 5
    #[error("{message}")]
    Conflict { message: String },
    /// 6
    #[error("{message}")]
    Invalid { message: String },
    /// 10
    #[error("{address} is in use by another process; stop it or choose another --{flag}")]
    PortInUse { address: String, flag: &'static str },
    /// 11, also when it was written by a newer version
    #[error("{message}")]
    DataDir { message: String },
}

impl Exit {
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Unreachable { .. } | Self::NoBroker { .. } | Self::KafkaUnreachable { .. } => 3,
            Self::NotFound { .. } => 4,
            Self::Conflict { .. } => 5,
            Self::Invalid { .. } => 6,
            Self::PortInUse { .. } => 10,
            Self::DataDir { .. } => 11,
        })
    }

    /// An error with its causes on one line.
    pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed { message: chain(error) }
    }
}

/// An error and its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    message
}
