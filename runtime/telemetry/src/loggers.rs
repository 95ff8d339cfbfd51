//! Log levels that change while the process runs, under the names that users of Kafka Connect write.
//!
//! A name is a path: a level set on it holds for everything below it, the longest path wins. Names are those of Rust modules
//! (`sluice_worker::source_task`, also with dots), or those of the Java packages whose part a crate here plays
//! (`org.apache.kafka.connect.runtime.rest`): [`targets`] knows which. A name that stands for nothing here is kept and shown,
//! and changes nothing.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The root logger's name; accepted in any case.
pub const ROOT: &str = "root";

/// Log4j's levels. `FATAL` is written and shown; nothing here logs on it, so it leaves only silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Off,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    All,
}

impl Level {
    /// In any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let levels = [Self::Off, Self::Fatal, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace, Self::All];
        levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text))
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
            Self::All => "ALL",
        }
    }

    /// As a filter's directive writes it.
    fn directive(self) -> &'static str {
        match self {
            Self::Off | Self::Fatal => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace | Self::All => "trace",
        }
    }
}

/// Kafka's `LoggerLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggerLevel {
    pub level: Level,
    /// Milliseconds since 1970; `None`: as it was at start.
    pub last_modified: Option<i64>,
}

/// Puts a filter's directives (`info,sluice_worker=debug`) into force.
pub type Apply = Box<dyn Fn(&str) + Send + Sync>;

/// The levels of this process.
pub struct Loggers {
    /// The filter that the process was started with; what is set here comes behind it and wins.
    started_with: String,
    levels: Mutex<BTreeMap<String, LoggerLevel>>,
    apply: Apply,
}

impl std::fmt::Debug for Loggers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loggers").field("levels", &*self.levels.lock()).finish_non_exhaustive()
    }
}

impl Loggers {
    /// `directives` as in `RUST_LOG`; they are in force already.
    #[must_use]
    pub fn new(directives: &str, apply: Apply) -> Self {
        let mut levels = BTreeMap::new();
        let mut root = Level::Error;
        for directive in directives.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let (target, level) = directive.split_once('=').unwrap_or((ROOT, directive));
            let Some(level) = Level::parse(level.trim()) else { continue };
            match target {
                ROOT => root = level,
                target => drop(levels.insert(target.to_owned(), LoggerLevel { level, last_modified: None })),
            }
        }
        levels.insert(ROOT.to_owned(), LoggerLevel { level: root, last_modified: None });
        Self { started_with: directives.to_owned(), levels: Mutex::new(levels), apply }
    }

    /// Every logger whose level was set, and the root, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, LoggerLevel> {
        self.levels.lock().clone()
    }

    /// The level that holds for a logger; `None` when nobody set one and nothing here logs under that name.
    #[must_use]
    pub fn level(&self, logger: &str) -> Option<LoggerLevel> {
        let levels = self.levels.lock();
        let name = name_of(logger);
        if let Some(level) = levels.get(name) {
            return Some(*level);
        }
        (!targets(name).is_empty()).then(|| LoggerLevel { level: effective(&levels, name), last_modified: None })
    }

    /// Sets the level of a logger and of all below it; gives the names of those for which it is another than before.
    pub fn set(&self, logger: &str, level: Level) -> Vec<String> {
        let mut levels = self.levels.lock();
        let name = name_of(logger);
        let mut affected: Vec<String> =
            levels.keys().filter(|known| name == ROOT || is_below(known, name)).cloned().collect();
        if !affected.iter().any(|known| known == name) {
            affected.push(name.to_owned());
        }
        affected.retain(|name| effective(&levels, name) != level);
        affected.sort();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        for name in &affected {
            levels.insert(name.clone(), LoggerLevel { level, last_modified: Some(now) });
        }
        (self.apply)(&self.directives(&levels));
        affected
    }

    /// What the process was started with, then the root, then every logger from the shortest name on: the last one wins.
    fn directives(&self, levels: &BTreeMap<String, LoggerLevel>) -> String {
        let is_set = |level: &LoggerLevel| level.last_modified.is_some();
        let root = levels.get(ROOT).filter(|level| is_set(level));
        let mut directives = match root {
            Some(root) => vec![root.level.directive().to_owned()],
            None => vec![self.started_with.clone()],
        };
        let mut named: Vec<_> = levels.iter().filter(|(name, level)| *name != ROOT && is_set(level)).collect();
        named.sort_by_key(|(name, _)| name.len());
        for (name, level) in named {
            directives.extend(targets(name).iter().map(|target| format!("{target}={}", level.level.directive())));
        }
        directives.join(",")
    }
}

fn name_of(logger: &str) -> &str {
    if logger.eq_ignore_ascii_case(ROOT) { ROOT } else { logger }
}

/// The level of the logger itself, else of the nearest one above it, else the root's.
fn effective(levels: &BTreeMap<String, LoggerLevel>, logger: &str) -> Level {
    let above = levels.iter().filter(|(name, _)| name.as_str() == logger || is_below(logger, name));
    let nearest = above.max_by_key(|(name, _)| name.len()).or_else(|| levels.get_key_value(ROOT));
    nearest.map_or(Level::Info, |(_, level)| level.level)
}

/// Whether `name` lies below `above`: `a.b` and `a$b` below `a`, `a::b` too.
fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', ':', '$']))
}

