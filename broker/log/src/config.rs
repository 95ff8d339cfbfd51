//! Settings: of the log as a whole, and of a topic under Kafka's names.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Once fsynced: it survives a power cut.
    #[default]
    Fsync,
    /// Once the operating system has it (Kafka's default): it survives a crash of the process, not of the machine.
    Os,
}

impl FromStr for Durability {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "fsync" => Ok(Self::Fsync),
            "os" => Ok(Self::Os),
            _ => Err(()),
        }
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
        })
    }
}

#[derive(Debug, Clone)]
pub struct LogOptions {
    pub durability: Durability,
    /// A log file is closed and the next one begun when it has reached this size. At most 2 GiB.
    pub file_bytes: u64,
    /// A log file is also closed when it holds this much of compacted topics, so that a start reads little of them.
    pub compacted_file_bytes: u64,
    /// Appends that wait for the writer, in bytes.
    pub queue_bytes_max: usize,
    /// One write and one sync cover at most about this much.
    pub group_bytes_max: usize,
    /// Files kept open for reading.
    pub open_files_max: usize,
    /// Compaction of a partition waits until this much of it is dirty.
    pub dirty_bytes_min: u64,
    /// How often retention looks; `None`: only when [`crate::Log::housekeep`] is called.
    pub housekeeping_interval: Option<Duration>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            file_bytes: 64 << 20,
            compacted_file_bytes: 8 << 20,
            queue_bytes_max: 16 << 20,
            group_bytes_max: 4 << 20,
            open_files_max: 64,
            dirty_bytes_min: 1 << 20,
            housekeeping_interval: Some(Duration::from_secs(60)),
        }
    }
}

/// Kafka's default `max.message.bytes`: 1 MiB and a batch's overhead.
pub const MAX_MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

/// The largest `max.message.bytes`: a batch must fit one block with room to spare.
const MAX_MESSAGE_BYTES_MAX: i64 = 256 << 20;
/// `retention.ms` of a topic that does not say itself: a week, as Kafka's.
pub const RETENTION_MS_DEFAULT: i64 = 7 * 24 * 3_600_000;
/// A key or a value of a topic's settings.
const SETTING_BYTES_MAX: usize = 4096;

/// A topic's settings, parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicSettings {
    pub compact: bool,
    pub delete: bool,
    pub retention_ms: Option<i64>,
    pub retention_bytes: Option<u64>,
    pub max_message_bytes: usize,
    pub delete_retention_ms: i64,
    pub min_cleanable_dirty_ratio: f64,
    pub append_time: bool,
    /// `None`: as the log's.
    pub durability: Option<Durability>,
}

/// Settings of Kafka's that are accepted and change nothing here: the log has no files of its own per topic.
pub const WITHOUT_EFFECT: [&str; 15] = [
    "compression.type",
    "file.delete.delay.ms",
    "flush.ms",
    "index.interval.bytes",
    "max.compaction.lag.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

impl TopicSettings {
    /// # Errors
    /// A sentence that names every setting that is unknown or does not parse.
    pub(crate) fn parse(config: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut settings = Self {
            compact: false,
            delete: true,
            retention_ms: Some(RETENTION_MS_DEFAULT),
            retention_bytes: None,
            max_message_bytes: MAX_MESSAGE_BYTES_DEFAULT,
            delete_retention_ms: 24 * 3_600_000,
            min_cleanable_dirty_ratio: 0.5,
            append_time: false,
            durability: None,
        };
        let problems: Vec<String> =
            config.iter().filter_map(|(key, value)| settings.set(key, value.trim()).err()).collect();
        if settings.durability.is_none() && config.get("flush.messages").is_some_and(|count| count.trim() == "1") {
            settings.durability = Some(Durability::Fsync);
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems.join("; ")) }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if key.len().max(value.len()) > SETTING_BYTES_MAX {
            return Err(format!("a topic setting has at most {SETTING_BYTES_MAX} bytes"));
        }
        match key {
            "cleanup.policy" => {
                let policies: Vec<&str> = value.split(',').map(str::trim).collect();
                if !policies.iter().all(|policy| ["compact", "delete"].contains(policy)) {
                    return Err(format!("{key}={value} is not compact, delete or compact,delete"));
                }
                self.compact = policies.contains(&"compact");
                self.delete = policies.contains(&"delete");
            }
            "retention.ms" => self.retention_ms = Some(number(key, value, -1)?).filter(|ms| *ms >= 0),
            "retention.bytes" => self.retention_bytes = u64::try_from(number(key, value, -1i64)?).ok(),
            "max.message.bytes" => {
                let bytes: i64 = number(key, value, 0)?;
                if bytes > MAX_MESSAGE_BYTES_MAX {
                    return Err(format!("{key}={value} is above {MAX_MESSAGE_BYTES_MAX}"));
                }
                self.max_message_bytes = bytes as usize;
            }
            "delete.retention.ms" => self.delete_retention_ms = number(key, value, 0)?,
            "min.cleanable.dirty.ratio" => {
                let ratio: f64 = number(key, value, 0.0)?;
                if ratio > 1.0 {
                    return Err(format!("{key}={value} is above 1"));
                }
                self.min_cleanable_dirty_ratio = ratio;
            }
            "message.timestamp.type" => match value {
                "CreateTime" => self.append_time = false,
                "LogAppendTime" => self.append_time = true,
                _ => return Err(format!("{key}={value} is not CreateTime or LogAppendTime")),
            },
            "durability" => {
                let durability = value.parse().map_err(|()| format!("{key}={value} is not fsync or os"))?;
                self.durability = Some(durability);
            }
            // 1 is `durability=fsync`; how often the rest is flushed is the operating system's and the log's affair.
            "flush.messages" => drop(number::<i64>(key, value, 1)?),
            _ if WITHOUT_EFFECT.contains(&key) => {}
            _ => return Err(format!("unknown topic setting {key}")),
        }
        Ok(())
    }
}

