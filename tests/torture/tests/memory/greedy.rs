//! Many connections, long claims, short deliveries, answers that nobody takes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_torture::{GoodClient, skipped};

use super::Running;

/// Connections of a default broker: Kafka's `max.connections`, here 10,000.
const CONNECTIONS: usize = 10_000;

#[test]
fn a_claim_of_two_gigabytes_ends_its_connection_and_takes_no_memory() -> Result<()> {
    let running = Running::start()?;
    let mut good = GoodClient::start(running.broker.address(), "good", &[])?;
    for claim in [i32::MAX, (100 << 20) + 1, -1, i32::MIN] {
        let mut bad = TcpStream::connect(running.broker.address())?;
        bad.set_read_timeout(Some(Duration::from_secs(30)))?;
        bad.write_all(&claim.to_be_bytes())?;
        let _ = bad.write_all(&[0; 1_000]);
        ensure!(is_closed(&mut bad)?, "a claim of {claim} bytes leaves the connection open");
        good.works()?;
    }
    running.refuse_more_than(16)
}

#[test]
fn clients_that_send_half_of_what_they_claim_hold_little_and_others_do_not_notice() -> Result<()> {
    let running = Running::start()?;
    let mut good = GoodClient::start(running.broker.address(), "good", &[])?;
    let mut held = Vec::new();
    for number in 0..1_000 {
        let mut bad = TcpStream::connect(running.broker.address())?;
        // The longest claim that is allowed, and a little of it.
        bad.write_all(&(100i32 << 20).to_be_bytes())?;
        bad.write_all(&vec![0; 20_000])?;
        held.push(bad);
        if number % 100 == 0 {
            good.works().with_context(|| format!("after {number}"))?;
        }
    }
    good.works()?;
    running.refuse_more_than(100)
}

#[test]
fn ten_thousand_idle_connections_are_held_and_others_do_not_notice() -> Result<()> {
    if let Err(reason) = allow_files(CONNECTIONS as u64 + 1_000) {
        skipped(&format!("the limit of open files cannot be raised: {reason}"));
        return Ok(());
    }
    let running = Running::start()?;
    let mut good = GoodClient::start(running.broker.address(), "good", &[])?;
    let mut idle = Vec::new();
    for number in 1..CONNECTIONS {
        idle.push(TcpStream::connect(running.broker.address()).with_context(|| format!("connection {number}"))?);
        if number % 1_000 == 0 {
            good.works().with_context(|| format!("beside {number}"))?;
        }
    }
    good.works()?;
    // One more than there may be is let go, and takes nobody else's place.
    let mut more = TcpStream::connect(running.broker.address())?;
    more.set_read_timeout(Some(Duration::from_secs(30)))?;
    ensure!(is_closed(&mut more)?, "more connections than the limit says");
    good.works()?;
    running.refuse_more_than(200)?;
    drop(idle);
    GoodClient::start(running.broker.address(), "again", &[])?.works()
}

#[test]
fn readers_that_ask_for_much_and_take_a_byte_a_second_hold_no_more_than_the_answers_share() -> Result<()> {
    let running = Running::start()?;
    let mut good = GoodClient::start(running.broker.address(), "good", &[])?;
    let mut writer = GoodClient::start(running.broker.address(), "long", &[])?;
    for _ in 0..60 {
        writer.produce(&vec![7; 1_000_000])?;
    }
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut connection = GoodClient::join(running.broker.address(), "long")?.ask_and_leave(0, 55 << 20)?;
        let mut first = [0; 1];
        connection.stream.read_exact(&mut first).context("the answer has begun")?;
        slow.push(connection);
        good.works()?;
    }
    // Each takes a byte now and then while the good one goes on.
    for _ in 0..5 {
        for connection in &mut slow {
            connection.stream.read_exact(&mut [0; 1])?;
        }
        good.works()?;
    }
    // Four answers of 55 MiB, and what the requests were made of.
    running.refuse_more_than(300)
}

/// Whether the other side closes: the end of the stream, or a reset.
fn is_closed(stream: &mut TcpStream) -> Result<bool> {
    match stream.read(&mut [0; 16]) {
        Ok(0) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(true),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// For this process and those that it starts.
fn allow_files(wanted: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    let raised = Rlimit { current: Some(wanted), maximum };
    setrlimit(Resource::Nofile, raised).map_err(|error| error.to_string())
}
