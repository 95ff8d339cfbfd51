//! What the author of a transformation writes.

use crate::bindings::connector::exports::sluice::connector::connector;
use crate::bindings::imports::sluice::connector::types as wire;
use crate::bindings::imports::sluice::data::errors::Error as WireError;
use crate::bindings::transformation::exports::sluice::connector::transformation;
use crate::config::Config;
use crate::definition::{Capabilities, Definition, Problem, TaskConfigs};
use crate::error::{Error, Result};
use crate::guest;
use crate::{Batch, SourceOffset};
use std::marker::PhantomData;

/// A transformation: a batch in, batches out, rows keep their row ids.
pub trait Transform: Sized + 'static {
    fn definition() -> Definition;

    /// Problems beyond types, ranges and required keys, all at once.
    fn validate(_config: &Config) -> Vec<Problem> {
        Vec::new()
    }

    /// # Errors
    /// When the config makes no sense.
    fn open(config: &Config) -> Result<Self>;

    /// Rows that are left out are dropped on purpose.
    ///
    /// # Errors
    /// Rejected: at least one row cannot be transformed; the host finds it by halves.
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>>;

    fn close(&mut self) {}
}

/// Adapts a [`Transform`] to the component's exports.
pub struct TransformPlugin<T>(PhantomData<T>);

fn read<T: Transform>(entries: Vec<(String, String)>) -> Config {
    guest::enter();
    Config::new(entries, &T::definition())
}

impl<T: Transform> connector::Guest for TransformPlugin<T> {
    fn describe() -> wire::Definition {
        guest::enter();
        T::definition().wire
    }

    fn validate(config: Vec<(String, String)>) -> Vec<wire::ConfigProblem> {
        T::validate(&read::<T>(config)).into_iter().map(Problem::into_wire).collect()
    }

    fn check(_config: Vec<(String, String)>) -> Vec<wire::ConfigProblem> {
        Vec::new()
    }

    fn task_configs(config: Vec<(String, String)>, _max_tasks: u32) -> Result<wire::TaskConfigSet, WireError> {
        Ok(TaskConfigs::single(&read::<T>(config)).into_wire())
    }

    fn capabilities(_config: Vec<(String, String)>) -> wire::ConnectorCapabilities {
        Capabilities::new().into_wire()
    }

    fn alter_offsets(_config: Vec<(String, String)>, _offsets: Vec<SourceOffset>) -> Result<bool, WireError> {
        Ok(false)
    }
}

impl<T: Transform> transformation::Guest for TransformPlugin<T> {
    fn open(config: Vec<(String, String)>) -> Result<(), WireError> {
        T::open(&read::<T>(config)).map(guest::set_task).map_err(Error::into_wire)
    }

    fn apply(batch: &Batch) -> Result<Vec<Batch>, WireError> {
        guest::with_task(|task: &mut T| task.apply(batch)).map_err(Error::into_wire)
    }

    fn close() {
        guest::close_task(T::close);
    }
}

/// Makes this crate's component a transformation: `export_transform!(MyTransformation);`
#[macro_export]
macro_rules! export_transform {
    ($transform:ty) => {
        // A host build exports nothing, but must not call the plugin's code unused.
        const _: fn() -> $crate::Definition = <$transform as $crate::Transform>::definition;
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        mod __sluice_export {
            use super::*;
            type Plugin = $crate::transform::TransformPlugin<$transform>;
            $crate::bindings::connector::export!(Plugin with_types_in $crate::bindings::connector);
            $crate::bindings::transformation::export!(Plugin with_types_in $crate::bindings::transformation);
        }
    };
}
