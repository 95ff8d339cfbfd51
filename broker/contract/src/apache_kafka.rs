//! A real Apache Kafka, one node in KRaft mode, on free loopback ports and with its data in a temporary folder.
//!
//! Its jars come from Maven Central once and stay in `~/.cache/sluice/services`. It ends with the process that started
//! it, however that ends: a shell watches a pipe that closes then.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// 4.4.0 is incomplete in the registry.
pub const VERSION: &str = "4.3.1";
const CLUSTER_ID: &str = "c2x1aWNlLWNvbnRyYWN0MA";
const GET_JAVA: &str = "apt-get install -y --no-install-recommends openjdk-17-jre-headless maven";

/// Runs the service, and kills it when the pipe on its standard input closes; then its folder goes too.
const SUPERVISOR: &str = r#"
folder=$1; shift
exec 3<&0
"$@" 3<&- </dev/null & child=$!
( if read -r word <&3; then kill -9 $child; else kill -9 $child; sleep 0.2; rm -rf "$folder"; fi ) >/dev/null 2>&1 &
wait $child
"#;

const POM: &str = include_str!("apache-kafka-pom.xml");
const LOG4J: &str = "status=error
rootLogger.level=INFO
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.target=SYSTEM_OUT
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=[%d] %p %m (%c)%n
";

pub struct ApacheKafka {
    port: u16,
    supervisor: Option<Child>,
    libs: PathBuf,
    folder: tempfile::TempDir,
    java_options: Vec<String>,
}

/// Little memory and a quick start: enough for tests.
const SMALL: [&str; 4] = ["-Xms256m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/// The one of this process, started by whoever asks first. `None`: it cannot be had here, which was said.
///
/// # Panics
/// When it does not start, or `CI=true` and it cannot be had.
pub fn shared() -> Option<&'static ApacheKafka> {
    static SHARED: OnceLock<Option<ApacheKafka>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| match missing() {
        None => Some(ApacheKafka::start().unwrap_or_else(|error| panic!("Apache Kafka {VERSION}: {error}"))),
        Some(_) => None,
    });
    if shared.is_none() {
        skipped(&unavailable().unwrap_or_else(|| GET_JAVA.to_owned()));
    }
    shared.as_ref()
}

/// One of the caller's own, which may be killed. `None`: it cannot be had here, which was said.
///
/// # Panics
/// As [`shared`].
pub fn own() -> Option<ApacheKafka> {
    if let Some(reason) = unavailable() {
        skipped(&reason);
        return None;
    }
    Some(ApacheKafka::start().unwrap_or_else(|error| panic!("Apache Kafka {VERSION}: {error}")))
}

/// Why it cannot be had on this machine, and what to install; `None`: it can.
#[must_use]
pub fn unavailable() -> Option<String> {
    missing().map(|program| format!("no {program} on this machine; {GET_JAVA}"))
}

/// For a test that starts what it needs by itself: says that it is skipped, and why.
///
/// # Panics
/// When `CI=true`.
#[must_use]
pub fn is_skipped() -> bool {
    let reason = unavailable();
    reason.as_deref().inspect(|reason| skipped(reason)).is_some()
}

/// Says aloud that a test did not run: past the test harness, which keeps what passing tests print.
fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: {reason}");
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {reason}");
}

fn missing() -> Option<&'static str> {
    let runs = |program: &str, option: &str| {
        Command::new(program).arg(option).stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
    };
    if !runs("java", "-version") {
        return Some("java");
    }
    (!libs_folder().exists() && !runs("mvn", "-version")).then_some("maven")
}

fn libs_folder() -> PathBuf {
    services_folder().join(format!("apache-kafka-{VERSION}"))
}

fn services_folder() -> PathBuf {
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("sluice/services")
}

/// The folder with Apache Kafka's jars, obtained if it is not there. Several processes may ask at once.
///
/// # Errors
/// Maven's, with what it printed.
pub fn libs() -> io::Result<PathBuf> {
    maven("apache-kafka", POM)
}

/// The folder with the jars that a project file names, in which `@VERSION@` is Kafka's; obtained once as `name` and kept.
///
/// # Errors
/// Maven's, with what it printed.
pub fn maven(name: &str, pom: &str) -> io::Result<PathBuf> {
    let services = services_folder();
    let libs = services.join(format!("{name}-{VERSION}"));
    fs::create_dir_all(&services)?;
    let lock = File::create(services.join(format!("{name}-{VERSION}.lock")))?;
    lock.lock()?;
    if libs.exists() {
        return Ok(libs);
    }
    let work = tempfile::tempdir_in(services)?;
    fs::write(work.path().join("pom.xml"), pom.replace("@VERSION@", VERSION))?;
    let output = Command::new("mvn")
        .args(["-B", "-ntp", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"])
        .current_dir(work.path())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("Maven failed: {}", String::from_utf8_lossy(&output.stdout))));
    }
    fs::rename(work.path().join("libs"), &libs)?;
    Ok(libs)
}

