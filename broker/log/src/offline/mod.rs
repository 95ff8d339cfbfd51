//! Looking at a log that nobody runs: what its files hold, what is wrong with them, what opening it would change.
//!
//! Nothing here writes into the directory, except [`repair`], which copies first whatever it changes. Opening is the
//! log's own ([`crate::Log::open`]), over an [`Overlay`] that keeps every change in memory; so what is said about it is
//! what would happen.

mod dump;
mod overlay;
mod repair;
mod verify;

pub use dump::{BatchInfo, BlockInfo, DumpFilter, FileInfo, RecordInfo, Visitor, dump};
pub use overlay::{Change, Overlay, ReadOnlyDir};
pub use repair::{RepairPlan, plan_repair, repair};
pub use verify::{Affected, Problem, Severity, VerifyReport, verify};

use crate::fail::{Clock, FailPoints, SystemClock};
use crate::log::{Log, LogParts};
use crate::recovery::RecoveryReport;
use crate::storage::Storage;
use crate::{LogOptions, OpenError, TopicId};
use std::collections::HashMap;
use std::sync::Arc;

/// Opens the log as a broker would, without housekeeping of its own.
fn open(storage: Arc<dyn Storage>) -> Result<(Log, RecoveryReport), OpenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Log::open(LogParts {
        storage,
        clock,
        fail_points: FailPoints::default(),
        observer: Arc::new(()),
        options: LogOptions { housekeeping_interval: None, ..LogOptions::default() },
    })
}

/// Names for topic ids, as far as the log knows them.
fn topic_names(log: &Log) -> HashMap<TopicId, Arc<str>> {
    let mut names: HashMap<TopicId, Arc<str>> = log.topics().into_iter().map(|topic| (topic.id, topic.name)).collect();
    names.insert(crate::topics::METADATA_TOPIC, "the log's own metadata".into());
    names
}

fn io_error(action: &'static str, name: &str) -> impl FnOnce(std::io::Error) -> OpenError {
    let name = name.to_owned();
    move |source| OpenError::Io { action, name, source }
}

fn read_whole(storage: &dyn Storage, name: &str) -> Result<Vec<u8>, OpenError> {
    let file = storage.open(name).map_err(io_error("open", name))?;
    let size = file.size().map_err(io_error("read", name))?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0).map_err(io_error("read", name))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A topic's name, or its id when the log does not know it (any more).
fn named(names: &HashMap<TopicId, Arc<str>>, id: TopicId) -> String {
    names.get(&id).map_or_else(|| format!("topic id {}", hex(&id.0)), |name| name.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
