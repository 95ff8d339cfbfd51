//! Every client through every scenario, then every client reading what every other wrote.
//!
//! `SLUICE_CLIENTS=confluent-kafka,java` runs only these; words on the command line choose tests whose names hold one of them.

use std::path::Path;
use std::process::ExitCode;
use std::thread;

use anyhow::Result;
use sluice_clients::obtain::{self, Obtained};
use sluice_clients::scenarios::{self, Writer};
use sluice_clients::{Broker, Client, Report};

/// A client under test: its name, and how its program is obtained.
struct Candidate {
    name: &'static str,
    obtain: fn() -> Result<Obtained>,
}

const CANDIDATES: &[Candidate] = &[
    Candidate { name: "confluent-kafka", obtain: || obtain::python("confluent.py") },
    Candidate { name: "kafka-python", obtain: || obtain::python("kafkapython.py") },
    Candidate {
        name: "java",
        obtain: || {
            Ok(obtain::java()?.map(|mut command| {
                command.arg("Client");
                command
            }))
        },
    },
    Candidate { name: "kafkajs", obtain: || obtain::node("kafkajs.mjs") },
    Candidate { name: "platformatic", obtain: || obtain::node("platformatic.mjs") },
    Candidate { name: "franz-go", obtain: || obtain::go("franz") },
    Candidate { name: "sarama", obtain: || obtain::go("sarama") },
];

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let report = Report::new(filter);
    if let Err(error) = run(&report) {
        report.test("the suite", || Err(error));
    }
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(report: &Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    println!("broker: {}", broker.what());
    let address = broker.address();
    let mut clients: Vec<Client> = thread::scope(|scope| {
        let started: Vec<_> = CANDIDATES
            .iter()
            .filter(|candidate| is_chosen(candidate.name))
            .map(|candidate| scope.spawn(|| alone(report, candidate, address, folder.path())))
            .collect();
        started.into_iter().filter_map(|thread| thread.join().expect("a scenario does not panic")).collect()
    });
    let writers: Vec<Writer> = clients.iter().map(Writer::of).collect();
    thread::scope(|scope| {
        for client in &mut clients {
            let writers = &writers;
            scope.spawn(move || across(report, client, writers));
        }
    });
    Ok(())
}

/// The scenarios that a client goes through by itself. Answers the client, still running, when what it wrote can be read by others.
fn alone(report: &Report, candidate: &Candidate, broker: &str, folder: &Path) -> Option<Client> {
    let name = candidate.name;
    let mut client = None;
    let starts = report.test(&format!("{name}: it is obtained and starts"), || {
        match (candidate.obtain)()? {
            Ok(mut command) => {
                command.arg(broker);
                client = Some(Ok(Client::start(name, command, folder)?));
            }
            Err(missing) => client = Some(Err(missing)),
        }
        Ok(())
    });
    if !starts {
        return None;
    }
    let mut client = match client? {
        Ok(client) => client,
        Err(missing) => {
            report.skip(&format!("{name}: everything"), &missing.to_string());
            return None;
        }
    };
    println!("{name} {}, codecs {:?}", client.version(), client.codecs());
    let client_ref = &mut client;
    report.test(&format!("{name}: a topic is created, listed and deleted"), || {
        scenarios::a_topic_is_created_listed_and_deleted(client_ref)
    });
    let written =
        report.test(&format!("{name}: each codec is written"), || scenarios::each_codec_is_written(client_ref, broker));
    if written {
        let own = Writer::of(client_ref);
        report.test(&format!("{name}: what it wrote it reads"), || {
            scenarios::what_was_written_is_read(client_ref, &own, 0)
        });
        report
            .test(&format!("{name}: a time leads to its record"), || scenarios::a_time_leads_to_its_record(client_ref));
    }
    report.test(&format!("{name}: a group of three goes on after one leaves"), || {
        scenarios::a_group_of_three_goes_on_after_one_leaves(client_ref)
    });
    written.then_some(client)
}

fn across(report: &Report, client: &mut Client, writers: &[Writer]) {
    let own = client.name().to_owned();
    for (turn, writer) in writers.iter().enumerate().filter(|(_, writer)| writer.name != own) {
        let name = format!("{own}: what {} wrote it reads", writer.name);
        report.test(&name, || scenarios::what_was_written_is_read(client, writer, turn));
    }
}

fn is_chosen(name: &str) -> bool {
    std::env::var("SLUICE_CLIENTS").map_or(true, |names| names.split(',').any(|it| it == name))
}
