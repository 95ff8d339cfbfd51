//! The runtime beside Kafka Connect, and what else issue 5 claims of it: one module for each row of the table.

mod alternating;
mod chain;
mod columns;
mod delivery;
mod file_to_file;
mod flow;
mod letters;
mod lines;
mod many;
mod registry;
mod rest_calls;
mod side;
mod topic;
mod turns;

use anyhow::{Result, bail};

use crate::{Options, Report};

/// The names by which a row is asked for, in the order of the report.
pub const ROWS: [&str; 8] =
    ["chain", "file-to-file", "exactly-once", "many-connectors", "rest", "registry", "alternating", "dead-letters"];

/// Measures one of [`ROWS`] into the report.
///
/// # Errors
/// When something cannot be started or does not happen in time, and when what arrived is not what was sent.
pub async fn measure(row: &str, options: &Options, report: &mut Report) -> Result<()> {
    match row {
        "chain" => chain::measure(options, report).await,
        "file-to-file" => file_to_file::measure(options, report).await,
        "exactly-once" => delivery::measure(options, report).await,
        "many-connectors" => many::measure(options, report).await,
        "rest" => rest_calls::measure(options, report).await,
        "registry" => registry::measure(options, report).await,
        "alternating" => alternating::measure(options, report).await,
        "dead-letters" => letters::measure(options, report).await,
        other => bail!("no row is called {other}"),
    }
}
