//! `sluice log …`: looking at a data directory that no broker uses.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Look at a log offline, check and repair it. No broker may use the data directory meanwhile.
#[derive(Debug, Args)]
pub struct LogArguments {
    /// Where the log lives [default: ~/.local/share/sluice]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub command: LogCommand,
}

#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// List files; with a topic, partition or offset their blocks and batches too
    Dump(DumpOptions),
    /// Read everything and compare it with its checksums; ends with 1 when something is damaged
    Verify,
    /// Do what a start of the broker would do: cut off what a crash tore, make derived files anew. Damage stays, fenced
    Repair {
        /// Only say what would be done
        #[arg(long, required_unless_present = "execute")]
        dry_run: bool,
        /// Do it; copies of all that changes are kept in the data directory
        #[arg(long, conflicts_with = "dry_run")]
        execute: bool,
    },
}

#[derive(Debug, Args)]
pub struct DumpOptions {
    /// Blocks and batches of this topic
    #[arg(long, short)]
    pub topic: Option<String>,
    /// Of this partition
    #[arg(long, short)]
    pub partition: Option<i32>,
    /// From this offset on
    #[arg(long)]
    pub offset: Option<i64>,
    /// Blocks and batches of all topics
    #[arg(long)]
    pub blocks: bool,
    /// Down to the records
    #[arg(long)]
    pub records: bool,
    /// At most so many records, or batches without --records
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u64>,
}
