//! What every host capability shares.
//!
//! A capability is one feature that the host offers to guests: files, databases, object stores, HTTP. It moves bytes and decides
//! nothing: it knows no connector's config key and no Connect term. Each lives in a crate `capability-*` with the same
//! inner shape: `lib.rs` (the [`Capability`]), `config.rs` (ceiling and grants), `host.rs` (the WIT functions), `backend.rs`.
//!
//! Here: the trait and its life cycle, [`Grants`] (what one connector was given), [`GuestState`] (the data of one guest's store),
//! and the host side of `sluice:data` (batches, writers, outputs, operations), which every capability builds on.
//!
//! Capabilities never depend on each other; the list of those a host offers stands in `runtime/cli/src/capabilities.rs`.

pub mod bindings;
pub mod cast;
pub mod column;
pub mod error;
pub mod extreme;
pub mod format;
pub mod grants;
pub mod group;
pub mod host;
pub mod ipc;
pub mod json;
pub mod memory;
pub mod parse_json;
pub mod path;
pub mod state;
pub mod structs;
pub mod text;
pub mod view;

pub use error::{CapabilityError, HostResult};
pub use grants::{Ceiling, GrantError, Grants, Named};
pub use host::add_to_linker;
pub use state::{GuestIdentity, GuestState, HasGuest};

use std::any::Any;

/// One host feature. Stages: `link` once per process, `prepare` once per guest instance.
pub trait Capability: Send + Sync + 'static {
    /// The name in definitions and grants: `file`, `sql`, `object-store`, `http`.
    fn name(&self) -> &'static str;

    /// Puts the WIT functions on the linker. Called once per process; opens nothing.
    ///
    /// # Errors
    /// When a name is defined twice: a bug.
    fn link(&self, linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()>;

    /// Builds what one instance may reach, kept in its [`GuestState`] under [`Capability::name`]. Checks the grants against
    /// the worker's ceiling; must not block (connections are opened when the guest asks for them).
    ///
    /// # Errors
    /// Every grant that the ceiling does not allow, in one error that says how to allow it.
    fn prepare(&self, identity: &GuestIdentity, grants: &Grants) -> Result<Box<dyn Any + Send>, GrantError>;
}
