//! What the author of a source writes.

use crate::bindings::connector::exports::sluice::connector::connector;
use crate::bindings::imports::sluice::connector::types as wire;
use crate::bindings::imports::sluice::data::errors::{Details, Error as WireError};
use crate::bindings::source_task::exports::sluice::connector::source_task;
use crate::config::Config;
use crate::definition::{Capabilities, Definition, Problem, TaskConfigs};
use crate::error::{Error, Result};
use crate::guest;
use crate::{Batch, SourceOffset};
use std::marker::PhantomData;

/// A source connector: what it is, whether a config is right, and how its work is divided into tasks.
///
/// Only [`Source::check`], [`Source::task_configs`] and [`Source::alter_offsets`] may use capabilities.
pub trait Source: 'static {
    type Task: SourceTask;

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
    fn task_configs(config: &Config, _max_tasks: u32) -> Result<TaskConfigs> {
        Ok(TaskConfigs::single(config))
    }

    fn capabilities(_config: &Config) -> Capabilities {
        Capabilities::new().exactly_once(true)
    }

    /// Whether these offsets are taken over; by default they are refused.
    ///
    /// # Errors
    /// When an offset makes no sense.
    fn alter_offsets(_config: &Config, _offsets: &[SourceOffset]) -> Result<bool> {
        Ok(false)
    }
}

/// One task of a source. Calls never overlap; it may be dropped at any moment.
pub trait SourceTask: Sized + 'static {
    /// # Errors
    /// Retriable: called again later. Otherwise the task fails.
    fn open(config: &Config) -> Result<Self>;

    /// What there is to read now, after a short wait at most. Nothing: [`Poll::default`].
    ///
    /// # Errors
    /// Retriable: polled again after a backoff. Otherwise the task fails.
    fn poll(&mut self) -> Result<Poll>;

    /// These offsets, from earlier polls, are durable.
    ///
    /// # Errors
    /// Logged and counted.
    fn committed(&mut self, _offsets: &[SourceOffset]) -> Result<()> {
        Ok(())
    }

    fn close(&mut self) {}
}

/// What one poll gave: appended at once, together with the offsets, or not at all.
#[derive(Debug, Default)]
pub struct Poll {
    /// Each its own topic and schema.
    pub batches: Vec<Batch>,
    /// Where the source stands after them.
    pub offsets: Vec<SourceOffset>,
    /// Input that could not become a record, for `errors.tolerance` to decide.
    pub rejected: Vec<Error>,
}

impl Poll {
    /// One batch and where the source stands after it.
    #[must_use]
    pub fn batch(batch: Batch, offset: SourceOffset) -> Self {
        Self { batches: vec![batch], offsets: vec![offset], rejected: Vec::new() }
    }
}

/// Adapts a [`Source`] to the component's exports.
pub struct SourcePlugin<S>(PhantomData<S>);

fn read<S: Source>(entries: Vec<(String, String)>) -> Config {
    guest::enter();
    Config::new(entries, &S::definition())
}

impl<S: Source> connector::Guest for SourcePlugin<S> {
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

    fn alter_offsets(config: Vec<(String, String)>, offsets: Vec<SourceOffset>) -> Result<bool, WireError> {
        S::alter_offsets(&read::<S>(config), &offsets).map_err(Error::into_wire)
    }
}

impl<S: Source> source_task::Guest for SourcePlugin<S> {
    fn open() -> Result<(), WireError> {
        let config = read::<S>(crate::context::config());
        S::Task::open(&config).map(guest::set_task).map_err(Error::into_wire)
    }

    fn poll() -> Result<source_task::PollResult, WireError> {
        let poll = guest::with_task(S::Task::poll).map_err(Error::into_wire)?;
        let rejected: Vec<Details> = poll.rejected.into_iter().map(Error::into_details).collect();
        Ok(source_task::PollResult { batches: poll.batches, offsets: poll.offsets, rejected })
    }

    fn committed(offsets: Vec<SourceOffset>) -> Result<(), WireError> {
        guest::with_task(|task: &mut S::Task| task.committed(&offsets)).map_err(Error::into_wire)
    }

    fn close() {
        guest::close_task(S::Task::close);
    }
}

/// Makes this crate's component a source: `export_source!(MyConnector);`
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        // A host build exports nothing, but must not call the plugin's code unused.
        const _: fn() -> $crate::Definition = <$source as $crate::Source>::definition;
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        mod __sluice_export {
            use super::*;
            type Plugin = $crate::source::SourcePlugin<$source>;
            $crate::bindings::connector::export!(Plugin with_types_in $crate::bindings::connector);
            $crate::bindings::source_task::export!(Plugin with_types_in $crate::bindings::source_task);
        }
    };
}
