//! Under which subject a schema stands. Source: Confluent `io.confluent.kafka.serializers.subject`.

use sluice_connect_api::ConverterRole;

const PACKAGE: &str = "io.confluent.kafka.serializers.subject.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectNameStrategy {
    /// `<topic>-key` or `<topic>-value`.
    TopicName,
    /// The full name of the record.
    RecordName,
    /// `<topic>-<full name of the record>`.
    TopicRecordName,
}

impl SubjectNameStrategy {
    /// # Errors
    /// A class that is none of the three.
    pub fn parse(class: &str) -> Result<Self, String> {
        match class.strip_prefix(PACKAGE).unwrap_or(class) {
            "TopicNameStrategy" => Ok(Self::TopicName),
            "RecordNameStrategy" => Ok(Self::RecordName),
            "TopicRecordNameStrategy" => Ok(Self::TopicRecordName),
            _ => Err(format!(
                "{class} is no subject name strategy of this hub; it has {PACKAGE}TopicNameStrategy, RecordNameStrategy \
                 and TopicRecordNameStrategy"
            )),
        }
    }

    /// # Errors
    /// A strategy that needs a record, and a schema that is none.
    pub fn subject(self, topic: &str, role: ConverterRole, record: Option<&str>) -> Result<String, String> {
        let record = || {
            let message = "In configuration the subject name strategy needs records: the message value must only be a record schema";
            record.ok_or_else(|| message.to_owned())
        };
        Ok(match self {
            Self::TopicName if role == ConverterRole::Key => format!("{topic}-key"),
            Self::TopicName => format!("{topic}-value"),
            Self::RecordName => record()?.to_owned(),
            Self::TopicRecordName => format!("{topic}-{}", record()?),
        })
    }
}