/// Whether a topic may have these settings.
///
/// # Errors
/// A sentence that names every setting that is unknown or does not parse.
pub fn check_topic_config(config: &BTreeMap<String, String>) -> Result<(), String> {
    TopicSettings::parse(config).map(drop)
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(key: &str, value: &str, min: T) -> Result<T, String> {
    match value.parse::<T>() {
        Ok(number) if number >= min => Ok(number),
        Ok(_) => Err(format!("{key}={value} is below {min}")),
        Err(_) => Err(format!("{key}={value} is not a number")),
    }
}

/// Kafka's rules for a topic's name.
///
/// # Errors
/// A sentence about what is wrong.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name == "." || name == ".." {
        return Err("a topic's name cannot be empty, . or ..".into());
    }
    if name.len() > 249 {
        return Err(format!("a topic's name has at most 249 characters, this one has {}", name.len()));
    }
    match name.chars().find(|c| !legal(*c)) {
        Some(c) => Err(format!("a topic's name consists of ASCII letters, digits, '.', '_' and '-'; found {c:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<TopicSettings, String> {
        TopicSettings::parse(&pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
    }

    #[test]
    fn kafkas_settings_parse_and_minus_one_means_unlimited() {
        let settings = parse(&[("cleanup.policy", "compact,delete"), ("retention.ms", "-1"), ("segment.bytes", "5")]);
        let settings = settings.expect("all known");
        assert!(settings.compact && settings.delete);
        assert_eq!((settings.retention_ms, settings.retention_bytes), (None, None));
        assert_eq!(parse(&[("retention.bytes", "10")]).expect("known").retention_bytes, Some(10));
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let error = parse(&[("cleanup.policy", "keep"), ("retention.ms", "x"), ("colour", "red")]).expect_err("bad");
        for word in ["cleanup.policy=keep", "retention.ms=x", "colour"] {
            assert!(error.contains(word), "{error}");
        }
        assert!(parse(&[("max.message.bytes", "-1")]).is_err());
        assert!(parse(&[("max.message.bytes", "268435456")]).is_ok());
        assert!(parse(&[("max.message.bytes", "268435457")]).is_err());
        assert!(parse(&[("compression.type", &"x".repeat(4097))]).is_err());
        assert!(parse(&[("message.timestamp.type", "LogAppendTime")]).expect("known").append_time);
        assert!(parse(&[("message.timestamp.type", "Sometime")]).is_err());
    }

    #[test]
    fn topic_names_follow_kafkas_rules() {
        assert!(check_topic_name("a.b_c-9").is_ok());
        for bad in ["", ".", "..", "a/b", "ü", &"x".repeat(250)] {
            assert!(check_topic_name(bad).is_err(), "{bad}");
        }
        assert!(check_topic_name(&"x".repeat(249)).is_ok());
    }
}
