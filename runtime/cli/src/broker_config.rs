//! [`BrokerConfig`]: what the broker's keys say, under the names that Kafka's `server.properties` has.

use crate::args::BrokerStartOptions;
use crate::worker_config::{Keys, WorkerConfigError, boolean, list, millis, number, read};
use sluice_embedded::EmbeddedConfig;
use sluice_log::Durability;
use sluice_server::{Endpoint, Listener, ServerConfig};
use sluice_telemetry::LogFormat;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Shown by `sluice broker start --help`.
pub const KEYS_HELP: &str = "\
Keys of the broker config (TOML, dotted keys or tables; or Kafka's .properties), with Kafka's names:
  data.dir, log.dirs, log.dir                where the log lives; one directory
  listeners                                  PLAINTEXT://host:port, comma-separated [PLAINTEXT://127.0.0.1:9092]
  advertised.listeners                       what clients are told, by the same names
  node.id, broker.id                         1
  auto.create.topics.enable                  true
  num.partitions                             of topics created without a number [1]
  max.connections, connections.max.idle.ms   10000, 600000
  socket.request.max.bytes                   104857600
  queued.max.request.bytes                   all requests being read or worked on [268435456]
  fetch.max.bytes                            57671680
  group.min.session.timeout.ms, group.max.session.timeout.ms, group.initial.rebalance.delay.ms, group.max.size
  offset.metadata.max.bytes, offsets.retention.minutes, offsets.retention.check.interval.ms
  transaction.max.timeout.ms, transactional.id.expiration.ms
Settings that topics are created with from now on, unless they bring their own:
  message.max.bytes, log.retention.ms (.minutes, .hours), log.retention.bytes, log.cleanup.policy,
  log.cleaner.delete.retention.ms, log.cleaner.min.cleanable.ratio, log.message.timestamp.type
Ours:
  log.durability                             fsync (default) or os, which is Kafka's
  sluice.log.level, sluice.log.format        info; text or json
Other keys of Kafka's are accepted and named as ignored at start.
A hub (`sluice start`) takes the same keys behind `broker.`, for instance broker.auto.create.topics.enable.";

/// Where Kafka's own broker listens.
pub const KAFKA_LISTEN: &str = "127.0.0.1:9092";

/// Kafka's keys that mean nothing to one process without replicas. A trailing dot stands for all keys below.
const IGNORED: [&str; 47] = [
    "alter.",
    "authorizer.",
    "background.threads",
    "broker.heartbeat.interval.ms",
    "broker.rack",
    "broker.session.timeout.ms",
    "client.quota.callback.class",
    "compression.",
    "confluent.",
    "connection.",
    "controlled.shutdown.",
    "controller.",
    "create.topic.policy.class.name",
    "default.replication.factor",
    "delete.topic.enable",
    "early.start.listeners",
    "fetch.purgatory.purge.interval.requests",
    "group.consumer.",
    "group.coordinator.",
    "group.share.",
    "initial.broker.registration.timeout.ms",
    "inter.broker.",
    "leader.imbalance.",
    "listener.",
    "log.cleaner.",
    "log.flush.",
    "log.index.",
    "log.initial.task.delay.ms",
    "log.message.",
    "log.preallocate",
    "log.retention.check.interval.ms",
    "log.roll.",
    "log.segment.",
    "metadata.",
    "metric.",
    "metrics.",
    "min.insync.replicas",
    "num.",
    "offsets.",
    "producer.",
    "process.roles",
    "queued.max.requests",
    "quota.",
    "replica.",
    "request.",
    "socket.",
    "transaction.",
];
const IGNORED_TOO: [&str; 11] = [
    "auto.leader.rebalance.enable",
    "kafka.",
    "max.connection",
    "password.",
    "remote.",
    "sasl.",
    "security.",
    "share.",
    "ssl.",
    "unclean.leader.election.enable",
    "zookeeper.",
];

/// A broker's settings.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `None`: nobody named one.
    pub data_dir: Option<PathBuf>,
    pub durability: Option<Durability>,
    /// `None`: nobody named any.
    pub listeners: Option<Vec<Listener>>,
    pub groups: sluice_group::Config,
    pub transactions: sluice_embedded::TransactionConfig,
    /// Without its listeners.
    pub server: ServerConfig,
    pub log_level: Option<String>,
    pub log_format: Option<LogFormat>,
    /// Keys that are accepted and have no effect.
    pub ignored: Vec<String>,
}

