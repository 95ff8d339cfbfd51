//! The keys that every connector has, read once when its task starts. Source: Kafka `ConnectorConfig`,
//! `SinkConnectorConfig`, `SourceConnectorConfig`.

mod topic_creation;

use crate::config::{ConverterConfig, WorkerConfig};
use regex::Regex;
use sluice_connect_api::ConfigMap;
use sluice_protocol::Compression;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use topic_creation::TopicCreation;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorTolerance {
    None,
    All,
}

/// `errors.*`.
#[derive(Debug, Clone)]
pub(crate) struct ErrorConfig {
    pub tolerance: ErrorTolerance,
    /// `None`: for ever.
    pub retry_timeout: Option<Duration>,
    pub retry_delay_max: Duration,
    pub log_enable: bool,
    /// Sinks only.
    pub dead_letter_topic: Option<String>,
    pub dead_letter_headers: bool,
}

/// What a sink does when records are gone that it has not read: `sluice.on.gap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnGap {
    Fail,
    Skip,
}

/// Where a sink without a committed offset begins: `consumer.override.auto.offset.reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetReset {
    Earliest,
    Latest,
}

/// `topics` or `topics.regex`.
#[derive(Debug, Clone)]
pub(crate) enum TopicSelection {
    Names(Vec<String>),
    Matching(Regex),
}

#[derive(Debug, Clone)]
pub(crate) struct PredicateConfig {
    pub alias: String,
    pub class: String,
    /// Without the `predicates.<alias>.` prefix.
    pub config: ConfigMap,
}

#[derive(Debug, Clone)]
pub(crate) struct TransformationConfig {
    pub alias: String,
    pub class: String,
    /// Without the `transforms.<alias>.` prefix.
    pub config: ConfigMap,
    pub predicate: Option<PredicateConfig>,
    /// Apply it where the predicate does not hold.
    pub negate: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ConnectorSettings {
    pub key_converter: ConverterConfig,
    pub value_converter: ConverterConfig,
    pub header_converter: ConverterConfig,
    pub transformations: Vec<TransformationConfig>,
    pub errors: ErrorConfig,
    /// Sources only.
    pub topic_creation: TopicCreation,
    /// Sinks only.
    pub topics: Option<TopicSelection>,
    pub on_gap: OnGap,
    pub offset_reset: OffsetReset,
    /// Records that a sink is given at once, where it takes what there is.
    pub max_poll_records: Option<NonZeroUsize>,
    /// What a sink reads of one partition at once.
    pub max_partition_fetch_bytes: Option<NonZeroUsize>,
    /// Of a source's records in the embedded log.
    pub compression: Compression,
}

/// Everything that is wrong with a task's common keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct TaskConfigError {
    pub problems: Vec<String>,
}

impl ConnectorSettings {
    /// # Errors
    /// All problems at once; each names its key and value.
    pub fn parse(config: &ConfigMap, worker: &WorkerConfig) -> Result<Self, TaskConfigError> {
        let mut keys = Keys { config, problems: Vec::new() };
        let settings = Self {
            key_converter: keys.converter("key.converter", &worker.key_converter),
            value_converter: keys.converter("value.converter", &worker.value_converter),
            header_converter: keys.converter("header.converter", &worker.header_converter),
            transformations: keys.transformations(),
            errors: keys.errors(),
            topic_creation: keys.topic_creation(),
            topics: keys.topics(),
            on_gap: keys.one_of("sluice.on.gap", &[("fail", OnGap::Fail), ("skip", OnGap::Skip)]),
            offset_reset: keys.one_of(
                "consumer.override.auto.offset.reset",
                &[("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest)],
            ),
            max_poll_records: keys.parsed("consumer.override.max.poll.records"),
            max_partition_fetch_bytes: keys.parsed("consumer.override.max.partition.fetch.bytes"),
            compression: keys.one_of(
                "producer.override.compression.type",
                &[
                    ("none", Compression::None),
                    ("gzip", Compression::Gzip),
                    ("snappy", Compression::Snappy),
                    ("lz4", Compression::Lz4),
                    ("zstd", Compression::Zstd),
                ],
            ),
        };
        if keys.problems.is_empty() { Ok(settings) } else { Err(TaskConfigError { problems: keys.problems }) }
    }
}

struct Keys<'a> {
    config: &'a ConfigMap,
    problems: Vec<String>,
}

impl Keys<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn list(&self, key: &str) -> Vec<String> {
        let values = self.text(key).unwrap_or_default().split(',').map(str::trim);
        values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    fn problem(&mut self, key: &str, value: &str, remedy: &str) {
        self.problems.push(format!("Invalid value {value} for configuration {key}: {remedy}"));
    }

