//! The host's side of `sluice:data`.

mod batches;
mod operations;
mod writers;

use crate::bindings::errors::Error;
use crate::bindings::{Imports, errors};
use crate::error::CapabilityError;
use crate::state::{GuestState, HasGuest};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Puts `sluice:data` on the linker. Once per process.
///
/// # Errors
/// When a name is defined twice: a bug.
pub fn add_to_linker(linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
    Imports::add_to_linker::<GuestState, HasGuest>(linker, |state| state)
}

impl errors::Host for GuestState {}

/// Runs what works on a guest's bytes: a panic of a library on input that nobody thought of fails the call, not the hub.
fn guarded<T>(what: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(CapabilityError::rejected("host.panic", format!("{what} failed on this input; please report it")))
    })
}
