//! The command `sluice`: the hub itself, and its remote control over REST. The only place where concrete parts meet.
//!
//! Reading order: [`standalone`] (the wiring), [`capabilities`] (what guests may be given), [`worker_config`] (every key of
//! the worker), `start` (signals and exit codes), then one file per command group.
//!
//! What it is not: it holds no logic of the hub. What a command shows comes from REST.

mod args;
mod capabilities;
mod client;
mod completions;
mod components;
mod connector;
mod connector_files;
mod doctor;
mod exit;
mod output;
mod plugin;
mod properties;
mod standalone;
mod start;
mod topic;
mod worker_config;

pub use connector_files::{ConnectorFile, read_connector_file};
pub use exit::Exit;
pub use worker_config::{HubConfig, WorkerConfigError};

use args::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

/// Parses the arguments and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            eprintln!("error: {exit}");
            exit.code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Exit> {
    let remote = arguments.remote;
    match arguments.command {
        Command::Start(options) => start::run(&options),
        Command::Connector(command) => client::run(connector::run(command, &remote)),
        Command::Topic(command) => client::run(topic::run(command, &remote)),
        Command::Plugin(command) => client::run(plugin::run(command, &remote)),
        Command::Doctor(options) => client::run(doctor::run(options, &remote)),
        Command::Completions { shell } => {
            completions::print(shell);
            Ok(())
        }
    }
}
