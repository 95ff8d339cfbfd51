//! How the cluster is reached, and what each of the clients is made with.

use crate::ConnectError;
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys whose values the guarantees of this crate rest on.
const RESERVED: [&str; 9] = [
    "acks",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "transactional.id",
];
/// Connect worker keys that speak of its clients; everything else in a worker's file is the worker's own.
const PASSED_ON: [&str; 4] = ["security.protocol", "client.id", "client.rack", "client.dns.lookup"];
const PASSED_ON_PREFIXES: [&str; 3] = ["sasl.", "ssl.", "socket."];

/// Which cluster, and settings for its clients under librdkafka's names (`security.protocol`, `sasl.username`,
/// `ssl.ca.location`, …). The Java client's `sasl.jaas.config` is understood where it is a name and a
/// password; its keys that librdkafka does not have (`ssl.truststore.location`) are refused by name when connecting.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// For all clients.
    pub client: BTreeMap<String, String>,
    /// Each over what `client` says, as Connect's `producer.`, `consumer.` and `admin.` prefixes.
    pub producer: BTreeMap<String, String>,
    pub consumer: BTreeMap<String, String>,
    pub admin: BTreeMap<String, String>,
    /// Of topics that are created under these names; any other takes the cluster's `default.replication.factor`.
    pub replication_factors: BTreeMap<String, i16>,
    /// How long one request may take, connecting included.
    pub request_timeout: Duration,
    /// Appends of one producer that wait for their transaction, in bytes.
    pub queue_bytes_max: usize,
}

