//! The process under torture: `sluice start --kafka-listen` on a port that stays the same over its lives.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sluice_harness::{Hub, HubOptions, Rest, Scratch, Usage, free_port};

const START_LIMIT: Duration = Duration::from_secs(30);

/// One after the other, on the same data.
pub struct Broker {
    options: HubOptions,
    address: String,
    hub: Option<Hub>,
}

impl Broker {
    /// Where it will be and what it keeps; not started.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn in_folder(scratch: &Scratch) -> Result<Broker> {
        Broker::on_data(scratch.path("data"))
    }

    /// As [`Broker::in_folder`], with the data there.
    pub fn on_data(data: impl Into<std::path::PathBuf>) -> Result<Broker> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let options = Hub::at(data).port(free_port()?).argument("--kafka-listen").argument(&address);
        Ok(Broker { options, address, hub: None })
    }

    /// `host:port` of the Kafka listener.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Starts the process without waiting for anything.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(self.options.clone())
    }

    /// As [`Broker::start`]; the process ends itself at a fail point: `name` or `name:nth`.
    pub fn start_to_die_at(&mut self, point: &str) -> Result<()> {
        self.start_with(self.options.clone().fail_point(point))
    }

    fn start_with(&mut self, options: HubOptions) -> Result<()> {
        // Killed when it is dropped; the next one wants its port and its data.
        drop(self.hub.take());
        self.hub = Some(options.start_without_waiting()?);
        Ok(())
    }

    /// Waits until the listener takes connections.
    pub fn until_listening(&mut self) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            self.refuse_end()?;
            if begin.elapsed() > START_LIMIT {
                bail!("the broker did not listen within {START_LIMIT:?}; {}", self.log_text());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// SIGKILL. A process that had ended by itself is an error.
    pub fn kill(&mut self) -> Result<()> {
        self.refuse_end()?;
        if let Some(hub) = self.hub.take() {
            hub.kill()?;
        }
        Ok(())
    }

    /// Whether the process has ended by itself. Once it was told, the next one may be started.
    pub fn has_died(&mut self) -> Result<bool> {
        let Some(hub) = &mut self.hub else { return Ok(true) };
        let ended = hub.ended()?.is_some();
        if ended {
            self.hub = None;
        }
        Ok(ended)
    }

    fn refuse_end(&mut self) -> Result<()> {
        let Some(hub) = &mut self.hub else { bail!("the broker was not started") };
        if let Some(status) = hub.ended()? {
            bail!("the broker ended by itself, {status}; {}", self.log_text());
        }
        Ok(())
    }

    /// The end of what all its lives logged.
    pub fn log_text(&self) -> String {
        let text = self.hub.as_ref().map(Hub::log_text).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the end of its log:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }

    pub fn usage(&self) -> Result<Usage> {
        match &self.hub {
            Some(hub) => hub.usage(),
            None => bail!("the broker was not started"),
        }
    }

    /// The hub's REST, of a process that was started.
    pub fn rest(&self) -> Option<&Rest> {
        self.hub.as_ref().map(Hub::rest)
    }

    pub fn pid(&self) -> Option<u32> {
        self.hub.as_ref().map(Hub::pid)
    }
}
