//! Why a cluster cannot be used, and what librdkafka's codes mean for the traits.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use sluice_client::{AdminError, AppendError, FetchError, TopicPartition};

#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    #[error("the client setting {key} cannot be changed: appends and reads depend on it; remove it")]
    Reserved { key: String },
    #[error("the clients of Apache Kafka cannot be made: {reason}; check the security and client settings")]
    Config { reason: String },
    #[error("Apache Kafka at {bootstrap_servers} does not answer: {reason}; check bootstrap.servers and that it runs")]
    Unreachable { bootstrap_servers: String, reason: String },
}

/// An answer that was an error.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub code: Code,
    pub reason: String,
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self { code, reason: code.to_string() }
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        Self { code: error.rdkafka_error_code().unwrap_or(Code::Fail), reason: said(&error) }
    }
}

/// What an error says, without the value of a setting: that may be a password.
pub(crate) fn said(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, why, key, value) if !value.is_empty() => {
            format!("{key}: {}", why.replace(value.as_str(), "********"))
        }
        other => other.to_string(),
    }
}

pub(crate) fn is_unknown(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicId)
}

/// What was asked for can never be done.
pub(crate) fn is_invalid(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidTopic
            | Code::InvalidPartitions
            | Code::InvalidConfig
            | Code::InvalidReplicationFactor
            | Code::InvalidReplicaAssignment
            | Code::InvalidRequest
            | Code::InvalidArgument
            | Code::PolicyViolation
    )
}

pub(crate) fn is_fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

pub(crate) fn admin_error(failure: Failure, topic: &str) -> AdminError {
    let Failure { code, reason } = failure;
    let topic = topic.into();
    match code {
        Code::TopicAlreadyExists => AdminError::TopicExists { topic },
        code if is_unknown(code) => AdminError::UnknownTopic { topic },
        code if is_invalid(code) => AdminError::InvalidTopic { topic, reason },
        _ => AdminError::Unavailable { reason },
    }
}

pub(crate) fn fetch_error(failure: Failure, partition: &TopicPartition) -> FetchError {
    let partition = partition.clone();
    if is_unknown(failure.code) {
        return FetchError::UnknownTopicOrPartition { partition };
    }
    FetchError::Unavailable { reason: format!("reading {partition}: {}", failure.reason) }
}

/// For an append whose transaction was aborted. `limit_bytes`: the topic's `max.message.bytes`.
pub(crate) fn append_error(
    failure: Failure,
    partition: TopicPartition,
    size_bytes: usize,
    limit_bytes: usize,
) -> AppendError {
    match failure.code {
        code if is_unknown(code) => AppendError::UnknownTopicOrPartition { partition },
        Code::MessageSizeTooLarge => AppendError::RecordTooLarge { partition, size_bytes, limit_bytes },
        Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTimestamp | Code::InvalidRequiredAcks => {
            AppendError::CorruptRecord { partition, reason: failure.reason }
        }
        _ => AppendError::Unavailable { reason: format!("writing to {partition}: {}", failure.reason) },
    }
}
