//! [`HubConfig`]: what the worker's config file and the command line ask for.

use crate::args::{KafkaListen, StartOptions};
use crate::broker_config::BrokerConfig;
use crate::config_providers::{self, ProviderSpec};
use crate::kafka_log::KafkaLog;
use sluice_capability::Ceiling;
use sluice_connect_api::ConfigMap;
use sluice_connect_api::properties;
use sluice_herder::{ClientConfigOverridePolicy, HerderConfig};
use sluice_log::Durability;
use sluice_rest::{AnswerHeaders, HeaderRule};
use sluice_storage::mask_url_credentials;
use sluice_telemetry::LogFormat;
use sluice_worker::{ConverterConfig, WorkerConfig};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Shown by `sluice start --help`; the same list as on [`HubConfig`].
pub const KEYS_HELP: &str = "\
Keys of the worker config (TOML, dotted keys or tables; or Kafka Connect's .properties):
  data.dir                                   where log and state live
  listeners                                  http://127.0.0.1:8083; one address
  rest.advertised.host.name, .port           what worker_id shows [the listener]
  plugin.path                                folders with .wasm plugins, comma-separated
  log.durability                             fsync (default) or os
  broker.*                                   keys of the Kafka listener and its topics: sluice broker start --help
  key.converter, value.converter             default org.apache.kafka.connect.json.JsonConverter
  header.converter                           default org.apache.kafka.connect.storage.SimpleHeaderConverter
  key.converter.*, value.converter.*, header.converter.*
                                             their own keys
  task.shutdown.graceful.timeout.ms          5000
  topic.tracking.enable, .allow.reset        true
  access.control.allow.origin, .allow.methods; response.http.headers.config; admin.listeners (empty: no /admin)
  sluice.memory.budget.bytes                 what queues and batches may hold together [67108864]
  sluice.task.restart.enabled                restart failed tasks by themselves [true]
  sluice.task.restart.backoff.ms, .max.ms    first and longest wait [1000, 60000]
  sluice.task.restart.max.attempts           restarts in a row before it stays FAILED [10]
  config.providers, config.providers.<name>.class, .param.<key>
                                             FileConfigProvider, DirectoryConfigProvider, EnvVarConfigProvider; secrets is always there
  sluice.config.reload.interval.ms           how often it is looked whether what configs refer to has changed [10000]
  connector.client.config.override.policy    All (default), None, Principal, Allowlist with …override.allowlist
  sluice.plugin.upgrade.probation.ms         how long a task on a new version of its plugin is watched [10000]
  sluice.cache.dir                           compiled plugins [~/.cache/sluice]
  sluice.log.level, sluice.log.format        info; text or json
  capabilities.<name>.<setting>              ceiling for plugins, lists: capabilities.file.roots, …
The log in an Apache Kafka instead of the embedded one:
  bootstrap.servers                          host:port, comma-separated [embedded log]
  group.id                                   of this hub: part of its transactional ids and default topic names
  config.storage.topic, offset.…, status.…   where its state lives, as in Connect [_sluice_configs, …]
  sluice.plan.storage.topic                  where sinks journal their deliveries [_sluice_plans]
  *.storage.partitions, *.replication.factor used when the topic is created, as is any other *.storage.<setting>
  request.timeout.ms                         how long the cluster may take to answer, also at start [30000]
  security.protocol, sasl.*, ssl.*, socket.*, client.*; producer.*, consumer.*, admin.* for one kind of client
                                             under librdkafka's names: sasl.username, ssl.ca.location, …
Keys of Connect that have no effect here are accepted and named as ignored at start.
Environment: SLUICE_URL (remote commands), RUST_LOG, SLUICE_FAIL_POINT and SLUICE_PLAN=off (tests).";