/// `program` as a process that is killed when the pipe on its standard input closes, so at the latest with this process; then
/// `folder` goes too.
#[must_use]
pub fn supervised(folder: &Path, program: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISOR, "sh"]).arg(folder).arg(program.get_program()).args(program.get_args());
    command.stdin(Stdio::piped());
    command
}

/// The process of the program itself, of a [`supervised`] one that runs.
#[must_use]
pub fn supervised_pid(supervisor: &Child) -> Option<u32> {
    // The shell that watches over it has it as its first child.
    let shell = supervisor.id();
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

impl ApacheKafka {
    /// Formats a new data folder and starts on it; returns when it serves.
    ///
    /// # Errors
    /// What it printed last, when it does not come up.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&SMALL, "")
    }

    /// The same with Java options and further lines of `server.properties` of the caller's.
    ///
    /// # Errors
    /// What it printed last, when it does not come up.
    pub fn start_with(java_options: &[&str], more_properties: &str) -> io::Result<Self> {
        let libs = libs()?;
        let folder = tempfile::tempdir()?;
        let (port, controller) = free_ports()?;
        fs::write(folder.path().join("log4j2.properties"), LOG4J)?;
        let properties = properties(folder.path(), port, controller) + more_properties;
        fs::write(folder.path().join("server.properties"), properties)?;
        let java_options = java_options.iter().map(ToString::to_string).collect();
        let mut kafka = Self { port, supervisor: None, libs, folder, java_options };
        let format = ["kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c"];
        let output = kafka.java(&["-Xmx128m"]).args(format).arg(kafka.file("server.properties")).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("cannot format: {}", String::from_utf8_lossy(&output.stderr))));
        }
        kafka.start_again()?;
        Ok(kafka)
    }

    /// `host:port`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process of the broker itself.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        supervised_pid(self.supervisor.as_ref()?)
    }

    /// Where its log lies.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.file("data")
    }

    /// SIGKILL. Its data stay.
    ///
    /// # Errors
    /// The pipe's or the wait's.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut supervisor) = self.supervisor.take() {
            if let Some(mut stdin) = supervisor.stdin.take() {
                stdin.write_all(b"kill\n")?;
            }
            supervisor.wait()?;
        }
        Ok(())
    }

    /// After [`ApacheKafka::kill`]: on the same data and ports; returns when it serves.
    ///
    /// # Errors
    /// What it printed last, when it does not come up.
    pub fn start_again(&mut self) -> io::Result<()> {
        let mut java = self.java(&self.java_options.iter().map(String::as_str).collect::<Vec<_>>());
        java.arg("kafka.Kafka").arg(self.file("server.properties"));
        let mut supervisor =
            supervised(self.folder.path(), &java).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(supervisor.stdout.take().expect("it is piped")).lines();
        let mut last = Vec::new();
        loop {
            let Some(line) = lines.next().transpose()? else {
                return Err(io::Error::other(format!("it ended while starting:\n{}", last.join("\n"))));
            };
            let is_up = line.contains("Kafka Server started");
            if last.len() == 30 {
                last.remove(0);
            }
            last.push(line);
            if is_up {
                break;
            }
        }
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        self.supervisor = Some(supervisor);
        Ok(())
    }

    /// A JVM with Kafka's jars; the class to be run is left to the caller.
    #[must_use]
    pub fn java(&self, options: &[&str]) -> Command {
        let mut java = Command::new("java");
        java.args(options).arg(format!("-Dlog4j2.configurationFile=file:{}", self.file("log4j2.properties").display()));
        java.arg("-cp").arg(self.libs.join("*")).stdin(Stdio::null());
        java
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for ApacheKafka {
    fn drop(&mut self) {
        // The folder goes by itself; a broker that cannot be killed here dies with this process.
        let _ = self.kill();
    }
}

/// Both held at once, so that they differ.
fn free_ports() -> io::Result<(u16, u16)> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

fn properties(folder: &Path, port: u16, controller: u16) -> String {
    let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let data = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners={listeners}
advertised.listeners={listeners}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=8388608
",
        data.display()
    )
}
