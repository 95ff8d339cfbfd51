//! The real binary: start, signals, and what stands in its way.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn sluice() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.env_remove("SLUICE_FAIL_POINT").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A hub on a port of its own choice.
struct Hub {
    child: Child,
    address: String,
}

impl Hub {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = sluice()
            .args(["start", "--rest-listen", "127.0.0.1:0", "--kafka-listen", "off", "--data-dir"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The line comes when REST answers.
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    fn command(&self, arguments: &[&str]) -> Output {
        sluice().args(["--url", &format!("http://{}", self.address)]).args(arguments).output().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_hub_answers_and_ends_with_0_at_sigterm_and_at_sigint() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let hub = Hub::start(folder.path(), &[]);
        assert_eq!(hub.get("/")["version"], "4.3.1");
        assert_eq!(hub.get("/connectors"), json!([]));
        assert_eq!(hub.end(signal), Some(0));
    }
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_10() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = sluice()
        .args(["start", "--rest-listen", &address, "--kafka-listen", "off", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(10));
    let expected = format!("error: {address} is in use by another process; stop it or choose another --rest-listen\n");
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_locked_data_directory_names_the_other_process() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path(), &[]);
    let output = sluice()
        .args(["start", "--rest-listen", "127.0.0.1:0", "--kafka-listen", "off", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(11));
    let last = stderr(&output).lines().last().unwrap().to_owned();
    assert!(last.contains(&format!("is in use by process {}", hub.child.id())), "{last}");
    assert_eq!(hub.get("/health")["status"], "healthy", "the first hub did not notice");
}

#[test]
fn a_wrong_worker_config_names_every_problem_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.toml");
    std::fs::write(&path, "colour = \"red\"\nlog.durability = \"maybe\"\n").unwrap();
    let data = folder.path().join("data");
    let output = sluice().args(["start", "--config"]).arg(&path).arg("--data-dir").arg(&data).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("colour is no key") && text.contains("log.durability=maybe"), "{text}");
    assert!(!data.exists());
}

#[test]
fn topics_and_connectors_are_managed_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path(), &[]);
    assert!(hub.command(&["topic", "create", "lines", "-p", "2", "-c", "retention.ms=1000"]).status.success());
    assert_eq!(hub.command(&["topic", "create", "lines"]).status.code(), Some(5));
    assert_eq!(hub.command(&["topic", "describe", "nothing"]).status.code(), Some(4));
    let described = hub.command(&["topic", "describe", "lines", "--output", "json"]);
    let described: Value = serde_json::from_str(&stdout(&described)).unwrap();
    assert_eq!((&described["partitions"], &described["config"]["retention.ms"]), (&json!(2), &json!("1000")));
    assert!(stdout(&hub.command(&["topic", "list"])).contains("lines"));
    assert!(hub.command(&["topic", "delete", "lines"]).status.success());

    let file = folder.path().join("bad.json");
    std::fs::write(&file, json!({ "name": "bad", "connector.class": "NoSuchThing" }).to_string()).unwrap();
    let refused = hub.command(&["connector", "apply", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(6));
    assert!(stderr(&refused).contains("NoSuchThing"), "{}", stderr(&refused));
    assert_eq!(hub.command(&["connector", "status", "bad"]).status.code(), Some(4));
    assert_eq!(stdout(&hub.command(&["connector", "list", "--output", "json"])).trim(), "{}");
    assert_eq!(hub.end(Signal::TERM), Some(0));
}

#[test]
fn without_a_hub_a_remote_command_says_how_to_start_one() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = sluice().args(["--url", &format!("http://{free}"), "connector", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("sluice start"), "{}", stderr(&output));
}

#[test]
fn completions_are_printed_for_a_shell() {
    let output = sluice().args(["completions", "bash"]).output().unwrap();
    assert!(output.status.success() && stdout(&output).contains("_sluice"));
}