/// A running hub's settings. File keys, all optional:
///
/// | key | default | meaning |
/// | --- | --- | --- |
/// | `data.dir` | `~/.local/share/sluice` | log and state; `--data-dir` |
/// | `listeners` | `http://127.0.0.1:8083` | REST; `--rest-listen` |
/// | `rest.advertised.host.name`, `rest.advertised.port` | the listener's | `worker_id` |
/// | `plugin.path` | – | folders with `.wasm` plugins |
/// | `log.durability` | `fsync` | or `os` |
/// | `broker.*` | [`BrokerConfig`] | how Kafka clients are served |
/// | `key.converter`, `value.converter` and their keys | `JsonConverter` | as in Connect |
/// | `header.converter` and its keys | `SimpleHeaderConverter` | as in Connect |
/// | `task.shutdown.graceful.timeout.ms` | 5000 | how long a stopping task may take |
/// | `topic.tracking.enable`, `topic.tracking.allow.reset` | true | |
/// | `config.providers`, `config.providers.*` | none; `secrets` is always there | what `${provider:path:key}` stands for |
/// | `sluice.config.reload.interval.ms` | 10000 | how often it is looked whether that has changed |
/// | `connector.client.config.override.policy`, `.allowlist` | `All` | which client settings connectors may change |
/// | `sluice.memory.budget.bytes` | 64 MiB | |
/// | `sluice.task.restart.*` | see [`sluice_herder::RestartPolicy`] | |
/// | `sluice.plugin.upgrade.probation.ms` | 10000 | how long a task on a new version of its plugin is watched before the next one follows |
/// | `sluice.cache.dir` | `~/.cache/sluice` | compiled plugins |
/// | `sluice.log.level`, `sluice.log.format` | `info`, `text` | |
/// | `capabilities.<name>.<setting>` | see each capability | ceilings |
/// | `bootstrap.servers`, `group.id`, `*.storage.*`, client keys | embedded log | see [`KafkaLog`] |
#[derive(Debug, Clone)]
pub struct HubConfig {
    pub data_dir: PathBuf,
    pub cache_dir: PathBuf,
    pub rest_listen: SocketAddr,
    pub plugin_path: Vec<PathBuf>,
    pub durability: Durability,
    /// What Kafka's clients are served with: keys behind `broker.`.
    pub broker: BrokerConfig,
    /// Where the log is, when it is not the embedded one.
    pub kafka: Option<KafkaLog>,
    pub worker: WorkerConfig,
    pub herder: HerderConfig,
    /// What stands for `${provider:path:key}` in connectors' configs.
    pub providers: Vec<ProviderSpec>,
    /// What is added to REST's answers.
    pub answer_headers: AnswerHeaders,
    /// Whether `/admin` is served.
    pub has_admin: bool,
    /// Whether `worker_id` came from the config.
    pub is_advertised: bool,
    pub ceilings: BTreeMap<String, Ceiling>,
    pub log_level: String,
    pub log_format: LogFormat,
    /// Keys that are accepted and have no effect.
    pub ignored: Vec<String>,
}

/// Everything wrong with a worker config, one line each.
#[derive(Debug, thiserror::Error)]
pub enum WorkerConfigError {
    #[error("config {path} cannot be read: {reason}", path = .path.display())]
    Read { path: PathBuf, reason: String },
    #[error("config is invalid: {}", .problems.join("; "))]
    Invalid { problems: Vec<String> },
}

const REST_LISTEN: &str = "127.0.0.1:8083";

/// Connect's keys that mean nothing to one process with an embedded log. A trailing dot stands for all keys below.
const IGNORED: [&str; 26] = [
    "admin.",
    "client.",
    "config.storage.",
    "connect.protocol",
    "connections.max.idle.ms",
    "consumer.",
    "exactly.once.source.support",
    "group.id",
    "heartbeat.interval.ms",
    "inter.worker.",
    "internal.",
    "metadata.",
    "metric.reporters",
    "metrics.",
    "offset.",
    "plugin.discovery",
    "producer.",
    "rebalance.timeout.ms",
    "request.timeout.ms",
    "rest.extension.classes",
    "retry.",
    "scheduled.rebalance.max.delay.ms",
    "session.timeout.ms",
    "status.",
    "topic.creation.enable",
    "worker.",
];

impl HubConfig {
    /// File, then command line.
    ///
    /// # Errors
    /// [`WorkerConfigError`], all problems at once.
    pub fn load(options: &StartOptions) -> Result<Self, WorkerConfigError> {
        let pairs = match &options.config {
            Some(path) => read(path)?,
            None => BTreeMap::new(),
        };
        Self::parse(pairs, options)
    }