impl BrokerConfig {
    /// File, then command line.
    ///
    /// # Errors
    /// [`WorkerConfigError`], all problems at once.
    pub fn load(options: &BrokerStartOptions) -> Result<Self, WorkerConfigError> {
        let mut pairs = match &options.config {
            Some(path) => read(path)?,
            None => BTreeMap::new(),
        };
        let mut problems = Vec::new();
        for given in &options.overrides {
            match given.split_once('=') {
                Some((key, value)) => drop(pairs.insert(key.trim().to_owned(), value.to_owned())),
                None => problems.push(format!("--override {given} is not KEY=VALUE")),
            }
        }
        let (mut config, found) = Self::parse(pairs);
        problems.extend(found);
        if let Some(dir) = &options.data_dir {
            config.data_dir = Some(dir.clone());
        }
        match listeners(&options.kafka_listen, &options.kafka_advertise) {
            Ok(Some(listeners)) => config.listeners = Some(listeners),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
        if problems.is_empty() { Ok(config) } else { Err(WorkerConfigError::Invalid { problems }) }
    }

    /// The settings, and what is wrong with them.
    pub fn parse(pairs: BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut keys = Keys::new(pairs);
        let data_dir = data_dir(&mut keys);
        let listeners = keys.listeners();
        let mut server = ServerConfig::new(Vec::new());
        keys.server(&mut server);
        let mut groups = sluice_group::Config::default();
        keys.groups(&mut groups);
        let mut transactions = sluice_embedded::TransactionConfig::default();
        keys.set("transaction.max.timeout.ms", &mut transactions.max_timeout_ms, positive);
        keys.set("transactional.id.expiration.ms", &mut transactions.id_expiration_ms, positive);
        let config = Self {
            data_dir,
            durability: keys.durability(),
            listeners,
            groups,
            transactions,
            server,
            log_level: keys.take("sluice.log.level"),
            log_format: keys.log_format(),
            ignored: keys.ignored_by_broker(),
        };
        (config, keys.finish("the broker; see sluice broker start --help"))
    }

    /// What the embedded broker is opened with.
    pub fn embedded(&self, data_dir: PathBuf) -> EmbeddedConfig {
        EmbeddedConfig {
            durability: self.durability.unwrap_or_default(),
            groups: self.groups.clone(),
            transactions: self.transactions.clone(),
            ..EmbeddedConfig::new(data_dir)
        }
    }

    /// What the server is started with.
    pub fn server(&self, listeners: Vec<Listener>, data_dir: &std::path::Path) -> ServerConfig {
        ServerConfig { listeners, log_dir: data_dir.display().to_string(), ..self.server.clone() }
    }
}

/// The command line's: each address with what clients are told of it.
pub fn listeners(listen: &[Endpoint], advertise: &[Endpoint]) -> Result<Option<Vec<Listener>>, String> {
    if listen.is_empty() {
        return Ok(None);
    }
    if !advertise.is_empty() && advertise.len() != listen.len() {
        let (addresses, told) = (listen.len(), advertise.len());
        return Err(format!(
            "--kafka-advertise names {told} addresses for {addresses} of --kafka-listen; give as many"
        ));
    }
    let advertised = advertise.iter().cloned().map(Some).chain(std::iter::repeat(None));
    let listeners = listen.iter().cloned().zip(advertised);
    Ok(Some(listeners.map(|(bind, advertised)| Listener { bind, advertised }).collect()))
}

fn data_dir(keys: &mut Keys) -> Option<PathBuf> {
    let mut found = None;
    for key in ["log.dir", "log.dirs", "data.dir"] {
        let Some(text) = keys.take(key) else { continue };
        let dirs = list(&text);
        if dirs.len() > 1 {
            keys.problem(format!("{key} names {} directories; the log lives in one", dirs.len()));
        }
        found = dirs.into_iter().next().map(PathBuf::from).or(found);
    }
    found
}

impl Keys {
    fn server(&mut self, server: &mut ServerConfig) {
        self.set("broker.id", &mut server.node_id, number);
        self.set("node.id", &mut server.node_id, number);
        self.set("auto.create.topics.enable", &mut server.auto_create, boolean);
        self.set("num.partitions", &mut server.num_partitions, positive);
        let limits = &mut server.limits;
        self.set("max.connections", &mut limits.connections_max, positive);
        self.set("connections.max.idle.ms", &mut limits.idle_timeout, millis);
        self.set("socket.request.max.bytes", &mut limits.request_bytes_max, positive);
        self.set("queued.max.request.bytes", &mut limits.request_memory_bytes, positive);
        self.set("fetch.max.bytes", &mut limits.fetch_bytes_max, positive);
        for (key, name) in [
            ("message.max.bytes", "max.message.bytes"),
            ("log.retention.bytes", "retention.bytes"),
            ("log.cleanup.policy", "cleanup.policy"),
            ("log.cleaner.delete.retention.ms", "delete.retention.ms"),
            ("log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"),
            ("log.message.timestamp.type", "message.timestamp.type"),
        ] {
            if let Some(value) = self.take(key) {
                server.topic_defaults.insert(name.to_owned(), value);
            }
        }
        // The finest unit wins, as in Kafka (`LogConfig`).
        for (key, unit_ms) in
            [("log.retention.hours", 3_600_000), ("log.retention.minutes", 60_000), ("log.retention.ms", 1)]
        {
            if let Some(count) = self.parsed(key, number::<i64>) {
                let ms = if count < 0 { -1 } else { count.saturating_mul(unit_ms) };
                server.topic_defaults.insert("retention.ms".to_owned(), ms.to_string());
            }
        }
        if let Err(reason) = sluice_log::check_topic_config(&server.topic_defaults) {
            self.problem(reason);
        }
    }

