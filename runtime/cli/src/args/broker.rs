//! `sluice broker …`, and how Kafka listeners are written.

use crate::broker_config::KEYS_HELP;
use clap::{Args, Subcommand};
use sluice_server::Endpoint;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Run the broker alone in the foreground: Kafka's protocol, without REST, connectors and plugins
    #[command(after_long_help = KEYS_HELP)]
    Start(BrokerStartOptions),
}

#[derive(Debug, Clone, Default, Args)]
pub struct BrokerStartOptions {
    /// Broker config: TOML, or Kafka's server.properties
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the log lives [default: ~/.local/share/sluice]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Serve Kafka clients at these addresses; port 0 takes a free one [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub kafka_listen: Vec<Endpoint>,
    /// Where clients are told to connect, one for each address, when they cannot reach those as they are written
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', requires = "kafka_listen")]
    pub kafka_advertise: Vec<Endpoint>,
    /// Serve /metrics and /health over HTTP [default: not served]
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// A key of the config, over what the file says
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// Where a hub serves Kafka clients, when the user says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaListen {
    Off,
    At(Vec<Endpoint>),
}

impl FromStr for KafkaListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::At).map_err(|why| format!("{why}, nor off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_off_or_a_list() {
        assert_eq!("off".parse(), Ok(KafkaListen::Off));
        let two = "127.0.0.1:1,[::1]:2".parse::<KafkaListen>().unwrap();
        assert!(matches!(two, KafkaListen::At(list) if list.len() == 2));
        assert!("9092".parse::<KafkaListen>().unwrap_err().contains("host:port"));
    }
}
