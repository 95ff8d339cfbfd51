//! `cargo xtask`: everything a developer or CI does to this repository, as one program without heavy dependencies.
//!
//! It is not part of the product and knows none of its crates: it reads `cargo metadata`, runs cargo, and runs what was built.

mod bench;
mod check;
mod demo;
mod dist;
mod process;
mod setup;
mod test;
mod torture;
mod workspace;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup            obtain the WebAssembly toolchain and build the connectors into components
  demo [--exit]    a database and a log file flow through the hub into Parquet and a table; it is killed on the way;
       [--kafka]   with an Apache Kafka as the log, which is killed too
  test [--full] [SUITE...]
                   every test of the project, or the suites whose names contain SUITE; --full runs the long forms
  check [NAME...]  fmt, clippy and the project's own rules: without a name, all of them
  bench [NAME]     measure a release build; a table here, JSON under target/bench
  torture [--kills N] [--seed N]
                   kill the broker under producers, transactions and groups, a thousand times; then read everything back
  dist             the release binary with its connectors inside
  freeze-wit       write the digests of the WIT packages anew, after a deliberate change";

fn main() {
    if let Err(error) = run(std::env::args().skip(1).collect()) {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}

fn run(arguments: Vec<String>) -> Result<()> {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => bail!("no command\n{USAGE}"),
    };
    let workspace = workspace::Workspace::load()?;
    match (command, rest) {
        ("setup", []) => setup::run(&workspace),
        ("demo", options) => demo::run(&workspace, options),
        ("test", [full, suites @ ..]) if full == "--full" => test::run(&workspace, test::Extent::Full, suites),
        ("test", suites) => test::run(&workspace, test::Extent::Usual, suites),
        ("check", names) => check::run(&workspace, names),
        ("bench", names) => bench::run(&workspace, names),
        ("torture", options) => torture::run(&workspace, options),
        ("dist", []) => dist::run(&workspace),
        ("freeze-wit", []) => check::frozen_wit::freeze(&workspace.root),
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("cannot understand `{}`\n{USAGE}", arguments.join(" ")),
    }
}
