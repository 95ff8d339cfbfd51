//! `TimestampRouter`: the topic's name from the record's time, in UTC.

use crate::smt::{RecordSmt, SmtResult, rejected, string_key};
use arrow_array::UInt32Array;
use indexmap::IndexMap;
use sluice_connect_api::config_def::Default;
use sluice_connect_api::{ConfigDef, ConfigMap};
use sluice_data::ConnectBatch;
use sluice_data::date_format::DateFormat;

pub struct TimestampRouter {
    topic_format: String,
    timestamp_format: DateFormat,
}

impl RecordSmt for TimestampRouter {
    fn config_def() -> ConfigDef {
        let topic = "Format string which can contain ${topic} and ${timestamp} as placeholders.";
        let timestamp = "Format string for the timestamp that is compatible with java.text.SimpleDateFormat.";
        ConfigDef::default()
            .define(string_key("topic.format", Default::Value("${topic}-${timestamp}".into()), topic))
            .define(string_key("timestamp.format", Default::Value("yyyyMMdd".into()), timestamp))
    }

    fn new(config: &ConfigMap) -> Result<Self, String> {
        let pattern = &config["timestamp.format"];
        let timestamp_format = DateFormat::new(pattern)
            .map_err(|reason| format!("Invalid value {pattern} for configuration timestamp.format: {reason}"))?;
        Ok(Self { topic_format: config["topic.format"].clone(), timestamp_format })
    }

    fn apply(&self, batch: &ConnectBatch) -> SmtResult<Vec<ConnectBatch>> {
        let mut rows_by_time: IndexMap<String, Vec<u32>> = IndexMap::new();
        for (row, timestamp) in batch.timestamps().iter().enumerate() {
            let missing = || {
                rejected(format!(
                    "Timestamp missing on record {} of topic {}",
                    batch.row_ids().value(row),
                    batch.topic()
                ))
            };
            let timestamp = timestamp.map(|timestamp| self.timestamp_format.format(timestamp));
            rows_by_time.entry(timestamp.ok_or_else(missing)?).or_default().push(row as u32);
        }
        let is_whole = rows_by_time.len() == 1;
        let topic = self.topic_format.replace("${topic}", batch.topic());
        let parts = rows_by_time.into_iter().map(|(time, rows)| {
            let part = match is_whole {
                true => batch.clone(),
                false => batch.take(&UInt32Array::from(rows)).map_err(|error| rejected(error.to_string()))?,
            };
            Ok(part.with_topic(topic.replace("${timestamp}", &time)))
        });
        parts.collect()
    }
}
