//! What a request to the herder can do to its caller.

use sluice_connect_api::ConnectError;
use sluice_data::TaskId;
use sluice_storage::{ConfigStoreError, TopicLogError};

/// The texts that scripts look for are Kafka Connect's, verbatim; they begin with a capital for that reason.
#[derive(Debug, thiserror::Error)]
pub enum HerderError {
    #[error("Connector {name} not found")]
    ConnectorNotFound { name: String },
    /// Pause, resume, stop.
    #[error("Unknown connector {name}")]
    UnknownConnector { name: String },
    /// Restart.
    #[error("Unknown connector: {name}")]
    UnknownConnectorToRestart { name: String },
    #[error("Unknown task: {id}")]
    UnknownTask { id: TaskId },
    #[error("No status found for connector {name}")]
    NoConnectorStatus { name: String },
    #[error("No status found for task {id}")]
    NoTaskStatus { id: TaskId },
    #[error("Status for connector {name} not found")]
    NoStatusToRestart { name: String },
    #[error("Unknown plugin {class}.")]
    UnknownPlugin { class: String },
    #[error("Connector {name} already exists")]
    AlreadyExists { name: String },
    #[error("{message}")]
    BadRequest { message: String },
    #[error(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
        errors.len(),
        errors.join("\n")
    )]
    InvalidConfig { errors: Vec<String> },
    #[error(
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
    )]
    NotStopped { name: String },
    #[error("{message}")]
    OffsetsRefused { message: String },
    #[error("the dead letters cannot be read: {message}")]
    DeadLetters { message: String },
    #[error(
        "not all dead letters were sent again, those without an end are tried again with the next request: {message}"
    )]
    RedriveFailed { message: String },
    /// A reference in a config names what cannot be read.
    #[error("{message}")]
    ConfigProvider { message: String },
    #[error("the plugin {class} failed: {source}")]
    Plugin { class: String, source: ConnectError },
    #[error("the config store cannot be written: {0}")]
    ConfigStore(#[from] ConfigStoreError),
    #[error("the log cannot be used: {0}")]
    Log(#[from] TopicLogError),
    #[error("the log cannot be used: {0}")]
    Admin(#[from] sluice_client::AdminError),
    #[error("the log cannot be used: {0}")]
    Append(#[from] sluice_client::AppendError),
    #[error("the hub is stopping")]
    Stopping,
}