    fn parse(pairs: BTreeMap<String, String>, options: &StartOptions) -> Result<Self, WorkerConfigError> {
        let mut keys = Keys::new(pairs);
        let providers = keys.resolve();
        // Before the settings of an external log's clients, which begin alike.
        let has_admin = keys.pairs.remove("admin.listeners").is_none_or(|listeners| !listeners.trim().is_empty());
        let kafka = KafkaLog::take(&mut keys.pairs, &mut keys.problems);
        if kafka.is_some() && matches!(options.kafka_listen, Some(KafkaListen::At(_))) {
            let problem = "bootstrap.servers puts the log into an Apache Kafka, which serves its clients itself; leave out --kafka-listen, or bootstrap.servers";
            keys.problems.push(problem.to_owned());
        }
        let group_id =
            kafka.as_ref().and_then(|kafka| kafka.group_id.clone()).or_else(|| keys.pairs.get("group.id").cloned());
        let data_dir = keys.take("data.dir").map(PathBuf::from);
        let cache_dir = keys.take("sluice.cache.dir").map(PathBuf::from);
        let listeners = keys.parsed("listeners", listener);
        let rest_listen = options.rest_listen.or(listeners);
        let rest_listen = rest_listen.unwrap_or_else(|| REST_LISTEN.parse().expect("the default address is one"));
        let host = keys.take("rest.advertised.host.name");
        let port = keys.parsed("rest.advertised.port", number::<u16>);
        let is_advertised = host.is_some() || port.is_some();
        let host = host.unwrap_or_else(|| rest_listen.ip().to_string());
        let worker_id = format!("{host}:{}", port.unwrap_or(rest_listen.port()));
        let plugin_path = keys.take("plugin.path").map(|text| list(&text)).unwrap_or_default();
        let durability = keys.durability();
        let log_format = keys.log_format();
        let data_dir = options.data_dir.clone().or(data_dir).unwrap_or_else(|| home("XDG_DATA_HOME", ".local/share"));
        let mut config = Self {
            cache_dir: cache_dir.unwrap_or_else(|| home("XDG_CACHE_HOME", ".cache")),
            data_dir: std::path::absolute(&data_dir).unwrap_or(data_dir),
            rest_listen,
            plugin_path: plugin_path.into_iter().map(PathBuf::from).collect(),
            durability: durability.unwrap_or_default(),
            broker: keys.broker(),
            worker: keys.worker(kafka.as_ref()),
            kafka,
            herder: keys.herder(&worker_id, group_id),
            providers,
            answer_headers: keys.answer_headers(),
            has_admin,
            is_advertised,
            ceilings: keys.ceilings(),
            log_level: keys.take("sluice.log.level").unwrap_or_else(|| "info".to_owned()),
            log_format: log_format.unwrap_or(LogFormat::Text),
            ignored: keys.ignored(),
        };
        let WorkerConfig { key_converter, value_converter, header_converter, .. } = &config.worker;
        let converters = [&key_converter.class, &value_converter.class, &header_converter.class];
        for (default, class) in config.herder.defaults.converters.iter_mut().zip(converters) {
            default.clone_from(class);
        }
        if config.kafka.is_some() && durability.is_some() {
            // The cluster's own acks and flush settings decide.
            config.ignored.push("log.durability".to_owned());
        }
        let problems = keys.finish("the worker; see sluice start --help");
        if problems.is_empty() { Ok(config) } else { Err(WorkerConfigError::Invalid { problems }) }
    }
}

