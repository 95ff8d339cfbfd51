//! The broker under test: the real `sluice` with its Kafka listener, or the broker alone.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sluice_contract::apache_kafka::ApacheKafka;
pub use sluice_obtain::tail;

use crate::wire;

/// Where a hub's file source writes.
pub const LINES_TOPIC: &str = "hub-lines";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running broker on the loopback. Dropped, it is killed by its id.
///
/// Not the harness's `Hub`: ready is here when the Kafka listener answers, and the program may be one that has no REST.
pub struct Broker {
    process: Process,
    /// What a hub's file source reads into [`LINES_TOPIC`]; none where there is no hub.
    lines: Option<PathBuf>,
    address: String,
    log: PathBuf,
    what: &'static str,
}

enum Process {
    Ours(Child),
    ApacheKafka {
        _running: Box<ApacheKafka>,
    },
    /// Somebody else's.
    Elsewhere,
}

impl Broker {
    /// `SLUICE_BOOTSTRAP` names a broker that runs already. `SLUICE_BROKER` names a program that takes a data folder and an address, as
    /// the example `serve` of broker/server does, or is `apache-kafka`. Without them it is `SLUICE_BIN` or the `sluice` of this build.
    ///
    /// # Errors
    /// When there is no binary, or it does not answer in time; the message holds the end of its log.
    pub fn start(folder: &Path) -> Result<Broker> {
        let log = folder.join("broker.log");
        if let Ok(address) = std::env::var("SLUICE_BOOTSTRAP") {
            return Ok(Broker { process: Process::Elsewhere, lines: None, address, log, what: "SLUICE_BOOTSTRAP" });
        }
        if std::env::var_os("SLUICE_BROKER").is_some_and(|it| it == "apache-kafka") {
            let kafka = Box::new(ApacheKafka::start()?);
            let address = kafka.bootstrap_servers();
            return Ok(Broker {
                process: Process::ApacheKafka { _running: kafka },
                lines: None,
                address,
                log,
                what: "Apache Kafka",
            });
        }
        let address = format!("127.0.0.1:{}", free_port()?);
        let data = folder.join("data");
        let (mut command, lines, what) = match std::env::var_os("SLUICE_BROKER") {
            Some(program) => {
                let mut command = Command::new(program);
                command.arg(&data).arg(&address);
                (command, None, "the broker alone")
            }
            None => {
                let lines = folder.join("lines.txt");
                (sluice(folder, &data, &address, &lines)?, Some(lines), "sluice start")
            }
        };
        let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().context("cannot start the broker")?;
        let mut broker = Broker { process: Process::Ours(child), lines, address, log, what };
        broker.until_ready().with_context(|| broker.tail())?;
        Ok(broker)
    }

    /// `host:port` of the Kafka listener.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The file that the hub's file source reads, where the broker is a hub's.
    pub fn lines(&self) -> Option<&Path> {
        self.lines.as_deref()
    }

    /// Which program it is, for the report.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        tail(&self.log)
    }

    fn until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Process::Ours(child) = &mut self.process
                && let Some(status) = child.try_wait()?
            {
                bail!("the broker ended at its start: {status}");
            }
            match wire::offered(&self.address) {
                Ok(_) => return Ok(()),
                Err(error) if begin.elapsed() > START_LIMIT => {
                    return Err(error.context(format!("the broker did not answer within {START_LIMIT:?}")));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Process::Ours(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn sluice(folder: &Path, data: &Path, address: &str, lines: &Path) -> Result<Command> {
    let program = match std::env::var_os("SLUICE_BIN") {
        Some(path) => PathBuf::from(path),
        None => profile_folder()?.join("sluice"),
    };
    if !program.exists() {
        bail!(
            "{} is missing; run `cargo build --workspace` (or `cargo xtask test`) first, or name another broker in SLUICE_BROKER",
            program.display()
        );
    }
    let source = folder.join("file-source.json");
    let connector = json!({
        "name": "lines",
        "config": {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1", "file": lines, "topic": LINES_TOPIC,
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        },
    });
    fs::write(lines, "")?;
    fs::write(&source, connector.to_string())?;
    let mut command = Command::new(program);
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command.arg("start").arg("--data-dir").arg(data).arg(&source);
    command.args(["--rest-listen", &format!("127.0.0.1:{}", free_port()?), "--kafka-listen", address]);
    Ok(command)
}

/// `<target>/debug` of `<target>/debug/deps/clients-0123`.
fn profile_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let deps = program.parent().context("this program lies nowhere")?;
    Ok(deps.parent().context("this program lies in no target folder")?.to_owned())
}

/// A port of the loopback that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on the loopback")?;
    Ok(listener.local_addr()?.port())
}

/// Whether a topic may be heard of a moment after its creation, and still be listed a moment after its deletion: Apache Kafka's metadata
/// follow its controller. Ours are held to the moment itself.
pub fn may_lag() -> bool {
    std::env::var_os("SLUICE_BOOTSTRAP").is_some()
        || std::env::var_os("SLUICE_BROKER").is_some_and(|it| it == "apache-kafka")
}
