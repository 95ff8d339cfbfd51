//! What is no program of ours behind the protocol: console tools, kcat, an application on Kafka Streams.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use sluice_clients::kcat::Kcat;
use sluice_clients::obtain::Obtained;
use sluice_clients::{Client, Report, hub, kcat, obtain, streams, tools};

/// Kafka's own, from `bin/`.
pub fn console_tools(report: &Report, broker: &str, folder: &Path, lines: Option<&Path>) {
    let Some(()) = is_there(report, "console tools", obtain::java()) else { return };
    let mut started = None;
    report.test("console tools: they start", || {
        started = Some((started_tools(broker, folder)?, helper("tools-helper", broker, folder)?));
        Ok(())
    });
    let Some((mut tools, mut writer)) = started else { return };
    let tools = &mut tools;
    println!("console tools {}", tools.version());
    report.test("console tools: topics and their configs", || tools::topics_and_their_configs(tools));
    report.test("console tools: records and their group", || tools::records_and_their_group(tools));
    report.test("console tools: offsets and deleted records", || tools::offsets_and_deleted_records(tools, folder));
    report.test("console tools: transactions are described", || tools::transactions_are_described(tools, &mut writer));
    report.test("console tools: the broker and its groups", || tools::the_broker_and_its_groups(tools));
    report.test("console tools: the performance tools", || tools::the_performance_tools(tools));
    if let (Some(lines), Ok(Ok(_))) = (lines, obtain::kcat()) {
        let kcat = Kcat { command: || found(obtain::kcat()), broker };
        report.test("kcat and the console consumer read what a hub's file source writes", || {
            hub::what_a_file_source_writes_is_read(&kcat, tools, &mut writer, lines)
        });
    }
    report.test("console tools: the verifiable producer and consumer", || {
        writer.create_topic("verifiable", 1)?;
        tools::the_verifiable_tools(java, broker)
    });
}

pub fn kcat(report: &Report, broker: &str, folder: &Path) {
    let Some(()) = is_there(report, "kcat", obtain::kcat()) else { return };
    let mut admin = None;
    report.test("kcat: its helper starts", || {
        admin = Some(helper("kcat-helper", broker, folder)?);
        Ok(())
    });
    let Some(mut admin) = admin else { return };
    let kcat = Kcat { command: || found(obtain::kcat()), broker };
    println!("kcat: {}", kcat.version().unwrap_or_default());
    report.test("kcat: what it writes with each codec it reads", || kcat::what_it_writes_it_reads(&kcat, &mut admin));
    report.test("kcat: its group goes on where it was", || kcat::its_group_goes_on_where_it_was(&kcat, &mut admin));
}

pub fn streams(report: &Report, broker: &str, folder: &Path) {
    let Some(()) = is_there(report, "Kafka Streams", obtain::java()) else { return };
    report.test("Kafka Streams: words are counted once across kills", || {
        let mut client = helper("streams-helper", broker, folder)?;
        streams::words_are_counted_once_across_kills(java, &mut client, broker, folder)
    });
}

/// A client that prepares and looks at what the others are tested with.
fn helper(name: &str, broker: &str, folder: &Path) -> Result<Client> {
    let mut command = super::rdkafka();
    command.arg(broker);
    Client::start(name, command, folder)
}

fn started_tools(broker: &str, folder: &Path) -> Result<Client> {
    let mut command = java()?;
    command.args(["Tools", broker]);
    Client::start("tools", command, folder)
}

fn java() -> Result<Command> {
    found(obtain::java())
}

fn found(obtained: Result<Obtained>) -> Result<Command> {
    obtained?.map_err(|missing| anyhow::anyhow!("{missing}"))
}

/// Nothing, with a word to the report, where it is missing.
fn is_there(report: &Report, name: &str, obtained: Result<Obtained>) -> Option<()> {
    match obtained {
        Ok(Ok(_)) => Some(()),
        Ok(Err(missing)) => {
            report.skip(&format!("{name}: everything"), &missing.to_string());
            None
        }
        Err(error) => {
            report.test(&format!("{name}: it is obtained"), || Err(error));
            None
        }
    }
}
