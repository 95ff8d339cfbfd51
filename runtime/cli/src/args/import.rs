//! `sluice connector import`.

use super::kafka::Bootstrap;
use clap::Args;
use std::path::PathBuf;

/// Take over the connectors of a Kafka Connect cluster: configs, states and offsets from its three internal topics.
///
/// The topics are only read. Each connector is made in the hub of --url as STOPPED, gets its offsets, and goes on in the state that it had.
/// One that cannot be taken over is named, and the others go on.
#[derive(Debug, Args)]
pub struct ImportOptions {
    #[command(flatten)]
    pub bootstrap: Bootstrap,
    /// The workers' connect-distributed.properties: brokers, topics, group and client settings, unless given here
    #[arg(long, value_name = "FILE")]
    pub worker_config: Option<PathBuf>,
    /// The workers' config.storage.topic
    #[arg(long, value_name = "TOPIC")]
    pub config_storage_topic: Option<String>,
    /// The workers' offset.storage.topic
    #[arg(long, value_name = "TOPIC")]
    pub offset_storage_topic: Option<String>,
    /// The workers' status.storage.topic
    #[arg(long, value_name = "TOPIC")]
    pub status_storage_topic: Option<String>,
    /// The workers' group.id, to make sure that none of them runs any more
    #[arg(long, value_name = "GROUP")]
    pub group_id: Option<String>,
    /// Only these connectors [default: all]
    #[arg(long = "connector", value_name = "NAME")]
    pub connectors: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}