    fn parsed<T: FromStr>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key)?.to_owned();
        let value = text.parse().ok();
        if value.is_none() {
            self.problem(key, &text, "not a number of the kind that is expected here");
        }
        value
    }

    /// The first choice is the default.
    fn one_of<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let default = choices[0].1;
        let Some(text) = self.text(key).map(str::to_lowercase) else { return default };
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.problem(key, &text, &format!("must be one of {}", names.join(", ")));
        default
    }

    fn boolean(&mut self, key: &str) -> bool {
        self.one_of(key, &[("false", false), ("true", true)])
    }

    /// Keys below `prefix`, without it.
    fn below(&self, prefix: &str) -> ConfigMap {
        let below = self.config.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
        below.map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// A converter's own keys come from the level at which its class is set.
    fn converter(&self, key: &str, worker: &ConverterConfig) -> ConverterConfig {
        match self.text(key) {
            Some(class) => ConverterConfig { class: class.to_owned(), config: self.below(&format!("{key}.")) },
            None => worker.clone(),
        }
    }

    fn transformations(&mut self) -> Vec<TransformationConfig> {
        let mut transformations = Vec::new();
        for alias in self.list("transforms") {
            let prefix = format!("transforms.{alias}.");
            let mut config = self.below(&prefix);
            let Some(class) = config.remove("type") else {
                self.problems
                    .push(format!("Missing required configuration \"{prefix}type\" which has no default value."));
                continue;
            };
            let negate = self.boolean(&format!("{prefix}negate"));
            config.remove("negate");
            let predicate = config.remove("predicate").and_then(|predicate| self.predicate(&prefix, &predicate));
            transformations.push(TransformationConfig { alias, class, config, predicate, negate });
        }
        transformations
    }

    fn predicate(&mut self, transformation: &str, alias: &str) -> Option<PredicateConfig> {
        let mut config = self.below(&format!("predicates.{alias}."));
        if !self.list("predicates").iter().any(|listed| listed == alias) {
            self.problem(&format!("{transformation}predicate"), alias, "no such predicate is listed in predicates");
            return None;
        }
        let class = config.remove("type").unwrap_or_default();
        Some(PredicateConfig { alias: alias.to_owned(), class, config })
    }

    fn errors(&mut self) -> ErrorConfig {
        let timeout = self.parsed::<i64>("errors.retry.timeout").unwrap_or(0);
        let delay_max = self.parsed::<u64>("errors.retry.delay.max.ms").unwrap_or(60_000);
        ErrorConfig {
            tolerance: self.one_of("errors.tolerance", &[("none", ErrorTolerance::None), ("all", ErrorTolerance::All)]),
            retry_timeout: u64::try_from(timeout).ok().map(Duration::from_millis),
            retry_delay_max: Duration::from_millis(delay_max),
            log_enable: self.boolean("errors.log.enable"),
            dead_letter_topic: self.text("errors.deadletterqueue.topic.name").map(str::to_owned),
            dead_letter_headers: self.boolean("errors.deadletterqueue.context.headers.enable"),
        }
    }

    fn topics(&mut self) -> Option<TopicSelection> {
        if let Some(pattern) = self.text("topics.regex").map(str::to_owned) {
            // Java matches the whole name.
            match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) => return Some(TopicSelection::Matching(regex)),
                Err(error) => self.problem("topics.regex", &pattern, &format!("not a regular expression: {error}")),
            }
        }
        let names = self.list("topics");
        (!names.is_empty()).then_some(TopicSelection::Names(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_problem_is_named_at_once_with_key_and_value() {
        let config = config(&[
            ("errors.tolerance", "some"),
            ("errors.retry.timeout", "soon"),
            ("transforms", "a,b"),
            ("transforms.b.type", "X"),
            ("topics.regex", "("),
        ]);
        let error = ConnectorSettings::parse(&config, &WorkerConfig::default()).unwrap_err();
        assert_eq!(error.problems.len(), 4, "{error}");
        for expected in ["some for configuration errors.tolerance", "soon", "transforms.a.type", "topics.regex"] {
            assert!(error.to_string().contains(expected), "{expected} in {error}");
        }
    }

    #[test]
    fn a_converters_keys_come_from_the_level_of_its_class() {
        let mut worker = WorkerConfig::default();
        worker.value_converter.config.insert("schemas.enable".into(), "false".into());
        let at_connector = config(&[("value.converter", "S"), ("value.converter.x", "1"), ("key.converter.y", "2")]);
        let settings = ConnectorSettings::parse(&at_connector, &worker).unwrap();
        assert_eq!(settings.value_converter.config, config(&[("x", "1")]));
        assert_eq!(settings.key_converter, worker.key_converter);
        assert_eq!(settings.header_converter, worker.header_converter);
        let at_worker = ConnectorSettings::parse(&config(&[("value.converter.x", "1")]), &worker).unwrap();
        assert_eq!(at_worker.value_converter, worker.value_converter);
    }
}
