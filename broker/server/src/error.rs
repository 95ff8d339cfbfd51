//! Kafka's error codes for what can go wrong here, and a sentence for each.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use sluice_client::AdminError;
use sluice_embedded::{TransactionError, TransactionalAppendError};
use sluice_log::{LogAppendError, LogReadError};

/// An error as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireError {
    pub code: i16,
    pub message: String,
}

impl WireError {
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { code: error.code(), message: message.into() }
    }

    pub(crate) fn text(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }

    pub(crate) fn unknown_topic(name: &str) -> Self {
        Self::new(ResponseError::UnknownTopicOrPartition, format!("topic {name} does not exist"))
    }
}

impl From<LogAppendError> for WireError {
    fn from(error: LogAppendError) -> Self {
        let code = match &error {
            LogAppendError::UnknownPartition { .. } => ResponseError::UnknownTopicOrPartition,
            LogAppendError::TooLarge { .. } | LogAppendError::AppendTooLarge { .. } => ResponseError::MessageTooLarge,
            LogAppendError::Corrupt { source, .. } => match source {
                sluice_protocol::BatchError::UnsupportedMagic { .. } | sluice_protocol::BatchError::BadCount { .. } => {
                    ResponseError::InvalidRecord
                }
                sluice_protocol::BatchError::TooLarge { .. } => ResponseError::MessageTooLarge,
                _ => ResponseError::CorruptMessage,
            },
            LogAppendError::MissingKey { .. } => ResponseError::InvalidRecord,
            LogAppendError::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
            LogAppendError::OutsideTransaction { .. } => ResponseError::InvalidTxnState,
            LogAppendError::ProducerEpochOver { .. } => ResponseError::InvalidProducerEpoch,
            LogAppendError::Unavailable { .. } | LogAppendError::Poisoned { .. } | LogAppendError::Closed => {
                ResponseError::KafkaStorageError
            }
        };
        let message = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::new(code, message)
    }
}

impl From<TransactionError> for WireError {
    fn from(error: TransactionError) -> Self {
        let code = match error {
            TransactionError::InvalidRequest => ResponseError::InvalidRequest,
            TransactionError::InvalidTimeout => ResponseError::InvalidTransactionTimeout,
            TransactionError::InvalidProducerIdMapping => ResponseError::InvalidProducerIdMapping,
            TransactionError::ProducerFenced => ResponseError::ProducerFenced,
            TransactionError::InvalidProducerEpoch => ResponseError::InvalidProducerEpoch,
            TransactionError::ConcurrentTransactions => ResponseError::ConcurrentTransactions,
            TransactionError::InvalidTxnState => ResponseError::InvalidTxnState,
            TransactionError::TransactionalIdNotFound => ResponseError::TransactionalIdNotFound,
            TransactionError::CoordinatorNotAvailable => ResponseError::CoordinatorNotAvailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<TransactionalAppendError> for WireError {
    fn from(error: TransactionalAppendError) -> Self {
        match error {
            TransactionalAppendError::Transaction(error) => error.into(),
            TransactionalAppendError::Log(error) => error.into(),
        }
    }
}

impl From<LogReadError> for WireError {
    fn from(error: LogReadError) -> Self {
        let code = match &error {
            LogReadError::UnknownPartition => ResponseError::UnknownTopicOrPartition,
            LogReadError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
            LogReadError::Corrupt { .. } | LogReadError::Io(_) => ResponseError::KafkaStorageError,
        };
        Self::new(code, error.to_string())
    }
}

impl From<AdminError> for WireError {
    fn from(error: AdminError) -> Self {
        let code = match &error {
            AdminError::TopicExists { .. } => ResponseError::TopicAlreadyExists,
            AdminError::UnknownTopic { .. } => ResponseError::UnknownTopicOrPartition,
            AdminError::InvalidTopic { .. } => ResponseError::InvalidConfig,
            AdminError::Unavailable { .. } => ResponseError::KafkaStorageError,
        };
        Self::new(code, error.to_string())
    }
}
