//! Why a command was refused.

use crate::error::{Failure, is_invalid, is_unknown};
use rdkafka::types::RDKafkaErrorCode as Code;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error("the client settings cannot be used: {reason}")]
    Config { reason: String },
    #[error("no Kafka broker answers at {bootstrap_servers}: {reason}")]
    Unreachable { bootstrap_servers: String, reason: String },
    #[error("there is no topic {topic}; `sluice topic list` shows those there are")]
    UnknownTopic { topic: String },
    #[error("topic {topic} has no partition {partition}; its partitions are 0 to {last}")]
    UnknownPartition { topic: String, partition: i32, last: i32 },
    #[error("topic {topic} exists already")]
    TopicExists { topic: String },
    #[error("there is no group {group}; `sluice group list` shows those there are")]
    UnknownGroup { group: String },
    #[error("group {group} has members ({state}); stop them first")]
    GroupInUse { group: String, state: String },
    #[error("offset {offset} of {topic}-{partition} is not there: it holds {start} to {end}")]
    OutOfRange { topic: String, partition: i32, offset: i64, start: i64, end: i64 },
    /// The broker understood and said no.
    #[error("{what}: {reason}")]
    Refused { what: String, reason: String },
    /// The cluster could not be asked, or did not answer.
    #[error("{what}: {reason}")]
    Failed { what: String, reason: String },
}

pub(super) fn tool_error(failure: Failure, what: &str, explain: impl Fn(&str) -> String) -> ToolError {
    let Failure { code, reason } = failure;
    let what = what.to_owned();
    match code {
        Code::TopicAlreadyExists => ToolError::TopicExists { topic: what },
        Code::GroupIdNotFound => ToolError::UnknownGroup { group: what },
        Code::NonEmptyGroup | Code::UnknownMemberId => {
            ToolError::GroupInUse { group: what, state: "not empty".to_owned() }
        }
        code if is_unknown(code) => ToolError::UnknownTopic { topic: what },
        code if is_invalid(code) => ToolError::Refused { what, reason },
        Code::OffsetOutOfRange
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::GroupSubscribedToTopic
        | Code::InvalidGroupId
        | Code::MessageSizeTooLarge => ToolError::Refused { what, reason },
        _ => ToolError::Failed { what, reason: explain(&reason) },
    }
}