impl KafkaConfig {
    /// 30 s for a request, 16 MiB of queue per producer, no security.
    #[must_use]
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client: BTreeMap::new(),
            producer: BTreeMap::new(),
            consumer: BTreeMap::new(),
            admin: BTreeMap::new(),
            replication_factors: BTreeMap::new(),
            request_timeout: Duration::from_secs(30),
            queue_bytes_max: 16 << 20,
        }
    }

    /// What a Connect worker's properties say of the cluster; `None` without `bootstrap.servers`. `security.protocol`,
    /// `sasl.*`, `ssl.*`, `socket.*` and `client.*` are for all clients, `producer.`, `consumer.` and `admin.` for one kind.
    #[must_use]
    pub fn from_worker(properties: &BTreeMap<String, String>) -> Option<Self> {
        let mut config = Self::new(properties.get("bootstrap.servers")?.clone());
        for (key, value) in properties {
            let one_kind = [
                ("producer.", &mut config.producer),
                ("consumer.", &mut config.consumer),
                ("admin.", &mut config.admin),
            ];
            if let Some((key, kind)) =
                one_kind.into_iter().find_map(|(prefix, kind)| Some((key.strip_prefix(prefix)?, kind)))
            {
                if !Self::is_granted(key, value) {
                    kind.insert(key.to_owned(), value.clone());
                }
            } else if PASSED_ON.contains(&key.as_str())
                || PASSED_ON_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
            {
                config.client.insert(key.clone(), value.clone());
            }
        }
        Some(config)
    }

    /// Settings that say what is so anyway; Connect's workers often have them.
    fn is_granted(key: &str, value: &str) -> bool {
        matches!(
            (key, value.trim()),
            ("acks", "all" | "-1")
                | ("auto.offset.reset", "earliest")
                | ("enable.auto.commit", "false")
                | ("enable.idempotence", "true")
                | ("isolation.level", "read_committed")
        )
    }

    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        let all = [&self.client, &self.producer, &self.consumer, &self.admin];
        match all.iter().flat_map(|keys| keys.keys()).find(|key| RESERVED.contains(&key.as_str())) {
            Some(key) => Err(ConnectError::Reserved { key: key.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn admin_client(&self) -> ClientConfig {
        self.client_config(&self.admin, &[])
    }

    /// A consumer that is given its partitions and never joins its group; librdkafka wants one named all the same.
    pub(crate) fn consumer_client(&self) -> ClientConfig {
        let defaults = [
            ("group.id", "sluice-reader"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            // What waits in each reader; librdkafka's own default is 64 MiB.
            ("queued.max.messages.kbytes", "8192"),
            // The end of a partition is told by an empty answer.
            ("fetch.wait.max.ms", "100"),
            ("fetch.error.backoff.ms", "50"),
        ];
        self.client_config(&self.consumer, &defaults)
    }

    pub(crate) fn producer_client(&self, transactional_id: &str) -> ClientConfig {
        let defaults = [
            ("transactional.id", transactional_id),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // A transaction that waits for a cluster which is away must not be taken for abandoned when it is back. Kafka's
            // `transaction.max.timeout.ms` allows no more by default.
            ("transaction.timeout.ms", "900000"),
            // Every transaction is flushed; waiting longer would only delay it.
            ("linger.ms", "1"),
            // The topic's own limit decides.
            ("message.max.bytes", "1000000000"),
        ];
        self.client_config(&self.producer, &defaults)
    }

    /// What all clients are made with, for [`crate::tools`].
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        let config = self.client_config(&self.admin, &[]);
        let all = config.config_map().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        all.filter(|(key, _)| key != "bootstrap.servers" && key != "client.id").collect()
    }

    fn client_config(&self, kind: &BTreeMap<String, String>, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "sluice").set("bootstrap.servers", &self.bootstrap_servers);
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in self.client.iter().chain(kind) {
            match (key.as_str(), login(value)) {
                ("sasl.jaas.config", Some((username, password))) => {
                    config.set("sasl.username", username).set("sasl.password", password);
                }
                _ => drop(config.set(key, value)),
            }
        }
        config
    }
}

/// User name and password of the Java client's `…PlainLoginModule required username="me" password="secret";`, also of
/// `ScramLoginModule`. `None`: it is something else, which librdkafka refuses by the key's name.
fn login(jaas: &str) -> Option<(String, String)> {
    let (module, options) = jaas.trim().split_once(char::is_whitespace)?;
    if !module.ends_with("PlainLoginModule") && !module.ends_with("ScramLoginModule") {
        return None;
    }
    let option = |name: &str| {
        let (_, value) = options.split_once(&format!("{name}=\""))?;
        let mut text = String::new();
        let mut characters = value.chars();
        loop {
            match characters.next()? {
                '"' => return Some(text),
                '\\' => text.push(characters.next()?),
                character => text.push(character),
            }
        }
    };
    Some((option("username")?, option("password")?))
}

/// Names of settings; their values may be passwords.
impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |keys: &BTreeMap<String, String>| keys.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client", &names(&self.client))
            .field("producer", &names(&self.producer))
            .field("consumer", &names(&self.consumer))
            .field("admin", &names(&self.admin))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
        lines.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_workers_keys_reach_the_clients_they_are_meant_for() {
        assert!(KafkaConfig::from_worker(&worker(&[("group.id", "g")])).is_none());
        let config = KafkaConfig::from_worker(&worker(&[
            ("bootstrap.servers", "a:1,b:2"),
            ("group.id", "connect"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.username", "me"),
            ("producer.compression.type", "zstd"),
            ("consumer.sasl.username", "reader"),
        ]))
        .expect("it names a cluster");
        config.check().expect("nothing reserved");
        let producer = config.producer_client("p");
        assert_eq!(producer.get("compression.type"), Some("zstd"));
        assert_eq!((producer.get("sasl.username"), producer.get("group.id")), (Some("me"), None));
        let consumer = config.consumer_client();
        assert_eq!((consumer.get("sasl.username"), consumer.get("group.id")), (Some("reader"), Some("sluice-reader")));
        assert_eq!(consumer.get("security.protocol"), Some("SASL_SSL"));
        assert_eq!(config.admin_client().get("bootstrap.servers"), Some("a:1,b:2"));
    }

    #[test]
    fn what_is_so_anyway_may_be_said_and_no_value_is_shown() {
        let config = KafkaConfig::from_worker(&worker(&[
            ("bootstrap.servers", "a:1"),
            ("producer.acks", "all"),
            ("consumer.auto.offset.reset", "earliest"),
            ("sasl.password", "hunter2"),
        ]))
        .expect("it names a cluster");
        config.check().expect("nothing reserved");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_java_clients_login_is_understood_where_it_is_a_name_and_a_password() {
        let mut config = KafkaConfig::new("a:1");
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
        let jaas = format!(r#"{module} required username="me" password="a \"b\"";"#);
        config.client.insert("sasl.jaas.config".to_owned(), jaas);
        let client = config.admin_client();
        assert_eq!((client.get("sasl.username"), client.get("sasl.password")), (Some("me"), Some("a \"b\"")));
        assert_eq!(client.get("sasl.jaas.config"), None);
        config.client.insert("sasl.jaas.config".to_owned(), "com.sun.Krb5LoginModule required;".to_owned());
        assert!(config.admin_client().get("sasl.jaas.config").is_some());
    }

    #[test]
    fn a_key_that_the_guarantees_rest_on_is_refused() {
        let config = KafkaConfig::from_worker(&worker(&[("bootstrap.servers", "a:1"), ("producer.acks", "0")]));
        let refused = config.expect("it names a cluster").check().expect_err("reserved");
        assert!(refused.to_string().contains("acks"), "{refused}");
    }
}
