//! What a server is started with: where it listens, what it says of itself, and its limits.

use sluice_client::TopicConfig;
use std::time::Duration;

/// Where clients reach the broker, as Metadata tells them. Source: Kafka's `advertised.listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    /// `host:port`, `[::1]:port`; a listener's name in front (`PLAINTEXT://`) is taken off.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("PLAINTEXT://").unwrap_or(text);
        let wrong = || format!("{text} is not host:port");
        let (host, port) = bare.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains('/') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
}

/// One address to listen on.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Port 0: a free one.
    pub bind: Endpoint,
    /// `None`: the address that the client reached.
    pub advertised: Option<Endpoint>,
}

impl Listener {
    #[must_use]
    pub fn new(bind: Endpoint) -> Self {
        Self { bind, advertised: None }
    }
}

/// What one client, and all of them together, may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Kafka's `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// Requests being read or worked on, all connections together.
    pub request_memory_bytes: usize,
    /// Answers being read from the log or sent, all connections together.
    pub response_memory_bytes: usize,
    /// Kafka's `fetch.max.bytes` of the broker.
    pub fetch_bytes_max: usize,
    /// Kafka's `max.connections`.
    pub connections_max: usize,
    /// Kafka's `connections.max.idle.ms`.
    pub idle_timeout: Duration,
    /// A request that has begun must go on arriving, and an answer must go on being taken.
    pub stall_timeout: Duration,
    /// Requests of one connection that wait for their answers.
    pub in_flight_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 100 << 20,
            request_memory_bytes: 256 << 20,
            response_memory_bytes: 256 << 20,
            fetch_bytes_max: 55 << 20,
            connections_max: 10_000,
            idle_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(30),
            in_flight_max: 64,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub listeners: Vec<Listener>,
    pub limits: Limits,
    /// Kafka's `broker.id`.
    pub node_id: i32,
    /// Kafka's `auto.create.topics.enable`.
    pub auto_create: bool,
    /// Kafka's `num.partitions`: of topics that are created without a number.
    pub num_partitions: i32,
    /// Settings that topics are created with here unless they bring their own. Kafka's `log.…` and `message.max.bytes` of
    /// the broker, but for new topics only. [`sluice_log::check_topic_config`] must take them.
    pub topic_defaults: TopicConfig,
    /// Internal topics (`__…`, `_sluice…`) that clients may read. None may be written.
    pub readable_internal_topics: Vec<String>,
    /// Shown as the log's directory.
    pub log_dir: String,
}

impl ServerConfig {
    /// Kafka's defaults on the given listeners.
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            limits: Limits::default(),
            node_id: 1,
            auto_create: true,
            num_partitions: 1,
            topic_defaults: TopicConfig::new(),
            readable_internal_topics: Vec::new(),
            log_dir: "sluice".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_kafka_users_write_them() {
        for (text, host, port) in [
            ("localhost:9092", "localhost", 9092),
            ("PLAINTEXT://10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:9092", "::1", 9092),
        ] {
            let endpoint = Endpoint { host: host.into(), port };
            assert_eq!(text.parse(), Ok(endpoint));
        }
        for bad in ["", "localhost", ":9092", "host:x", "SSL://host:1", "host:70000"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
        assert_eq!(Endpoint { host: "::1".into(), port: 5 }.to_string(), "[::1]:5");
    }
}
