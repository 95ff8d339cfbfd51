//! Completion scripts.

use crate::args::Arguments;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

pub fn print(shell: Shell) {
    generate(shell, &mut Arguments::command(), "sluice", &mut std::io::stdout());
}
