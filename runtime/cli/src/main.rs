//! The `sluice` binary. Everything it does is in the library, so that tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluice_cli::main()
}
