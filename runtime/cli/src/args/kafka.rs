//! Commands that speak Kafka's protocol to any broker.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Which cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct Bootstrap {
    /// Kafka brokers to ask, comma-separated [default: 127.0.0.1:9092]
    #[arg(
        long,
        short = 'b',
        alias = "bootstrap-servers",
        value_name = "HOST:PORT",
        env = "SLUICE_BOOTSTRAP_SERVER",
        global = true
    )]
    pub bootstrap_server: Option<String>,
    /// Client settings (.properties), with librdkafka's names: security.protocol, sasl.username, …
    #[arg(long, value_name = "FILE", global = true)]
    pub command_config: Option<PathBuf>,
    /// One client setting, over what the file says
    #[arg(long = "command-property", short = 'X', value_name = "KEY=VALUE", global = true)]
    pub command_properties: Vec<String>,
}

/// Topics, over Kafka's protocol. With --url or SLUICE_URL and without --bootstrap-server, `list`, `describe`, `create` and
/// `delete` ask a hub's REST API instead, which shows its internal topics too; `read` always does.
#[derive(Debug, Args)]
pub struct TopicArguments {
    #[command(flatten)]
    pub bootstrap: Bootstrap,
    #[command(subcommand)]
    pub command: TopicCommand,
}

#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// All topics
    List {
        /// The brokers' own too
        #[arg(long)]
        internal: bool,
    },
    /// Partitions, offsets and settings
    Describe {
        name: String,
        /// Settings with default values too
        #[arg(long)]
        all: bool,
    },
    /// Create a topic
    Create {
        name: String,
        /// [default: the broker's num.partitions]
        #[arg(long, short)]
        partitions: Option<i32>,
        /// [default: the broker's]
        #[arg(long)]
        replication_factor: Option<i32>,
        /// A setting, like retention.ms=86400000
        #[arg(long = "config", short = 'c', value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// Fine when there is one already
        #[arg(long)]
        if_not_exists: bool,
    },
    /// Change settings; the others stay
    Alter {
        name: String,
        /// Set, like retention.ms=86400000
        #[arg(long = "config", short = 'c', visible_alias = "add-config", value_name = "KEY=VALUE")]
        #[arg(required_unless_present = "removed")]
        settings: Vec<String>,
        /// Back to the default
        #[arg(long = "delete-config", value_name = "KEY")]
        removed: Vec<String>,
    },
    /// Delete a topic and its records
    Delete {
        name: String,
        /// Fine when there is none
        #[arg(long)]
        if_exists: bool,
    },
    /// Give a topic more partitions
    AddPartitions {
        name: String,
        /// How many it will have in all
        #[arg(long, short, value_name = "TOTAL")]
        partitions: usize,
    },
    /// Delete the records before an offset
    DeleteRecords {
        name: String,
        /// Of this partition [default: all]
        #[arg(long, short)]
        partition: Option<i32>,
        /// A number, or latest for everything that is there now
        #[arg(long, value_name = "OFFSET")]
        before: String,
    },
    /// Print records that a hub's REST API has, internal topics too; `sluice consume` reads from any broker
    Read {
        name: String,
        #[arg(long, short)]
        partition: Option<i32>,
        /// From this offset on
        #[arg(long)]
        offset: Option<i64>,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 100)]
        limit: u32,
    },
}

