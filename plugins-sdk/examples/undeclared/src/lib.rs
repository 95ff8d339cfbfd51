//! Reads files without saying so in its definition: a host must refuse to load it.

use sluice_plugin_sdk::*;

struct Undeclared;

impl Source for Undeclared {
    type Task = Self;

    fn definition() -> Definition {
        Definition::source("UndeclaredExample", env!("CARGO_PKG_VERSION"), "Wants files and does not say so.")
    }
}

impl SourceTask for Undeclared {
    fn open(_config: &Config) -> Result<Self> {
        file::open_read("/etc/hostname")?;
        Ok(Self)
    }

    fn poll(&mut self) -> Result<Poll> {
        Ok(Poll::default())
    }
}

export_source!(Undeclared);