/// Java packages whose part a module here plays. The longest that a name lies in decides; a name above several stands for all of them.
const JAVA: [(&str, &[&str]); 12] = [
    ("org.apache.kafka.clients", &["rdkafka", "librdkafka", "sluice_client_kafka"]),
    ("org.apache.kafka.connect.converters", &["sluice_converters"]),
    ("org.apache.kafka.connect.file", &["sluice::plugin"]),
    ("org.apache.kafka.connect.json", &["sluice_converters"]),
    ("org.apache.kafka.connect.runtime", &["sluice_worker", "sluice_herder", "sluice_rest"]),
    ("org.apache.kafka.connect.runtime.distributed", &["sluice_herder"]),
    ("org.apache.kafka.connect.runtime.errors", &["sluice_worker"]),
    ("org.apache.kafka.connect.runtime.isolation", &["sluice_plugin_host"]),
    ("org.apache.kafka.connect.runtime.rest", &["sluice_rest"]),
    ("org.apache.kafka.connect.storage", &["sluice_storage"]),
    ("org.apache.kafka.connect.transforms", &["sluice_transforms"]),
    ("org.apache.kafka.common", &["sluice_protocol"]),
];

/// The targets that a logger's name stands for; none when nothing here logs under it.
fn targets(logger: &str) -> Vec<String> {
    let is_ours =
        logger == "sluice" || ["sluice_", "sluice.", "sluice::"].iter().any(|start| logger.starts_with(start));
    if is_ours && logger.chars().all(|character| character.is_ascii_alphanumeric() || "_:.".contains(character)) {
        let target = logger.replace("::", ".").replace('.', "::");
        return vec![target.trim_end_matches(':').to_owned()];
    }
    let around = JAVA.iter().filter(|(package, _)| logger == *package || is_below(logger, package));
    if let Some((_, targets)) = around.max_by_key(|(package, _)| package.len()) {
        return targets.iter().map(|target| (*target).to_owned()).collect();
    }
    let mut below: Vec<String> = JAVA
        .iter()
        .filter(|(package, _)| is_below(package, logger))
        .flat_map(|(_, targets)| targets.iter().map(|target| (*target).to_owned()))
        .collect();
    below.sort();
    below.dedup();
    below
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn loggers(directives: &str) -> (Loggers, Arc<Mutex<String>>) {
        let applied = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&applied);
        (Loggers::new(directives, Box::new(move |text| text.clone_into(&mut seen.lock()))), applied)
    }

    #[test]
    fn a_level_holds_for_the_modules_that_play_the_packages_part() {
        let (loggers, applied) = loggers("info");
        assert_eq!(loggers.set("org.apache.kafka.connect.runtime.rest", Level::Debug).len(), 1);
        assert_eq!(*applied.lock(), "info,sluice_rest=debug");
        loggers.set("org.apache.kafka.connect.runtime.rest.resources.Some$Inner", Level::Trace);
        assert_eq!(*applied.lock(), "info,sluice_rest=debug,sluice_rest=trace");
        loggers.set("sluice.plugin", Level::Off);
        assert!(applied.lock().contains("sluice::plugin=off"), "{}", applied.lock());
    }

    #[test]
    fn what_lies_below_takes_the_new_level_too() {
        let (loggers, applied) = loggers("info,sluice_worker=debug");
        loggers.set("org.apache.kafka.connect.storage", Level::Debug);
        let affected = loggers.set("org.apache.kafka.connect", Level::Warn);
        assert_eq!(affected, ["org.apache.kafka.connect", "org.apache.kafka.connect.storage"]);
        assert_eq!(loggers.set("org.apache.kafka.connect.json", Level::Warn), Vec::<String>::new());
        assert_eq!(loggers.level("org.apache.kafka.connect.storage").unwrap().level, Level::Warn);
        assert_eq!(loggers.level("org.apache.kafka.connect.json.JsonConverter").unwrap().level, Level::Warn);
        assert!(applied.lock().starts_with("info,sluice_worker=debug,"), "{}", applied.lock());
        assert!(applied.lock().contains("sluice_rest=warn"), "{}", applied.lock());
        assert_eq!(loggers.set("ROOT", Level::Error).len(), 4);
        assert!(applied.lock().starts_with("error,"), "{}", applied.lock());
    }

    #[test]
    fn a_name_that_nobody_uses_is_known_once_it_is_set() {
        let (loggers, applied) = loggers("warn");
        assert_eq!(loggers.level("org.example.Nobody"), None);
        assert_eq!(loggers.set("org.example.Nobody", Level::Info), ["org.example.Nobody"]);
        assert_eq!(loggers.level("org.example.Nobody").unwrap().level, Level::Info);
        assert_eq!(*applied.lock(), "warn");
    }

    #[test]
    fn the_same_level_again_is_no_change() {
        let (loggers, _) = loggers("info");
        loggers.set("sluice_rest", Level::Debug);
        let first = loggers.level("sluice_rest").unwrap();
        assert_eq!(loggers.set("sluice_rest", Level::Debug), Vec::<String>::new());
        assert_eq!(loggers.level("sluice_rest").unwrap(), first);
        assert!(first.last_modified.is_some());
        assert_eq!(loggers.level("root").unwrap(), LoggerLevel { level: Level::Info, last_modified: None });
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(Level::parse("wArN"), Some(Level::Warn));
        assert_eq!(Level::parse("LOUD"), None);
        assert_eq!(Level::parse(""), None);
    }
}
