//! One `sluice start` process: begun, waited for, killed by its id.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::rest::Rest;
use crate::{binary, target_folder, until};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// The unit of times in `/proc`: Linux keeps it at 100 for every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;
const LOG_LINES_SHOWN: usize = 60;

/// How a hub is to be started. The data folder is kept, so that a second start continues the first.
#[derive(Debug, Clone)]
pub struct HubOptions {
    data: PathBuf,
    log: PathBuf,
    port: Option<u16>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
    program: Option<PathBuf>,
}

/// A running hub. Dropped, it is killed; when the test panics, the end of its log is shown.
pub struct Hub {
    child: Child,
    options: HubOptions,
    rest: Rest,
    /// From the start of the process to the first answer of REST.
    pub ready_after: Duration,
}

impl Hub {
    pub fn at(data: impl Into<PathBuf>) -> HubOptions {
        let data = data.into();
        HubOptions {
            log: data.with_extension("log"),
            data,
            port: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            program: None,
        }
    }

    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and the same hub again on the same data.
    pub async fn kill_and_restart(self) -> Result<Hub> {
        let mut options = self.options.clone();
        options.port = Some(self.rest.port());
        self.kill()?;
        options.start().await
    }

    /// SIGKILL: the process has no chance to finish anything. The options start it again.
    pub fn kill(mut self) -> Result<HubOptions> {
        signal(&self.child, Signal::KILL)?;
        self.child.wait().context("cannot wait for the killed hub")?;
        Ok(self.options.clone())
    }

    /// SIGTERM, and the exit status.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        signal(&self.child, Signal::TERM)?;
        self.exit_within(STOP_LIMIT).await
    }

    /// Waits until the process ends by itself, as it does at a fail point.
    pub async fn exit(mut self, limit: Duration) -> Result<ExitStatus> {
        self.exit_within(limit).await
    }

    async fn exit_within(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        until("the end of the hub's process", limit, || {
            let status = child.try_wait();
            async move { status?.ok_or_else(|| anyhow!("it still runs")) }
        })
        .await
        .with_context(|| tail(&self.options.log))
    }

    /// Whether the process has ended, without waiting.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub fn options(&self) -> HubOptions {
        self.options.clone()
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.options.log).unwrap_or_default()
    }

    /// What the process used so far, from `/proc`.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = signal(&self.child, Signal::KILL);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", tail(&self.options.log));
        }
    }
}

impl HubOptions {
    /// An argument for `sluice start`.
    pub fn argument(mut self, argument: impl Into<String>) -> HubOptions {
        self.arguments.push(argument.into());
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> HubOptions {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ends itself with `abort()` when it reaches this point of the code: `name`, or `name:nth`.
    pub fn fail_point(self, point: &str) -> HubOptions {
        self.environment("SLUICE_FAIL_POINT", point)
    }

    /// Takes back what [`Self::environment`] set.
    pub fn without_environment(mut self, name: &str) -> HubOptions {
        self.environment.retain(|(it, _)| it != name);
        self
    }

    /// The process's working folder, for configs with relative paths.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> HubOptions {
        self.folder = Some(folder.into());
        self
    }

    /// A program that takes `sluice`'s arguments, instead of `sluice` itself.
    pub fn program(mut self, program: impl Into<PathBuf>) -> HubOptions {
        self.program = Some(program.into());
        self
    }

    pub fn port(mut self, port: u16) -> HubOptions {
        self.port = Some(port);
        self
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts the process and waits until REST answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time; the message holds the end of its log.
    pub async fn start(self) -> Result<Hub> {
        let begin = Instant::now();
        let mut hub = self.start_without_waiting()?;
        hub.until_ready().await.with_context(|| tail(&hub.options.log))?;
        hub.ready_after = begin.elapsed();
        Ok(hub)
    }

    /// Starts the process and leaves it to itself: it may be killed before it is ready.
    pub fn start_without_waiting(self) -> Result<Hub> {
        let port = self.port.map_or_else(free_port, Ok)?;
        let child = self.spawn(port)?;
        Ok(Hub { child, options: self, rest: Rest::at(port), ready_after: Duration::ZERO })
    }

    fn spawn(&self, port: u16) -> Result<Child> {
        if let Some(parent) = self.log.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot open {}", self.log.display()))?;
        let mut command = Command::new(self.program.clone().map_or_else(binary, Ok)?);
        // Compiled connectors are kept between tests, but beside the build: a folder of the hub itself is closed to connectors,
        // and a user's own cache folder may hold what they read.
        command.env("XDG_CACHE_HOME", target_folder()?.join("hub-cache"));
        command.arg("start").arg("--data-dir").arg(&self.data).args(["--rest-listen", &format!("127.0.0.1:{port}")]);
        if !self.arguments.iter().any(|argument| argument.starts_with("--kafka-listen")) {
            // Hubs of several tests run side by side, and 9092 is there once.
            command.args(["--kafka-listen", "off"]);
        }
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(copy(&log)?).stderr(copy(&log)?);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.spawn().context("cannot start sluice")
    }
}

impl Hub {
    async fn until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the hub ended at its start: {status}");
            }
            match self.rest.get("/").await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                seen if begin.elapsed() > START_LIMIT => {
                    bail!("the hub did not answer within {START_LIMIT:?}: {seen:?}")
                }
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }
}

/// A port of the loopback that was free a moment ago.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on the loopback")?;
    Ok(listener.local_addr()?.port())
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("a child has an id above zero")?;
    kill_process(pid, signal).context("cannot signal the hub")
}

fn copy(file: &File) -> Result<File> {
    file.try_clone().context("cannot share the log file")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
    format!("the end of {}:\n{}", log.display(), shown.join("\n"))
}

/// What a process took from the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// `VmHWM`: the most it ever held.
    pub peak_rss_bytes: u64,
    /// `VmRSS`.
    pub rss_bytes: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("cannot read the process's times")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read the process's memory")?;
        Ok(Usage {
            cpu_seconds: cpu_ticks(&stat).context("the process's times cannot be read")? as f64 / TICKS_PER_SECOND,
            peak_rss_bytes: kilobytes(&status, "VmHWM:").unwrap_or(0) * 1024,
            rss_bytes: kilobytes(&status, "VmRSS:").unwrap_or(0) * 1024,
        })
    }
}

/// Fields 14 and 15 of `/proc/<pid>/stat`; the second field is the name in brackets and may hold blanks.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "42 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(kilobytes("VmPeak:\t 9 kB\nVmHWM:\t  1234 kB\n", "VmHWM:"), Some(1234));
    }

    #[test]
    fn our_own_process_has_memory() {
        assert!(Usage::of(std::process::id()).unwrap().peak_rss_bytes > 100_000);
    }
}