/// What is left of the file's keys, and what was wrong with those taken.
pub(crate) struct Keys {
    pairs: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Keys {
    pub(crate) fn new(pairs: BTreeMap<String, String>) -> Self {
        Self { pairs, problems: Vec::new() }
    }

    pub(crate) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Takes the keys that are `chosen`, in their order.
    pub(crate) fn take_where(&mut self, chosen: impl Fn(&str) -> bool) -> Vec<String> {
        let found: Vec<String> = self.pairs.keys().filter(|key| chosen(key)).cloned().collect();
        for key in &found {
            self.pairs.remove(key);
        }
        found
    }

    pub(crate) fn durability(&mut self) -> Option<Durability> {
        self.parsed("log.durability", |text| match text {
            "fsync" => Ok(Durability::Fsync),
            "os" => Ok(Durability::Os),
            _ => Err("must be fsync or os".to_owned()),
        })
    }

    pub(crate) fn log_format(&mut self) -> Option<LogFormat> {
        self.parsed("sluice.log.format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be text or json".to_owned()),
        })
    }

    /// What `broker.…` says.
    fn broker(&mut self) -> BrokerConfig {
        let (config, problems) = BrokerConfig::parse(self.below("broker."));
        self.problems.extend(problems.into_iter().map(|problem| format!("broker.{problem}")));
        for (is_given, key) in [
            (config.data_dir.is_some(), "data.dir"),
            (config.durability.is_some(), "log.durability"),
            (config.log_level.is_some(), "sluice.log.level"),
            (config.log_format.is_some(), "sluice.log.format"),
        ] {
            if is_given {
                self.problem(format!("broker.{key} has no effect in a hub; use {key}"));
            }
        }
        config
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        self.pairs.remove(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(crate) fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.take(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problems.push(format!("{key}={text} {reason}"));
                None
            }
        }
    }

    pub(crate) fn set<T>(&mut self, key: &str, field: &mut T, parse: impl Fn(&str) -> Result<T, String>) {
        if let Some(value) = self.parsed(key, parse) {
            *field = value;
        }
    }

    fn below(&mut self, prefix: &str) -> ConfigMap {
        let keys: Vec<String> = self.pairs.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        keys.into_iter().filter_map(|key| Some((key[prefix.len()..].to_owned(), self.take(&key)?))).collect()
    }

    fn worker(&mut self, kafka: Option<&KafkaLog>) -> WorkerConfig {
        let mut worker = WorkerConfig { waits_for_log: kafka.is_some(), ..WorkerConfig::default() };
        if let Some(group_id) = kafka.and_then(|kafka| kafka.group_id.clone()) {
            worker.transactional_id_prefix = group_id;
        }
        for (key, converter) in [
            ("key.converter", &mut worker.key_converter),
            ("value.converter", &mut worker.value_converter),
            ("header.converter", &mut worker.header_converter),
        ] {
            let config = self.below(&format!("{key}."));
            if let Some(class) = self.take(key) {
                *converter = ConverterConfig { class, config };
            } else if !config.is_empty() {
                converter.config = config;
            }
        }
        self.set("task.shutdown.graceful.timeout.ms", &mut worker.task_shutdown_graceful_timeout, millis);
        self.set("sluice.memory.budget.bytes", &mut worker.memory_budget_bytes, number);
        worker
    }

    /// Takes the config providers, and puts what they have into the other keys' values.
    fn resolve(&mut self) -> Vec<ProviderSpec> {
        let providers = config_providers::take(&mut self.pairs, &mut self.problems);
        match config_providers::of_worker(&providers).transform_now(&self.pairs) {
            Ok(resolved) => self.pairs = resolved.config,
            Err(error) => self.problems.push(error.to_string()),
        }
        providers
    }

    fn answer_headers(&mut self) -> AnswerHeaders {
        let allow_origin = self.take("access.control.allow.origin").map(|text| list(&text)).unwrap_or_default();
        let allow_methods = self.take("access.control.allow.methods").unwrap_or_default();
        let rules = self.parsed("response.http.headers.config", HeaderRule::parse_all).unwrap_or_default();
        AnswerHeaders { allow_origin, allow_methods, rules }
    }

    fn herder(&mut self, worker_id: &str, group_id: Option<String>) -> HerderConfig {
        let mut herder = HerderConfig::new(worker_id);
        herder.defaults.group_id = group_id;
        let allowlist = self.take("connector.client.config.override.allowlist").unwrap_or_default();
        self.set("connector.client.config.override.policy", &mut herder.defaults.override_policy, |name| {
            ClientConfigOverridePolicy::parse(name, &allowlist)
        });
        self.set("sluice.config.reload.interval.ms", &mut herder.reload_interval, millis);
        self.set("sluice.plugin.upgrade.probation.ms", &mut herder.upgrade_probation, millis);
        self.set("topic.tracking.enable", &mut herder.topic_tracking, boolean);
        self.set("topic.tracking.allow.reset", &mut herder.topic_tracking_reset, boolean);
        self.set("sluice.task.restart.enabled", &mut herder.restart.enabled, boolean);
        self.set("sluice.task.restart.backoff.ms", &mut herder.restart.backoff, millis);
        self.set("sluice.task.restart.backoff.max.ms", &mut herder.restart.backoff_max, millis);
        self.set("sluice.task.restart.max.attempts", &mut herder.restart.attempts_max, number);
        herder
    }

    fn ceilings(&mut self) -> BTreeMap<String, Ceiling> {
        let mut ceilings: BTreeMap<String, Ceiling> = BTreeMap::new();
        // An empty list is a ceiling too: nothing is allowed.
        let keys: Vec<String> = self.pairs.keys().filter(|key| key.starts_with("capabilities.")).cloned().collect();
        for key in keys {
            let Some(text) = self.pairs.remove(&key) else { continue };
            match key["capabilities.".len()..].split_once('.') {
                Some((name, setting)) => {
                    ceilings.entry(name.to_owned()).or_default().0.insert(setting.to_owned(), list(&text));
                }
                None => self
                    .problems
                    .push(format!("{key} must name a capability and a setting, like capabilities.file.roots")),
            }
        }
        ceilings
    }

    fn ignored(&mut self) -> Vec<String> {
        let is_ignored = |key: &String| {
            IGNORED.iter().any(|known| key == known || (known.ends_with('.') && key.starts_with(known)))
                || ["ssl.", "sasl.", "security.", "listeners.https."].iter().any(|prefix| key.starts_with(prefix))
        };
        let ignored: Vec<String> = self.pairs.keys().filter(|key| is_ignored(key)).cloned().collect();
        for key in &ignored {
            self.pairs.remove(key);
        }
        ignored
    }

    /// Everything that is wrong. What nobody took is no key of `owner`.
    pub(crate) fn finish(mut self, owner: &str) -> Vec<String> {
        let unknown = self.pairs.into_keys().map(|key| format!("{key} is no key of {owner}"));
        self.problems.extend(unknown);
        let shown = self.problems.into_iter().map(|problem| mask_url_credentials(&problem).unwrap_or(problem));
        shown.collect()
    }
}

