//! A newer FileStreamSource that fails at its first poll: whoever installs it must find the older version running again.

use sluice_plugin_sdk::*;

const CLASS: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

struct BrokenUpgrade;

impl Source for BrokenUpgrade {
    type Task = Self;

    fn definition() -> Definition {
        Definition::source(CLASS, env!("CARGO_PKG_VERSION"), "Fails at its first poll.")
    }
}

impl SourceTask for BrokenUpgrade {
    fn open(_config: &Config) -> Result<Self> {
        Ok(Self)
    }

    fn poll(&mut self) -> Result<Poll> {
        Err(Error::fatal("broken", "this version cannot read anything"))
    }
}

export_source!(BrokenUpgrade);
