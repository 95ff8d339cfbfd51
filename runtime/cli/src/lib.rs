//! The command `sluice`: the hub itself, and its remote control over REST. The only place where concrete parts meet.
//!
//! Reading order: [`standalone`] (the wiring), `log` (which log it is, and the hub's topics in it), [`capabilities`] (what guests may be given), [`worker_config`] (every key of
//! the worker), `start` (signals and exit codes), then one file per command group.
//!
//! What it is not: it holds no logic of the hub. What a command shows comes from REST, or from a broker over Kafka's protocol
//! ([`kafka`]).

mod allocator;
mod args;
mod broker;
mod broker_config;
mod broker_http;
mod capabilities;
mod client;
mod completions;
mod components;
mod config_providers;
mod connector;
mod connector_files;
mod doctor;
mod exit;
mod import;
mod inspect;
mod kafka;
mod kafka_log;
mod log;
mod log_files;
mod output;
mod plugin;
mod redrive;
mod reference;
mod secret;
mod standalone;
mod start;
mod status;
mod topic;
mod worker_config;
mod worker_definition;

pub use connector_files::{ConnectorFile, read_connector_file};
pub use exit::Exit;
pub use kafka_log::KafkaLog;
pub use worker_config::{HubConfig, WorkerConfigError};

use args::{Arguments, Command, ConnectorCommand};
use clap::Parser;
use sluice_connect_api::PluginRegistry;
use std::process::ExitCode;

/// Adds connectors that are compiled into the binary to those that it loads as components.
pub type NativeConnectors = fn(&PluginRegistry);

/// Parses the arguments and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    main_with(|_| {})
}

/// [`main`], of a hub with native connectors.
#[must_use]
pub fn main_with(native: NativeConnectors) -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments, native) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            eprintln!("error: {exit}");
            exit.code()
        }
    }
}

fn run(arguments: Arguments, native: NativeConnectors) -> Result<(), Exit> {
    let remote = arguments.remote;
    match arguments.command {
        Command::Start(options) => start::run(&options, native),
        Command::Broker(command) => broker::run(&command),
        Command::Connector(ConnectorCommand::Import(options)) => import::run(&options, &remote),
        Command::Connector(command) => client::run(connector::run(command, &remote)),
        Command::Status { json } => client::run(status::run(json, remote)),
        Command::Topic(arguments) => topic::run(arguments, &remote),
        Command::Group(arguments) => kafka::group::run(arguments, remote.output),
        Command::Produce(options) => kafka::produce::run(options),
        Command::Consume(options) => kafka::consume::run(options, remote.output),
        Command::Log(arguments) => log_files::run(arguments, remote.output),
        Command::Secret(arguments) => secret::run(&arguments),
        Command::Plugin(command) => client::run(plugin::run(command, &remote)),
        Command::Doctor(options) => client::run(doctor::run(options, &remote)),
        Command::Completions { shell } => {
            completions::print(shell);
            Ok(())
        }
    }
}