pub(crate) fn read(path: &PathBuf) -> Result<BTreeMap<String, String>, WorkerConfigError> {
    let failed = |reason: String| WorkerConfigError::Read { path: path.clone(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    if path.extension().is_some_and(|extension| extension == "properties") {
        return Ok(properties::parse(&text));
    }
    let table: toml::Table = text.parse().map_err(|error| failed(toml_error(&text, &error)))?;
    let mut pairs = BTreeMap::new();
    flatten("", &toml::Value::Table(table), &mut pairs);
    Ok(pairs)
}

/// Without the line itself, which may hold a password.
fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
    format!("{}{}", line.unwrap_or_default(), error.message())
}

/// `[capabilities.file] roots = ["/a", "/b"]` is `capabilities.file.roots=/a,/b`.
fn flatten(prefix: &str, value: &toml::Value, pairs: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, pairs);
            }
        }
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(text_of).collect();
            pairs.insert(prefix.to_owned(), items.join(","));
        }
        scalar => drop(pairs.insert(prefix.to_owned(), text_of(scalar))),
    }
}

fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Array(_) | toml::Value::Table(_) => String::new(),
    }
}

pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "must be a whole number that fits".to_owned())
}

pub(crate) fn millis(text: &str) -> Result<Duration, String> {
    number(text).map(Duration::from_millis)
}

/// `http://host:port`; Connect's `http://:8083` means every interface.
fn listener(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs;
    let address = text.strip_prefix("http://").or_else(|| text.strip_prefix("HTTP://"));
    let address = address.ok_or("must be one http:// address; https is not served yet")?.trim_end_matches('/');
    let address = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    let mut found = address.to_socket_addrs().map_err(|error| format!("is no address: {error}"))?;
    found.next().ok_or_else(|| "is no address".to_owned())
}

