//! Every client through every scenario, then every client reading what every other wrote.
//!
//! `SLUICE_CLIENTS=confluent-kafka,java` runs only these; words on the command line choose tests whose names hold one of them.

mod others;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::Result;
use sluice_clients::obtain::{self, Obtained};
use sluice_clients::scenarios::{self, Writer};
use sluice_clients::{Broker, Client, Report, groups, transactions};

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
    Candidate { name: "rdkafka", obtain: || Ok(Ok(rdkafka())) },
];

/// The suite's own program.
fn rdkafka() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rdkafka-client"))
}

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
        let (own, lines) = (folder.path(), broker.lines());
        if is_chosen("tools") {
            scope.spawn(move || others::console_tools(report, address, own, lines));
        }
        if is_chosen("kcat") {
            scope.spawn(move || others::kcat(report, address, own));
        }
        if is_chosen("streams") {
            scope.spawn(move || others::streams(report, address, own));
        }
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
    together(report, &mut clients);
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
    let mut written =
        report.test(&format!("{name}: each codec is written"), || scenarios::each_codec_is_written(client_ref, broker));
    if written {
        let own = Writer::of(client_ref);
        report.test(&format!("{name}: what it wrote it reads"), || {
            read_ahead(client_ref, &[&own])?;
            scenarios::what_was_written_is_read(client_ref, &own)
        });
        report
            .test(&format!("{name}: a time leads to its record"), || scenarios::a_time_leads_to_its_record(client_ref));
    }
    in_groups(report, client_ref);
    written &= with_transactions(report, client_ref);
    written.then_some(client)
}

fn in_groups(report: &Report, client: &mut Client) {
    let name = client.name().to_owned();
    report.test(&format!("{name}: a group of three goes on after one leaves"), || {
        groups::a_group_of_three_goes_on_after_one_leaves(client, "range")
    });
    if client.assigns("cooperative-sticky") {
        report.test(&format!("{name}: a cooperative group of three goes on after one leaves"), || {
            groups::a_group_of_three_goes_on_after_one_leaves(client, "cooperative-sticky")
        });
    }
    if client.is_able("static_members") {
        report.test(&format!("{name}: a static member that returns keeps its partitions"), || {
            groups::a_static_member_that_returns_keeps_its_partitions(client)
        });
    }
}

/// Answers whether others can read what was committed.
fn with_transactions(report: &Report, client: &mut Client) -> bool {
    let name = client.name().to_owned();
    let written = report.test(&format!("{name}: one of three transactions over two topics aborts"), || {
        transactions::one_of_three_over_two_topics_aborts(client)
    });
    report.test(&format!("{name}: a zombie is fenced"), || transactions::a_zombie_is_fenced(client));
    report.test(&format!("{name}: each input is passed on once, with its offset in the transaction"), || {
        transactions::each_input_is_passed_on_once(client)
    });
    written
}

fn across(report: &Report, client: &mut Client, writers: &[Writer]) {
    let others: Vec<&Writer> = writers.iter().filter(|writer| writer.name != client.name()).collect();
    let own = client.name().to_owned();
    if client.cannot("read-without-group") {
        report.test(&format!("{own}: it reads what all others wrote, in one group"), || read_ahead(client, &others));
    }
    for writer in others {
        let name = format!("{own}: what {} wrote it reads", writer.name);
        report.test(&name, || scenarios::what_was_written_is_read(client, writer));
        let name = format!("{own}: what {} committed it reads, and nothing that was aborted", writer.name);
        report.test(&name, || transactions::what_another_committed_is_read(client, &writer.name));
    }
}

/// Three seconds for all, where each reading is a group of its own.
fn read_ahead(client: &mut Client, writers: &[&Writer]) -> Result<()> {
    let own = client.name().to_owned();
    let mut topics = Vec::new();
    for writer in writers {
        let count = writer.records.len();
        topics.extend(scenarios::readable(client, writer).into_iter().map(|(_, topic)| (topic, count)));
        if writer.name != own {
            topics.push((transactions::topic_of(&writer.name), transactions::committed(&writer.name).len()));
        }
    }
    client.read_ahead(&topics)
}

/// Those whose range assignor is Kafka's, in one group.
fn together(report: &Report, clients: &mut [Client]) {
    let mut chosen: Vec<&mut Client> = clients.iter_mut().filter(|client| client.assigns("range")).collect();
    if chosen.len() > 1 {
        let names: Vec<&str> = chosen.iter().map(|client| client.name()).collect();
        let name = format!("a group of {} shares a topic", names.join(", "));
        report.test(&name, || groups::a_group_of_several_clients_shares_a_topic(&mut chosen));
    }
}

fn is_chosen(name: &str) -> bool {
    std::env::var("SLUICE_CLIENTS").map_or(true, |names| names.split(',').any(|it| it == name))
}
