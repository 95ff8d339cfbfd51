//! One error, one status, one body: `{"error_code", "message"}`. Source: Kafka `ConnectExceptionMapper`.

use crate::dto::ErrorMessage;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sluice_client::AdminError;
use sluice_herder::HerderError;

#[derive(Debug, thiserror::Error)]
pub enum RestError {
    #[error(transparent)]
    Herder(#[from] HerderError),
    #[error(transparent)]
    Topic(#[from] AdminError),
    #[error("{message}")]
    BadRequest { message: String },
    #[error("{message}")]
    Forbidden { message: &'static str },
    #[error("{message}")]
    NoSuchTask { message: String },
    #[error("Logger {logger} not found.")]
    UnknownLogger { logger: String },
    #[error("invalid log level '{level}'.")]
    InvalidLogLevel { level: String },
    #[error("HTTP 404 Not Found")]
    NotFound,
    #[error("HTTP 405 Method Not Allowed")]
    MethodNotAllowed,
    #[error("HTTP 406 Not Acceptable")]
    NotAcceptable,
    #[error("HTTP 415 Unsupported Media Type")]
    UnsupportedMediaType,
    #[error("the request body is above {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("Request timed out. The worker did not answer within {seconds} s")]
    TimedOut { seconds: u64 },
}

impl RestError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Herder(error) => herder_status(error),
            Self::Topic(error) => topic_status(error),
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchTask { .. } | Self::UnknownLogger { .. } | Self::InvalidLogLevel { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn herder_status(error: &HerderError) -> StatusCode {
    match error {
        HerderError::ConnectorNotFound { .. }
        | HerderError::UnknownConnector { .. }
        | HerderError::UnknownConnectorToRestart { .. }
        | HerderError::UnknownTask { .. }
        | HerderError::NoConnectorStatus { .. }
        | HerderError::NoTaskStatus { .. }
        | HerderError::NoStatusToRestart { .. }
        | HerderError::UnknownPlugin { .. } => StatusCode::NOT_FOUND,
        HerderError::AlreadyExists { .. } => StatusCode::CONFLICT,
        HerderError::BadRequest { .. } | HerderError::InvalidConfig { .. } | HerderError::NotStopped { .. } => {
            StatusCode::BAD_REQUEST
        }
        HerderError::OffsetsRefused { .. }
        | HerderError::DeadLetters { .. }
        | HerderError::RedriveFailed { .. }
        | HerderError::ConfigProvider { .. }
        | HerderError::Plugin { .. }
        | HerderError::ConfigStore(_)
        | HerderError::Log(_)
        | HerderError::Admin(_)
        | HerderError::Append(_) => StatusCode::INTERNAL_SERVER_ERROR,
        HerderError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn topic_status(error: &AdminError) -> StatusCode {
    match error {
        AdminError::UnknownTopic { .. } => StatusCode::NOT_FOUND,
        AdminError::TopicExists { .. } => StatusCode::CONFLICT,
        AdminError::InvalidTopic { .. } => StatusCode::BAD_REQUEST,
        AdminError::Unavailable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "request failed");
        }
        let body = ErrorMessage { error_code: status.as_u16(), message: self.to_string() };
        (status, Json(body)).into_response()
    }
}
