//! The command line.

mod broker;
mod import;
mod kafka;
mod log;

pub use broker::{BrokerCommand, BrokerStartOptions, KafkaListen};
pub use import::ImportOptions;
pub use kafka::{
    Bootstrap, Compression, ConsumeOptions, GroupArguments, GroupCommand, Isolation, ProduceOptions, ResetOffsets,
    ResetTarget, TopicArguments, TopicCommand,
};
pub use log::{DumpOptions, LogArguments, LogCommand};

use crate::worker_config::KEYS_HELP;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A connector hub: sources → a durable log → sinks, speaking Kafka Connect's REST API.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    pub remote: Remote,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments or config, 3 no hub or broker answers, 4 not found, \
5 already exists, 6 invalid config, 10 port in use, 11 data directory locked or of a newer version.";

/// Where the hub is, and how answers look.
#[derive(Debug, Clone, Args)]
pub struct Remote {
    /// REST address of a running hub [default: http://127.0.0.1:8083]
    #[arg(long, global = true, env = "SLUICE_URL")]
    pub url: Option<String>,
    /// Tables for people, JSON for scripts
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub in the foreground
    #[command(after_long_help = KEYS_HELP)]
    Start(StartOptions),
    /// The broker alone, without connectors
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// Look at connectors and change them
    #[command(subcommand, visible_alias = "connectors")]
    Connector(ConnectorCommand),
    /// The hub at a glance: connectors, tasks, lag, last errors, next restarts, memory
    Status {
        /// The same as --output json
        #[arg(long)]
        json: bool,
    },
    #[command(visible_alias = "topics")]
    Topic(TopicArguments),
    #[command(visible_alias = "groups")]
    Group(GroupArguments),
    Produce(ProduceOptions),
    Consume(ConsumeOptions),
    Log(LogArguments),
    /// Look at plugins, install and remove them
    #[command(subcommand, visible_alias = "plugins")]
    Plugin(PluginCommand),
    /// Secrets that this machine's hub keeps itself: `${secrets:NAME}` in a connector's config
    Secret(SecretArguments),
    /// Check what a hub needs on this machine
    Doctor(StartOptions),
    /// Print a completion script for a shell
    Completions {
        shell: Shell,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub struct StartOptions {
    /// Worker config: TOML, or Kafka Connect's .properties
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where log and state live [default: ~/.local/share/sluice]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the REST API [default: 127.0.0.1:8083]
    #[arg(long, value_name = "ADDR")]
    pub rest_listen: Option<SocketAddr>,
    /// Serve Kafka clients at these addresses, or off [default: 127.0.0.1:9092, unless that is taken]
    #[arg(long, value_name = "HOST:PORT,…|off")]
    pub kafka_listen: Option<KafkaListen>,
    /// Where clients are told to connect, one for each address, when they cannot reach those as they are written
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', requires = "kafka_listen")]
    pub kafka_advertise: Vec<sluice_server::Endpoint>,
    /// Connectors to create or update: flat JSON, {"name", "config"}, or .properties
    #[arg(value_name = "CONNECTOR.json")]
    pub connectors: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ConnectorCommand {
    /// All connectors with their states
    List,
    /// Config and tasks of one
    Get {
        name: String,
    },
    /// Create from a file; fails when it exists
    Create {
        file: PathBuf,
        /// Begin paused or stopped
        #[arg(long, value_name = "STATE", value_parser = ["running", "paused", "stopped"])]
        initial_state: Option<String>,
    },
    /// Create or update from files
    Apply {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Delete; offsets stay
    Delete {
        name: String,
    },
    /// Stop polling and delivering, keep the tasks
    Pause {
        name: String,
    },
    /// Run again
    Resume {
        name: String,
    },
    /// End the tasks
    Stop {
        name: String,
    },
    /// Restart the connector, and its tasks if asked
    Restart {
        name: String,
        /// Its tasks too
        #[arg(long)]
        include_tasks: bool,
        /// Only what has failed
        #[arg(long)]
        only_failed: bool,
        /// Only this task
        #[arg(long, conflicts_with_all = ["include_tasks", "only_failed"])]
        task: Option<u32>,
    },
    /// States of the connector and its tasks
    Status {
        name: String,
    },
    /// Show, alter or reset offsets; changes need a stopped connector
    Offsets {
        name: String,
        /// Set the offsets of this file: {"offsets": [{"partition", "offset"}]}
        #[arg(long, value_name = "FILE", conflicts_with = "reset")]
        alter: Option<PathBuf>,
        /// Forget all offsets
        #[arg(long)]
        reset: bool,
    },
    /// The last records before and after each stage, of batches that pass while it looks
    Inspect {
        name: String,
        /// So many of each stage
        #[arg(short = 'n', long, default_value_t = 5)]
        records: u32,
        /// Wait at most so long for a batch
        #[arg(long, value_name = "MS", default_value_t = 10_000)]
        wait_ms: u32,
    },
    /// Records that failed: cause, place, and what became of them
    Errors {
        name: String,
        /// At most so many
        #[arg(short = 'n', long, default_value_t = 100)]
        limit: u32,
        /// From this place in the queue on
        #[arg(long, value_name = "PARTITION/OFFSET", value_parser = letter)]
        from: Option<(i32, i64)>,
    },
    /// Send failed records again, to this connector only, each once
    Redrive {
        name: String,
        /// Which ones, by partition and offset of the queue; none: all that did not arrive since
        #[arg(value_name = "PARTITION/OFFSET", value_parser = letter)]
        letters: Vec<(i32, i64)>,
        /// Give this one another value
        #[arg(long, value_name = "TEXT")]
        value: Option<String>,
        /// Show what would be delivered
        #[arg(long)]
        dry_run: bool,
    },
    /// Everything wrong with a config, without storing it
    Validate {
        file: PathBuf,
    },
    Import(Box<ImportOptions>),
}

/// `3/120`, or `120` in a queue of one partition.
fn letter(text: &str) -> Result<(i32, i64), String> {
    let (partition, offset) = text.split_once('/').unwrap_or(("0", text));
    let parsed = partition.parse().ok().zip(offset.parse().ok());
    parsed.ok_or_else(|| "give partition and offset of the dead letter, as in 0/12".to_owned())
}

#[derive(Debug, Args)]
pub struct SecretArguments {
    /// Where log and state live [default: ~/.local/share/sluice]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub command: SecretCommand,
}

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Store what stands on standard input, without the line end behind it
    Set { name: String },
    /// The names; never a value
    List,
    /// Forget one
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Plugins of the running hub
    List {
        /// Transformations and converters too
        #[arg(long)]
        all: bool,
    },
    /// What a component file is, or which keys a plugin of the running hub has
    Inspect { plugin: String },
    /// Whether a component file can be used here
    Validate { file: PathBuf },
    /// Copy a component into the plugin folder; a running hub picks it up
    Install {
        file: PathBuf,
        /// plugin.path of the hub
        #[arg(long, value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
    /// Every key of the worker and of this binary's plugins, as .properties files
    Reference {
        /// Write a file for each into this folder instead of printing them
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Remove a component from the plugin folder
    Remove {
        /// File name, with or without .wasm
        name: String,
        #[arg(long, value_name = "DIR")]
        plugin_dir: Option<PathBuf>,
    },
}
