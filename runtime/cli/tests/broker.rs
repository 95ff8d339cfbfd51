//! The broker alone, and the Kafka listener of a hub: the real binary.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn sluice() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for name in ["SLUICE_FAIL_POINT", "RUST_LOG", "SLUICE_URL", "SLUICE_BOOTSTRAP_SERVER"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

struct Broker {
    child: Child,
    /// What it said first.
    line: String,
}

impl Broker {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = sluice();
        command.args(["broker", "start", "--data-dir"]).arg(data).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, line }
    }

    /// The addresses that it says it listens at.
    fn addresses(&self) -> Vec<String> {
        let words = self.line.split([' ', ',']).filter(|word| word.starts_with("127.0.0.1:"));
        words.map(str::to_owned).collect()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// ApiVersions version 0: the number of APIs in the answer.
fn apis_offered(address: &str) -> i32 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).unwrap();
    let mut head = [0; 14];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[4..10], [0, 0, 0, 7, 0, 0], "the correlation id, and no error");
    i32::from_be_bytes(head[10..14].try_into().unwrap())
}

fn http(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn the_broker_alone_serves_clients_at_every_listener_and_ends_with_0_at_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let broker = Broker::start(folder.path(), &["--kafka-listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"]);
        let addresses = broker.addresses();
        assert_eq!(addresses.len(), 2, "{}", broker.line);
        for address in &addresses {
            assert!(apis_offered(address) > 30);
        }
        assert!(broker.line.contains(&folder.path().display().to_string()), "{}", broker.line);
        assert_eq!(broker.end(signal), Some(0));
    }
}

#[test]
fn health_is_served_beside_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = free_address();
    let broker = Broker::start(folder.path(), &["--kafka-listen", "127.0.0.1:0", "--metrics-listen", &metrics]);
    assert!(http(&metrics, "/health").contains(r#"{"status":"healthy"}"#));
    assert!(http(&metrics, "/nothing").starts_with("HTTP/1.1 404"));
    drop(broker);
}

#[test]
fn kafkas_own_properties_start_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let properties = folder.path().join("server.properties");
    let data = folder.path().join("logs");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://:9093\n\
         controller.listener.names=CONTROLLER\nlog.dirs={}\nnum.io.threads=8\n",
        data.display()
    );
    std::fs::write(&properties, text).unwrap();
    let mut command = sluice();
    command.args(["broker", "start", "--config"]).arg(&properties);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let broker = Broker { child, line };
    assert!(apis_offered(&broker.addresses()[0]) > 30);
    assert!(data.join("meta.properties").is_file());
}

#[test]
fn what_stands_in_a_brokers_way_is_one_line_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let start = |arguments: &[&str]| {
        sluice().args(["broker", "start", "--data-dir"]).arg(folder.path()).args(arguments).output().unwrap()
    };
    let refused = start(&["--kafka-listen", &address]);
    assert_eq!(refused.status.code(), Some(10));
    assert!(stderr(&refused).contains(&format!("{address} is in use")), "{}", stderr(&refused));
    let refused = start(&["--override", "colour=red", "--override", "num.partitions=0"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr(&refused);
    assert!(text.contains("colour is no key of the broker") && text.contains("num.partitions=0"), "{text}");

    let broker = Broker::start(folder.path(), &["--kafka-listen", "127.0.0.1:0"]);
    let refused = start(&["--kafka-listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(11));
    let pid = broker.child.id();
    assert!(stderr(&refused).contains(&format!("is in use by process {pid}")), "{}", stderr(&refused));
}

#[test]
fn a_hub_serves_kafka_clients_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sluice();
    command.args(["start", "--rest-listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0", "--data-dir"]);
    let mut child = command.arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().contains("kafka clients")).unwrap().unwrap();
    let hub = Broker { child, line };
    assert!(apis_offered(&hub.addresses()[0]) > 30);
    assert_eq!(hub.end(Signal::TERM), Some(0));
}

#[test]
fn a_hub_goes_on_without_kafkas_port_when_nobody_named_it_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Whoever has it already serves as well.
    let _taken = TcpListener::bind("127.0.0.1:9092");
    let mut command = sluice();
    command.args(["start", "--rest-listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Kept open: the hub goes on writing.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let hub = Broker { child, line: String::new() };
    let warning = said.by_ref().map(Result::unwrap).find(|line| line.contains("127.0.0.1:9092")).unwrap();
    assert!(warning.contains("in use") && warning.contains("--kafka-listen off"), "{warning}");
    assert_eq!(hub.end(Signal::TERM), Some(0));
}
