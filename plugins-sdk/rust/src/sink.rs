//! What the author of a sink writes.

use crate::bindings::connector::exports::sluice::connector::connector;
use crate::bindings::imports::sluice::connector::types as wire;
use crate::bindings::imports::sluice::data::errors::Error as WireError;
use crate::bindings::sink_task::exports::sluice::connector::sink_task;
use crate::config::Config;
use crate::definition::{Capabilities, Definition, Problem, TaskConfigs};
use crate::error::{Error, Result};
use crate::guest;
use crate::{Batch, Delivery, PartitionOffset, RecordFailure, SourceOffset, TopicPartition};
use std::marker::PhantomData;

/// A sink connector: what it is, whether a config is right, and how its work is divided into tasks.
///
/// Only [`Sink::check`] and [`Sink::task_configs`] may use capabilities.
pub trait Sink: 'static {
    type Task: SinkTask;

    fn definition() -> Definition;

    /// Problems beyond types, ranges and required keys, all at once.
    fn validate(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    /// Live problems: can it be reached, does the table exist. The host bounds the time.
    fn check(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    /// # Errors
    /// When the work cannot be divided.
    fn task_configs(config: &Config, max_tasks: u32) -> Result<TaskConfigs> {
        Ok(TaskConfigs::copies(config, max_tasks))
    }

    /// Says where deliveries end and whether a replayed one is recognised.
    fn capabilities(_config: &Config) -> Capabilities {
        Capabilities::new()
    }
}

/// One task of a sink. Calls never overlap; it may be dropped at any moment.
pub trait SinkTask: Sized + 'static {
    /// The assignment is fixed for the task's life.
    ///
    /// # Errors
    /// Retriable: called again later. Otherwise the task fails.
    fn open(config: &Config, assignment: &[TopicPartition]) -> Result<Self>;

    /// One whole delivery: batches of one topic partition, one per schema. Answers the records that the target refused;
    /// the others count as delivered, or as on their way (see [`SinkTask::pre_commit`]).
    ///
    /// # Errors
    /// Retriable: the same delivery is put again, as a replay. Rejected: the host finds the bad record by halves.
    fn put(&mut self, delivery: &Delivery, batches: &[Batch]) -> Result<Vec<RecordFailure>>;

    /// Up to where everything put is durable at the target. Kafka: `SinkTask.preCommit`.
    ///
    /// # Errors
    /// As [`SinkTask::put`].
    fn pre_commit(&mut self, offsets: Vec<PartitionOffset>) -> Result<Vec<PartitionOffset>> {
        Ok(offsets)
    }

    fn close(&mut self) {}
}

/// Adapts a [`Sink`] to the component's exports.
pub struct SinkPlugin<S>(PhantomData<S>);

fn read<S: Sink>(entries: Vec<(String, String)>) -> Config {
    guest::enter();
    Config::new(entries, &S::definition())
}

impl<S: Sink> connector::Guest for SinkPlugin<S> {
    fn describe() -> wire::Definition {
        guest::enter();
        S::definition().wire
    }

    fn validate(config: Vec<(String, String)>) -> Vec<wire::ConfigProblem> {
        S::validate(&read::<S>(config)).into_iter().map(Problem::into_wire).collect()
    }

    fn check(config: Vec<(String, String)>) -> Vec<wire::ConfigProblem> {
        S::check(&read::<S>(config)).into_iter().map(Problem::into_wire).collect()
    }

    fn task_configs(config: Vec<(String, String)>, max_tasks: u32) -> Result<wire::TaskConfigSet, WireError> {
        S::task_configs(&read::<S>(config), max_tasks).map(TaskConfigs::into_wire).map_err(Error::into_wire)
    }

    fn capabilities(config: Vec<(String, String)>) -> wire::ConnectorCapabilities {
        S::capabilities(&read::<S>(config)).into_wire()
    }

    fn alter_offsets(_config: Vec<(String, String)>, _offsets: Vec<SourceOffset>) -> Result<bool, WireError> {
        Ok(false)
    }
}

impl<S: Sink> sink_task::Guest for SinkPlugin<S> {
    fn open(assignment: Vec<TopicPartition>) -> Result<(), WireError> {
        let config = read::<S>(crate::context::config());
        S::Task::open(&config, &assignment).map(guest::set_task).map_err(Error::into_wire)
    }

    fn put(delivery: &Delivery, batches: Vec<Batch>) -> Result<Vec<RecordFailure>, WireError> {
        guest::with_task(|task: &mut S::Task| task.put(delivery, &batches)).map_err(Error::into_wire)
    }

    fn pre_commit(offsets: Vec<PartitionOffset>) -> Result<Vec<PartitionOffset>, WireError> {
        guest::with_task(|task: &mut S::Task| task.pre_commit(offsets)).map_err(Error::into_wire)
    }

    fn close() {
        guest::close_task(S::Task::close);
    }
}

/// Makes this crate's component a sink: `export_sink!(MyConnector);`
#[macro_export]
macro_rules! export_sink {
    ($sink:ty) => {
        // A host build exports nothing, but must not call the plugin's code unused.
        const _: fn() -> $crate::Definition = <$sink as $crate::Sink>::definition;
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        mod __sluice_export {
            use super::*;
            type Plugin = $crate::sink::SinkPlugin<$sink>;
            $crate::bindings::connector::export!(Plugin with_types_in $crate::bindings::connector);
            $crate::bindings::sink_task::export!(Plugin with_types_in $crate::bindings::sink_task);
        }
    };
}