    fn groups(&mut self, groups: &mut sluice_group::Config) {
        self.set("group.min.session.timeout.ms", &mut groups.group_min_session_timeout_ms, positive);
        self.set("group.max.session.timeout.ms", &mut groups.group_max_session_timeout_ms, positive);
        self.set("group.initial.rebalance.delay.ms", &mut groups.group_initial_rebalance_delay_ms, number);
        self.set("group.max.size", &mut groups.group_max_size, positive);
        self.set("offset.metadata.max.bytes", &mut groups.offset_metadata_max_bytes, number);
        self.set("offsets.retention.minutes", &mut groups.offsets_retention_minutes, positive);
        self.set("offsets.retention.check.interval.ms", &mut groups.offsets_retention_check_interval_ms, positive);
    }

    /// `listeners` with what `advertised.listeners` says of the same names. Controllers' are left out.
    fn listeners(&mut self) -> Option<Vec<Listener>> {
        let controllers = self.take("controller.listener.names").map(|text| list(&text)).unwrap_or_default();
        let plain = self.plain_names();
        let listeners = self.take("listeners").map(|text| list(&text));
        let advertised = self.take("advertised.listeners").map(|text| list(&text)).unwrap_or_default();
        let mut told = BTreeMap::new();
        for text in &advertised {
            match named_endpoint(text, None) {
                Ok((name, endpoint)) => drop(told.insert(name, endpoint)),
                Err(reason) => self.problem(format!("advertised.listeners={text} {reason}")),
            }
        }
        let mut found = Vec::new();
        for text in listeners? {
            match named_endpoint(&text, Some("0.0.0.0")) {
                Ok((name, _)) if controllers.contains(&name) => {}
                Ok((name, _)) if name != "PLAINTEXT" && !plain.contains(&name) => {
                    self.problem(format!("listeners={text} is not PLAINTEXT; neither TLS nor SASL is served yet"));
                }
                Ok((name, bind)) => found.push(Listener { bind, advertised: told.remove(&name) }),
                Err(reason) => self.problem(format!("listeners={text} {reason}")),
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// The listeners' names that stand for no protection.
    fn plain_names(&mut self) -> Vec<String> {
        let map = self.take("listener.security.protocol.map").map(|text| list(&text)).unwrap_or_default();
        let plain = map.iter().filter_map(|pair| pair.strip_suffix(":PLAINTEXT"));
        plain.map(str::to_owned).collect()
    }

    fn ignored_by_broker(&mut self) -> Vec<String> {
        self.take_where(|key| {
            let mut known = IGNORED.iter().chain(&IGNORED_TOO);
            known.any(|known| key == *known || (known.ends_with('.') && key.starts_with(known)))
        })
    }
}

/// `NAME://host:port`; without a host, `any`.
fn named_endpoint(text: &str, any: Option<&str>) -> Result<(String, Endpoint), String> {
    let (name, address) = text.split_once("://").unwrap_or(("PLAINTEXT", text));
    let address = match (address.strip_prefix(':'), any) {
        (Some(port), Some(any)) => format!("{any}:{port}"),
        _ => address.to_owned(),
    };
    let endpoint = address.parse::<Endpoint>().map_err(|_| "is not NAME://host:port".to_owned())?;
    Ok((name.to_owned(), endpoint))
}

fn positive<T: std::str::FromStr + Default + PartialOrd>(text: &str) -> Result<T, String> {
    match number::<T>(text) {
        Ok(number) if number > T::default() => Ok(number),
        Ok(_) => Err("must be above zero".to_owned()),
        Err(reason) => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (BrokerConfig, Vec<String>) {
        BrokerConfig::parse(sluice_connect_api::properties::parse(text))
    }

    #[test]
    fn the_server_properties_of_kafkas_distribution_are_understood() {
        let (config, problems) = parse(
            "process.roles=broker,controller\nnode.id=7\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
             listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
             advertised.listeners=PLAINTEXT://hub.example:19092,CONTROLLER://localhost:9093\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n\
             num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
             socket.request.max.bytes=1048576\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=3\n\
             num.recovery.threads.per.data.dir=2\noffsets.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\ntransaction.state.log.min.isr=1\nlog.retention.hours=168\n\
             log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((config.server.node_id, config.server.num_partitions), (7, 3));
        assert_eq!(config.server.limits.request_bytes_max, 1 << 20);
        assert_eq!(config.data_dir, Some(PathBuf::from("/tmp/kraft-combined-logs")));
        assert_eq!(config.server.topic_defaults["retention.ms"], "604800000");
        let listeners = config.listeners.unwrap();
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].bind.to_string(), "0.0.0.0:9092");
        assert_eq!(listeners[0].advertised.as_ref().unwrap().to_string(), "hub.example:19092");
        assert!(config.ignored.contains(&"num.io.threads".to_owned()));
    }

    #[test]
    fn what_cannot_be_is_named_at_once() {
        let (_, problems) = parse(
            "listeners=SSL://:9092\nlog.dirs=/a,/b\nnum.partitions=0\nlog.cleanup.policy=keep\ncolour=red\n\
             auto.create.topics.enable=perhaps\n",
        );
        let all = problems.join("; ");
        for word in
            ["SSL://", "2 directories", "num.partitions=0", "cleanup.policy=keep", "colour is no key", "perhaps"]
        {
            assert!(all.contains(word), "{word} is not in {all}");
        }
    }

    #[test]
    fn the_finest_unit_of_the_retention_wins_and_minus_one_is_for_ever() {
        let (config, _) = parse("log.retention.hours=1\nlog.retention.minutes=2\nlog.retention.ms=3\n");
        assert_eq!(config.server.topic_defaults["retention.ms"], "3");
        let (config, _) = parse("log.retention.hours=1\nlog.retention.minutes=-1\n");
        assert_eq!(config.server.topic_defaults["retention.ms"], "-1");
    }

    #[test]
    fn as_many_addresses_are_advertised_as_are_listened_at() {
        let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
        let two = [endpoint("a:1"), endpoint("b:2")];
        assert!(listeners(&two, &two[..1]).unwrap_err().contains("give as many"));
        let both = listeners(&two, &two).unwrap().unwrap();
        assert_eq!(both[1].advertised, Some(endpoint("b:2")));
        assert!(listeners(&[], &[]).unwrap().is_none());
    }

    #[test]
    fn a_hub_takes_the_same_keys_behind_a_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.properties");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let options = crate::args::StartOptions { config: Some(path.clone()), ..Default::default() };
            crate::HubConfig::load(&options)
        };
        let config = load("broker.num.partitions=3\nbroker.listeners=PLAINTEXT://127.0.0.1:19092\n").unwrap();
        assert_eq!(config.broker.server.num_partitions, 3);
        assert_eq!(config.broker.listeners.unwrap()[0].bind.port, 19092);
        let error = load("broker.colour=red\nbroker.log.dirs=/x\n").unwrap_err().to_string();
        assert!(error.contains("broker.colour is no key") && error.contains("use data.dir"), "{error}");
    }
}