/// Consumer groups, over Kafka's protocol.
#[derive(Debug, Args)]
pub struct GroupArguments {
    #[command(flatten)]
    pub bootstrap: Bootstrap,
    #[command(subcommand)]
    pub command: GroupCommand,
}

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// All groups
    List,
    /// Offsets, lag and members
    Describe {
        group: String,
        /// Members with what each reads, instead of offsets
        #[arg(long)]
        members: bool,
    },
    /// Move a group's offsets; it must have no members. Shows what would change, unless --execute
    ResetOffsets(ResetOffsets),
    /// Delete a group without members, with its offsets
    Delete { group: String },
    /// Forget what a group committed for a topic
    DeleteOffsets {
        group: String,
        /// TOPIC, or TOPIC:0,1 for some partitions
        #[arg(long, value_name = "TOPIC[:PARTITIONS]", required = true)]
        topic: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct ResetOffsets {
    pub group: String,
    /// TOPIC, or TOPIC:0,1 for some partitions
    #[arg(long, value_name = "TOPIC[:PARTITIONS]", required_unless_present = "all_topics")]
    pub topic: Vec<String>,
    /// Every topic that the group has offsets of
    #[arg(long, conflicts_with = "topic")]
    pub all_topics: bool,
    #[command(flatten)]
    pub to: ResetTarget,
    /// Change them
    #[arg(long)]
    pub execute: bool,
    /// Only show what would change (also without --execute)
    #[arg(long, conflicts_with = "execute")]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ResetTarget {
    /// To the first record
    #[arg(long)]
    pub to_earliest: bool,
    /// To the end
    #[arg(long)]
    pub to_latest: bool,
    /// To where it is, within what is there
    #[arg(long)]
    pub to_current: bool,
    /// To this offset
    #[arg(long, value_name = "OFFSET")]
    pub to_offset: Option<i64>,
    /// By so many records, back with a minus
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub shift_by: Option<i64>,
    /// To the first record at or after a time: 2026-11-21T10:00:00, with Z or an offset, or ms since the epoch
    #[arg(long, value_name = "TIME")]
    pub to_datetime: Option<String>,
    /// To the first record of the last so long: PT1H30M, or 90m
    #[arg(long, value_name = "DURATION")]
    pub by_duration: Option<String>,
}

/// Read records from a topic, over Kafka's protocol, and print them.
#[derive(Debug, Args)]
#[command(after_long_help = FORMAT_HELP)]
pub struct ConsumeOptions {
    #[command(flatten)]
    pub bootstrap: Bootstrap,
    pub topic: String,
    /// From the first record on [default: what comes from now on; a group goes on where it was]
    #[arg(long, conflicts_with = "offset")]
    pub from_beginning: bool,
    /// Only this partition; may be repeated
    #[arg(long, short, value_delimiter = ',', conflicts_with = "group")]
    pub partition: Vec<i32>,
    /// earliest, latest, a number, or a time: 2026-11-21T10:00:00Z, @1795255200000 (ms)
    #[arg(long, value_name = "OFFSET", conflicts_with = "group", allow_hyphen_values = true)]
    pub offset: Option<String>,
    /// As a member of this group, which commits what was printed
    #[arg(long, short)]
    pub group: Option<String>,
    /// End after so many records
    #[arg(long, short = 'n', value_name = "N")]
    pub max_messages: Option<u64>,
    /// End when nothing has come for so long
    #[arg(long, value_name = "MS")]
    pub timeout_ms: Option<u64>,
    /// End where the partitions end now
    #[arg(long, short = 'e')]
    pub until_end: bool,
    /// Each record in this form, with kcat's escapes; see below [default: '%v\n']
    #[arg(long, short, conflicts_with = "json", allow_hyphen_values = true)]
    pub format: Option<String>,
    /// A JSON object per line; bytes that are no UTF-8 as base64, said so beside them
    #[arg(long, short)]
    pub json: bool,
    /// Whether to show what open and aborted transactions wrote
    #[arg(long, value_enum, default_value_t = Isolation::ReadCommitted)]
    pub isolation_level: Isolation,
}

const FORMAT_HELP: &str = "\
Format: %v or %s value, %k key, %h headers (name=value,…), %t topic, %p partition, %o offset, %T timestamp in ms,
%S and %K sizes of value and key (-1: null), %% a percent sign; \\n \\t \\r \\\\ \\0 \\xHH. A null is printed as NULL.
JSON: topic, partition, offset, timestamp, timestamp_type, key, value, headers [{name, value}]; null is null. Bytes that are no
UTF-8 stand as base64 with key_encoding, value_encoding or (in a header) encoding \"base64\" beside them.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Isolation {
    ReadCommitted,
    ReadUncommitted,
}

/// Write records to a topic, over Kafka's protocol: one per line of the standard input.
///
/// Ends with 1 when a record was not acknowledged, and names each of these by its line.
#[derive(Debug, Args)]
pub struct ProduceOptions {
    #[command(flatten)]
    pub bootstrap: Bootstrap,
    pub topic: String,
    /// What stands between key and value in each line; \t is a tab [default: lines are values]
    #[arg(long, short = 'K', value_name = "TEXT", allow_hyphen_values = true)]
    pub key_separator: Option<String>,
    /// A header of every record; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE")]
    pub headers: Vec<String>,
    /// Into this partition [default: by the key, as Java's producer does]
    #[arg(long, short)]
    pub partition: Option<i32>,
    #[arg(long, short = 'z', value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
    /// A key or a value that is this text is null (a null value deletes its key in a compacted topic)
    #[arg(long, value_name = "TEXT")]
    pub null_value: Option<String>,
    /// all (on every replica in sync; at sluice on the disk), 1 or 0
    #[arg(long, value_name = "ACKS", default_value = "all", value_parser = ["all", "-1", "1", "0"], allow_hyphen_values = true)]
    pub acks: String,
    /// A record that is not acknowledged within this time has failed
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}
