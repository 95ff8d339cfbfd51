//! A broker process, and commands that speak to it.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sluice_harness::{Scratch, binary, target_folder};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What a command said, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub struct Broker {
    child: Child,
    address: String,
    url: String,
    /// Kept open: a process that cannot write its lines is another one.
    _stdout: BufReader<ChildStdout>,
    pub scratch: Scratch,
}

impl Broker {
    /// The broker alone.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let scratch = Scratch::new().unwrap();
        Self::start_on(&scratch.path("data"), arguments, scratch)
    }

    /// On data that another one left.
    pub fn on(data: &Path) -> Self {
        Self::start_on(data, &[], Scratch::new().unwrap())
    }

    fn start_on(data: &Path, arguments: &[&str], scratch: Scratch) -> Self {
        let mut command = program();
        command.args(["broker", "start", "--kafka-listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        // Members of a test's groups come one by one.
        command.args(["--override", "group.initial.rebalance.delay.ms=0"]).args(arguments);
        Self::spawn(command, scratch, false)
    }

    /// A hub with both its doors.
    pub fn start_hub() -> Self {
        let scratch = Scratch::new().unwrap();
        let mut command = program();
        command.env("XDG_CACHE_HOME", target_folder().unwrap().join("hub-cache"));
        command.args(["start", "--kafka-listen", "127.0.0.1:0", "--rest-listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(scratch.path("data"));
        Self::spawn(command, scratch, true)
    }

    fn spawn(mut command: Command, scratch: Scratch, has_rest: bool) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut address, mut url) = (String::new(), String::new());
        while address.is_empty() || (has_rest && url.is_empty()) {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the broker ended at its start");
            if let Some(word) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                word.clone_into(&mut url);
            }
            if line.contains("kafka clients") {
                let word = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
                word.unwrap().trim_end_matches(',').clone_into(&mut address);
            }
        }
        Self { child, address, url, _stdout: stdout, scratch }
    }

    /// Of REST; empty for a broker alone.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn data(&self) -> PathBuf {
        self.scratch.path("data")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).env("SLUICE_BOOTSTRAP_SERVER", &self.address).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments), b"")
    }

    /// With this on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        finish(self.command(arguments), input.as_bytes())
    }

    pub fn run_with_bytes(&self, arguments: &[&str], input: &[u8]) -> Ran {
        finish(self.command(arguments), input)
    }

    pub fn run_for_bytes(&self, arguments: &[&str]) -> Vec<u8> {
        self.command(arguments).output().unwrap().stdout
    }

    /// It must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        ran
    }

    /// What it answers with `--output json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.ok(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", ran.stdout))
    }

    /// SIGTERM, and the data it leaves.
    pub fn stop(mut self) -> (PathBuf, Scratch) {
        signal(&self.child, Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.leave()
    }

    /// SIGKILL, and the data it leaves.
    pub fn kill(mut self) -> (PathBuf, Scratch) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.leave()
    }

    fn leave(mut self) -> (PathBuf, Scratch) {
        let scratch = std::mem::replace(&mut self.scratch, Scratch::new().unwrap());
        (scratch.path("data"), scratch)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Command {
    let mut command = Command::new(binary().unwrap());
    for name in ["SLUICE_FAIL_POINT", "RUST_LOG", "SLUICE_URL", "SLUICE_BOOTSTRAP_SERVER"] {
        command.env_remove(name);
    }
    command
}

/// A command that asks no broker of a test's own.
pub fn sluice(arguments: &[&str]) -> Ran {
    let mut command = program();
    command.args(arguments).stdin(Stdio::null());
    finish(command, b"")
}

fn finish(mut command: Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || {
        // Who has ended does not read.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    Ran { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

pub fn interrupt(child: &Child) {
    signal(child, Signal::INT);
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// An address of the loopback that was free a moment ago.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