/// `$variable/sluice`, or `~/fallback/sluice`, or a folder here.
pub fn home(variable: &str, fallback: &str) -> PathBuf {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set.or_else(|| std::env::home_dir().map(|home| home.join(fallback)));
    base.map_or_else(|| PathBuf::from("sluice-data"), |base| base.join("sluice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &str, text: &str) -> Result<HubConfig, WorkerConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        HubConfig::load(&StartOptions { config: Some(path), ..StartOptions::default() })
    }

    #[test]
    fn toml_and_properties_say_the_same() {
        let toml = "listeners = \"http://127.0.0.1:9000\"\nplugin.path = [\"/a\", \"/b\"]\n\"key.converter\" = \"X\"\n\"key.converter.schemas.enable\" = false\nsluice.task.restart.enabled = false\n[capabilities.file]\nroots = [\"/data\"]\n";
        let properties = "listeners=http://127.0.0.1:9000\nplugin.path=/a, /b\nkey.converter=X\nkey.converter.schemas.enable=false\nsluice.task.restart.enabled=false\ncapabilities.file.roots=/data\ngroup.id=connect\n";
        for (file, text) in [("worker.toml", toml), ("worker.properties", properties)] {
            let config = parse(file, text).unwrap();
            assert_eq!(config.rest_listen.to_string(), "127.0.0.1:9000");
            assert_eq!(config.herder.worker_id, "127.0.0.1:9000");
            assert_eq!(config.plugin_path, [PathBuf::from("/a"), PathBuf::from("/b")]);
            assert_eq!(config.worker.key_converter.class, "X");
            assert_eq!(config.worker.key_converter.config["schemas.enable"], "false");
            assert!(!config.herder.restart.enabled);
            assert_eq!(config.ceilings["file"].get("roots"), Some(&["/data".to_owned()][..]));
            assert_eq!(config.ignored.is_empty(), file == "worker.toml");
        }
    }

    #[test]
    fn headers_have_a_converter_with_keys_of_its_own_and_the_simple_one_by_itself() {
        let simple = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
        assert_eq!(parse("worker.properties", "").unwrap().worker.header_converter, ConverterConfig::new(simple));
        let config = parse("worker.properties", "header.converter=X\nheader.converter.schemas.enable=false\n").unwrap();
        assert_eq!(config.worker.header_converter.class, "X");
        assert_eq!(config.worker.header_converter.config["schemas.enable"], "false");
        assert_eq!(config.herder.defaults.converters[2], "X");
        assert!(config.ignored.is_empty(), "{:?}", config.ignored);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let text = "listeners=ftp://x\nlog.durability=maybe\ncolour=red\n";
        let error = parse("worker.properties", text).unwrap_err().to_string();
        for expected in ["listeners=ftp://x", "log.durability=maybe", "colour is no key"] {
            assert!(error.contains(expected), "{expected} is not in {error}");
        }
    }

    #[test]
    fn bootstrap_servers_chooses_the_log_in_both_formats() {
        let toml = "bootstrap.servers = [\"a:9092\", \"b:9092\"]\n\"group.id\" = \"g\"\nsasl.password = \"hunter2\"\n[offset.storage]\npartitions = 3\n";
        let properties =
            "bootstrap.servers=a:9092,b:9092\ngroup.id=g\nsasl.password=hunter2\noffset.storage.partitions=3\n";
        for (file, text) in [("worker.toml", toml), ("worker.properties", properties)] {
            let config = parse(file, text).unwrap();
            assert!(config.ignored.is_empty(), "{:?}", config.ignored);
            assert!(!format!("{config:?}").contains("hunter2"));
            let kafka = config.kafka.unwrap();
            assert_eq!((kafka.cluster.bootstrap_servers.as_str(), kafka.offsets.partitions), ("a:9092,b:9092", 3));
            assert_eq!(config.worker.transactional_id_prefix, "g");
            assert!(config.worker.waits_for_log);
        }
        assert!(parse("worker.properties", "group.id=g\n").unwrap().kafka.is_none());
    }

    #[test]
    fn an_external_kafka_and_a_listener_of_our_own_exclude_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.properties");
        std::fs::write(&path, "bootstrap.servers=a:9092\n").unwrap();
        let listen = "127.0.0.1:9092".parse().unwrap();
        let options = StartOptions { config: Some(path), kafka_listen: Some(listen), ..StartOptions::default() };
        let error = HubConfig::load(&options).unwrap_err().to_string();
        assert!(error.contains("--kafka-listen") && error.contains("bootstrap.servers"), "{error}");
    }
}
